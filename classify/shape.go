package classify

import (
	"bytes"
	"math/bits"

	"kingsnake/normalize"
)

// shape counts what a script looks like as a whole.
type shape struct {
	place       int32 // tokens of the layers read so far
	imports     int
	semicolons  int
	definitions int
	names       int
	oddNames    int // of letters that look alike, or of random ones
	texts       int // bytes in strings
	longest     int // string
	longTexts   int // strings of 200 bytes and more without a space
	comments    int // bytes
	hidden      int // tokens behind a wide gap in their line
	size        int
	lines       int
	widest      int // line of the script itself
}

// layer measures a layer's text.
func (s *shape) layer(l *normalize.Layer) {
	s.size += len(l.Text)
	s.lines += bytes.Count(l.Text, []byte{'\n'}) + 1
	for rest := l.Text; len(rest) > 0 && l.Depth == 0; {
		n := bytes.IndexByte(rest, '\n')
		if n < 0 {
			n = len(rest) - 1
		}
		s.widest = max(s.widest, n+1)
		rest = rest[n+1:]
	}
	end := int32(0)
	for _, t := range l.Tokens {
		if t.Kind == normalize.Comment {
			s.comments += int(t.End - t.Start)
		} else if t.Start-end > 80 && t.Kind != normalize.Newline && bytes.IndexByte(l.Text[end:t.Start], '\n') < 0 {
			s.hidden++
		}
		end = t.End
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
	s.texts += len(text)
	s.longest = max(s.longest, len(text))
	if len(text) >= 200 && bytes.IndexByte(text[:200], ' ') < 0 {
		s.longTexts++
	}
}

// marks appends the shape's marks to to.
func (s *shape) marks(to []uint32, text normalize.Text, tokens int) []uint32 {
	add := func(name string, v int) {
		to = append(to, hashMark(join(hashBytes(name), uint64(v))))
	}
	log := func(n int) int { return bits.Len(uint(n)) }
	part := func(n, of int) int { return min(8*n/max(of, 1), 8) }
	add("tokens", log(tokens))
	add("imports", log(s.imports))
	add("definitions", log(s.definitions))
	add("semicolons", log(s.semicolons))
	add("widest", log(s.widest)/2)
	add("line", log(s.size/max(s.lines, 1)))
	add("longest", log(s.longest)/2)
	add("long texts", log(s.longTexts))
	add("texts", part(s.texts, s.size))
	add("odd names", part(s.oddNames*2, s.names))
	add("commented", min(log(s.comments*16/max(s.size, 1)), 2))
	if s.hidden > 0 {
		add("hidden", 1)
	}
	if len(text.Layers) > 1 {
		add("layers", log(len(text.Layers)-1))
	}
	depth := 0
	for i := range text.Layers {
		l := &text.Layers[i]
		if i > 0 && i < 64 {
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
	return to
}
