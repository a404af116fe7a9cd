package normalize

// Targets of assignments that are no plain names.

// assignGlobal is globals()["name"] = v, and the same for locals and vars. It
// reports whether it was that.
func (p *peeler) assignGlobal(at int, v value) bool {
	switch string(p.toks[at].Bytes(p.src)) {
	case "globals", "locals", "vars":
	default:
		return false
	}
	key := p.toks[at+4]
	if p.toks[at+1].End-p.toks[at].Start > 16 || p.src[p.toks[at+3].Start] != '[' || key.Kind != String {
		return false
	}
	name, ok := StringValue(p.src, key)
	if !ok || len(name) == 0 {
		return false
	}
	p.bindName(string(name), v)
	return true
}

// assignPlace is v bound to one of several targets that is an element of a
// name, between two tokens: a[i], b[j] = b[j], a[i].
func (p *peeler) assignPlace(from, to int, v value) {
	if from+3 >= to || to > len(p.toks) || p.toks[from].Kind != Name || p.src[p.toks[from+1].Start] != '[' ||
		p.src[p.toks[to-1].Start] != ']' {
		return
	}
	here := p.i
	p.i = from + 2
	index := p.test()
	if p.i == to-1 {
		v.named = true
		p.setItem(itemPlace{name: from, index: index, end: to}, v)
	}
	p.i = here
}

// enterBody says that the body of a function is read next, whose parameters
// stand at names: what a name meant before the body, it means behind it.
func (p *peeler) enterBody(names []int32, colon int) {
	if p.source != p.home || p.again || p.frame != nil || len(p.results) >= maxLoopResults {
		return
	}
	p.results = append(p.results, loopResult{
		end: p.suite(colon, p.suiteColumn(colon)).end, names: map[string]value{}, restored: true})
	for _, at := range names {
		p.keepOuter(string(NameValue(p.src, p.toks[at])))
	}
}

// body is the function whose body is read, if any.
func (p *peeler) body() *loopResult {
	if p.again || p.frame != nil || p.source != p.home {
		return nil
	}
	for k := len(p.results) - 1; k >= 0; k-- {
		if r := &p.results[k]; r.restored {
			return r
		}
	}
	return nil
}

// keepOuter keeps what a name means outside of the function whose body is read.
func (p *peeler) keepOuter(name string) {
	if r := p.body(); r != nil && len(r.names) < maxInherited {
		if _, ok := r.names[name]; !ok {
			r.names[name] = p.env[name]
		}
	}
}

// globals reads "global a, b" in a body that is not run: what is bound to these
// names stays.
func (p *peeler) globals() {
	r := p.body()
	for p.advance(); !p.ended(); p.advance() {
		if r != nil && p.kind() == Name && len(r.names) < maxInherited {
			r.names[string(NameValue(p.src, p.toks[p.i]))] = value{}
		}
	}
}

// setAttribute is setattr(module, name, v): a name of the builtins is one of
// the script's.
func (p *peeler) setAttribute(args []value) value {
	if len(args) != 3 || args[0].kind != function && args[0].kind != object || !args[1].isText() || !args[2].known() {
		return value{}
	}
	switch symbolNames[args[0].num] {
	case "builtins", "__builtin__", "__builtins__", "globals()", "locals()", "vars()":
		p.setLocal(string(args[1].data), args[2])
		if p.frame != nil && len(p.frame.free) < 64 {
			p.frame.free = append(p.frame.free, string(args[1].data))
		}
		return value{kind: settled}
	}
	return value{}
}
