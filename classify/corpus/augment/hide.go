package augment

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"kingsnake/normalize"
)

// hide takes a share of the strings apart, such that they are put together
// again when they are needed.
func hide(s *script, j *job) []byte {
	share := pick(j, 25, 50, 80, 100) // of a hundred
	ways := hiders
	if j.chance(2) {
		ways = []hider{pick(j, hiders...)} // one author has one way
	}
	growth := len(s.text) + 8<<10
	var edits []edit
	for _, l := range s.lines {
		if s.first(l) == "case" || s.future(l) {
			continue // a pattern is no expression
		}
		for i := l.from; i < l.to && growth > 0; i++ {
			if !s.hidable(l, i) || j.IntN(100) >= share {
				continue
			}
			t := s.tokens[i]
			value, _ := normalize.StringValue(s.text, t)
			with := ""
			if t.Flags&normalize.Bytes != 0 {
				with = hideBytes(j, value)
			} else if utf8.Valid(value) {
				with = pick(j, ways...)(j, []rune(string(value)))
			}
			if with == "" {
				continue
			}
			growth -= len(with)
			before := ""
			if t.Start > 0 && !notInName(rune(s.text[t.Start-1])) {
				before = " " // return"x"
			}
			edits = append(edits, edit{int(t.Start), int(t.End), before + with})
		}
	}
	return apply(s.text, edits)
}

// hidable reports whether token i is a plain string that stands by itself, and
// is no docstring.
func (s *script) hidable(l line, i int) bool {
	t := s.tokens[i]
	if t.Kind != normalize.String || t.Flags&(normalize.Format|normalize.Open) != 0 || t.End-t.Start < 5 || t.End-t.Start > 4096 {
		return false
	}
	if i == l.from && int(t.End) == l.end {
		return false
	}
	if t.Flags&normalize.Escaped != 0 && bytes.Contains(t.Bytes(s.text), []byte(`\N`)) {
		return false
	}
	beside := func(i int) bool { return i >= l.from && i < l.to && s.tokens[i].Kind == normalize.String }
	for k := i - 1; k >= l.from && s.tokens[k].Kind == normalize.Comment; k-- {
		if beside(k - 1) {
			return false
		}
	}
	for k := i + 1; k < l.to && s.tokens[k].Kind == normalize.Comment; k++ {
		if beside(k + 1) {
			return false
		}
	}
	return !beside(i-1) && !beside(i+1)
}

// hider writes an expression whose value is a text.
type hider func(j *job, value []rune) string

var hiders = []hider{hideSum, hideSum, hideJoin, hideFormat, hideReversed, hideCodes, hideEscapes, hideHex}

func hideSum(j *job, value []rune) string {
	parts := cut(j, value)
	for i, p := range parts {
		parts[i] = quote(j, p)
	}
	return "(" + strings.Join(parts, pick(j, "+", " + ")) + ")"
}

func hideJoin(j *job, value []rune) string {
	parts := cut(j, value)
	for i, p := range parts {
		parts[i] = quote(j, p)
	}
	return pick(j, "''", `""`, "str()") + ".join([" + strings.Join(parts, ",") + "])"
}

func hideFormat(j *job, value []rune) string {
	parts := cut(j, value)
	for i, p := range parts {
		parts[i] = quote(j, p)
	}
	if j.chance(2) {
		return "('" + strings.Repeat("%s", len(parts)) + "' % (" + strings.Join(parts, ", ") + ",))"
	}
	return "'" + strings.Repeat("{}", len(parts)) + "'.format(" + strings.Join(parts, ", ") + ")"
}

func hideReversed(j *job, value []rune) string {
	back := slices.Clone(value)
	slices.Reverse(back)
	return quote(j, string(back)) + "[::-1]"
}

func hideCodes(j *job, value []rune) string {
	if len(value) > 256 || slices.ContainsFunc(value, func(c rune) bool { return c > 127 }) {
		return ""
	}
	shift := rune(pick(j, 0, 0, 1, 3, 17, 40))
	codes := make([]string, len(value))
	for i, c := range value {
		codes[i] = strconv.Itoa(int(c + shift))
	}
	list := "[" + strings.Join(codes, pick(j, ",", ", ")) + "]"
	switch {
	case shift > 0:
		return fmt.Sprintf("''.join([chr(q-%d) for q in %s])", shift, list)
	case j.chance(2):
		return "''.join(map(chr, " + list + "))"
	}
	return "''.join(chr(q) for q in " + list + ")"
}

func hideEscapes(j *job, value []rune) string {
	if slices.ContainsFunc(value, func(c rune) bool { return c > 127 }) {
		return ""
	}
	form := pick(j, `\x%02x`, `\x%02x`, `\%03o`)
	var b strings.Builder
	for _, c := range value {
		fmt.Fprintf(&b, form, c)
	}
	return "'" + b.String() + "'"
}

func hideHex(_ *job, value []rune) string {
	return "bytes.fromhex('" + hex.EncodeToString([]byte(string(value))) + "').decode('utf-8')"
}

func hideBytes(j *job, value []byte) string {
	switch j.IntN(3) {
	case 0:
		return "bytes.fromhex('" + hex.EncodeToString(value) + "')"
	case 1:
		at := len(value) / 2
		return "(" + quoteBytes(value[:at]) + "+" + quoteBytes(value[at:]) + ")"
	}
	codes := make([]string, len(value))
	for i, c := range value {
		codes[i] = strconv.Itoa(int(c))
	}
	return "bytes([" + strings.Join(codes, ",") + "])"
}

// cut parts a text into at most a dozen pieces.
func cut(j *job, value []rune) []string {
	if len(value) == 0 {
		return []string{""}
	}
	size := max(1+j.IntN(5), len(value)/12)
	var parts []string
	for part := range slices.Chunk(value, size) {
		parts = append(parts, string(part))
	}
	return parts
}

// quote writes a text as a literal of ASCII alone.
func quote(j *job, value string) string {
	q := pick(j, '\'', '"')
	var b strings.Builder
	b.WriteRune(q)
	for _, c := range value {
		switch {
		case c == q || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c >= ' ' && c < 127:
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c < 256:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c < 1<<16:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
	}
	b.WriteRune(q)
	return b.String()
}

// quoteBytes writes bytes as a literal.
func quoteBytes(value []byte) string {
	var b strings.Builder
	b.WriteString("b'")
	for _, c := range value {
		if c < ' ' || c >= 127 || c == '\'' || c == '\\' {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}
