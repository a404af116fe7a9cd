//go:build linux

package binary_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/capture/binary"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	want := binary.File{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data))}

	// A process that has ended: its id is known to be free of our binary.
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	ended := cmd.Process.Pid

	var r binary.Reader
	me := binary.MountNamespace(os.Getpid())
	for name, tc := range map[string]struct {
		p    capture.Process
		want binary.File
	}{
		"a living process is read through its own exe link": {
			capture.Process{PID: os.Getpid(), Exe: self}, want},
		"an ended process is read through a parent of the same mount namespace": {
			capture.Process{PID: ended, PPID: os.Getpid(), Exe: self, MountNamespace: me}, want},
		"an ended process in another mount namespace is not looked up in ours": {
			capture.Process{PID: ended, PPID: os.Getpid(), Exe: self, MountNamespace: me + 1},
			binary.File{Unread: "the process had ended before its executable was read"}},
		"an ended process without a path says so": {
			capture.Process{PID: ended},
			binary.File{Unread: "the process had ended and its executable's path is not known"}},
		"a path that names a device is refused": {
			capture.Process{PID: ended, PPID: os.Getpid(), Exe: "/dev/null", MountNamespace: me},
			binary.File{Unread: "not a regular file"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, r.Describe(tc.p)); diff != "" {
				t.Errorf("Describe (-want +got):\n%s", diff)
			}
		})
	}
}
