package console

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxValue is how many bytes of a one-line value are shown.
const maxValue = 4 << 10

// evidence is attacker-written text made safe to look at. Templates show it
// with the part of that name; nothing else may show text from a finding, except
// plain in an attribute.
type evidence []piece

// piece is a run of text; or, with Means set, a visible mark in place of a
// character that cannot be shown or would mislead; or, with Note set, a word of
// ours in between.
type piece struct {
	Text  string
	Means string // what the mark in Text stands for, for people
	Note  bool
}

// show prepares a value of one line: line ends and tabs become marks, and what
// is beyond maxValue is cut with a note.
func show(s string) evidence {
	cut := clip(s, maxValue)
	e := marks(cut, false)
	if n := len(s) - len(cut); n > 0 {
		e = append(e, piece{Text: "… " + size(int64(n)) + " more not shown", Note: true})
	}
	return e
}

// marks shows s as it is, with every character that cannot be seen or would
// change how others are seen replaced by a mark. Tabs stay when tabs is set.
func marks(s string, tabs bool) evidence {
	var e evidence
	start, combining := 0, 0
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		mark, means := "", ""
		switch {
		case r == utf8.RuneError && n == 1:
			mark, means = fmt.Sprintf(`\x%02x`, s[i]), "a byte that is not UTF-8"
		case r == '\t' && tabs:
		default:
			mark, means = hidden(r)
		}
		if unicode.Is(unicode.M, r) {
			// A pile of combining characters would paint over its neighbors.
			if combining++; combining > 3 && mark == "" {
				mark, means = fmt.Sprintf("U+%04X", r), "a combining character"
			}
		} else {
			combining = 0
		}
		if mark != "" {
			if start < i {
				e = append(e, piece{Text: s[start:i]})
			}
			e = append(e, piece{Text: mark, Means: means})
			start = i + n
		}
		i += n
	}
	if start < len(s) {
		e = append(e, piece{Text: s[start:]})
	}
	return e
}

// plain is show for places that hold text only, such as attributes and titles:
// marks are written out between angle quotes.
func plain(s string) string {
	var b strings.Builder
	for _, p := range show(s) {
		if p.Means != "" {
			b.WriteString("‹" + p.Text + "›")
		} else {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

// clip cuts s to at most n bytes, on a character boundary where there is one
// near.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}

// hidden returns the mark for r and its meaning, or "" when r may be shown.
//
// Marked are: controls; everything Unicode calls a format character, which
// takes in the bidirectional controls of UAX #9 and the zero-width characters;
// the other default-ignorable code points of DerivedCoreProperties.txt; blanks
// other than the space; private use and unassigned code points.
func hidden(r rune) (mark, means string) {
	if r >= ' ' && r < 0x7f {
		return "", ""
	}
	if m, ok := controls[r]; ok {
		return m[0], m[1]
	}
	mark = fmt.Sprintf("U+%04X", r)
	switch {
	case r < ' ' || r == 0x7f:
		return fmt.Sprintf(`\x%02x`, r), "a control character"
	case unicode.Is(unicode.Cc, r):
		return mark, "a control character"
	case unicode.Is(unicode.Bidi_Control, r):
		return mark, bidi[r]
	case unicode.Is(unicode.Cf, r):
		return mark, "an invisible format character"
	case unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r):
		return mark, "an invisible character"
	case r == 0x2800, unicode.Is(unicode.Z, r): // Braille blank, and spaces other than the space
		return mark, "an unusual blank"
	case !unicode.IsGraphic(r):
		return mark, "a character without a meaning"
	}
	return "", ""
}

// controls are the marks of the commonest control characters.
var controls = map[rune][2]string{
	0:    {`\0`, "a null byte"},
	'\t': {`\t`, "a tab"},
	'\n': {`\n`, "a line end"},
	'\r': {`\r`, "a carriage return"},
	0x1b: {`\x1b`, "an escape character"},
	0x7f: {`\x7f`, "a delete character"},
}

// bidi names the characters that change the direction of the text after them
// (Unicode Standard Annex #9, table 1).
var bidi = map[rune]string{
	0x061C: "an Arabic letter mark",
	0x200E: "a left-to-right mark",
	0x200F: "a right-to-left mark",
	0x202A: "a left-to-right embedding",
	0x202B: "a right-to-left embedding",
	0x202C: "a pop directional formatting",
	0x202D: "a left-to-right override",
	0x202E: "a right-to-left override",
	0x2066: "a left-to-right isolate",
	0x2067: "a right-to-left isolate",
	0x2068: "a first strong isolate",
	0x2069: "a pop directional isolate",
}
