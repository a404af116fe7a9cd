//go:build amd64 || arm64

package sensor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/proc"
	"kingsnake/capture/python"
)

// looker looks at processes through /proc.
type looker struct {
	proc.Looks
	kinds *lru[probeFileKey, python.Binary]
}

func newLooker() *looker {
	return &looker{kinds: newLRU[probeFileKey, python.Binary](8192, nil)}
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
	f, _ := proc.Look(&l.Looks, func() (found, error) {
		for i, pid := range pids {
			f, err := resolveIn(pid, p)
			if err == nil && (i == 0 || f.ok) {
				return f, nil
			}
		}
		return found{}, proc.ErrOther
	})
	return f
}

func resolveIn(pid int, p string) (found, error) {
	root, err := unix.Open(proc.Root(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
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
	f, _ := proc.Look(&l.Looks, func() (found, error) {
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
	target, _ := proc.Look(&l.Looks, func() (string, error) { return os.Readlink(fmt.Sprintf("/proc/%d/%s", pid, name)) })
	return target
}

// classify looks at the binary of an exec: through the process itself, or by
// its path as one of its ancestors sees it.
func (l *looker) classify(pids []int, exe string, e *event) python.Binary {
	return l.inspect(pids, exe, e.File, python.ReadBinary)
}

// inspect has read look at the binary of an exec.
func (l *looker) inspect(pids []int, exe string, file probeFileKey, read func(io.ReaderAt) (python.Binary, error)) python.Binary {
	kind, _ := lookAtBinary(l, pids, exe, file, read)
	return kind
}

// lookAtBinary has read look at the binary of an exec, for as long as it errs.
func lookAtBinary[T any](l *looker, pids []int, exe string, file probeFileKey, read func(io.ReaderAt) (T, error)) (T, error) {
	return proc.Look(&l.Looks, func() (none T, _ error) {
		for i, pid := range pids {
			open := func() (*os.File, error) { return proc.OpenIn(pid, exe) }
			if i == 0 {
				open = func() (*os.File, error) { return os.Open(fmt.Sprintf("/proc/%d/exe", pid)) }
			}
			f, err := openSame(open, file)
			if err != nil {
				continue
			}
			found, err := read(f)
			f.Close()
			if err == nil {
				return found, nil
			}
		}
		return none, nil
	})
}

// classifyPath looks at a file by its path in a process's root.
func (l *looker) classifyPath(pid int, p string) python.Binary {
	kind, _ := proc.Look(&l.Looks, func() (python.Binary, error) {
		f, err := proc.OpenIn(pid, p)
		if err != nil {
			return python.NotLookedAt, err
		}
		defer f.Close()
		return python.ReadBinary(f)
	})
	return kind
}

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

// checkSame compares what does not differ between an overlay and its layers:
// when the file changed, and its size.
func checkSame(f *os.File, file probeFileKey) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Ctim.Nano() != file.Ctime || uint64(st.Size) != file.Size {
		return proc.ErrOther
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
	content, err := proc.Look(&l.Looks, func() ([]byte, error) {
		for _, pid := range pids {
			f, err := openSame(func() (*os.File, error) { return proc.OpenIn(pid, name) }, file)
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
		return nil, proc.ErrOther
	})
	return content, err == nil
}

// ancestor is what is remembered of a process that may be another's ancestor.
type ancestor struct {
	comm, exe string
	args      []string
	read      time.Time // when the arguments were; zero when they came with its exec
}

const ancestorFresh = time.Second

func newAncestor(p capture.Process) ancestor {
	return ancestor{comm: p.Comm, exe: p.Exe, args: proc.Shorten(p.Args)}
}

// ancestors completes the ancestors of an exec with their arguments.
func (t *tracker) ancestors(x *pieces) []capture.Process {
	for i, key := range x.keys {
		p := &x.parents[i]
		a, ok := t.parents.get(key)
		if !ok || a.comm != p.Comm || a.exe != p.Exe || !a.read.IsZero() && time.Since(a.read) > ancestorFresh {
			args, err := proc.Look(&t.looker.Looks, func() ([]string, error) { return commandLine(key) })
			if err != nil {
				continue
			}
			a = ancestor{comm: p.Comm, exe: p.Exe, args: proc.Shorten(args), read: time.Now()}
			t.parents.put(key, a)
		}
		p.Args = a.args
	}
	return x.parents
}

// commandLine reads the arguments of a running process, if it is the one meant.
func commandLine(key processKey) ([]string, error) {
	dir := "/proc/" + strconv.FormatUint(uint64(key.pid), 10)
	line, _, err := proc.ReadBounded(dir+"/cmdline", 2*proc.MaxShort)
	if err != nil {
		return nil, err
	}
	start, err := proc.StartTicks(dir)
	if err != nil {
		return nil, err
	}
	if start != key.start/proc.Tick {
		return nil, proc.ErrOther
	}
	return python.SplitStrings(line, false), nil
}

// ended reports whether a process is certainly gone.
func (l *looker) ended(pid int, start uint64) bool {
	now, err := proc.Look(&l.Looks, func() (uint64, error) { return proc.StartTicks(fmt.Sprintf("/proc/%d", pid)) })
	return proc.Gone(err) || err == nil && start != 0 && now != start/proc.Tick
}

// observe makes up an exec that was not seen with what /proc still knows. Its
// command's kind is "" when the arguments could not be read.
func (t *tracker) observe(pid int) *executed {
	dir := fmt.Sprintf("/proc/%d", pid)
	x := &executed{kind: python.NotLookedAt}
	x.process = capture.Process{PID: pid, Exe: t.looker.link(pid, "exe"), Cwd: t.looker.link(pid, "cwd")}
	args, err := proc.Look(&t.looker.Looks, func() ([]string, error) {
		line, _, err := proc.ReadBounded(dir+"/cmdline", maxArgs)
		return python.SplitStrings(line, false), err
	})
	if err != nil || len(args) == 0 {
		return x
	}
	x.process.Args = args
	x.command = python.ParseCommand(args)
	if start, err := proc.StartTicks(dir); err == nil {
		x.start = start * proc.Tick
		x.process.Start = t.clock.Wall(x.start)
	}
	return x
}

// adopt makes up for an exec record that was lost.
func (t *tracker) adopt(p *program) {
	x := t.observe(int(p.id.Tgid))
	x.lost = lostExec
	p.exec = x
	if len(x.process.Args) == 0 {
		x.command = python.Command{Kind: capture.File}
		for _, r := range p.readings {
			if r.stream && r.fd == 0 {
				x.command.Kind = capture.Stdin
			}
		}
	} else if x.kind = t.looker.classifyPath(x.process.PID, x.process.Exe); !x.kind.Python() {
		t.forget(p)
		return
	}
	p.certain = p.certain || x.kind != python.NotLookedAt
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
