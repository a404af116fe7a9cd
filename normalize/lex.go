package normalize

import (
	"bytes"
	"slices"
)

// maxTokens bounds the tokens of one text: six megabytes of them. A text
// with more is read at its beginning and at its end, see [Lex].
const maxTokens = 1 << 19

// Lex splits Python text of any version from 2.7 to 3.14 into tokens. It never
// fails: what is no Python becomes tokens of kind Other, a literal that is not
// closed ends where Python would stop reading it, and a bracket that is never
// closed is given up at the next line that must be a statement. White space, a
// byte order mark and line continuations have no token. Bytes above 127 are
// taken as letters, so no encoding needs to be known.
//
// Tokens are in order, inside src, never empty and never overlap. The work is
// linear in len(src). At most about half a million tokens are kept: of a text
// that has more, the beginning and the last 128 KiB are read, and one
// token of kind Skipped stands for what lies between.
//
// Lex is safe for concurrent use and keeps nothing of src.
func Lex(src []byte) []Token { return lexUpTo(src, maxTokens) }

// lexUpTo is Lex with at most limit tokens, give or take one.
func lexUpTo(src []byte, limit int) []Token {
	src = src[:min(len(src), maxText)]
	l := lexer{src: src, limit: limit - limit/4, atStart: true, lineStart: true}
	l.tokens = make([]Token, 0, min(len(src)/4+8, limit+1))
	// A failed look ahead into an f-string is paid for out of this, so that
	// the work as a whole stays linear.
	l.lookahead = len(src) + 1<<16
	if bytes.HasPrefix(src, []byte("\xef\xbb\xbf")) {
		l.pos = 3
	}
	l.run()
	if l.pos < len(src) {
		l.skipToTail(limit/4 - 1)
		l.limit = limit
		l.run()
		if l.pos < len(src) {
			l.emit(Skipped, len(src), 0)
		}
	}
	return l.tokens
}

// maxText is the longest text that is read: offsets are 32 bits wide, and no
// script that Python itself would start on is longer.
const maxText = 1 << 28

// lexer is the state of one run over one text.
type lexer struct {
	src       []byte
	pos       int
	tokens    []Token
	limit     int  // of len(tokens)
	depth     int  // of open brackets
	lookahead int  // bytes still allowed for reading ahead in vain
	atStart   bool // no token yet on this logical line
	lineStart bool // no token yet on this physical line
}

// skipToTail jumps to the first line of the last n bytes.
func (l *lexer) skipToTail(n int) {
	to := max(l.pos, len(l.src)-n)
	if nl := bytes.IndexByte(l.src[to:], '\n'); nl >= 0 && nl < n/2 {
		to += nl
	}
	if to > l.pos {
		l.emit(Skipped, to, 0)
	}
	l.depth, l.atStart, l.lineStart = 0, true, true
}

// add adds the token [l.pos, end) and moves behind it.
func (l *lexer) add(kind TokenKind, end int, flags TokenFlags, code uint8) {
	if l.atStart && kind != Comment {
		flags |= First
		l.atStart = false
	}
	l.lineStart = false
	if len(l.tokens) == cap(l.tokens) {
		// Twice is enough: the first estimate is one token for four bytes.
		l.tokens = slices.Grow(l.tokens, max(min(len(l.tokens), l.limit-len(l.tokens)), 1))
	}
	l.tokens = append(l.tokens, Token{int32(l.pos), int32(end), kind, flags, code})
	l.pos = end
}

// emit adds a token that is no operator and no keyword.
func (l *lexer) emit(kind TokenKind, end int, flags TokenFlags) { l.add(kind, end, flags, 0) }

// The classes of bytes, by what a token that starts with one is.
const (
	classOther = iota
	classSpace
	classLine
	className
	classDigit
	classQuote
	classOp
	classComment
	classBackslash
)

// byteClass gives the class of every byte.
var byteClass = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c == ' ' || c == '\t' || c == '\f':
			t[c] = classSpace
		case c == '\n' || c == '\r':
			t[c] = classLine
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80:
			t[c] = className
		case c >= '0' && c <= '9':
			t[c] = classDigit
		case c == '"' || c == '\'':
			t[c] = classQuote
		case c == '#':
			t[c] = classComment
		case c == '\\':
			t[c] = classBackslash
		case bytes.IndexByte([]byte("()[]{}:,;.=+-*/%&|^~<>@`"), byte(c)) >= 0:
			t[c] = classOp
		}
	}
	return t
}()

// run reads tokens until the text or the limit is reached.
func (l *lexer) run() {
	src := l.src
	for l.pos < len(src) && len(l.tokens) < l.limit {
		c := src[l.pos]
		switch byteClass[c] {
		case classSpace:
			l.pos++
		case className:
			l.name()
		case classOp:
			l.op(c)
		case classLine:
			l.line()
		case classQuote:
			l.str(l.pos, 0)
		case classDigit:
			l.emit(Number, numberEnd(src, l.pos), 0)
		case classComment:
			l.emit(Comment, lineEnd(src, l.pos), 0)
		case classBackslash:
			l.backslash()
		default:
			l.other()
		}
	}
}

// line passes the end of a line, with a token if it ends a logical line.
func (l *lexer) line() {
	end := l.pos + 1
	if l.src[l.pos] == '\r' && end < len(l.src) && l.src[end] == '\n' {
		end++
	}
	if l.depth == 0 && !l.atStart {
		l.emit(Newline, end, 0)
		l.atStart = true
	}
	l.pos = end
	l.lineStart = true
}

// name reads a name, a keyword or, when the name is the prefix of one, a
// string.
func (l *lexer) name() {
	src, i := l.src, l.pos
	high := src[i]
	for i++; i < len(src); i++ {
		if k := byteClass[src[i]]; k != className && k != classDigit {
			break
		}
		high |= src[i]
	}
	if i < len(src) && i-l.pos <= 2 && byteClass[src[i]] == classQuote {
		if flags, ok := stringPrefix(src[l.pos:i]); ok {
			l.str(i, flags)
			return
		}
	}
	word := src[l.pos:i]
	if high >= 0x80 {
		l.emit(Name, i, NonASCII)
		return
	}
	code := keyword(word)
	if code == 0 {
		l.emit(Name, i, 0)
		return
	}
	if l.depth > 0 && l.lineStart && startsStatement(code) {
		l.depth, l.atStart = 0, true
	}
	l.add(Keyword, i, 0, code)
}

// op reads an operator, the longest that fits, or a number that starts with
// its point.
func (l *lexer) op(c byte) {
	src, i := l.src, l.pos
	var next, third byte
	if i+1 < len(src) {
		next = src[i+1]
	}
	if i+2 < len(src) {
		third = src[i+2]
	}
	n := 1
	switch c {
	case '(', '[', '{':
		l.depth++
	case ')', ']', '}':
		l.depth = max(l.depth-1, 0)
	case '.':
		if byteClass[next] == classDigit {
			l.emit(Number, numberEnd(src, i), 0)
			return
		}
		if next == '.' && third == '.' {
			n = 3
		}
	case '*', '/', '<', '>':
		if next == c {
			n = 2
			if third == '=' {
				n = 3
			}
		} else if next == '=' || c == '<' && next == '>' {
			n = 2
		}
	case '-':
		if next == '=' || next == '>' {
			n = 2
		}
	case '=', '+', '%', '&', '|', '^', '@', ':':
		if next == '=' {
			n = 2
		}
	}
	if n > 1 {
		c = operatorCode(src[i : i+n])
	}
	l.add(Op, i+n, 0, c)
}

// backslash passes a line continuation, or takes the backslash as garbage.
func (l *lexer) backslash() {
	if i := l.pos + 1; i < len(l.src) && byteClass[l.src[i]] == classLine {
		if l.src[i] == '\r' && i+1 < len(l.src) && l.src[i+1] == '\n' {
			i++
		}
		l.pos = i + 1
		return
	}
	l.emit(Other, l.pos+1, 0)
}

// other reads a run of bytes that are no part of Python, or the operator "!=".
func (l *lexer) other() {
	src, i := l.src, l.pos
	if src[i] == '!' && i+1 < len(src) && src[i+1] == '=' {
		l.add(Op, i+2, 0, opUnequal)
		return
	}
	for i++; i < len(src) && byteClass[src[i]] == classOther && src[i] != '!'; i++ {
	}
	l.emit(Other, i, 0)
}

// lineEnd returns where the line that i stands in ends, its end not included.
func lineEnd(src []byte, i int) int {
	for i < len(src) && byteClass[src[i]] != classLine {
		i++
	}
	return i
}

// numberEnd returns where the number that starts at i ends.
func numberEnd(src []byte, i int) int {
	digits := func() {
		for i < len(src) && (byteClass[src[i]] == classDigit || src[i] == '_') {
			i++
		}
	}
	at := func(k int) byte {
		if k < len(src) {
			return src[k]
		}
		return 0
	}
	if lower := at(i+1) | 0x20; src[i] == '0' && (lower == 'x' || lower == 'o' || lower == 'b') {
		i += 2
		for isHex(at(i)) || at(i) == '_' {
			i++
		}
	} else {
		digits()
		if at(i) == '.' {
			i++
			digits()
		}
		if at(i)|0x20 == 'e' {
			k := i + 1
			if at(k) == '+' || at(k) == '-' {
				k++
			}
			if byteClass[at(k)] == classDigit {
				i = k
				digits()
			}
		}
	}
	switch at(i) {
	case 'j', 'J', 'l', 'L':
		i++
	}
	return i
}

// isHex reports whether c is a hexadecimal digit.
func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
