package normalize

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// maxPieces bounds the pieces of one value; one with more is mapped as a whole.
const maxPieces = 2048

// StringValue returns what a string literal means: escapes are resolved unless
// it is raw, bytes literals give their bytes and all others UTF-8. Escapes that
// Python would refuse stay as they are spelled, \N{…} is resolved for letters,
// digits and common signs, and an f-string gives its template. The result
// aliases text when the literal has no escapes, and must not be modified. It is
// not ok for a token that is no string.
func StringValue(text []byte, t Token) (value []byte, ok bool) {
	if t.Kind != String {
		return nil, false
	}
	open, end, _ := quotes(text, t)
	body := text[open:end]
	if t.Flags&Escaped == 0 || t.Flags&Raw != 0 {
		return body, true
	}
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); {
		if body[i] != '\\' {
			n := bytes.IndexByte(body[i:], '\\')
			if n < 0 {
				n = len(body) - i
			}
			out = append(out, body[i:i+n]...)
			i += n
			continue
		}
		// Most escapes of long literals are these.
		if i+4 <= len(body) && body[i+1] == 'x' {
			if c := hexDigits[body[i+2]]<<4 | hexDigits[body[i+3]]; c < 0x80 {
				out = append(out, byte(c))
				i += 4
				continue
			}
		}
		var n int
		out, n = appendEscape(out, body[i:], t.Flags&Bytes != 0)
		i += n
	}
	return out, true
}

// parseInt reads an integer literal.
func parseInt(s []byte) (int64, bool) {
	if len(s) < 18 && s[0] != '0' {
		if n, ok := parseDecimal(s); ok {
			return n, true
		}
	}
	if n := len(s); n > 1 && s[n-1]|0x20 == 'l' {
		s = s[:n-1]
	}
	if len(s) == 1 && s[0] >= '0' && s[0] <= '9' {
		return int64(s[0] - '0'), true
	}
	if len(s) > 70 || bytes.IndexByte(s, '.') >= 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(s), 0, 64)
	return n, err == nil
}

// parseDecimal reads a number of nothing but digits.
func parseDecimal(s []byte) (n int64, ok bool) {
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// stringPieces maps the value of a string token, as StringValue gives it, to
// the text. Every run without escapes is one piece, and every escape is one.
func stringPieces(text []byte, t Token, at int32, pieces []piece) []piece {
	open, end, _ := quotes(text, t)
	if t.Flags&Escaped == 0 || t.Flags&Raw != 0 {
		return append(pieces, piece{at, int32(open), int32(end)})
	}
	var scratch [8]byte
	for i := open; i < end; {
		if len(pieces) >= maxPieces {
			return append(pieces, piece{at, int32(i), int32(end)})
		}
		n := bytes.IndexByte(text[i:end], '\\')
		if n < 0 {
			n = end - i
		}
		if n > 0 {
			pieces = append(pieces, piece{at, int32(i), int32(i + n)})
			at += int32(n)
			i += n
			continue
		}
		out, n := appendEscape(scratch[:0], text[i:end], t.Flags&Bytes != 0)
		if len(out) > 0 {
			pieces = append(pieces, piece{at, int32(i), int32(i + n)})
		}
		at += int32(len(out))
		i += n
	}
	return pieces
}

// appendEscape appends what the escape at the start of s means and returns how
// long it is. s starts with a backslash.
func appendEscape(out, s []byte, isBytes bool) ([]byte, int) {
	if len(s) == 1 {
		return append(out, '\\'), 1
	}
	switch c := s[1]; c {
	case '\n':
		return out, 2
	case '\r':
		if len(s) > 2 && s[2] == '\n' {
			return out, 3
		}
		return out, 2
	case '\\', '\'', '"':
		return append(out, c), 2
	case 'a', 'b', 'f', 'n', 'r', 't', 'v':
		return append(out, "\a\b\f\n\r\t\v"[bytes.IndexByte([]byte("abfnrtv"), c)]), 2
	case '0', '1', '2', '3', '4', '5', '6', '7':
		v, n := 0, 1
		for ; n < min(len(s), 4) && s[n] >= '0' && s[n] <= '7'; n++ {
			v = v<<3 | int(s[n]-'0')
		}
		return appendChar(out, v, isBytes), n
	case 'x':
		return appendHex(out, s, 2, isBytes)
	case 'u', 'U', 'N':
		if isBytes {
			return append(out, '\\', c), 2
		}
		if c == 'N' {
			return appendNamed(out, s)
		}
		if c == 'u' {
			return appendHex(out, s, 4, false)
		}
		return appendHex(out, s, 8, false)
	default:
		return append(out, '\\', c), 2
	}
}

// appendHex appends the character of an escape with so many digits.
func appendHex(out, s []byte, digits int, isBytes bool) ([]byte, int) {
	if len(s) < 2+digits {
		return append(out, s[:2]...), 2
	}
	v := 0
	for _, c := range s[2 : 2+digits] {
		if !isHex(c) || v > utf8.MaxRune {
			return append(out, s[:2]...), 2
		}
		v = v<<4 | hexDigit(c)
	}
	return appendChar(out, v, isBytes), 2 + digits
}

// hexDigits gives the values of hexadecimal digits, and 256 for other bytes.
var hexDigits = func() (t [256]int) {
	for c := range t {
		t[c] = 256
		if isHex(byte(c)) {
			t[c] = hexDigit(byte(c))
		}
	}
	return t
}()

// hexDigit is the value of a hexadecimal digit.
func hexDigit(c byte) int {
	if c <= '9' {
		return int(c - '0')
	}
	return int(c|0x20-'a') + 10
}

// appendChar appends the character v, as a byte or as UTF-8.
func appendChar(out []byte, v int, isBytes bool) []byte {
	if isBytes {
		return append(out, byte(v))
	}
	return utf8.AppendRune(out, rune(min(v, utf8.MaxRune+1)))
}

// appendNamed appends the character of an escape \N{NAME}, or U+FFFD for a name
// that is not known here.
func appendNamed(out, s []byte) ([]byte, int) {
	end := bytes.IndexByte(s[:min(len(s), 100)], '}')
	if len(s) < 4 || s[2] != '{' || end < 0 {
		return append(out, s[:2]...), 2
	}
	return utf8.AppendRune(out, namedChar(bytes.ToUpper(s[3:end]))), end + 1
}

// namedChar finds a character by its Unicode name: the ASCII letters, digits
// and the signs that code is written with.
func namedChar(name []byte) rune {
	if c, ok := bytes.CutPrefix(name, []byte("LATIN SMALL LETTER ")); ok && len(c) == 1 {
		return rune(c[0] | 0x20)
	}
	if c, ok := bytes.CutPrefix(name, []byte("LATIN CAPITAL LETTER ")); ok && len(c) == 1 {
		return rune(c[0])
	}
	names := [...]struct {
		name string
		char rune
	}{
		{"SPACE", ' '}, {"FULL STOP", '.'}, {"LOW LINE", '_'}, {"SOLIDUS", '/'}, {"REVERSE SOLIDUS", '\\'},
		{"COMMA", ','}, {"COLON", ':'}, {"SEMICOLON", ';'}, {"HYPHEN-MINUS", '-'}, {"PLUS SIGN", '+'},
		{"EQUALS SIGN", '='}, {"APOSTROPHE", '\''}, {"QUOTATION MARK", '"'}, {"NUMBER SIGN", '#'},
		{"LEFT PARENTHESIS", '('}, {"RIGHT PARENTHESIS", ')'}, {"LEFT SQUARE BRACKET", '['},
		{"RIGHT SQUARE BRACKET", ']'}, {"LEFT CURLY BRACKET", '{'}, {"RIGHT CURLY BRACKET", '}'},
		{"COMMERCIAL AT", '@'}, {"AMPERSAND", '&'}, {"ASTERISK", '*'}, {"PERCENT SIGN", '%'},
		{"DOLLAR SIGN", '$'}, {"EXCLAMATION MARK", '!'}, {"QUESTION MARK", '?'}, {"VERTICAL LINE", '|'},
		{"LESS-THAN SIGN", '<'}, {"GREATER-THAN SIGN", '>'}, {"TILDE", '~'}, {"GRAVE ACCENT", '`'},
		{"DIGIT ZERO", '0'}, {"DIGIT ONE", '1'}, {"DIGIT TWO", '2'}, {"DIGIT THREE", '3'}, {"DIGIT FOUR", '4'},
		{"DIGIT FIVE", '5'}, {"DIGIT SIX", '6'}, {"DIGIT SEVEN", '7'}, {"DIGIT EIGHT", '8'}, {"DIGIT NINE", '9'},
	}
	for _, n := range names {
		if string(name) == n.name {
			return n.char
		}
	}
	return utf8.RuneError
}

// NameValue returns the identifier that a name token means. Python reads an
// identifier in its compatibility form, so that letters of other shapes, such
// as mathematical bold or full width ones, superscripts and ligatures, are the
// plain letters; whatever becomes ASCII by that is folded here. For all other
// tokens it is their spelling. The result may alias text.
func NameValue(text []byte, t Token) []byte {
	name := t.Bytes(text)
	if t.Kind != Name || t.Flags&NonASCII == 0 {
		return name
	}
	out := make([]byte, 0, len(name))
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRune(name[i:])
		if r == utf8.RuneError {
			out = append(out, name[i:i+n]...)
		} else {
			out = appendFolded(out, r)
		}
		i += n
	}
	return out
}
