package console

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// draw writes a view as text: flagged spans in brackets, reasons at the end.
func draw(v codeView) string {
	var b strings.Builder
	for _, l := range v.Lines {
		if l.Gap != "" {
			fmt.Fprintf(&b, "~ %s\n", l.Gap)
			continue
		}
		fmt.Fprintf(&b, "%d ", l.Number)
		for _, s := range l.Segments {
			text := ""
			for _, p := range s.Text {
				text += p.Text
			}
			if s.Flagged {
				text = "[" + text + "]"
			}
			b.WriteString(text)
		}
		for _, r := range l.Reasons {
			fmt.Fprintf(&b, " #%d", r)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestCodeShowsWhatIsFlagged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		flags []flag
		lines map[int][]int
		want  string
	}{
		"nothing is flagged":                     {"a\nb\n", nil, nil, "1 a\n2 b\n"},
		"an empty text has one empty line":       {"", nil, nil, "1 \n"},
		"the last line has no line end":          {"a\nb", nil, nil, "1 a\n2 b\n"},
		"a span inside a line":                   {"import os\n", []flag{{7, 9, 1}}, nil, "1 import [os] #1\n"},
		"spans that overlap are one":             {"abcdef", []flag{{1, 4, 1}, {3, 5, 2}}, nil, "1 a[bcde]f #1 #2\n"},
		"a span over two lines":                  {"abc\ndef\n", []flag{{2, 6, 1}}, nil, "1 ab[c] #1\n2 [de]f #1\n"},
		"a span that ends with its line":         {"abc\ndef\n", []flag{{1, 4, 1}}, nil, "1 a[bc] #1\n2 def\n"},
		"a reason said once for several spans":   {"abcdef", []flag{{0, 1, 3}, {2, 3, 3}}, nil, "1 [a]b[c]def #3\n"},
		"whole lines flagged by number":          {"a\nb\nc\n", nil, map[int][]int{2: {4}}, "1 a\n2 b #4\n3 c\n"},
		"spans beyond the text are cut to it":    {"abc", []flag{{-9, 1, 1}, {2, 99, 2}}, nil, "1 [a]b[c] #1 #2\n"},
		"spans that make no sense are left out":  {"abc", []flag{{2, 1, 1}, {9, 12, 1}, {3, 3, 1}}, map[int][]int{0: {1}, -4: {1}, 9: {1}}, "1 abc\n"},
		"order of spans does not matter":         {"abcdef", []flag{{4, 5, 2}, {0, 6, 1}, {1, 2, 3}}, nil, "1 [abcdef] #1 #2 #3\n"},
		"characters that hide are marked inside": {"a\u202Eb", []flag{{1, 4, 1}}, nil, "1 a[U+202E]b #1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, draw(newCodeView([]byte(c.text), c.flags, c.lines, false))); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestALongTextShowsItsBeginningAndWhatIsFlagged(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := 1; i <= 1000; i++ {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	at := strings.Index(text.String(), "line 700")
	v := newCodeView([]byte(text.String()), []flag{{at, at + 4, 1}}, nil, false)
	var numbers, gaps []string
	for _, l := range v.Lines {
		if l.Gap != "" {
			gaps = append(gaps, l.Gap)
		} else {
			numbers = append(numbers, fmt.Sprint(l.Number))
		}
	}
	if diff := cmp.Diff([]string{"631 lines not shown", "292 lines not shown"}, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if want := firstLines + 2*aroundLine + 1; len(numbers) != want {
		t.Errorf("%d lines shown, want %d", len(numbers), want)
	}
	if want := "923 of 1,000 lines not shown here"; v.Hidden != want {
		t.Errorf("Hidden = %q, want %q", v.Hidden, want)
	}
	if v := newCodeView([]byte(text.String()), nil, nil, true); len(v.Lines) != 1000 || v.Hidden != "" {
		t.Errorf("all: %d lines, hidden %q", len(v.Lines), v.Hidden)
	}
}

func TestAVeryLongLineShowsTheNeighborhoodOfWhatIsFlagged(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("é", 100_000) + "os.system" + strings.Repeat("x", 100_000)
	at := strings.Index(line, "os.system")
	got := draw(newCodeView([]byte(line), []flag{{at, at + 9, 1}}, nil, false))
	if len(got) > 2000 || !strings.Contains(got, "é[os.system]x") || strings.Contains(got, `\x`) {
		t.Errorf("%d bytes: %.600s", len(got), got)
	}
	if got := draw(newCodeView([]byte(line), []flag{{0, len(line), 1}}, nil, false)); len(got) > 3*maxLine || strings.Contains(got, `\x`) {
		t.Errorf("flagged whole: %d bytes", len(got))
	}
	if got := draw(newCodeView([]byte(line), nil, nil, false)); len(got) > 2*maxLine || !strings.Contains(got, "KiB …") {
		t.Errorf("not flagged: %d bytes", len(got))
	}
}

// FuzzCode states that any text with any flags is laid out within bounds, that
// lines rise, and that a short text is shown whole.
func FuzzCode(f *testing.F) {
	f.Add([]byte("import os\nos.system('x')\n"), 10, 19, 2, 3)
	f.Fuzz(func(t *testing.T, text []byte, start, end, line, endLine int) {
		if len(text) > 1<<16 {
			return
		}
		v := newCodeView(text, []flag{{start, end, 1}, {end, start, 2}, {start / 2, end * 2, 3}}, map[int][]int{line: {1}, endLine: {2}}, false)
		last := 0
		for _, l := range v.Lines {
			if l.Gap != "" {
				continue
			}
			if l.Number <= last {
				t.Fatalf("line %d after %d", l.Number, last)
			}
			last = l.Number
		}
		if len(v.Lines) > 2*(wholeText+maxFurther) {
			t.Fatalf("%d lines", len(v.Lines))
		}
		if v.Hidden == "" && last != len(newLineIndex(text)) {
			t.Fatalf("last line %d of %d", last, len(newLineIndex(text)))
		}
	})
}
