package normalize

// subscript reads "[i]" or "[from:to:step]".
func (p *peeler) subscript(v value) value {
	name := p.lastName
	direct := name >= 0 && p.i == name+1
	p.advance()
	var parts [3]value
	colons := 0
	for !p.closed() {
		at := p.i
		part := p.test()
		if colons < len(parts) {
			parts[colons] = part
		}
		if p.is(':') {
			colons++
			p.advance()
		} else if p.is(',') || p.i == at {
			colons = len(parts)
			p.advance()
		}
	}
	p.close(']')
	if direct && colons == 0 {
		p.item = itemPlace{name, parts[0], p.i}
	}
	for _, part := range parts {
		p.drop(part)
	}
	var out value
	switch {
	case colons == 0 && (v.isList() || v.kind == bytesText || v.kind == text && p.again):
		out = p.index(v, parts[0]) // reads one element
	case !p.touch(v):
	case colons == 0 && v.kind == function && parts[0].isText():
		out = p.attribute(v, parts[0].data)
	case colons == 0 && v.kind == object && parts[0].isText():
		out = p.namespace(v, parts[0].data)
	case colons == 0 && v.kind == dict:
		out = p.lookUp(v, parts[0])
	case colons == 0:
		out = p.index(v, parts[0])
	case colons < len(parts):
		out = p.slice(v, parts, colons)
	}
	if out.kind == unknown {
		p.drop(v)
	}
	return out
}

// index is v[i].
func (p *peeler) index(v, i value) value {
	if v.kind == text && p.again && i.kind == integer {
		return p.charAt(v, i.num)
	}
	n := v.length()
	if i.kind != integer || n < 0 || v.kind == dict {
		return value{}
	}
	k := i.num
	if k < 0 {
		k += int64(n)
	}
	if k < 0 || k >= int64(n) {
		return value{}
	}
	if v.kind == text {
		if !isASCII(v.data) {
			if !p.u.spend(5 * len(v.data)) {
				return value{}
			}
			return p.derive(v, text, []byte(string(v.chars()[k])), "slice")
		}
		return p.substring(v, int(k), int(k)+1, "slice")
	}
	return v.at(int(k))
}

// slice is v[from:to:step], with as many parts as there are colons and one.
func (p *peeler) slice(v value, parts [3]value, colons int) value {
	n := v.length()
	if n < 0 || v.kind == dict {
		return value{}
	}
	step := int64(1)
	if colons == 2 && parts[2].kind == integer {
		step = parts[2].num
	}
	for k, part := range parts[:2] {
		if part.kind != integer && part.kind != none && part.start < part.end && k <= colons {
			return value{} // a bound that is not known
		}
	}
	if step == -1 && parts[0].kind != integer && parts[1].kind != integer {
		return p.reverse(v)
	}
	if step < 0 && step > -1<<20 && parts[0].kind != integer && parts[1].kind != integer {
		return p.everyNth(p.reverse(v), 0, n, int(-step))
	}
	if step < 1 {
		return value{}
	}
	bound := func(part value, otherwise int) int {
		if part.kind != integer {
			return otherwise
		}
		k := part.num
		if k < 0 {
			k += int64(n)
		}
		return int(min(max(k, 0), int64(n)))
	}
	from, to := bound(parts[0], 0), bound(parts[1], n)
	to = max(to, from)
	if step == 1 && v.isText() && (v.kind == bytesText || isASCII(v.data)) {
		return p.substring(v, from, to, "slice")
	}
	return p.everyNth(v, from, to, int(min(step, int64(n)+1)))
}

// everyNth is v[from:to:step] for any kind of value and a step above zero.
func (p *peeler) everyNth(v value, from, to, step int) value {
	if v.isText() {
		if !p.u.spend(5 * len(v.data)) {
			return value{}
		}
		chars := v.chars()
		var data []byte
		for i := from; i < to; i += step {
			data = appendChar(data, int(chars[i]), v.kind == bytesText)
		}
		return p.derive(v, v.kind, data, "slice")
	}
	elements, ok := p.elements(v)
	if !ok {
		return value{}
	}
	base := len(p.stack)
	for i := from; i < to; i += step {
		p.push(elements.at(i))
	}
	return p.popList(base, v.start)
}
