package normalize

import (
	"maps"
	"slices"
)

// Statements are read in two ways. The layer as a whole is read in the order
// its statements stand in, whatever branch or function they are in. A function
// that is called, and a loop over what is known, is run: here.

// signal says how a block ended.
type signal uint8

const (
	fell signal = iota // behind its last statement
	broke
	continued
	returned
	gaveUp // a bound was reached
)

// maxBlocks bounds how deep blocks nest that are run.
const maxBlocks = 24

// block runs the statements of s. Where a condition is not known, both sides
// are run.
func (p *peeler) block(s suite) signal {
	if p.nesting > maxExpression-maxBlocks {
		return gaveUp
	}
	p.nesting += 3
	defer func() { p.nesting -= 3 }()
	p.i = s.start - 1
	p.advance()
	for p.i < s.end && p.i < len(p.toks) {
		if p.u.steps+reserve > p.stepLimit || p.u.left() < reserve {
			p.u.note("stopped evaluating: more than %d steps", maxSteps)
			return gaveUp
		}
		p.u.steps++
		p.begin = p.i
		at := p.i
		if how := p.runStatement(); how != fell {
			return how
		}
		if p.i <= at {
			p.i = at
			p.advance()
		}
	}
	return fell
}

// runStatement runs one statement.
func (p *peeler) runStatement() signal {
	if p.kind() != Keyword {
		if p.kind() == Name && string(p.toks[p.i].Bytes(p.src)) == "nonlocal" {
			p.globalNames()
			return fell
		}
		p.statement()
		return fell
	}
	switch string(p.toks[p.i].Bytes(p.src)) {
	case "return":
		p.advance()
		v := value{kind: none}
		if !p.ended() {
			v, _ = p.expressions()
		}
		for f := p.frame; f != nil; f = f.outer {
			f.result = v
			if f.result.known() {
				break
			}
		}
		return returned
	case "break":
		return broke
	case "continue":
		return continued
	case "global":
		p.globalNames()
	case "if", "elif":
		return p.runIf()
	case "for":
		return p.runFor()
	case "while":
		return p.runWhile()
	case "def":
		p.define()
		p.skipSuite()
	case "try", "finally", "with", "else":
		return p.runPlain()
	case "except", "class":
		for !p.ended() && !p.is(':') {
			p.advance()
		}
		p.skipSuite()
	default:
		p.statement()
	}
	return fell
}

// globalNames reads "global a, b": such names stay bound.
func (p *peeler) globalNames() {
	p.advance()
	for ; !p.ended(); p.advance() {
		if p.kind() == Name && p.frame != nil && len(p.frame.free) < 64 {
			p.frame.free = append(p.frame.free, string(NameValue(p.src, p.toks[p.i])))
		}
	}
}

// head reads up to the colon of a statement, and gives its suite.
func (p *peeler) head() (s suite, ok bool) {
	for !p.ended() && !p.is(':') {
		p.advance()
	}
	if !p.is(':') {
		return suite{}, false
	}
	s = p.suite(p.i, p.suiteColumn(p.i))
	return s, true
}

// skipSuite passes the suite of the statement whose colon is read next.
func (p *peeler) skipSuite() {
	if p.i < len(p.toks) && p.toks[p.i].Flags&First != 0 {
		p.begin = p.i
	}
	at := p.i
	if s, ok := p.head(); ok {
		p.i = s.end
	}
	p.i = max(p.i, at+1)
}

// runPlain runs the suite of a statement whose head changes nothing here.
func (p *peeler) runPlain() signal {
	p.advance()
	if !p.is(':') {
		p.drop(p.test())
		if p.isWord("as") {
			p.advance()
			p.drop(p.test())
		}
	}
	s, ok := p.head()
	if !ok {
		return fell
	}
	how := p.block(s)
	p.i = s.end
	return how
}

// runIf runs an if statement with all its branches.
func (p *peeler) runIf() signal {
	p.advance()
	truth, known := p.test().truth()
	s, ok := p.head()
	if !ok {
		return fell
	}
	how := fell
	if truth || !known {
		how = p.block(s)
	}
	p.i = s.end
	if how == gaveUp || known && how != fell {
		return how
	}
	if how == returned && p.frame != nil && p.frame.result.known() && p.frame.result.kind != none {
		return how
	}
	p.passComments()
	p.begin = p.i
	switch {
	case known && truth:
		for p.isWord("elif") || p.isWord("else") {
			p.skipSuite()
			p.passComments()
		}
	case p.isWord("elif"):
		return p.runIf()
	case p.isWord("else"):
		return p.runPlain()
	}
	return fell
}

// passComments moves to the next token that is no comment or line end.
func (p *peeler) passComments() {
	for p.i < len(p.toks) && (p.toks[p.i].Kind == Comment || p.toks[p.i].Kind == Newline) {
		p.i++
	}
}

// runFor runs a for loop. One over what is not known is run once.
func (p *peeler) runFor() signal {
	p.advance()
	targets := p.i
	for !p.ended() && !p.isWord("in") {
		p.advance()
	}
	end := p.i
	if !p.isWord("in") {
		return fell
	}
	p.advance()
	iterable, _ := p.expressions()
	s, ok := p.head()
	if !ok {
		return fell
	}
	elements, ok := p.elements(iterable)
	if !ok {
		p.unpack(targets, end, value{})
		how := p.block(s)
		p.i = s.end
		if how == broke || how == continued {
			return fell
		}
		return how
	}
	p.use(iterable)
	p.loops++
	defer func() { p.loops-- }()
	made := 0
	name := p.soleTarget(targets, end)
	for k := range elements.n {
		if !p.progress(k, &made) {
			return gaveUp
		}
		v := elements.at(k)
		v.named = true
		if name != "" {
			p.setLocal(name, v)
		} else {
			p.unpack(targets, end, v)
		}
		switch how := p.block(s); how {
		case broke:
			p.i = s.end
			return fell
		case gaveUp:
			p.i = s.end
			return p.goOn()
		case returned:
			p.i = s.end
			return how
		}
	}
	p.i = s.end
	return fell
}

// reserve is the steps and bytes that are kept for one statement, so that one
// is run to its end or not at all.
const reserve = 1 << 9

// goOn lets a function end whose loop was cut: the beginning of a text is worth
// a lot. It does so once.
func (p *peeler) goOn() signal {
	if p.calls == 0 || p.extended || p.u.left() < reserve {
		return gaveUp
	}
	p.extended = true
	p.stepLimit = p.u.steps + 4*reserve
	p.finishCiphers()
	return fell
}

// runWhile runs a while loop, as long as its condition is known to hold.
func (p *peeler) runWhile() signal {
	p.advance()
	condition, begin := p.i, p.begin
	p.loops++
	defer func() { p.loops-- }()
	made := 0
	for k := 0; p.step(); k++ {
		if !p.progress(k, &made) {
			return gaveUp
		}
		p.i, p.begin = condition, begin
		truth, known := p.test().truth()
		once := p.i == condition+1 && p.toks[condition].Kind != Name
		s, ok := p.head()
		if !ok {
			return fell
		}
		if once && !p.leaves(s) {
			known = false
		}
		if !truth && known {
			p.i = s.end
			return fell
		}
		how := p.block(s)
		p.i = s.end
		if how == broke || !known {
			return fell
		}
		if how == gaveUp {
			return p.goOn()
		}
		if how == returned {
			return how
		}
	}
	return gaveUp
}

// minProgress is the number of turns after which a loop must have made
// something.
const minProgress = 4

// progress reports whether the outermost loop that is run still makes a text or
// a list. It looks now and then: turn k is the next one, and made is what was
// there when it looked last. A loop in a function is trusted.
func (p *peeler) progress(k int, made *int) bool {
	if k < minProgress || k&(k-1) != 0 || p.loops > 1 || p.frame == nil || p.frame.outer != nil {
		return true
	}
	n := p.itemsSet
	for i := range p.frame.before {
		if v, ok := p.env[p.frame.before[i].name]; ok && (v.isText() || v.isList()) {
			n += v.length()
		}
	}
	grown := n > *made
	*made = n
	return grown
}

// leaves reports whether a block has a statement that leaves its loop.
func (p *peeler) leaves(s suite) bool {
	for _, t := range p.toks[s.start:min(s.end, len(p.toks))] {
		if t.Kind != Keyword {
			continue
		}
		switch string(t.Bytes(p.src)) {
		case "break", "return":
			return true
		}
	}
	return false
}

// soleTarget is the name that stands alone between two tokens, or "".
func (p *peeler) soleTarget(from, to int) string {
	if t, ok := p.nextTarget(from, to); ok && t.next >= to && t.single {
		return string(NameValue(p.src, p.toks[t.start]))
	}
	return ""
}

// unpack binds the targets between the tokens from and to: a name, or names
// and nested names with commas.
func (p *peeler) unpack(from, to int, v value) {
	t, ok := p.nextTarget(from, to)
	if !ok {
		return
	}
	if t.next >= to && t.single {
		p.setLocal(string(NameValue(p.src, p.toks[t.start])), v)
		return
	}
	if t.next >= to && !t.single && p.src[p.toks[from].Start] != '*' && !p.commaBetween(from, to) {
		p.unpack(t.start, t.end, v)
		return
	}
	elements, known := p.elements(v)
	for k := 0; ok; k++ {
		item := value{}
		if known && k < elements.n {
			item = elements.at(k)
		}
		switch {
		case t.single:
			p.setLocal(string(NameValue(p.src, p.toks[t.start])), item)
		case t.start == t.end:
			p.assignPlace(t.from, t.end, item)
		default:
			p.unpack(t.start, t.end, item)
		}
		t, ok = p.nextTarget(t.next, to)
	}
}

// target is one of several targets: a name, or what stands in brackets.
type target struct {
	start, end, next int
	single           bool
	from             int // where it starts, if it is neither
}

// nextTarget reads one target.
func (p *peeler) nextTarget(from, to int) (t target, ok bool) {
	for from < to && (p.toks[from].Kind == Comment || p.toks[from].Kind == Op && p.src[p.toks[from].Start] == ',') {
		from++
	}
	if from >= to {
		return target{}, false
	}
	if p.toks[from].Kind == Name && (from+1 >= to || p.src[p.toks[from+1].Start] == ',') {
		t = target{start: from, end: from + 1, next: from + 1, single: true}
		for t.next < to && p.src[p.toks[t.next].Start] == ',' {
			t.next++
		}
		return t, true
	}
	depth := 0
	i := from
	for ; i < to; i++ {
		if p.toks[i].Kind != Op {
			continue
		}
		switch p.src[p.toks[i].Start] {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ',':
			if depth == 0 {
				return p.bracketed(from, i, i+1), true
			}
		}
	}
	return p.bracketed(from, i, i), true
}

// bracketed is the target between two tokens, without its brackets. What is no
// name is no target that counts here.
func (p *peeler) bracketed(from, to, next int) target {
	if c := p.src[p.toks[from].Start]; (c == '(' || c == '[') && to-from > 2 {
		return target{start: from + 1, end: to - 1, next: next}
	}
	return target{start: to, end: to, next: next, from: from}
}

// commaBetween reports whether a comma stands between two tokens, outside of
// brackets.
func (p *peeler) commaBetween(from, to int) bool {
	depth := 0
	for _, t := range p.toks[from:to] {
		switch c := p.src[t.Start]; {
		case t.Kind != Op:
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case c == ',' && depth == 0:
			return true
		}
	}
	return false
}

// loopResult is what a loop made, to be bound where the loop ends.
type loopResult struct {
	end      int
	names    map[string]value
	restored bool // they are what they were before a function with parameters of these names
}

// maxLoopResults bounds the loops in loops that are remembered.
const maxLoopResults = 16

// tryLoop runs the loop that stands at token at, if it looks as if it made
// text, and remembers what names were bound in it for the end of the loop. The
// loop is then read as all statements are.
func (p *peeler) tryLoop(at int, colon int) {
	if p.calls > 0 || p.source != p.home || len(p.results) >= maxLoopResults || p.u.steps >= p.stepLimit {
		return
	}
	s := p.suite(colon, p.column(at))
	if s.end-s.start < 2 || !p.decodes(s) {
		return
	}
	to := p.here()
	f := p.pushFrame()
	p.quiet++
	p.calls++
	p.again = true
	p.i, p.begin = at, at
	limit := p.stepLimit
	p.stepLimit = min(p.stepLimit, p.u.steps+(p.stepLimit-p.u.steps)/2)
	if p.isWord("for") {
		p.runFor()
	} else {
		p.runWhile()
	}
	p.stepLimit = limit
	p.calls--
	p.quiet--
	result := loopResult{end: s.end}
	for i := range f.before {
		b := &f.before[i]
		v, ok := p.env[b.name]
		if !ok || !(v.isText() || v.isList() || v.kind == dict) || same(v, b.value) {
			continue
		}
		if result.names == nil {
			result.names = map[string]value{}
		}
		result.names[b.name] = v
	}
	f.free = nil
	p.popFrame(f)
	p.back(to)
	if result.names != nil {
		p.results = append(p.results, result)
	}
}

// same reports whether two values are one and the same text. Lists may have
// changed.
func same(a, b value) bool {
	return a.kind == b.kind && a.isText() && a.extra == b.extra && len(a.data) == len(b.data) && a.start == b.start
}

// endLoops binds what the loops made that end before the token to be read next.
func (p *peeler) endLoops() {
	for n := len(p.results); n > 0 && p.results[n-1].end <= p.i; n = len(p.results) {
		names, restored := p.results[n-1].names, p.results[n-1].restored
		p.results = p.results[:n-1]
		for _, name := range slices.Sorted(maps.Keys(names)) {
			v := names[name]
			if restored {
				if v.known() {
					p.setLocal(name, v)
				}
				continue
			}
			v.named = false
			p.bindName(name, v)
		}
	}
}
