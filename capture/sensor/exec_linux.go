//go:build amd64 || arm64

package sensor

import (
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/proc"
	"kingsnake/capture/python"
)

// pieces is what has come of an exec before its last record.
type pieces struct {
	args, env        []byte
	exe, cwd, cgroup string
	cut              bool // the cgroup lies too deep: what it lies in is missing
	parents          []capture.Process
	keys             []processKey // of parents
}

// processKey names a process once and for all.
type processKey struct {
	pid   uint32
	start uint64 // nanoseconds since boot
}

// executed is what is known of a program from its exec.
type executed struct {
	process capture.Process
	start   uint64 // of the process, nanoseconds since boot; 0 when not known
	reaper  uint64 // when the first process of its pid namespace was started
	outer   uint64 // the same of the outermost but the machine's own; 0 when not known
	kind    python.Binary
	command python.Command
	lost    string // why something of it is missing

	bundle []byte        // the scripts in its binary
	exe    capture.Inode // of its binary, if there are any
	before probeProgram  // that its process was a part of

	fds    [maxFDs]probeOpenFile // what was open when it began
	script string                // the path among the arguments, made absolute
	found  found                 // what lies there, as far as it could be looked at in time

	startup      string // the path in PYTHONSTARTUP, made absolute; "" where it is not run
	startupFound found  // what lies there
}

// handlePiece keeps a piece of an exec.
func (t *tracker) handlePiece(e *event) {
	x, ok := t.pending.get(e.Program)
	if !ok {
		x = new(pieces)
		t.pending.put(e.Program, x)
	}
	before := x.size()
	switch e.Kind {
	case probeRecordKindRECORD_ARGS:
		x.args = appendPiece(x.args, e, maxArgs)
	case probeRecordKindRECORD_ENV:
		x.env = appendPiece(x.env, e, maxEnv)
	case probeRecordKindRECORD_EXE:
		x.exe = wholePath(e)
	case probeRecordKindRECORD_CWD:
		x.cwd = wholePath(e)
	case probeRecordKindRECORD_CGROUP:
		x.cgroup, x.cut = joinNames(e.data), e.Flags&probeRecordFlagFLAG_CUT != 0
	case probeRecordKindRECORD_PARENT:
		if len(x.parents) < maxParents {
			x.keys = append(x.keys, processKey{e.parent.Tgid, e.parent.Start})
			x.parents = append(x.parents, capture.Process{
				PID: int(e.parent.Tgid), Start: t.clock.Wall(e.parent.Start),
				Comm: cString(e.parent.Comm), Exe: wholePath(e),
			})
		}
	}
	t.pieces += x.size() - before
	for t.pieces > maxPieces && t.pending.dropOldest() {
	}
}

// size is how many bytes the pieces hold, but for small change.
func (x *pieces) size() int { return len(x.args) + len(x.env) }

// pids are those of the process of an exec and its ancestors, nearest first.
func (x *pieces) pids(e *event) []int {
	out := []int{int(e.Program.Tgid)}
	for _, k := range x.keys {
		out = append(out, int(k.pid))
	}
	return out
}

// Bounds of what the kernel half sends: MAX_ARGS, MAX_ENV and MAX_PARENTS.
const (
	maxArgs    = 2 << 20
	maxEnv     = 64 << 10
	maxParents = 8
	maxFDs     = len(probeExecRecord{}.Fds)
)

// appendPiece appends a piece, if nothing before it is missing.
func appendPiece(to []byte, e *event, limit int) []byte {
	if e.Offset != uint64(len(to)) || len(to)+len(e.data) > limit {
		return to
	}
	return append(to, e.data...)
}

// wholePath returns the path of a record, "" when it was too long to be sent.
func wholePath(e *event) string {
	if e.Flags&probeRecordFlagFLAG_CUT != 0 || len(e.data) == 0 && e.Flags&probeRecordFlagFLAG_ROOT == 0 {
		return ""
	}
	return joinNames(e.data)
}

// handleExec deals with the last record of an exec.
func (t *tracker) handleExec(e *event) {
	x, ok := t.pending.get(e.Program)
	if !ok {
		x = new(pieces)
	}
	t.pending.remove(e.Program)
	t.pieces -= x.size()

	if x.exe == "" {
		x.exe = t.looker.link(int(e.Program.Tgid), "exe")
	}
	if e.exec.Root != (probeProgram{}) {
		t.act(e, e.exec.Root, capture.Activity{
			Time: t.clock.Wall(e.Time), By: int(e.Tgid),
			Act: capture.Executed, Target: x.exe, Args: proc.Shorten(python.SplitStrings(x.args, false)),
		})
	}
	kind := t.classify(e, x)
	if !kind.Python() {
		if t.worthTelling(e, kind) {
			t.tell(e, kind, t.process(e, x))
		}
		if p, ok := t.programs.get(e.Program); ok {
			t.forget(p)
		} else {
			t.ignore(e.Program)
		}
		return
	}
	t.seeBinary(e, kind)
	t.past.begin(probeProgram{Exec: e.exec.Start, Tgid: e.Program.Tgid}, e.exec.Root, e.Program, e.exec.Binary == probeBinaryClassBINARY_PYTHON)
	p := t.program(e)
	if p == nil || p.exec != nil {
		return
	}
	p.exec = &executed{kind: kind, reaper: e.exec.Reaper, outer: e.exec.Outer, start: e.exec.Start, fds: e.exec.Fds, process: t.process(e, x)}
	if e.bundle != nil {
		p.exec.bundle, p.exec.before = e.bundle, e.exec.Starter
		p.exec.exe = fileInode(e.File, e.Magic, e.Mode, x.exe)
	}
	if t.worthTelling(e, kind) {
		t.tell(e, kind, p.exec.process)
	}
	if x.cut {
		p.exec.lost = lostCgroup
		p.exec.process.Cgroup = "" // /proc may have the part that says which container it is
	}
	if e.Lost != 0 {
		p.exec.lost = "exec ring full"
	}
	t.parents.put(processKey{e.Program.Tgid, e.exec.Start}, newAncestor(p.exec.process))
	if kind == python.Loader {
		if !t.unwrap(p) {
			return
		}
	} else {
		p.exec.command = python.ParseCommand(p.exec.process.Args)
	}
	if p.exec.process.ArgsTruncated && p.exec.command.Kind != capture.File && p.exec.lost == "" {
		p.exec.lost = lostArgs // What runs may be among those that are missing.
	}
	t.locate(p)
	p.certain = p.certain || p.exec.kind != python.NotLookedAt
	t.settle(p)
}

// process puts together what is known of the process of an exec.
func (t *tracker) process(e *event, x *pieces) capture.Process {
	if x.cwd == "" {
		x.cwd = t.looker.link(int(e.Program.Tgid), "cwd")
	}
	return capture.Process{
		PID: int(e.Program.Tgid), PPID: int(e.exec.Ppid), Start: t.clock.Wall(e.exec.Start),
		UID: e.exec.Uid, GID: e.exec.Gid,
		Comm: cString(e.exec.Comm), Exe: x.exe, Cwd: x.cwd,
		Args: python.SplitStrings(x.args, e.exec.ArgsLen > uint64(len(x.args))), ArgsTruncated: e.exec.ArgsLen > uint64(len(x.args)),
		Env: python.SplitStrings(x.env, e.exec.EnvLen > uint64(len(x.env))), EnvTruncated: e.exec.EnvLen > uint64(len(x.env)),
		Cgroup: x.cgroup, PIDNamespace: e.exec.PidNs, MountNamespace: e.exec.MntNs,
		Parents: t.ancestors(x),
	}
}

// settle goes on with a program whose exec has now come.
func (t *tracker) settle(p *program) {
	if p.certain {
		t.decide(p)
	}
	if p.gone {
		t.finish(p, lostEarly)
		t.deliverBroken(p, p.id.Tgid)
		t.retire(p)
	}
}

// unwrap finds the program behind a dynamic loader that was executed by name.
// It reports false when that is no Python.
func (t *tracker) unwrap(p *program) bool {
	p.exec.kind = python.NotLookedAt
	args := python.UnwrapLoader(p.exec.process.Args)
	if len(args) == 0 {
		t.forget(p)
		return false
	}
	p.exec.command = python.ParseCommand(args)
	kind := t.looker.classifyPath(p.exec.process.PID, python.Absolute(p.exec.process.Cwd, args[0]))
	if !kind.Python() {
		t.forget(p)
		return false
	}
	p.exec.kind = kind
	return true
}

// locate looks at what the script's path leads to. It only helps to tell the
// script's reads from others: the bytes never come from here.
func (t *tracker) locate(p *program) {
	x := p.exec
	if x.fds[0].Mode&unix.S_IFMT == unix.S_IFCHR { // a terminal, for all that is known
		x.command = x.command.Inspected(x.process.Env)
	}
	if name := x.command.Startup(x.process.Env); name != "" && x.startup == "" {
		x.startup = python.Absolute(x.process.Cwd, name)
		x.startupFound = t.looker.resolve(x.pids(), x.startup)
	}
	switch x.command.Kind {
	case capture.Stdin:
		x.found = t.descriptor(x, "0")
	case capture.File:
		x.script = python.Absolute(x.process.Cwd, x.command.Arg)
		if number := python.Descriptor(x.script); number != "" {
			x.found = t.descriptor(x, number)
			x.found.descriptor = !x.found.dir
			return
		}
		x.found = t.looker.resolve(x.pids(), x.script)
	}
}

// runsAtStartup reports whether a reading is that of the PYTHONSTARTUP file.
func (x *executed) runsAtStartup(r *reading) bool {
	return x.startup != "" && r.own && (r.path == x.startup || x.startupFound.same(r))
}

// descriptor says what a descriptor of the program is. The first few are known
// from its exec; for others it is asked, which may be too late.
func (t *tracker) descriptor(x *executed, number string) found {
	n, err := strconv.Atoi(number)
	if err != nil || n >= len(x.fds) || x.lost == lostExec {
		return t.looker.descriptor(x.process.PID, number)
	}
	f := x.fds[n]
	if f.Mode&unix.S_IFMT == unix.S_IFDIR {
		return t.looker.descriptor(x.process.PID, number) // for its path
	}
	return found{ok: f.Mode != 0, ino: f.Ino, stream: f.Mode&unix.S_IFMT != unix.S_IFREG}
}

// pids are those of the process and its ancestors, nearest first.
func (x *executed) pids() []int {
	out := []int{x.process.PID}
	for _, p := range x.process.Parents {
		out = append(out, p.PID)
	}
	return out
}

// isMain reports whether a reading is that of the program's own script. Of a package
// that was given after -m, __main__ is: what it imports before may be named as it is.
func (p *program) isMain(r *reading) bool {
	if !p.exec.matches(r) {
		return false
	}
	if name := p.exec.command.Arg; p.exec.command.Kind == capture.Module {
		if _, isPackage := python.IsMain(r.path, name); !isPackage {
			for _, other := range p.readings {
				inside, _ := python.IsMain(other.path, name+".__init__")
				if inside && strings.HasPrefix(r.path, path.Dir(python.Stem(other.path))+"/") {
					return false
				}
			}
		}
	}
	return true
}

// matches reports whether a reading is that of the program's own script.
func (x *executed) matches(r *reading) bool {
	if !r.own {
		return false
	}
	same := x.found.same(r)
	switch x.command.Kind {
	case capture.Stdin:
		return r.fd == 0 && (same || !x.found.ok)
	case capture.Module:
		main, _ := python.IsMain(r.path, x.command.Arg)
		return main
	case capture.File:
		if x.found.descriptor {
			return same || !x.found.ok && (r.stream || strings.HasPrefix(r.path, "/memfd:"))
		}
		if (!x.found.ok || x.found.dir) && (python.IsMainOf(r.path, x.script) || python.IsMainOf(r.path, x.found.path)) {
			return true
		}
		if x.found.dir {
			return false
		}
		if same || r.path == x.script || x.found.ok && r.path == x.found.path {
			return true
		}
		return !x.found.ok && r.path != "" && path.Base(r.path) == path.Base(x.script)
	}
	return false
}
