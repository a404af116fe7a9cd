//go:build amd64 || arm64

package sensor

import (
	"time"

	"kingsnake/capture/python"
)

const (
	maxReadings = 1024     // of one program at once
	head        = 64 << 10 // what of each file goes before the rest: HEAD in record.h
)

// readingKey is one file as one process reads it.
type readingKey struct {
	ino  uint64
	dev  uint32
	tgid uint32
}

// reading is what was read of one file. Its text is put together until it is whole.
// Then it waits, if need be, until it is known what its program is and where the
// library of that lies; it is dealt with, and finished. When the file changes, the
// reading is finished no longer, and goes on with the text that there is; that of a
// module is begun anew when it is read from its beginning.
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
	sought   bool // its compiled form was looked for first
	begun    int  // how often it was read from its beginning
	script   bool // it is, or takes the place of, the script that was delivered
	foreign  bool // but it does not lie where the script was asked for
	upper    bool // it lies in an overlay's upper layer
	finished bool // it was whole, and has been dealt with
	age      textAge
	have     probeFileState // what the kernel half knew of it
	lost     string
	time     time.Time // of its first read
	touched  time.Time
	readAt   uint64 // of the last read, nanoseconds since boot
	text     *text
}

// textAge says whether the text of a reading is of the file as it is now.
type textAge uint8

const (
	textCurrent  textAge = iota
	textReplaced         // the file has changed since the text was begun
	textUnseen           // and the text was whole by then, but had not been dealt with
)

// change notes that a file has changed, or that its number is another file's now.
func (r *reading) change(now probeFileKey) {
	switch {
	case r.age == textUnseen:
	case r.text != nil && r.text.whole() && !r.finished:
		r.age = textUnseen
	default:
		r.age = textReplaced
	}
	if r.text != nil {
		r.text.size = int64(now.Size)
	}
	r.finished = false
}

// textSize is the size that makes a reading whole: a stream has none, and
// neither have the files of /proc.
func (r *reading) textSize() int64 {
	if r.stream {
		return 0
	}
	return int64(r.file.Size)
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
		now := t.clock.Wall(e.Time)
		r = &reading{key: key, own: e.Tgid == p.id.Tgid, time: now}
		p.readings[key] = r
	}
	if !r.stream && r.file != e.File && r.file != (probeFileKey{}) {
		r.change(e.File)
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

// drop frees a reading's text.
func (t *tracker) drop(r *reading) {
	if r.text != nil {
		t.memory -= len(r.text.bytes)
		r.text = nil
	}
}

// addData adds the bytes of one read.
func (t *tracker) addData(p *program, r *reading, e *event) {
	if r.age != textCurrent && e.Offset == 0 {
		t.beginAnew(r)
	}
	if r.text == nil {
		if r.finished && p.done && (e.Offset != 0 || !python.IsModule(r.path)) {
			return // read again, after it was dealt with
		}
		r.text = newText(r.textSize())
		r.finished = false
	}
	t.addRead(r, e)
}

// beginAnew has the text of a module begin anew, because another one lies there now.
func (t *tracker) beginAnew(r *reading) {
	if r.text != nil && python.IsModule(r.path) {
		if r.age == textUnseen {
			t.count(lostIncomplete)
		}
		t.drop(r)
	}
	r.age = textCurrent
}

// addRead adds them to the text that was begun.
func (t *tracker) addRead(r *reading, e *event) {
	before := len(r.text.spans)
	switch {
	case !t.write(r.text, int64(e.Offset), e):
		r.lost = lostMemory
	case before == maxSpans && len(r.text.spans) == maxSpans:
		r.lost = lostPieces
	}
}

// write puts the bytes of a record into a text. It reports false, and counts, if
// there is no memory for them.
func (t *tracker) write(x *text, at int64, e *event) bool {
	if e.Flags&probeRecordFlagFLAG_TRUNCATED != 0 {
		x.truncated = true
	}
	keep := 0
	if at >= head {
		keep = t.limit / 4 // for short scripts
	}
	if !t.room(len(e.data) + keep) {
		t.count(lostMemory)
		return false
	}
	t.memory += x.write(at, e.data)
	return true
}
