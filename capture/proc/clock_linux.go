package proc

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	clockSlack = 100 * time.Millisecond // what the wall clock may go wrong without a new era
	maxEras    = 64
)

// Clock turns the kernel's time since boot into wall time, which may be set: a
// machine that starts with a wrong time has it corrected some time later. What was
// told once stays as it was told: a process has the same start each time, which
// names it. What happens after the clock was set, and Check has seen it, has the
// new time. It may be used concurrently.
type Clock struct {
	mu     sync.RWMutex
	eras   []era  // the oldest first; never empty
	looked uint64 // when Check last looked, nanoseconds since boot
}

// era is a time in which nobody set the wall clock.
type era struct {
	from  uint64    // nanoseconds since boot; the oldest era has no beginning
	after uint64    // the clock was set after this, and before from
	boot  time.Time // when the machine booted, by the wall clock of the era
}

// NewClock returns a clock that knows the wall clock as it is now.
func NewClock() *Clock {
	c := new(Clock)
	c.Check()
	return c
}

// Check looks whether the wall clock was set.
func (c *Clock) Check() { c.check(time.Now(), SinceBoot()) }

func (c *Clock) check(now time.Time, sinceBoot uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := era{sinceBoot, c.looked, now.Add(-time.Duration(sinceBoot)).Round(0)}
	c.looked = sinceBoot
	if n := len(c.eras); n > 0 && e.boot.Sub(c.eras[n-1].boot).Abs() <= clockSlack {
		return
	}
	if len(c.eras) == maxEras {
		c.eras = append(c.eras[:0], c.eras[1:]...)
	}
	c.eras = append(c.eras, e)
}

// Wall returns the time that was ns nanoseconds after boot.
func (c *Clock) Wall(ns uint64) time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	i := len(c.eras) - 1
	for i > 0 && ns < c.eras[i].from {
		i--
	}
	return c.eras[i].boot.Add(time.Duration(ns))
}

// Earliest returns the earliest time that the wall clock has shown since ns
// nanoseconds after boot, less what it may be wrong by. What bears an earlier time
// was there before, however the clock was set since; but not how it was set before
// the Clock was made, which nobody knows.
func (c *Clock) Earliest(ns uint64) time.Time {
	const slack = clockSlack + 20*time.Millisecond // file systems have the time of the last tick
	c.mu.RLock()
	defer c.mu.RUnlock()
	var earliest time.Time
	for i, e := range c.eras {
		if i+1 < len(c.eras) && c.eras[i+1].from <= ns {
			continue // it was over by then
		}
		since := ns
		if i > 0 {
			since = max(ns, e.after)
		}
		if at := e.boot.Add(time.Duration(since)); earliest.IsZero() || at.Before(earliest) {
			earliest = at
		}
	}
	return earliest.Add(-slack)
}

// Nanos is how many nanoseconds after boot a wall time was: what Wall undoes. Of a
// time that was twice, because the clock was set back, it is the later one.
func (c *Clock) Nanos(t time.Time) uint64 { return c.nanos(t, SinceBoot()) }

func (c *Clock) nanos(t time.Time, sinceBoot uint64) uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for i := len(c.eras) - 1; i > 0; i-- {
		ns := t.Sub(c.eras[i].boot)
		if ns >= 0 && uint64(ns) >= c.eras[i].from && uint64(ns) <= sinceBoot {
			return uint64(ns)
		}
	}
	return uint64(t.Sub(c.eras[0].boot))
}

// SinceBoot returns now, in nanoseconds after boot.
func SinceBoot() uint64 {
	var now unix.Timespec
	// It cannot fail: every kernel that is of interest has the clock.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	return uint64(now.Nano())
}
