package normalize

// A generator is run to its end where it is called, and gives the list of what
// it would have given in turn.

// given is what a generator gave so far.
type given struct {
	items  []value
	failed bool // what came next was not known
}

// yield reads "yield v" or "yield from v", and adds v to what the function that
// is run gives.
func (p *peeler) yield() value {
	start := p.startAt()
	p.advance()
	from := p.isWord("from")
	if from {
		p.advance()
	}
	v := value{}
	if !p.ended() && !p.closed() {
		v, _ = p.expressions()
	}
	f := p.frame
	for f != nil && !f.body {
		f = f.outer
	}
	if f == nil {
		p.drop(v)
		return value{start: start, end: p.lastEnd()}
	}
	if f.gen == nil {
		f.gen = &given{}
	}
	if from {
		elements, ok := p.elements(v)
		for i := 0; ok && i < elements.n; i++ {
			p.give(f.gen, elements.at(i))
		}
	} else {
		p.give(f.gen, v)
	}
	return value{kind: none, start: start, end: p.lastEnd()}
}

// give adds one value to what a generator gave. One that is not known ends it.
func (p *peeler) give(g *given, v value) {
	switch {
	case g.failed:
	case !v.known() || len(g.items) >= maxGathered || !p.u.spend(2*valueSize):
		g.failed = true
	default:
		v.named = true
		p.itemsSet++
		g.items = append(g.items, v)
	}
}

// generated is the list that a generator gave.
func (p *peeler) generated(g *given, out value) value {
	if len(g.items) == 0 {
		return value{}
	}
	base := len(p.stack)
	for _, v := range g.items {
		p.push(v)
	}
	return p.popList(base, out.start)
}
