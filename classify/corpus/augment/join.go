package augment

import (
	"bytes"
	"slices"
	"strings"

	"kingsnake/classify/corpus"
)

// donor returns a benign script to mix with, of the same sort of Python, and
// notes its group. A form has one donor.
func (j *job) donor(s *script) (*script, *corpus.Row) {
	if len(j.donors) == 0 || j.row.Donor != "" {
		return nil, nil
	}
	for range 6 {
		d := &j.donors[j.IntN(len(j.donors))]
		if d.Malicious || d.ID == j.row.ID || len(d.Text)+len(s.text) > maxJoined {
			continue
		}
		with := read([]byte(strings.TrimPrefix(d.Text, "\ufeff")))
		if len(with.chunks()) > 0 && !with.broken() && with.old() == s.old() {
			return with, d
		}
	}
	return nil, nil
}

// used notes whose code stands in the row.
func (j *job) used(d *corpus.Row) {
	j.row.Donor = d.Group
	if j.row.Kind == "c" || j.row.Kind == "stdin" {
		j.row.Kind = "file"
	}
}

// join puts the script into another, benign one: before, behind or between its
// statements, as it is, in a function or behind try.
func join(s *script, j *job) []byte {
	if len(s.lines) == 0 {
		return nil
	}
	with, d := j.donor(s)
	if with == nil {
		return nil
	}
	future, code := s.split()
	more, carrier := with.split()
	future = append(future, more...)
	code = ended(code)
	call := ""
	n := j.names(s)
	for i := range with.tokens {
		n.taken[with.word(i)] = true
	}
	inner := read(code)
	switch by := pick(j, "    ", "    ", "  ", "\t"); {
	case inner.broken():
	case j.chance(3) && !inner.starImport() && (j.global || !inner.any("global", "globals", "locals", "exec", "eval")):
		name := n.next()
		code = slices.Concat([]byte("def "+name+"():\n"), inner.indented(by))
		call = name + "()\n"
		switch j.IntN(3) {
		case 0:
			call = "import threading\nthreading.Thread(target=" + name + ").start()\n"
		case 1:
			call = "try:\n" + by + name + "()\nexcept Exception:\n" + by + "pass\n"
		}
	case j.chance(4):
		code = slices.Concat([]byte("try:\n"), inner.indented(by), []byte("except "+pick(j, "Exception", "OSError", "ImportError")+":\n"+by+"pass\n"))
	}
	j.used(d)
	// Where it stands, and where it is called.
	frame := read(ended(carrier))
	chunks := frame.chunks()
	at := len(frame.text)
	switch j.IntN(4) {
	case 0:
		at = 0
	case 1:
	default:
		at = frame.lines[chunks[j.IntN(len(chunks))]].begin
	}
	later := at
	if call != "" && !j.chance(3) {
		later = len(frame.text)
	}
	return slices.Concat(future, frame.text[:at], code, between(call, later == at),
		frame.text[at:later], between(call, later != at), frame.text[later:])
}

// between returns text if it belongs here.
func between(text string, here bool) []byte {
	if here {
		return []byte(text)
	}
	return nil
}

// deadCode puts statements of a benign script between those of this one, where
// they are never run.
func deadCode(s *script, j *job) []byte {
	with, d := j.donor(s)
	if with == nil || len(s.lines) < 2 || s.broken() {
		return nil
	}
	n := j.names(s)
	chunks := with.chunks()
	var edits []edit
	room := maxJoined - len(s.text)
	for range 1 + j.IntN(4) {
		i := j.IntN(len(chunks))
		start, end := with.lines[chunks[i]].begin, len(with.text)
		if k := min(i+1+j.IntN(3), len(chunks)); k < len(chunks) {
			end = with.lines[chunks[k]].begin
		}
		dead := read(ended(bytes.Clone(with.text[start:end])))
		if room -= 2 * len(dead.text); room < 0 || dead.starImport() || slices.ContainsFunc(dead.lines, dead.future) {
			continue
		}
		at := j.IntN(len(s.lines))
		l := s.lines[at]
		if !s.mayInsert(at) || s.future(l) || s.continued(at) {
			continue
		}
		indent := string(s.text[l.begin:l.start])
		head := "def " + n.next() + "():"
		if l.width == 0 && j.chance(2) {
			head = pick(j, "if 0:", "if False:", "while None:", "if not True:", "if len('"+vocable(j)+"') > 90:", "for "+n.next()+" in ():")
		}
		body := read(dead.indented(indent + pick(j, "    ", "  ")))
		edits = append(edits, edit{l.begin, l.begin, indent + head + "\n" + string(body.text)})
	}
	if edits != nil {
		j.used(d)
	}
	return apply(s.text, edits)
}

// continued reports whether a statement of the future, which must come first,
// still follows line i.
func (s *script) continued(i int) bool { return slices.ContainsFunc(s.lines[i:], s.future) }
