package classify

import (
	"bytes"
	"math/bits"
	"slices"

	"kingsnake/normalize"
)

// shape counts what a block looks like.
type shape struct {
	tokens      int32 // of code
	imports     int32
	semicolons  int32
	definitions int32
	names       int32
	oddNames    int32 // of letters that look alike, or of random ones
	texts       int32 // bytes in strings
	longest     int32 // string
	longTexts   int32 // strings of 200 bytes and more without a space
	comments    int32 // bytes
	hidden      int32 // tokens behind a wide gap in their line
	size        int32 // bytes
	lines       int32 // that end in it
	widest      int32 // line of the script itself that ends in it
}

// add makes s the shape of two pieces of code together.
func (s *shape) add(t *shape) {
	s.tokens += t.tokens
	s.imports += t.imports
	s.semicolons += t.semicolons
	s.definitions += t.definitions
	s.names += t.names
	s.oddNames += t.oddNames
	s.texts += t.texts
	s.longest = max(s.longest, t.longest)
	s.longTexts += t.longTexts
	s.comments += t.comments
	s.hidden += t.hidden
	s.size += t.size
	s.lines += t.lines
	s.widest = max(s.widest, t.widest)
}

// measure adds to the blocks of a layer what is not seen token by token. The
// layer's first token is at place.
func measure(blocks []block, l *normalize.Layer, place int32) {
	if len(blocks) == 0 {
		return
	}
	end, line := int32(0), int32(0) // of the token before, and where the line begins
	b := 0
	read := func(to int32) {
		s := &blocks[b].shape
		s.size += to - end
		for end < to {
			n := bytes.IndexByte(l.Text[end:to], '\n')
			if n < 0 {
				break
			}
			end += int32(n) + 1
			s.lines++
			if l.Depth == 0 {
				s.widest = max(s.widest, end-line)
			}
			line = end
		}
		end = to
	}
	for k, t := range l.Tokens {
		for b < len(blocks)-1 && place+int32(k) >= blocks[b].place {
			b++
		}
		s := &blocks[b].shape
		switch {
		case t.Kind == normalize.Comment:
			s.comments += t.End - t.Start
		case t.Start-end > 80 && t.Kind != normalize.Newline && bytes.IndexByte(l.Text[end:t.Start], '\n') < 0:
			s.hidden++
		}
		read(t.End)
	}
	read(int32(len(l.Text)))
	s := &blocks[len(blocks)-1].shape
	s.lines++
	if l.Depth == 0 {
		s.widest = max(s.widest, end-line)
	}
}

// name counts a name, and whether it looks as if nobody had thought it up.
func (s *shape) name(word []byte) {
	s.names++
	if len(word) < 6 {
		return
	}
	alike, digits, upper := 0, 0, 0
	for _, c := range word {
		kind := byteKinds[c]
		upper += int(kind & upperKind >> 1)
		digits += int(kind & digitKind >> 2)
		alike += int(kind & alikeKind >> 3)
	}
	if alike*10 >= len(word)*9 || digits*3 >= len(word) && digits >= 3 || len(word) >= 12 && upper*3 >= len(word) && upper*3 <= 2*len(word) {
		s.oddNames++
	}
}

// text counts a string.
func (s *shape) text(text []byte) {
	s.texts += int32(len(text))
	s.longest = max(s.longest, int32(len(text)))
	if len(text) >= 200 && bytes.IndexByte(text[:200], ' ') < 0 {
		s.longTexts++
	}
}

// marks appends the shape's marks to to.
func (s *shape) marks(to []uint32) []uint32 {
	add := func(name uint64, v int) { to = append(to, hashMark(join(name, uint64(v)))) }
	log := func(n int32) int { return bits.Len32(uint32(n)) }
	part := func(n, of int32) int { return int(min(8*int64(n)/int64(max(of, 1)), 8)) }
	add(hashTokens, log(s.tokens))
	add(hashImports, log(s.imports))
	add(hashDefinitions, log(s.definitions))
	add(hashSemicolons, log(s.semicolons))
	add(hashWidest, log(s.widest)/2)
	add(hashLine, log(s.size/max(s.lines, 1)))
	add(hashLongest, log(s.longest)/2)
	add(hashLongTexts, log(s.longTexts))
	add(hashTexts, part(s.texts, s.size))
	add(hashOddNames, part(2*s.oddNames, s.names))
	add(hashCommented, min(part(2*s.comments, s.size), 2))
	if s.hidden > 0 {
		add(hashGaps, 1)
	}
	return to
}

// The names of the marks of a shape.
var (
	hashTokens      = hashBytes("tokens")
	hashImports     = hashBytes("imports")
	hashDefinitions = hashBytes("definitions")
	hashSemicolons  = hashBytes("semicolons")
	hashWidest      = hashBytes("widest")
	hashLine        = hashBytes("line")
	hashLongest     = hashBytes("longest")
	hashLongTexts   = hashBytes("long texts")
	hashTexts       = hashBytes("texts")
	hashOddNames    = hashBytes("odd names")
	hashCommented   = hashBytes("commented")
	hashGaps        = hashBytes("gaps")
)

// maxPeeled bounds the layers whose peeling is marked.
const maxPeeled = 64

// peelMarks appends marks of how many layers were peeled out of a script, by
// what, and how deep they lay.
func peelMarks(to []uint32, text normalize.Text) []uint32 {
	add := func(name string, v int) {
		to = append(to, hashMark(join(hashBytes(name), uint64(v))))
	}
	n := len(text.Layers)
	if n < 2 {
		return to
	}
	add("layers", bits.Len(uint(n-1)))
	depth := 0
	for i := range text.Layers {
		l := &text.Layers[i]
		if i > 0 && i < maxPeeled {
			add("by "+l.Transform, 0)
			if l.Executed {
				add("executed "+l.Transform, 0)
			}
		}
		depth = max(depth, l.Depth)
	}
	if depth > 0 {
		add("depth", min(depth, 6))
	}
	slices.Sort(to)
	return slices.Compact(to)
}
