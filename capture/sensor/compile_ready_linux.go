//go:build amd64 || arm64

package sensor

import (
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// To set a probe the kernel locks out every fork, by a lock (dup_mmap_sem) that
// waits for a grace period of RCU, some 5 to 20 ms, before it is had; a copy of an
// interpreter is often done by then. No such wait is needed if the lock was had a
// moment ago. Copies seldom come alone: so for a while after one, the lock is had
// again and again, and the next copy is attached to in some 0.1 ms.
const (
	readyFor   = 2 * time.Second       // after an interpreter that nobody had seen
	readyEvery = 10 * time.Millisecond // the kernel forgets after a grace period
)

// stayReady keeps the kernel ready to set probes for a while after each token in
// newcomers, until stop is closed. It sets a probe where nothing ever runs, and
// takes it away, in turn. Where it cannot, attaching takes its time.
func (h *hooks) stayReady(stop <-chan struct{}) {
	if !h.multi {
		return // one by one they cost more
	}
	fd, err := unix.MemfdCreate("kingsnake", unix.MFD_CLOEXEC)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	binary, err := link.OpenExecutable(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil || unix.Ftruncate(fd, int64(os.Getpagesize())) != nil {
		return
	}
	nowhere := []entryPoint{{offset: 64}} // the library takes none for no place at all
	var until time.Time
	var links []link.Link
	var tick <-chan time.Time // nil when there is nothing to do
	for {
		select {
		case <-stop:
			h.closeLater(links)
			return
		case <-h.newcomers:
			until = time.Now().Add(readyFor)
		case <-tick:
			if links != nil {
				h.closeLater(links)
				links = nil
			} else if links, err = h.attachDoor(binary, h.programs[doorSource], nowhere); err != nil {
				return
			}
		}
		tick = nil
		if links != nil || time.Now().Before(until) {
			tick = time.After(readyEvery)
		}
	}
}
