package proc

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Looks are workers for looks that may hang. Only a few may do so at once. The
// zero Looks is ready, and is safe for concurrent use.
type Looks struct {
	once    sync.Once
	jobs    chan func()
	workers atomic.Int32
}

const (
	lookSlots = 8
	lookTime  = 200 * time.Millisecond
	lookIdle  = 5 * time.Second // after which a worker ends
)

// ErrBusy says that a look had no answer in time, or none was begun because all
// workers hang.
var ErrBusy = errors.New("look-ups hang")

// hand gives a job to a worker, and reports false when all of them hang.
func (l *Looks) hand(job func()) bool {
	l.once.Do(func() { l.jobs = make(chan func()) })
	select {
	case l.jobs <- job:
		return true
	default:
	}
	if l.workers.Add(1) > lookSlots {
		l.workers.Add(-1)
		return false
	}
	go l.work(job)
	return true
}

// work does a job and those that follow, until there are none for a while. Who
// waits for it keeps others waiting, so it goes first as they do.
func (l *Looks) work(job func()) {
	defer l.workers.Add(-1)
	GoFirst()
	idle := time.NewTimer(lookIdle)
	defer idle.Stop()
	for {
		job()
		idle.Reset(lookIdle)
		select {
		case job = <-l.jobs:
		case <-idle.C:
			return
		}
	}
}

// Look has a worker call f, and stops waiting for it after a fifth of a second:
// the error is then ErrBusy.
func Look[T any](l *Looks, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var none T
	done := make(chan answer, 1)
	if !l.hand(func() {
		value, err := f()
		done <- answer{value, err}
	}) {
		return none, ErrBusy
	}
	timeout := time.NewTimer(lookTime)
	defer timeout.Stop()
	select {
	case a := <-done:
		return a.value, a.err
	case <-timeout.C:
		return none, ErrBusy
	}
}

// Nice is the priority of the threads that take what the kernel tells. What they
// leave there too long is lost, so they go before the judging of what they read,
// and before ordinary programs that cause it.
const Nice = -10

// GoFirst gives the calling goroutine a thread of its own that goes before
// others, until it calls back or ends. Without CAP_SYS_NICE the thread stays an
// ordinary one.
func GoFirst() (back func()) {
	runtime.LockOSThread()
	id := unix.Gettid()
	before, err := unix.Getpriority(unix.PRIO_PROCESS, id)
	_ = unix.Setpriority(unix.PRIO_PROCESS, id, Nice)
	return func() {
		// The system call answers 20 less the priority. A thread that cannot be
		// made an ordinary one again stays this goroutine's.
		if err == nil && unix.Setpriority(unix.PRIO_PROCESS, id, 20-before) == nil {
			runtime.UnlockOSThread()
		}
	}
}
