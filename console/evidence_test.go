package console

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestTextThatHidesOrMisleadsIsMarked(t *testing.T) {
	t.Parallel()
	text := func(s string) piece { return piece{Text: s} }
	mark := func(m, means string) piece { return piece{Text: m, Means: means} }
	for name, c := range map[string]struct {
		in   string
		want evidence
	}{
		"ordinary text is left alone":           {"import os  # naïve 日本 🙂", evidence{text("import os  # naïve 日本 🙂")}},
		"markup is text":                        {"<b>&amp;{{.}}", evidence{text("<b>&amp;{{.}}")}},
		"a right-to-left override":              {"a\u202Eb", evidence{text("a"), mark("U+202E", "a right-to-left override"), text("b")}},
		"an isolate":                            {"\u2066", evidence{mark("U+2066", "a left-to-right isolate")}},
		"a zero-width space":                    {"o\u200Bs", evidence{text("o"), mark("U+200B", "an invisible format character"), text("s")}},
		"a byte order mark":                     {"\uFEFF", evidence{mark("U+FEFF", "an invisible format character")}},
		"an escape sequence":                    {"\x1b[2J", evidence{mark(`\x1b`, "an escape character"), text("[2J")}},
		"a null byte":                           {"\x00", evidence{mark(`\0`, "a null byte")}},
		"line ends and tabs in a one-line text": {"a\r\n\tb", evidence{text("a"), mark(`\r`, "a carriage return"), mark(`\n`, "a line end"), mark(`\t`, "a tab"), text("b")}},
		"bytes that are not UTF-8":              {"\xff\xc3(", evidence{mark(`\xff`, "a byte that is not UTF-8"), mark(`\xc3`, "a byte that is not UTF-8"), text("(")}},
		"a replacement character itself":        {"\uFFFD", evidence{text("\uFFFD")}},
		"a no-break space":                      {"a\u00A0b", evidence{text("a"), mark("U+00A0", "an unusual blank"), text("b")}},
		"a Hangul filler":                       {"\u3164", evidence{mark("U+3164", "an invisible character")}},
		"a variation selector":                  {"a\uFE0F", evidence{text("a"), mark("U+FE0F", "an invisible character")}},
		"a tag character":                       {"\U000E0041", evidence{mark("U+E0041", "an invisible format character")}},
		"a private character":                   {"\uE000", evidence{mark("U+E000", "a character without a meaning")}},
		"a line separator":                      {"\u2028", evidence{mark("U+2028", "an unusual blank")}},
		"a pile of combining characters": {"e\u0301\u0301\u0301\u0301\u0301", evidence{text("e\u0301\u0301\u0301"),
			mark("U+0301", "a combining character"), mark("U+0301", "a combining character")}},
		"nothing": {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, marks(c.in, false)); diff != "" {
				t.Errorf("marks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTabsOfCodeStay(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(evidence{{Text: "\tx"}}, marks("\tx", true)); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
}

func TestALongValueIsCutWithANote(t *testing.T) {
	t.Parallel()
	got := show(strings.Repeat("é", maxValue))
	want := evidence{{Text: strings.Repeat("é", maxValue/2)}, {Text: "… 4.0 KiB more not shown", Note: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("show (-want +got):\n%s", diff)
	}
}

func TestPlainWritesMarksOut(t *testing.T) {
	t.Parallel()
	if want, got := "a‹U+202E›b‹\\n›", plain("a\u202Eb\n"); want != got {
		t.Errorf("plain = %q, want %q", got, want)
	}
}

// FuzzMarks states that no text, whatever it is, leaves a character on a page
// that cannot be seen or that reorders others, and that nothing is lost.
func FuzzMarks(f *testing.F) {
	f.Add("a\u202Eb\x00\xff\u200B\u0301\u0301\u0301\u0301\U000E0041\uFFFD")
	f.Fuzz(func(t *testing.T, s string) {
		n := 0
		for _, p := range marks(s, false) {
			if p.Means != "" {
				n++
				continue
			}
			n += utf8.RuneCountInString(p.Text)
			if !utf8.ValidString(p.Text) || !strings.Contains(s, p.Text) {
				t.Fatalf("text %q is not of %q", p.Text, s)
			}
			for _, r := range p.Text {
				if r != ' ' && !unicode.IsGraphic(r) || unicode.Is(unicode.C, r) || unicode.Is(unicode.Bidi_Control, r) {
					t.Fatalf("%U is shown as it is", r)
				}
			}
		}
		if want := utf8.RuneCountInString(s); n != want {
			t.Fatalf("%d characters shown, want %d", n, want)
		}
	})
}
