package normalize

// trailers reads what follows an operand: attributes, calls and subscripts.
func (p *peeler) trailers(v value, start int32) value {
	for p.i < len(p.toks) {
		t := p.toks[p.i]
		if t.Kind != Op || t.End-t.Start != 1 || t.Flags&First != 0 && p.i > p.begin {
			return v
		}
		switch p.src[t.Start] {
		case '.':
			v = p.member(v)
		case '(':
			base := p.arguments()
			v = p.call(v, p.stack[base:])
			p.stack = p.stack[:base]
		case '[':
			v = p.subscript(v)
		default:
			return v
		}
		if !v.named {
			v.start, v.end = start, p.lastEnd()
		}
	}
	return v
}

// member reads ".name" and, behind a value with methods, its call.
func (p *peeler) member(v value) value {
	p.advance()
	if p.kind() != Name && p.kind() != Keyword {
		p.drop(v)
		return value{}
	}
	name := NameValue(p.src, p.toks[p.i])
	p.advance()
	switch v.kind {
	case function:
		return attribute(v, name)
	case text, bytesText, list, integers:
		if !p.is('(') {
			p.drop(v)
			return value{}
		}
		base := p.arguments()
		args := p.stack[base:]
		out := p.method(v, string(name), args)
		if out.kind == unknown {
			p.drop(v)
			p.dropAll(args)
		}
		p.stack = p.stack[:base]
		return out
	case unknown:
		p.written(name)
	}
	return value{}
}

// written reports code that is written out, to be run from a file: the text
// in the call of a method "write" that is to be read next.
func (p *peeler) written(method []byte) {
	switch string(method) {
	case "decode":
		if p.is('(') {
			p.await(value{})
		}
		return
	case "write", "write_text", "write_bytes", "writelines":
	default:
		return
	}
	if !p.is('(') {
		return
	}
	base := p.arguments()
	for _, v := range p.stack[base:] {
		if v.isText() && v.steps() == "" && len(v.data) >= minLayer && p.touch(v) && looksLikeCode(v.data) {
			p.addLayer(v, "write", false)
		}
		p.drop(v)
	}
	p.stack = p.stack[:base]
}

// dropAll drops all of a list of values.
func (p *peeler) dropAll(values []value) {
	for _, v := range values {
		p.drop(v)
	}
}

// arguments reads "(a, b=c, *d)" and leaves the values on the stack, from base
// on. Keyword arguments are taken as if they stood in the order of the
// parameters, which is how decoders are called in practice.
func (p *peeler) arguments() (base int) {
	p.advance()
	base = len(p.stack)
	for !p.closed() {
		at := p.i
		if p.is('*') || p.isOp("**") {
			p.advance()
		}
		first := p.i
		v := p.test()
		if p.is('=') && p.isTarget(first) {
			p.advance()
			v = p.test()
		}
		if (p.isWord("for") || p.isAsyncFor()) && len(p.stack) == base {
			start := v.start
			v = p.comprehension(first)
			v.start, v.end = start, p.lastEnd()
		}
		p.push(v)
		if p.is(',') || p.i == at {
			p.advance()
		}
	}
	p.close(')')
	return base
}

// call calls f. What it makes nothing of is reported.
func (p *peeler) call(f value, args []value) (out value) {
	switch f.kind {
	case function:
		if p.touch(args...) {
			out = p.callFunction(symbolNames[f.num], args)
		}
	case lambda:
		out = p.callLambda(f, args)
	default:
		p.drop(f)
	}
	if out.kind == unknown {
		p.commandLine(args)
		p.dropAll(args)
	}
	return out
}

// callLambda calls a function of the script.
func (p *peeler) callLambda(f value, args []value) value {
	const maxCalls = 8
	if p.calls >= maxCalls || !p.step() || len(args) > len(f.extra.names) {
		return value{}
	}
	known := false
	for _, arg := range args {
		known = known || arg.kind != unknown
	}
	if !known {
		return value{}
	}
	names := f.extra.names[:len(args)]
	return p.evaluate(int(f.num), names, append([]value(nil), args...))
}

// evaluate reads the expression at token at once more, with names bound to
// values, and gives its value.
func (p *peeler) evaluate(at int, names []int32, values []value) value {
	i, begin, again := p.i, p.begin, p.again
	before := make([]value, len(names))
	for k, name := range names {
		key := string(NameValue(p.src, p.toks[name]))
		before[k] = p.env[key]
		p.setLocal(key, values[k])
	}
	p.i, p.begin, p.again = at, at, true
	p.calls++
	v := p.test()
	p.calls--
	p.i, p.begin, p.again = i, begin, again
	for k := len(names) - 1; k >= 0; k-- {
		p.setLocal(string(NameValue(p.src, p.toks[names[k]])), before[k])
	}
	return v
}

// setLocal binds a name for a while, or unbinds it.
func (p *peeler) setLocal(name string, v value) {
	if v.kind == unknown || v.kind == settled {
		delete(p.env, name)
		return
	}
	v.named = true
	p.env[name] = v
}

// lambda reads "lambda a, b: body".
func (p *peeler) lambda() value {
	start := p.startAt()
	p.advance()
	names, simple := p.parameters(':')
	if !p.is(':') {
		return value{start: start, end: p.lastEnd()}
	}
	p.advance()
	at := p.i
	before := make([]value, len(names))
	for k, name := range names {
		key := string(NameValue(p.src, p.toks[name]))
		before[k] = p.env[key]
		delete(p.env, key)
	}
	p.drop(p.test())
	for k := len(names) - 1; k >= 0; k-- {
		p.setLocal(string(NameValue(p.src, p.toks[names[k]])), before[k])
	}
	v := value{start: start, end: p.lastEnd()}
	if simple {
		v.kind, v.num, v.extra = lambda, int64(at), &extra{names: names}
	}
	return v
}

// comprehension reads "for name in iterable" behind the element expression
// that starts at token element, and evaluates it where that is possible.
func (p *peeler) comprehension(element int) value {
	p.advance()
	target := int32(p.i)
	simple := p.kind() == Name
	for !p.closed() && !p.isWord("in") {
		p.advance()
	}
	simple = simple && p.isWord("in") && p.isTarget(int(target))
	if p.isWord("in") {
		p.advance()
	}
	iterable := p.binary(1)
	for p.isWord("for") || p.isWord("if") || p.isWord("in") || p.isAsyncFor() {
		simple = false
		p.advance()
		p.drop(p.binary(1))
		for p.is(',') {
			p.advance()
			p.drop(p.binary(1))
		}
	}
	elements, ok := p.elements(iterable)
	if !simple || !ok {
		p.drop(iterable)
		return value{}
	}
	base := len(p.stack)
	if !p.evaluateAll(element, target, elements) {
		p.stack = p.stack[:base]
		p.drop(iterable)
		return value{}
	}
	p.use(iterable)
	v := p.popList(base, iterable.start)
	if v.extra != nil {
		start, end := p.hull(iterable)
		v.extra.pieces = []piece{{0, start, end}}
	}
	return v
}

// evaluateAll evaluates the expression at token at with the name at token
// target bound to every element in turn, and pushes what it gives. It reports
// whether all of that was known.
func (p *peeler) evaluateAll(at int, target int32, elements sequence) bool {
	i, begin, again := p.i, p.begin, p.again
	key := string(NameValue(p.src, p.toks[target]))
	before := p.env[key]
	p.quiet++
	p.begin, p.again = at, true
	ok := true
	for k := 0; k < elements.n && ok && p.step(); k++ {
		v := elements.at(k)
		v.named = true
		p.env[key] = v
		p.i = at
		v = p.test()
		// Texts are made of these; lists of anything else are not worth it.
		ok = v.isText() || v.kind == integer
		v.named = false
		p.push(v)
	}
	p.quiet--
	p.i, p.begin, p.again = i, begin, again
	p.setLocal(key, before)
	return ok && p.u.steps <= maxSteps
}
