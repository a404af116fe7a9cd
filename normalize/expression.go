package normalize

// maxExpression bounds how deep expressions nest; what is deeper is passed by.
const maxExpression = 100

// advance moves to the next token that is no comment.
func (p *peeler) advance() {
	p.i++
	for p.i < len(p.toks) && p.toks[p.i].Kind == Comment {
		p.i++
	}
	if p.again {
		p.u.steps++
	}
}

// endOfText is what kind gives behind the last token.
const endOfText TokenKind = 255

// kind is the kind of the token to be read next.
func (p *peeler) kind() TokenKind {
	if p.i >= len(p.toks) {
		return endOfText
	}
	return p.toks[p.i].Kind
}

// is reports whether the token to be read next is the operator c.
func (p *peeler) is(c byte) bool {
	if p.i >= len(p.toks) {
		return false
	}
	return p.toks[p.i].code == c
}

// isOp reports whether the token to be read next is the operator op.
func (p *peeler) isOp(op string) bool {
	return p.kind() == Op && string(p.toks[p.i].Bytes(p.src)) == op
}

// isWord reports whether the token to be read next is the keyword word.
func (p *peeler) isWord(word string) bool {
	return p.kind() == Keyword && string(p.toks[p.i].Bytes(p.src)) == word
}

// lastEnd is where the token before the one to be read next ends.
func (p *peeler) lastEnd() int32 {
	if p.source != p.home {
		return int32(p.site.End)
	}
	for i := min(p.i, len(p.toks)) - 1; i >= 0; i-- {
		if p.toks[i].Kind != Comment {
			return p.toks[i].End
		}
	}
	return 0
}

// startAt is where the token to be read next starts.
func (p *peeler) startAt() int32 {
	if p.i >= len(p.toks) {
		return p.lastEnd()
	}
	return p.at(p.toks[p.i]).start
}

// at is a value of which nothing is known but that token t makes it.
func (p *peeler) at(t Token) value {
	if p.source != p.home {
		return value{start: int32(p.site.Start), end: int32(p.site.End)}
	}
	return value{start: t.Start, end: t.End}
}

// drop reports a value that its context makes nothing of.
func (p *peeler) drop(v value) {
	switch {
	case v.literal || v.named:
	case v.isText():
		p.report(v, false)
	case v.kind == list:
		p.commandLine(v.extra.items)
		for _, item := range v.extra.items {
			p.drop(item)
		}
	}
}

// test reads an expression with its conditions, or a lambda. Like all below it
// reads nothing where no expression starts.
func (p *peeler) test() value {
	if p.nesting >= maxExpression {
		p.giveUp()
		return value{}
	}
	if v, ok := p.leaf(); ok {
		return v
	}
	p.nesting++
	start := p.i
	v := p.binary(1)
	if p.isOp(":=") && p.isTarget(start) {
		p.advance()
		v = p.test()
		p.bind(start, v)
		v.named = true
	} else if p.isWord("if") {
		v = p.conditional(v)
	}
	p.nesting--
	return v
}

// leaf reads an expression of one token, as most are. It reads nothing when
// the next one may be of another kind.
func (p *peeler) leaf() (v value, ok bool) {
	if p.i+1 >= len(p.toks) {
		return value{}, false
	}
	t := p.toks[p.i]
	switch next := p.toks[p.i+1]; next.code {
	case ',', ')', ']', '}', ':', '=':
	default:
		if next.Kind != Newline {
			return value{}, false
		}
	}
	switch t.Kind {
	case Name:
		if t.End-t.Start == 5 && string(t.Bytes(p.src)) == "await" {
			return value{}, false
		}
	case String:
		if t.Flags&Format != 0 { // has expressions of its own, which nest deeper
			return value{}, false
		}
	case Number:
	default:
		return value{}, false
	}
	if t.Flags&First != 0 && p.i > p.begin {
		return value{}, false
	}
	p.lastName = -1
	if t.Kind == Name {
		p.lastName = p.i
	}
	return p.atom(), true
}

// conditional reads what stands behind v: "if condition else otherwise".
func (p *peeler) conditional(v value) value {
	chosen, decided := value{}, false
	for p.isWord("if") {
		p.advance()
		truth, known := p.binary(1).truth()
		switch {
		case decided:
		case known && truth:
			chosen, decided = v, true
		case !known:
			p.drop(v)
			decided = true
		}
		if !p.isWord("else") {
			// The condition of a comprehension has none.
			return chosen
		}
		p.advance()
		v = p.binary(1)
		if !p.isWord("if") && decided && !chosen.known() {
			p.drop(v)
		}
	}
	if decided {
		return chosen
	}
	return v
}

// giveUp passes by what is nested too deep.
func (p *peeler) giveUp() {
	p.u.note("passed by expressions of layer %d nested deeper than %d", p.layer, maxExpression)
	depth := 0
	for start := p.i; p.i < len(p.toks); p.advance() {
		t := p.toks[p.i]
		if t.Flags&First != 0 && p.i > start {
			return
		}
		if t.Kind != Op {
			continue
		}
		switch p.src[t.Start] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth < 0 {
				return
			}
		}
	}
}

// operators are the binary operators by their codes, with how strongly they
// bind.
var operators = [256]struct {
	op       string
	strength int
}{
	wordOr: {"or", 1}, wordAnd: {"and", 2},
	wordIn: {"in", comparison}, wordIs: {"is", comparison}, wordNot: {"not", comparison},
	'<': {"<", comparison}, '>': {">", comparison}, opLessEqual: {"<=", comparison}, opMoreEqual: {">=", comparison},
	opEqual: {"==", comparison}, opUnequal: {"!=", comparison},
	'|': {"|", 5}, '^': {"^", 6}, '&': {"&", 7}, opShiftLeft: {"<<", 8}, opShiftRight: {">>", 8},
	'+': {"+", 9}, '-': {"-", 9}, '*': {"*", 10}, '%': {"%", 10}, opWholeDivide: {"//", 10}, '/': {"/", 10},
	'@': {"/", 10}, opPower: {"**", 12},
}

// operator gives the binary operator to be read next and how strongly it
// binds; zero when there is none.
func (p *peeler) operator() (op string, strength int) {
	o := &operators[p.toks[p.i].code]
	return o.op, o.strength
}

// binary reads operands joined by operators that bind at least so strongly.
func (p *peeler) binary(strength int) value {
	first := p.i
	var left value
	if p.signed() {
		left = p.unary()
	} else {
		left = p.operand()
	}
	for p.i < len(p.toks) {
		op, s := p.operator()
		if s < strength || s == 0 {
			break
		}
		if p.begin < p.i && p.toks[p.i].Flags&First != 0 {
			break
		}
		p.advance()
		if s == comparison {
			left = p.compared(op, left)
		} else {
			left = p.binaryOp(op, left, p.binary(s+1))
		}
		left.start, left.end = p.at(p.toks[first]).start, p.lastEnd()
	}
	return left
}

// compared reads the rest of a comparison of left, which may go on: a < b < c.
func (p *peeler) compared(op string, left value) value {
	out := truthValue(true)
	for {
		if op == "not" && p.isWord("in") {
			op = "not in"
			p.advance()
		} else if op == "is" && p.isWord("not") {
			op = "is not"
			p.advance()
		}
		right := p.binary(comparison + 1)
		here := p.binaryOp(op, left, right)
		if truth, known := out.truth(); known && truth {
			out = here
		}
		left = right
		if p.i >= len(p.toks) || p.toks[p.i].Kind != Op && p.toks[p.i].Kind != Keyword || p.toks[p.i].Flags&First != 0 {
			return out
		}
		next, s := p.operator()
		if s != comparison {
			return out
		}
		op = next
		p.advance()
	}
}

// comparison is how strongly comparisons bind.
const comparison = 4

// signed reports whether an operand with a sign is to be read next, or none.
func (p *peeler) signed() bool {
	if p.i >= len(p.toks) {
		return true
	}
	t := p.toks[p.i]
	switch t.code {
	case '-', '~', '+', wordNot, wordYield:
		return true
	}
	return t.Kind == Name && t.End-t.Start == 5 && string(t.Bytes(p.src)) == "await"
}

// unary reads an operand with its signs.
func (p *peeler) unary() value {
	start := p.startAt()
	signs := 0
	negate, invert, not := false, false, false
	for p.i < len(p.toks) {
		switch p.toks[p.i].code {
		case '-':
			negate = !negate
		case '~':
			invert = !invert
		case '+':
		case wordNot:
			p.advance()
			v := p.binary(comparison)
			truth, known := v.truth()
			p.drop(v)
			if !known || signs > 0 && !not {
				return value{start: start, end: p.lastEnd()}
			}
			out := truthValue(!truth)
			out.start, out.end = start, p.lastEnd()
			return out
		case wordYield:
			return p.yield()
		default:
			if t := p.toks[p.i]; t.Kind == Name && string(t.Bytes(p.src)) == "await" {
				break
			}
			v := p.operand()
			if signs == 0 {
				return v
			}
			if v.kind == integer && !not && (negate || invert) && !(negate && invert) {
				if negate {
					v.num = -v.num
				} else {
					v.num = ^v.num
				}
				v.start, v.named, v.boolean = start, false, false
				return v
			}
			p.drop(v)
			return value{start: start, end: p.lastEnd()}
		}
		signs++
		p.advance()
	}
	return value{}
}

// operand reads a name, a literal or a bracket and what follows it.
func (p *peeler) operand() value {
	start := p.startAt()
	p.lastName = -1
	if p.kind() == Name {
		p.lastName = p.i
	}
	return p.trailers(p.atom(), start)
}

// atom reads a name, a literal or a bracket.
func (p *peeler) atom() value {
	if p.i >= len(p.toks) || p.toks[p.i].Flags&First != 0 && p.i > p.begin {
		return value{}
	}
	t := p.toks[p.i]
	switch t.Kind {
	case Name:
		v := p.lookup(t)
		p.advance()
		return v
	case String:
		return p.strings()
	case Number:
		p.advance()
		v := p.at(t)
		if n, ok := parseInt(t.Bytes(p.src)); ok {
			v.kind, v.num = integer, n
		} else if t.End-t.Start > 18 {
			p.bigNumber(&v, t.Bytes(p.src))
		}
		return v
	case Keyword:
		switch string(t.Bytes(p.src)) {
		case "lambda":
			return p.lambda()
		case "None", "True", "False":
			p.advance()
			v := p.at(t)
			switch p.src[t.Start] {
			case 'N':
				v.kind = none
			case 'T':
				v.kind, v.num, v.boolean = integer, 1, true
			default:
				v.kind, v.boolean = integer, true
			}
			return v
		}
	case Op:
		switch p.src[t.Start] {
		case '(':
			return p.group(')')
		case '[':
			return p.group(']')
		case '{':
			return p.braces()
		case '*':
			p.advance()
			p.drop(p.binary(5))
		case '.':
			if t.End-t.Start == 3 {
				p.advance()
			}
		}
	}
	v := p.at(t)
	v.end = v.start
	return v
}

// lookup gives the value of a name.
func (p *peeler) lookup(t Token) value {
	name := NameValue(p.src, t)
	if p.watching > 0 {
		p.noteRead(name)
	}
	if p.ever.has(name, false) {
		if v, ok := p.env[string(name)]; ok {
			return v
		}
	}
	v := builtinValue(name)
	at := p.at(t)
	v.start, v.end = at.start, at.end
	return v
}

// strings reads string literals that stand side by side, which are one.
func (p *peeler) strings() value {
	v := p.str()
	for p.kind() == String && p.toks[p.i].Flags&First == 0 {
		right := p.str()
		start := v.start
		v = p.concat(v, right)
		v.start, v.end = start, p.lastEnd()
	}
	return v
}

// str reads one string literal.
func (p *peeler) str() value {
	at := p.i
	t := p.toks[at]
	p.advance()
	v := p.at(t)
	if t.Flags&Format != 0 {
		if spans := Embedded(p.src, t); len(spans) > 0 {
			if p.mayFormat(spans) {
				if out := p.formatted(t, spans, v.start, v.end); out.known() {
					return out
				}
			}
			return v
		}
	}
	if t.Flags&Escaped != 0 && t.Flags&Raw == 0 && !p.u.spend(int(t.End-t.Start)) {
		return v
	}
	v.data, _ = StringValue(p.src, t)
	v.data = v.data[:len(v.data):len(v.data)]
	v.kind, v.tok = text, int32(at)
	if t.Flags&Bytes != 0 {
		v.kind = bytesText
	}
	if v.literal = p.source == p.home; !v.literal {
		v.extra = &extra{pieces: []piece{{0, v.start, v.end}}}
	}
	return v
}
