package fallback

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/capture/proc"
	"kingsnake/capture/python"
)

const (
	maxContainers = 1024 // pid namespaces whose start is remembered
	maxWaiting    = 64   // modules opened before a program's encodings
)

// library is where a program has its standard library.
type library struct {
	folder  string // which it has opened its encodings in; "" as long as it has not
	device  uint64 // that the folder lies on
	overlay bool   // which is an overlay
}

// tell learns from the first encodings that are opened where the library lies.
func (l *library) tell(fd int, name string) bool {
	if l.folder != "" {
		return false
	}
	if l.folder = python.LibraryFolder(name); l.folder == "" {
		return false
	}
	if key, _, err := keyOf(fd); err == nil {
		l.device, l.overlay = key.dev, onOverlay(fd)
	}
	return true
}

func onOverlay(fd int) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(fd, &fs) == nil && uint64(fs.Type) == unix.OVERLAYFS_SUPER_MAGIC
}

// inLibrary reports whether a file belongs to the interpreter exe that a process
// runs and not to what it runs: it lies in the standard library, or in the site
// packages beside it and came with it. It did when it lies on the same file system
// and was last changed before the machine was started or, on an overlay, the
// container.
func (l *library) inLibrary(looker *looker, pid int, exe string, fd int, name string) bool {
	if python.InLibrary(l.folder, name) {
		return true
	}
	if !python.InSitePackages(exe, l.folder, name) {
		return false
	}
	key, _, err := keyOf(fd)
	// The layers of an overlay have devices of their own, and are told of as well.
	overlay := l.overlay || onOverlay(fd)
	if err != nil || !overlay && key.dev != l.device {
		return false
	}
	start := uint64(0)
	if overlay {
		start = looker.containerStart(pid)
	}
	return time.Unix(0, key.ctime).Before(looker.clock.Earliest(start))
}

// containerStart is when the first process of the outermost pid namespace of a
// process was started, but for the machine's own, in nanoseconds since boot; 0 if it
// is in no other, or nothing can be found out.
func (l *looker) containerStart(pid int) uint64 {
	id := outermost(pid)
	if id == 0 {
		return 0
	}
	l.mu.Lock()
	start, ok := l.containers[id]
	l.mu.Unlock()
	if ok {
		return start // of one that is no more, perhaps, and which was earlier then
	}
	start = firstStart(id)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.containers) >= maxContainers {
		clear(l.containers)
	}
	l.containers[id] = start
	return start
}

// outermost returns the number of the outermost pid namespace of a process but the
// machine's own; 0 if there is none, or it cannot be asked.
func outermost(pid int) (id uint32) {
	const deepest = 32 // MAX_PID_NS_LEVEL
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/ns/pid", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for range deepest + 1 {
		if err != nil {
			return 0
		}
		var st unix.Stat_t
		err = unix.Fstat(fd, &st)
		parent, noParent := unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
		_ = unix.Close(fd) // it was only asked
		switch {
		case err != nil:
			if noParent == nil {
				_ = unix.Close(parent)
			}
			return 0
		case noParent != nil:
			return id // this is the machine's own
		}
		id, fd = uint32(st.Ino), parent
	}
	_ = unix.Close(fd)
	return 0
}

// firstStart returns when the oldest process of a pid namespace was started, in
// nanoseconds since boot; 0 when none is found.
func firstStart(id uint32) (start uint64) {
	dir, err := os.Open("/proc")
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(1 << 16)
	for _, name := range names {
		if _, err := strconv.Atoi(name); err != nil || namespace("/proc/"+name, "pid") != id {
			continue
		}
		ticks, err := proc.StartTicks("/proc/" + name)
		if at := ticks * proc.Tick; err == nil && (start == 0 || at < start) {
			start = at
		}
	}
	return start
}

// awaitsLibrary reports whether it is not known yet if a file lies in the library of
// its program, and then has it looked at later: Python 2.7 opens others of it before
// its encodings.
func (p *program) awaitsLibrary(name string) bool {
	if p.library.folder != "" || len(p.waiting) >= maxWaiting || !python.MayBeLibrary(name) {
		return false
	}
	p.waiting = append(p.waiting, name)
	return true
}

// deliverWaiting delivers what was opened before it was known where the library of
// a program lies, and does not lie in it.
func (s *Sensor) deliverWaiting(p *program) {
	waiting := p.waiting
	p.waiting = nil
	for _, name := range waiting {
		if python.InLibrary(p.library.folder, name) || p.compiles(name) {
			continue
		}
		t, err := proc.Look(&s.looker.Looks, func() (text, error) { return s.readPath(p, name) })
		if err != nil {
			s.count(lostScript)
			continue
		}
		s.deliverImport(p, t)
	}
}
