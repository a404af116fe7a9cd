package fallback

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"kingsnake/capture"
	"kingsnake/capture/proc"
	"kingsnake/capture/python"
)

// Bounds of following, as kingsnake/capture/sensor has them.
const (
	followTime   = time.Minute
	maxFollowed  = 16   // processes that Follow was called with
	maxFollowers = 1024 // and that came of them
)

// followed are the processes whose forks and execs are told. It is safe for
// concurrent use.
type followed struct {
	mu    sync.Mutex
	roots map[*follow]bool
	by    map[int]*follow // by process, those that came of it included
}

// follow is one process that Follow was called with.
type follow struct {
	pid   int
	start time.Time
	until time.Time
}

// Follows reports whether processes can be followed: it takes the proc
// connector.
func (s *Sensor) Follows() bool { return s.connector != nil }

// Follow follows a process for a minute: what it and those that come of it from
// now on start and execute is told to Config.Acted. What they connect to and write
// is not seen, nor is anything of before. The error is capture.ErrTooMany, capture.ErrEnded or capture.ErrFollowed.
func (s *Sensor) Follow(p capture.Process) (capture.Past, error) {
	start, err := proc.StartTicks("/proc/" + strconv.Itoa(p.PID))
	if err != nil || !s.looker.clock.Wall(start*proc.Tick).Equal(p.Start) {
		return capture.Past{}, capture.ErrEnded
	}
	f := &s.followed
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.by[p.PID] != nil:
		return capture.Past{}, capture.ErrFollowed
	case len(f.roots) >= maxFollowed || len(f.by) >= maxFollowers:
		return capture.Past{}, capture.ErrTooMany
	}
	of := &follow{pid: p.PID, start: p.Start, until: time.Now().Add(followTime)}
	f.roots[of], f.by[p.PID] = true, of
	return capture.Past{}, nil
}

// of returns what a process is followed for; nil for nothing.
func (f *followed) of(pid int) *follow {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.by[pid]
}

// forked follows the child of a process too, and reports whether that is
// followed; full says that there are too many.
func (f *followed) forked(parent, child int) (of *follow, full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if of = f.by[parent]; of == nil {
		return nil, false
	}
	if len(f.by) >= maxFollowers {
		return of, true
	}
	f.by[child] = of
	return of, false
}

// ended forgets a process: another may get its number. What came of it goes on.
func (f *followed) ended(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.by, pid)
}

// sweep ends what has been followed for its time.
func (f *followed) sweep(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for pid, of := range f.by {
		if now.After(of.until) {
			delete(f.by, pid)
		}
	}
	for of := range f.roots {
		if now.After(of.until) {
			delete(f.roots, of)
		}
	}
}

// act tells what a followed process did.
func (s *Sensor) act(of *follow, by int, what capture.Act, target string, args []string) {
	if s.acted == nil {
		return
	}
	s.acted(capture.Activity{
		Time: time.Now(), PID: of.pid, Start: of.start, By: by, Act: what, Target: target, Args: args,
	})
}

// actExec tells that a followed process executed a binary.
func (s *Sensor) actExec(of *follow, pid int) {
	if of == nil {
		return
	}
	dir := "/proc/" + strconv.Itoa(pid)
	exe := link(dir, "exe")
	args, err := proc.Look(&s.looker.Looks, func() ([]string, error) {
		list, cut, err := proc.ReadBounded(dir+"/cmdline", 2*proc.MaxShort)
		return proc.Shorten(python.SplitStrings(list, cut)), err
	})
	if exe == "" || err != nil {
		s.count(lostGone)
		return
	}
	s.act(of, pid, capture.Executed, exe, args)
}

// tell tells of a binary that lies in memory alone.
func (s *Sensor) tell(pid int) {
	dir := "/proc/" + strconv.Itoa(pid)
	exe := link(dir, "exe")
	switch {
	case s.told == nil:
		return
	case exe == "":
		s.count(lostGone)
		return
	case !strings.HasPrefix(exe, "/memfd:"):
		return
	}
	x, err := proc.Look(&s.looker.Looks, func() (x seen, err error) {
		return x, s.looker.readProcess(dir, pid, &x)
	})
	if err != nil {
		s.count(lostGone)
		return
	}
	x.process.Exe = strings.TrimSuffix(exe, " (deleted)")
	s.told(capture.Execution{Time: time.Now(), Process: x.process, Memory: true, Inode: capture.Inode{Filesystem: "memfd"}})
}
