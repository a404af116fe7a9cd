package fallback

import (
	"errors"
	"hash/maphash"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/proc"
	"kingsnake/capture/python"
)

const (
	maxPrograms = 4096 // running at once
	maxForks    = 16384
	maxImports  = 4096 // remembered of one program
	maxEarly    = 64   // modules read before the script

	// How long a script is waited for that has not been opened yet.
	openWait = 3 * time.Second
)

// program is one execution of an interpreter, its forked children included.
type program struct {
	seen
	root    string // of the process, as this one sees it
	began   time.Time
	name    string // the path among the arguments, made absolute
	folder  string // the folder that name is, if it is one
	library library
	waiting []string // modules opened before that was known

	text *text // what lay at name, until it is opened

	missing error // why there is no text, of a script that may still be opened

	done    bool // its own script was delivered, or there is none
	digest  capture.Digest
	imports map[capture.Digest]bool
	sources map[uint64]bool  // stems of the modules whose source was opened, by their hash
	known   map[fileKey]bool // modules that were read already
	early   []capture.Script // modules opened before the script
}

// begin starts on a process that has executed an interpreter.
func (s *Sensor) begin(x seen) {
	pid := x.process.PID
	if p := s.programs[pid]; p != nil && p.binary == x.binary && p.start == x.start && p.command == x.command && (s.connector == nil || time.Since(p.began) < round) {
		return // the same once more: its loader was opened too, or it was seen when it was told of what it had been before
	}
	s.end(pid, "")
	if len(s.programs) >= maxPrograms {
		s.count(lostPrograms)
		return
	}
	p := &program{seen: x, began: time.Now(), imports: make(map[capture.Digest]bool), sources: make(map[uint64]bool), known: make(map[fileKey]bool)}
	p.root = link("/proc/"+strconv.Itoa(pid), "root")
	s.programs[pid] = p
	switch {
	case x.kind == python.Embedder, x.command.Kind == "":
		p.done = true // its arguments are its own, or nothing runs
	case x.command.Kind == capture.Command:
		arg := []byte(x.command.Arg)
		s.deliverMain(p, capture.Command, text{bytes: arg[:min(len(arg), capture.MaxText)], size: int64(len(arg))}, "", fromArguments)
	case x.command.Kind == capture.Stdin:
		s.readDescriptor(p, "0")
	case x.command.Kind == capture.File:
		p.name = python.Absolute(x.process.Cwd, x.command.Arg)
		if number := python.Descriptor(p.name); number != "" {
			s.readDescriptor(p, number)
		} else {
			s.readName(p)
		}
	case x.command.Kind == capture.Module && s.files == nil:
		s.readModule(p)
	}
}

// readDescriptor delivers what is open as a descriptor of the process: the whole
// file, although something else may have read a part of standard input before.
// Where the process reads now does not tell, since it may have begun itself.
func (s *Sensor) readDescriptor(p *program, number string) {
	t, err := proc.Look(&s.looker.Looks, func() (text, error) {
		f, err := openDescriptor(p.process.PID, number)
		if err != nil || f == nil {
			return text{}, err
		}
		defer f.Close()
		return readText(int(f.Fd()), p.root)
	})
	if err != nil {
		s.deliverLost(p, err)
		return
	}
	from, kind := fromName, python.KindOf(p.name, t.bytes)
	if p.command.Kind == capture.Stdin {
		p.name, from, kind = t.resolved, fromStdin, capture.Stdin
	}
	s.deliverMain(p, kind, t, p.name, from)
}

// readName reads what lies at the script's path. It is delivered when it is
// opened, if that is told.
func (s *Sensor) readName(p *program) {
	var folder string
	t, err := proc.Look(&s.looker.Looks, func() (text, error) {
		t, err := s.readPath(p, p.name)
		if !errors.Is(err, proc.ErrOther) {
			return t, err
		}
		for _, main := range []string{"__main__.py", "__main__.pyc"} {
			if t, err := s.readPath(p, p.name+"/"+main); err == nil {
				return t, nil
			}
		}
		return text{}, errStream
	})
	if err == nil && strings.HasPrefix(path.Base(t.resolved), "__main__.py") && path.Base(p.name) != path.Base(t.resolved) {
		folder = path.Dir(t.resolved)
	}
	p.folder = folder
	switch {
	case err != nil && link("/proc/"+strconv.Itoa(p.process.PID), "root") == "":
		p.missing = fs.ErrNotExist // it is the process that is gone; what it opened may still be told
	case errors.Is(err, proc.ErrBusy) && s.files != nil:
		p.missing = err // on a slow machine it may be told in a moment
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		// There never was such a file, or it is gone: whether it was opened will show.
	case err != nil:
		s.deliverLost(p, err)
	case !s.files.watches(t.key.dev):
		s.deliverFile(p, t, fromName)
	case s.memory+len(t.bytes) > s.limit:
		s.deliverFile(p, t, fromName)
	default:
		s.memory += len(t.bytes)
		p.text = &t
	}
}

// readPath reads a regular file by its path as the process sees it, and has its
// file system watched.
func (s *Sensor) readPath(p *program, name string) (text, error) {
	f, err := proc.OpenIn(p.process.PID, name)
	if err != nil {
		return text{}, err
	}
	defer f.Close()
	_ = s.files.watch("/proc/self/fd/" + strconv.Itoa(int(f.Fd()))) // without, it is delivered at once
	return readText(int(f.Fd()), p.root)
}

// readModule looks for the module that -m names as far as that can be done
// without its interpreter: in the working folder and in PYTHONPATH.
func (s *Sensor) readModule(p *program) {
	folders := []string{p.process.Cwd}
	for _, v := range p.process.Env {
		if list, ok := strings.CutPrefix(v, "PYTHONPATH="); ok {
			folders = append(folders, strings.Split(list, ":")[:min(8, strings.Count(list, ":")+1)]...)
		}
	}
	name := strings.ReplaceAll(p.command.Arg, ".", "/")
	t, err := proc.Look(&s.looker.Looks, func() (text, error) {
		for _, dir := range folders {
			for _, tail := range []string{".py", "/__main__.py"} {
				if t, err := s.readPath(p, python.Absolute(p.process.Cwd, dir)+"/"+name+tail); err == nil {
					return t, nil
				}
			}
		}
		return text{}, errNoModule
	})
	if err != nil {
		s.deliverLost(p, err)
		return
	}
	s.deliverFile(p, t, fromName)
}

var errNoModule = errors.New(lostModule)

// opened deals with a file that a process has opened.
func (s *Sensor) opened(o opened) {
	p, own := s.programs[o.pid], true
	if p == nil {
		p, own = s.forks[o.pid], false
	}
	if p == nil || o.pid == s.self {
		return
	}
	name := nameOf(o.fd, p.root)
	if own && p.library.tell(o.fd, name) {
		s.deliverWaiting(p)
	}
	switch {
	case own && !p.done && s.isScript(p, o.fd, name):
		t, err := readText(o.fd, p.root)
		if err != nil {
			s.deliverLost(p, err)
			return
		}
		s.deliverFile(p, t, fromOpened)
	case python.IsModule(name) && !p.library.inLibrary(s.looker, o.pid, p.process.Exe, o.fd, name):
		if own && p.awaitsLibrary(name) {
			return
		}
		if p.compiles(name) || p.knows(o.fd) || p.compiled(name, o.fd) {
			return
		}
		t, err := readText(o.fd, p.root)
		if err != nil {
			s.count(lostRead)
			return
		}
		s.deliverImport(p, t)
	}
}

var seed = maphash.MakeSeed()

// compiles reports whether a module that is opened is what its interpreter makes
// of a source that was opened before: it is opened to be written then.
func (p *program) compiles(name string) bool {
	stem := maphash.String(seed, python.Stem(name))
	if !strings.HasSuffix(name, ".py") {
		return p.sources[stem]
	}
	if len(p.sources) < maxImports {
		p.sources[stem] = true
	}
	return false
}

// compiled reports whether a compiled module is younger than the program, which
// then has made it itself, of a source whose opening was not seen.
func (p *program) compiled(name string, fd int) bool {
	key, _, err := keyOf(fd)
	return err == nil && strings.Contains(name, "/__pycache__/") && key.ctime > p.process.Start.UnixNano()
}

// knows reports whether a file was read for the program already, and is as it
// was. To read it each time that it is opened would be a program's to make costly.
func (p *program) knows(fd int) bool {
	key, _, err := keyOf(fd)
	if err != nil || p.known[key] {
		return err == nil
	}
	if len(p.known) >= maxImports {
		clear(p.known)
	}
	p.known[key] = true
	return false
}

// isScript reports whether a file is the program's own script.
func (s *Sensor) isScript(p *program, fd int, name string) bool {
	switch p.command.Kind {
	case capture.Module:
		main, _ := python.IsMain(name, p.command.Arg)
		return main
	case capture.File:
		if p.text == nil {
			return name == p.name
		}
		key, _, err := keyOf(fd)
		return err == nil && key.ino == p.text.key.ino && key.dev == p.text.key.dev || name == p.name || name == p.text.resolved
	}
	return false
}

// deliverFile delivers a file as the program's own script.
func (s *Sensor) deliverFile(p *program, t text, from string) {
	kind, name := python.KindOf(p.name, t.bytes), p.name
	p.compiles(t.resolved)
	switch {
	case p.command.Kind == capture.Module:
		kind, name = capture.Module, t.resolved
		if _, isPackage := python.IsMain(t.resolved, p.command.Arg); isPackage {
			kind = capture.Package
		}
	case p.folder != "":
		kind, name = capture.Package, t.resolved
	}
	s.deliverMain(p, kind, t, name, from)
}

// deliverLost delivers what is known of a script whose text is not.
func (s *Sensor) deliverLost(p *program, err error) {
	reason := lostRead
	switch {
	case errors.Is(err, proc.ErrBusy):
		reason = lostHang
	case errors.Is(err, errStream), errors.Is(err, proc.ErrOther):
		reason = lostStream
	case errors.Is(err, errNoModule):
		reason = lostModule
	case proc.Gone(err):
		reason = lostScript
	}
	s.count(reason)
	s.send(p, capture.Script{Kind: p.command.Kind, Path: p.name, Lost: reason})
}

// deliverMain delivers the program's own script, and the modules that were
// opened before it.
func (s *Sensor) deliverMain(p *program, kind capture.Kind, t text, name, from string) {
	if t.changed {
		s.count(lostChanged)
	}
	s.send(p, capture.Script{
		Kind: kind, Text: t.bytes, Size: t.size, Truncated: t.size > int64(len(t.bytes)), Path: name, Inode: t.inode, Indirect: from,
	})
}

// send delivers the program's own script and is done with it.
func (s *Sensor) send(p *program, script capture.Script) {
	script.Time, script.Process, script.Digest = p.began, p.process, capture.Sum(script.Text)
	s.drop(p)
	if p.command.Prompts || p.command.Startup(p.process.Env) != "" {
		s.count(lostPrompt)
	}
	p.done, p.digest = true, script.Digest
	s.deliver(script)
	p.process = proc.Lighter(p.process)
	for _, early := range p.early {
		s.memory -= len(early.Text)
		if early.Digest != p.digest {
			early.Parent, early.Process = p.digest, p.process
			s.deliver(early)
		}
	}
	p.early = nil
}

// deliverImport delivers a module once for each content, after the script.
func (s *Sensor) deliverImport(p *program, t text) {
	digest := capture.Sum(t.bytes)
	if p.imports[digest] || p.done && digest == p.digest {
		return
	}
	if len(p.imports) >= maxImports {
		clear(p.imports)
	}
	p.imports[digest] = true
	script := capture.Script{
		Kind: capture.Import, Time: time.Now(), Text: t.bytes, Digest: digest, Size: t.size, Truncated: t.size > int64(len(t.bytes)),
		Path: t.resolved, Inode: t.inode, Parent: p.digest, Process: p.process, Indirect: fromOpened,
	}
	if p.kind == python.Embedder && p.digest == (capture.Digest{}) && p.named(t.resolved) {
		script.Kind, p.digest = capture.File, digest
	}
	switch {
	case p.done:
		s.deliver(script)
	case len(p.early) >= maxEarly || s.memory+len(t.bytes) > s.limit:
		s.count(lostMemory)
	default:
		s.memory += len(t.bytes)
		p.early = append(p.early, script)
	}
}

// named reports whether a file is among the arguments of the program.
func (p *program) named(name string) bool {
	return slices.ContainsFunc(p.process.Args[min(1, len(p.process.Args)):], func(arg string) bool {
		return python.Absolute(p.process.Cwd, arg) == name
	})
}

// end is done with the program of a process: because the process has ended or
// executes another binary, or for a reason.
func (s *Sensor) end(pid int, reason string) {
	delete(s.forks, pid)
	p := s.programs[pid]
	if p == nil {
		return
	}
	delete(s.programs, pid)
	s.finish(p, reason)
	s.deliverWaiting(p)
	s.drop(p)
	for _, early := range p.early {
		s.memory -= len(early.Text)
	}
	p.early = nil
}

// finish delivers what there is of a program that opens its script no more.
func (s *Sensor) finish(p *program, reason string) {
	switch {
	case p.done:
	case p.text != nil:
		t := *p.text
		s.deliverFile(p, t, fromName)
	case reason != "":
		s.count(reason)
		s.send(p, capture.Script{Kind: p.command.Kind, Path: p.name, Lost: reason})
	case p.command.Kind == capture.Module:
		s.deliverLost(p, errNoModule)
	case p.missing != nil:
		s.deliverLost(p, p.missing)
	case s.files == nil:
		s.deliverLost(p, fs.ErrNotExist)
	}
	// Else it opened no such file, and ran nothing.
}

// drop frees the text that a program waits with.
func (s *Sensor) drop(p *program) {
	if p.text != nil {
		s.memory -= len(p.text.bytes)
		p.text = nil
	}
}
