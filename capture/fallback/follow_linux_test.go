package fallback_test

import (
	"crypto/rand"
	"errors"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"kingsnake/capture"
	"kingsnake/capture/fallback"
	"kingsnake/capture/sensor/generate"
)

// wait waits for something on a channel that must come.
func wait[T any](t *testing.T, from <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s did not come", what)
	}
	return v
}

func TestWhatAFollowedProcessStartsIsTold(t *testing.T) {
	nonce := rand.Text()
	scripts, acts := make(chan capture.Script, 16), make(chan capture.Activity, 64)
	s := watch(t, fallback.Config{Acted: func(a capture.Activity) { acts <- a }}, func(s capture.Script) {
		if strings.Contains(string(s.Text), nonce) {
			scripts <- s
		}
	})
	if !s.Follows() {
		t.Skip("the proc connector cannot be had here")
	}
	cmd := exec.Command("python3", "-c", "import sys, subprocess; sys.stdin.readline(); subprocess.run(['/bin/sleep', '1']) # "+nonce)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("%v: apt-get install python3", err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // its end is of no interest
	p := wait(t, scripts, "the script").Process
	if _, err := s.Follow(p); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Follow(p); !errors.Is(err, capture.ErrFollowed) {
		t.Errorf("followed twice: %v", err)
	}
	before := p
	before.Start = before.Start.Add(-time.Minute)
	if _, err := s.Follow(before); !errors.Is(err, capture.ErrEnded) {
		t.Errorf("another process of the same number: %v", err)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	forked := wait(t, acts, "the fork")
	executed := wait(t, acts, "the exec")
	if forked.Act != capture.Forked || forked.PID != p.PID || forked.By != p.PID || !forked.Start.Equal(p.Start) {
		t.Errorf("fork: got %+v", forked)
	}
	if executed.Act != capture.Executed || path.Base(executed.Target) != "sleep" && path.Base(executed.Target) != "coreutils" ||
		!slices.Equal(executed.Args, []string{"/bin/sleep", "1"}) || executed.PID != p.PID || executed.By == p.PID {
		t.Errorf("exec: got %+v", executed)
	}
	in.Close()
}

func TestABinaryInMemoryAloneIsTold(t *testing.T) {
	pythons := generate.Pythons()
	if len(pythons) == 0 {
		t.Skip("python3 is missing: apt-get install python3")
	}
	told := make(chan capture.Execution, 64)
	watch(t, fallback.Config{Executed: func(x capture.Execution) { told <- x }}, func(capture.Script) {})
	bench := generate.NewBench(pythons[0], t.TempDir())
	for _, mode := range bench.Modes(true) {
		if mode.Name != "interpreter in memory alone" {
			continue
		}
		if err := bench.Prepare(mode); err != nil {
			t.Skip(err)
		}
		h := &harvest{scripts: make(map[string][]capture.Script)}
		run := runMode(t, bench, mode, h, 1)[0]
		for {
			x := wait(t, told, "the execution")
			if slices.Contains(x.Process.Env, run.Tag) {
				if !x.Memory || !strings.HasPrefix(x.Process.Exe, "/memfd:") || strings.HasSuffix(x.Process.Exe, ")") {
					t.Errorf("got %+v", x)
				}
				return
			}
		}
	}
	t.Fatal("there is no such mode")
}
