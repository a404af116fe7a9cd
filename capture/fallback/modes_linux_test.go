package fallback_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kingsnake/capture"
	"kingsnake/capture/fallback"
	"kingsnake/capture/sensor/generate"
)

// unseen are the modes whose text is never in a file that can be looked at, or
// only for as long as its process has it: of them a script without a text comes,
// with the reason, or nothing.
var unseen = []string{
	"standard input from a pipe", "standard input by a dash", "standard input, unbuffered, fed byte by byte", "standard input, unbuffered",
	"here-document in a pipe", "process substitution", "FIFO",
}

// watch runs a sensor until the test ends.
func watch(t *testing.T, config fallback.Config, handle func(capture.Script)) *fallback.Sensor {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip(`watching takes root: run "sudo -E go test ./capture/fallback"`)
	}
	s, err := fallback.Open(config)
	if err != nil {
		t.Skipf("%v: run it outside of containers, as root", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, handle) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// runs returns how often each mode is run.
func runs() int {
	if n, err := strconv.Atoi(os.Getenv("KINGSNAKE_RUNS")); err == nil && n > 0 {
		return n
	}
	return 10
}

// TestWhatIsSeenWithoutBPF runs Python in every way and wants every script that
// lies in a file or among the arguments, byte for byte. Of the others it wants to
// be told.
func TestWhatIsSeenWithoutBPF(t *testing.T) {
	for name, config := range map[string]fallback.Config{
		"both":                      {},
		"without the connector":     {NoConnector: true},
		"without watching of files": {NoFiles: true},
	} {
		t.Run(name, func(t *testing.T) { testModes(t, config) })
	}
}

func testModes(t *testing.T, config fallback.Config) {
	pythons := generate.Pythons()
	if len(pythons) == 0 {
		t.Skip("python3 is missing: apt-get install python3")
	}
	tally := generate.NewTally()
	s := watch(t, config, tally.See)
	bench := generate.NewBench(pythons[0], t.TempDir())
	t.Cleanup(func() {
		if err := bench.Close(); err != nil {
			t.Error(err)
		}
	})
	var table strings.Builder
	for _, mode := range bench.Modes(true) {
		t.Run(mode.Name, func(t *testing.T) {
			if err := bench.Prepare(mode); err != nil {
				t.Skip(err)
			}
			wanted := runMode(t, bench, mode, tally)
			found, exact, problems := tally.Result()
			fmt.Fprintf(&table, "%-50s %5d %5d %5d\n", mode.Name, wanted, found, exact)
			if !slices.Contains(unseen, mode.Name) && exact != wanted {
				t.Errorf("want %d, got %d, of them %d exact:\n%s", wanted, found, exact, strings.Join(problems, "\n"))
			}
		})
	}
	t.Logf("\n%-50s %5s %5s %5s\n%s", "mode", "want", "found", "exact", table.String())
	t.Logf("lost on the whole machine: %v", s.Stats().Lost)
}

// runMode makes all runs of a mode, several at once, and returns how many
// scripts they have.
func runMode(t *testing.T, bench *generate.Bench, mode generate.Mode, tally *generate.Tally) (wanted int) {
	var workers sync.WaitGroup
	var mu sync.Mutex
	numbers := make(chan int)
	for range runtime.NumCPU() {
		workers.Go(func() {
			for i := range numbers {
				run, err := bench.Run(mode, i)
				if err != nil {
					t.Error(err)
					continue
				}
				tally.Expect(run)
				mu.Lock()
				wanted += len(run.Want)
				mu.Unlock()
				out := new(strings.Builder)
				run.Cmd.Stdout, run.Cmd.Stderr = out, out
				if err := run.Start(); err != nil {
					t.Error(err)
				} else if err := run.Cmd.Wait(); err != nil {
					t.Errorf("run %d of %s: %v\n%s", i, mode.Name, err, out)
				}
				run.Close()
			}
		})
	}
	for i := range runs() {
		numbers <- i
	}
	close(numbers)
	workers.Wait()
	for tally.Missing() > 0 {
		select {
		case <-tally.Changed():
		case <-time.After(time.Second):
			return wanted
		}
	}
	return wanted
}
