package proc

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock turns the kernel's time since boot into wall time. The difference is
// taken once, so that the start of a process is the same each time it is told.
type Clock struct{ boot time.Time }

// NewClock takes the difference as it is now.
func NewClock() Clock {
	return Clock{boot: time.Now().Add(-time.Duration(SinceBoot())).Round(0)}
}

// Wall returns the time that was ns nanoseconds after boot.
func (c Clock) Wall(ns uint64) time.Time { return c.boot.Add(time.Duration(ns)) }

// Nanos is how many nanoseconds after boot a wall time was: what Wall undoes.
func (c Clock) Nanos(t time.Time) uint64 { return uint64(t.Sub(c.boot)) }

// SinceBoot returns now, in nanoseconds after boot.
func SinceBoot() uint64 {
	var now unix.Timespec
	// It cannot fail: every kernel that is of interest has the clock.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	return uint64(now.Nano())
}
