package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// cost is what one half of a pair gave.
type cost struct {
	rate      float64       // of /bin/true, a second
	startRate float64       // of Python, a second
	startCPU  time.Duration // of one Python
	// Of the sensor alone:
	sent, received int     // scripts
	after, peak    memory  // right after the storm, and the most of twice a second
	resident       memory  // when it has rested
	idle           float64 // share of a processor; -1: not measured
	said           string  // its last words
}

// withEmpty measures with an empty program on exec.
func withEmpty(ctx context.Context, s settings) (cost, error) {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.RawTracepoint, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return cost{}, fmt.Errorf("load an empty program: %w", err)
	}
	defer program.Close()
	l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sched_process_exec", Program: program})
	if err != nil {
		return cost{}, fmt.Errorf("attach an empty program: %w", err)
	}
	defer l.Close()
	c := cost{idle: -1}
	return c, c.storm(ctx, s, "")
}

// withSensor measures with kingsnake, and watches it idle after that if asked.
func withSensor(ctx context.Context, s settings, idle bool) (c cost, err error) {
	nonce := fmt.Sprintf("sensorbench-%d-%d", os.Getpid(), time.Now().UnixNano())
	cmd := exec.CommandContext(ctx, s.binary, "trace", "--json")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var received atomic.Int64
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return c, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return c, err
	}
	if err := cmd.Start(); err != nil {
		return c, err
	}
	var reading sync.WaitGroup
	reading.Go(func() { count(stdout, nonce, &received) })
	words := bufio.NewReader(stderr)
	end := func() error {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended already
		rest, _ := io.ReadAll(words)
		reading.Wait()
		c.said = strings.TrimSpace(string(rest))
		return cmd.Wait()
	}
	for {
		line, err := words.ReadString('\n')
		if err != nil {
			return c, errors.Join(fmt.Errorf("%s did not become ready: %s", s.binary, line), end())
		}
		if line == "ready\n" {
			break
		}
	}
	stop := watch(cmd.Process.Pid)
	err = c.storm(ctx, s, nonce)
	c.peak = stop()
	c.sent = s.workers * s.starts
	for range 100 { // what is on its way may arrive
		if received.Load() >= int64(c.sent) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.received = int(received.Load())
	c.after = memoryOf(cmd.Process.Pid)
	time.Sleep(s.rest)
	c.resident = memoryOf(cmd.Process.Pid)
	c.idle = -1
	if idle {
		before := used(cmd.Process.Pid)
		time.Sleep(s.idle)
		c.idle = (used(cmd.Process.Pid) - before).Seconds() / s.idle.Seconds()
	}
	return c, errors.Join(err, end())
}

// count counts the lines that hold nonce and are of a program's own script.
func count(r io.Reader, nonce string, n *atomic.Int64) {
	for lines := bufio.NewReaderSize(r, 1<<20); ; {
		line, err := lines.ReadBytes('\n')
		if bytes.Contains(line, []byte(nonce)) && !bytes.Contains(line, []byte(`"kind":"compiled"`)) {
			n.Add(1)
		}
		if err != nil {
			return
		}
	}
}

// storm starts /bin/true, then Python, as fast as the workers can. They are
// shells, because a shell forks faster than this program would.
func (c *cost) storm(ctx context.Context, s settings, nonce string) error {
	wall, _, err := repeat(ctx, s.workers, s.execs, "/bin/true")
	if err != nil {
		return err
	}
	c.rate = float64(s.workers*s.execs) / wall.Seconds()
	wall, cpu, err := repeat(ctx, s.workers, s.starts, s.python, "-c", "pass # "+nonce)
	if err != nil {
		return err
	}
	c.startRate = float64(s.workers*s.starts) / wall.Seconds()
	c.startCPU = cpu / time.Duration(s.workers*s.starts)
	return nil
}

// loop runs its second to last arguments as often as its first says.
const loop = `n=$1; shift; while [ $n -gt 0 ]; do "$@" || exit 1; n=$((n-1)); done`

// repeat has every worker run a command n times, and returns how long that took
// and the CPU it took, of the loops too.
func repeat(ctx context.Context, workers, n int, command ...string) (wall, cpu time.Duration, err error) {
	var all []*exec.Cmd
	start := time.Now()
	for range workers {
		cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", loop, "sh", strconv.Itoa(n)}, command...)...)
		cmd.Env = []string{"PATH=/usr/bin:/bin"}
		if err := cmd.Start(); err != nil {
			return 0, 0, err
		}
		all = append(all, cmd)
	}
	var errs []error
	for _, cmd := range all {
		errs = append(errs, cmd.Wait())
		cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return time.Since(start), cpu, errors.Join(errs...)
}

// family returns a process and its children.
func family(pid int) []int {
	out := []int{pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread may have ended
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				out = append(out, family(child)...)
			}
		}
	}
	return out
}

// memory is what processes have resident, in MB. Pss counts pages that several
// share once; Rss counts them in each, and those of a ring of the kernel twice,
// because they are mapped twice.
type memory struct{ pss, rss float64 }

// memoryOf returns what a process and its children have resident.
func memoryOf(pid int) (sum memory) {
	for _, pid := range family(pid) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(text)) {
			var kib float64
			if n, _ := fmt.Sscanf(line, "Pss: %f", &kib); n == 1 {
				sum.pss += kib / 1024
			}
			if n, _ := fmt.Sscanf(line, "Rss: %f", &kib); n == 1 {
				sum.rss += kib / 1024
			}
		}
	}
	return sum
}

// watch looks at a process's memory twice a second until stop is called, which
// returns the most it saw.
func watch(pid int) (stop func() memory) {
	end, most := make(chan struct{}), make(chan memory)
	go func() {
		highest := memoryOf(pid)
		for tick := time.Tick(500 * time.Millisecond); ; {
			select {
			case <-tick:
				now := memoryOf(pid)
				highest = memory{max(highest.pss, now.pss), max(highest.rss, now.rss)}
			case <-end:
				most <- highest
				return
			}
		}
	}()
	return func() memory { close(end); return <-most }
}

// used returns the CPU that a process and its children took so far.
func used(pid int) (cpu time.Duration) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that is supported
	for _, pid := range family(pid) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest) // from the third field of proc(5) on
		for _, i := range []int{11, 12} {
			if i < len(fields) {
				n, _ := strconv.ParseInt(fields[i], 10, 64)
				cpu += time.Duration(n) * tick
			}
		}
	}
	return cpu
}
