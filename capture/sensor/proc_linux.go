//go:build amd64 || arm64

package sensor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/python"
)

// looker looks at processes through /proc. What it finds only helps: a process
// may be gone, and hostile file systems may never answer. So each look has a
// moment's time, and only a few may hang at once.
type looker struct {
	jobs    chan func()
	workers atomic.Int32
	kinds   *lru[probeFileKey, binaryKind]
}

const (
	lookSlots = 8
	lookTime  = 200 * time.Millisecond
	lookIdle  = 5 * time.Second // after which a worker ends
)

var errBusy = errors.New("look-ups hang")

func newLooker() *looker {
	return &looker{jobs: make(chan func()), kinds: newLRU[probeFileKey, binaryKind](8192, nil)}
}

// hand gives a job to a worker, and reports false when all of them hang.
func (l *looker) hand(job func()) bool {
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
// waits for it keeps a ring from being emptied, so it goes first as they do.
func (l *looker) work(job func()) {
	defer l.workers.Add(-1)
	goFirst()
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

// look has a worker call f, and stops waiting for it after a moment.
func look[T any](l *looker, f func() (T, error)) (T, error) {
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
		return none, errBusy
	}
	timeout := time.NewTimer(lookTime)
	defer timeout.Stop()
	select {
	case a := <-done:
		return a.value, a.err
	case <-timeout.C:
		return none, errBusy
	}
}

// found is what lay at a path when it was looked at.
type found struct {
	ok         bool
	absent     bool // there is nothing there
	ino        uint64
	stream     bool // it is no regular file
	dir        bool
	path       string // without symbolic links
	descriptor bool   // the path was that of an open file descriptor
}

// same reports whether a reading is that of what was found. Numbers are those
// of a file system, which a look from outside does not name as the kernel does,
// so the names are compared too.
func (f found) same(r *reading) bool {
	if !f.ok || f.ino != r.file.Ino || f.stream != r.stream {
		return false
	}
	name := func(p string) string { return path.Base(strings.TrimSuffix(p, " (deleted)")) }
	return f.stream || f.path == "" || r.path == "" || name(f.path) == name(r.path)
}

// packageDir is the folder that a program was asked to run, if script is one.
func (f found) packageDir(script string) string {
	if f.dir {
		return f.path
	}
	return script
}

// resolve follows a path as the process would, without leaving its root. When
// the process, the first of pids, has ended, it asks its ancestors: what they
// do not have says nothing.
func (l *looker) resolve(pids []int, p string) found {
	f, _ := look(l, func() (found, error) {
		for i, pid := range pids {
			f, err := resolveIn(pid, p)
			if err == nil && (i == 0 || f.ok) {
				return f, nil
			}
		}
		return found{}, errOther
	})
	return f
}

func resolveIn(pid int, p string) (found, error) {
	root, err := unix.Open(rootOf(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return found{}, err
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, p, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return found{absent: true}, nil
	}
	if err != nil {
		return found{}, err
	}
	defer unix.Close(fd)
	return describe(fd, root)
}

func describe(fd, root int) (found, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return found{}, err
	}
	kind := st.Mode & unix.S_IFMT
	f := found{ok: true, ino: st.Ino, dir: kind == unix.S_IFDIR, stream: kind != unix.S_IFREG && kind != unix.S_IFDIR}
	if target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil {
		f.path = target
		if top, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", root)); err == nil && top != "/" {
			f.path = strings.TrimPrefix(target, top)
		}
	}
	return f, nil
}

// descriptor describes an open file descriptor of a process.
func (l *looker) descriptor(pid int, number string) found {
	f, _ := look(l, func() (found, error) {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/fd/%s", pid, number), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return found{}, err
		}
		defer unix.Close(fd)
		return describe(fd, -1)
	})
	return f
}

// link reads one of a process's links: exe or cwd.
func (l *looker) link(pid int, name string) string {
	target, _ := look(l, func() (string, error) { return os.Readlink(fmt.Sprintf("/proc/%d/%s", pid, name)) })
	return target
}

// classify looks at the binary of an exec: through the process itself, or by
// its path as one of its ancestors sees it.
func (l *looker) classify(pids []int, exe string, e *event) binaryKind {
	return l.inspect(pids, exe, e.File, python.ReadBinary)
}

// inspect has read look at the binary of an exec.
func (l *looker) inspect(pids []int, exe string, file probeFileKey, read func(io.ReaderAt) (binaryKind, error)) binaryKind {
	kind, _ := look(l, func() (binaryKind, error) {
		for i, pid := range pids {
			open := func() (*os.File, error) { return openIn(pid, exe) }
			if i == 0 {
				open = func() (*os.File, error) { return os.Open(fmt.Sprintf("/proc/%d/exe", pid)) }
			}
			f, err := openSame(open, file)
			if err != nil {
				continue
			}
			kind, err := read(f)
			f.Close()
			if err == nil {
				return kind, nil
			}
		}
		return notLookedAt, nil
	})
	return kind
}

// classifyPath looks at a file by its path in a process's root.
func (l *looker) classifyPath(pid int, p string) binaryKind {
	kind, _ := look(l, func() (binaryKind, error) {
		f, err := openIn(pid, p)
		if err != nil {
			return notLookedAt, err
		}
		defer f.Close()
		return python.ReadBinary(f)
	})
	return kind
}

var errOther = errors.New("another file")

// openSame opens a file, if it is the one that the kernel half saw.
func openSame(open func() (*os.File, error), file probeFileKey) (*os.File, error) {
	f, err := open()
	if err != nil {
		return nil, err
	}
	if err := checkSame(f, file); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func rootOf(pid int) string { return fmt.Sprintf("/proc/%d/root", pid) }

// openIn opens a regular file by its path in a process's root, which no
// symbolic link leads out of.
func openIn(pid int, p string) (*os.File, error) {
	if p == "" {
		return nil, errOther
	}
	root, err := unix.Open(rootOf(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, p, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), p)
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errOther
	}
	return f, nil
}

// checkSame compares what does not differ between an overlay and its layers:
// when the file changed, and its size.
func checkSame(f *os.File, file probeFileKey) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Ctim.Nano() != file.Ctime || uint64(st.Size) != file.Size {
		return errOther
	}
	return nil
}

// readFile reads a file that a process has read, by its path in the process's
// root, if it is still the same.
func (l *looker) readFile(p *program, r *reading) ([]byte, bool) {
	if r.path == "" || r.file.Size > capture.MaxText || !faithful(r.magic) || r.writers {
		return nil, false
	}
	pids := []int{int(r.key.tgid)}
	if p.exec != nil {
		pids = append(pids, p.exec.pids()...)
	}
	file, name := r.file, r.path
	content, err := look(l, func() ([]byte, error) {
		for _, pid := range pids {
			f, err := openSame(func() (*os.File, error) { return openIn(pid, name) }, file)
			if err != nil {
				continue
			}
			content, err := io.ReadAll(io.LimitReader(f, int64(file.Size)+1))
			if err == nil {
				err = checkSame(f, file)
			}
			f.Close()
			if err == nil && uint64(len(content)) == file.Size {
				return content, nil
			}
		}
		return nil, errOther
	})
	return content, err == nil
}

// ancestor is what is remembered of a process that may be another's ancestor.
type ancestor struct {
	comm, exe string
	args      []string
	read      time.Time // when the arguments were; zero when they came with its exec
}

const (
	maxAncestorArgs = 4 << 10
	ancestorFresh   = time.Second
)

func newAncestor(p capture.Process) ancestor {
	return ancestor{comm: p.Comm, exe: p.Exe, args: shorten(p.Args)}
}

// shorten cuts a list of arguments to what is kept of an ancestor's.
func shorten(args []string) []string {
	room := maxAncestorArgs
	for i, a := range args {
		if room -= len(a) + 1; room < 0 {
			return append(args[:i:i], strings.ToValidUTF8(a[:max(0, len(a)+room)], "")+"…")
		}
	}
	return args
}

// ancestors completes the ancestors of an exec with their arguments.
func (t *tracker) ancestors(x *pieces) []capture.Process {
	for i, key := range x.keys {
		p := &x.parents[i]
		a, ok := t.parents.get(key)
		if !ok || a.comm != p.Comm || a.exe != p.Exe || !a.read.IsZero() && time.Since(a.read) > ancestorFresh {
			args, err := look(t.looker, func() ([]string, error) { return commandLine(key) })
			if err != nil {
				continue
			}
			a = ancestor{comm: p.Comm, exe: p.Exe, args: shorten(args), read: time.Now()}
			t.parents.put(key, a)
		}
		p.Args = a.args
	}
	return x.parents
}

// commandLine reads the arguments of a running process, if it is the one meant.
func commandLine(key processKey) ([]string, error) {
	dir := "/proc/" + strconv.FormatUint(uint64(key.pid), 10)
	f, err := os.Open(dir + "/cmdline")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line, err := io.ReadAll(io.LimitReader(f, 2*maxAncestorArgs))
	if err != nil {
		return nil, err
	}
	start, err := startTicks(dir)
	if err != nil {
		return nil, err
	}
	if start != key.start/tick {
		return nil, errOther
	}
	return python.SplitStrings(line, false), nil
}

// ended reports whether a process is certainly gone.
func (l *looker) ended(pid int, start uint64) bool {
	now, err := look(l, func() (uint64, error) { return startTicks(fmt.Sprintf("/proc/%d", pid)) })
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) || err == nil && start != 0 && now != start/tick
}

// tick is a hundredth of a second: USER_HZ is 100 on both architectures.
const tick = 1e9 / 100

// startTicks reads when a process was started, in ticks since boot.
func startTicks(dir string) (uint64, error) {
	stat, err := os.ReadFile(path.Join(dir, "stat"))
	if err != nil {
		return 0, err
	}
	// The second field may hold anything, parentheses included.
	rest := stat[bytes.LastIndexByte(stat, ')')+1:]
	fields := strings.Fields(string(rest))
	const startField = 22 - 3
	if len(fields) <= startField {
		return 0, fmt.Errorf("parse %s/stat: too few fields", dir)
	}
	return strconv.ParseUint(fields[startField], 10, 64)
}

// observe makes up an exec that was not seen with what /proc still knows. Its
// command's kind is "" when the arguments could not be read.
func (t *tracker) observe(pid int) *executed {
	dir := fmt.Sprintf("/proc/%d", pid)
	x := &executed{kind: notLookedAt}
	x.process = capture.Process{PID: pid, Exe: t.looker.link(pid, "exe"), Cwd: t.looker.link(pid, "cwd")}
	args, err := look(t.looker, func() ([]string, error) {
		f, err := os.Open(dir + "/cmdline")
		if err != nil {
			return nil, err
		}
		defer f.Close()
		line, err := io.ReadAll(io.LimitReader(f, maxArgs))
		return python.SplitStrings(line, false), err
	})
	if err != nil || len(args) == 0 {
		return x
	}
	x.process.Args = args
	x.command = python.ParseCommand(args)
	if start, err := startTicks(dir); err == nil {
		x.start = start * tick
		x.process.Start = t.clock.wall(x.start)
	}
	return x
}

// adopt makes up for an exec record that was lost.
func (t *tracker) adopt(p *program) {
	x := t.observe(int(p.id.Tgid))
	x.lost = lostExec
	p.exec = x
	if len(x.process.Args) == 0 {
		x.command = command{Kind: capture.File}
		for _, r := range p.readings {
			if r.stream && r.fd == 0 {
				x.command.Kind = capture.Stdin
			}
		}
	} else if x.kind = t.looker.classifyPath(x.process.PID, x.process.Exe); !x.kind.Python() {
		t.forget(p)
		return
	}
	p.certain = p.certain || x.kind != notLookedAt
	t.locate(p)
	t.settle(p)
}

// end finishes a program, whatever is known of it.
func (t *tracker) end(p *program, reason string) {
	if p.exec == nil {
		t.adopt(p)
	}
	t.finish(p, reason)
}
