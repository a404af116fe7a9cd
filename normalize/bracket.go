package normalize

// group reads what stands in round or square brackets: an expression, a list
// or a comprehension.
func (p *peeler) group(closer byte) value {
	start := p.startAt()
	p.advance()
	if v, ok := p.intList(closer, start); ok {
		return v
	}
	base, first, before := len(p.stack), p.i, p.state()
	commas := 0
	for !p.closed() {
		at := p.i
		v := p.test()
		if (p.isWord("for") || p.isAsyncFor()) && len(p.stack) == base {
			v := p.comprehension(first, before)
			p.close(closer)
			v.start, v.end = start, p.lastEnd()
			return v
		}
		switch {
		case p.is(','):
			commas++
			p.push(v)
			p.advance()
		case p.i == at:
			p.advance()
		default:
			p.push(v)
		}
	}
	p.close(closer)
	if closer == ')' && commas == 0 && len(p.stack) == base+1 {
		v := p.stack[base]
		p.stack = p.stack[:base]
		if !v.named {
			v.start, v.end = start, p.lastEnd()
		}
		return v
	}
	return p.popList(base, start)
}

// intList reads the rest of a list of nothing but integers, which may be long,
// at once. It reads nothing when the list is of another kind.
func (p *peeler) intList(closer byte, start int32) (v value, ok bool) {
	from, n := p.i, 0
	back := func() (value, bool) {
		p.i = from
		return value{}, false
	}
	for ; p.kind() == Number && p.toks[p.i].Flags&First == 0; n++ {
		p.advance()
		if !p.is(',') {
			break
		}
		p.advance()
	}
	// A list at the end of a text that was cut off counts as well.
	if n < 2 || !p.is(closer) && p.i < len(p.toks) || !p.u.spend(4*n) {
		return back()
	}
	ints := make([]int32, 0, n)
	for p.i = from; p.kind() == Number; {
		c, ok := parseInt(p.toks[p.i].Bytes(p.src))
		if !ok || c != int64(int32(c)) {
			return back()
		}
		ints = append(ints, int32(c))
		p.advance()
		if p.is(',') {
			p.advance()
		}
	}
	p.close(closer)
	return value{kind: integers, start: start, end: p.lastEnd(), extra: &extra{ints: ints}}, true
}

// isAsyncFor reports whether "async for" is to be read next, and reads the
// first word of it.
func (p *peeler) isAsyncFor() bool {
	if p.kind() != Name || string(p.toks[p.i].Bytes(p.src)) != "async" {
		return false
	}
	p.advance()
	return p.isWord("for")
}

// closed reports whether a bracket ends here, by its closer or because the
// text or the statement is over.
func (p *peeler) closed() bool {
	if p.i >= len(p.toks) {
		return true
	}
	t := p.toks[p.i]
	if t.Kind == Op {
		c := p.src[t.Start]
		return c == ')' || c == ']' || c == '}'
	}
	return t.Kind == Newline || t.Flags&First != 0 && p.i > p.begin
}

// close reads the closer of a bracket, if it is there.
func (p *peeler) close(closer byte) {
	if p.is(closer) {
		p.advance()
	}
}

// maxStack bounds the values on the stack: the elements of the lists and the
// arguments of the calls that are being read.
const maxStack = 1 << 16

// push puts a value on the stack. Where it is full the value is left out of
// its list.
func (p *peeler) push(v value) {
	if len(p.stack) >= maxStack {
		p.u.note("left elements of lists in layer %d out: more than %d", p.layer, maxStack)
		p.drop(v)
		return
	}
	p.stack = append(p.stack, v)
}

// popList makes a list of what stands on the stack from base on.
func (p *peeler) popList(base int, start int32) value {
	items := p.stack[base:]
	p.stack = p.stack[:base]
	v := value{kind: list, start: start, end: p.lastEnd()}
	whole := len(items) > 0
	for _, item := range items {
		whole = whole && item.kind == integer && item.num == int64(int32(item.num))
	}
	if whole {
		if !p.u.spend(4 * len(items)) {
			return value{}
		}
		v.kind = integers
		ints := make([]int32, len(items))
		for i, item := range items {
			ints[i] = int32(item.num)
		}
		v.extra = &extra{ints: ints}
		return v
	}
	if !p.u.spend(valueSize * len(items)) {
		return value{}
	}
	v.extra = &extra{items: append([]value(nil), items...)}
	return v
}
