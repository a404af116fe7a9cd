package fallback_test

import (
	"crypto/rand"
	"errors"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
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
	// What it starts lives until it has been looked at, on the slowest machine too.
	cmd := exec.Command("python3", "-c", `import sys, subprocess
sys.stdin.readline()
child = subprocess.Popen(['/bin/sleep', '60'])
sys.stdin.readline()
child.kill()
child.wait()
# `+nonce)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("%v: apt-get install python3", err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // its end is of no interest
	})
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
		!slices.Equal(executed.Args, []string{"/bin/sleep", "60"}) || executed.PID != p.PID || executed.By == p.PID {
		t.Errorf("exec: got %+v", executed)
	}
}

// TestABinaryInMemoryAloneIsTold makes runs until one is told of: a short one may be
// gone before a busy machine has looked at it, which must have been counted.
func TestABinaryInMemoryAloneIsTold(t *testing.T) {
	for name, config := range ways {
		t.Run(name, func(t *testing.T) { testMemory(t, config) })
	}
}

func testMemory(t *testing.T, config fallback.Config) {
	var mu sync.Mutex
	told := make(map[string]capture.Execution) // by what is in their environment alone
	var unnamed uint64                         // those of processes that ended just before that was read
	config.Executed = func(e capture.Execution) {
		mu.Lock()
		defer mu.Unlock()
		if len(e.Process.Env) == 0 {
			unnamed++
		}
		for _, v := range e.Process.Env {
			told[v] = e
		}
	}
	x := newTrial(t, config)
	modes := x.bench.Modes(true)
	i := slices.IndexFunc(modes, func(m generate.Mode) bool { return m.Name == "interpreter in memory alone" })
	if i < 0 {
		t.Fatal("there is no such mode")
	}
	if err := x.bench.Prepare(modes[i]); err != nil {
		t.Skip(err)
	}
	lost := func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		return x.lost() + unnamed
	}
	for n := range 10 {
		before := lost()
		run := runMode(t, x.bench, modes[i], x.harvest, n, 1, 1)[0]
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			missed := lost() > before
			mu.Lock()
			e, ok := told[run.Tag]
			mu.Unlock()
			if ok {
				if !e.Memory || !strings.HasPrefix(e.Process.Exe, "/memfd:") || strings.HasSuffix(e.Process.Exe, ")") {
					t.Errorf("got %+v", e)
				}
				return
			}
			if missed {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("a run was not told of, and no loss was counted")
			}
		}
	}
	t.Fatal("none was told of")
}
