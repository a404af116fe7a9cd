package evade

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"kingsnake/normalize"
)

// quoteBytes writes bytes as a literal that Python 2 and 3 take.
func quoteBytes(b []byte) string {
	var out strings.Builder
	out.WriteString("b'")
	for _, c := range b {
		out.WriteString(escaped(rune(c), true))
	}
	return out.String() + "'"
}

// quote writes text as a literal in ASCII. For Python 2 it gives its bytes.
func quote(s string, py2 bool) string {
	if py2 {
		return quoteBytes([]byte(s))[1:]
	}
	var out strings.Builder
	out.WriteByte('\'')
	for _, c := range s {
		out.WriteString(escaped(c, false))
	}
	return out.String() + "'"
}

func escaped(c rune, bytes bool) string {
	switch {
	case c == '\n':
		return `\n`
	case c == '\\':
		return `\\`
	case c == '\'':
		return `\'`
	case c >= ' ' && c < 0x7f:
		return string(c)
	case c < 0x80, c < 0x100 && bytes:
		return fmt.Sprintf(`\x%02x`, c)
	case c < 0x10000:
		return fmt.Sprintf(`\u%04x`, c)
	}
	return fmt.Sprintf(`\U%08x`, c)
}

// text is a string expression of a script: one literal or several that stand
// beside each other, tokens [first, end).
type text struct {
	first, end int
	value      string
	bytes      bool // it is of type bytes
}

// span is where the expression stands.
func (t text) span(s *script) normalize.Span { return s.span(t.first, t.end) }

// texts lists the string expressions that may be written in another way: not
// documentation, f-strings, patterns and whatever is spelled in a way whose
// value depends on the version.
func (s *script) texts() []text {
	var all []text
	for i := 0; i < len(s.tokens); i++ {
		if s.kind(i) != normalize.String {
			continue
		}
		t := text{first: i}
		fit := true
		for ; s.kind(i) == normalize.String; i++ {
			token := s.tokens[i]
			body := token.Bytes(s.src)
			value, _ := normalize.StringValue(s.src, token)
			isBytes := token.Flags&normalize.Bytes != 0
			t.bytes = isBytes
			t.value += string(value)
			spelled := string(body)
			if token.Flags&normalize.Format != 0 || isBytes != t.bytes || strings.Contains(spelled, `\N`) || strings.Contains(spelled, "\r") ||
				!isBytes && !utf8.Valid(value) || s.py2 && (token.Flags&normalize.NonASCII != 0 || strings.Contains(spelled, `\u`) || spelled[0] == 'u' || spelled[0] == 'U') ||
				strings.Contains(spelled, "\\\n") || badEscape(spelled) {
				fit = false
			}
		}
		t.end = i
		alone := s.tokens[t.first].Flags&normalize.First != 0 && s.kind(t.end) == normalize.Newline
		l := s.lineOf(t.first)
		if fit && !alone && !s.is(l.first, "case") && !s.is(l.first, "from") && t.value != "" {
			all = append(all, t)
		}
		i--
	}
	return all
}

// badEscape reports whether a literal holds an escape of a surrogate, which
// UTF-8 has no bytes for.
func badEscape(spelled string) bool {
	return strings.Contains(spelled, `\ud`) || strings.Contains(spelled, `\uD`) || strings.Contains(spelled, `\U`)
}
