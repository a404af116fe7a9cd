//go:build amd64 || arm64

package sensor_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kingsnake/capture"
	"kingsnake/capture/sensor"
	"kingsnake/capture/sensor/generate"
)

// soakTime returns how long a soak takes: a minute, or as $KINGSNAKE_SOAK says.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	value := os.Getenv("KINGSNAKE_SOAK")
	switch {
	case value == "" && testing.Short():
		return 10 * time.Second
	case value == "":
		return time.Minute
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		t.Fatalf("KINGSNAKE_SOAK=%q is no duration, as 30m is", value)
	}
	return d
}

// usage is what a sensor and its test have in use after a round.
type usage struct {
	goroutines, files int    // files without probes
	heap              uint64 // bytes that are reachable
}

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %d KiB", u.goroutines, u.files, u.heap>>10)
}

func inUse(t *testing.T) usage {
	t.Helper()
	debug.FreeOSMemory() // twice: pools are kept over one collection
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		// Probes at interpreters of the whole machine come and go.
		if to, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && to != "anon_inode:bpf_link" && to != "anon_inode:[perf_event]" {
			n++
		}
	}
	return usage{runtime.NumGoroutine(), n, m.HeapAlloc}
}

// TestASensorThatRunsForLongLeaksNothing runs every mode of one interpreter again
// and again, wants every script each time, and looks at what is in use after each
// round: in the second half no more than in the first, but for what a busy machine
// needs now and then. Nothing stays in the kernel's maps of processes that have ended.
//
//	KINGSNAKE_SOAK=30m go test -run TestASensorThatRunsForLongLeaksNothing -timeout 40m .
func TestASensorThatRunsForLongLeaksNothing(t *testing.T) {
	end := time.Now().Add(soakTime(t))
	var tally atomic.Pointer[generate.Tally]
	tally.Store(generate.NewTally())
	r := recordTo(t, sensor.Config{}, func(s capture.Script) { tally.Load().See(s) })
	bench := generate.NewBench(generate.Pythons()[0], t.TempDir())
	t.Cleanup(func() {
		if err := bench.Close(); err != nil {
			t.Error(err)
		}
	})
	var modes []generate.Mode
	for _, mode := range bench.Modes(true) {
		// An interpreter of its own for each run leaves probes at its file, until
		// there are as many as there may be.
		if mode.Name == "interpreter copied for each run" || mode.Name == "interpreter in memory alone" {
			continue
		}
		if err := bench.Prepare(mode); err == nil {
			modes = append(modes, mode)
		}
	}
	var rounds []usage
	scripts := 0
	for round := 0; time.Now().Before(end) || len(rounds) < 4; round++ {
		now := generate.NewTally()
		tally.Store(now)
		wanted := soakRound(t, bench, modes, now, round)
		waitForScripts(now)
		if found, exact, problems := now.Result(); found != wanted || exact != wanted || len(problems) > 0 {
			t.Errorf("round %d: want %d scripts, got %d, of them %d exact; lost %v:\n%s", round, wanted, found, exact, r.sensor.Stats().Lost, strings.Join(problems, "\n"))
		}
		scripts += wanted
		r.settle()
		rounds = append(rounds, inUse(t))
	}
	t.Logf("%d scripts in %d rounds; after the first %v, after the last %v; lost on the whole machine: %v",
		scripts, len(rounds), rounds[0], rounds[len(rounds)-1], r.sensor.Stats().Lost)
	rounds = rounds[1:] // the first one warms up
	early, late := middle(rounds[:(len(rounds)+1)/2]), middle(rounds[len(rounds)/2:])
	if late.goroutines > early.goroutines+4 || late.files > early.files+4 || late.heap > early.heap+early.heap/4+4<<20 {
		t.Errorf("in use in the first half of %d rounds: %v; in the second: %v", len(rounds), early, late)
	}
	until(t, "nothing is left of processes that ended", func() bool { return len(r.sensor.Left()) == 0 })
}

// soakRound runs every mode once a worker, and returns how many scripts that is.
func soakRound(t *testing.T, bench *generate.Bench, modes []generate.Mode, tally *generate.Tally, round int) int {
	var wanted atomic.Int64
	generate.Spread(runtime.NumCPU(), 2*len(modes), func(i int) {
		n, err := runOnce(bench, modes[i%len(modes)], tally, round*2*len(modes)+i)
		if err != nil {
			t.Error(err)
		}
		wanted.Add(int64(n))
	})
	return int(wanted.Load())
}

// middle returns the median of each figure.
func middle(of []usage) (m usage) {
	goroutines, files, heap := []int{}, []int{}, []uint64{}
	for _, u := range of {
		goroutines, files, heap = append(goroutines, u.goroutines), append(files, u.files), append(heap, u.heap)
	}
	slices.Sort(goroutines)
	slices.Sort(files)
	slices.Sort(heap)
	return usage{goroutines[len(of)/2], files[len(of)/2], heap[len(of)/2]}
}
