package classify

import "kingsnake/normalize"

// Bounds on what is read ahead.
const (
	maxAhead = 1 << 16 // statements of a layer
	maxChain = 256     // parts of an expression
)

// ahead reads the statements of a layer before the walker does, and lets names
// stand for what they will stand for: modules that are imported further down,
// and results of calls. So nothing is lost by the order that code stands in.
type ahead struct {
	*walker
	outer int32    // indentation of the function or class around a statement; -1 for none
	inner []uint64 // names that are bound inside of one
}

// readAhead fills the environment of the layer.
func (w *walker) readAhead() {
	a := ahead{walker: w, outer: -1, inner: w.inner[:0]}
	a.lines((*ahead).imported) // further down than where a value is taken of it
	a.lines((*ahead).line)
	for _, name := range a.inner {
		w.forget(name)
	}
	w.inner = a.inner
}

// lines reads lines, each from its first token.
func (a *ahead) lines(read func(a *ahead, i int)) {
	left := maxAhead
	for i := range a.toks {
		if a.toks[i].Flags&normalize.First == 0 {
			continue
		}
		if left--; left < 0 || len(a.env) >= maxEnv/2 {
			break
		}
		read(a, i)
	}
}

// imported reads a line that is an import.
func (a *ahead) imported(i int) {
	if a.kind(i) != normalize.Keyword {
		return
	}
	switch string(a.bytes(i)) {
	case "import":
		a.imports(i+1, false)
	case "from":
		a.importsFrom(i+1, false)
	}
}

// line reads the statements of the logical line that starts at token i.
func (a *ahead) line(i int) {
	width := a.indent(i)
	if width <= a.outer {
		a.outer = -1
	}
	if a.outer < 0 && (a.is(i, "def") || a.is(i, "class") || a.is(i, "async")) {
		a.outer = width
	}
	for ok := true; ok; i, ok = a.next(i) {
		if a.kind(i) == normalize.Name {
			i = a.binding(i)
		} else {
			a.imported(i)
		}
	}
}

// next is the statement behind the one that token i stands in, in the same line.
func (a *ahead) next(i int) (next int, ok bool) {
	for ; i < len(a.toks); i++ {
		switch t := &a.toks[i]; t.Kind {
		case normalize.Newline, normalize.Comment:
			return i, false
		case normalize.Op:
			switch {
			case t.IsOp(';') || t.IsOp(':'):
				return i + 1, !a.lineEnds(i + 1)
			case t.IsOp('(') || t.IsOp('[') || t.IsOp('{'):
				i = a.behind(i) - 1
			}
		}
	}
	return i, false
}

// indent is how far in its line token i stands.
func (w *walker) indent(i int) int32 {
	n, place := int32(0), w.toks[i].Start
	for ; n < place && n < 256; n++ {
		if c := w.src[place-n-1]; c != ' ' && c != '\t' {
			break
		}
	}
	return n
}

// lineEnds reports whether token i stands behind a statement that ends its line.
func (a *ahead) lineEnds(i int) bool {
	return i >= len(a.toks) || a.toks[i].Kind == normalize.Newline || a.toks[i].Kind == normalize.Comment
}

// behind is the token behind the bracket that closes the one at token i.
func (a *ahead) behind(i int) int {
	depth := 0
	for ; i < len(a.toks); i++ {
		t := &a.toks[i]
		if depth > 0 && t.Flags&normalize.First != 0 {
			break
		}
		if t.Kind != normalize.Op {
			continue
		}
		switch a.src[t.Start] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth <= 0 {
				return i + 1
			}
		}
	}
	return i
}

// binding reads a statement that starts with the name at token i, and returns a
// token in it.
func (a *ahead) binding(i int) int {
	raw, dotted := hashBytes(a.bytes(i)), false
	for i++; a.isOp(i, '.') && a.kind(i+1) == normalize.Name; i += 2 {
		raw, dotted = join(raw, hashBytes(a.bytes(i+1))), true
	}
	if !a.isOp(i, '=') || len(a.env) >= maxEnv/2 {
		return i
	}
	v, end := a.expression(i + 1)
	if v.sym == 0 || !a.lineEnds(end) && !a.isOp(end, ';') {
		a.forget(raw)
		return i
	}
	a.bindTo(raw, v)
	if a.outer >= 0 && !dotted {
		a.inner = append(a.inner, raw)
	}
	return i
}

// expression is what a dotted name, called or not, stands for that starts at
// token i, and the token behind it.
func (a *ahead) expression(i int) (v value, next int) {
	if a.is(i, "await") {
		i++
	}
	if a.kind(i) != normalize.Name {
		return nothing, i
	}
	raw := hashBytes(a.bytes(i))
	v, _ = a.resolve(raw)
	i++
	for range maxChain {
		switch {
		case a.isOp(i, '.') && a.kind(i+1) == normalize.Name:
			attr := hashBytes(a.bytes(i + 1))
			raw = join(raw, attr)
			v = a.attribute(v, raw, attr)
			i += 2
		case a.isOp(i, '('):
			i, raw = a.behind(i), 0
			if v.sym != 0 {
				v = value{sym: v.sym.call(), behavior: v.behavior}
			}
		default:
			return v, i
		}
	}
	return nothing, i
}
