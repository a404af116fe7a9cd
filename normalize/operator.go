package normalize

import (
	"bytes"
	"cmp"
	"strconv"
)

// binaryOp gives the value of an operation.
func (p *peeler) binaryOp(op string, left, right value) value {
	if op == "+" && left.isText() && right.isText() {
		return p.concat(left, right)
	}
	switch op {
	case "and", "or":
		if truth, known := left.truth(); known {
			if truth == (op == "or") {
				p.drop(right)
				return left
			}
			return right
		}
	case "<", ">", "<=", ">=", "==", "!=", "in", "not in", "is", "is not":
		out := value{}
		if left.known() && right.known() && p.touch(left, right) {
			out = p.compare(op, left, right)
		}
		p.drop(left)
		p.drop(right)
		return out
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
	case op == "+" && left.isList() && right.isList():
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
	case op == "*" && (left.isList() && right.kind == integer || right.isList() && left.kind == integer):
		if left.kind == integer {
			left, right = right, left
		}
		n := left.length()
		if elements, ok := p.elements(left); ok && right.num > 0 && right.num < 1<<16 && right.num*int64(n) < maxRange && p.touch(left) {
			base := len(p.stack)
			for range right.num {
				p.pushAll(elements)
			}
			return p.popList(base, left.start)
		}
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

// compare gives the truth of a comparison of known values, if they can be
// compared.
func (p *peeler) compare(op string, left, right value) value {
	order, ok := 0, true
	switch {
	case op == "in" || op == "not in":
		found, ok := p.contains(right, left)
		if !ok {
			return value{}
		}
		return truthValue(found == (op == "in"))
	case left.kind == integer && right.kind == integer:
		order = cmp.Compare(left.num, right.num)
	case left.isText() && left.kind == right.kind:
		order = bytes.Compare(left.data, right.data)
	case left.kind == none || right.kind == none:
		ok = op == "==" || op == "!=" || op == "is" || op == "is not"
		if left.kind != right.kind {
			order = 1
		}
	case left.isText() && right.kind == integer || left.kind == integer && right.isText():
		ok, order = op == "==" || op == "!=", 1
	case left.kind == function && right.kind == function:
		order = cmp.Compare(left.num, right.num)
		ok = op == "==" || op == "!=" || op == "is" || op == "is not"
	default:
		return value{}
	}
	if !ok {
		return value{}
	}
	switch op {
	case "<":
		return truthValue(order < 0)
	case ">":
		return truthValue(order > 0)
	case "<=":
		return truthValue(order <= 0)
	case ">=":
		return truthValue(order >= 0)
	case "==", "is":
		return truthValue(order == 0)
	}
	return truthValue(order != 0)
}

// contains is v in all.
func (p *peeler) contains(all, v value) (found, ok bool) {
	switch {
	case all.isText() && v.isText():
		return bytes.Contains(all.data, v.data), true
	case all.kind == bytesText && v.kind == integer:
		return v.num >= 0 && v.num < 256 && bytes.IndexByte(all.data, byte(v.num)) >= 0, true
	case all.kind == dict:
		return p.find(all, v) >= 0, true
	case !all.isList():
		return false, false
	}
	elements, ok := p.elements(all)
	for i := 0; ok && i < elements.n; i++ {
		if equal(elements.at(i), v) {
			return true, true
		}
	}
	return false, ok
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
	if right.isList() {
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
