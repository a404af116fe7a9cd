package apart

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpu is the processor time a running process has used, as of clock_getres(2):
// a process's clock has a number made of its own.
func (w *process) cpu() time.Duration {
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel's posix-timers.h
	var ts unix.Timespec
	clock := ^int32(w.command.Process.Pid)<<3 | scheduled
	if unix.ClockGettime(clock, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
