//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/capture/sensor"
)

const python = "/usr/bin/python3"

// patience is how long a test waits for what must come: long, because it may run
// on a processor in software.
const patience = time.Minute

// recorder runs a sensor for one test and keeps what it delivers.
type recorder struct {
	sensor *sensor.Sensor

	judge func(*sensor.Sensor, capture.Script) // called for each script first; may be nil

	mu      sync.Mutex
	scripts []capture.Script

	executions []capture.Execution
	activities []capture.Activity
	arrived    chan struct{} // holds a token when scripts or executions grew
}

// record starts a sensor and keeps what it delivers. The test is skipped where
// none can run.
func record(t *testing.T) *recorder {
	t.Helper()
	return recordWith(t, sensor.Config{}, nil)
}

// recordWith has each script judged before it is kept; judge may be nil.
func recordWith(t *testing.T, config sensor.Config, judge func(*sensor.Sensor, capture.Script)) *recorder {
	t.Helper()
	r := &recorder{judge: judge, arrived: make(chan struct{}, 1)}
	config.Executed, config.Acted = r.keepExecution, r.keepActivity
	r.watch(t, config, r.keep)
	return r
}

// recordTo starts a sensor that delivers to handle, and keeps nothing.
func recordTo(t *testing.T, config sensor.Config, handle func(capture.Script)) *recorder {
	t.Helper()
	r := new(recorder)
	r.watch(t, config, handle)
	return r
}

func (r *recorder) watch(t *testing.T, config sensor.Config, handle func(capture.Script)) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: sudo go test ./capture/sensor/")
	}
	if _, err := os.Stat(python); err != nil {
		t.Skip("needs a Python: apt-get install python3")
	}
	s, err := sensor.Open(config)
	if errors.Is(err, sensor.ErrNotSupported) {
		t.Skipf("needs a kernel that can: kingsnake doctor says why (%v)", err)
	}
	if err != nil {
		t.Fatalf("%v%s", err, verifierLog(err))
	}
	r.sensor = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, handle) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// verifierLog returns the last lines of what the kernel says about a program
// that it refuses: where it was, and why.
func verifierLog(err error) string {
	var refused *ebpf.VerifierError
	if !errors.As(err, &refused) {
		return ""
	}
	return fmt.Sprintf("\n%-30v", refused)
}

func (r *recorder) keep(s capture.Script) {
	if r.judge != nil {
		r.judge(r.sensor, s)
	}
	r.mu.Lock()
	r.scripts = append(r.scripts, s)
	r.mu.Unlock()
	r.wake()
}

func (r *recorder) keepExecution(x capture.Execution) {
	r.mu.Lock()
	r.executions = append(r.executions, x)
	r.mu.Unlock()
	r.wake()
}

func (r *recorder) keepActivity(a capture.Activity) {
	r.mu.Lock()
	r.activities = append(r.activities, a)
	r.mu.Unlock()
	r.wake()
}

func (r *recorder) wake() {
	select {
	case r.arrived <- struct{}{}:
	default:
	}
}

// run runs a command and returns the n scripts that come of it, without those
// compiled at run time. Each run is told from the rest of the machine by a
// variable of its environment.
func (r *recorder) run(t *testing.T, n int, cmd *exec.Cmd) []capture.Script {
	t.Helper()
	return r.wait(t, n, r.start(t, cmd))
}

// start runs a command and returns the variable that tells its processes.
func (r *recorder) start(t *testing.T, cmd *exec.Cmd) (tag string) {
	t.Helper()
	tag = "KINGSNAKE_TEST=" + t.Name()
	if cmd.Env == nil {
		cmd.Env = []string{"PATH=/usr/bin:/bin"}
	}
	if !slices.ContainsFunc(cmd.Env, func(s string) bool { return strings.HasPrefix(s, "TAG=") }) {
		cmd.Env = append(cmd.Env, tag) // else the command hands it on itself
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return tag
}

// wait waits for n scripts of processes that have a variable in their
// environment. Texts compiled at run time do not count: an interpreter compiles
// some for itself.
func (r *recorder) wait(t *testing.T, n int, tag string) (mine []capture.Script) {
	t.Helper()
	r.waitUntil(t, tag, func(got []capture.Script) bool {
		mine = slices.DeleteFunc(got, func(s capture.Script) bool { return s.Kind == capture.Compiled })
		return len(mine) >= n
	}, func() string { return fmt.Sprintf("want %d scripts, got %d", n, len(mine)) })
	return mine
}

// waitUntil waits for the scripts of such processes to be enough; missing says
// in words what is not there.
func (r *recorder) waitUntil(t *testing.T, tag string, enough func([]capture.Script) bool, missing func() string) []capture.Script {
	t.Helper()
	timeout := time.After(patience)
	for {
		r.mu.Lock()
		var mine []capture.Script
		for _, s := range r.scripts {
			if slices.Contains(s.Process.Env, tag) {
				mine = append(mine, s)
			}
		}
		r.mu.Unlock()
		if enough(slices.Clone(mine)) {
			return mine
		}
		select {
		case <-r.arrived:
		case <-timeout:
			t.Fatalf("%s: %+v\nlost: %v", missing(), describe(mine), r.sensor.Stats().Lost)
		}
	}
}

func describe(scripts []capture.Script) string {
	var b strings.Builder
	for _, s := range scripts {
		fmt.Fprintf(&b, "\n%s %q %d bytes, lost %q, args %.200q", s.Kind, s.Path, s.Size, s.Lost, s.Process.Args)
	}
	return b.String()
}

// noLoss fails the test if anything was lost that may have been a script. What
// else runs on the machine may be gone before anybody can look at its binary.
func (r *recorder) noLoss(t *testing.T) {
	t.Helper()
	lost := r.sensor.Stats().Lost
	delete(lost, "unreadable binary")
	delete(lost, "compiled: interpreter not attached to")
	if diff := cmp.Diff(map[string]uint64{}, lost); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// program returns a harmless Python text of about n bytes that no other test has.
func program(t *testing.T, n int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\nx = 1\n", t.Name())
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "# line %d of a text that is only long\n", i)
	}
	return b.Bytes()
}

func sh(script string, args ...string) *exec.Cmd {
	return exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
}

// TestTextsAndArgumentsComeExactly runs texts of every form; TestEveryMode runs
// one in every way.
func TestTextsAndArgumentsComeExactly(t *testing.T) {
	r := record(t)
	type want struct {
		kind capture.Kind
		path string
		text []byte
		args []string
	}
	stdin := func(text []byte, args ...string) *exec.Cmd {
		cmd := exec.Command(python, args...)
		cmd.Stdin = bytes.NewReader(text) // a pipe
		return cmd
	}
	tests := map[string]func(t *testing.T) (*exec.Cmd, want){
		"a file": func(t *testing.T) (*exec.Cmd, want) {
			text := program(t, 5000)
			path := write(t, "script.py", text)
			return exec.Command(python, path, "a", "b c", ""), want{capture.File, path, text, []string{python, path, "a", "b c", ""}}
		},
		"a file that starts with a shebang and has no suffix": func(t *testing.T) (*exec.Cmd, want) {
			text := append([]byte("#!/usr/bin/python3 -I\n"), program(t, 100)...)
			path := write(t, "tool", text)
			return exec.Command(path, "x"), want{capture.File, path, text, []string{python, "-I", path, "x"}}
		},
		"a file through env and a shebang with options": func(t *testing.T) (*exec.Cmd, want) {
			text := append([]byte("#!/usr/bin/env -S python3 -u -B\n"), program(t, 100)...)
			path := write(t, "tool", text)
			return exec.Command(path), want{capture.File, path, text, []string{"python3", "-u", "-B", path}}
		},
		"a file of 3 MB": func(t *testing.T) (*exec.Cmd, want) {
			text := program(t, 3<<20)
			path := write(t, "script.py", text)
			return exec.Command(python, path), want{capture.File, path, text, nil}
		},
		"an empty file": func(t *testing.T) (*exec.Cmd, want) {
			path := write(t, "script.py", nil)
			return exec.Command(python, path), want{capture.File, path, nil, nil}
		},
		"a latin-1 file": func(t *testing.T) (*exec.Cmd, want) {
			text := append([]byte("# -*- coding: latin-1 -*-\nx = '\xe9\xff'\n"), program(t, 9000)...)
			path := write(t, "script.py", text)
			return exec.Command(python, path), want{capture.File, path, text, nil}
		},
		"-c": func(t *testing.T) (*exec.Cmd, want) {
			text := "x = 'a\"b'\nprint(\"it's\")\n"
			return exec.Command(python, "-c", text, "--", "-x"), want{capture.Command, "", []byte(text), []string{python, "-c", text, "--", "-x"}}
		},
		"-c joined with other letters": func(t *testing.T) (*exec.Cmd, want) {
			return exec.Command(python, "-uIBcpass #"), want{capture.Command, "", []byte("pass #"), nil}
		},
		"-c of 100 KiB": func(t *testing.T) (*exec.Cmd, want) {
			text := program(t, 100<<10)
			return exec.Command(python, "-c", string(text)), want{capture.Command, "", text, nil}
		},
		"-c with bytes that are not UTF-8": func(t *testing.T) (*exec.Cmd, want) {
			text := "x = '\xff\xfe\x80'"
			// The interpreter rejects it after it has read it.
			return sh(`python3 -c "$1"; true`, text), want{capture.Command, "", []byte(text), nil}
		},
		"-c with an empty text": func(t *testing.T) (*exec.Cmd, want) {
			return exec.Command(python, "-c", ""), want{capture.Command, "", nil, []string{python, "-c", ""}}
		},
		"standard input by a dash": func(t *testing.T) (*exec.Cmd, want) {
			text := program(t, 300)
			return stdin(text, "-", "arg"), want{capture.Stdin, "", text, []string{python, "-", "arg"}}
		},
	}
	for name, setup := range tests {
		t.Run(name, func(t *testing.T) {
			cmd, want := setup(t)
			got := r.run(t, 1, cmd)
			if len(got) != 1 {
				t.Fatalf("want 1 script, got %d: %s", len(got), describe(got))
			}
			s := got[0]
			if s.Kind != want.kind || s.Path != want.path || !bytes.Equal(s.Text, want.text) || s.Size != int64(len(want.text)) ||
				s.Truncated || s.Lost != "" || s.Digest != capture.Sum(want.text) {
				t.Errorf("want %s %q of %d bytes, got:%s", want.kind, want.path, len(want.text), describe(got))
			}
			if want.args != nil {
				if diff := cmp.Diff(want.args, s.Process.Args); diff != "" {
					t.Errorf("arguments (-want +got):\n%s", diff)
				}
			}
		})
	}
	r.noLoss(t)
}
