package normalize

// maxDict bounds the keys of a dictionary that is followed.
const maxDict = 1 << 12

// braces reads a dictionary or a set, or a comprehension of one.
func (p *peeler) braces() value {
	start := p.startAt()
	p.advance()
	base, first, before := len(p.stack), p.i, p.state()
	known := true
	for n := 0; !p.closed(); n++ {
		at := p.i
		key := p.test()
		item := value{}
		if p.is(':') {
			p.advance()
			item = p.test()
		}
		if (p.isWord("for") || p.isAsyncFor()) && n == 0 {
			v := p.comprehension(first, before)
			p.close('}')
			if v.kind != dict {
				p.drop(v)
				v = value{}
			}
			v.start, v.end = start, p.lastEnd()
			return v
		}
		p.dropItem(key)
		p.dropItem(item)
		if known = known && key.known() && n < maxDict && len(p.stack) < maxStack-2; known {
			p.push(key)
			p.push(item)
		}
		switch {
		case p.is(','):
			p.advance()
		case p.i == at:
			known = false
			p.advance()
		}
	}
	p.close('}')
	if !known {
		p.stack = p.stack[:base]
		return value{start: start, end: p.lastEnd()}
	}
	return p.popDict(base, start)
}

// dropItem reports a key or an item of a dictionary, as nothing else is sure
// to be made of it.
func (p *peeler) dropItem(v value) {
	used := v.extra != nil && v.extra.used
	p.drop(v)
	if v.extra != nil && v.isText() {
		v.extra.used = used
	}
}

// popDict makes a dictionary of the keys and items on the stack from base on.
func (p *peeler) popDict(base int, start int32) value {
	items := p.stack[base:]
	p.stack = p.stack[:base]
	if !p.u.spend(valueSize*len(items) + overhead) {
		return value{}
	}
	v := value{kind: dict, start: start, end: p.lastEnd()}
	v.extra = &extra{items: append([]value(nil), items...)}
	for i := range v.extra.items {
		v.extra.items[i].named = true
	}
	return v
}

// equal reports whether two values are equal as keys of a dictionary.
func equal(a, b value) bool {
	switch {
	case a.kind != b.kind:
		return false
	case a.isText() || a.kind == bigInt:
		return string(a.data) == string(b.data)
	case a.kind == integer:
		return a.num == b.num
	}
	return a.kind == none
}

// find gives the place of a key in the items of a dictionary, or -1. The last
// one counts.
func (p *peeler) find(d, key value) int {
	p.u.steps += len(d.extra.items) / 64
	for i := len(d.extra.items) - 2; i >= 0; i -= 2 {
		if equal(d.extra.items[i], key) {
			return i
		}
	}
	return -1
}

// lookUp is d[key].
func (p *peeler) lookUp(d, key value) value {
	if i := p.find(d, key); i >= 0 && p.u.steps <= p.stepLimit {
		return d.extra.items[i+1]
	}
	return value{}
}

// dictMethod calls a method of a dictionary.
func (p *peeler) dictMethod(d value, name string, args []value) value {
	items := d.extra.items
	switch name {
	case "get":
		if len(args) == 0 || !args[0].known() {
			return value{}
		}
		if i := p.find(d, args[0]); i >= 0 {
			return items[i+1]
		}
		if len(args) > 1 {
			return args[1]
		}
	case "items", "iteritems":
		if !p.u.spend(3 * valueSize * len(items)) {
			return value{}
		}
		base := len(p.stack)
		for i := 0; i+1 < len(items); i += 2 {
			p.push(value{kind: list, named: true, extra: &extra{items: items[i : i+2 : i+2]}})
		}
		return p.popList(base, d.start)
	case "keys", "values":
		base := len(p.stack)
		at := 0
		if name == "values" {
			at = 1
		}
		for i := 0; i+1 < len(items); i += 2 {
			p.push(items[i+at])
		}
		return p.popList(base, d.start)
	}
	return value{}
}

// itemPlace is where an element of a name stands: name[index].
type itemPlace struct {
	name  int // the token of the name
	index value
	end   int // the token behind it
}

// setItem is name[index] = v.
func (p *peeler) setItem(at itemPlace, v value) {
	name := string(NameValue(p.src, p.toks[at.name]))
	owner, ok := p.env[name]
	if !ok {
		return
	}
	p.itemsSet++
	if !v.known() || !at.index.known() {
		p.setLocal(name, value{})
		return
	}
	if owner.kind == dict {
		if i := p.find(owner, at.index); i >= 0 {
			owner.extra.items[i+1] = v
			p.setLocal(name, owner)
			return
		}
		if len(owner.extra.items) < 2*maxDict && p.u.spend(2*valueSize) {
			at.index.named, v.named = true, true
			owner.extra.items = append(owner.extra.items, at.index, v)
			p.setLocal(name, owner)
		}
		return
	}
	k := at.index.num
	if k < 0 {
		k += int64(owner.length())
	}
	if at.index.kind != integer || k < 0 || k >= int64(owner.length()) {
		return
	}
	switch {
	case owner.kind == list:
		v.named = true
		owner.extra.items[k] = v
		p.setLocal(name, owner)
	case owner.kind == integers && v.kind == integer && v.num == int64(int32(v.num)):
		owner.extra.ints[k] = int32(v.num)
		p.setLocal(name, owner)
	case owner.kind == chars && v.kind == text && v.length() == 1:
		owner.extra.ints[k] = v.chars()[0]
		p.setLocal(name, owner)
	case owner.kind == bytesText && v.kind == integer && v.num >= 0 && v.num < 256:
		if owner.extra == nil || !owner.extra.owned {
			if !p.u.spend(len(owner.data)) {
				return
			}
			owner = p.derive(owner, bytesText, append([]byte(nil), owner.data...), "chr")
			if owner.extra == nil {
				return
			}
			owner.extra.owned = true
		}
		owner.data[k] = byte(v.num)
		p.setLocal(name, owner)
	default:
		elements, ok := p.elements(owner)
		if !ok || !owner.isList() {
			p.setLocal(name, value{})
			return
		}
		base := len(p.stack)
		p.pushAll(elements)
		p.stack[base+int(k)] = v
		p.setLocal(name, p.popItems(base, owner.start))
	}
}

// popItems is popList for a list that is to be changed.
func (p *peeler) popItems(base int, start int32) value {
	items := p.stack[base:]
	p.stack = p.stack[:base]
	if !p.u.spend(valueSize * len(items)) {
		return value{}
	}
	return value{kind: list, start: start, end: p.lastEnd(), extra: &extra{items: append([]value(nil), items...)}}
}

// changesList reads "name.append(v)" and its like, at the start of a
// statement, and changes what name is bound to. It reads nothing else.
func (p *peeler) changesList() bool {
	at := p.i
	if at+3 >= len(p.toks) || p.src[p.toks[at+1].Start] != '.' || p.toks[at+2].Kind != Name ||
		p.src[p.toks[at+3].Start] != '(' {
		return false
	}
	method := string(p.toks[at+2].Bytes(p.src))
	switch method {
	case "append", "extend", "insert", "reverse", "update", "appendleft":
	default:
		return false
	}
	name := string(NameValue(p.src, p.toks[at]))
	owner, ok := p.env[name]
	if !ok || !owner.isList() && owner.kind != bytesText && owner.kind != dict {
		return false
	}
	p.i = at + 3
	base := p.arguments()
	args := append([]value(nil), p.stack[base:]...)
	p.stack = p.stack[:base]
	for _, arg := range args {
		if !arg.isText() {
			p.drop(arg)
		}
	}
	p.setLocal(name, p.changed(owner, method, args))
	return true
}

// changed is what owner.method(args) makes of owner.
func (p *peeler) changed(owner value, method string, args []value) value {
	if method == "reverse" {
		return p.reverse(owner)
	}
	if len(args) == 0 || !args[len(args)-1].known() {
		return value{}
	}
	v := args[len(args)-1]
	v.named = true
	switch {
	case owner.kind == dict && method == "update" && v.kind == dict:
		if len(owner.extra.items)+len(v.extra.items) <= 2*maxDict && p.u.spend(valueSize*len(v.extra.items)) {
			owner.extra.items = append(owner.extra.items, v.extra.items...)
		}
		return owner
	case owner.kind == bytesText && method == "append" && v.kind == integer && v.num >= 0 && v.num < 256:
		return p.concat(owner, value{kind: bytesText, data: []byte{byte(v.num)}, start: owner.start, end: owner.end,
			extra: oneChar})
	case owner.kind == bytesText && method == "extend" && v.isText():
		return p.concat(owner, v)
	case owner.kind == bytesText && method == "extend" && v.kind == integers:
		return p.concat(owner, p.fromInts(v, bytesText))
	case owner.kind == bytesText || owner.kind == dict:
		return value{}
	case method == "append":
		return p.appended(owner, v)
	case method == "extend":
		elements, ok := p.elements(v)
		for i := 0; ok && i < elements.n && owner.known(); i++ {
			owner = p.appended(owner, elements.at(i))
		}
		return owner
	}
	at := 0
	if method == "insert" {
		if len(args) < 2 || args[0].kind != integer {
			return value{}
		}
		at = int(min(max(args[0].num, 0), int64(owner.length())))
	}
	elements, ok := p.elements(owner)
	if !ok || !p.u.spend(valueSize*elements.n) {
		return value{}
	}
	base := len(p.stack)
	for i := range elements.n {
		if i == at {
			p.push(v)
		}
		p.push(elements.at(i))
	}
	if at >= elements.n {
		p.push(v)
	}
	return p.popList(base, owner.start)
}

// appended is the list owner with v behind its last element. Lists of integers
// and of single characters stay packed.
func (p *peeler) appended(owner, v value) value {
	n := owner.length()
	kind, c := list, int32(0)
	switch {
	case v.kind == integer && v.num == int64(int32(v.num)):
		kind, c = integers, int32(v.num)
	case v.kind == text && len(v.data) > 0 && len(v.data) <= 4 && p.quiet > 0:
		if r := v.chars(); len(r) == 1 {
			kind, c = chars, r[0]
		}
	}
	if n == 0 && kind != owner.kind {
		owner = value{kind: kind, start: owner.start, end: owner.end, extra: &extra{}}
	}
	switch {
	case n >= maxGathered:
		return value{}
	case owner.kind == kind && kind != list:
		if len(owner.extra.ints) == cap(owner.extra.ints) && !p.u.spend(8*n+overhead) {
			return value{}
		}
		owner.extra.ints = append(owner.extra.ints, c)
		return owner
	case owner.kind != list:
		elements, _ := p.elements(owner)
		base := len(p.stack)
		p.pushAll(elements)
		if owner = p.popItems(base, owner.start); !owner.known() {
			return owner
		}
	}
	if len(owner.extra.items) == cap(owner.extra.items) && !p.u.spend(2*valueSize*n+overhead) {
		return value{}
	}
	owner.extra.items = append(owner.extra.items, v)
	return owner
}
