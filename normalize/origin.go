package normalize

import (
	"bytes"
	"sort"
)

// piece says where a stretch of a value comes from: its bytes from value up to
// the value of the next piece were made of bytes [start, end) of the parent's
// text. Where both stretches are equally long they are the same bytes one to
// one.
type piece struct {
	value, start, end int32
}

// Origin maps a span of layer i back to the span of the script, Layers[0],
// that it came from. Where bytes cannot be followed one by one, as through
// base64, the whole literal is given. The result lies inside the script, and
// is empty only where s is.
func (t *Text) Origin(i int, s Span) Span {
	for i > 0 && i < len(t.Layers) {
		s = t.Layers[i].up(s)
		i = t.Layers[i].Parent
	}
	size := len(t.lines.text)
	s.Start = min(max(s.Start, 0), size)
	s.End = min(max(s.End, s.Start), size)
	return s
}

// up maps a span of the layer to a span of its parent.
func (l *Layer) up(s Span) Span {
	if len(l.pieces) == 0 {
		return l.Site
	}
	s.Start = min(max(s.Start, 0), len(l.Text))
	s.End = min(max(s.End, s.Start), len(l.Text))
	last := s.End - 1
	if s.End == s.Start {
		last = s.Start
	}
	from := l.pieceAt(s.Start)
	to := l.pieceAt(last)
	out := Span{from.Start, from.End}
	if from.exact {
		out.Start += s.Start - from.value
		if from.index == to.index {
			out.End = out.Start + 1
		}
	}
	// Pieces may stand in another order than in the parent, so the result is
	// the hull of all that are touched.
	for k := from.index + 1; k < to.index; k++ {
		out.Start = min(out.Start, int(l.pieces[k].start))
		out.End = max(out.End, int(l.pieces[k].end))
	}
	if to.exact {
		to.End = to.Start + last - to.value + 1
		if from.index == to.index {
			to.Start = to.End - 1
		}
	}
	out.Start, out.End = min(out.Start, to.Start), max(out.End, to.End)
	if s.Start == s.End {
		out.End = out.Start
	}
	return out
}

// foundPiece is a piece and what follows from its neighbor.
type foundPiece struct {
	Span
	index int
	value int
	exact bool
}

// pieceAt finds the piece that byte i of the layer belongs to.
func (l *Layer) pieceAt(i int) foundPiece {
	k := sort.Search(len(l.pieces), func(k int) bool { return int(l.pieces[k].value) > i }) - 1
	k = max(k, 0)
	p := l.pieces[k]
	end := len(l.Text)
	if k+1 < len(l.pieces) {
		end = int(l.pieces[k+1].value)
	}
	return foundPiece{
		Span:  Span{int(p.start), int(p.end)},
		index: k,
		value: int(p.value),
		exact: i >= int(p.value) && end-int(p.value) == int(p.end-p.start),
	}
}

// lineBlock is the stretch for which the index keeps one count.
const lineBlock = 4096

// lineIndex counts the lines of a text: counts[k] line ends stand before byte
// k*lineBlock.
type lineIndex struct {
	text   []byte
	counts []int32
}

// indexLines counts the lines of text as Python does: they end with a line
// feed, a carriage return or both.
func indexLines(text []byte) lineIndex {
	x := lineIndex{text: text, counts: make([]int32, len(text)/lineBlock+1)}
	for k := 1; k < len(x.counts); k++ {
		x.counts[k] = x.counts[k-1] + int32(lineEnds(text, (k-1)*lineBlock, k*lineBlock))
	}
	return x
}

// lineEnds counts the line ends of text[from:to]. The carriage return of a
// pair does not count, wherever the block ends.
func lineEnds(text []byte, from, to int) int {
	block := text[from:to]
	n := bytes.Count(block, []byte{'\n'})
	if returns := bytes.Count(block, []byte{'\r'}); returns > 0 {
		n += returns - bytes.Count(block, []byte("\r\n"))
		if block[len(block)-1] == '\r' && to < len(text) && text[to] == '\n' {
			n--
		}
	}
	return n
}

// Line returns the line of the script, counted from 1, on which the byte at
// offset stands. An offset outside the script counts as its nearest end.
func (t *Text) Line(offset int) int {
	if len(t.lines.counts) == 0 {
		return 1
	}
	offset = min(max(offset, 0), len(t.lines.text))
	k := offset / lineBlock
	return 1 + int(t.lines.counts[k]) + lineEnds(t.lines.text, k*lineBlock, offset)
}

// SourceLine is the line of the source, counted from 1, that the byte at offset
// of the layer's text was compiled from, as the compiled code has it. It is 0
// where that is not known, and in layers that were not written from compiled
// code.
func (l *Layer) SourceLine(offset int) int { return l.lines.At(offset) }

// LineSpan returns the bytes of a line of the script, counted from 1, without
// its end. The span of a line that does not exist is empty.
func (t *Text) LineSpan(line int) Span {
	text := t.lines.text
	before := line - 1
	k := sort.Search(len(t.lines.counts), func(k int) bool { return int(t.lines.counts[k]) >= before }) - 1
	if before < 0 || len(t.lines.counts) == 0 {
		return Span{}
	}
	k = max(k, 0)
	i := k * lineBlock
	for n := int(t.lines.counts[k]); n < before; n++ {
		if i = lineEnd(text, i); i == len(text) {
			return Span{i, i}
		}
		if text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n' {
			i++
		}
		i++
	}
	return Span{i, lineEnd(text, i)}
}
