package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kingsnake/finding"
)

// lostAt is how much the sensor behind address says it lost at a stage, but for
// texts that were compiled: nothing here waits for those.
func lostAt(t *testing.T, address string, stage finding.Stage) uint64 {
	t.Helper()
	text := metricsOf(t, address)
	if text == "" {
		t.Fatal("the sensor serves no metrics")
	}
	sum := uint64(0)
	for _, m := range regexp.MustCompile(`sensor_lost_total\{.*stage="`+string(stage)+`",reason="(.*)"\} (\d+)`).FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(m[1], "compiled: ") {
			continue
		}
		n, err := strconv.ParseUint(m[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// runFiles runs n scripts that must be found, two at once, with end after
// each text, and returns the texts without it.
func runFiles(t *testing.T, n int, end string) []string {
	t.Helper()
	paths := make([]string, n)
	dir, numbers := t.TempDir(), make(chan int)
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() {
			for i := range numbers {
				text, _ := harmless()
				paths[i] = filepath.Join(dir, fmt.Sprintf("%d.py", i))
				if err := os.WriteFile(paths[i], []byte(text+end), 0o600); err != nil {
					t.Error(err)
				}
				if out, err := exec.Command("/usr/bin/python3", paths[i]).CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	running.Wait()
	return paths
}

// fate says how many of the scripts at paths were found whole, how
// many were found and say that bytes are missing, and how many were not found.
// A script that was found more often than it ran is an error.
func (in *instance) fate(paths []string) (whole, broken, missing int) {
	in.t.Helper()
	all := in.findings()
	for _, path := range paths {
		before := whole + broken
		for _, f := range all {
			switch {
			case f.Script.Path != path:
				continue
			case f.Script.Lost != "":
				broken++
			default:
				whole++
			}
			if f.Count != 1 {
				in.t.Errorf("finding %s counts %d, but its script ran once", f.Name, f.Count)
			}
		}
		switch whole + broken - before {
		case 0:
			missing++
		case 1:
		default:
			in.t.Errorf("a script that ran once has %d findings", whole+broken-before)
		}
	}
	return whole, broken, missing
}

// TestWhatAStoppedSensorCannotHoldIsCounted has more read than the rings hold
// while nobody empties them: each script that is not found whole is counted. One
// whose bytes are missing may have nothing left that is malicious.
func TestWhatAStoppedSensorCannotHoldIsCounted(t *testing.T) {
	needSensor(t)
	in, address := start(t, "server", t.TempDir()), freeAddress(t)
	sensor, _ := startSensor(t, in, in.client.base, "node-9", filepath.Join(t.TempDir(), "spool"), address)
	before := lostAt(t, address, finding.StageCapture)
	if err := sensor.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const runs = 16
	paths := runFiles(t, runs, strings.Repeat("\n", 1<<20))
	if err := sensor.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	var whole, broken, missing int
	var counted uint64
	await(t, "each script that is not whole is counted", func() bool {
		whole, broken, missing = in.fate(paths)
		counted = lostAt(t, address, finding.StageCapture) - before
		return counted > 0 && uint64(broken+missing) <= counted
	})
	t.Logf("of %d scripts %d were found whole, %d say what is missing, %d were not found; %d losses counted", runs, whole, broken, missing, counted)
	if whole == runs {
		t.Error("all were found whole: the rings held everything, and this test shows nothing")
	}
	// Only now: until the rings are empty, this one is as likely to be lost.
	last := runFiles(t, 1, "")
	await(t, "a script is found afterwards", func() bool { w, _, _ := in.fate(last); return w == 1 })
}

// normalizers are the processes in which the sensor with that number has
// scripts taken apart.
func normalizers(sensor int) []int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", sensor)) // the pattern is well-formed
	var found []int
	for _, task := range tasks {
		children, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(children)) {
			args, err := os.ReadFile("/proc/" + field + "/cmdline")
			if pid, bad := strconv.Atoi(field); bad == nil && err == nil && strings.Contains(string(args), apartCommand) {
				found = append(found, pid)
			}
		}
	}
	return found
}

// TestKilledNormalizersCostNoFinding kills the processes that take
// scripts apart again and again while scripts run: those are judged by their
// plain text then, and it is counted.
func TestKilledNormalizersCostNoFinding(t *testing.T) {
	needSensor(t)
	in, address := start(t, "server", t.TempDir()), freeAddress(t)
	sensor, _ := startSensor(t, in, in.client.base, "node-10", filepath.Join(t.TempDir(), "spool"), address)
	before := lostAt(t, address, finding.StageDetect)
	ctx, stop := context.WithCancel(t.Context())
	killed := 0
	var killing sync.WaitGroup
	killing.Go(func() {
		for ctx.Err() == nil {
			for _, pid := range normalizers(sensor.Process.Pid) {
				if syscall.Kill(pid, syscall.SIGKILL) == nil {
					killed++
				}
			}
			time.Sleep(20 * time.Millisecond) // the pace of the killing, not a wait
		}
	})
	const runs = 40
	paths := runFiles(t, runs, "")
	stop()
	killing.Wait()
	await(t, "every script is found", func() bool { _, _, missing := in.fate(paths); return missing == 0 })
	counted := uint64(0)
	await(t, "the kills are counted", func() bool { counted = lostAt(t, address, finding.StageDetect) - before; return counted > 0 })
	t.Logf("%d kills while %d scripts ran: all were found; %d were judged by their plain text alone", killed, runs, counted)
	if killed == 0 {
		t.Error("nothing was killed: this test shows nothing")
	}
	last := runFiles(t, 3, "")
	await(t, "scripts are found afterwards", func() bool { w, _, _ := in.fate(last); return w == len(last) })
}

// TestASensorKilledInAStormSaysThatItWasAway kills a sensor -9 while scripts
// run, and starts another.
func TestASensorKilledInAStormSaysThatItWasAway(t *testing.T) {
	needSensor(t)
	in, address := start(t, "server", t.TempDir()), freeAddress(t)
	own := filepath.Dir(t.TempDir()) // holds every folder of this test
	spool := filepath.Join(t.TempDir(), "spool")
	sensor, _ := startSensor(t, in, in.client.base, "node-11", spool, address)
	await(t, "the sensor is known", func() bool { return len(sensorsOf(t, in)) == 1 })
	storm := make(chan []string, 1)
	go func() { storm <- runFiles(t, 40, "") }()
	await(t, "a finding of the storm is stored", func() bool {
		for _, f := range in.findings() {
			if strings.HasPrefix(f.Script.Path, own) {
				return true
			}
		}
		return false
	})
	killed := time.Now()
	sensor.Process.Kill()
	sensor.Wait()
	paths := <-storm

	startSensor(t, in, in.client.base, "node-11", spool, address)
	last := runFiles(t, 3, "")
	await(t, "scripts are found afterwards", func() bool { w, _, _ := in.fate(last); return w == len(last) })
	var away finding.Absence
	await(t, "the absence is known", func() bool { away = sensorsOf(t, in)[0].Away; return !away.To.IsZero() })
	if away.Stopped || away.From.After(killed) || away.To.Before(killed) {
		t.Errorf("the sensor was killed at %v, but was away: %+v", killed, away)
	}
	whole, broken, missing := in.fate(paths)
	t.Logf("of %d scripts %d were found whole, %d say what is missing, %d ran while no sensor did or were in flight", len(paths), whole, broken, missing)
	if whole+broken == 0 {
		t.Error("the storm's finding is gone")
	}
}
