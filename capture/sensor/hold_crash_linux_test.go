//go:build amd64 || arm64

package sensor_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/sensor"
	"kingsnake/capture/sensor/sensortest"
)

// The test binary is also the guard, and a sensor that can be killed: role says
// which, as the first of its arguments.
const (
	roleGuard  = "be a guard"
	roleSensor = "be a sensor"
)

func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == roleGuard:
		err = beGuard()
	case len(os.Args) == 4 && os.Args[1] == roleSensor:
		err = beSensor(os.Args[2], os.Args[3])
	case len(os.Args) == 3 && os.Args[1] == roleChecked:
		err = beChecked(os.Args[2])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func beGuard() error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	var files []*os.File
	for fd := range sensor.GuardFiles {
		files = append(files, os.NewFile(uintptr(3+fd), "guard"))
	}
	return sensor.Guard(files)
}

// beSensor holds what runs in the cgroup at dir, and lets every other script go.
// It says the number of its guard, that it holds, and whom.
func beSensor(dir, pins string) error {
	h := sensor.Hold{Wait: time.Minute, Guard: startGuard(func(pid int) { fmt.Println("guard", pid) }), Pins: pins}
	sensor.HoldNamed(&h)
	s, err := sensor.Open(sensor.Config{Hold: &h})
	if err != nil {
		return err
	}
	if err := s.HoldIn(dir); err != nil {
		return err
	}
	fmt.Println("holds")
	n := 0
	return s.Run(context.Background(), func(script capture.Script) {
		if !script.Held.IsZero() {
			if n++; n%2 == 0 {
				s.Release(script)
			} else {
				fmt.Println("held", script.Process.PID)
			}
		}
	})
}

// startGuard returns how to start this test binary as a guard.
func startGuard(started func(pid int)) func([]*os.File) error {
	return func(files []*os.File) error {
		cmd := exec.Command("/proc/self/exe", roleGuard)
		cmd.ExtraFiles = files
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return err
		}
		started(cmd.Process.Pid)
		go cmd.Wait()
		return nil
	}
}

// victim is a sensor in a process of its own.
type victim struct {
	cmd *exec.Cmd

	mu    sync.Mutex
	guard int
	holds bool
	held  int
}

// startVictim starts a sensor and waits until it holds.
func startVictim(t *testing.T, c *sensortest.Cell, pins string) *victim {
	t.Helper()
	v := &victim{cmd: exec.Command("/proc/self/exe", roleSensor, c.Dir, pins)}
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.kill() })
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			word, number, _ := strings.Cut(lines.Text(), " ")
			v.mu.Lock()
			switch word {
			case "guard":
				v.guard, _ = strconv.Atoi(number)
			case "holds":
				v.holds = true
			case "held":
				v.held++
			default:
				t.Log(lines.Text())
			}
			v.mu.Unlock()
		}
	}()
	until(t, "the sensor holds", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.holds
	})
	return v
}

func (v *victim) get() (guard, held int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.guard, v.held
}

// kill kills the sensor, and waits for its end.
func (v *victim) kill() {
	_ = v.cmd.Process.Kill() // it may be dead
	_ = v.cmd.Wait()
}

// storm runs Pythons in a cell until it is stopped, and then waits for them.
type storm struct {
	stop context.CancelFunc
	work sync.WaitGroup
	errs chan error
}

func startStorm(t *testing.T, c *sensortest.Cell) *storm {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	s := &storm{stop: stop, errs: make(chan error, 1)}
	file := write(t, "storm.py", []byte("import os\nos.getpid()\n"))
	for range 8 {
		s.work.Go(func() {
			for ctx.Err() == nil {
				for _, cmd := range []*exec.Cmd{exec.Command(python, file), exec.Command(python, "-c", "pass"), sh("echo pass | python3")} {
					if err := put(c, cmd).Run(); err != nil {
						select {
						case s.errs <- err:
						default:
						}
					}
				}
			}
		})
	}
	return s
}

// end stops the storm. It reports whether all of it ended: a process that is
// still held does not.
func (s *storm) end(t *testing.T, c *sensortest.Cell) bool {
	t.Helper()
	s.stop()
	done := make(chan struct{})
	go func() { s.work.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		procs, _ := os.ReadFile(filepath.Join(c.Dir, "cgroup.procs"))
		for pid := range strings.FieldsSeq(string(procs)) {
			stat, _ := os.ReadFile("/proc/" + pid + "/stat")
			t.Errorf("still there: %.60s", stat)
			if n, err := strconv.Atoi(pid); err == nil {
				_ = unix.Kill(n, unix.SIGCONT)
			}
		}
		<-done
		return false
	}
	select {
	case err := <-s.errs:
		t.Errorf("a script failed: %v", err)
	default:
	}
	return true
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestAKilledSensorLeavesNothingStopped(t *testing.T) {
	c := sensortest.NewCell(t)
	for round := range 3 {
		v := startVictim(t, c, t.TempDir())
		s := startStorm(t, c)
		until(t, "a few are held", func() bool { _, held := v.get(); return held >= 6 })
		v.kill()
		if !s.end(t, c) {
			t.Fatalf("round %d: something stays stopped", round)
		}
		guard, _ := v.get()
		until(t, "the guard ends too", func() bool { return errors.Is(unix.Kill(guard, 0), unix.ESRCH) })
	}
}

func TestASensorWithoutItsGuardHoldsNothingUntilThereIsAnother(t *testing.T) {
	c := sensortest.NewCell(t)
	v := startVictim(t, c, t.TempDir())
	s := startStorm(t, c)
	until(t, "a few are held", func() bool { _, held := v.get(); return held >= 6 })
	guard, _ := v.get()
	if err := unix.Kill(guard, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "there is another guard", func() bool { now, _ := v.get(); return now != guard })
	_, before := v.get()
	until(t, "it holds again", func() bool { _, held := v.get(); return held > before+6 })
	v.kill()
	if !s.end(t, c) {
		t.Fatal("something stays stopped")
	}
}

func TestASensorWithoutItsGuardSaysSo(t *testing.T) {
	c := sensortest.NewCell(t)
	first := make(chan int, 1)
	start := startGuard(func(pid int) { first <- pid })
	var began atomic.Bool
	h := sensor.Hold{Guard: func(files []*os.File) error {
		if began.Swap(true) {
			return errors.New("there is no other")
		}
		return start(files)
	}}
	sensor.HoldNamed(&h)
	r := recordWith(t, sensor.Config{Hold: &h}, nil)
	if err := r.sensor.HoldIn(c.Dir); err != nil {
		t.Fatal(err)
	}
	until(t, "it holds", r.sensor.Holding)
	before := r.sensor.Degraded()
	if strings.Contains(before, "nothing is held") {
		t.Errorf("with its guard it says %q", before)
	}
	if err := unix.Kill(<-first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "it says that nothing is held", func() bool { return strings.Contains(r.sensor.Degraded(), "nothing is held") })
}

func TestASensorThatDoesNotAnswerIsHelpedByItsGuard(t *testing.T) {
	c := sensortest.NewCell(t)
	cmd := put(c, exec.Command(python, "-c", "pass"))
	pids := make(chan int, 4)
	h := sensor.Hold{Wait: 50 * time.Millisecond, Guard: startGuard(func(pid int) { pids <- pid })}
	sensor.HoldNamed(&h)
	r := recordWith(t, sensor.Config{Hold: &h}, nil)
	if err := r.sensor.HoldIn(c.Dir); err != nil {
		t.Fatal(err)
	}
	until(t, "it holds", r.sensor.Holding)
	r.sensor.Hang(true) // nobody but the guard looks at the time
	defer r.sensor.Hang(false)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
}

func TestTheNextSensorLetsGoWhatAKilledPairLeft(t *testing.T) {
	c := sensortest.NewCell(t)
	pins := t.TempDir()
	if err := unix.Mount("bpf", pins, "bpf", 0, ""); err != nil {
		t.Skipf("needs to mount a BPF file system: run as root with CAP_SYS_ADMIN (%v)", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(pins, unix.MNT_DETACH) })
	v := startVictim(t, c, pins)
	s := startStorm(t, c)
	until(t, "a few are held", func() bool { _, held := v.get(); return held >= 6 })
	guard, _ := v.get()
	// Both at the same moment: neither may see the other's end.
	_ = unix.Kill(guard, unix.SIGSTOP)
	v.kill()
	_ = unix.Kill(guard, unix.SIGKILL)
	next := startVictim(t, c, pins)
	until(t, "the next one holds", func() bool { _, held := next.get(); return held >= 1 })
	next.kill()
	if !s.end(t, c) {
		t.Fatal("something stays stopped")
	}
}
