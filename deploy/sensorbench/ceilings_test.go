package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The ceilings that docs/rights.md states, with the processors that the sensor of
// these tests may keep busy.
const (
	mostMemory = 112 // MB, shared pages once
	share      = 0.5 // processors
	// burst is what it may use beside that: two seconds of judging at once, and
	// what taking records out of the kernel costs, which nothing holds back.
	burst = 2.0
)

// TestTheCeilingsHold has a machine do its worst to a sensor, and looks at what the
// sensor takes meanwhile, and at whether every script came or is counted.
//
//	sudo KINGSNAKE_SOAK=10m go test -run TestTheCeilingsHold -timeout 30m ./deploy/sensorbench
func TestTheCeilingsHold(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: sudo go test ./deploy/sensorbench")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs a Python: apt-get install python3")
	}
	binary := build(t)
	for _, load := range []struct {
		name string
		run  func(ctx context.Context, t *testing.T, python, nonce string) (sent int)
	}{
		{"a storm of short processes", shortProcesses},
		{"scripts of 5 MB", longScripts},
	} {
		t.Run(load.name, func(t *testing.T) {
			s := startTrace(t, binary, fmt.Sprintf("ceilings-%d-%d", os.Getpid(), time.Now().UnixNano()))
			ctx, cancel := context.WithTimeout(t.Context(), loadTime(t))
			defer cancel()
			began, before := time.Now(), used(s.cmd.Process.Pid)
			stop := watch(s.cmd.Process.Pid)
			sent := load.run(ctx, t, python, s.nonce)
			peak, cpu, wall := stop(), used(s.cmd.Process.Pid)-before, time.Since(began)
			s.rest()
			received, lost := s.end(t)
			t.Logf("sent %d, received %d, lost %d; at most %.0f MB (%.0f with shared pages in each process), %.2f processors over %v; the sensor: %s",
				sent, received, lost, peak.pss, peak.rss, cpu.Seconds()/wall.Seconds(), wall, s.said)
			if sent == 0 || received == 0 {
				t.Fatal("nothing was sent, or nothing received")
			}
			if received > sent || sent-received > lost {
				t.Errorf("%d scripts were sent, %d received, %d losses counted", sent, received, lost)
			}
			if peak.pss > mostMemory {
				t.Errorf("%.0f MB resident, want at most %d", peak.pss, mostMemory)
			}
			if most := 2*share*wall.Seconds() + burst; cpu.Seconds() > most {
				t.Errorf("%v of processors in %v, want at most %.1fs", cpu, wall, most)
			}
		})
	}
}

// loadTime is how long each load lasts: 15 seconds, or as $KINGSNAKE_SOAK says.
func loadTime(t *testing.T) time.Duration {
	value := os.Getenv("KINGSNAKE_SOAK")
	switch {
	case value == "" && testing.Short():
		return 5 * time.Second
	case value == "":
		return 15 * time.Second
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		t.Fatalf("KINGSNAKE_SOAK=%q is no duration, as 10m is", value)
	}
	return d
}

// build builds the program as it ships: without the race detector, that takes
// several times the memory.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kingsnake")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", path, "kingsnake/cmd/kingsnake")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// traced is a sensor that tells of every script.
type traced struct {
	cmd     *exec.Cmd
	nonce   string
	words   *bufio.Reader
	reading sync.WaitGroup
	seen    sync.Map // digests of the scripts with the nonce
	count   atomic.Int64
	last    atomic.Int64 // when one came, Unix nanoseconds
	said    string
}

func startTrace(t *testing.T, binary, nonce string) *traced {
	t.Helper()
	s := &traced{nonce: nonce}
	s.cmd = exec.Command(binary, "trace", "--json", "--cpu", fmt.Sprint(share))
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	s.words = bufio.NewReader(said)
	for {
		line, err := s.words.ReadString('\n')
		if err != nil {
			t.Skipf("needs a kernel that can: kingsnake doctor says why (%s)", line)
		}
		if line == "ready\n" {
			break
		}
	}
	s.reading.Go(func() { s.read(out) })
	return s
}

// read takes the lines that hold the nonce.
func (s *traced) read(out io.Reader) {
	for lines := bufio.NewReaderSize(out, 1<<20); ; {
		line, err := lines.ReadBytes('\n')
		var script struct {
			Kind string   `json:"kind"`
			Path string   `json:"path"`
			Argv []string `json:"argv"`
		}
		if bytes.Contains(line, []byte(s.nonce)) && json.Unmarshal(line, &script) == nil && script.Kind != "compiled" {
			if _, known := s.seen.LoadOrStore(fmt.Sprint(script.Path, script.Argv), true); !known {
				s.count.Add(1)
			}
			s.last.Store(time.Now().UnixNano())
		}
		if err != nil {
			return
		}
	}
}

// rest waits until no script came for a while.
func (s *traced) rest() {
	s.last.Store(time.Now().UnixNano())
	for time.Since(time.Unix(0, s.last.Load())) < 5*time.Second {
		time.Sleep(100 * time.Millisecond)
	}
}

var lostNumber = regexp.MustCompile(`[a-z ] (\d+)(?:,|\)|$)`)

// end ends the sensor and returns how many scripts came, and how many losses it
// counted of all that ran on the machine.
func (s *traced) end(t *testing.T) (received, lost int) {
	t.Helper()
	_ = s.cmd.Process.Signal(os.Interrupt)
	rest, _ := io.ReadAll(s.words)
	s.reading.Wait()
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the sensor ended with %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(rest)), "\n")
	s.said = lines[len(lines)-1]
	_, losses, _ := strings.Cut(s.said, ", lost ")
	for _, m := range lostNumber.FindAllStringSubmatch(losses, -1) {
		n, _ := strconv.Atoi(m[1])
		lost += n
	}
	return int(s.count.Load()), lost
}

// shortProcesses starts /bin/true and Pythons without end, as a fork bomb would
// that a limit of processes holds: eight loops, of which each waits for its child.
func shortProcesses(ctx context.Context, t *testing.T, python, nonce string) (sent int) {
	const loops = 8
	const loop = `i=0; while :; do /bin/true; /bin/true; /bin/true; echo; "$1" -S -E -c "pass # $2 $3 $i" || exit 0; i=$((i+1)); done`
	var running sync.WaitGroup
	var started atomic.Int64
	for n := range loops {
		running.Go(func() {
			cmd := exec.CommandContext(ctx, "/bin/sh", "-c", loop, "sh", python, nonce, strconv.Itoa(n))
			// The last Python may still be starting when its shell is killed.
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			cmd.Cancel = func() error { return cmd.Process.Kill() }
			out, err := cmd.Output()
			if err == nil {
				t.Error("a loop without end has ended")
			}
			started.Add(int64(bytes.Count(out, []byte("\n"))))
		})
	}
	running.Wait()
	return int(started.Load())
}

// longScripts runs scripts of 5 MB without end, each with a text of its own.
func longScripts(ctx context.Context, t *testing.T, python, nonce string) (sent int) {
	const loops, size = 2, 5 << 20
	line := "# a line of a long script, which says nothing\n"
	text := strings.Repeat(line, size/len(line))
	dir := t.TempDir()
	var running sync.WaitGroup
	var started atomic.Int64
	for n := range loops {
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				path := filepath.Join(dir, fmt.Sprintf("%s-%d-%d.py", nonce, n, i))
				if err := os.WriteFile(path, fmt.Appendf(nil, "# %d %d\n%s", n, i, text), 0o600); err != nil {
					t.Error(err)
					return
				}
				started.Add(1)
				if out, err := exec.Command(python, "-S", "-E", path).CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
				_ = os.Remove(path)
			}
		})
	}
	running.Wait()
	return int(started.Load())
}
