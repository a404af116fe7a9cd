package normalize

import (
	"bytes"
	"slices"
)

// moreMethods calls a method of a text or a list that seldom occurs.
func (p *peeler) moreMethods(v value, name string, args []value) value {
	switch {
	case name == "__getitem__" && len(args) == 1 && !v.isText():
		return p.index(v, args[0])
	case name == "__add__" && len(args) == 1:
		return p.binaryOp("+", v, args[0])
	case !v.isText():
		return value{}
	}
	arg := func(i int) (value, bool) {
		if i >= len(args) || !args[i].isText() || len(args[i].data) == 0 {
			return value{}, false
		}
		return args[i], true
	}
	switch name {
	case "split", "rsplit":
		separator, ok := arg(0)
		if name == "rsplit" && len(args) == 0 {
			return p.parts(v, bytes.Fields(v.data))
		}
		if ok && len(args) == 1 {
			return p.splitOnce(v, separator.data)
		}
		if ok && args[1].kind == integer && args[1].num >= 0 && args[1].num < maxStack {
			return p.parts(v, splitTimes(v.data, separator.data, int(args[1].num), name == "rsplit"))
		}
	case "partition", "rpartition":
		if separator, ok := arg(0); ok {
			return p.parts(v, partition(v.data, separator.data, name == "rpartition"))
		}
	case "removeprefix", "removesuffix":
		cut, ok := arg(0)
		switch {
		case !ok:
		case name == "removeprefix":
			return p.substring(v, len(v.data)-len(bytes.TrimPrefix(v.data, cut.data)), len(v.data), "slice")
		default:
			return p.substring(v, 0, len(bytes.TrimSuffix(v.data, cut.data)), "slice")
		}
	case "swapcase":
		if !isASCII(v.data) || !p.u.spend(len(v.data)) {
			return value{}
		}
		data := bytes.Clone(v.data)
		for i, c := range data {
			if lower := c | 0x20; lower >= 'a' && lower <= 'z' {
				data[i] = c ^ 0x20
			}
		}
		return p.derive(v, v.kind, data, "case")
	case "count":
		if what, ok := arg(0); ok {
			return value{kind: integer, num: int64(bytes.Count(v.data, what.data))}
		}
	case "rfind", "rindex":
		if what, ok := arg(0); ok && isASCII(v.data) {
			return value{kind: integer, num: int64(bytes.LastIndex(v.data, what.data))}
		}
	case "format_map":
		if len(args) == 1 && args[0].kind == dict {
			return p.formatMap(v, args[0])
		}
	case "isdigit", "isalpha", "isalnum", "isupper", "islower", "isspace":
		return is(v.data, name)
	}
	return value{}
}

// is tells whether all characters of an ASCII text are of a kind.
func is(data []byte, method string) value {
	if !isASCII(data) {
		return value{}
	}
	cased := 0
	for _, c := range data {
		lower, upper, digit := c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9'
		if lower || upper {
			cased++
		}
		ok := false
		switch method {
		case "isdigit":
			ok = digit
		case "isalpha":
			ok = lower || upper
		case "isalnum":
			ok = lower || upper || digit
		case "isspace":
			ok = c == ' ' || c >= '\t' && c <= '\r' || c >= 0x1c && c <= 0x1f
		case "isupper":
			ok = !lower
		case "islower":
			ok = !upper
		}
		if !ok {
			return truthValue(false)
		}
	}
	return truthValue(len(data) > 0 && (cased > 0 || method != "isupper" && method != "islower"))
}

// splitTimes splits data at most n times, from the left or from the right.
func splitTimes(data, separator []byte, n int, right bool) [][]byte {
	if !right {
		return bytes.SplitN(data, separator, n+1)
	}
	var parts [][]byte
	for ; n > 0; n-- {
		i := bytes.LastIndex(data, separator)
		if i < 0 {
			break
		}
		parts = append(parts, data[i+len(separator):])
		data = data[:i]
	}
	parts = append(parts, data)
	slices.Reverse(parts)
	return parts
}

// partition cuts data at the first or the last separator.
func partition(data, separator []byte, right bool) [][]byte {
	i := bytes.Index(data, separator)
	if right {
		i = bytes.LastIndex(data, separator)
	}
	switch {
	case i >= 0:
		return [][]byte{data[:i], data[i : i+len(separator)], data[i+len(separator):]}
	case right:
		return [][]byte{nil, nil, data}
	}
	return [][]byte{data, nil, nil}
}

// lastSplit is the list that a text was split into last. Scripts that split a
// text again for each of its parts are not rare.
type lastSplit struct {
	data, separator string
	kind            valueKind
	set, n          int // what would tell that the list was changed
	parts           value
}

// splitOnce is v.split(), or with a separator.
func (p *peeler) splitOnce(v value, separator []byte) value {
	last := &p.lastSplit
	if last.kind == v.kind && last.set == p.itemsSet && last.parts.length() == last.n &&
		last.data == string(v.data) && last.separator == string(separator) {
		return last.parts
	}
	var parts [][]byte
	if separator == nil {
		parts = bytes.Fields(v.data)
	} else {
		parts = bytes.SplitN(v.data, separator, maxStack)
	}
	out := p.parts(v, parts)
	if len(parts) > 64 && p.again && p.u.spend(len(v.data)) {
		*last = lastSplit{string(v.data), string(separator), v.kind, p.itemsSet, out.length(), out}
	}
	return out
}

// parts makes a list of parts of v.
func (p *peeler) parts(v value, parts [][]byte) value {
	if !p.u.spend(24 * len(parts)) {
		return value{}
	}
	p.use(v)
	start, end := p.hull(v)
	base := len(p.stack)
	for _, part := range parts {
		p.push(value{kind: v.kind, data: part[:len(part):len(part)], start: start, end: end, named: true})
	}
	return p.popList(base, v.start)
}

// formatMap is v.format_map(d) for fields that are plain names.
func (p *peeler) formatMap(v, d value) value {
	data, ok := p.fillFields(v, func(field []byte) value { return p.lookUp(d, value{kind: text, data: field}) })
	if !ok {
		return value{}
	}
	return p.derive(v, v.kind, data, "format")
}
