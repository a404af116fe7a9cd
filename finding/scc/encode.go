package scc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Encode writes b as the text of a JSON string, quotes included: the inner of
// SCC's two encodings. A byte 0xNN that is no part of valid UTF-8 becomes the
// escape \udcNN, a lone low surrogate, which no valid text can hold; so Decode
// gives back exactly b. It is the convention of Python, where
//
//	json.loads(value).encode("utf-8", "surrogateescape")
//
// does the same as Decode. The result is always valid UTF-8.
func Encode(b []byte) string {
	var w strings.Builder
	w.Grow(len(b) + len(b)/8 + 2)
	w.WriteByte('"')
	for i := 0; i < len(b); {
		c := b[i]
		if c < utf8.RuneSelf {
			writeByte(&w, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&w, `\udc%02x`, c)
		} else {
			w.Write(b[i : i+n])
		}
		i += n
	}
	w.WriteByte('"')
	return w.String()
}

func writeByte(w *strings.Builder, c byte) {
	switch c {
	case '"', '\\':
		w.WriteByte('\\')
		w.WriteByte(c)
	case '\n':
		w.WriteString(`\n`)
	case '\r':
		w.WriteString(`\r`)
	case '\t':
		w.WriteString(`\t`)
	default:
		if c < ' ' || c == 0x7f {
			fmt.Fprintf(w, `\u%04x`, c)
			return
		}
		w.WriteByte(c)
	}
}

// Decode reads the text of a JSON string, as Encode or anyone else wrote it, and
// returns its bytes. It fails on what is no JSON string, and on a lone
// surrogate that stands for no byte.
func Decode(s string) ([]byte, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return nil, errors.New("decode: no JSON string")
	}
	if !utf8.ValidString(s) {
		return nil, errors.New("decode: not UTF-8")
	}
	s = s[1 : len(s)-1]
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c < ' ' || c == '"':
			return nil, fmt.Errorf("decode: byte %#x at %d must be escaped", c, i)
		case c != '\\':
			out = append(out, c)
			i++
		default:
			var n int
			var err error
			if out, n, err = decodeEscape(out, s[i:]); err != nil {
				return nil, fmt.Errorf("decode: at %d: %w", i, err)
			}
			i += n
		}
	}
	return out, nil
}

// decodeEscape appends what the escape at the start of s stands for and returns
// its length.
func decodeEscape(out []byte, s string) ([]byte, int, error) {
	if len(s) < 2 {
		return out, 0, errors.New("escape cut short")
	}
	if i := strings.IndexByte(`"\/bfnrt`, s[1]); i >= 0 {
		return append(out, "\"\\/\b\f\n\r\t"[i]), 2, nil
	}
	r, ok := hex4(s)
	if !ok {
		return out, 0, errors.New("unknown escape")
	}
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(out, r), 6, nil
	}
	if low, ok := hex4(s[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return utf8.AppendRune(out, pair), 12, nil
		}
	}
	if r < 0xdc80 || r > 0xdcff {
		return out, 0, errors.New("lone surrogate")
	}
	return append(out, byte(r)), 6, nil
}

// hex4 reads \uXXXX at the start of s.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// text makes s valid UTF-8: a byte that is not becomes \xNN.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var w strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&w, `\x%02x`, s[i])
		} else {
			w.WriteString(s[i : i+n])
		}
		i += n
	}
	return w.String()
}
