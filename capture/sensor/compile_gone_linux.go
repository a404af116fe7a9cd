//go:build amd64 || arm64

package sensor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"kingsnake/capture/proc"
)

// A program may copy its interpreter, run the copy and delete it, again and
// again. Probes keep such a copy on its disk, and take one of the few places. So
// a binary that has no name left is detached from when no process runs it.
const (
	goneEvery = 250 * time.Millisecond // between two looks, at least
	goneQuiet = 2 * time.Second        // while there is nothing to look for, and nothing new
	goneShare = 50                     // they take one part of so many of the time, at most
	goneLooks = 2                      // in a row find no process: one may miss a process that forks and ends

	maxClosing = 16 // links closed at once; each takes the kernel some 50 ms
)

// hooked is a binary with probes. The lock of hooks guards it.
type hooked struct {
	key     hookKey
	file    *os.File // tells whether the binary has a name left
	library bool     // it is mapped by what runs it
	links   []link.Link

	begun  time.Time // when a process was last seen to begin to run it
	absent int       // looks in a row that found no process that runs it
}

// stat returns the inode number of the binary, and whether it has no name left.
func (x *hooked) stat() (ino uint64, deleted bool) {
	st, err := statx(int(x.file.Fd()), "")
	return st.Ino, err == nil && st.Nlink == 0
}

// statx describes a file without asking a file system that may not answer.
func statx(dir int, name string) (st unix.Statx_t, err error) {
	err = unix.Statx(dir, name, unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_BASIC_STATS, &st)
	return st, err
}

// sweep detaches from what is gone, until stop is closed.
func (h *hooks) sweep(stop <-chan struct{}) {
	next := time.NewTimer(goneQuiet)
	defer next.Stop()
	quiet := true
	for {
		select {
		case <-stop:
			return
		case <-h.attached:
			if quiet {
				quiet = false
				next.Reset(goneEvery)
			}
		case <-next.C:
			start := time.Now()
			quiet = !h.detachGone()
			if quiet {
				next.Reset(goneQuiet)
			} else {
				next.Reset(max(goneEvery, goneShare*time.Since(start)))
			}
		}
	}
}

// detachGone detaches from the binaries that have no name left and that no
// process runs. While there is little room, it finds out for the others too
// whether a process runs them. It reports whether there was anything to find out.
func (h *hooks) detachGone() bool {
	start := time.Now()
	look, libraries := h.worthLooking()
	if !look {
		return false
	}
	running, err := inUse(libraries)
	if err != nil {
		return true // whatever cannot be looked at may run any of them
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var gone []*hooked
	h.hooked.each(func(_ hookKey, x *hooked) bool {
		ino, deleted := x.stat()
		switch {
		case x.library && !libraries:
		case running[ino] || x.begun.After(start):
			x.absent = 0
		default:
			if x.absent++; deleted && x.absent >= goneLooks {
				gone = append(gone, x)
			}
		}
		return true
	})
	h.detach(gone...)
	return true
}

// worthLooking reports whether it is worth looking at all processes, and at the
// libraries they have mapped.
func (h *hooks) worthLooking() (look, libraries bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	scarce := h.hooked.order.Len() > maxHooked/2
	h.hooked.each(func(_ hookKey, x *hooked) bool {
		if _, deleted := x.stat(); deleted || scarce {
			look, libraries = true, libraries || x.library
		}
		return true
	})
	return look, libraries
}

// makeRoom makes room for one more binary: of those that no process was found to
// run, or else of all, the one seen least recently goes. The caller holds the lock.
func (h *hooks) makeRoom() {
	if h.hooked.order.Len() < maxHooked {
		return
	}
	var last, idle *hooked
	h.hooked.each(func(_ hookKey, x *hooked) bool {
		if last = x; x.absent > 0 {
			idle = x
		}
		return true
	})
	if idle == nil {
		idle = last
		h.count(lostHooks)
	}
	h.detach(idle)
}

// detach gives up the places of binaries; the kernel takes its time for the rest.
// The caller holds the lock.
func (h *hooks) detach(all ...*hooked) {
	if len(all) == 0 {
		return
	}
	for _, x := range all {
		h.hooked.remove(x.key)
		h.seen.remove(x.key)
	}
	h.detaching.Go(func() { _ = release(all) }) // nobody could do anything about an error
}

// release frees what binaries with probes hold.
func release(all []*hooked) error {
	var errs []error
	var links []link.Link
	for _, x := range all {
		errs = append(errs, x.file.Close())
		links = append(links, x.links...)
	}
	return errors.Join(append(errs, closeLinks(links))...)
}

// closeLater closes links in the background.
func (h *hooks) closeLater(links []link.Link) {
	h.detaching.Go(func() { _ = closeLinks(links) })
}

// closeLinks closes links, some at once: most of it is to wait for the kernel, for
// all of them together.
func closeLinks(links []link.Link) error {
	errs := make([]error, len(links))
	var next atomic.Int64
	var work sync.WaitGroup
	for range min(maxClosing, len(links)) {
		work.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(links); i = int(next.Add(1)) - 1 {
				errs[i] = links[i].Close()
			}
		})
	}
	work.Wait()
	return errors.Join(errs...)
}

// inUse returns the inode numbers of the binaries that processes run, and of the
// code they have mapped if libraries are asked for. It fails if it cannot be known.
func inUse(libraries bool) (map[uint64]bool, error) {
	all, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer all.Close()
	used := make(map[uint64]bool)
	for {
		names, err := all.Readdirnames(512)
		for _, name := range names {
			if _, err := strconv.Atoi(name); err != nil {
				continue
			}
			if err := addInUse("/proc/"+name, libraries, used); err != nil {
				return nil, err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return used, nil
		case err != nil:
			return nil, fmt.Errorf("list processes: %w", err)
		}
	}
}

// addInUse adds the binary of a process to used, and the code it has mapped.
func addInUse(dir string, libraries bool, used map[uint64]bool) error {
	st, err := statx(unix.AT_FDCWD, dir+"/exe")
	if errors.Is(err, unix.ENOENT) {
		dir = otherThread(dir)
		st, err = statx(unix.AT_FDCWD, dir+"/exe")
	}
	if err == nil && libraries {
		err = eachCode(dir, func(_ string, ino uint64, _ string) { used[ino] = true })
	}
	switch {
	case err == nil:
		used[st.Ino] = true
	case proc.Gone(err), errors.Is(err, os.ErrPermission): // what may not be looked at was not attached to
	default:
		return fmt.Errorf("look at what a process runs: %w", err)
	}
	return nil
}

// otherThread returns the folder of a thread of a process whose first thread may
// have ended before others; the process's own if there is none.
func otherThread(dir string) string {
	st, err := statx(unix.AT_FDCWD, dir+"/task")
	if err != nil || st.Nlink <= 3 { // a link for each thread, and two
		return dir
	}
	threads, _ := filepath.Glob(dir + "/task/[0-9]*") // only a malformed pattern fails
	for _, thread := range threads {
		if _, err := statx(unix.AT_FDCWD, thread+"/exe"); err == nil {
			return thread
		}
	}
	return dir
}
