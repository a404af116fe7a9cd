//go:build amd64 || arm64

package sensor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// rootScript moves to a root of its own, and stays there until it is told to end.
const rootScript = `import os, sys
os.chroot(sys.argv[1])
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
`

// TestWhatLiesInTheRootOfAContainerIsAttachedToBefore has an interpreter that never
// ran in a root that is in use when the sensor starts.
func TestWhatLiesInTheRootOfAContainerIsAttachedToBefore(t *testing.T) {
	root := t.TempDir()
	bin := filepath.Join(root, "usr/bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(copyOf(t, python, "python"), filepath.Join(bin, "python3.11")); err != nil {
		t.Fatal(err)
	}
	p := startTeller(t, exec.Command(python, "-c", rootScript, root))
	p.compile(t, "pass") // it is there
	r := record(t)
	until(t, "the interpreter is attached to", func() bool { return r.sensor.Hooked(folder(t)) == 1 })
}
