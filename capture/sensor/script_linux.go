//go:build amd64 || arm64

package sensor

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/proc"
	"kingsnake/capture/python"
)

// decide starts on a program that is certainly Python and whose exec is known.
func (t *tracker) decide(p *program) {
	if p.exec == nil || p.done {
		return
	}
	x := p.exec
	switch {
	case x.bundle != nil:
		t.deliverBundle(p)
	case x.kind == python.Embedder:
		// Its arguments are its own; what it imports is all that can be told.
		p.done = true
		t.teacher.setMode(p.id, probeProgramModeMODE_MODULES)
	case x.command.Kind == capture.Command:
		text := []byte(x.command.Arg)
		t.deliverMain(p, capture.Script{
			Kind: capture.Command, Text: text[:min(len(text), capture.MaxText)], Size: int64(len(text)),
			Truncated: len(text) > capture.MaxText, Lost: x.lost,
		})
	case x.command.Kind == "":
		p.done = true
		if x.lost == "" && len(x.process.Args) > 0 {
			t.teacher.setMode(p.id, probeProgramModeMODE_IGNORE)
		}
	case x.command.Kind != capture.Module:
		t.teacher.setMode(p.id, probeProgramModeMODE_SCRIPT)
	}
	t.considerAll(p)
}

// considerAll deals with all that the program has read and that may be whole.
func (t *tracker) considerAll(p *program) {
	for _, r := range p.inOrder() {
		switch {
		case r.text != nil:
			t.consider(p, r)
		case r.have != probeFileStateFILE_NEW:
			t.haveRead(p, r)
		}
	}
}

// inOrder returns what the program read, what it began to read first at the
// beginning: what a script imports is read after it.
func (p *program) inOrder() []*reading {
	return slices.SortedFunc(maps.Values(p.readings), func(a, b *reading) int { return a.time.Compare(b.time) })
}

// consider deals with a reading that may be whole.
func (t *tracker) consider(p *program, r *reading) {
	if p.exec == nil || !p.certain || r.finished || r.text == nil {
		return
	}
	if !p.done && (p.isMain(r) || t.isCompiled(p, r)) {
		t.considerMain(p, r)
		return
	}
	if !r.text.whole() || p.awaitsLibrary(r) {
		return
	}
	r.finished = true
	t.learn(p, r)
	library := t.inLibrary(p, r)
	if library {
		t.learnModule(r.path, r.text.content(0))
	}
	switch {
	case library, p.done && !python.IsModule(r.path):
		t.drop(r)
	case p.ran() && (python.IsModule(r.path) || p.exec.runsAtStartup(r)):
		t.deliverImport(p, r, "")
		t.drop(r)
	case len(p.early) < maxReadings:
		kept := *r
		p.early = append(p.early, &kept)
		r.text = nil
	default:
		t.count(lostMemory)
		t.drop(r)
	}
}

// considerMain delivers the program's own script if it is whole, or if it never
// will be.
func (t *tracker) considerMain(p *program, r *reading) {
	from := int64(0)
	if p.exec.command.Kind == capture.Stdin && !r.stream {
		from = r.text.start() // what ran before may have read a part
	}
	if r.text.wholeFrom(from) {
		r.finished = true
		t.learn(p, r)
		lost := ""
		if from > 0 && p.lost != 0 {
			lost = lossReason(p.lost) // Nobody knows whether it began there.
		}
		t.deliverReading(p, r, from, lost)
		return
	}
	if r.stream && r.text.end >= 0 {
		r.finished = true
		t.deliverReading(p, r, 0, t.reason(p, r, lostEarly))
		return
	}
	if r.isArchive() {
		// An archive is read in parts. Its file is read whole, which is the
		// same as long as it has not changed.
		content, ok := t.looker.readFile(p, r)
		if !ok || !t.room(len(content)) {
			return
		}
		t.memory += r.text.write(0, content)
		if r.text.whole() {
			r.finished = true
			t.deliverReading(p, r, 0, "")
		}
	}
}

// isArchive reports whether a reading is of an archive, of which the end was read.
func (r *reading) isArchive() bool {
	return !r.stream && int64(len(r.text.bytes)) >= r.text.size && python.IsArchive(r.text.bytes)
}

// reason says why a reading is not whole.
func (t *tracker) reason(p *program, r *reading, otherwise string) string {
	switch {
	case r != nil && r.lost != "":
		return r.lost
	case p.lost != 0:
		return lossReason(p.lost)
	}
	return otherwise
}

// deliverReading delivers a reading as the program's own script.
func (t *tracker) deliverReading(p *program, r *reading, from int64, lost string) {
	text := bytes.Clone(r.text.content(from))
	if lost != "" && !r.stream && bytes.Contains(text, []byte(python.EndOfArchive)) {
		text = bytes.Clone(r.text.bytes) // Its own offsets hold only where nothing is left out.
	}
	size := max(r.text.size-from, int64(len(text)))
	if r.text.size == 0 {
		size = max(r.text.total-from, int64(len(text)))
	}
	s := capture.Script{
		Kind: p.exec.command.Kind, Text: text, Size: size, Lost: lost,
		Truncated: r.text.truncated || r.text.total > capture.MaxText || r.text.size > capture.MaxText,
		Inode:     inode(r), Path: r.path,
	}
	switch {
	case s.Kind == capture.Stdin && r.stream:
		s.Path = ""
	case s.Kind == capture.Module:
		if _, isPackage := python.IsMain(r.path, p.exec.command.Arg); isPackage {
			s.Kind = capture.Package
		}
	case s.Kind == capture.File:
		s.Kind = fileKind(p.exec, r, text)
		if s.Kind != capture.Package && p.exec.script != "" {
			s.Path = p.exec.script
		}
	}
	if p.exec.lost != "" && s.Lost == "" {
		s.Lost = p.exec.lost
	}
	if !r.stream {
		p.hold.script = r.file
	}
	t.mayReadAgain(p, r, s.Kind)
	if !r.script || r.text.inOrder >= r.text.size {
		t.drop(r)
	}
	t.deliverMain(p, s)
}

// fileKind tells a script from the other things that are run by path.
func fileKind(x *executed, r *reading, text []byte) capture.Kind {
	if path.Base(x.script) != path.Base(r.path) && python.IsMainOf(r.path, x.found.packageDir(x.script)) {
		return capture.Package
	}
	return python.KindOf(x.script, text)
}

// deliverMain delivers the program's own script, and the modules that were read
// before it.
func (t *tracker) deliverMain(p *program, s capture.Script) {
	s.Process = p.exec.process
	s.Time = t.clock.Wall(p.id.Exec)
	s.Digest = capture.Sum(s.Text)
	p.done, p.digest = true, s.Digest
	if code := python.Code(s.Text); code != nil {
		p.imports[capture.Sum(code)] = true
	}
	s.Held = t.passHold(p)
	if s.Lost != "" && s.Lost != lostArchive { // all that was read of an archive is there
		t.count(lostIncomplete)
	}
	prompts := p.exec.command.Prompts
	switch {
	case p.again != nil && !prompts:
		t.teacher.setMode(p.id, probeProgramModeMODE_AGAIN)
	case !prompts:
		t.teacher.setMode(p.id, probeProgramModeMODE_MODULES)
	}
	t.deliver(s)
	t.tellWaiting(p)
	t.deliverEarly(p)
	if prompts {
		t.prompt(p)
		return
	}
	p.exec.process = proc.Lighter(p.exec.process)
}

// ran reports whether the program's own script, or the first of two, was delivered.
func (p *program) ran() bool { return p.done || p.digest != (capture.Digest{}) }

// prompt goes on with what a program was given -i for: when its script is done,
// standard input runs, as a second script of the program.
func (t *tracker) prompt(p *program) {
	p.done = false
	p.exec.command = python.Command{Kind: capture.Stdin}
	p.exec.script = ""
	t.locate(p)
	t.teacher.setMode(p.id, probeProgramModeMODE_SCRIPT)
}

// deliverEarly delivers what was read before the script was whole, if it is a
// module.
func (t *tracker) deliverEarly(p *program) {
	early := p.early
	p.early = nil
	for _, r := range early {
		if python.IsModule(r.path) || p.exec.runsAtStartup(r) {
			t.deliverImport(p, r, "")
		}
		t.drop(r)
	}
	for key, r := range p.readings {
		if p.exec.command.Prompts && r.own && r.fd == 0 {
			continue // which runs when the script is done
		}
		if !python.IsModule(r.path) && !r.script && !t.compareEarly(p, r) {
			t.drop(r)
			delete(p.readings, key)
		}
	}
}

// deliverBroken delivers the modules that a process will not read on, if bytes of
// the program were lost. One of which only a part was read, but nothing lost, was
// never imported.
func (t *tracker) deliverBroken(p *program, tgid uint32) {
	if p.exec == nil || !p.certain || !p.done {
		return
	}
	for _, r := range p.inOrder() {
		if r.key.tgid != tgid || r.text == nil || r.finished || len(r.text.spans) == 0 || !python.IsModule(r.path) || t.inLibrary(p, r) {
			continue
		}
		if lost := t.reason(p, r, ""); lost != "" {
			r.finished = true
			t.count(lostIncomplete)
			t.deliverImport(p, r, lost)
		}
	}
}

// deliverImport delivers a module, once for each content.
func (t *tracker) deliverImport(p *program, r *reading, lost string) {
	digest := capture.Sum(r.text.content(0))
	code := python.Code(r.text.content(0))
	data := t.seesOpens && !r.sought && code == nil && !p.exec.runsAtStartup(r)
	if certain, known := p.imports[digest]; known && (certain || data) || digest == p.digest {
		return
	}
	if len(p.imports) >= maxImports {
		clear(p.imports)
	}
	p.imports[digest] = !data
	if code != nil {
		p.imports[capture.Sum(code)] = true // which marshal.loads is given next
	}
	s := capture.Script{
		Kind: capture.Import, Time: r.time, Text: bytes.Clone(r.text.content(0)), Digest: digest,
		Size: max(r.text.size, int64(len(r.text.bytes))), Truncated: r.text.truncated || r.text.size > capture.MaxText,
		MaybeData: data, Lost: lost, Path: r.path, Inode: inode(r), Parent: p.digest, Process: p.exec.process,
	}
	if p.exec.kind == python.Embedder && p.digest == (capture.Digest{}) && p.exec.named(r.path) {
		s.Kind, s.MaybeData, p.digest = capture.File, false, digest
	}
	t.deliver(s)
}

// named reports whether a file is among the arguments of the program.
func (x *executed) named(p string) bool {
	return slices.ContainsFunc(x.process.Args[min(1, len(x.process.Args)):], func(arg string) bool {
		return python.Absolute(x.process.Cwd, arg) == p
	})
}

// finish delivers what there is of a program that has ended.
func (t *tracker) finish(p *program, reason string) {
	if p.exec != nil {
		t.giveUp(p)
	}
	if p.done || p.exec == nil {
		return
	}
	if !p.certain {
		t.count(lostUnreadable)
		t.forget(p)
		return
	}
	if r := t.partial(p); r != nil {
		switch complete := p.lost == 0 && r.lost == ""; {
		case complete && r.stream && r.mode&unix.S_IFMT == unix.S_IFCHR:
			reason = "" // A terminal: what was typed is what ran.
		case complete && reason == lostEarly && p.exec.lost == "" && r.isArchive():
			reason = lostArchive // It ran to its end: what it did not read did not run.
		default:
			reason = t.reason(p, r, reason)
		}
		from := int64(0)
		if p.exec.command.Kind == capture.Stdin {
			from = r.text.start()
		}
		t.deliverReading(p, r, from, reason)
	} else if r := firstCandidate(p); r != nil && p.lost == 0 && p.exec.lost == "" {
		// The script's path led elsewhere when it was looked at.
		t.deliverEarlyAs(p, r)
	} else if lost := t.reason(p, nil, p.exec.lost); lost != "" {
		t.deliverMain(p, capture.Script{Kind: p.exec.command.Kind, Path: p.exec.script, Lost: lost})
	}
	p.done = true
	t.deliverEarly(p)
}

// partial returns the reading of the script, as far as it went.
func (t *tracker) partial(p *program) *reading {
	for _, r := range p.readings {
		if r.text != nil && !r.finished && len(r.text.spans) > 0 && p.isMain(r) {
			return r
		}
	}
	return nil
}

// firstCandidate returns the file that was read first and may be the script: what
// an interpreter reads before its script is known by name, what the script reads
// itself comes later.
func firstCandidate(p *program) (first *reading) {
	if p.exec.command.Kind != capture.File || p.exec.found.absent {
		return nil
	}
	for _, r := range p.early {
		if r.own && !startupFile(r.path) && len(r.text.bytes) > 0 && !bytes.HasPrefix(r.text.bytes, []byte("\x7fELF")) &&
			(first == nil || r.time.Before(first.time)) {
			first = r
		}
	}
	return first
}

// startupFile reports whether a file is read by interpreters, and the loaders of
// their libraries, before any script.
func startupFile(p string) bool {
	if python.IsLibraryArchive(p) {
		return true
	}
	switch path.Base(p) {
	case "sitecustomize.py", "usercustomize.py", "locale.alias", "charset.alias", "gconv-modules", "gconv-modules.cache", "ld.so.cache":
		return true
	}
	if strings.HasPrefix(p, "/etc/") && path.Ext(p) != ".py" { // nsswitch.conf, passwd: where a home is
		return true
	}
	switch path.Ext(p) {
	case ".pth", ".cfg", "._pth", ".so", ".conf":
		return true
	}
	for _, root := range []string{"/proc/", "/sys/", "/usr/share/zoneinfo/", "/usr/lib/locale/"} {
		if strings.HasPrefix(p, root) {
			return true
		}
	}
	return false
}

// deliverEarlyAs delivers one of the early readings as the script, the others
// as modules.
func (t *tracker) deliverEarlyAs(p *program, script *reading) {
	early := p.early
	p.early = nil
	for _, r := range early {
		if r != script {
			p.early = append(p.early, r)
		}
	}
	t.deliverReading(p, script, 0, "")
}

// inode describes the file of a reading.
func inode(r *reading) capture.Inode {
	i := fileInode(r.file, r.magic, r.mode, r.path)
	if r.stream {
		i.Changed = time.Time{}
	}
	return i
}

// fileInode describes a file as the kernel half saw it.
func fileInode(file probeFileKey, magic uint64, mode uint32, path string) capture.Inode {
	const minorBits = 20 // the kernel's own coding of a device number
	return capture.Inode{
		Device: unix.Mkdev(file.Dev>>minorBits, file.Dev&(1<<minorBits-1)),
		Number: file.Ino, Filesystem: proc.Filesystem(magic, path, mode), Changed: time.Unix(0, file.Ctime),
	}
}
