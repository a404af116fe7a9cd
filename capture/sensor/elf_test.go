package sensor

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"kingsnake/capture"
)

func TestABinaryIsToldByItsNames(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]binaryKind{
		"/usr/bin/python3":            interpreter,
		"/bin/sh":                     noPython,
		"/bin/cat":                    noPython,
		"/lib64/ld-linux-x86-64.so.2": loader,
	} {
		f, err := os.Open(path)
		if err != nil {
			continue // not on this system
		}
		got, err := readBinary(f)
		if err != nil || got != want {
			t.Errorf("%s: want %v, got %v, %v", path, want, got, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	// This test names what it looks for, but as strings of Go.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := readBinary(f); err != nil || got != noPython {
		t.Errorf("a program that writes of Python: want %v, got %v, %v", noPython, got, err)
	}
	if got, err := readBinary(bytes.NewReader([]byte("#!/bin/sh\n"))); err != nil || got != noPython {
		t.Errorf("a script: want %v, got %v, %v", noPython, got, err)
	}
}

func TestABinaryThatClaimsTooManySectionsIsNotLookedAt(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "hostile")
	header := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 57)...)
	header[40] = 64                   // section headers follow
	header[58] = 64                   // the length of one
	section := make([]byte, 64)       // the first says how many there are
	section[32+3], section[62] = 1, 0 // 16 million
	if err := os.WriteFile(name, append(header, section...), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 2<<30); err != nil { // sparse
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := readBinary(f); err == nil || got != notLookedAt {
		t.Errorf("want an error, got %v", got)
	}
}

func TestAShellIsToldByWhatIsInIt(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]binaryKind{
		"/bin/dash": shell, "/bin/bash": shell, "/bin/zsh": shell, "/bin/busybox": multicall,
		"/bin/cat": noPython, "/usr/bin/perl": noPython, "/usr/bin/git": noPython, "/usr/bin/python3": noPython,
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
	if got, err := readShell(bytes.NewReader(append(across, markers[1]...))); err != nil || got != shell {
		t.Errorf("a marker across two reads: want %v, got %v, %v", shell, got, err)
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
	if got, err := readShell(f); err != nil || got != noPython {
		t.Errorf("this program: want %v, got %v, %v", noPython, got, err)
	}
}

func TestTheRoleOfAProgramIsHowItIsCalled(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind binaryKind
		exe  string
		args []string
		want capture.Role
	}{
		"a shell":                       {shell, "/bin/x", []string{"x"}, capture.Shell},
		"a Python":                      {interpreter, "/usr/bin/python3", nil, capture.Interpreter},
		"busybox as a shell":            {multicall, "/bin/busybox", []string{"-sh"}, capture.Shell},
		"busybox asked for a shell":     {multicall, "/tmp/busybox", []string{"/tmp/busybox", "ash", "-i"}, capture.Shell},
		"busybox as another program":    {multicall, "/bin/busybox", []string{"ls", "-l"}, capture.Other},
		"busybox with no name":          {multicall, "/bin/busybox", nil, capture.Other},
		"a shell gone too early":        {notLookedAt, "/usr/bin/bash", []string{"x"}, capture.Shell},
		"a shell behind the loader":     {loader, "/lib64/ld-linux-x86-64.so.2", []string{"ld.so", "/bin/bash", "-i"}, capture.Shell},
		"the loader alone":              {loader, "/lib64/ld-linux-x86-64.so.2", []string{"ld.so"}, capture.Other},
		"another language with version": {nameKind("/usr/bin/perl5.36.0"), "", nil, capture.Interpreter},
		"anything else":                 {nameKind("/usr/bin/shred"), "", nil, capture.Other},
	} {
		if got := roleOf(tt.kind, tt.exe, tt.args); got != tt.want {
			t.Errorf("%s: want %q, got %q", name, tt.want, got)
		}
	}
}

func FuzzReadBinary(f *testing.F) {
	header := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 121)...)
	f.Add(header)
	f.Add([]byte("#!/bin/sh\n"))
	if small, err := os.ReadFile("/bin/true"); err == nil {
		f.Add(small)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 64<<10 {
			return
		}
		if kind, err := readBinary(bytes.NewReader(in)); err != nil && kind != notLookedAt {
			t.Errorf("want nothing known of a broken binary, got %v", kind)
		}
	})
}
