package classify

import (
	"slices"
	"strings"

	"kingsnake/normalize"
)

// Bounds on following what goes where.
const (
	maxFlow = 4096 // statements that something is followed through
	maxEnds = 6    // statements where a flow may begin, and where it may end
)

// reaches reports whether what one of the statements gives is seen to reach
// another: it is passed on directly, or through names. Scopes are not told
// apart, and what is written to a file is followed through the file's name.
func (e *explainer) reaches(from, to []site) bool {
	for _, a := range from[:min(len(from), maxEnds)] {
		for _, b := range to[:min(len(to), maxEnds)] {
			if e.nested(a, b) || a.layer == b.layer && a.segment != b.segment && e.follow(a, b) {
				return true
			}
		}
	}
	return false
}

// follow follows names from a statement to a later one.
func (e *explainer) follow(a, b site) bool {
	if e.read >= maxRead {
		return false
	}
	first, ok := slices.BinarySearch(e.starts, a.from)
	last, ok2 := slices.BinarySearch(e.starts, b.from)
	if !ok || !ok2 || first >= last {
		return false
	}
	if e.clauses == nil {
		e.clauses = &clauses{e: e, ids: map[string]int32{}, at: make([]int32, len(e.segments))}
		e.clauses.intern("") // what a function stands for that is no method
	}
	f := flow{clauses: e.clauses, names: make([]bool, len(e.clauses.words)+64), files: map[int32][]int32{}}
	f.pass(first, true)
	if l, k, to := e.tokens(a.segment); behaviors[a.behavior].id == "net.connect" { // the socket
		name, _ := nameAt(l, k, to)
		if object, _, ok := cutLast(name); ok {
			f.add(f.intern(object))
		}
	}
	for i := first + 1; i < min(last, first+maxFlow); i++ {
		if e.segments[i].layer == a.layer {
			f.pass(i, f.mentioned(i))
		}
	}
	return f.mentioned(last)
}

// clauses is what statements say, as far as flows are concerned: each is read
// once. Words are dotted names, and short texts with a quote in front.
type clauses struct {
	e     *explainer
	ids   map[string]int32
	words []word
	at    []int32 // place in list of each statement and one, or 0
	list  []clause
	pool  []int32 // ids of words, of all clauses
}

// word is a name or a text.
type word struct {
	object int32 // what stands before its last point; -1 if nothing does
	quoted bool
	opens  bool // it is a function that opens a file
	writes bool // it is a method that writes
	path   bool // it is a text that may be a file's name
}

// clause is one statement: a run of the pool, in four parts.
type clause struct {
	start  int32
	words  int32 // end of all words
	writes int32 // end of the objects of which a method that writes is called
	paths  int32 // end of what may name files
	bound  int32 // end of the names that are bound
	tokens int32
	opens  bool // it opens a file
}

// intern gives the id of a word.
func (c *clauses) intern(text string) int32 {
	if id, ok := c.ids[text]; ok {
		return id
	}
	w := word{object: -1, quoted: text != "" && text[0] == '"'}
	w.path = w.quoted && isPath(text[1:])
	w.opens = text == "open" || strings.HasSuffix(text, ".open") || strings.HasSuffix(text, "urlretrieve") || strings.HasSuffix(text, ".download")
	object, method, ok := cutLast(text)
	w.writes = strings.HasPrefix(method, "write")
	if ok && (w.writes || !w.quoted) {
		w.object = c.intern(object)
	}
	id := int32(len(c.words))
	c.ids[text] = id
	c.words = append(c.words, w)
	return id
}

// clause reads statement i.
func (c *clauses) clause(i int) clause {
	if k := c.at[i]; k > 0 {
		return c.list[k-1]
	}
	l, from, to := c.e.tokens(&c.e.segments[i])
	out := clause{start: int32(len(c.pool)), tokens: int32(to - from)}
	var writes, paths []int32
	full := false
	c.read(l, from, to, func(id int32, next int) {
		c.pool = append(c.pool, id)
		if full {
			return
		}
		w := &c.words[id]
		out.opens = out.opens || w.opens
		called := isOp(l, next, to, '(')
		if w.path || !w.quoted && !called && !isOp(l, next, to, '=') {
			paths = append(paths, id)
		}
		if w.writes && called {
			writes = append(writes, max(w.object, 0))
		}
		full = len(paths) >= maxValues
	})
	out.words = int32(len(c.pool))
	c.pool = append(c.pool, writes...)
	out.writes = int32(len(c.pool))
	c.pool = append(c.pool, paths...)
	out.paths = int32(len(c.pool))
	c.binds(l, from, to)
	out.bound = int32(len(c.pool))
	c.list = append(c.list, out)
	c.at[i] = int32(len(c.list))
	return out
}

// read calls yield for every word of tokens [i, to), with the token behind it.
func (c *clauses) read(l *normalize.Layer, i, to int, yield func(id int32, next int)) {
	for i < to {
		switch t := l.Tokens[i]; {
		case t.Kind == normalize.Name:
			name, next := nameAt(l, i, to)
			yield(c.intern(name), next)
			i = next
		case t.Kind == normalize.String && t.End-t.Start <= 128:
			i++
			yield(c.intern(`"`+c.e.str(l, t)), i)
		default:
			i++
		}
	}
}

// binds adds the names to the pool that tokens [i, to) bind.
func (c *clauses) binds(l *normalize.Layer, i, to int) {
	first := string(l.Tokens[i].Bytes(l.Text))
	var targets []int32
	for k := i; k < to; {
		name, next := nameAt(l, k, to)
		if name == "" {
			break
		}
		targets = append(targets, c.intern(name))
		if isOp(l, next, to, '=') {
			c.pool = append(c.pool, targets...)
		}
		if !isOp(l, next, to, ',') {
			break
		}
		k = next + 1
	}
	for k := i; k+1 < to; k++ {
		if word := l.Tokens[k].Bytes(l.Text); string(word) == "as" && first == "with" || string(word) == "for" {
			if name, _ := nameAt(l, k+1, to); name != "" {
				c.pool = append(c.pool, c.intern(name))
			}
		}
	}
}

// flow is what stands for something that a statement gave: names, and texts
// that name files.
type flow struct {
	*clauses
	names []bool            // by the id of the word
	files map[int32][]int32 // what an open file was opened with
}

// add makes a word part of the flow.
func (f *flow) add(id int32) {
	if int(id) >= len(f.names) {
		f.names = append(f.names, make([]bool, max(len(f.words)-len(f.names), len(f.names)))...)
	}
	f.names[id] = true
}

func (f *flow) has(id int32) bool { return int(id) < len(f.names) && f.names[id] }

// reads takes the tokens of a statement off what may be read, and reports
// whether they were left.
func (f *flow) reads(c clause) bool {
	f.e.read += int(c.tokens)
	return f.e.read < maxRead
}

// mentioned reports whether statement i names something of the flow.
func (f *flow) mentioned(i int) bool {
	c := f.clause(i)
	if !f.reads(c) {
		return false
	}
	for _, id := range f.pool[c.start:c.words] {
		if f.has(id) {
			return true
		}
		if f.words[id].quoted {
			continue
		}
		for id = f.words[id].object; id >= 0; id = f.words[id].object {
			if f.has(id) {
				return true
			}
		}
	}
	return false
}

// pass takes statement i: what it binds when it is part of the flow, and the
// files that it opens in any case.
func (f *flow) pass(i int, part bool) {
	c := f.clause(i)
	if !f.reads(c) {
		c.opens, c.words = false, c.writes
	}
	if !part && !c.opens {
		return
	}
	bound := f.pool[c.paths:c.bound]
	if part {
		bound = slices.Clone(bound)
		for _, object := range f.pool[c.words:c.writes] {
			bound = append(append(bound, object), f.files[object]...)
		}
	}
	paths := f.pool[c.writes:c.paths]
	if c.opens {
		for _, name := range bound {
			f.files[name] = paths
		}
	}
	if !part {
		return
	}
	for _, name := range bound {
		f.add(name)
	}
	if c.opens {
		for _, id := range paths {
			if f.words[id].quoted {
				f.add(id)
			}
		}
	}
}
