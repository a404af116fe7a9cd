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
		case "while":
			p.whileHead()
			return
		case "elif", "else", "except":
			p.branch()
			return
		case "class":
			p.classHead()
			return
		case "global":
			p.globals()
			return
		case "if", "return", "assert", "raise", "with", "try", "finally", "del", "pass", "break", "continue":
			p.advance()
			return
		}
	case Name:
		if p.execStatement() || p.changesList() {
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
	var item itemPlace
	if p.item.end == p.i && p.item.name == start {
		item = p.item
	}
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
		targets := make([]suite, 0, 8)
		at := start
		for p.is('=') {
			if len(targets) < cap(targets) {
				targets = append(targets, suite{at, p.i})
			}
			p.advance()
			at = p.i
			v, _ = p.expressions()
		}
		bound := false
		for _, t := range targets {
			bound = p.assign(t, item, v) || bound
		}
		if !bound {
			p.drop(v)
		}
	case p.isAugmented():
		op := p.augmented()
		target := suite{start, p.i}
		p.advance()
		right, _ := p.expressions()
		if single && p.isPlace(target, item) {
			result := p.binaryOp(op, v, right)
			result.start, result.end = p.spanFrom(start)
			p.assign(target, item, result)
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

// isAugmented reports whether an augmented assignment is to be read next.
func (p *peeler) isAugmented() bool {
	return p.i < len(p.toks) && p.toks[p.i].code == otherOp && p.augmented() != ""
}

// augmented gives the operator of the augmented assignment to be read next, or
// "".
func (p *peeler) augmented() string {
	if p.kind() != Op {
		return ""
	}
	op := p.toks[p.i].Bytes(p.src)
	if len(op) < 2 || op[len(op)-1] != '=' {
		return ""
	}
	switch op[0] {
	case '=', '!', '<', '>', ':':
		if len(op) < 3 {
			return ""
		}
	}
	return string(op[:len(op)-1])
}

// spanFrom is where what was read stands from token start on.
func (p *peeler) spanFrom(start int) (from, to int32) {
	if p.source != p.home {
		return int32(p.site.Start), int32(p.site.End)
	}
	return p.toks[start].Start, p.lastEnd()
}

// isPlace reports whether something can be bound to the tokens of t: a name,
// an attribute of a name, or an element of one, which is item.
func (p *peeler) isPlace(t suite, item itemPlace) bool {
	n := t.end - t.start
	if n < 1 || p.toks[t.start].Kind != Name {
		return false
	}
	return n == 1 || n == 3 && p.src[p.toks[t.start+1].Start] == '.' || item.end == t.end && item.name == t.start
}

// assign binds the target that the tokens of t are, and reports whether it is
// one that is followed.
func (p *peeler) assign(t suite, item itemPlace, v value) bool {
	for t.end > t.start && p.toks[t.end-1].Kind == Comment {
		t.end--
	}
	switch n := t.end - t.start; {
	case n < 1:
		return false
	case p.toks[t.start].Kind == Name && n == 1:
		p.bind(t.start, v)
		return true
	case p.commaBetween(t.start, t.end):
		p.unpack(t.start, t.end, v)
		return false
	case n == 6 && p.src[p.toks[t.start+1].Start] == '(':
		return p.assignGlobal(t.start, v)
	case !p.isPlace(t, item):
		return false
	case item.end == t.end && item.name == t.start:
		p.setItem(item, v)
		return false
	}
	var scratch [64]byte
	name := append(append(scratch[:0], '.'), NameValue(p.src, p.toks[t.start+2])...)
	if !v.known() && p.frame == nil {
		if p.ever.has(name[1:], true) {
			delete(p.env, string(name))
		}
		return true
	}
	p.bindName(string(name), v)
	return true
}

// bind binds the name at token at to v, or forgets what it was bound to.
func (p *peeler) bind(at int, v value) {
	name := NameValue(p.src, p.toks[at])
	if len(p.results) > 0 {
		p.keepOuter(string(name))
	}
	if !v.known() && p.frame == nil {
		if (p.i >= p.maybe || p.again) && p.ever.has(name, false) {
			delete(p.env, string(name))
		}
		return
	}
	p.bindName(string(name), v)
	if p.class.end > p.i && p.inClass() {
		p.bindName("."+string(name), v)
	}
}

// bindName binds a name to v, or forgets what it was bound to.
func (p *peeler) bindName(name string, v value) {
	if !v.known() {
		p.setLocal(name, value{})
		return
	}
	if v.kind == function && !p.aliases {
		full := lastName(symbolNames[v.num])
		p.aliases = full != name && makesText(full)
	}
	if v.isText() && v.extra != nil && !v.named && p.quiet == 0 {
		if len(p.bound) < maxNames {
			p.bound = append(p.bound, v)
		} else {
			p.report(v, false)
		}
	}
	if v.kind == list && !v.named && p.quiet == 0 {
		p.drop(v)
	}
	p.setLocal(name, v)
}

// branch reads "else", "elif" and "except". What is known of a name is kept
// where such a branch binds it to what is not.
func (p *peeler) branch() {
	at := p.i
	colon := at + 1
	for colon < len(p.toks) && colon < at+64 && p.toks[colon].Flags&First == 0 && p.src[p.toks[colon].Start] != ':' {
		colon++
	}
	if colon < len(p.toks) && p.toks[colon].Kind == Op && p.src[p.toks[colon].Start] == ':' && p.source == p.home {
		p.maybe = max(p.maybe, p.suite(colon, p.column(at)).end)
	}
	p.advance()
}

// whileHead reads "while", and runs the loop if that is worth while.
func (p *peeler) whileHead() {
	at := p.i
	p.advance()
	if p.source != p.home || p.quiet > 0 {
		return
	}
	p.drop(p.test())
	if p.is(':') {
		colon := p.i
		p.tryLoop(at, colon)
		p.i = colon
	}
}

// classHead reads "class", and remembers where its body ends.
func (p *peeler) classHead() {
	at := p.i
	p.advance()
	if p.source != p.home || p.again || at < p.class.end {
		return
	}
	colon, depth := p.i, 0
	for ; colon < len(p.toks) && colon < p.i+256; colon++ {
		if p.toks[colon].Kind != Op {
			continue
		}
		switch p.src[p.toks[colon].Start] {
		case '(':
			depth++
		case ')':
			depth--
		case ':':
			if depth <= 0 {
				p.class = p.suite(colon, p.column(at))
				return
			}
		}
	}
}

// inClass reports whether the statement stands in the body of a class, and not
// in one of its methods.
func (p *peeler) inClass() bool {
	return p.source == p.home && p.begin >= p.class.start && p.begin < len(p.toks) && p.class.start < len(p.toks) &&
		p.column(p.begin) == p.column(p.class.start)
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
	if p.is('*') {
		p.advance()
		p.importAll(module)
		return
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
	names, defaults, simple := p.parameters(')')
	if p.is(')') {
		p.advance()
	}
	if p.isOp("->") {
		p.advance()
		p.drop(p.test())
	}
	f := value{}
	if simple && p.is(':') {
		here := p.i
		p.advance()
		for p.kind() == Newline {
			p.advance()
		}
		method := false
		if len(names) > 0 {
			switch string(p.toks[names[0]].Bytes(p.src)) {
			case "self", "cls":
				method = true
			}
		}
		at, block := here, true
		if p.isWord("return") && !method {
			p.advance()
			at, block = p.i, false
		}
		if !block || p.decodes(p.suite(here, p.suiteColumn(here))) {
			f = value{kind: lambda, extra: &extra{code: &code{source: p.source, names: names, defaults: defaults, at: int32(at),
				block: block, method: method}}}
		}
		p.i = here
		p.enterBody(names, here)
	}
	p.bind(at, f)
}

// parameters reads the parameters of a function, up to the byte that ends
// them, and their defaults. They are simple when every one is a plain name.
func (p *peeler) parameters(end byte) (names []int32, defaults []value, simple bool) {
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
				v := p.test()
				p.drop(v)
				v.named = true
				if defaults == nil {
					defaults = make([]value, len(names), len(names)+4)
				}
				for len(defaults) < len(names) {
					defaults = append(defaults, value{})
				}
				defaults[len(names)-1] = v
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
	return names, defaults, simple && len(names) <= 16
}

// forTargets reads "for x, y in z", forgets x and y, and runs the loop if that
// is worth while.
func (p *peeler) forTargets() {
	start := p.i
	p.advance()
	targets := p.i
	for !p.ended() && !p.isWord("in") {
		p.advance()
	}
	end := p.i
	if p.isWord("in") {
		p.advance()
	}
	if p.source == p.home && p.quiet == 0 {
		iterable, _ := p.expressions()
		if p.is(':') {
			colon := p.i
			if n := iterable.length(); n > 0 {
				p.tryLoop(start, colon)
				p.i = colon
			}
		}
		p.drop(iterable)
	}
	for i := targets; i < end; i++ {
		if p.toks[i].Kind == Name {
			p.bind(i, value{})
		}
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
