package console

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"unicode/utf8"
)

// Limits on how much of a text one page shows. All of it is in the download.
const (
	maxLine      = 1000 // bytes of a line, beyond what is flagged in it
	aroundFlag   = 160  // bytes shown on each side of a flagged span in a longer line
	wholeText    = 400  // a text of at most so many lines is shown whole
	aroundLine   = 8    // lines shown on each side of a flagged line in a longer text
	firstLines   = 60   // lines shown from the beginning of a longer text
	maxLines     = 5000 // lines shown when all are asked for
	maxFurther   = 600  // flagged lines and their neighbors shown beyond those
	maxFlags     = 512  // flagged spans of one text
	maxFlagLines = 1000 // lines one span flags
	maxLineFlags = 32   // flagged spans of one line that get a mark
)

// flag marks a span of a text: bytes [Start, End), and why.
type flag struct {
	Start, End int
	Reason     int // number of the reason, from 1
}

// codeView is one text with its flagged lines, ready to show.
type codeView struct {
	Caption string
	Prefix  string // of the lines' anchors
	Lines   []codeLine
	Hidden  string // how many lines are left out, in words; "" when none
	AllURL  string // shows them; "" when this is all there is to see
}

// codeLine is one line, or with Gap set the place of lines left out.
type codeLine struct {
	Number   int
	Gap      string
	Reasons  []int // numbers of the reasons that flag it
	Segments []segment
}

// segment is a part of a line.
type segment struct {
	Flagged bool
	Text    evidence
}

// lineIndex finds the lines of a text.
type lineIndex []int // offsets of line starts

// newLineIndex indexes text. A line ends with a line feed.
func newLineIndex(text []byte) lineIndex {
	index := lineIndex{0}
	for i := 0; ; {
		n := bytes.IndexByte(text[i:], '\n')
		if n < 0 || i+n+1 == len(text) {
			return index
		}
		i += n + 1
		index = append(index, i)
	}
}

// line returns the number of the line that holds the byte at offset, from 1.
func (x lineIndex) line(offset int) int {
	return max(1, sort.SearchInts(x, offset+1))
}

// newCodeView lays out text. flags may be in any order and reach beyond the
// text; lines are numbers of further lines to flag, with the reason. With all
// set, maxLines lines are shown, else the beginning and the neighborhood of
// what is flagged.
func newCodeView(text []byte, flags []flag, lines map[int][]int, all bool) codeView {
	index := newLineIndex(text)
	flags = sane(flags, len(text))
	reasons := make(map[int][]int, len(lines))
	for n, rs := range lines {
		if n >= 1 && n <= len(index) {
			reasons[n] = slices.Clone(rs)
		}
	}
	for _, f := range flags {
		from := index.line(f.Start)
		for n := from; n <= min(index.line(f.End-1), from+maxFlagLines); n++ {
			reasons[n] = append(reasons[n], f.Reason)
		}
	}
	show := visibleLines(len(index), reasons, all)

	var v codeView
	gap := func(from, to int) { // lines from..to are left out
		if from <= to {
			v.Lines = append(v.Lines, codeLine{Gap: plural(int64(to-from+1), "line") + " not shown"})
		}
	}
	last, next := 0, 0 // the last line shown; the first flag that may matter
	for _, n := range show {
		gap(last+1, n-1)
		last = n
		start, end := index[n-1], len(text)
		if n < len(index) {
			end = index[n]
		}
		for next < len(flags) && flags[next].End <= start {
			next++
		}
		rs := reasons[n]
		slices.Sort(rs)
		v.Lines = append(v.Lines, codeLine{
			Number: n, Reasons: slices.Compact(rs),
			Segments: segments(bytes.TrimSuffix(text[start:end], []byte("\n")), start, flags[next:]),
		})
	}
	gap(last+1, len(index))
	if n := len(index) - len(show); n > 0 {
		v.Hidden = fmt.Sprintf("%s of %s not shown here", thousands(int64(n)), plural(int64(len(index)), "line"))
	}
	return v
}

// sane returns the flags that lie inside a text of n bytes, cut to it, sorted
// by end and then start so that a prefix can be skipped, at most maxFlags.
func sane(flags []flag, n int) []flag {
	var ok []flag
	for _, f := range flags {
		f.Start, f.End = max(f.Start, 0), min(f.End, n)
		if f.Start < f.End && len(ok) < maxFlags {
			ok = append(ok, f)
		}
	}
	slices.SortFunc(ok, func(a, b flag) int {
		if a.End != b.End {
			return a.End - b.End
		}
		return a.Start - b.Start
	})
	return ok
}

// visibleLines returns the numbers of the lines to show, rising.
func visibleLines(n int, reasons map[int][]int, all bool) []int {
	head := min(n, firstLines)
	if n <= wholeText {
		head = n
	}
	if all {
		head = min(n, maxLines)
	}
	var further []int // lines after the head that are near a flagged one
	flagged := make([]int, 0, len(reasons))
	for line := range reasons {
		flagged = append(flagged, line)
	}
	slices.Sort(flagged)
	last := head
	for _, line := range flagged {
		for i := max(last+1, line-aroundLine); i <= min(n, line+aroundLine) && len(further) < maxFurther; i++ {
			further = append(further, i)
			last = i
		}
	}
	show := make([]int, 0, head+len(further))
	for i := 1; i <= head; i++ {
		show = append(show, i)
	}
	return append(show, further...)
}

// segments splits a line that starts at offset start of its text at the borders
// of what is flagged, and leaves out most of what is not in a very long line.
func segments(line []byte, start int, flags []flag) []segment {
	spans := flaggedSpans(len(line), start, flags)
	var out []segment
	add := func(from, to int, flagged bool) {
		if from < to {
			out = append(out, segment{Flagged: flagged, Text: marks(string(line[from:to]), true)})
		}
	}
	long := len(line) > maxLine
	plainText := func(from, to int, first, last bool) {
		keepHead, keepTail := aroundFlag, aroundFlag
		if first {
			keepHead = 0
			if last {
				keepHead, keepTail = maxLine, 0
			}
		} else if last {
			keepTail = 0
		}
		if !long || to-from <= keepHead+keepTail+aroundFlag {
			add(from, to, false)
			return
		}
		head, tail := boundary(line, from+keepHead), boundary(line, to-keepTail)
		add(from, head, false)
		out = append(out, segment{Text: evidence{{Text: "… " + size(int64(tail-head)) + " …", Note: true}}})
		add(tail, to, false)
	}
	at := 0
	for i, s := range spans {
		plainText(at, s[0], i == 0, false)
		if long && s[1]-s[0] > 2*maxLine {
			head, tail := boundary(line, s[0]+maxLine), boundary(line, s[1]-maxLine)
			add(s[0], head, true)
			out = append(out, segment{Flagged: true, Text: evidence{{Text: "… " + size(int64(tail-head)) + " …", Note: true}}})
			add(tail, s[1], true)
		} else {
			add(s[0], s[1], true)
		}
		at = s[1]
	}
	plainText(at, len(line), len(spans) == 0, true)
	return out
}

// boundary moves i back to where a character of line starts, if one does nearby.
func boundary(line []byte, i int) int {
	for k := i; k > i-utf8.UTFMax && k > 0 && k < len(line); k-- {
		if utf8.RuneStart(line[k]) {
			return k
		}
	}
	return i
}

// flaggedSpans returns the parts of a line of n bytes that any flag covers, as
// rising, separate offsets into the line, at most maxLineFlags. flags are
// sorted by end.
func flaggedSpans(n, start int, flags []flag) [][2]int {
	var spans [][2]int
	for _, f := range flags {
		from, to := max(f.Start-start, 0), min(f.End-start, n)
		if from < to {
			spans = append(spans, [2]int{from, to})
		}
	}
	slices.SortFunc(spans, func(a, b [2]int) int { return a[0] - b[0] })
	var merged [][2]int
	for _, s := range spans {
		if k := len(merged) - 1; k >= 0 && s[0] <= merged[k][1] {
			merged[k][1] = max(merged[k][1], s[1])
		} else if len(merged) < maxLineFlags {
			merged = append(merged, s)
		}
	}
	return merged
}
