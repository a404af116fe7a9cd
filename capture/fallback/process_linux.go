package fallback

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// Bounds of what is read of a process, as kingsnake/capture/sensor has them.
const (
	maxArgs    = 2 << 20
	maxEnv     = 64 << 10
	maxParents = 8
	maxSmall   = 64 << 10 // bytes of a file of /proc that says little
	maxKinds   = 8192     // binaries remembered
)

// fileKey is one state of a file: another content has another ctime, as far as
// the file system is honest.
type fileKey struct {
	dev, ino    uint64
	ctime, size int64
}

func keyOf(fd int) (key fileKey, mode uint32, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return key, 0, err
	}
	return fileKey{dev: uint64(st.Dev), ino: st.Ino, ctime: st.Ctim.Nano(), size: st.Size}, st.Mode, nil
}

// looker looks at processes. It is safe for concurrent use.
type looker struct {
	proc.Looks
	clock *proc.Clock

	mu         sync.Mutex
	kinds      map[fileKey]python.Binary
	containers map[uint32]uint64 // when the outermost pid namespaces began, nanoseconds since boot
}

func newLooker() *looker {
	return &looker{clock: proc.NewClock(), kinds: make(map[fileKey]python.Binary), containers: make(map[uint32]uint64)}
}

// seen is what was found of a process that executed a binary.
type seen struct {
	kind    python.Binary
	binary  fileKey
	process capture.Process // filled in for Pythons only
	command python.Command
	start   uint64 // in ticks since boot
}

// look looks at a process that has just executed a binary. The error is
// proc.ErrBusy when that took too long.
func (l *looker) look(pid int) (seen, error) {
	return proc.Look(&l.Looks, func() (seen, error) {
		dir := "/proc/" + strconv.Itoa(pid)
		exe, err := os.Open(dir + "/exe")
		if err != nil {
			return seen{}, err
		}
		defer exe.Close()
		s := seen{}
		s.binary, s.kind = l.kindOf(int(exe.Fd()))
		if s.kind == python.NotLookedAt || !s.kind.Python() {
			return s, nil
		}
		if err := l.readProcess(dir, pid, &s); err != nil {
			return seen{kind: s.kind}, err
		}
		s.command = python.ParseCommand(s.process.Args)
		if s.kind == python.Loader {
			l.unwrap(&s)
		}
		return s, nil
	})
}

// binaryOf returns which binary a process runs. It asks nobody who might not
// answer, so it needs no worker.
func binaryOf(pid int) (fileKey, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fileKey{}, err
	}
	defer unix.Close(fd)
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_BASIC_STATS, &st); err != nil {
		return fileKey{}, err
	}
	return fileKey{
		dev: unix.Mkdev(st.Dev_major, st.Dev_minor), ino: st.Ino,
		ctime: time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec)).UnixNano(), size: int64(st.Size),
	}, nil
}

// knownOther reports whether a process runs a binary that is known to be no
// Python. Most are done with here.
func (l *looker) knownOther(pid int) bool {
	key, err := binaryOf(pid)
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	kind, ok := l.kinds[key]
	return ok && kind != python.NotLookedAt && !kind.Python()
}

// kindOf tells what a binary is. What a state of a file was is remembered.
func (l *looker) kindOf(fd int) (fileKey, python.Binary) {
	key, mode, err := keyOf(fd)
	if err != nil || mode&unix.S_IFMT != unix.S_IFREG {
		return key, python.NotLookedAt
	}
	l.mu.Lock()
	kind, ok := l.kinds[key]
	l.mu.Unlock()
	if ok {
		return key, kind
	}
	kind, err = python.ReadBinary(descriptor(fd))
	if err != nil {
		return key, python.NotLookedAt
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.kinds) >= maxKinds {
		clear(l.kinds)
	}
	l.kinds[key] = kind
	return key, kind
}

// unwrap finds the program behind a dynamic loader that was executed by name.
func (l *looker) unwrap(s *seen) {
	s.kind = python.NoPython
	args := python.UnwrapLoader(s.process.Args)
	if len(args) == 0 {
		return
	}
	f, err := proc.OpenIn(s.process.PID, python.Absolute(s.process.Cwd, args[0]))
	if err != nil {
		return
	}
	defer f.Close()
	_, s.kind = l.kindOf(int(f.Fd()))
	s.command = python.ParseCommand(args)
}

// readProcess reads all that /proc says of a process. Only that it is gone is an
// error: the rest is read as far as it goes.
func (l *looker) readProcess(dir string, pid int, s *seen) error {
	p := &s.process
	p.PID = pid
	var err error
	if s.start, err = proc.StartTicks(dir); err != nil {
		return err
	}
	p.Start = l.clock.Wall(s.start * proc.Tick)
	if err := readStatus(dir, p); err != nil {
		return err
	}
	args, cut, err := proc.ReadBounded(dir+"/cmdline", maxArgs)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return fs.ErrNotExist // it ends: its memory is gone already
	}
	p.Args, p.ArgsTruncated = python.SplitStrings(args, cut), cut
	env, cut, err := proc.ReadBounded(dir+"/environ", maxEnv)
	if err == nil {
		p.Env, p.EnvTruncated = python.SplitStrings(env, cut), cut
	}
	p.Exe, p.Cwd = link(dir, "exe"), link(dir, "cwd")
	p.PIDNamespace, p.MountNamespace = namespace(dir, "pid"), namespace(dir, "mnt")
	if groups, _, err := proc.ReadBounded(dir+"/cgroup", maxSmall); err == nil {
		p.Cgroup = cgroupPath(groups)
	}
	p.Parents = l.parents(p.PPID)
	return nil
}

// link reads one of a process's links; "" when it cannot be read.
func link(dir, name string) string {
	target, _ := os.Readlink(dir + "/" + name)
	return target
}

// namespace returns the number of one of a process's namespaces; 0 when it
// cannot be read.
func namespace(dir, name string) uint32 {
	_, number, _ := strings.Cut(strings.TrimSuffix(link(dir+"/ns", name), "]"), ":[")
	n, _ := strconv.ParseUint(number, 10, 32)
	return uint32(n)
}

// readStatus fills in what the status of a process says.
func readStatus(dir string, p *capture.Process) error {
	status, _, err := proc.ReadBounded(dir+"/status", maxSmall)
	if err != nil {
		return err
	}
	parseStatus(status, p)
	return nil
}

// parseStatus reads names, numbers and owners. What cannot be read stays zero.
func parseStatus(status []byte, p *capture.Process) {
	lines := bufio.NewScanner(bytes.NewReader(status))
	lines.Buffer(nil, maxSmall)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		number, _ := strconv.ParseUint(fields[0], 10, 32)
		switch name {
		case "Name":
			p.Comm = strings.TrimPrefix(value, "\t")
		case "PPid":
			p.PPID = int(number)
		case "Uid":
			p.UID = uint32(number)
		case "Gid":
			p.GID = uint32(number)
		}
	}
}

// cgroupPath chooses one of a process's cgroups, which may differ between the
// hierarchies of version 1: the deepest, and of those as deep that of version 2.
func cgroupPath(groups []byte) string {
	best := ""
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		depth := func(p string) int { return strings.Count(strings.TrimSuffix(p, "/"), "/") }
		if p := parts[2]; best == "" || depth(p) > depth(best) || depth(p) == depth(best) && parts[0] == "0" {
			best = p
		}
	}
	return best
}

// parents reads the ancestors of a process, nearest first.
func (l *looker) parents(pid int) (out []capture.Process) {
	for ; pid > 0 && len(out) < maxParents; pid = out[len(out)-1].PPID {
		dir := "/proc/" + strconv.Itoa(pid)
		p := capture.Process{PID: pid, Exe: link(dir, "exe")}
		start, err := proc.StartTicks(dir)
		if err != nil || readStatus(dir, &p) != nil {
			break
		}
		p.Start = l.clock.Wall(start * proc.Tick)
		if args, _, err := proc.ReadBounded(dir+"/cmdline", 2*proc.MaxShort); err == nil {
			p.Args = proc.Shorten(python.SplitStrings(args, false))
		}
		out = append(out, p)
	}
	for i := range out { // as capture.Process says of parents
		out[i] = capture.Process{PID: out[i].PID, Start: out[i].Start, Comm: out[i].Comm, Exe: out[i].Exe, Args: out[i].Args}
	}
	return out
}

// text is what was read of a file.
type text struct {
	bytes    []byte
	key      fileKey
	size     int64 // of the whole file
	inode    capture.Inode
	resolved string // without symbolic links, as the process sees it
	changed  bool   // it was written to meanwhile
}

var errStream = errors.New("no regular file")

// descriptor is a file that is open, and that others close.
type descriptor int

// ReadAt reads from an offset on.
func (d descriptor) ReadAt(b []byte, at int64) (int, error) {
	n, err := unix.Pread(int(d), b, at)
	switch {
	case err != nil:
		return 0, err
	case n < len(b):
		return n, io.EOF // as files go: it may be less than asked for only at the end
	}
	return n, nil
}

// readText reads what is open as fd, a regular file, for a process whose root is
// root.
func readText(fd int, root string) (text, error) {
	key, mode, err := keyOf(fd)
	if err != nil {
		return text{}, err
	}
	if mode&unix.S_IFMT != unix.S_IFREG {
		return text{}, errStream
	}
	b, err := io.ReadAll(io.NewSectionReader(descriptor(fd), 0, capture.MaxText))
	if err != nil {
		return text{}, fmt.Errorf("read script: %w", err)
	}
	after, _, err := keyOf(fd)
	if err != nil {
		return text{}, err
	}
	t := text{bytes: b, key: key, size: max(after.size, int64(len(b))), changed: after != key}
	t.resolved = nameOf(fd, root)
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err == nil {
		t.inode.Filesystem = proc.Filesystem(uint64(st.Type), t.resolved, mode)
	}
	t.inode.Device, t.inode.Number, t.inode.Changed = key.dev, key.ino, time.Unix(0, key.ctime)
	return t, nil
}

// nameOf is the path of an open file, as a process sees it whose root is root.
func nameOf(fd int, root string) string {
	name, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if root != "" && root != "/" {
		name = strings.TrimPrefix(name, root)
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil && st.Nlink == 0 {
		name = strings.TrimSuffix(name, " (deleted)") // which the kernel writes behind it
	}
	return name
}

// openDescriptor opens what a process has open, if it is a regular file: to open
// a pipe would take from it. It returns no file for the one that is always empty.
func openDescriptor(pid int, number string) (*os.File, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/fd/%s", pid, number), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3) { // /dev/null
		return nil, nil
	}
	return proc.Reopen(fd)
}
