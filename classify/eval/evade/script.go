package evade

import (
	"bytes"
	"strings"

	"kingsnake/normalize"
)

// script is a text whose tokens are beyond doubt: every string and bracket is
// closed.
type script struct {
	src    []byte
	tokens []normalize.Token
	within []int // the innermost bracket that a token stands in, or -1
	close  []int // of an opening bracket, where it closes
	lines  []line
	head   int  // offset behind comments, docstring and imports from __future__
	py2    bool // shows a spelling that only Python 2 takes
}

// line is a logical line: tokens [first, end), its Newline left out.
type line struct {
	first, end int
	start      int    // offset of its physical line
	indent     string // white space before its first token
}

// read reads a script. It is not ok when anything about it is unclear.
func read(src []byte) (*script, bool) {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	if len(src) > 0 && src[len(src)-1] != '\n' {
		src = append(bytes.Clone(src), '\n')
	}
	s := &script{src: src, tokens: normalize.Lex(src)}
	s.within, s.close = make([]int, len(s.tokens)), make([]int, len(s.tokens))
	var open []int
	for i, t := range s.tokens {
		s.within[i] = -1
		if len(open) > 0 {
			s.within[i] = open[len(open)-1]
		}
		switch {
		case t.Kind == normalize.Other, t.Kind == normalize.Skipped, t.Flags&normalize.Open != 0:
			return nil, false
		case s.is(i, "(") || s.is(i, "[") || s.is(i, "{"):
			open = append(open, i)
		case s.is(i, ")") || s.is(i, "]") || s.is(i, "}"):
			if len(open) == 0 || t.Flags&normalize.First != 0 {
				return nil, false
			}
			k := open[len(open)-1]
			if open = open[:len(open)-1]; pairs[s.word(k)] != s.word(i) {
				return nil, false
			}
			s.close[k] = i
			if s.within[i] = -1; len(open) > 0 {
				s.within[i] = open[len(open)-1]
			}
		case t.Flags&normalize.First != 0 && len(open) > 0:
			return nil, false
		}
	}
	if len(open) > 0 || !s.readLines() {
		return nil, false
	}
	s.readHead()
	s.py2 = s.isPython2()
	return s, true
}

var pairs = map[string]string{"(": ")", "[": "]", "{": "}"}

func (s *script) readLines() bool {
	for i, t := range s.tokens {
		if t.Flags&normalize.First == 0 {
			continue
		}
		l := line{first: i, end: i + 1, start: bytes.LastIndexByte(s.src[:t.Start], '\n') + 1}
		for l.end < len(s.tokens) && s.tokens[l.end].Flags&normalize.First == 0 && s.tokens[l.end].Kind != normalize.Newline {
			l.end++
		}
		l.indent = string(s.src[l.start:t.Start])
		if strings.Trim(l.indent, " \t\f") != "" {
			return false
		}
		s.lines = append(s.lines, l)
	}
	return len(s.lines) > 0
}

func (s *script) readHead() {
	for i := range 2 { // a line for the kernel and one that names the encoding
		end := bytes.IndexByte(s.src[s.head:], '\n')
		if end < 0 || !bytes.HasPrefix(s.src[s.head:], []byte("#")) && (i > 0 || len(bytes.TrimSpace(s.src[s.head:s.head+end])) > 0) {
			break
		}
		s.head += end + 1
	}
	for i, l := range s.lines {
		doc := i == 0 && s.tokens[l.first].Kind == normalize.String && l.end == l.first+1
		future := s.is(l.first, "from") && s.is(l.first+1, "__future__")
		if l.indent != "" || !doc && !future {
			return
		}
		s.head = len(s.src)
		if i+1 < len(s.lines) {
			s.head = s.lines[i+1].start
		}
	}
}

// word is the spelling of token i, "" when there is none.
func (s *script) word(i int) string {
	if i < 0 || i >= len(s.tokens) {
		return ""
	}
	return string(s.tokens[i].Bytes(s.src))
}

func (s *script) is(i int, word string) bool {
	return i >= 0 && i < len(s.tokens) && string(s.tokens[i].Bytes(s.src)) == word
}

func (s *script) kind(i int) normalize.TokenKind {
	if i < 0 || i >= len(s.tokens) {
		return normalize.Newline
	}
	return s.tokens[i].Kind
}

func (s *script) name(i int) bool { return s.kind(i) == normalize.Name }

// text is the text of tokens [from, to).
func (s *script) text(from, to int) string {
	if from >= to {
		return ""
	}
	return string(s.src[s.tokens[from].Start:s.tokens[to-1].End])
}

func (s *script) span(from, to int) normalize.Span {
	return normalize.Span{Start: int(s.tokens[from].Start), End: int(s.tokens[to-1].End)}
}

// continues reports whether a line goes on with the statement above it.
func (s *script) continues(l line) bool {
	switch s.word(l.first) {
	case "else", "elif", "except", "finally", "case":
		return true
	}
	return false
}

// blocks cuts what is behind the head into statements of the outermost level,
// each from the start of its first line to that of the next.
func (s *script) blocks() []normalize.Span {
	var all []normalize.Span
	decorated := false
	for _, l := range s.lines {
		if l.start < s.head || l.indent != "" {
			continue
		}
		if !decorated && !s.continues(l) {
			if n := len(all); n > 0 {
				all[n-1].End = l.start
			}
			all = append(all, normalize.Span{Start: l.start, End: len(s.src)})
		}
		decorated = s.is(l.first, "@")
	}
	return all
}

// places lists the lines before which another statement may stand, with the
// same indentation.
func (s *script) places() []line {
	var all []line
	for i, l := range s.lines {
		if l.start < s.head || s.continues(l) || i > 0 && s.is(s.lines[i-1].first, "@") {
			continue
		}
		if i > 0 && s.is(s.lines[i-1].end-1, ":") && s.kind(l.first) == normalize.String {
			continue // a docstring stays first
		}
		if i > 0 && s.is(s.lines[i-1].first, "match") && s.is(s.lines[i-1].end-1, ":") {
			continue
		}
		all = append(all, l)
	}
	return all
}

// indented is the text of a span with every line moved to the right, but for
// those that begin inside of a string.
func (s *script) indented(span normalize.Span, by string) string {
	var out strings.Builder
	k := 0
	for at := span.Start; at < span.End; {
		end := bytes.IndexByte(s.src[at:span.End], '\n') + at + 1
		if end <= at {
			end = span.End
		}
		for k < len(s.tokens) && int(s.tokens[k].End) <= at {
			k++
		}
		inside := k < len(s.tokens) && s.tokens[k].Kind == normalize.String && int(s.tokens[k].Start) < at
		if !inside && len(bytes.TrimSpace(s.src[at:end])) > 0 {
			out.WriteString(by)
		}
		out.Write(s.src[at:end])
		at = end
	}
	return out.String()
}

// lineOf returns the line that token i stands in.
func (s *script) lineOf(i int) line {
	lo, hi := 0, len(s.lines)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; s.lines[mid].first <= i {
			lo = mid
		} else {
			hi = mid
		}
	}
	return s.lines[lo]
}

// simple cuts a line into its simple statements: at semicolons, and behind the
// colon of a compound statement.
func (s *script) simple(l line) [][2]int {
	var all [][2]int
	from, lambdas := l.first, 0
	compound := compounds[s.word(l.first)] || s.is(l.first, "async")
	for i := l.first; i < l.end; i++ {
		if s.within[i] >= l.first {
			continue
		}
		switch {
		case s.is(i, "lambda"):
			lambdas++
		case s.is(i, ":") && lambdas > 0:
			lambdas--
		case s.is(i, ";"), s.is(i, ":") && compound:
			all = append(all, [2]int{from, i})
			compound = compound && s.is(i, ";")
			from = i + 1
		}
	}
	return append(all, [2]int{from, l.end})
}

var compounds = map[string]bool{
	"if": true, "elif": true, "else": true, "for": true, "while": true, "try": true, "except": true, "finally": true,
	"with": true, "def": true, "class": true,
}

// isPython2 reports whether a line shows a spelling that Python 3 refuses.
func (s *script) isPython2() bool {
	for i, t := range s.tokens {
		word := s.word(i)
		switch {
		case t.Kind == normalize.Op && (word == "<>" || word == "`"):
			return true
		case t.Kind == normalize.Number && len(word) > 1 && (strings.HasSuffix(strings.ToLower(word), "l") || word[0] == '0' && word[1] >= '0' && word[1] <= '9' && strings.Trim(word, "0123456789") == "" && strings.Trim(word, "0") != ""):
			return true
		case word == "print" && s.statement(i), word == "exec" && s.statement(i):
			return true
		case t.Kind == normalize.String && strings.HasPrefix(strings.ToLower(word), "ur"):
			return true
		case word == "raise" && s.commaAt(i, s.lineOf(i).end) > 0, word == "except" && s.commaAt(i, s.lineOf(i).end) > 0:
			return true
		}
	}
	return false
}

// statement reports whether the name at i begins a statement with an operand
// and no parenthesis: print "x", exec code.
func (s *script) statement(i int) bool {
	prev := s.word(i - 1)
	if s.tokens[i].Flags&normalize.First == 0 && prev != ";" && prev != ":" || s.within[i] >= 0 {
		return false
	}
	switch s.kind(i + 1) {
	case normalize.Name, normalize.String, normalize.Number:
		return true
	case normalize.Newline:
		return s.word(i) == "print" && s.py2
	case normalize.Keyword:
		switch s.word(i + 1) {
		case "not", "lambda", "None", "True", "False":
			return true
		}
	case normalize.Op:
		switch s.word(i + 1) {
		case ">>", "`", "{", "[", "-", "~":
			return true
		}
	}
	return false
}

// commaAt finds the first comma outside of brackets in tokens (from, to), or
// returns 0. It stops at a colon.
func (s *script) commaAt(from, to int) int {
	for i := from + 1; i < to; i++ {
		if s.within[i] == s.within[from] {
			switch s.word(i) {
			case ",":
				return i
			case ":", ";":
				return 0
			}
		}
	}
	return 0
}
