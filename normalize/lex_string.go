package normalize

// maxNesting bounds how deep strings in f-strings in f-strings are followed.
const maxNesting = 8

// maxEmbedded bounds the expressions that [Embedded] lists.
const maxEmbedded = 256

// stringPrefix reads what may stand before a quote. Any mix of up to two of
// the known letters is taken.
func stringPrefix(word []byte) (flags TokenFlags, ok bool) {
	for _, c := range word {
		switch c | 0x20 {
		case 'r':
			flags |= Raw
		case 'b':
			flags |= Bytes
		case 'f', 't':
			flags |= Format
		case 'u':
		default:
			return 0, false
		}
	}
	return flags, true
}

// str reads the string whose opening quote is at q.
func (l *lexer) str(q int, flags TokenFlags) {
	c := l.src[q]
	open := q + 1
	if q+2 < len(l.src) && l.src[q+1] == c && l.src[q+2] == c {
		flags |= Triple
		open = q + 3
	}
	if flags&Format != 0 && l.lookahead > 0 {
		f := formatScanner{src: l.src, stop: min(len(l.src), open+l.lookahead)}
		if end, ok := f.literal(open, c, flags, 0); ok {
			flags |= traits(l.src[open:end])
			l.emit(String, end, flags)
			return
		}
		l.lookahead -= f.reached - open
	}
	end, more := stringEnd(l.src, open, c, flags&Triple != 0)
	l.emit(String, end, flags|more)
}

// traits finds the flags Escaped and NonASCII of a body.
func traits(body []byte) (flags TokenFlags) {
	for _, c := range body {
		if c == '\\' {
			flags |= Escaped
		}
		if c >= 0x80 {
			flags |= NonASCII
		}
	}
	return flags
}

// stringEnd finds the end of a plain string whose body starts at i, behind the
// closing quotes if there are any.
func stringEnd(src []byte, i int, quote byte, triple bool) (end int, flags TokenFlags) {
	high := byte(0)
	for ; i < len(src); i++ {
		c := src[i]
		high |= c
		switch {
		case c == quote:
			if !triple {
				return i + 1, flags | nonASCII(high)
			}
			if i+2 < len(src) && src[i+1] == quote && src[i+2] == quote {
				return i + 3, flags | nonASCII(high)
			}
		case c == '\\':
			flags |= Escaped
			i++
			if i+1 < len(src) && src[i] == '\r' && src[i+1] == '\n' {
				i++
			}
			if i < len(src) {
				high |= src[i]
			}
		case (c == '\n' || c == '\r') && !triple:
			return i, flags | nonASCII(high) | Open
		}
	}
	return len(src), flags | nonASCII(high) | Open
}

// nonASCII turns the union of the bytes of a string into its flag.
func nonASCII(union byte) TokenFlags {
	if union >= 0x80 {
		return NonASCII
	}
	return 0
}

// Embedded lists the expressions that an f-string or t-string embeds, in
// order, as spans of text: for f"{a!r:>{b}}" those of "a" and "b". Lex them
// to see their tokens. It returns nothing for other tokens, and at most 256
// spans. The expressions of strings that stand inside an expression are part
// of it and not listed.
func Embedded(text []byte, t Token) []Span {
	if t.Kind != String || t.Flags&Format == 0 {
		return nil
	}
	open, _, quote := quotes(text, t)
	f := formatScanner{src: text, stop: int(t.End), spans: make([]Span, 0, 4)}
	f.literal(open, quote, t.Flags, 0)
	return f.spans
}

// quotes returns where the body of a string token starts and ends, and its
// quote character.
func quotes(text []byte, t Token) (open, end int, quote byte) {
	i := int(t.Start)
	for byteClass[text[i]] != classQuote {
		i++
	}
	n := 1
	if t.Flags&Triple != 0 {
		n = 3
	}
	open, end = i+n, int(t.End)
	if t.Flags&Open == 0 {
		end -= n
	}
	return open, end, text[i]
}

// formatScanner finds the end of an f-string, in which since Python 3.12 an
// embedded expression may hold any string, even one in the same quotes.
type formatScanner struct {
	src     []byte
	stop    int    // look no further
	reached int    // how far it looked
	spans   []Span // of the expressions, gathered unless nil
}

// literal reads the string whose body starts at i and returns where it ends.
// It is not ok when the string does not end, or only with an expression open.
func (f *formatScanner) literal(i int, quote byte, flags TokenFlags, nesting int) (end int, ok bool) {
	triple := flags&Triple != 0
	for i < f.stop {
		switch c := f.src[i]; {
		case c == quote && !triple:
			return i + 1, true
		case c == quote && i+2 < f.stop && f.src[i+1] == quote && f.src[i+2] == quote:
			return i + 3, true
		case c == '\\':
			i = f.escape(i, flags)
		case (c == '\n' || c == '\r') && !triple:
			return f.fail(i)
		case c == '{' && i+1 < f.stop && f.src[i+1] == '{':
			i += 2
		case c == '{':
			if i, ok = f.field(i+1, quote, flags, nesting); !ok {
				return i, false
			}
		default:
			i++
		}
	}
	return f.fail(i)
}

// fail notes how far a scan in vain went.
func (f *formatScanner) fail(i int) (int, bool) {
	f.reached = max(f.reached, i)
	return i, false
}

// escape passes the backslash at i and what belongs to it: a brace behind it
// still opens a field, but for the one of a named character.
func (f *formatScanner) escape(i int, flags TokenFlags) int {
	if i+1 >= f.stop {
		return i + 1
	}
	switch f.src[i+1] {
	case '{', '}':
		return i + 1
	case 'N':
		if flags&Raw == 0 && i+2 < f.stop && f.src[i+2] == '{' {
			for k := i + 3; k < min(i+100, f.stop); k++ {
				if f.src[k] == '}' {
					return k + 1
				}
			}
		}
	}
	return i + 2
}

// field reads an embedded expression that starts at i, and the conversion and
// format behind it, and returns where its closing brace ends.
func (f *formatScanner) field(i int, quote byte, flags TokenFlags, nesting int) (end int, ok bool) {
	start, depth := i, 0
	if nesting >= maxNesting {
		return f.fail(i)
	}
	for i < f.stop {
		switch c := f.src[i]; c {
		case '(', '[', '{':
			depth++
			i++
		case ')', ']':
			depth--
			i++
		case '}':
			if depth <= 0 {
				f.note(start, i)
				return i + 1, true
			}
			depth--
			i++
		case '\'', '"':
			if i, ok = f.inner(start, i, nesting); !ok {
				return i, false
			}
		case '#':
			i = min(lineEnd(f.src, i), f.stop)
		case '!', ':':
			if depth > 0 || i+1 < f.stop && f.src[i+1] == '=' {
				i++
				continue
			}
			f.note(start, i)
			return f.format(i+1, quote, flags, nesting)
		default:
			i++
		}
	}
	return f.fail(i)
}

// format reads the conversion and format of a field, up to its closing brace.
func (f *formatScanner) format(i int, quote byte, flags TokenFlags, nesting int) (end int, ok bool) {
	for i < f.stop {
		switch c := f.src[i]; {
		case c == '}':
			return i + 1, true
		case c == '{':
			if i, ok = f.field(i+1, quote, flags, nesting+1); !ok {
				return i, false
			}
		case c == quote && flags&Triple == 0, (c == '\n' || c == '\r') && flags&Triple == 0:
			return f.fail(i)
		default:
			i++
		}
	}
	return f.fail(i)
}

// inner reads the string whose quote is at i, in an expression that starts at
// start, and returns where it ends.
func (f *formatScanner) inner(start, i int, nesting int) (end int, ok bool) {
	p := i
	for p > start && i-p < 2 && byteClass[f.src[p-1]] == className {
		p--
	}
	flags, known := stringPrefix(f.src[p:i])
	if !known {
		flags = 0
	}
	c, open := f.src[i], i+1
	if i+2 < f.stop && f.src[i+1] == c && f.src[i+2] == c {
		flags, open = flags|Triple, i+3
	}
	if flags&Format != 0 {
		spans := f.spans
		f.spans = nil
		end, ok = f.literal(open, c, flags, nesting+1)
		f.spans = spans
		return end, ok
	}
	end, more := stringEnd(f.src[:f.stop], open, c, flags&Triple != 0)
	if more&Open != 0 {
		return f.fail(end)
	}
	return end, true
}

// note keeps the span of an expression.
func (f *formatScanner) note(start, end int) {
	if f.spans != nil && len(f.spans) < maxEmbedded {
		f.spans = append(f.spans, Span{start, end})
	}
}
