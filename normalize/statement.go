package normalize

// statement reads one simple statement, or the head of a compound one. It
// always moves on.
func (p *peeler) statement() {
	p.begin = p.i
	t := p.toks[p.i]
	switch t.Kind {
	case Newline, Other, Skipped:
		p.advance()
		return
	case Keyword:
		switch string(t.Bytes(p.src)) {
		case "import":
			p.importModules()
			return
		case "from":
			p.importFrom()
			return
		case "def":
			p.define()
			return
		case "for":
			p.forTargets()
			return
		case "if", "while", "elif", "return", "assert", "raise", "with", "except", "else", "try",
			"finally", "del", "global", "class", "pass", "break", "continue":
			p.advance()
			return
		}
	case Name:
		if p.execStatement() {
			return
		}
	case Op:
		if p.is(';') || p.is(':') {
			p.advance()
			return
		}
	}
	p.assignment()
}

// ended reports whether the statement is over.
func (p *peeler) ended() bool {
	return p.i >= len(p.toks) || p.toks[p.i].Kind == Newline || p.is(';') ||
		p.toks[p.i].Flags&First != 0 && p.i > p.begin
}

// assignment reads expressions, and binds names to them where they are
// assigned.
func (p *peeler) assignment() {
	start := p.i
	v, single := p.expressions()
	switch {
	case p.is(':') && single && p.toks[start].Flags&First != 0 && p.isTarget(start):
		p.advance()
		p.drop(p.test()) // the annotation
		if p.is('=') {
			p.advance()
			v, _ = p.expressions()
			p.bind(start, v)
		}
	case p.is('='):
		targets := []int{}
		if single && p.isTarget(start) {
			targets = append(targets, start)
		}
		for p.is('=') {
			p.advance()
			at := p.i
			v, single = p.expressions()
			if p.is('=') && single && p.isTarget(at) && len(targets) < 8 {
				targets = append(targets, at)
			}
		}
		for _, at := range targets {
			p.bind(at, v)
		}
		if len(targets) == 0 {
			p.drop(v)
		}
	case p.isOp("+="):
		p.advance()
		right, _ := p.expressions()
		if single && p.isTarget(start) {
			sum := p.binaryOp("+", v, right)
			sum.start, sum.end = p.toks[start].Start, p.lastEnd()
			p.bind(start, sum)
			return
		}
		p.drop(v)
		p.drop(right)
	default:
		p.drop(v)
		if p.i == start {
			p.advance()
		}
	}
}

// expressions reads one expression, or several with commas, whose value is
// then a list and not single.
func (p *peeler) expressions() (v value, single bool) {
	v = p.test()
	if !p.is(',') {
		return v, true
	}
	start, base := v.start, len(p.stack)
	p.push(v)
	for p.is(',') {
		p.advance()
		if p.ended() || p.is('=') {
			break
		}
		p.push(p.test())
	}
	return p.popList(base, start), false
}

// isTarget reports whether the token at i is a name, alone, that is followed
// by the token to be read next.
func (p *peeler) isTarget(at int) bool {
	if p.toks[at].Kind != Name {
		return false
	}
	here := p.i
	p.i = at
	p.advance()
	alone := p.i == here
	p.i = here
	return alone
}

// bind binds the name at token at to v, or forgets what it was bound to.
func (p *peeler) bind(at int, v value) {
	name := NameValue(p.src, p.toks[at])
	if v.kind == unknown || v.kind == settled {
		delete(p.env, string(name))
		return
	}
	if len(p.env) >= maxNames {
		p.u.note("left names of layer %d unbound: more than %d", p.layer, maxNames)
		return
	}
	if v.isText() && v.extra != nil && !v.named && p.quiet == 0 {
		if len(p.bound) < maxNames {
			p.bound = append(p.bound, v)
		} else {
			p.report(v, false)
		}
	}
	if v.kind == list && !v.named {
		p.drop(v)
	}
	v.named = true
	p.env[string(name)] = v
}

// importModules reads "import a.b, c as d".
func (p *peeler) importModules() {
	p.advance()
	for !p.ended() {
		start := p.i
		root, all := p.modulePath()
		if p.isWord("as") {
			p.advance()
			if p.kind() == Name {
				p.bind(p.i, all)
				p.advance()
			}
		} else if start < len(p.toks) && p.toks[start].Kind == Name {
			p.bind(start, root)
		}
		if !p.is(',') {
			return
		}
		p.advance()
	}
}

// modulePath reads "a.b.c" and gives the modules a and a.b.c.
func (p *peeler) modulePath() (root, all value) {
	for first := true; p.kind() == Name; first = false {
		name := NameValue(p.src, p.toks[p.i])
		if first {
			root = moduleValue(name)
			all = root
		} else {
			all = attribute(all, name)
		}
		p.advance()
		if !p.is('.') {
			break
		}
		p.advance()
	}
	return root, all
}

// importFrom reads "from a.b import c, d as e".
func (p *peeler) importFrom() {
	p.advance()
	_, module := p.modulePath()
	if !p.isWord("import") {
		return
	}
	p.advance()
	if p.is('(') {
		p.advance()
	}
	for p.kind() == Name {
		at := p.i
		member := attribute(module, NameValue(p.src, p.toks[at]))
		p.advance()
		if p.isWord("as") {
			p.advance()
			if p.kind() != Name {
				return
			}
			at = p.i
			p.advance()
		}
		p.bind(at, member)
		if !p.is(',') {
			break
		}
		p.advance()
	}
	if p.is(')') {
		p.advance()
	}
}

// define reads "def name(parameters):". A function of one return statement is
// kept to be called.
func (p *peeler) define() {
	p.advance()
	at := p.i
	if p.kind() != Name {
		return
	}
	p.advance()
	if !p.is('(') {
		return
	}
	p.advance()
	names, simple := p.parameters(')')
	if p.is(')') {
		p.advance()
	}
	f := value{}
	if simple && p.is(':') {
		here := p.i
		p.advance()
		for p.kind() == Newline {
			p.advance()
		}
		if p.isWord("return") {
			p.advance()
			f = value{kind: lambda, num: int64(p.i), extra: &extra{names: names}}
		}
		p.i = here
	}
	p.bind(at, f)
}

// parameters reads the parameters of a function, up to the byte that ends
// them. They are simple when every one is a plain name.
func (p *peeler) parameters(end byte) (names []int32, simple bool) {
	simple = true
	for p.i < len(p.toks) && !p.is(end) && !p.ended() {
		switch {
		case p.kind() == Name:
			names = append(names, int32(p.i))
			p.advance()
			if p.is(':') && end != ':' {
				p.advance()
				p.drop(p.test())
			}
			if p.is('=') {
				p.advance()
				p.drop(p.test())
			}
		case p.is(','):
			p.advance()
		default:
			simple = false
			at := p.i
			p.drop(p.test())
			if p.i == at {
				p.advance()
			}
		}
	}
	return names, simple && len(names) <= 16
}

// forTargets reads "for x, y in" and forgets x and y.
func (p *peeler) forTargets() {
	p.advance()
	for !p.ended() && !p.isWord("in") {
		if p.kind() == Name {
			p.bind(p.i, value{})
		}
		p.advance()
	}
	if p.isWord("in") {
		p.advance()
	}
}

// execStatement reads the exec statement of Python 2, whose operand is not in
// brackets.
func (p *peeler) execStatement() bool {
	if string(p.toks[p.i].Bytes(p.src)) != "exec" || p.i+1 >= len(p.toks) {
		return false
	}
	if next := p.toks[p.i+1]; next.Kind != Name && next.Kind != String {
		return false
	}
	p.advance()
	v := p.test()
	p.report(v, true)
	p.await(v)
	for p.isWord("in") || p.is(',') {
		p.advance()
		p.drop(p.test())
	}
	return true
}

// await keeps the statement for a second reading when a value it decodes or
// executes is not known.
func (p *peeler) await(v value) {
	if v.kind != unknown || p.again || len(p.pending) >= maxPending {
		return
	}
	if n := len(p.pending); n == 0 || p.pending[n-1] != int32(p.begin) {
		p.pending = append(p.pending, int32(p.begin))
	}
}
