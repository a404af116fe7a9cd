//go:build amd64 || arm64

package sensor

import (
	"time"

	"kingsnake/capture"
)

const (
	maxPrograms = 4096
	maxReadings = 1024 // of one program at once
	maxImports  = 4096 // remembered of one program
	maxPending  = 512  // execs of which not all pieces have come
	execWait    = time.Second
	brokenWait  = 3 * time.Second
)

// tracker turns records into scripts. It follows each program from its exec, or
// the first record of it, to its end. It is not safe for concurrent use.
type tracker struct {
	deliver func(capture.Script)
	count   func(reason string)
	teacher *teacher
	looker  *looker
	clock   clock

	programs *lru[probeProgram, *program]
	pending  *lru[probeProgram, *pieces] // execs being put together
	parents  *lru[processKey, ancestor]
	memory   int // bytes held in texts
	limit    int
}

func newTracker(config Config, k *kernel, deliver func(capture.Script), count func(string)) *tracker {
	limit := config.Memory
	if limit <= 0 {
		limit = 64 << 20
	}
	t := &tracker{deliver: deliver, count: count, clock: newClock(), looker: newLooker(), limit: limit}
	t.teacher = newTeacher(k, limit/4)
	t.programs = newLRU(maxPrograms, func(_ probeProgram, p *program) {
		if !p.ended() {
			count(lostPrograms)
			t.end(p, lostPrograms)
		}
		t.release(p)
	})
	t.pending = newLRU(maxPending, func(probeProgram, *pieces) { count(lostExec) })
	t.parents = newLRU[processKey, ancestor](maxPrograms, nil)
	return t
}

// program is one execution of an interpreter, its forked children included.
type program struct {
	id      probeProgram
	seen    time.Time // when the first record of it came
	touched time.Time // when the last one came
	exec    *executed // nil until the exec record has come
	certain bool      // it is known to be a Python
	gone    bool      // its own process has ended

	done   bool           // its own script was delivered, or there is none
	digest capture.Digest // of its script

	readings map[readingKey]*reading
	imports  map[capture.Digest]bool
	early    []*reading // modules read before the script was whole
	lost     uint32     // bits of what was lost of its processes
}

func (p *program) ended() bool { return p.gone && p.done }

// readingKey is one file as one process reads it.
type readingKey struct {
	ino  uint64
	dev  uint32
	tgid uint32
}

// reading is what was read of one file.
type reading struct {
	key      readingKey
	file     probeFileKey
	path     string
	mode     uint32
	magic    uint64
	fd       uint32
	stream   bool
	writers  bool // it was open for writing
	own      bool // read by the program's own process, not a child
	finished bool // it was whole, and has been dealt with
	lost     string
	time     time.Time // of its first read
	touched  time.Time
	readAt   uint64 // of the last read, nanoseconds since boot
	text     *text
}

// handle deals with one record.
func (t *tracker) handle(e *event) {
	switch e.Kind {
	case probeRecordKindRECORD_EXEC:
		t.handleExec(e)
	case probeRecordKindRECORD_PATH, probeRecordKindRECORD_DATA, probeRecordKindRECORD_EOF, probeRecordKindRECORD_HAVE:
		t.handleRead(e)
	case probeRecordKindRECORD_EXIT:
		t.handleExit(e)
	default:
		t.handlePiece(e)
	}
}

// program returns the program of a record, a new one if need be.
func (t *tracker) program(id probeProgram) *program {
	p, ok := t.programs.get(id)
	if !ok {
		p = &program{id: id, seen: time.Now(), readings: make(map[readingKey]*reading), imports: make(map[capture.Digest]bool)}
		t.programs.put(id, p)
	}
	p.touched = time.Now()
	return p
}

// forget drops a program that turned out not to be a Python.
func (t *tracker) forget(p *program) {
	p.done, p.gone = true, true
	t.release(p)
	t.programs.remove(p.id)
	t.teacher.setMode(p.id, probeProgramModeMODE_IGNORE)
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

// drop frees a reading's text.
func (t *tracker) drop(r *reading) {
	if r.text != nil {
		t.memory -= len(r.text.bytes)
		r.text = nil
	}
}

// handleRead deals with a record about a file that was read.
func (t *tracker) handleRead(e *event) {
	p := t.program(e.Program)
	p.lost |= e.Lost
	r := t.reading(p, e)
	if r == nil {
		return
	}
	switch e.Kind {
	case probeRecordKindRECORD_PATH:
		r.path = joinNames(e.data)
		if !p.certain && looksLikeLibrary(r.path) {
			p.certain = true
			t.decide(p)
		}
		return
	case probeRecordKindRECORD_HAVE:
		t.haveRead(p, r, probeFileState(e.Offset))
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
	if r.text != nil && (r.text.whole() || r.text.end >= 0) {
		t.consider(p, r)
	}
}

// addData adds the bytes of one read.
func (t *tracker) addData(p *program, r *reading, e *event) {
	if r.text == nil {
		if r.finished && p.done {
			return // read again, after it was dealt with
		}
		r.text = newText(r.textSize())
		r.finished = false
	}
	if e.Flags&probeRecordFlagFLAG_TRUNCATED != 0 {
		r.text.truncated = true
	}
	if !t.room(len(e.data)) {
		r.lost = lostMemory
		t.count(lostMemory)
		return
	}
	before := len(r.text.spans)
	t.memory += r.text.write(int64(e.Offset), e.data)
	if before == maxSpans && len(r.text.spans) == maxSpans {
		r.lost = lostPieces
	}
}

// textSize is the size that makes a reading whole: a stream has none, and
// neither have the files of /proc.
func (r *reading) textSize() int64 {
	if r.stream {
		return 0
	}
	return int64(r.file.Size)
}

// room makes room for more bytes: kept contents go first.
func (t *tracker) room(n int) bool {
	for t.memory+t.teacher.held+n > t.limit {
		if !t.teacher.dropOldest() {
			return false
		}
	}
	return true
}

// reading returns the reading a record is about, nil if there are too many.
func (t *tracker) reading(p *program, e *event) *reading {
	key := readingKey{ino: e.File.Ino, dev: e.File.Dev, tgid: e.Tgid}
	r := p.readings[key]
	if r == nil {
		if len(p.readings) >= maxReadings && !t.shed(p) {
			t.count(lostMemory)
			return nil
		}
		now := t.clock.wall(e.Time)
		r = &reading{key: key, own: e.Tgid == p.id.Tgid, time: now}
		p.readings[key] = r
	}
	if !r.stream && r.file != e.File && r.file != (probeFileKey{}) {
		// It changed, or its number is another file's now.
		r.finished = false
		if r.text != nil {
			r.text.size = int64(e.File.Size)
		}
	}
	r.file, r.mode, r.magic, r.fd = e.File, e.Mode, e.Magic, e.Fd
	r.stream = e.Flags&probeRecordFlagFLAG_STREAM != 0
	r.writers = r.writers || e.Flags&probeRecordFlagFLAG_WRITERS != 0
	r.touched, r.readAt = p.touched, e.Time
	return r
}

// shed forgets a reading of a program that has too many: one that was dealt
// with, or else the one that rested longest.
func (t *tracker) shed(p *program) bool {
	var oldest *reading
	for key, r := range p.readings {
		if r.finished && r.text == nil {
			delete(p.readings, key)
			return true
		}
		if oldest == nil || r.touched.Before(oldest.touched) {
			oldest = r
		}
	}
	if oldest == nil {
		return false
	}
	t.count(lostMemory)
	t.drop(oldest)
	delete(p.readings, oldest.key)
	return true
}

// haveRead deals with a file whose content is known.
func (t *tracker) haveRead(p *program, r *reading, state probeFileState) {
	if r.finished {
		return
	}
	var content []byte
	ok := false
	if state == probeFileStateFILE_HAVE {
		content, ok = t.teacher.content(r.file)
		if !ok {
			t.teacher.forget(r.file)
		}
	}
	if !ok {
		if r.path == "" || (p.exec != nil && !t.wanted(p, r)) {
			return
		}
		content, ok = t.looker.readFile(p, r)
	}
	if !ok {
		r.lost = lostEvicted
		t.count(lostEvicted)
		return
	}
	if !t.room(len(content)) {
		r.lost = lostMemory
		t.count(lostMemory)
		return
	}
	t.drop(r)
	r.text = newText(int64(r.file.Size))
	t.memory += r.text.write(0, content)
	r.text.eof(int64(r.file.Size))
	t.consider(p, r)
}

// wanted reports whether a file could be a script of the program.
func (t *tracker) wanted(p *program, r *reading) bool {
	if p.done {
		return isModuleName(r.path) && !inLibrary(p.exec.process.Exe, r.path)
	}
	return p.exec.matches(r) || !inLibrary(p.exec.process.Exe, r.path)
}

// handleExit deals with the end of a process.
func (t *tracker) handleExit(e *event) {
	p, ok := t.programs.get(e.Program)
	if !ok {
		if e.Tgid != e.Program.Tgid {
			return
		}
		p = t.program(e.Program)
	}
	p.lost |= e.Lost
	if e.Tgid == p.id.Tgid {
		p.gone = true
		if p.exec != nil {
			t.finish(p, lostEarly)
		}
	}
	for key, r := range p.readings {
		if key.tgid == e.Tgid && (p.exec != nil || !r.own) {
			t.drop(r)
			delete(p.readings, key)
		}
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
			t.end(p, lostEarly)
		}
		return true
	})
}

// flush ends everything, because the sensor stops.
func (t *tracker) flush() {
	t.programs.each(func(_ probeProgram, p *program) bool {
		t.end(p, lostStopped)
		t.release(p)
		return true
	})
}
