//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/sensor"
	"kingsnake/capture/sensor/sensortest"
)

// inState reports whether a process is in the state that this letter stands for in
// proc(5): T when it is stopped, and not by a tracer.
func inState(pid int, letter byte) bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return bytes.Contains(stat, []byte{')', ' ', letter, ' '})
}

// ends waits for a command that was started, and kills it if it does not end.
func ends(t *testing.T, cmd *exec.Cmd) error {
	t.Helper()
	late := time.AfterFunc(patience, func() {
		t.Errorf("%v does not end; stopped: %v", cmd.Args, inState(cmd.Process.Pid, 'T'))
		_ = cmd.Process.Kill()
	})
	defer late.Stop()
	return cmd.Wait()
}

// A shell that starts a Python and then is one itself.
func TestAParentThatIsHeldIsNotLetGoWithItsChild(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	child := write(t, "child.py", []byte("pass\n"))
	parent := write(t, "parent.py", []byte("import sys\nopen(sys.argv[1], 'w').write('ran')\n"))
	judged, killed := make(chan struct{}), make(chan bool, 1)
	_, c := holding(t, sensor.Hold{}, func(s *sensor.Sensor, script capture.Script) {
		switch {
		case script.Held.IsZero():
		case script.Path == child:
			go func() {
				<-judged // the parent is held as well
				s.Release(script)
			}()
		case script.Path == parent:
			close(judged)
			go func() {
				time.Sleep(300 * time.Millisecond) // what is let go would run meanwhile
				killed <- s.Kill(script)
			}()
		}
	})
	cmd := put(c, sh(`python3 "$1" & sleep 0.1; exec python3 "$2" "$3"`, child, parent, trace))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = ends(t, cmd) // it is killed
	if !<-killed {
		t.Error("it was let go before it was judged")
	}
	if _, err := os.Stat(trace); err == nil {
		t.Error("it ran before it was judged")
	}
}

func TestNobodySaysThatNothingRanOfWhatATracerLetGo(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	killed := make(chan bool, 1)
	_, c := holding(t, sensor.Hold{}, func(s *sensor.Sensor, script capture.Script) {
		if script.Held.IsZero() {
			return
		}
		until(t, "the script ran", func() bool { _, err := os.Stat(trace); return err == nil })
		killed <- s.Kill(script)
	})
	cmd := put(c, exec.Command(python, "-c", "import sys, time\nopen(sys.argv[1], 'w').write('ran')\ntime.sleep(60)", trace))
	cmd.SysProcAttr.Ptrace = true
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for {
		var status unix.WaitStatus
		if _, err := unix.Wait4(cmd.Process.Pid, &status, 0, nil); err != nil {
			t.Fatal(err)
		}
		if !status.Stopped() {
			break
		}
		if err := unix.PtraceCont(cmd.Process.Pid, 0); err != nil { // and never with the signal
			t.Fatal(err)
		}
	}
	if <-killed {
		t.Error("it says that nothing ran")
	}
}

func TestADebuggerThatLooksAtAHeldProcessLeavesNothingStopped(t *testing.T) {
	looked := make(chan struct{})
	_, c := holding(t, sensor.Hold{}, func(s *sensor.Sensor, script capture.Script) {
		if script.Held.IsZero() {
			return
		}
		defer close(looked)
		pid := script.Process.PID
		until(t, "it is stopped", func() bool { return inState(pid, 'T') })
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := unix.PtraceAttach(pid); err != nil {
			t.Error(err)
			return
		}
		var status unix.WaitStatus
		if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
			t.Error(err)
		}
		if err := unix.PtraceDetach(pid); err != nil {
			t.Error(err)
		}
		s.Release(script)
	})
	cmd := put(c, exec.Command(python, "-c", "pass"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-looked // of two that wait for it, only one would hear of it
	if err := ends(t, cmd); err != nil {
		t.Error(err)
	}
}

// Whatever moment it hits: what somebody stopped goes on when they say so.
func TestWhatSomebodyStopsStaysStopped(t *testing.T) {
	r, c := holding(t, sensor.Hold{}, func(s *sensor.Sensor, script capture.Script) {
		if !script.Held.IsZero() {
			s.Release(script)
		}
	})
	for i := range runsOf(t) {
		cmd := put(c, sh(`exec python3 -c 'import time; time.sleep(60)'`))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pid := cmd.Process.Pid
		time.Sleep(time.Duration(i%20) * 250 * time.Microsecond)
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(patience / 10); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if inState(pid, 'T') && r.sensor.Holds() == 0 {
				break
			}
		}
		if !inState(pid, 'T') {
			t.Errorf("try %d: it goes on", i)
		}
		_ = cmd.Process.Kill()
		_ = ends(t, cmd)
	}
}

func TestWhatEndsWhileItIsHeldIsHeldNoLonger(t *testing.T) {
	r, c := holding(t, sensor.Hold{Wait: 2 * patience}, nil) // nobody judges
	var cmds []*exec.Cmd
	for range 8 {
		cmd := put(c, exec.Command(python, "-c", "pass"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	until(t, "they are held", func() bool { return r.sensor.Holds() == len(cmds) })
	for _, cmd := range cmds {
		_ = cmd.Process.Kill()
		_ = ends(t, cmd)
	}
	until(t, "none is held", func() bool { return r.sensor.Holds() == 0 })
}

func TestAFrozenSensorStopsNothingForLong(t *testing.T) {
	c := sensortest.NewCell(t)
	v := startVictim(t, c, t.TempDir())
	guard, _ := v.get()
	for _, pid := range []int{guard, v.cmd.Process.Pid} {
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	// What is held first may have to wait for the sensor; then nothing is held.
	until(t, "a script runs", func() bool {
		cmd := put(c, exec.Command(python, "-c", "pass"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case err := <-done:
			return err == nil
		case <-time.After(time.Second):
			_ = cmd.Process.Kill()
			<-done
			return false
		}
	})
	_ = unix.Kill(guard, unix.SIGCONT)
}

func TestThousandsThatNobodyJudgesAreAllLetGo(t *testing.T) {
	n := runsOf(t)
	r, c := holding(t, sensor.Hold{Wait: 2*time.Second + time.Duration(n)*10*time.Millisecond}, nil) // nobody judges
	var cmds []*exec.Cmd
	for range n {
		cmd := put(c, exec.Command(python, "-Ic", "pass"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		if err := ends(t, cmd); err != nil {
			t.Error(err)
		}
	}
	lost := r.sensor.Stats().Lost
	counted := 0
	for reason, n := range lost {
		if strings.HasPrefix(reason, "hold: ") {
			counted += int(n)
		}
	}
	if counted != n || r.sensor.Holds() != 0 {
		t.Errorf("%d counted of %d, %d still held: %v", counted, n, r.sensor.Holds(), lost)
	}
}

func TestAScriptThatIsReplacedWhileItIsHeldIsJudgedAgain(t *testing.T) {
	var path string
	var replace func()
	trace := filepath.Join(t.TempDir(), "trace")
	evil := "import sys\nopen(sys.argv[1], 'w').write('evil')\n"
	r, c := holding(t, sensor.Hold{}, func(s *sensor.Sensor, script capture.Script) {
		switch {
		case script.Held.IsZero() || script.Path != path:
		case strings.HasSuffix(string(script.Text), evil):
			s.Kill(script)
		default:
			replace() // now that it is stopped
			s.Release(script)
		}
	})
	for name, tc := range map[string]struct {
		file, before string
		rename       bool
	}{
		"a module is written anew":  {file: "script.py"},
		"a file is written anew":    {file: "script"},
		"a module is another":       {file: "script.py", rename: true},
		"a file is another":         {file: "script", rename: true},
		"a long module is another":  {file: "script.py", rename: true, before: strings.Repeat("# a long text\n", 20000)},
		"a link leads to the other": {file: "link", rename: true},
	} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(trace)
			path = write(t, tc.file, []byte(tc.before+"print('good')\n"))
			to := path
			if tc.file == "link" {
				to = path + ".py"
				if err := errors.Join(os.Rename(path, to), os.Symlink(to, path)); err != nil {
					t.Fatal(err)
				}
			}
			replace = func() {
				other := to
				if tc.rename {
					other += ".other"
				}
				if err := errors.Join(os.WriteFile(other, []byte(tc.before+evil), 0o600), os.Rename(other, to)); err != nil {
					t.Error(err)
				}
			}
			before := r.sensor.Stats().Lost
			_ = put(c, exec.Command(python, path, trace)).Run() // it may be killed
			if _, err := os.Stat(trace); err == nil {
				t.Errorf("it ran unjudged; lost before %v, now %v", before, r.sensor.Stats().Lost)
			}
		})
	}
}

// What is written anew behind what was read already may not be held for, but is
// counted then.
func TestAPartThatIsReplacedWhileItIsHeldIsCounted(t *testing.T) {
	var again atomic.Int32
	path := write(t, "script.py", append(bytes.Repeat([]byte("# a long text\n"), 20000), "print('good')\n"...))
	r, c := holding(t, sensor.Hold{}, func(s *sensor.Sensor, script capture.Script) {
		switch {
		case script.Held.IsZero() || script.Path != path:
			return
		case bytes.HasSuffix(script.Text, []byte("print('more')\n")):
			again.Add(1)
			s.Release(script)
			return
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err == nil {
			_, err = f.WriteString("print('more')\n")
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Error(err)
		}
		s.Release(script)
	})
	out, err := put(c, exec.Command(python, path)).Output()
	if err != nil || string(out) != "good\nmore\n" {
		t.Errorf("said %q, %v", out, err)
	}
	if lost := r.sensor.Stats().Lost; lost["hold: script ran before it was judged"]+uint64(again.Load()) == 0 {
		t.Errorf("lost %v, want it held again, or one that ran before it was judged", lost)
	}
}
