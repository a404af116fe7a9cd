package augment

import (
	"slices"
	"strings"

	"kingsnake/normalize"
)

// minify drops comments, docstrings and white space, and puts statements on
// one line where they allow it.
func minify(s *script, j *job) []byte {
	if s.broken() || len(s.lines) == 0 {
		return nil
	}
	unit := pick(j, " ", " ", "\t", "  ")
	join := !j.chance(4)
	squeeze := !j.chance(4)
	var out strings.Builder
	var blocks []int           // widths
	openLine, last := false, 0 // whether the last line written may go on, and its width
	for i, l := range s.lines {
		for len(blocks) > 0 && blocks[len(blocks)-1] > l.width {
			blocks = blocks[:len(blocks)-1]
		}
		if len(blocks) == 0 || blocks[len(blocks)-1] < l.width {
			blocks = append(blocks, l.width)
			openLine = false
		}
		alone := i+1 == len(s.lines) || s.lines[i+1].width < l.width
		opened := i == 0 || s.lines[i-1].width < l.width
		if l.to-l.from == 1 && s.tokens[l.from].Kind == normalize.String && !(alone && opened) {
			continue
		}
		code := s.spelled(l, squeeze)
		if code == "" {
			continue
		}
		simple := !s.compound(l)
		if openLine && simple && join && last == l.width {
			out.WriteString(";" + code)
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(strings.Repeat(unit, len(blocks)-1) + code)
		openLine, last = simple && !s.future(l), l.width
	}
	out.WriteByte('\n')
	return []byte(out.String())
}

// spelled writes a line without comments, and with white space only where it
// is needed.
func (s *script) spelled(l line, squeeze bool) string {
	var b strings.Builder
	last := -1
	for i := l.from; i < l.to; i++ {
		t := s.tokens[i]
		if t.Kind == normalize.Comment || s.word(i) == ";" && i+1 == l.to {
			continue
		}
		if last >= 0 && s.spaced(s.tokens[last], t, squeeze) {
			b.WriteByte(' ')
		}
		b.Write(t.Bytes(s.text))
		last = i
	}
	return b.String()
}

func (s *script) spaced(a, b normalize.Token, squeeze bool) bool {
	if !squeeze && a.End < b.Start {
		return true
	}
	wordy := func(c byte) bool { return c >= 0x80 || !notInName(rune(c)) }
	left, right := s.text[a.End-1], s.text[b.Start]
	switch {
	case wordy(left) && wordy(right), a.Kind == normalize.Name && b.Kind == normalize.String:
		return true
	case a.Kind == normalize.Number && (right == '.' || wordy(right)):
		return true
	case a.Kind == normalize.Op && b.Kind == normalize.Op:
		// Two that would be read as one, as ": =" and "* *".
		both := string(a.Bytes(s.text)) + string(b.Bytes(s.text))
		tokens := normalize.Lex([]byte(both))
		return a.End < b.Start && (len(tokens) < 2 || tokens[0].End != a.End-a.Start)
	case a.Kind == normalize.Op && b.Kind == normalize.Number:
		return left == '.' && a.End < b.Start
	}
	return false
}

// oneLine makes a script into what stands behind "python -c", or comes from
// standard input.
func oneLine(s *script, j *job) []byte {
	if len(s.text) > maxSmall || len(s.lines) == 0 || s.broken() {
		return nil
	}
	var out string
	if slices.ContainsFunc(s.lines, s.compound) || j.chance(4) {
		code := strings.TrimSuffix(loader(j, s.text, j.names(s)), "\n")
		inner := read([]byte(code))
		out = inner.joined()
	} else {
		out = s.joined()
	}
	if j.row.Kind = "c"; j.chance(3) {
		j.row.Kind = "stdin"
		out += "\n"
	}
	return []byte(out)
}

// joined writes all lines as one. There must be simple statements only.
func (s *script) joined() string {
	parts := make([]string, 0, len(s.lines))
	for _, l := range s.lines {
		if code := s.spelled(l, true); code != "" {
			parts = append(parts, code)
		}
	}
	return strings.Join(parts, ";")
}
