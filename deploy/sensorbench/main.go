// Command sensorbench measures what the sensor costs a machine, in pairs: once
// with an empty BPF program on exec, once with kingsnake capturing and judging
// everything, one right after the other and in turns first.
//
//	make build && sudo go run ./deploy/sensorbench            some 10 minutes
//	sudo go run ./deploy/sensorbench -pairs 3 -execs 500      a trial
//
// Nothing is asserted: it prints medians with 95 % intervals, beside the bars of
// the design. The machine should do nothing else meanwhile: the sensor watches
// all of it, and ratios of a busy machine have wide intervals.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// settings say how much is measured.
type settings struct {
	binary  string
	pairs   int
	workers int
	execs   int // of /bin/true, by each worker
	starts  int // of Python, by each worker
	python  string
	idle    time.Duration
	rest    time.Duration
}

func main() {
	var s settings
	flag.StringVar(&s.binary, "kingsnake", "bin/kingsnake", "`path` of the program")
	flag.IntVar(&s.pairs, "pairs", 20, "how many `pairs`")
	flag.IntVar(&s.workers, "workers", runtime.NumCPU(), "`processes` that start others at once")
	flag.IntVar(&s.execs, "execs", 3000, "how `often` each starts /bin/true")
	flag.IntVar(&s.starts, "starts", 200, "how `often` each starts Python")
	flag.StringVar(&s.python, "python", "/usr/bin/python3", "`path` of the interpreter")
	flag.DurationVar(&s.idle, "idle", 30*time.Second, "how `long` the idle sensor is watched")
	flag.DurationVar(&s.rest, "rest", 15*time.Second, "how `long` the sensor rests after a storm before its steady memory is looked at")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "sensorbench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	var rate, startCPU []float64
	var sent, received int
	var resident, residentRSS, after, peak, peakRSS, idle []float64
	for i := range s.pairs {
		var base, with cost
		measureBase := func() (err error) { base, err = withEmpty(ctx, s); return err }
		measureWith := func() (err error) { with, err = withSensor(ctx, s, i == s.pairs-1); return err }
		order := []func() error{measureBase, measureWith}
		if i%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, measure := range order {
			if err := measure(); err != nil {
				return err
			}
		}
		rate = append(rate, with.rate/base.rate)
		startCPU = append(startCPU, with.startCPU.Seconds()/base.startCPU.Seconds())
		resident, residentRSS = append(resident, with.resident.pss), append(residentRSS, with.resident.rss)
		after, peak, peakRSS = append(after, with.after.pss), append(peak, with.peak.pss), append(peakRSS, with.peak.rss)
		if with.idle >= 0 {
			idle = append(idle, 100*with.idle)
		}
		sent, received = sent+with.sent, received+with.received
		fmt.Printf("pair %d: %.0f and %.0f execs a second, ratio %.3f; %.2f and %.2f ms of CPU a Python, ratio %.3f; %.0f Pythons a second; %.0f MB at rest, %.0f MB after the storm, peak %.0f MB; captured %d of %d; the sensor: %s\n",
			i+1, base.rate, with.rate, rate[i], ms(base.startCPU), ms(with.startCPU), startCPU[i], with.startRate, with.resident.pss, with.after.pss, with.peak.pss, with.received, with.sent, with.said)
	}
	fmt.Printf("\n%-44s %s\n", "medians with 95 % intervals, 'what' (bar)", "")
	for _, line := range []struct {
		what, bar string
		values    []float64
	}{
		{"exec rate, of that with an empty program", ">= 0.88", rate},
		{"CPU of Python's start, of the same", "<= 1.05", startCPU},
		{"resident at rest, MB", "<= 48", resident},
		{"the same, shared pages in each process", "", residentRSS},
		{"resident right after the storm, MB", "", after},
		{"resident at its peak, MB", "<= 112", peak},
		{"the same, shared pages in each process", "", peakRSS},
		{"idle, % of a processor", "< 0.2", idle},
	} {
		m, low, high := interval(line.values)
		fmt.Printf("%-44s %8.3f  [%.3f, %.3f]  (%s)\n", line.what, m, low, high, line.bar)
	}
	fmt.Printf("%-44s %d of %d  (all)\n", "scripts captured at the highest rate", received, sent)
	return nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
