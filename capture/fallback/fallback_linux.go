package fallback

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/proc"
	"kingsnake/capture/python"
)

const (
	round    = 250 * time.Millisecond // at most, between two looks at what waits
	soon     = 2 * time.Millisecond   // between them when something is about to happen
	execWait = 3 * time.Millisecond   // from opening a binary to run it until it runs
	maxNotes = 4096
)

// Sensor captures scripts. Run may be called once; the other methods may be
// called concurrently with it.
type Sensor struct {
	connector *connector // nil: nobody tells of processes
	files     *files     // nil: nobody tells of files
	without   []string   // what of the two cannot be had, and why
	looker    *looker
	self      int
	limit     int
	told      func(capture.Execution) // may be nil
	acted     func(capture.Activity)  // may be nil
	followed  followed

	// What follows belongs to Run's goroutine.
	handle   func(capture.Script)
	programs map[int]*program  // by process
	forks    map[int]*program  // of their children
	leaving  []ended           // processes of those two that have ended
	notes    map[int]note      // binaries that are about to run
	missed   map[int]time.Time // processes that ended before they were looked at, and whose binary is not known yet
	roots    map[uint32]bool   // mount namespaces whose root is watched
	memory   int               // bytes of texts that wait
	swept    time.Time

	mu   sync.Mutex // guards what follows
	seen uint64
	lost map[string]uint64
}

// ended is a process that has ended, and the program that it was of: another may
// have its number by now.
type ended struct {
	pid int
	of  *program
}

// note is a binary that a process opened to run it.
type note struct {
	kind python.Binary
	key  fileKey
	exe  string // where it lies, of one that can be Python
	at   time.Time

	library library // as far as its process has told meanwhile
}

// Open begins to watch: from here on notices wait for Run. The error wraps
// [ErrNotSupported] when neither way to watch can be had.
func Open(config Config) (*Sensor, error) {
	s := &Sensor{
		told: config.Executed, acted: config.Acted, followed: followed{by: make(map[int]*follow), roots: make(map[*follow]bool)},
		looker: newLooker(), self: os.Getpid(), limit: config.Memory, programs: make(map[int]*program), forks: make(map[int]*program),
		notes: make(map[int]note), missed: make(map[int]time.Time), roots: make(map[uint32]bool), lost: make(map[string]uint64),
	}
	if s.limit <= 0 {
		s.limit = 64 << 20
	}
	if err := mayLook(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSupported, err)
	}
	told := errors.New("it was told not to")
	err := told
	if !config.NoConnector {
		s.connector, err = openConnector()
	}
	if err != nil {
		s.without = append(s.without, "what forked processes import is not seen, because processes are not told of: "+err.Error())
	}
	if err = told; !config.NoFiles {
		s.files, err = openFiles()
	}
	if err != nil {
		s.without = append(s.without, "imports and most modules are not seen, because opened files are not told of: "+err.Error())
	}
	if s.connector == nil && s.files == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotSupported, strings.Join(s.without, "; "))
	}
	s.watchMounts()
	return s, nil
}

// Close stops watching. It must not be called while Run runs.
func (s *Sensor) Close() error {
	var err error
	if s.connector != nil {
		err = s.connector.close()
		s.connector = nil
	}
	if s.files != nil {
		err = errors.Join(err, s.files.close())
		s.files = nil
	}
	return err
}

// Stats returns what was delivered and what was lost so far.
func (s *Sensor) Stats() capture.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return capture.Stats{Seen: s.seen, Lost: maps.Clone(s.lost)}
}

// Degraded says in plain words what is not seen here, which is never nothing.
func (s *Sensor) Degraded() string {
	return strings.Join(append([]string{Blind}, s.without...), "; ")
}

func (s *Sensor) count(reason string) {
	s.mu.Lock()
	s.lost[reason]++
	s.mu.Unlock()
}

func (s *Sensor) deliver(script capture.Script) {
	s.mu.Lock()
	s.seen++
	s.mu.Unlock()
	s.handle(script)
}

// Run delivers scripts to handle, one at a time and always from the calling
// goroutine, until ctx ends. Then it delivers what is there, and returns nil. What the kernel
// tells meanwhile waits in its queues; what no longer fits is counted.
func (s *Sensor) Run(ctx context.Context, handle func(capture.Script)) error {
	done := make(chan error, 1)
	scripts := make(chan capture.Script, 16)
	s.handle = func(script capture.Script) { scripts <- script }
	go func() {
		defer close(scripts)
		_ = proc.GoFirst()
		done <- s.watch(ctx)
	}()
	for script := range scripts {
		handle(script)
	}
	return <-done
}

// watch takes and deals with notices until ctx ends.
func (s *Sensor) watch(ctx context.Context) error {
	fds := make([]unix.PollFd, 0, 2)
	if s.connector != nil {
		fds = append(fds, unix.PollFd{Fd: int32(s.connector.fd), Events: unix.POLLIN})
	}
	if s.files != nil {
		fds = append(fds, unix.PollFd{Fd: int32(s.files.fd), Events: unix.POLLIN})
	}
	for ctx.Err() == nil {
		wait := round
		if len(s.leaving) > 0 || s.connector == nil && len(s.notes) > 0 {
			wait = soon
		}
		if _, err := unix.Poll(fds, int(wait.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for notices: %w", err)
		}
		s.take()
		if now := time.Now(); now.Sub(s.swept) >= round {
			s.swept = now
			s.looker.clock.Check()
			s.sweep(now)
		}
	}
	s.take()
	for pid := range s.programs {
		s.end(pid, lostStopped)
	}
	return nil
}

// take deals with what waits. What a process opened is dealt with before its
// end, and after it was said to run.
func (s *Sensor) take() {
	broken := func() { s.count(lostBroken) }
	var opens []opened
	drained := true
	if s.files != nil {
		var lost bool
		opens, lost = s.files.receive(broken)
		drained = len(opens) == 0
		if lost {
			s.count(lostOpens)
		}
	}
	var notices []notice
	if s.connector != nil {
		var lost bool
		notices, lost = s.connector.receive(broken)
		if lost {
			s.count(lostNotices)
		}
	}
	for _, o := range opens {
		s.note(o)
	}
	ended := s.changed(notices)
	if s.connector == nil {
		s.await(time.Now())
	}
	for _, o := range opens {
		s.missOpened(o)
		s.opened(o)
		_ = unix.Close(o.fd) // it was only read
	}
	if drained {
		for _, e := range s.leaving {
			if s.of(e.pid) == e.of {
				s.end(e.pid, "")
			}
		}
		s.leaving = s.leaving[:0]
	}
	s.leaving = append(s.leaving, ended...)
}

// changed deals with what processes did, and returns which of those that are
// known have ended.
func (s *Sensor) changed(notices []notice) (gone []ended) {
	for _, n := range notices {
		switch n.what {
		case whatFork:
			if of, full := s.followed.forked(n.parent, n.pid); full {
				s.count(lostFollowed)
			} else if of != nil {
				s.act(of, n.parent, capture.Forked, strconv.Itoa(n.pid), nil)
			}
			p := s.of(n.parent)
			switch {
			case p != nil && len(s.forks) < maxForks:
				s.forks[n.pid] = p
			case p != nil:
				s.count(lostPrograms)
			}
		case whatExec:
			of := s.followed.of(n.pid) // before its script can have it followed
			s.executed(n.pid)
			s.actExec(of, n.pid)
		case whatExit:
			delete(s.notes, n.pid)
			s.followed.ended(n.pid)
			if p := s.of(n.pid); p != nil {
				gone = append(gone, ended{n.pid, p})
			}
		}
	}
	return gone
}

// of returns the program that a process belongs to; nil for none.
func (s *Sensor) of(pid int) *program {
	if p := s.programs[pid]; p != nil {
		return p
	}
	return s.forks[pid]
}

// executed deals with a process that has executed a binary.
func (s *Sensor) executed(pid int) {
	was, noted := s.notes[pid]
	delete(s.notes, pid)
	if pid == s.self {
		return
	}
	if s.looker.knownOther(pid) {
		s.watchNew(pid)
		s.end(pid, "")
		return
	}
	x, err := s.looker.look(pid)
	if err != nil {
		s.end(pid, "")
		switch {
		case noted && !was.kind.Python():
		case proc.Gone(err) && !noted && s.files != nil && len(s.missed) < maxNotes:
			s.missed[pid] = time.Now()
		case proc.Gone(err):
			s.count(lostGone)
		case errors.Is(err, proc.ErrBusy):
			s.count(lostHang)
		default:
			s.count(lostRead)
		}
		return
	}
	switch {
	case x.kind == python.NotLookedAt:
		s.end(pid, "")
		s.count(lostBinary)
	case x.kind.Python():
		s.watchRoot(pid) // the number of a mount namespace may have been another's
		s.tell(pid)
		s.begin(x)
		if p := s.programs[pid]; p != nil && noted && p.library.folder == "" {
			p.library = was.library
		}
	default:
		s.watchNew(pid)
		s.tell(pid)
		s.end(pid, "")
	}
}

// note remembers a binary that is about to run, in case its process ends before
// it is looked at. The last that can be Python counts: a script with a shebang is
// opened before its interpreter, and the loader after it.
func (s *Sensor) note(o opened) {
	if !o.exec || o.pid == s.self {
		return
	}
	key, kind := s.looker.kindOf(o.fd)
	if _, ok := s.missed[o.pid]; ok && kind != python.Loader {
		if delete(s.missed, o.pid); kind.Python() {
			s.count(lostGone)
		}
		return
	}
	old, ok := s.notes[o.pid]
	if ok && old.kind.Python() && !kind.Python() || kind == python.Loader && ok || len(s.notes) >= maxNotes {
		return
	}
	n := note{kind: kind, key: key, at: time.Now()}
	if kind.Python() {
		n.exe = nameOf(o.fd, "")
	}
	s.notes[o.pid] = n
}

// missOpened counts the modules that a process opens which nobody has told of
// and which is not looked at yet.
func (s *Sensor) missOpened(o opened) {
	n, waits := s.notes[o.pid]
	if s.connector != nil || !waits || o.exec || !n.kind.Python() {
		return
	}
	name := nameOf(o.fd, "")
	if n.library.tell(o.fd, name) {
		s.notes[o.pid] = n
	}
	if python.IsModule(name) && !python.MayBeLibrary(name) && !n.library.inLibrary(s.looker, o.pid, n.exe, o.fd, name) {
		s.count(lostEarly)
	}
}

// await looks at the processes that were about to run a binary, where nobody
// tells that they do.
func (s *Sensor) await(now time.Time) {
	for pid, n := range s.notes {
		waited := now.Sub(n.at)
		if waited < execWait {
			continue
		}
		if !n.kind.Python() {
			delete(s.notes, pid)
			continue
		}
		runs, err := binaryOf(pid)
		switch {
		case proc.Gone(err), err == nil && runs != n.key && waited > openWait:
			delete(s.notes, pid)
			s.count(lostGone)
		case err != nil, runs == n.key, n.kind == python.Loader && waited > 3*execWait && !s.looker.knownOther(pid):
			s.executed(pid) // a loader alone was opened for a binary that nobody tells of, as one in memory
		}
		// Else it does not run it yet.
	}
}

// sweep ends what has waited long enough, and what has ended unseen.
func (s *Sensor) sweep(now time.Time) {
	s.followed.sweep(now)
	for pid, p := range s.programs {
		start, err := proc.StartTicks("/proc/" + strconv.Itoa(pid))
		switch {
		case proc.Gone(err) || err == nil && start != p.start:
			s.leaving = append(s.leaving, ended{pid, p}) // in the next round, as others
		case !p.done && now.Sub(p.began) > openWait && (p.text != nil || p.missing != nil):
			s.finish(p, "")
		}
	}
	for pid := range s.forks {
		if unix.Kill(pid, 0) == unix.ESRCH {
			delete(s.forks, pid)
		}
	}
	for pid, at := range s.missed {
		if now.Sub(at) > openWait { // its binary lies where nobody watches
			delete(s.missed, pid)
			s.count(lostGone)
		}
	}
	for pid, n := range s.notes {
		if now.Sub(n.at) > openWait && s.connector != nil {
			delete(s.notes, pid) // it was never executed
		}
	}
}
