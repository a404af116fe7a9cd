//go:build amd64 || arm64

package sensor

import (
	"bytes"
	"time"
)

// What marshal.load reads of a file comes in the order it was read: first what was
// read ahead, as RECORD_LOAD, then the reads. Where the code ends is not said: it
// is taken to be there when all of the file is, when nothing more is read for a
// while, when the process ends, or when the thread loads from the file again. If
// more is read after that while, all of it comes once more.

// loadKey names a file that a thread loads from.
type loadKey struct {
	program        probeProgram
	ino            uint64
	dev, tgid, tid uint32
}

func loadKeyOf(e *event) loadKey { return loadKey{e.Program, e.File.Ino, e.File.Dev, e.Tgid, e.Tid} }

// loading is what was read for one call of marshal.load, as far as it has come.
type loading struct {
	program *program
	tgid    uint32
	time    uint64
	from    int64 // where in the file it begins; negative if what was read ahead lies elsewhere
	text    *text // nil when it was given up after it was kept
	kept    int   // bytes of it that were put in line to be delivered
	rests   bool  // nothing was read of it for a while
	full    bool  // there was no memory for all of it
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
		t.endLoad(key, l)
	}
	if _, ok := t.loading.get(key); !ok {
		from := int64(e.Offset)
		size := max(0, int64(e.File.Size)-from) // the files of /proc have none
		t.loading.put(key, &loading{program: p, tgid: e.Tgid, time: e.Time, from: from, text: newText(size)})
	}
	t.addLoaded(p, e)
}

// addLoaded adds what was read of a file to what is loaded of it.
func (t *tracker) addLoaded(p *program, e *event) {
	key := loadKeyOf(e)
	l, ok := t.loading.get(key)
	if !ok { // all of it has come
		if p.evicted && len(e.data) > 0 { // or it was given up
			p.evicted = false
			t.tellLoad(&loading{program: p, time: e.Time}, nil, lostCompiledMany)
		}
		return
	}
	at := int64(e.Offset) - l.from
	if at < 0 {
		return
	}
	l.touched, l.rests = p.touched, false
	switch {
	case l.text == nil:
		if at == int64(l.kept) && len(e.data) > 0 { // it goes on after all
			t.loading.remove(key)
			t.tellLoad(l, nil, lostMemory)
		}
		return
	case e.Kind == probeRecordKindRECORD_EOF:
		l.text.eof(at)
	default:
		l.full = !t.write(l.text, at, e) || l.full
	}
	if l.text.whole() {
		t.endLoad(key, l)
	}
}

// keepLoaded puts what was loaded in line to be delivered, if it begins with code
// and more has come than was put there before.
func (t *tracker) keepLoaded(l *loading, lost string) {
	if l.text == nil || l.kept > 0 && len(l.text.bytes) <= l.kept {
		return
	}
	code := bytes.Clone(l.text.content(0))
	l.kept = len(l.text.bytes)
	switch start := l.text.start(); {
	case len(code) == 0 && l.text.end >= 0: // it was at the end of the file
		return
	case len(code) == 0: // it was not the file that was read
		lost = t.reason(l.program, nil, lostLoad)
	case start == 0 && code[0]&0x7f != 'c':
		t.dropLoaded(l)
		l.kept = -1 // whatever comes
		return
	case l.full:
		lost = lostMemory
	case len(l.text.spans) > 1 || start > 0:
		lost = t.reason(l.program, nil, lostCompiledEarly)
	case !l.text.whole():
		lost = t.reason(l.program, nil, lost)
	}
	t.tellLoad(l, code, lost)
}

// tellLoad puts code in line to be delivered, or has it said why there is none.
func (t *tracker) tellLoad(l *loading, code []byte, lost string) {
	if len(code) == 0 {
		t.count(lostIncomplete)
		t.sayUncaptured(l.program, l.time, lost)
		return
	}
	t.memory += len(code)
	c := &compiling{program: l.program, text: code, flags: probeCompiledFlagCOMPILED_MARSHAL}
	if l.text != nil && l.text.truncated {
		c.flags |= probeCompiledFlagCOMPILED_CUT
	}
	t.keepCompiled(c, compiledKey{time: l.time}, lost)
}

// endLoad ends a load of which nothing more is expected.
func (t *tracker) endLoad(key loadKey, l *loading) {
	t.loading.remove(key)
	t.keepLoaded(l, "")
	t.dropLoaded(l)
}

// dropLoaded frees the text of a load.
func (t *tracker) dropLoaded(l *loading) {
	if l.text != nil {
		t.memory -= len(l.text.bytes)
		l.text = nil
	}
}

// evictLoad ends a load because there are too many.
func (t *tracker) evictLoad(_ loadKey, l *loading) {
	if l.rests {
		l.program.evicted = true // it may go on
	} else {
		t.count(lostCompiledMany)
		t.keepLoaded(l, lostCompiledMany)
	}
	t.dropLoaded(l)
}

// endLoading ends the loads that f says.
func (t *tracker) endLoading(f func(*loading) bool) {
	t.loading.each(func(key loadKey, l *loading) bool {
		if f(l) {
			t.endLoad(key, l)
		}
		return true
	})
}

// sweepLoading puts in line those of which nothing is read for a while. They go on
// if more is, as long as there is room for them.
func (t *tracker) sweepLoading(now time.Time) {
	t.loading.each(func(_ loadKey, l *loading) bool {
		if !l.rests && now.Sub(l.touched) > compiledWait {
			t.keepLoaded(l, "")
			l.rests = true
		}
		return true
	})
}

// giveUpLoaded frees the text of a load that rests. It reports whether there was one.
func (t *tracker) giveUpLoaded() (found bool) {
	t.loading.each(func(_ loadKey, l *loading) bool {
		if found = l.rests && l.text != nil; found {
			t.dropLoaded(l)
		}
		return !found
	})
	return found
}
