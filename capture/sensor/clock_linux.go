//go:build amd64 || arm64

package sensor

import (
	"time"

	"golang.org/x/sys/unix"
)

// clock turns the kernel's time since boot into wall time. The difference is
// taken once, so that the start of a process is the same each time it is told.
type clock struct{ boot time.Time }

func newClock() clock {
	var now unix.Timespec
	// It cannot fail: the clock exists on every kernel that runs the programs.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	return clock{boot: time.Now().Add(-time.Duration(now.Nano())).Round(0)}
}

// wall returns the time that was ns nanoseconds after boot.
func (c clock) wall(ns uint64) time.Time { return c.boot.Add(time.Duration(ns)) }

// sinceBoot returns now, in nanoseconds after boot.
func sinceBoot() uint64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	return uint64(now.Nano())
}
