package normalize

// onceRead is the iterable of a clause, and the token behind it.
type onceRead struct {
	iterable value
	next     int
}

// readState is what reading an expression changes besides the place.
type readState struct {
	random twister
	levels uint64
}

// state gives what comes of reading so far.
func (p *peeler) state() readState { return readState{p.u.random, p.levels} }

// inner reads "in iterable" of a clause. The iterable is evaluated once, if it
// reads none of the names that the comprehension binds.
func (p *peeler) inner(g *gather) value {
	at := p.i
	if o, ok := g.once[at]; ok {
		p.i = o.next
		p.u.steps++
		return o.iterable
	}
	p.advance()
	f := p.frame
	if f == nil || f.level > 62 {
		return p.binary(1)
	}
	levels, random, set := p.levels, p.u.random, p.itemsSet
	p.levels = 0
	p.watching++
	iterable := p.binary(1)
	p.watching--
	if p.levels>>f.level&1 == 0 && p.u.random == random && p.itemsSet == set {
		if g.once == nil {
			g.once = map[int]onceRead{}
		}
		g.once[at] = onceRead{iterable, p.i}
	}
	p.levels |= levels
	return iterable
}

// noteRead notes the frame that a name is bound in.
func (p *peeler) noteRead(name []byte) {
	for f := p.frame; f != nil; f = f.outer {
		if f.has(string(name)) {
			p.levels |= 1 << min(f.level, 63)
			return
		}
	}
}
