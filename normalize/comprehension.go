package normalize

// maxGathered bounds the elements of a comprehension.
const maxGathered = 1 << 18

// gather collects the elements of a comprehension. Integers and single
// characters are packed as they come; other values stand on the stack.
type gather struct {
	kind  valueKind // integers, chars, or list once there is anything else
	ints  []int32
	base  int
	pairs bool // keys and values of a dictionary
	once  map[int]onceRead
	cut   cutLoop
}

// add adds one element.
func (p *peeler) add(g *gather, v value) bool {
	v.named = false
	if g.pairs {
		g.kind = list
	}
	kind, c := list, int32(0)
	switch {
	case v.kind == integer && v.num == int64(int32(v.num)):
		kind, c = integers, int32(v.num)
	case v.kind == text && len(v.data) > 0 && len(v.data) <= 4:
		if r := v.chars(); len(r) == 1 {
			kind, c = chars, r[0]
		}
	}
	if g.kind == unknown {
		g.kind = kind
	}
	if g.kind == kind && kind != list {
		if len(g.ints) >= maxGathered || len(g.ints) == cap(g.ints) && !p.u.spend(4*len(g.ints)) {
			return false
		}
		g.ints = append(g.ints, c)
		return true
	}
	if g.kind != list {
		s := sequence{of: value{kind: g.kind, extra: &extra{ints: g.ints}}, n: len(g.ints)}
		g.kind, g.ints = list, nil
		p.pushAll(s)
	}
	p.push(v)
	return len(p.stack) < maxStack
}

// value makes a value of what was gathered.
func (p *peeler) gathered(g *gather, start int32) value {
	switch {
	case g.pairs:
		return p.popDict(g.base, start)
	case g.kind == integers || g.kind == chars:
		return value{kind: g.kind, start: start, end: p.lastEnd(), extra: &extra{ints: g.ints}}
	}
	return p.popList(g.base, start)
}

// comprehension reads what stands behind the element expression that starts at
// token element: "for name in iterable", with more loops and conditions. It is
// evaluated where that is possible; before is the state before the element was
// read.
func (p *peeler) comprehension(element int, before readState) value {
	clauses := p.i
	random, levels := p.u.random, p.levels
	p.levels = 0
	iterable, in := p.readClause()
	first, reads := onceRead{iterable, p.i}, p.levels
	same := p.u.random == random
	p.levels |= levels
	for p.isWord("for") || p.isWord("if") || p.isWord("in") || p.isAsyncFor() {
		if p.isWord("for") {
			more, _ := p.readClause()
			p.drop(more)
			continue
		}
		p.advance()
		p.drop(p.binary(1))
		for p.is(',') {
			p.advance()
			p.drop(p.binary(1))
		}
	}
	if _, ok := p.elements(iterable); !ok {
		p.drop(iterable)
		return value{}
	}
	end := p.here()
	g := gather{base: len(p.stack)}
	p.quiet++
	p.calls++
	f := p.pushFrame()
	p.begin, p.again = element, true
	p.i = element
	p.u.random, p.levels = before.random, before.levels // it was read, and not evaluated
	if same {                                           // but for what the first loop is over
		g.once = map[int]onceRead{in: first}
		p.levels |= reads
	}
	ok := p.calls <= maxCalls && p.clause(&g, clauses, element)
	p.popFrame(f)
	p.calls--
	p.quiet--
	p.back(end)
	if !ok {
		p.stack = p.stack[:g.base]
		p.drop(iterable)
		return value{}
	}
	p.use(iterable)
	p.substitute(&g)
	v := p.gathered(&g, iterable.start)
	if v.extra != nil {
		v.extra.pieces = p.whole(iterable)
	}
	return v
}

// readClause reads "for targets in iterable" and gives the iterable, and the
// token that it stands behind.
func (p *peeler) readClause() (iterable value, in int) {
	p.advance()
	for !p.closed() && !p.isWord("in") {
		p.advance()
	}
	in = p.i
	if p.isWord("in") {
		p.advance()
	}
	return p.binary(1), in
}

// clause evaluates the clauses from token at on, and adds what they give. It
// reports whether all of that was known. Where a bound is reached, what came
// before it counts.
func (p *peeler) clause(g *gather, at, element int) bool {
	p.i = at
	switch {
	case p.isWord("if"):
		p.advance()
		truth, known := p.binary(1).truth()
		if !truth || !known {
			return known
		}
		return p.clause(g, p.i, element)
	case p.isAsyncFor() || p.isWord("for"):
	default:
		return p.gatherElement(g, element)
	}
	p.advance()
	targets := p.i
	for !p.closed() && !p.isWord("in") {
		p.advance()
	}
	end := p.i
	if !p.isWord("in") {
		return false
	}
	iterable := p.inner(g)
	next := p.i
	elements, ok := p.elements(iterable)
	if !ok {
		return false
	}
	if g.cut.clause == 0 {
		g.cut.clause = next
	}
	name := p.soleTarget(targets, end)
	m := p.memoOf(g, next, elements)
	for k := 0; k < elements.n; k++ {
		if k, ok = p.recall(g, m, k); !ok || k == elements.n {
			return ok
		}
		if !p.step() || p.u.left() < maxMade/16 {
			if next == g.cut.clause {
				g.cut.of, g.cut.read = elements, k
			}
			return g.kind != unknown // what is left is for what is made of it
		}
		v := elements.at(k)
		v.named = true
		if name != "" {
			p.setLocal(name, v)
		} else {
			p.unpack(targets, end, v)
		}
		had := len(g.ints)
		if !p.clause(g, next, element) {
			return false
		}
		m.note(g, k, had)
	}
	return true
}

// gatherElement evaluates the element expression.
func (p *peeler) gatherElement(g *gather, element int) bool {
	p.i = element
	if p.isOp("**") {
		return false
	}
	v := p.test()
	if p.is(':') {
		g.pairs = true
		p.advance()
		item := p.test()
		return v.known() && item.known() && p.add(g, v) && p.add(g, item)
	}
	return v.known() && p.add(g, v)
}
