//go:build amd64 || arm64

package sensor

import (
	"bytes"
	"time"

	"kingsnake/capture"
	"kingsnake/capture/proc"
	"kingsnake/capture/python"
)

const (
	maxPrograms = 4096     // running at once
	maxGone     = 512      // ended, of which children may go on
	maxOthers   = 1024     // that are no Python
	maxImports  = 4096     // remembered of one program
	maxPending  = 512      // execs of which not all pieces have come
	maxPieces   = 16 << 20 // bytes of them
	execWait    = time.Second
	brokenWait  = 3 * time.Second
	tellWait    = time.Second // an execution, for the script of its starter
)

// tracker turns records into scripts. It follows each program from its exec, or
// the first record of it, to its end. It is not safe for concurrent use.
type tracker struct {
	deliver  func(capture.Script)
	executed func(capture.Execution) // may be nil
	acted    func(capture.Activity)  // may be nil
	count    func(reason string)
	past     *past
	teacher  *teacher
	looker   *looker
	clock    *proc.Clock
	holder   *holder // nil when nothing is held
	holding  holding // of the record being handled

	programs *lru[probeProgram, *program]
	gone     *lru[probeProgram, *program] // ended and delivered
	others   *lru[probeProgram, struct{}] // no Pythons: what is still in the ring is of no interest
	pending  *lru[probeProgram, *pieces]  // execs being put together
	pieces   int                          // bytes in pending
	parents  *lru[processKey, ancestor]
	compiledTexts
	hooks  *hooks // nil: compiled texts are not captured
	memory int    // bytes held in texts

	seesOpens bool // whether the kernel half says what is opened
	limit     int
}

func newTracker(config Config, k *kernel, deliver func(capture.Script), count func(string)) *tracker {
	limit := config.Memory
	if limit <= 0 {
		limit = 48 << 20
	}
	t := &tracker{deliver: deliver, executed: config.Executed, acted: config.Acted, count: count, clock: proc.NewClock(), looker: newLooker(), limit: limit}
	t.teacher = newTeacher(k, limit/12)
	t.past = newPast(t.clock, t.acted)
	t.programs = newLRU(maxPrograms, func(_ probeProgram, p *program) {
		if !p.done {
			count(lostPrograms)
		}
		t.end(p, lostPrograms)
		t.forget(p)
	})
	t.gone = newLRU(maxGone, func(_ probeProgram, p *program) {
		t.release(p)
		t.dropParsed(p)
	})
	t.others = newLRU[probeProgram, struct{}](maxOthers, nil)
	t.pending = newLRU(maxPending, func(_ probeProgram, x *pieces) {
		t.pieces -= x.size()
		count(lostExec)
	})
	t.parents = newLRU[processKey, ancestor](maxPrograms, nil)
	t.compiledTexts = t.newCompiledTexts()
	return t
}

// program is one execution of an interpreter, its forked children included.
type program struct {
	id      probeProgram
	seen    time.Time // when the first record of it came
	touched time.Time // when the last one came
	looked  time.Time // when it was last looked whether it still runs
	exec    *executed // nil until the exec record has come
	certain bool      // it is known to be a Python
	library library
	gone    bool // its own process has ended

	done   bool           // its own script was delivered, or there is none
	digest capture.Digest // of its script
	again  *again         // while that may be read anew; else nil
	hold   programHold

	readings   map[readingKey]*reading
	imports    map[capture.Digest]bool // false: it may be data
	compiled   map[capture.Digest]bool // false: to a tree alone
	uncaptured []string                // why texts are missing that it compiled, as far as it was said
	trees      treeState
	early      []*reading          // modules read before the script was whole
	waiting    []capture.Execution // that it started before its script was known
	waits      time.Time           // since when the first of them waits
	lost       uint32              // bits of what was lost of its processes
}

// handle deals with one record.
func (t *tracker) handle(e *event) {
	if e.Flags&probeRecordFlagFLAG_HELD != 0 {
		t.beginHold(e)
		defer t.endHold(e)
	}
	switch e.Kind {
	case probeRecordKindRECORD_HELD:
	case probeRecordKindRECORD_EXEC:
		t.handleExec(e)
	case probeRecordKindRECORD_PATH, probeRecordKindRECORD_DATA, probeRecordKindRECORD_EOF, probeRecordKindRECORD_HAVE:
		t.handleRead(e)
	case probeRecordKindRECORD_LOAD:
		t.handleLoad(e)
	case probeRecordKindRECORD_EXIT:
		t.handleExit(e)
	case probeRecordKindRECORD_FORK, probeRecordKindRECORD_CONNECT, probeRecordKindRECORD_WRITE:
		t.handleAction(e)
	default:
		t.handlePiece(e)
	}
}

// program returns the program of a record, a new one if need be; nil if it is
// of no interest.
func (t *tracker) program(e *event) *program {
	if _, ok := t.others.get(e.Program); ok {
		return nil
	}
	p, ok := t.programs.get(e.Program)
	if !ok {
		p, ok = t.gone.get(e.Program)
	}
	if !ok {
		if e.Tgid != e.Program.Tgid {
			// A child of a program that was forgotten.
			t.count(lostPrograms)
			t.ignore(e.Program)
			return nil
		}
		p = &program{id: e.Program, seen: time.Now(), readings: make(map[readingKey]*reading), imports: make(map[capture.Digest]bool)}
		t.programs.put(e.Program, p)
	}
	p.touched = time.Now()
	return p
}

// forget drops a program, because it is no Python or there are too many.
func (t *tracker) forget(p *program) {
	p.done, p.gone = true, true
	t.release(p)
	t.dropParsed(p)
	t.programs.remove(p.id)
	t.ignore(p.id)
}

// ignore has nothing more sent about a program.
func (t *tracker) ignore(id probeProgram) {
	t.others.put(id, struct{}{})
	t.teacher.setMode(id, probeProgramModeMODE_IGNORE)
}

// release frees what a program's readings hold.
func (t *tracker) release(p *program) {
	for _, r := range p.readings {
		t.drop(r)
	}
	for _, r := range p.early {
		t.drop(r)
	}
	p.early = nil
	clear(p.readings)
}

// handleRead deals with a record about a file that was read.
func (t *tracker) handleRead(e *event) {
	p := t.program(e)
	if p == nil {
		return
	}
	p.lost |= e.Lost
	r := t.reading(p, e)
	if r == nil {
		return
	}
	switch e.Kind {
	case probeRecordKindRECORD_PATH:
		r.path = joinNames(e.data)
		if e.Flags&probeRecordFlagFLAG_SOUGHT != 0 && !r.sought {
			r.sought, r.finished = true, false // it may have been read as data before
		}
		r.upper = e.Flags&probeRecordFlagFLAG_UPPER != 0
		t.learnFolder(p, r)
		t.seeLibrary(r)
		if !p.certain && python.LooksLikeLibrary(r.path) {
			p.certain = true
			t.decide(p)
		}
		return
	}
	if e.Flags&probeRecordFlagFLAG_LOADED != 0 {
		t.addLoaded(p, e)
		if p.done && !python.IsModule(r.path) {
			return
		}
	}
	if r.begins(e) {
		r.begun++
	}
	if e.Kind == probeRecordKindRECORD_HAVE {
		r.have = probeFileState(e.Offset)
	}
	if p.again != nil && t.readAgain(p, r, e) {
		return
	}
	switch e.Kind {
	case probeRecordKindRECORD_HAVE:
		t.haveRead(p, r)
		return
	case probeRecordKindRECORD_EOF:
		if r.text == nil && !r.finished {
			r.text = newText(r.textSize())
		}
		if r.text != nil {
			r.text.eof(int64(e.Offset))
		}
	case probeRecordKindRECORD_DATA:
		t.addData(p, r, e)
	}
	switch {
	case r.text == nil || p.exec == nil:
	case bytes.HasPrefix(r.text.bytes, []byte("\x7fELF")):
		t.learnLibrary(p, r)
	case r.text.whole() || r.text.end >= 0 || e.Flags&probeRecordFlagFLAG_HELD != 0:
		t.consider(p, r)
	}
}

// room makes room for more bytes: kept contents go first, then texts of trees.
func (t *tracker) room(n int) bool {
	for t.memory+t.teacher.held+n > t.limit {
		if !t.teacher.dropOldest() && !t.giveUpParsed(nil) {
			return false
		}
	}
	return true
}

// haveRead deals with a file whose content is known.
func (t *tracker) haveRead(p *program, r *reading) {
	if p.exec == nil || !p.certain || r.finished && (p.done || !t.isCompiled(p, r)) {
		return // not yet, or not again
	}
	switch main := !p.done && p.isMain(r); {
	case !main && p.awaitsLibrary(r):
		return
	case !main && !t.wanted(p, r):
		r.finished = true
		t.learnKept(p, r)
		return
	}
	content, ok := t.known(p, r)
	switch {
	case !ok:
		r.lost = lostEvicted
	case !t.room(len(content)):
		r.lost = lostMemory
	default:
		t.drop(r)
		r.text = newText(int64(r.file.Size))
		t.memory += r.text.write(0, content)
		r.text.eof(int64(r.file.Size))
		t.consider(p, r)
		return
	}
	t.count(r.lost)
}

// known returns the content of a file that was only mentioned.
func (t *tracker) known(p *program, r *reading) ([]byte, bool) {
	content, ok := t.teacher.content(r.file)
	if ok {
		return content, true
	}
	if r.have == probeFileStateFILE_HAVE {
		t.teacher.forget(r.file)
	}
	return t.looker.readFile(p, r)
}

// wanted reports whether a file that is not the program's own script could be one
// that belongs to it.
func (t *tracker) wanted(p *program, r *reading) bool {
	return (!p.done || python.IsModule(r.path)) && !t.inLibrary(p, r)
}

// handleExit deals with the end of a process.
func (t *tracker) handleExit(e *event) {
	p := t.program(e)
	if p == nil {
		return
	}
	p.lost |= e.Lost
	t.endLoading(func(l *loading) bool { return l.program == p && l.tgid == e.Tgid })
	if e.Tgid == p.id.Tgid {
		p.gone = true
		if p.exec != nil {
			t.finish(p, lostEarly)
			t.deliverBroken(p, e.Tgid)
			t.retire(p)
		}
		return
	}
	t.deliverBroken(p, e.Tgid)
	for key, r := range p.readings {
		if key.tgid == e.Tgid {
			t.drop(r)
			delete(p.readings, key)
		}
	}
}

// retire puts a program that has ended where its children find it.
func (t *tracker) retire(p *program) {
	for key, r := range p.readings {
		if r.own { // its children may be in the middle of others
			t.drop(r)
			delete(p.readings, key)
		}
	}
	t.tellWaiting(p)
	t.holder.forget(p)
	if _, ok := t.programs.get(p.id); ok {
		t.programs.remove(p.id)
		t.gone.put(p.id, p)
	}
}

// sweep ends what has waited long enough.
func (t *tracker) sweep(now time.Time) {
	t.programs.each(func(_ probeProgram, p *program) bool {
		switch {
		case p.exec == nil && now.Sub(p.seen) > execWait:
			t.count(lostExec)
			t.adopt(p)
		case !p.done && p.lost != 0 && now.Sub(p.touched) > brokenWait:
			t.finish(p, t.reason(p, nil, lostEarly))
		case !p.done && now.Sub(p.touched) > brokenWait && now.Sub(p.looked) > brokenWait:
			p.looked = now
			if t.looker.ended(p.exec.process.PID, p.exec.start) {
				// That it ended did not fit the ring.
				p.gone = true
				if p.exec.lost == "" {
					p.exec.lost = lostExit // And who knows what else.
				}
				t.finish(p, lostExit)
				t.retire(p)
			}
		}
		if p.exec != nil && now.Sub(p.seen) > brokenWait {
			t.giveUp(p)
		}
		if p.done || now.Sub(p.waits) > tellWait {
			t.tellWaiting(p)
		}
		return true
	})
	t.sweepCompiled(now)
}

// flush ends everything, because the sensor stops.
func (t *tracker) flush() {
	t.programs.each(func(_ probeProgram, p *program) bool {
		t.end(p, lostStopped)
		t.tellWaiting(p)
		t.release(p)
		return true
	})
	t.flushCompiled()
}
