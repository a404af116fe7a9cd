package sensor

import "kingsnake/capture"

// maxSpans is the most separate pieces of one file that are put together. An
// interpreter reads a source file front to back and an archive in a few jumps.
const maxSpans = 256

// span is the part [from, to) of a file.
type span struct{ from, to int64 }

// text is a file or stream as far as it has been read, put together by offset.
// A byte read twice has the value read last.
type text struct {
	bytes []byte // up to the end of the last span; a gap holds zeros
	spans []span // what bytes holds: sorted, disjoint, not touching
	size  int64  // of the file; 0 when it has none, as a stream
	end   int64  // where a read returned nothing; -1 when none did

	inOrder int64 // how much of it was read in order since it was last begun

	truncated bool  // there is more than capture.MaxText
	total     int64 // the highest offset known to exist
}

func newText(size int64) *text { return &text{size: size, end: -1, total: size} }

// write puts data at offset and returns by how much the text grew. Bytes
// beyond capture.MaxText are left out.
func (t *text) write(offset int64, data []byte) (grown int) {
	if offset < 0 || len(data) == 0 {
		return 0
	}
	last := offset + int64(len(data))
	t.total = max(t.total, last)
	if last > capture.MaxText {
		t.truncated = true
		if offset >= capture.MaxText {
			return 0
		}
		last = capture.MaxText
		data = data[:last-offset]
	}
	if !t.cover(span{offset, last}) {
		return 0
	}
	if n := int(last) - len(t.bytes); n > 0 {
		grown = n
		t.bytes = append(t.bytes, make([]byte, n)...)
	}
	copy(t.bytes[offset:last], data)
	if offset == 0 || offset == t.inOrder {
		t.inOrder = last
	}
	return grown
}

// cover adds a span, and reports false if there would be too many.
func (t *text) cover(s span) bool {
	i := 0
	for i < len(t.spans) && t.spans[i].to < s.from {
		i++
	}
	j := i
	for j < len(t.spans) && t.spans[j].from <= s.to {
		s.from = min(s.from, t.spans[j].from)
		s.to = max(s.to, t.spans[j].to)
		j++
	}
	if i == j {
		if len(t.spans) >= maxSpans {
			return false
		}
		t.spans = append(t.spans, span{})
		copy(t.spans[i+1:], t.spans[i:])
		t.spans[i] = s
		return true
	}
	t.spans[i] = s
	t.spans = append(t.spans[:i+1], t.spans[j:]...)
	return true
}

// eof notes that a read at offset returned nothing.
func (t *text) eof(offset int64) {
	t.end = max(t.end, offset)
	t.total = max(t.total, offset)
}

// whole reports whether nothing is missing: everything up to the file's size,
// or to the end that a read met.
func (t *text) whole() bool { return t.wholeFrom(0) }

// wholeFrom is whole for a text whose reader began at from.
func (t *text) wholeFrom(from int64) bool {
	size := t.size
	if size == 0 {
		size = t.end
	}
	if size < 0 {
		return false
	}
	size = min(size, capture.MaxText)
	if size <= from {
		return t.size > 0 || t.end >= 0
	}
	return len(t.spans) > 0 && t.spans[0].from <= from && t.spans[0].to >= size
}

// start is where reading began: the lowest offset that was read.
func (t *text) start() int64 {
	if len(t.spans) == 0 {
		return 0
	}
	return t.spans[0].from
}

// content returns what was read from from on, one piece after the other.
func (t *text) content(from int64) []byte {
	if len(t.spans) == 0 {
		return nil
	}
	if len(t.spans) == 1 && t.spans[0].from <= from {
		return t.bytes[min(from, int64(len(t.bytes))):]
	}
	var out []byte
	for _, s := range t.spans {
		if s.to > from {
			out = append(out, t.bytes[max(s.from, from):s.to]...)
		}
	}
	return out
}
