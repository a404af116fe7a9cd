//go:build amd64 || arm64

package sensor

import (
	"bytes"

	"kingsnake/capture"
	"kingsnake/capture/python"
)

// An interpreter opens its script twice: first to see whether that is an archive,
// of which CPython since 3.8 reads up to the last 64 KiB, and then to compile it.
// Whoever waits for the first (with a lease on the file, say) may put another
// text in its place. So what is read after the script was delivered is compared
// with it, until another file is read: then it runs.

// compiles is how often a CPython reads its script from the beginning when it
// compiles it (it looks whether it is compiled code, and begins anew). While it
// looks for an archive, it does so once at most.
const compiles = 2

// maxAgain is how many other texts of a program's script are delivered.
const maxAgain = 4

// again is how a script that was delivered may be read anew.
type again struct {
	asked  executed // how it was asked for
	others int      // how many other texts of it were delivered
}

// begins reports whether a record is of a read from the beginning of the file.
func (r *reading) begins(e *event) bool {
	return e.Kind == probeRecordKindRECORD_DATA && e.Offset == 0 && len(e.data) > 0 ||
		e.Kind == probeRecordKindRECORD_HAVE && e.Flags&probeRecordFlagFLAG_BEGINS != 0
}

// mayReadAgain notes that a script which is delivered now may be read anew.
func (t *tracker) mayReadAgain(p *program, r *reading, kind capture.Kind) {
	r.script = !r.stream && (kind == capture.File || kind == capture.Bytecode)
	if r.script {
		p.again = &again{asked: *p.exec} // before what that says is of a prompt
	}
}

// readAgain deals with a record of a program whose script was delivered already. It
// reports false if that has nothing to do with the script.
func (t *tracker) readAgain(p *program, r *reading, e *event) bool {
	if !r.script && !t.takesPlace(p, r) || r.foreign && e.Kind == probeRecordKindRECORD_EOF && r.begun < compiles {
		t.runs(p)
		return false
	}
	r.script = true
	if e.Kind == probeRecordKindRECORD_DATA {
		if r.text == nil && e.Offset == 0 {
			r.text = newText(int64(r.file.Size))
		}
		if r.text != nil {
			t.addRead(r, e)
		}
	}
	t.compare(p, r, e.Kind == probeRecordKindRECORD_EOF && r.text != nil && int64(e.Offset) == r.text.inOrder)
	return true
}

// compare compares a file that was read again with the script that was delivered,
// when it is whole; ended says that it has no more bytes.
func (t *tracker) compare(p *program, r *reading, ended bool) {
	switch {
	case r.text != nil && (ended || r.text.size > 0 && r.text.inOrder >= r.text.size):
		t.deliverAgain(p, r, r.text.bytes[:r.text.inOrder])
		t.drop(r)
	case r.text == nil && r.have != probeFileStateFILE_NEW && !r.finished && (!r.foreign || r.begun >= compiles):
		r.finished = true
		if content, ok := t.known(p, r); ok {
			t.deliverAgain(p, r, content)
		} else {
			t.count(lostEvicted)
		}
	}
}

// compareEarly compares what was read before it was known which file the script
// is, and reports whether it may be that.
func (t *tracker) compareEarly(p *program, r *reading) bool {
	if p.again == nil || r.stream || !r.own {
		return false
	}
	r.foreign = !p.again.asked.matches(r)
	if r.foreign && (r.begun < compiles || !t.mayBeScript(p, r)) {
		return false
	}
	r.script = true
	t.compare(p, r, r.text != nil && r.text.end == r.text.inOrder)
	return true
}

// runs notes that the script of a program was compiled: what it reads from now on
// is its own business, but for modules.
func (t *tracker) runs(p *program) {
	p.again = nil
	if p.done {
		t.teacher.setMode(p.id, probeProgramModeMODE_MODULES)
	}
	for _, r := range p.readings {
		if r.script {
			t.drop(r)
		}
	}
}

// takesPlace reports whether a file that was read after the script was delivered
// may be in its place: at its path, or where that led for a moment.
func (t *tracker) takesPlace(p *program, r *reading) bool {
	if r.stream || !r.own {
		return false
	}
	if p.again.asked.matches(r) {
		return true
	}
	for _, other := range p.readings {
		if other.script && other.begun >= compiles {
			return false
		}
	}
	r.foreign = t.mayBeScript(p, r)
	return r.foreign
}

// mayBeScript reports whether a file that is not where the program's script was
// asked for may be it all the same, because that path led elsewhere for a moment.
func (t *tracker) mayBeScript(p *program, r *reading) bool {
	return r.own && !r.stream && !python.IsModule(r.path) && !startupFile(r.path) && !t.inLibrary(p, r)
}

// isCompiled reports whether a file that was read before the script was found was
// read as a CPython reads its script.
func (t *tracker) isCompiled(p *program, r *reading) bool {
	return p.exec.command.Kind == capture.File && r.begun >= compiles && t.mayBeScript(p, r)
}

// deliverAgain delivers what was read of a script after it was delivered, if it is
// another text. The program has two scripts then: only one of them ran.
func (t *tracker) deliverAgain(p *program, r *reading, text []byte) {
	if r.foreign && r.begun < compiles {
		return
	}
	digest, held := capture.Sum(text), t.heldAgain(p, r)
	if held && digest == p.digest {
		p.hold.same = t.holding.key.Since
	}
	_, known := p.imports[digest]
	if digest == p.digest || len(text) == 0 || known || p.again.others >= maxAgain {
		return
	}
	p.again.others++
	p.imports[digest] = true
	p.digest = digest
	text = bytes.Clone(text)
	s := capture.Script{
		Kind: fileKind(&p.again.asked, r, text), Path: p.again.asked.script, Text: text, Digest: digest, Size: int64(len(text)),
		Truncated: r.text != nil && r.text.truncated, Lost: p.again.asked.lost,
		Time: t.clock.Wall(p.id.Exec), Inode: inode(r), Process: p.exec.process,
	}
	switch {
	case held:
		p.hold.script = r.file
		s.Held = t.passHold(p)
	case p.hold.aimed:
		t.count(lostUnheld)
	}
	t.deliver(s)
}
