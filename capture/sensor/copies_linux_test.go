//go:build amd64 || arm64

package sensor_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"kingsnake/capture"
)

// came reports whether a text that was compiled at run time has come.
func (r *recorder) came(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.scripts, func(s capture.Script) bool { return isCompiled(s) && string(s.Text) == text })
}

// folder is where the temporary folders of a test lie.
func folder(t *testing.T) string { return filepath.Dir(t.TempDir()) }

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestCopiesThatAreGoneTakeNoPlace runs copies of an interpreter, more than there
// are places for, and deletes each.
func TestCopiesThatAreGoneTakeNoPlace(t *testing.T) {
	copies := 300
	if testing.Short() {
		copies = 20 // which leave their places all the same
	}
	r := record(t)
	r.warm(t, copyOf(t, python, "stays"))
	before, most, seen := descriptors(t), 0, 0
	text := func(i int) string { return fmt.Sprintf("x = 1 # %s %d", t.Name(), i) }
	for i := range copies {
		path := copyOf(t, python, "goes")
		cmd := exec.Command(path, "-c", "import sys; exec(sys.argv[1])", text(i))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		most = max(most, r.sensor.Hooked(folder(t)))
	}
	until(t, "only the copy that has a name keeps its place", func() bool { return r.sensor.Hooked(folder(t)) == 1 })
	until(t, "the descriptors are closed", func() bool { return descriptors(t) < before+max(copies, 100) })
	for i := range copies {
		if r.came(text(i)) {
			seen++
		}
	}
	lost := r.sensor.Stats().Lost
	t.Logf("%d of %d texts were captured, up to %d copies had probes at once; lost: %v", seen, copies, most, lost)
	if n := lost["compiled: too many interpreters"]; n > 0 {
		t.Errorf("%d interpreters had to make room for others", n)
	}
}

// teller is a program that compiles what it is told.
type teller struct {
	lines   io.WriteCloser
	answers *bufio.Reader
}

// tellerScript compiles itself, in a child whose parent has ended, or with
// another interpreter in a library.
const tellerScript = `import os, sys
run = exec
if sys.argv[1] == "forked" and os.fork():
    os._exit(0)
if sys.argv[1] == "library":
    import ctypes
    library = ctypes.CDLL(sys.argv[2], os.RTLD_NOW | os.RTLD_DEEPBIND)  # its own functions, not those of this one
    library.Py_InitializeEx(0)
    run = lambda text: library.PyRun_SimpleStringFlags(text.encode(), None)
for line in sys.stdin:
    run(line)
    print("done", flush=True)
`

func startTeller(t *testing.T, cmd *exec.Cmd) *teller {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &teller{in, bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()
		_, _ = io.Copy(io.Discard, p.answers) // it ends with what it is told
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", cmd, err)
		}
	})
	return p
}

// compile has a text compiled.
func (p *teller) compile(t *testing.T, text string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.lines, text); err != nil {
		t.Fatal(err)
	}
	if _, err := p.answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
}

// comes has a text compiled, and reports whether it comes soon.
func (p *teller) comes(t *testing.T, r *recorder, text string) bool {
	t.Helper()
	p.compile(t, text)
	for range 20 {
		if r.came(text + "\n") {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// TestADeletedInterpreterThatRunsKeepsItsProbes deletes an interpreter that goes
// on, and one that has ended: when that is detached from, both were looked at.
func TestADeletedInterpreterThatRunsKeepsItsProbes(t *testing.T) {
	script := write(t, "teller.py", []byte(tellerScript))
	for _, way := range []string{"itself", "forked", "library"} {
		t.Run(way, func(t *testing.T) {
			var r *recorder
			var p *teller
			deleted := copyOf(t, python, "runs")
			if way == "library" { // which is found when it is there before the sensor
				found, _ := filepath.Glob("/usr/lib/*/libpython3.*.so.1.0") // only a malformed pattern fails
				if len(found) == 0 {
					t.Skip("needs an interpreter in a library: apt-get install libpython3.11")
				}
				deleted = copyOf(t, found[0], "libpython3.so")
				p = startTeller(t, exec.Command(python, script, way, deleted))
				p.compile(t, "pass")
				r = record(t)
			} else {
				r = record(t)
				p = startTeller(t, exec.Command(deleted, script, way))
			}
			n := 0
			until(t, "it is attached to", func() bool {
				n++
				return p.comes(t, r, fmt.Sprintf("x = 1 # %s is attached to: %d", t.Name(), n))
			})
			ended := copyOf(t, python, "ends")
			r.warm(t, ended)
			for _, path := range []string{deleted, ended} {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			until(t, "the one that has ended is detached from", func() bool { return r.sensor.Hooked(folder(t)) == 1 })
			until(t, "the one that runs still tells what it compiles", func() bool {
				n++
				return p.comes(t, r, fmt.Sprintf("x = 1 # %s still runs: %d", t.Name(), n))
			})
			p.lines.Close()
			until(t, "it is detached from when it has ended", func() bool { return r.sensor.Hooked(folder(t)) == 0 })
		})
	}
}
