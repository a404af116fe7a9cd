//go:build amd64 || arm64

package sensor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"kingsnake/capture/proc"
)

const (
	guardStart = 10 * time.Second       // it has this long to say that it is there
	guardAgain = time.Second            // before another is started in the place of one that ended
	guardSlack = 250 * time.Millisecond // what the sensor is late before the guard does its work
	guardEvery = 100 * time.Millisecond // how often it looks
	guardLast  = time.Second            // for how long nothing must be held before the guard ends
)

// startGuard starts a guard, and returns the connection that ends with it.
func (h *holder) startGuard() (alive *os.File, err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("connect the guard: %w", err)
	}
	alive = os.NewFile(uintptr(ends[0]), "guard")
	files := []*os.File{os.NewFile(uintptr(ends[1]), "sensor")}
	defer func() {
		for _, f := range files {
			_ = f.Close() // the guard has its own
		}
		if err != nil {
			_ = alive.Close() // nobody is at its other end
		}
	}()
	for _, m := range []*ebpf.Map{h.holds, h.parents, h.switches} {
		fd, err := unix.FcntlInt(uintptr(m.FD()), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return alive, fmt.Errorf("share a map with the guard: %w", err)
		}
		files = append(files, os.NewFile(uintptr(fd), "map"))
	}
	if err := h.config.Guard(files); err != nil {
		return alive, fmt.Errorf("start the guard: %w", err)
	}
	if err := alive.SetDeadline(time.Now().Add(guardStart)); err != nil {
		return alive, fmt.Errorf("wait for the guard: %w", err)
	}
	if err := binary.Write(alive, binary.LittleEndian, int64(h.config.Wait)); err != nil {
		return alive, fmt.Errorf("tell the guard: %w", err)
	}
	var ready [1]byte
	if _, err := alive.Read(ready[:]); err != nil {
		return alive, fmt.Errorf("wait for the guard: %w", err)
	}
	return alive, alive.SetDeadline(time.Time{})
}

// keepGuard holds nothing while there is no guard, and starts another when one
// ends.
func (h *holder) keepGuard(alive *os.File) {
	for {
		h.setGuarded(true)
		if h.watch(alive) {
			return
		}
		h.setGuarded(false)
		h.count(lostGuard)
		h.sweep(0)
		for alive = nil; alive == nil; {
			select {
			case <-h.stop:
				return
			case <-time.After(guardAgain):
			}
			alive, _ = h.startGuard() // It is tried until it works.
		}
	}
}

// watch waits until the guard ends, or the holder is closed: then it reports true.
func (h *holder) watch(alive *os.File) (closed bool) {
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, alive) // it says nothing more; the end is what counts
		close(done)
	}()
	select {
	case <-h.stop:
		closed = true
	case <-done:
	}
	_ = alive.Close() // the guard sees it, if it is there
	<-done
	return closed
}

func (h *holder) setGuarded(guarded bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.guarded = guarded
	_ = h.switchLocked() // like answer
}

// GuardFiles is how many files a guard is given.
const GuardFiles = 4

// Guard lets every process go on that a sensor holds, when that sensor is no
// more or does not answer in time. It is for a process of its own, which
// [Hold.Guard] starts with these files; it returns after the sensor's end, when
// nothing is held any more.
func Guard(files []*os.File) error {
	if len(files) != GuardFiles {
		return errors.New("a guard is only started by a sensor")
	}
	alive := files[0]
	h := &holder{clock: proc.NewClock(), count: func(string) {}}
	for i, m := range []**ebpf.Map{&h.holds, &h.parents, &h.switches} {
		fd, err := unix.FcntlInt(files[i+1].Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("take over a map: %w", err)
		}
		if *m, err = ebpf.NewMapFromFD(fd); err != nil {
			return fmt.Errorf("take over a map: %w", err)
		}
		defer func() { _ = (*m).Close() }() // the process ends with it
	}
	var wait int64
	if err := binary.Read(alive, binary.LittleEndian, &wait); err != nil {
		return fmt.Errorf("hear from the sensor: %w", err)
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, proc.Nice) // without CAP_SYS_NICE it is an ordinary process
	if _, err := alive.Write([]byte{1}); err != nil {
		return fmt.Errorf("answer the sensor: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, alive) // the end is what counts
		close(ended)
	}()
	tick := time.NewTicker(guardEvery)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return h.last()
		case <-tick.C:
			h.sweep(time.Duration(wait) + guardSlack)
		}
	}
}

// last switches the holding off and lets everything go. The programs outlive
// their sensor for a moment, so it looks again until nothing came for a while.
func (h *holder) last() error {
	if err := h.turn(false); err != nil {
		return err
	}
	quiet := time.Now()
	for time.Since(quiet) < guardLast {
		if ended, left := h.sweep(0); ended+left > 0 {
			quiet = time.Now()
		}
		time.Sleep(sweepEvery)
	}
	return nil
}
