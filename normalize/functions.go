package normalize

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// moreFunctionNames are the functions that callMore knows.
var moreFunctionNames = []string{
	"setattr", "print", "filter", "sorted", "functools.reduce", "reduce", "itertools.chain", "itertools.chain.from_iterable",
	"itertools.islice", "operator.add", "operator.sub", "operator.mul", "operator.or_", "operator.and_", "operator.mod",
	"struct.unpack", "struct.iter_unpack", "bytes.hex", "codecs.encode", "divmod", "pow",
	"random.seed", "random.randint", "random.randrange", "random.getrandbits", "random.shuffle", "random.choice", "random.randbytes",
}

// callMore calls a function over several values, or one of random.
func (p *peeler) callMore(name string, args []value) value {
	first := args[0]
	if operator, ok := operatorFunctions[name]; ok && len(args) == 2 {
		return p.binaryOp(operator, first, args[1])
	}
	switch name {
	case "setattr":
		return p.setAttribute(args)
	case "filter":
		if len(args) == 2 {
			return p.filter(first, args[1])
		}
	case "sorted":
		if len(args) == 1 {
			return p.sorted(first)
		}
	case "functools.reduce", "reduce":
		return p.fold(args)
	case "itertools.chain":
		return p.chain(args)
	case "itertools.chain.from_iterable":
		if s, ok := p.elements(first); ok && s.n <= maxTuples {
			all := make([]value, s.n)
			for i := range all {
				all[i] = s.at(i)
			}
			return p.chain(all)
		}
	case "itertools.islice":
		if first.length() >= 0 && len(args) == 2 && args[1].kind == integer {
			return p.slice(first, [3]value{{}, args[1], {}}, 1)
		}
	case "struct.unpack", "struct.iter_unpack":
		if len(args) == 2 {
			return p.structure(first, args[1])
		}
	case "codecs.encode":
		if len(args) > 1 && first.isText() && args[1].isText() {
			return p.encodeCodec(first, string(args[1].data))
		}
	case "pow":
		if len(args) == 2 {
			return p.binaryOp("**", first, args[1])
		}
		return modularPower(args)
	case "divmod":
		if len(args) == 2 && first.kind == integer && args[1].kind == integer {
			quotient, okQ := divide("//", first.num, args[1].num)
			remainder, okR := divide("%", first.num, args[1].num)
			if okQ && okR {
				base := len(p.stack)
				p.push(value{kind: integer, num: quotient})
				p.push(value{kind: integer, num: remainder})
				return p.popList(base, first.start)
			}
		}
	default:
		return p.callRandom(name, args)
	}
	return value{}
}

// operatorFunctions are the functions that do what an operator does.
var operatorFunctions = map[string]string{
	"operator.add": "+", "operator.sub": "-", "operator.mul": "*", "operator.or_": "|", "operator.and_": "&", "operator.mod": "%",
}

// modularPower is pow(a, b, m) for whole numbers.
func modularPower(args []value) value {
	for _, arg := range args {
		if arg.kind != integer || arg.num < 0 || arg.num > 1<<31 {
			return value{}
		}
	}
	a, b, m := args[0].num, args[1].num, args[2].num
	if m == 0 {
		return value{}
	}
	n := int64(1) % m
	for a %= m; b > 0; b >>= 1 {
		if b&1 == 1 {
			n = n * a % m
		}
		a = a * a % m
	}
	return value{kind: integer, num: n}
}

// callOne calls a function of the script or one that is known.
func (p *peeler) callOne(f value, args ...value) value {
	switch {
	case !p.step():
	case f.kind == lambda:
		return p.callLambda(f, args)
	case f.kind == function && p.touch(args...):
		return p.call(f, args)
	}
	return value{}
}

// filter is filter(f, iterable).
func (p *peeler) filter(f, iterable value) value {
	elements, ok := p.elements(iterable)
	if !ok {
		return value{}
	}
	p.quiet++
	defer func() { p.quiet-- }()
	g := gather{base: len(p.stack)}
	for i := range elements.n {
		v := elements.at(i)
		keep := v
		if f.kind != none {
			keep = p.callOne(f, v)
		}
		truth, known := keep.truth()
		if !known || truth && !p.add(&g, v) {
			p.stack = p.stack[:g.base]
			return value{}
		}
	}
	p.use(iterable)
	return p.gathered(&g, iterable.start)
}

// fold is functools.reduce(f, iterable) or with a value to start with.
func (p *peeler) fold(args []value) value {
	if len(args) < 2 {
		return value{}
	}
	f := args[0]
	elements, ok := p.elements(args[1])
	if !ok {
		return value{}
	}
	i, out := 0, value{}
	if len(args) > 2 {
		out = args[2]
	} else if elements.n > 0 {
		i, out = 1, elements.at(0)
	}
	p.quiet++
	defer func() { p.quiet-- }()
	for ; i < elements.n && out.known(); i++ {
		next := p.callOne(f, out, elements.at(i))
		if !next.known() && out.isText() && len(out.data) >= minLayer {
			break // the beginning of a text is worth a lot
		}
		out = next
	}
	p.use(args[1])
	return out
}

// chain is itertools.chain(a, b, …).
func (p *peeler) chain(args []value) value {
	base := len(p.stack)
	for _, arg := range args {
		s, ok := p.elements(arg)
		if !ok {
			p.stack = p.stack[:base]
			return value{}
		}
		p.use(arg)
		p.pushAll(s)
	}
	return p.popList(base, p.startAt())
}

// sorted is sorted(v) for numbers or texts.
func (p *peeler) sorted(v value) value {
	s, ok := p.elements(v)
	if !ok || s.n > maxTuples {
		return value{}
	}
	all := make([]value, s.n)
	for i := range all {
		all[i] = s.at(i)
		if all[i].kind != all[0].kind || all[i].kind != integer && !all[i].isText() {
			return value{}
		}
	}
	slices.SortStableFunc(all, func(a, b value) int {
		if a.kind == integer {
			return cmp.Compare(a.num, b.num)
		}
		return cmp.Compare(string(a.data), string(b.data))
	})
	base := len(p.stack)
	for _, item := range all {
		p.push(item)
	}
	return p.popList(base, v.start)
}

// structure is struct.unpack(format, v) for whole numbers and bytes.
func (p *peeler) structure(format, v value) value {
	if !format.isText() || !v.isText() || len(format.data) > 64 {
		return value{}
	}
	var order binary.ByteOrder = binary.LittleEndian
	data := v.raw()
	base := len(p.stack)
	fail := func() value { p.stack = p.stack[:base]; return value{} }
	count := -1
	for _, c := range format.data {
		switch {
		case c == '>' || c == '!':
			order = binary.BigEndian
			continue
		case c == '<' || c == '=' || c == '@' || c == ' ':
			continue
		case c >= '0' && c <= '9':
			if count = max(count, 0)*10 + int(c-'0'); count > len(data) {
				return fail()
			}
			continue
		}
		n, size := max(count, 1), map[byte]int{'b': 1, 'B': 1, 'x': 1, 'c': 1, 'h': 2, 'H': 2, 'i': 4, 'I': 4, 'l': 4, 'L': 4, 'q': 8, 'Q': 8}[c]
		if count == 0 {
			n = 0
		}
		count = -1
		if c == 's' {
			n, size = 1, n
		}
		if c != 's' && size == 0 || n*size > len(data) {
			return fail()
		}
		for ; n > 0; n-- {
			field := data[:size:size]
			data = data[size:]
			if c != 'x' {
				p.push(fieldValue(c, field, order))
			}
		}
	}
	p.use(v)
	return p.popList(base, v.start)
}

// fieldValue reads one field of a structure.
func fieldValue(c byte, field []byte, order binary.ByteOrder) value {
	if c == 's' || c == 'c' {
		return value{kind: bytesText, data: field, named: true, extra: &extra{used: true, steps: "unpack"}}
	}
	n := int64(0)
	switch c {
	case 'b':
		n = int64(int8(field[0]))
	case 'B':
		n = int64(field[0])
	case 'h':
		n = int64(int16(order.Uint16(field)))
	case 'H':
		n = int64(order.Uint16(field))
	case 'i', 'l':
		n = int64(int32(order.Uint32(field)))
	case 'I', 'L':
		n = int64(order.Uint32(field))
	default:
		n = int64(order.Uint64(field))
	}
	return value{kind: integer, num: n}
}
