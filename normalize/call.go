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
	case function, object:
		return p.attribute(v, name)
	case text, bytesText, list, integers, chars, dict, integer, bigInt:
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
	case unknown, settled:
		if p.ever.has(name, true) {
			var scratch [64]byte
			if v, ok := p.env[string(append(append(scratch[:0], '.'), name...))]; ok {
				return v
			}
		}
		if p.ever.has(name, false) {
			if f, ok := p.env[string(name)]; ok && f.kind == lambda && f.extra.code.method {
				return f
			}
		}
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
	for i := range values {
		if v := &values[i]; v.isText() || v.kind == list {
			p.drop(*v)
		}
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
		first, before := p.i, p.state()
		v := p.test()
		if p.is('=') && p.isTarget(first) {
			p.advance()
			v = p.test()
		}
		if (p.isWord("for") || p.isAsyncFor()) && len(p.stack) == base {
			start := v.start
			v = p.comprehension(first, before)
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
			if f.extra != nil {
				args = append(append([]value(nil), args...), f.extra.items...)
			}
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

// lambda reads "lambda a, b: body".
func (p *peeler) lambda() value {
	start := p.startAt()
	p.advance()
	names, defaults, simple := p.parameters(':')
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
	random := p.u.random
	p.drop(p.test())
	p.u.random = random
	for k := len(names) - 1; k >= 0; k-- {
		p.setLocal(string(NameValue(p.src, p.toks[names[k]])), before[k])
	}
	v := value{start: start, end: p.lastEnd()}
	if simple {
		v.kind, v.extra = lambda, &extra{code: &code{source: p.source, names: names, defaults: defaults, at: int32(at)}}
	}
	return v
}
