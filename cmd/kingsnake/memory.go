package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sensorMemory is how much memory a sensor works with before it collects what
// it no longer uses as fast as it can. $GOMEMLIMIT has another.
const sensorMemory = 64 << 20

// sensorGC is how much a sensor's memory may grow, in percent, before what it
// no longer uses is collected. $GOGC has another.
const sensorGC = 50

// limitMemory sets a sensor's bounds.
func limitMemory(env Env) {
	if !env.Process {
		return
	}
	if env.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(sensorMemory)
	}
	if env.Getenv("GOGC") == "" {
		debug.SetGCPercent(sensorGC)
	}
}

// settle gives back what starting took and running does not need: memory that
// is free, and the program's own pages, of which most were for starting. What
// is wanted of those comes back from the file, page by page.
func settle(env Env) {
	if !env.Process {
		return
	}
	debug.FreeOSMemory()
	dropProgram()
}

// dropProgram has the kernel forget which pages of the program's file this
// process has used. Only what cannot be written is dropped, so nothing is lost.
func dropProgram() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return // no /proc: they stay
	}
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		from, to, ok := readOnly(lines.Text(), self)
		if !ok {
			continue
		}
		// A refusal costs memory and nothing else.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
	}
}

// readOnly takes a line of proc_pid_maps(5) apart, if it is of a mapping of the
// file that nobody can write.
func readOnly(line, file string) (from, to uintptr, ok bool) {
	var rights string
	if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); n != 3 || !strings.HasSuffix(line, " "+file) {
		return 0, 0, false
	}
	return from, to, rights == "r--p" || rights == "r-xp"
}

// freeMemory is how much may be free and not given back: less is not worth the
// collection that gives it back.
const freeMemory = 3 << 20

// giveBack gives back what a storm took, and pages of the program that were not
// used of late, every few seconds until ctx ends.
func giveBack(ctx context.Context) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		dropProgram() // what is in use comes back at once
		if metrics.Read(sample); sample[0].Value.Uint64() > freeMemory {
			debug.FreeOSMemory()
		}
	}
}
