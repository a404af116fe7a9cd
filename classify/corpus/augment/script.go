package augment

import (
	"bytes"
	"slices"

	"kingsnake/normalize"
)

// script is a text as the steps see it: tokens in logical lines.
type script struct {
	text   []byte
	tokens []normalize.Token
	lines  []line
}

// line is one logical line. Python looks only at the white space before its
// first token: the lines it continues on are indented as they like.
type line struct {
	from, to   int // its tokens, the line end left out
	start, end int // its bytes, without a comment behind it
	begin      int // where the physical line begins that it begins on
	width      int // of its indentation
}

func read(text []byte) *script {
	s := &script{text: text, tokens: normalize.Lex(text)}
	from := -1
	finish := func(to int) {
		if from < 0 {
			return
		}
		l := line{from: from, to: to, start: int(s.tokens[from].Start)}
		for i := to - 1; i >= from; i-- {
			if s.tokens[i].Kind != normalize.Comment {
				l.end = int(s.tokens[i].End)
				break
			}
		}
		l.begin = bytes.LastIndexAny(text[:l.start], "\r\n") + 1
		for _, c := range text[l.begin:l.start] {
			if c == '\t' {
				l.width += 8 - l.width%8
			} else {
				l.width++
			}
		}
		s.lines = append(s.lines, l)
		from = -1
	}
	for i, t := range s.tokens {
		switch {
		case t.Kind == normalize.Newline:
			finish(i)
		case t.Flags&normalize.First != 0:
			finish(i)
			from = i
		}
	}
	finish(len(s.tokens))
	return s
}

// word returns the spelling of token i, or "" behind the end.
func (s *script) word(i int) string {
	if i < 0 || i >= len(s.tokens) {
		return ""
	}
	return string(s.tokens[i].Bytes(s.text))
}

// first returns the first word of a line.
func (s *script) first(l line) string { return s.word(l.from) }

// chunks cuts the script into its statements at the outermost level, each with
// all that belongs to it: the line at which each starts.
func (s *script) chunks() []int {
	var starts []int
	for i, l := range s.lines {
		if l.width == 0 && s.mayInsert(i) {
			starts = append(starts, i)
		}
	}
	return starts
}

// mayInsert reports whether a statement may be put before line i.
func (s *script) mayInsert(i int) bool {
	switch s.first(s.lines[i]) {
	case "else", "elif", "except", "finally", "case":
		return false
	}
	return i == 0 || s.first(s.lines[i-1]) != "@"
}

// statements cuts a line at its semicolons.
func (s *script) statements(l line) []line {
	var list []line
	depth, from := 0, l.from
	for i := l.from; i < l.to; i++ {
		switch s.word(i) {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		case ";":
			if depth == 0 && i > from {
				list = append(list, line{from: from, to: i, width: l.width})
				from = i + 1
			}
		}
	}
	if from < l.to {
		list = append(list, line{from: from, to: l.to, width: l.width})
	}
	return list
}

// compound reports whether a line starts a statement that holds others.
func (s *script) compound(l line) bool {
	switch s.first(l) {
	case "if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class", "async", "match", "case", "@":
		return true
	}
	return s.word(l.to-1) == ":" // a block of a Python that is not known
}

// future reports whether a line is an import that must come first.
func (s *script) future(l line) bool {
	return s.first(l) == "from" && s.word(l.from+1) == "__future__"
}

// any reports whether one of some words stands anywhere in the script.
func (s *script) any(words ...string) bool {
	for _, t := range s.tokens {
		if (t.Kind == normalize.Name || t.Kind == normalize.Keyword) && slices.Contains(words, string(t.Bytes(s.text))) {
			return true
		}
	}
	return false
}

// starImport reports whether all names of a module are imported.
func (s *script) starImport() bool {
	for _, l := range s.lines {
		if s.first(l) == "from" && s.word(l.to-1) == "*" {
			return true
		}
	}
	return false
}

// old reports whether the script prints or executes as Python 2 does.
func (s *script) old() bool {
	for _, l := range s.lines {
		if w := s.first(l); (w == "print" || w == "exec") && l.from+1 < l.to {
			switch s.tokens[l.from+1].Kind {
			case normalize.Name, normalize.String, normalize.Number:
				return true
			}
		}
	}
	return false
}

// broken reports whether there is something in the script that Python could
// not read.
func (s *script) broken() bool {
	for _, t := range s.tokens {
		if t.Kind == normalize.Other || t.Kind == normalize.Skipped || t.Flags&normalize.Open != 0 {
			return true
		}
	}
	return false
}

// edit replaces the bytes [start, end).
type edit struct {
	start, end int
	with       string
}

// apply makes edits that do not overlap, in any order.
func apply(text []byte, edits []edit) []byte {
	if len(edits) == 0 {
		return nil
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return a.start - b.start })
	out := make([]byte, 0, len(text)+len(text)/4)
	at := 0
	for _, e := range edits {
		out = append(out, text[at:e.start]...)
		out = append(out, e.with...)
		at = e.end
	}
	return append(out, text[at:]...)
}

// indented returns the script one level deeper.
func (s *script) indented(by string) []byte {
	edits := make([]edit, len(s.lines))
	for i, l := range s.lines {
		edits[i] = edit{l.begin, l.begin, by}
	}
	return apply(s.text, edits)
}

// split parts a script from its imports of the future.
func (s *script) split() (future, rest []byte) {
	rest = s.text
	var cut []edit
	for _, l := range s.lines {
		if s.future(l) {
			future = append(append(future, s.text[l.start:l.end]...), '\n')
			cut = append(cut, edit{l.start, l.end, "pass"})
		}
	}
	if cut != nil {
		rest = apply(s.text, cut)
	}
	return future, rest
}

// ended returns text with a line end.
func ended(text []byte) []byte {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		return append(slices.Clip(text), '\n')
	}
	return text
}
