package normalize

import "strconv"

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
		ok = v.kind != unknown && v.kind != settled
		v.named = false
		p.push(v)
	}
	p.quiet--
	p.i, p.begin, p.again = i, begin, again
	p.setLocal(key, before)
	return ok && p.u.steps <= maxSteps
}

// subscript reads "[i]" or "[from:to:step]".
func (p *peeler) subscript(v value) value {
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
	for _, part := range parts {
		p.drop(part)
	}
	var out value
	switch {
	case !p.touch(v):
	case colons == 0 && v.kind == function && parts[0].isText():
		out = attribute(v, parts[0].data)
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
	n := v.length()
	if i.kind != integer || n < 0 {
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
	if n < 0 {
		return value{}
	}
	step := int64(1)
	if colons == 2 && parts[2].kind == integer {
		step = parts[2].num
	}
	for k, part := range parts[:2] {
		if part.kind != integer && part.start < part.end && k <= colons {
			return value{} // a bound that is not known
		}
	}
	if step == -1 && parts[0].kind != integer && parts[1].kind != integer {
		return p.reverse(v)
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

// binaryOp gives the value of an operation.
func (p *peeler) binaryOp(op string, left, right value) value {
	if op == "+" && left.isText() && right.isText() {
		return p.concat(left, right)
	}
	if (left.isText() || right.isText()) && !p.touch(left, right) {
		return value{}
	}
	switch {
	case left.kind == integer && right.kind == integer:
		if n, ok := arithmetic(op, left.num, right.num); ok {
			return value{kind: integer, num: n}
		}
		return value{}
	case op == "+" && (left.kind == list || left.kind == integers) && (right.kind == list || right.kind == integers):
		a, okA := p.elements(left)
		b, okB := p.elements(right)
		if okA && okB {
			base := len(p.stack)
			p.pushAll(a)
			p.pushAll(b)
			return p.popList(base, left.start)
		}
	case op == "*" && left.isText() && right.kind == integer:
		return p.repeat(left, right.num)
	case op == "*" && right.isText() && left.kind == integer:
		return p.repeat(right, left.num)
	case op == "%" && left.isText():
		if v := p.percent(left, right); v.kind != unknown {
			return v
		}
	}
	p.drop(left)
	p.drop(right)
	return value{}
}

// repeat is v*n.
func (p *peeler) repeat(v value, n int64) value {
	const most = 1 << 16
	if n <= 0 || n*int64(len(v.data)) > most || n > most || !p.u.spend(int(n)*len(v.data)) {
		p.drop(v)
		return value{}
	}
	data := make([]byte, 0, int(n)*len(v.data))
	for ; n > 0; n-- {
		data = append(data, v.data...)
	}
	return p.derive(v, v.kind, data, "join")
}

// arithmetic gives the value of an operation on integers that does not
// overflow by much: all that is wanted are character codes.
func arithmetic(op string, a, b int64) (int64, bool) {
	const most = 1 << 31
	if a > most || a < -most || b > most || b < -most {
		return 0, false
	}
	switch op {
	case "+":
		return a + b, true
	case "-":
		return a - b, true
	case "*":
		return a * b, true
	case "^":
		return a ^ b, true
	case "&":
		return a & b, true
	case "|":
		return a | b, true
	case "<<":
		if b >= 0 && b < 31 {
			return a << b, true
		}
	case ">>":
		if b >= 0 {
			return a >> min(b, 63), true
		}
	case "//", "/", "%":
		return divide(op, a, b)
	case "**":
		n := int64(1)
		for ; b > 0 && n < most && n > -most && b < 64; b-- {
			n *= a
		}
		return n, b == 0
	}
	return 0, false
}

// divide is the division of Python, which rounds down.
func divide(op string, a, b int64) (int64, bool) {
	if b == 0 || op == "/" && a%b != 0 {
		return 0, false
	}
	quotient, remainder := a/b, a%b
	if remainder != 0 && (remainder < 0) != (b < 0) {
		quotient, remainder = quotient-1, remainder+b
	}
	if op == "%" {
		return remainder, true
	}
	return quotient, true
}

// percent is template % right for the conversions s, d, c and x without
// widths.
func (p *peeler) percent(template, right value) value {
	items := []value{right}
	if right.kind == list || right.kind == integers {
		items = nil
		elements, _ := p.elements(right)
		for i := range min(elements.n, 64) {
			items = append(items, elements.at(i))
		}
	}
	var data []byte
	used := 0
	for i := 0; i < len(template.data); i++ {
		c := template.data[i]
		if c != '%' {
			data = append(data, c)
			continue
		}
		if i++; i >= len(template.data) {
			return value{}
		}
		if template.data[i] == '%' {
			data = append(data, '%')
			continue
		}
		if used >= len(items) || len(data) > p.u.left() {
			return value{}
		}
		var ok bool
		if data, ok = appendFormat(data, items[used], template.data[i]); !ok {
			return value{}
		}
		used++
	}
	if used != len(items) || !p.u.spend(len(data)) {
		return value{}
	}
	p.use(template)
	for _, item := range items {
		p.use(item)
	}
	out := p.derive(template, template.kind, data, "format")
	out.extra.pieces = p.formatPieces(template, items)
	return out
}

// formatPieces maps a formatted text to the hull of its template and of what
// was put into it.
func (p *peeler) formatPieces(template value, items []value) []piece {
	start, end := p.hull(template)
	for _, item := range items {
		if item.isText() {
			a, b := p.hull(item)
			start, end = min(start, a), max(end, b)
		}
	}
	return []piece{{0, start, end}}
}

// appendFormat appends item as the conversion says.
func appendFormat(data []byte, item value, conversion byte) ([]byte, bool) {
	switch {
	case conversion == 's' && item.isText():
		return append(data, item.data...), true
	case item.kind == integer && (conversion == 's' || conversion == 'd' || conversion == 'i'):
		return strconv.AppendInt(data, item.num, 10), true
	case item.kind == integer && conversion == 'x':
		return strconv.AppendInt(data, item.num, 16), true
	case item.kind == integer && conversion == 'c' && item.num >= 0:
		return appendChar(data, int(min(item.num, 1<<30)), false), true
	}
	return data, false
}
