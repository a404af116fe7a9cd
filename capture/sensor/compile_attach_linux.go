//go:build amd64 || arm64

package sensor

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"kingsnake/capture/proc"
)

// Bounds of what is attached to. Each interpreter has one binary or library, in
// each version and image; what is copied up in a container is one more.
const (
	maxHooked    = 128     // binaries with probes at once
	maxAttaching = 4       // being attached to at once
	maxPlain     = 4096    // remembered that have no function to attach to
	maxSightings = 256     // waiting to be looked at
	maxMaps      = 4 << 20 // bytes read of one process's maps
)

// hooks attaches the programs for compiled texts to interpreters, each binary
// at first sight. A probe belongs to a file's content on disk: one covers every
// process and every container that shares it. Its methods may be called
// concurrently.
type hooks struct {
	programs [doors]*ebpf.Program
	probeFeatures
	count func(reason string)

	looks     proc.Looks // into the roots of processes
	sightings chan sighting
	newcomers chan struct{} // holds a token when an interpreter was attached to that nobody had seen
	attached  chan struct{} // holds one when any was

	mu      sync.Mutex
	refused error                   // why the kernel did not let the last one be attached to; nil when it did
	seen    *lru[hookKey, struct{}] // also of binaries that have no doors
	hooked  *lru[hookKey, *hooked]

	detaching sync.WaitGroup // what is being detached in the background
}

// hookKey names a binary. An overlay and its layers agree on all of this, so a
// layer that is in many containers is attached to once.
type hookKey struct {
	ino   uint64
	ctime int64
	size  uint64
}

// sighting is a binary that a process runs or maps.
type sighting struct {
	key     hookKey
	pid     int
	library string // its path as the process sees it; "" for the binary that it runs
}

// open returns the binary of a sighting, and its key now: to lose a name changes
// a file as well.
func (s sighting) open() (*os.File, hookKey, error) {
	f, err := os.Open(s.exe())
	if s.library != "" {
		f, err = proc.OpenIn(s.pid, s.library)
	}
	if err != nil {
		return nil, s.key, err
	}
	st, err := statx(int(f.Fd()), "")
	key := hookKey{s.key.ino, time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec)).UnixNano(), st.Size}
	if err == nil && (key.size != s.key.size || key.ctime != s.key.ctime && st.Nlink != 0) {
		err = proc.ErrOther
	}
	if err != nil {
		f.Close()
		return nil, s.key, err
	}
	return f, key, nil
}

// lasts reports whether the process still runs what it was seen to run.
func (s sighting) lasts() bool {
	st, err := statx(unix.AT_FDCWD, s.exe())
	return err == nil && (s.library != "" || st.Size == s.key.size)
}

func (s sighting) exe() string { return fmt.Sprintf("/proc/%d/exe", s.pid) }

var errAttach = errors.New("attach user probe")

// missing says why interpreters are not attached to; "" when they are.
func (h *hooks) missing() string {
	if h == nil {
		return "the kernel refuses the programs"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refused == nil {
		return ""
	}
	return h.refused.Error()
}

func newHooks(k *kernel, count func(string)) *hooks {
	h := &hooks{
		probeFeatures: k.probes, count: count, sightings: make(chan sighting, maxSightings), newcomers: make(chan struct{}, 1), attached: make(chan struct{}, 1),
		seen: newLRU[hookKey, struct{}](maxPlain, nil), hooked: newLRU[hookKey, *hooked](maxHooked, nil),
	}
	o := &k.objects
	h.programs = [doors]*ebpf.Program{
		doorSource: o.OnSource, doorCompile: o.OnCompile, doorMarshal: o.OnMarshal,
		doorMarshalArray: o.OnMarshalArray, doorMarshalTuple: o.OnMarshalTuple, doorMarshalMemory: o.OnMarshalMemory,
		doorLoad: o.OnLoad, doorLoadArray: o.OnLoadArray, doorTree: o.OnTree, doorTreeTuple: o.OnTreeTuple,
	}
	return h
}

// Close detaches everything.
func (h *hooks) Close() error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	var all []*hooked
	h.hooked.each(func(_ hookKey, x *hooked) bool {
		all = append(all, x)
		h.hooked.remove(x.key)
		return true
	})
	h.mu.Unlock()
	err := release(all)
	h.detaching.Wait()
	return err
}

// see notes that a binary is run, and has it looked at if it is a new one. It
// does not block.
func (h *hooks) see(s sighting) {
	if h == nil || !h.claim(s.key) {
		return
	}
	select {
	case h.sightings <- s:
	default:
		h.giveUp(s.key)
	}
}

// claim reports whether a binary is to be looked at now: it never was.
func (h *hooks) claim(key hookKey) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if x, ok := h.hooked.get(key); ok { // which keeps it among those in use
		x.begun, x.absent = time.Now(), 0
		return false
	}
	if _, known := h.seen.get(key); known {
		return false
	}
	h.seen.put(key, struct{}{})
	return true
}

// forget lets a binary be looked at again when it is seen again.
func (h *hooks) forget(key hookKey) {
	h.mu.Lock()
	h.seen.remove(key)
	h.mu.Unlock()
}

// giveUp forgets a binary that could not be attached to.
func (h *hooks) giveUp(key hookKey) {
	h.forget(key)
	h.count(lostAttach)
}

// run attaches to what is seen, and detaches from what is gone, until stop is
// closed.
func (h *hooks) run(stop <-chan struct{}) {
	if h == nil {
		return
	}
	var work sync.WaitGroup
	work.Go(func() { h.sweep(stop) })
	work.Go(func() { h.stayReady(stop) })
	for range maxAttaching { // most of attaching is to wait for the kernel, for all at once
		work.Go(func() {
			proc.GoFirst() // an interpreter that is starting does not wait for its probes
			for {
				select {
				case <-stop:
					return
				case s := <-h.sightings:
					h.follow(s)
				}
			}
		})
	}
	work.Wait()
}

// follow attaches to what a process was seen to run.
func (h *hooks) follow(s sighting) {
	f, key, err := s.open()
	if err != nil {
		h.giveUp(s.key)
		return
	}
	if key != s.key {
		h.forget(s.key)
		if !h.claim(key) {
			f.Close()
			return
		}
	}
	if !h.attach(key, f, s.library != "") {
		return
	}
	offer(h.newcomers)
	if !s.lasts() {
		h.count(lostAttach) // too late for this one
	}
}

// attach attaches to one binary, if it has an interpreter in it, and reports
// whether it has. It keeps or closes f.
func (h *hooks) attach(key hookKey, f *os.File, library bool) bool {
	links, err := h.attachAll(f)
	if err != nil || len(links) == 0 {
		f.Close()
		_ = closeLinks(links) // there is nothing else to do about them
	}
	if err != nil {
		h.giveUp(key)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case errors.Is(err, errAttach):
		h.refused = err
	case len(links) > 0 && err == nil:
		h.refused = nil
		h.makeRoom()
		h.hooked.put(key, &hooked{key: key, file: f, library: library, links: links, begun: time.Now()})
		offer(h.attached)
		return true
	}
	return false
}

func (h *hooks) attachAll(f *os.File) (links []link.Link, err error) {
	// The file that was looked at, whatever its path leads to now.
	binary, err := link.OpenExecutable(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("open binary: %w", err)
	}
	err = findDoors(f, func(d door, entries []entryPoint) error {
		if d == doorMarshalMemory && !h.cookies {
			return nil // it could not tell frozen modules from others
		}
		more, err := h.attachDoor(binary, h.programs[d], entries)
		links = append(links, more...)
		return err
	})
	return links, err
}

func (h *hooks) attachDoor(binary *link.Executable, program *ebpf.Program, entries []entryPoint) (links []link.Link, err error) {
	var all link.UprobeMultiOptions
	for _, e := range entries {
		all.Addresses = append(all.Addresses, e.offset)
		all.Cookies = append(all.Cookies, e.image)
	}
	if h.multi {
		l, err := binary.UprobeMulti(nil, program, &all)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errAttach, err)
		}
		return []link.Link{l}, nil
	}
	for _, e := range entries {
		one := link.UprobeOptions{Address: e.offset}
		if h.cookies {
			one.Cookie = e.image
		}
		l, err := binary.Uprobe("", program, &one)
		if err != nil {
			return links, fmt.Errorf("%w: %w", errAttach, err)
		}
		links = append(links, l)
	}
	return links, nil
}
