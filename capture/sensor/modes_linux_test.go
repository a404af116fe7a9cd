//go:build amd64 || arm64

package sensor_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kingsnake/capture/sensor"
	"kingsnake/capture/sensor/generate"
)

// runsOf returns how often each mode is run: 50 times, or as the variable
// KINGSNAKE_RUNS says. With every further interpreter it is a twenty-fifth part of that.
func runsOf(t *testing.T) int {
	t.Helper()
	value := os.Getenv("KINGSNAKE_RUNS")
	if value == "" {
		if testing.Short() {
			return 5
		}
		return 50
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		t.Fatalf("KINGSNAKE_RUNS=%q is no number of runs", value)
	}
	return n
}

// TestEveryMode runs Python in every way there is, at the pace of the machine,
// and wants every single script: found, with the exact bytes, kind and path, and
// with nothing lost.
func TestEveryMode(t *testing.T) {
	tally := generate.NewTally()
	r := recordTo(t, sensor.Config{}, tally.See)
	runs := runsOf(t)
	var table strings.Builder
	defer func() {
		t.Logf("\n%-28s %-48s %6s %6s %6s %7s\n%s", "interpreter", "mode", "wanted", "found", "exact", "runs/s", table.String())
	}()
	for i, python := range generate.Pythons() {
		n := runs
		if i > 0 {
			n = max(runs/25, 2)
		}
		bench := generate.NewBench(python, t.TempDir())
		t.Run(python.Name, func(t *testing.T) {
			t.Cleanup(func() {
				if err := bench.Close(); err != nil {
					t.Error(err)
				}
			})
			for _, mode := range bench.Modes(i == 0) {
				t.Run(mode.Name, func(t *testing.T) {
					row := runMode(t, bench, mode, tally, n)
					fmt.Fprintf(&table, "%-28s %-48s %s\n", python.Name, mode.Name, row)
				})
			}
		})
	}
	t.Logf("lost on the whole machine: %v", r.sensor.Stats().Lost)
}

// runMode runs one mode n times, several at once, and returns its row of the table.
func runMode(t *testing.T, bench *generate.Bench, mode generate.Mode, tally *generate.Tally, n int) string {
	if err := bench.Prepare(mode); err != nil {
		return "not here: " + strings.SplitN(err.Error(), "\n", 2)[0]
	}
	start := time.Now()
	var wanted atomic.Int64
	generate.Spread(2*runtime.NumCPU(), n, func(i int) {
		scripts, err := runOnce(bench, mode, tally, i)
		if err != nil {
			t.Error(err)
		}
		wanted.Add(int64(scripts))
	})
	rate := float64(n) / time.Since(start).Seconds()
	waitForScripts(tally)
	found, exact, problems := tally.Result()
	want := int(wanted.Load())
	if found != want || exact != want || len(problems) > 0 {
		t.Errorf("want %d scripts, got %d, of them %d exact:\n%s", want, found, exact, strings.Join(problems, "\n"))
	}
	return fmt.Sprintf("%6d %6d %6d %7.1f", want, found, exact, rate)
}

// runOnce makes one run, waits for it, and returns how many scripts it has.
func runOnce(bench *generate.Bench, mode generate.Mode, tally *generate.Tally, i int) (int, error) {
	run, err := bench.Run(mode, i)
	if err != nil {
		return 0, err
	}
	defer run.Close()
	tally.Expect(run)
	if err := run.Do(); err != nil {
		return len(run.Want), fmt.Errorf("run %d of %s: %w", i, mode.Name, err)
	}
	return len(run.Want), nil
}

// waitForScripts waits until nothing is missing, or nothing more comes.
func waitForScripts(tally *generate.Tally) {
	for tally.Missing() > 0 {
		select {
		case <-tally.Changed():
		case <-time.After(5 * time.Second):
			return
		}
	}
}
