package sensor

import (
	"bytes"
	"os"
	"testing"

	"kingsnake/capture"
	"kingsnake/capture/python"
)

func TestAShellIsToldByWhatIsInIt(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]python.Binary{
		"/bin/dash": python.Shell, "/bin/bash": python.Shell, "/bin/zsh": python.Shell, "/bin/busybox": python.Multicall,
		"/bin/cat": python.NoPython, "/usr/bin/perl": python.NoPython, "/usr/bin/git": python.NoPython, "/usr/bin/python3": python.NoPython,
	} {
		f, err := os.Open(path)
		if err != nil {
			continue // not on this system
		}
		if got, err := readShell(f); err != nil || got != want {
			t.Errorf("%s: want %v, got %v, %v", path, want, got, err)
		}
		f.Close()
	}
	across := append(bytes.Repeat([]byte{' '}, 64<<10-2), markers[0]...)
	if got, err := readShell(bytes.NewReader(append(across, markers[1]...))); err != nil || got != python.Shell {
		t.Errorf("a marker across two reads: want %v, got %v, %v", python.Shell, got, err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := readShell(f); err != nil || got != python.NoPython {
		t.Errorf("this program: want %v, got %v, %v", python.NoPython, got, err)
	}
}

func TestTheRoleOfAProgramIsHowItIsCalled(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind python.Binary
		exe  string
		args []string
		want capture.Role
	}{
		"a shell":                       {python.Shell, "/bin/x", []string{"x"}, capture.Shell},
		"a Python":                      {python.Interpreter, "/usr/bin/python3", nil, capture.Interpreter},
		"busybox as a shell":            {python.Multicall, "/bin/busybox", []string{"-sh"}, capture.Shell},
		"busybox asked for a shell":     {python.Multicall, "/tmp/busybox", []string{"/tmp/busybox", "ash", "-i"}, capture.Shell},
		"busybox as another program":    {python.Multicall, "/bin/busybox", []string{"ls", "-l"}, capture.Other},
		"busybox with no name":          {python.Multicall, "/bin/busybox", nil, capture.Other},
		"a shell gone too early":        {python.NotLookedAt, "/usr/bin/bash", []string{"x"}, capture.Shell},
		"a shell behind the loader":     {python.Loader, "/lib64/ld-linux-x86-64.so.2", []string{"ld.so", "/bin/bash", "-i"}, capture.Shell},
		"the loader alone":              {python.Loader, "/lib64/ld-linux-x86-64.so.2", []string{"ld.so"}, capture.Other},
		"another language with version": {nameKind("/usr/bin/perl5.36.0"), "", nil, capture.Interpreter},
		"anything else":                 {nameKind("/usr/bin/shred"), "", nil, capture.Other},
	} {
		if got := roleOf(tt.kind, tt.exe, tt.args); got != tt.want {
			t.Errorf("%s: want %q, got %q", name, tt.want, got)
		}
	}
}
