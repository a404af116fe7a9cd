//go:build amd64 || arm64

package sensor_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/sensor"
	"kingsnake/capture/sensor/sensortest"
)

// put has a command run in a cell.
func put(c *sensortest.Cell, cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = c.Attr()
	return cmd
}

// holding starts a sensor that holds what runs in a cell, and has judge called
// for each script.
func holding(t *testing.T, h sensor.Hold, judge func(*sensor.Sensor, capture.Script)) (*recorder, *sensortest.Cell) {
	t.Helper()
	c := sensortest.NewCell(t)
	sensor.HoldNamed(&h)
	if h.Wait == 0 {
		h.Wait = 20 * time.Second // the machine may be busy
	}
	r := recordWith(t, sensor.Config{Hold: &h}, judge)
	if err := r.sensor.HoldIn(c.Dir); err != nil {
		t.Fatal(err)
	}
	until(t, "it holds", r.sensor.Holding)
	return r, c
}

// archive returns a zip archive of one file, which is long enough not to be
// read whole at once.
func archive(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{name: text, "data": strings.Repeat("kingsnake ", 20_000)} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAHeldScriptRunsAfterItWasReleasedAndNotBefore(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	early := make(chan string, 64)
	r, c := holding(t, sensor.Hold{}, func(s *sensor.Sensor, script capture.Script) {
		if script.Held.IsZero() || script.Kind == capture.Import {
			return
		}
		time.Sleep(30 * time.Millisecond) // what is not stopped would run meanwhile
		if _, err := os.Stat(trace); err == nil {
			early <- string(script.Kind) + " " + script.Path
		}
		if !s.Release(script) {
			early <- "not released: " + string(script.Kind)
		}
	})
	text := []byte("import sys\nopen(sys.argv[-1], 'w').write('ran')\n")
	file := write(t, "script.py", text)
	zip := write(t, "app.pyz", archive(t, "__main__.py", string(text)))
	pad := append(bytes.Repeat([]byte("# a long text\n"), 20000), text...)
	long := write(t, "long.py", pad)
	module := write(t, "hold_module.py", text)
	folder := write(t, "__main__.py", text)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	in := func(dir string, cmd *exec.Cmd) *exec.Cmd { cmd.Dir = dir; return cmd }
	for name, cmd := range map[string]*exec.Cmd{
		"a file":                 exec.Command(python, file, trace),
		"a long file":            exec.Command(python, long, trace),
		"a link":                 exec.Command(python, link, trace),
		"-c":                     exec.Command(python, "-c", string(text), trace),
		"a pipe":                 sh(`cat "$1" | python3 - "$2"`, file, trace),
		"a pipe, byte by byte":   sh(`cat "$1" | python3 -u - "$2"`, file, trace),
		"a file as input":        sh(`python3 - "$2" < "$1"`, file, trace),
		"the rest of a file":     sh(`{ read x; python3 - "$2"; } < "$1"`, long, trace),
		"a process substitution": exec.Command("/bin/bash", "-c", `python3 <(cat "$1") "$2"; :`, "bash", file, trace),
		"a descriptor":           sh(`exec python3 /dev/fd/7 "$2" 7<"$1"`, file, trace),
		"a module":               in(filepath.Dir(module), exec.Command(python, "-m", "hold_module", trace)),
		"a folder":               exec.Command(python, filepath.Dir(folder), trace),
		"an archive":             exec.Command(python, zip, trace),
		"a FIFO":                 sh(`mkfifo "$3" && { cat "$1" > "$3" & exec python3 "$3" "$2"; }`, file, trace, filepath.Join(t.TempDir(), "fifo")),
		"a descriptor in /proc":  sh(`exec python3 /proc/self/fd/7 "$2" 7<"$1"`, file, trace),
		"the dynamic loader":     sh(`exec /lib*/ld-linux-*.so.? /usr/bin/python3 "$1" "$2"`, file, trace),
		"a copy with set-uid":    sh(`cp /usr/bin/python3 "$3" && chmod 4755 "$3" && exec "$3" "$1" "$2"`, file, trace, filepath.Join(t.TempDir(), "copy")),
		"a hashbang":             exec.Command(write(t, "script", append([]byte("#!/usr/bin/python3\n"), text...)), trace),
		"the first of its pids":  exec.Command("unshare", "--pid", "--fork", python, file, trace),
	} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(trace)
			put(c, cmd)
			before := r.sensor.Stats().Lost
			got := r.run(t, 1, cmd)
			for len(early) > 0 {
				t.Errorf("ran before it was released: %s", <-early)
			}
			if got[0].Held.IsZero() {
				t.Errorf("was not held: %s, lost before %v and now %v", describe(got), before, r.sensor.Stats().Lost)
			}
			if _, err := os.Stat(trace); err != nil {
				t.Errorf("did not run: %v", err)
			}
		})
	}
	if n := r.sensor.Holds(); n != 0 {
		t.Errorf("%d processes are still held", n)
	}
}

func TestAnOrdinaryStartIsUnchangedByAHold(t *testing.T) {
	file := write(t, "script.py", []byte("import sys\nprint(sys.argv[1:], sys.stdin.isatty())\nsys.exit(3)\n"))
	echo := write(t, "echo.py", []byte("import sys\nfor line in sys.stdin: print(line.upper(), end='')\n"))
	parent := write(t, "parent.py", []byte(`import os, subprocess, sys
run = lambda *args, **kw: subprocess.run([sys.executable, *args], capture_output=True, text=True, **kw)
print(run("-c", "print(input())", input="in").stdout)
print(run("-c", "import sys; sys.exit(7)").returncode)
try:
    run("-c", "import time; time.sleep(60)", timeout=1)
except subprocess.TimeoutExpired:
    print("timeout")
pid = os.spawnlp(os.P_NOWAIT, sys.executable, sys.executable, "-c", "pass")
print(os.waitpid(pid, 0)[1])
`))
	many := write(t, "many.py", []byte(`import multiprocessing, threading
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    with multiprocessing.Pool(2) as p: print(p.map(abs, range(-4, 0)))
`))
	tests := map[string]*exec.Cmd{
		"exit code and arguments": exec.Command(python, file, "a", "b c"),
		"standard input":          sh(`printf 'a\nb\n' | python3 "$1"`, echo),
		"a long pipe":             sh(`seq 20000 | python3 "$1" | tail -1`, echo),
		"no standard input":       sh(`python3 "$1" <&-; echo $?`, echo),
		"children":                exec.Command(python, parent),
		"a pool":                  exec.Command(python, many),
		"an error":                sh(`python3 -c 'x = '; echo $?; python3 /nowhere/script.py; echo $?`),
		"timeout":                 sh(`timeout 1 python3 -c 'import time; time.sleep(60)'; echo $?`),
		"killed":                  sh(`python3 -c 'import os; os.kill(os.getpid(), 9)'; echo $?`),
		"in the background":       exec.Command("bash", "-c", `python3 "$1" & wait $!; echo $?`, "bash", file),
		"a shell's job":           exec.Command("bash", "-c", `set -m; python3 "$1"; echo $?; python3 "$1" & fg; echo $?`, "bash", file),
		"a terminal":              exec.Command("script", "-qec", "bash --norc -ic 'python3 "+file+"; echo $?'", "/dev/null"),
		"a session":               sh(`setsid -w python3 "$1"; echo $?`, file),
		"another user":            sh(`runuser -u nobody -- /usr/bin/python3 -c 'print(1)'; su -s /bin/bash nobody -c "/usr/bin/python3 -c 'print(2)'"; echo $?`),
		"another namespace":       sh(`nsenter --target $$ --mount --pid -- python3 "$1"; echo $?`, file),
		"a traced one":            exec.Command(python, "-m", "trace", "--count", "--summary", "-C", t.TempDir(), file),
	}
	want := map[string]string{}
	said := func(cmd *exec.Cmd, c *sensortest.Cell) string {
		var out bytes.Buffer
		again := exec.Command(cmd.Path)
		again.Args = cmd.Args
		again.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONDONTWRITEBYTECODE=1"}
		again.Stdout, again.Stderr = &out, &out
		err := put(c, again).Run()
		return out.String() + fmt.Sprint(err)
	}
	c := sensortest.NewCell(t)
	for name, cmd := range tests {
		want[name] = said(cmd, c)
	}
	r, c := holding(t, sensor.Hold{}, func(s *sensor.Sensor, script capture.Script) {
		if !script.Held.IsZero() {
			time.Sleep(5 * time.Millisecond) // time enough for whoever watches it to see it stopped
			s.Release(script)
		}
	})
	for name, cmd := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want[name], said(cmd, c)); diff != "" {
				t.Errorf("held (-want +got):\n%s", diff)
			}
		})
	}
	if lost := r.sensor.Stats().Lost["hold: no verdict in time"]; lost != 0 {
		t.Errorf("%d were let go without a verdict", lost)
	}
}

func TestWhatSomebodyElseDoesToAHeldProcessIsSeen(t *testing.T) {
	type answer struct {
		released bool
		stopped  bool // after it was released
	}
	for name, tc := range map[string]struct {
		signal unix.Signal
		want   answer
		lost   uint64
	}{
		"stopped by somebody else, it stays stopped": {unix.SIGSTOP, answer{released: true, stopped: true}, 0},
		"let go by somebody else, that is counted":   {unix.SIGCONT, answer{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			answers := make(chan answer, 1)
			r, c := holding(t, sensor.Hold{}, func(s *sensor.Sensor, script capture.Script) {
				if script.Held.IsZero() {
					return
				}
				pid := script.Process.PID
				if err := unix.Kill(pid, tc.signal); err != nil {
					t.Error(err)
				}
				a := answer{released: s.Release(script)}
				time.Sleep(50 * time.Millisecond)
				stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
				a.stopped = bytes.Contains(stat, []byte(") T "))
				answers <- a
				_ = unix.Kill(pid, unix.SIGCONT)
			})
			if err := put(c, exec.Command(python, "-c", "pass")).Run(); err != nil {
				t.Fatal(err)
			}
			if got := <-answers; got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if got := r.sensor.Stats().Lost["hold: let go by another process"]; got != tc.lost {
				t.Errorf("%d were let go by others, want %d", got, tc.lost)
			}
		})
	}
}

func TestAHoldThatNobodyEndsIsBounded(t *testing.T) {
	r, c := holding(t, sensor.Hold{Wait: 300 * time.Millisecond}, nil) // nobody judges
	file := write(t, "script.py", []byte("print('ran')\n"))
	for _, args := range [][]string{{file}, {"-c", "print('ran')"}} {
		if out, err := put(c, exec.Command(python, args...)).Output(); err != nil || string(out) != "ran\n" {
			t.Errorf("%v said %q and ended with %v", args, out, err)
		}
	}
	if n := r.sensor.Stats().Lost["hold: no verdict in time"]; n < 2 { // on a busy machine more
		t.Errorf("%d were let go without a verdict, want 2 or more", n)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.scripts {
		if !s.Held.IsZero() {
			if r.sensor.Kill(s) {
				t.Error("what was let go could still be killed")
			}
		}
	}
}
