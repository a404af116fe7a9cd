//go:build amd64 || arm64

package sensor

import "time"

// What marshal.load reads of a file comes in the order it was read: first what was
// read ahead, as RECORD_LOAD, then the reads. Where the code ends is not said: it
// is taken to be there when all of the file is, when nothing more is read for a
// while, when the process ends, or when it loads from the file again.

// loadKey names a file that a process loads from.
type loadKey struct {
	program   probeProgram
	ino       uint64
	dev, tgid uint32
}

func loadKeyOf(e *event) loadKey { return loadKey{e.Program, e.File.Ino, e.File.Dev, e.Tgid} }

// loading is what was read for one call of marshal.load, as far as it has come.
type loading struct {
	program *program
	tgid    uint32
	time    uint64
	from    uint64 // where in the file it begins
	text    *text
	full    bool // there was no memory for all of it
	touched time.Time
}

// handleLoad deals with what was read ahead; the first record of a load says where
// it begins.
func (t *tracker) handleLoad(e *event) {
	p := t.program(e)
	if p == nil {
		return
	}
	p.lost |= e.Lost
	key := loadKeyOf(e)
	if l, ok := t.loading.get(key); ok && l.time != e.Time {
		t.loading.remove(key)
		t.keepLoaded(l)
	}
	if _, ok := t.loading.get(key); !ok && e.Offset < e.File.Size {
		t.loading.put(key, &loading{program: p, tgid: e.Tgid, time: e.Time, from: e.Offset, text: newText(int64(e.File.Size - e.Offset))})
	}
	t.addLoaded(p, e)
}

// addLoaded adds what was read of a file to what is loaded of it.
func (t *tracker) addLoaded(p *program, e *event) {
	key := loadKeyOf(e)
	l, ok := t.loading.get(key)
	if !ok {
		return // all of it has come
	}
	l.touched = p.touched
	if e.Offset < l.from || e.Kind == probeRecordKindRECORD_EOF {
		return
	}
	keep := 0
	if e.Offset-l.from >= head {
		keep = t.limit / 4 // for short scripts
	}
	if !t.room(len(e.data) + keep) {
		l.full = true
		t.count(lostMemory)
		return
	}
	t.memory += l.text.write(int64(e.Offset-l.from), e.data)
	if l.text.whole() {
		t.loading.remove(key)
		t.keepLoaded(l)
	}
}

// keepLoaded puts what was loaded in line to be delivered, if it begins with code.
func (t *tracker) keepLoaded(l *loading) {
	code, lost := l.text.content(0), ""
	t.memory -= len(l.text.bytes)
	if len(code) == 0 || l.text.start() == 0 && code[0]&0x7f != 'c' {
		return
	}
	switch {
	case l.full:
		lost = lostMemory
	case len(l.text.spans) > 1 || l.text.start() > 0:
		lost = lostCompiledEarly
		fallthrough
	case !l.text.whole() && l.program.lost != 0:
		lost = t.reason(l.program, nil, lost)
	}
	t.memory += len(code)
	c := &compiling{program: l.program, text: code, flags: probeCompiledFlagCOMPILED_MARSHAL}
	if l.text.truncated {
		c.flags |= probeCompiledFlagCOMPILED_CUT
	}
	t.keepCompiled(c, compiledKey{time: l.time}, lost)
}

// endLoading ends the loads that f says.
func (t *tracker) endLoading(f func(*loading) bool) {
	t.loading.each(func(key loadKey, l *loading) bool {
		if f(l) {
			t.loading.remove(key)
			t.keepLoaded(l)
		}
		return true
	})
}

// sweepLoading ends those of which nothing more is read.
func (t *tracker) sweepLoading(now time.Time) {
	t.endLoading(func(l *loading) bool { return now.Sub(l.touched) > compiledWait })
}
