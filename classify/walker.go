package classify

import (
	"bytes"
	"cmp"
	"slices"
	"sync"

	"kingsnake/normalize"
)

// value is what is known of an expression.
type value struct {
	sym      symbol
	behavior int16 // that it shows, or noBehavior
	imported bool  // it is a module, or what was imported from one
}

var nothing = value{behavior: noBehavior}

// frame is an open bracket.
type frame struct {
	value
	call  bool // a call's parentheses
	place int32
	text  []byte // the last short string in it
	first value  // the first known expression in it
	keep  value  // what was known before a subscript's bracket
}

// walker reads the tokens of a layer once, in order, and follows what names
// stand for: imports, simple assignments and the results of calls. It does not
// follow control flow, and takes a later assignment to hold from there on.
type walker struct {
	words      *lexicon
	x          *extraction
	layerIndex int
	src        []byte
	toks       []normalize.Token
	base       int32 // place of toks[0]
	depth      int   // of embedded expressions
	fixed      int32 // place of the string around an embedded expression

	env     map[uint64]value // by the hash of a dotted name as written
	ever    *hashSet         // of names that env has or had
	stars   []symbol         // modules imported with a star
	frames  []frame
	last    value     // the expression that ended last
	targets [4]uint64 // assigned to by this statement; 0 for none

	prev1, prev2 uint64 // the tokens before
	call1, call2 symbol // the calls before
	afterDef     uint64 // the keyword before, when it was def or class
	statement    bool   // at the start of one

	constants []normalize.Constant // texts put together that are still to come
	inner     []uint64             // room for the names that functions bind
}

const (
	maxFrames = 256
	maxEnv    = 1 << 15
)

var walkers = sync.Pool{New: func() any { return &walker{words: words(), env: map[uint64]value{}, ever: &hashSet{}} }}

// layer reads one layer into x, whose first token is at place base.
func (w *walker) layer(x *extraction, l *normalize.Layer, index int, base int32) {
	clear(w.env)
	*w.ever = hashSet{}
	*w = walker{words: w.words, env: w.env, ever: w.ever, stars: w.stars[:0], frames: w.frames[:0], constants: w.constants[:0], inner: w.inner[:0], x: x, layerIndex: index,
		src: l.Text, toks: l.Tokens, base: base, last: nothing, statement: true}
	w.constants = append(w.constants[:0], l.Constants...)
	slices.SortFunc(w.constants, func(a, b normalize.Constant) int { return cmp.Compare(a.Span.End, b.Span.End) })
	w.readAhead()
	w.walk()
	if index > 0 && len(l.Text) <= 4096 { // not all that is hidden is Python
		w.pieces(l.Text, w.base, stringSym)
	}
	w.src, w.toks = nil, nil
}

func (w *walker) walk() {
	for i := 0; i < len(w.toks) && w.x.tokens < maxTokens; {
		t := w.toks[i]
		if w.depth == 0 {
			if len(w.constants) > 0 {
				w.constant(i)
			}
			if t.Flags&normalize.First != 0 {
				w.newStatement(len(w.frames) > 0)
			}
		}
		switch t.Kind {
		case normalize.Name:
			i = w.name(i)
		case normalize.Keyword:
			i = w.keyword(i)
		case normalize.String:
			w.str(i)
			i++
		case normalize.Number:
			w.number(i)
			i++
		case normalize.Op:
			i = w.op(i)
		case normalize.Comment, normalize.Newline:
			i++
		default:
			w.token(hashOther, i)
			i++
		}
	}
}

// constant reads the texts put together by expressions that end before token i.
func (w *walker) constant(i int) {
	for len(w.constants) > 0 && w.constants[0].Span.End <= int(w.toks[i].Start) {
		value := w.constants[0].Value
		w.constants = w.constants[1:]
		p := w.place(max(i-1, 0))
		v := w.pieces(value, p, stringSym)
		w.flows(v, p)
		if n := len(w.frames); n > 0 && len(value) <= 128 {
			w.frames[n-1].text = value
		}
	}
}

// newStatement forgets what held for the statement before.
func (w *walker) newStatement(drop bool) {
	if drop {
		w.frames = w.frames[:0]
	}
	w.statement, w.targets, w.afterDef, w.last = true, [4]uint64{}, 0, nothing
}

// place is where token i is noted to be: what an f-string embeds is where the
// f-string is.
func (w *walker) place(i int) int32 {
	if w.depth > 0 {
		return w.fixed
	}
	return w.base + int32(i)
}

// token adds a token to the sequences.
func (w *walker) token(h uint64, i int) {
	p := w.place(i)
	w.x.feature(groupTokens, h, p)
	w.x.feature(groupTokens, join(w.prev1, h), p)
	w.x.feature(groupTokens, join(join(w.prev2, w.prev1), h), p)
	w.prev2, w.prev1 = w.prev1, h
	w.x.step(p)
}

func (w *walker) bytes(i int) []byte { return w.toks[i].Bytes(w.src) }

// is reports whether token i is the operator or word s.
func (w *walker) is(i int, s string) bool {
	return i < len(w.toks) && string(w.bytes(i)) == s
}

func (w *walker) isOp(i int, c byte) bool {
	return i < len(w.toks) && w.toks[i].IsOp(c)
}

func (w *walker) kind(i int) normalize.TokenKind {
	if i < len(w.toks) {
		return w.toks[i].Kind
	}
	return normalize.Newline
}

// The hashes of tokens that stand for many.
var (
	hashVariable = hashBytes("VARIABLE")
	hashFunction = hashBytes("FUNCTION")
	hashDefined  = hashBytes("DEFINED")
	hashImport   = hashBytes("import")
	hashFrom     = hashBytes("from")
	hashClass    = hashBytes("class")
	hashOther    = hashBytes("other")
	hashHex      = hashBytes("HEX")
	hashNumber   = hashBytes("NUMBER")
	hashShort    = hashBytes("SHORT")
	hashText     = hashBytes("TEXT")
	hashPoint    = hashBytes(".")
	hashStar     = hashBytes("*")
)

// name reads a dotted name that starts at token i and returns what follows it.
func (w *walker) name(i int) int {
	word := w.bytes(i)
	raw := hashBytes(word)
	w.ownName(word, raw, i)
	if w.afterDef != 0 {
		return w.defined(i, raw)
	}
	if w.statement {
		w.assignment(i)
	}
	w.statement = false
	if len(w.frames) > 0 && w.isOp(i+1, '=') && w.frames[len(w.frames)-1].call {
		return w.keywordArgument(i, raw)
	}
	v, spelled := w.resolve(raw)
	switch {
	case spelled:
		w.token(uint64(v.sym), i)
	case w.isOp(i+1, '('):
		w.token(hashFunction, i)
	default:
		w.token(hashVariable, i)
	}
	return w.chain(i, v, raw, i)
}

// resolve finds what a bare name stands for. It is spelled when the name means
// something by itself: an import or a builtin.
func (w *walker) resolve(raw uint64) (v value, spelled bool) {
	if v, ok := w.known(raw); ok {
		return v, v.imported
	}
	if _, ok := w.words.builtins.get(raw); ok {
		return w.lookup(symbol(raw), value{}), true
	}
	for _, star := range w.stars {
		s := star.attr(raw)
		if b, ok := w.words.behavior(s); ok {
			return value{sym: s, behavior: int16(b)}, true
		}
	}
	return nothing, false
}

// chain follows ".name" after an expression that ends at token i.
func (w *walker) chain(i int, v value, raw uint64, first int) int {
	for w.isOp(i+1, '.') && w.kind(i+2) == normalize.Name || w.isOp(i+1, '.') && w.kind(i+2) == normalize.Keyword {
		i += 2
		word := w.bytes(i)
		attr := hashBytes(word)
		raw = join(raw, attr)
		w.token(join(attr, 1), i)
		w.ownName(word, attr, i)
		v = w.attribute(v, raw, attr)
	}
	if w.isOp(i+1, '(') {
		w.last = v
		return i + 1
	}
	w.ended(v, first, i)
	if v.sym == symExec && (w.kind(i+1) == normalize.Name || w.kind(i+1) == normalize.String) {
		w.frames = append(w.frames, frame{value: v, call: true, place: w.place(i), first: nothing, keep: nothing})
	}
	return i + 1
}

// attribute is the attribute of v with the hash attr; raw is the dotted name as
// written.
func (w *walker) attribute(v value, raw, attr uint64) value {
	if known, ok := w.known(raw); ok {
		return known
	}
	return w.member(v, attr)
}

// member is the attribute of v whose name has the hash attr.
func (w *walker) member(v value, attr uint64) value {
	if v.sym == 0 {
		return w.lookup(unknown.attr(attr), nothing)
	}
	s := v.sym.attr(attr)
	if _, ok := w.words.behavior(s); !ok && !v.imported {
		if b, ok := w.words.behavior(unknown.attr(attr)); ok {
			return value{sym: s, behavior: int16(b)}
		}
	}
	return w.lookup(s, v)
}

// lookup is the value of a symbol. One without a behavior of its own has that
// of the value it was taken from.
func (w *walker) lookup(s symbol, from value) value {
	if b, ok := w.words.behavior(s); ok {
		return value{sym: s, behavior: int16(b)}
	}
	if from.sym == 0 {
		from.behavior = noBehavior
	}
	return value{sym: s, behavior: from.behavior}
}

// ended notes an expression whose value is v and whose tokens are first to i.
func (w *walker) ended(v value, first, i int) {
	w.last = v
	if v.sym == 0 {
		return
	}
	p := w.place(i)
	w.x.feature(groupCalls, join(uint64(v.sym), 7), p)
	if v.behavior != noBehavior {
		w.x.behave(int(v.behavior), w.layerIndex, w.place(first))
	}
	w.flows(v, p)
	w.assign(v)
}

// flows notes that v goes into the calls around it.
func (w *walker) flows(v value, place int32) {
	n := 0
	for k := len(w.frames) - 1; k >= 0 && n < 4; k-- {
		f := &w.frames[k]
		if f.first.sym == 0 {
			f.first = v
		}
		if !f.call || f.sym == 0 {
			continue
		}
		if n == 0 {
			edge := f.sym.from(v.sym)
			w.x.feature(groupCalls, uint64(edge), place)
			if b, ok := w.words.behavior(edge); ok {
				w.x.behave(b, w.layerIndex, place)
			}
		}
		if f.behavior != noBehavior && v.behavior != noBehavior {
			w.x.mark(join(uint64(f.behavior)<<8|uint64(v.behavior), 99), place)
		}
		n++
	}
}

// assign lets the targets of the statement stand for v.
func (w *walker) assign(v value) {
	if len(w.frames) > 0 || len(w.env) >= maxEnv {
		return
	}
	for _, target := range w.targets {
		if target != 0 {
			w.bindTo(target, v)
		}
	}
}

// assignment looks ahead whether the statement at token i assigns to dotted
// names. Several names with commas between all stand for the whole value.
func (w *walker) assignment(i int) {
	var targets [4]uint64
	for n := range targets {
		if w.kind(i) != normalize.Name {
			return
		}
		raw := hashBytes(w.bytes(i))
		for i++; w.isOp(i, '.') && w.kind(i+1) == normalize.Name; i += 2 {
			raw = join(raw, hashBytes(w.bytes(i+1)))
		}
		targets[n] = raw
		if !w.isOp(i, ',') {
			break
		}
		i++
	}
	if !w.isOp(i, '=') && !w.is(i, "+=") {
		return
	}
	w.targets = targets
	if w.isOp(i, '=') {
		for _, target := range targets {
			w.forget(target)
		}
	}
}

// defined reads the name behind def or class.
func (w *walker) defined(i int, raw uint64) int {
	w.token(hashDefined, i)
	w.last = nothing
	if w.afterDef == hashClass {
		w.last = value{sym: classSym, behavior: noBehavior}
	} else {
		w.forget(raw)
	}
	w.afterDef = 0
	return i + 1
}

// keywordArgument reads "name=" in a call.
func (w *walker) keywordArgument(i int, raw uint64) int {
	w.token(join(raw, 2), i)
	f := &w.frames[len(w.frames)-1]
	next := hashVariable
	if k := w.kind(i + 2); k == normalize.Keyword || k == normalize.Number {
		next = hashBytes(w.bytes(i + 2))
	}
	p := w.place(i)
	w.x.feature(groupCalls, join(uint64(f.sym), raw), p)
	w.x.feature(groupCalls, join(join(uint64(f.sym), raw), next), p)
	return i + 2
}

// number adds a number by its class, or by its value when it is short.
func (w *walker) number(i int) {
	word := w.bytes(i)
	w.statement = false
	switch {
	case len(word) <= 3:
		w.token(hashBytes(word), i)
	case bytes.HasPrefix(word, []byte("0x")) || bytes.HasPrefix(word, []byte("0X")):
		w.token(hashHex+uint64(min(len(word), 12)), i)
	default:
		w.token(hashNumber+uint64(min(len(word), 12)), i)
	}
	if len(word) >= 3 && len(word) <= 12 {
		w.x.feature(groupTexts, join(hashBytes(word), 5), w.place(i))
	}
}

// op reads an operator and returns what follows it.
func (w *walker) op(i int) int {
	c := w.src[w.toks[i].Start]
	single := w.toks[i].End == w.toks[i].Start+1
	switch {
	case !single:
		w.token(hashBytes(w.bytes(i)), i)
	case c == '(' || c == '[' || c == '{':
		w.open(i, c)
	case c == ')' || c == ']' || c == '}':
		return w.close(i)
	case c == ';' && w.depth == 0:
		w.x.current.shape.semicolons++
		w.newStatement(true)
		return i + 1
	case c == ',' || c == ':' || c == '.':
		w.last = nothing
		w.statement = c == ':' && len(w.frames) == 0
		return i + 1
	default:
		w.token(uint64(c)*hashPrime, i)
		w.last = nothing
	}
	w.statement = false
	return i + 1
}

// open enters a bracket. A parenthesis right behind an expression is a call.
func (w *walker) open(i int, c byte) {
	w.token(uint64(c)*hashPrime, i)
	f := frame{value: nothing, first: nothing, keep: nothing, place: w.place(i)}
	behind := i > 0 && w.operand(i-1)
	switch {
	case c == '(' && behind:
		f.value, f.call = w.last, true
		w.called(f.value, i)
	case c == '[' && behind:
		f.keep = w.last
	}
	if len(w.frames) < maxFrames {
		w.frames = append(w.frames, f)
	}
	w.last = nothing
}

// operand reports whether a value can end at token i.
func (w *walker) operand(i int) bool {
	switch t := w.toks[i]; t.Kind {
	case normalize.Name, normalize.String:
		return true
	case normalize.Op:
		c := w.src[t.Start]
		return c == ')' || c == ']' || c == '}'
	}
	return false
}

// called notes a call of v whose parenthesis is token i.
func (w *walker) called(v value, i int) {
	if v.sym == 0 {
		return
	}
	p := w.place(i)
	w.x.feature(groupCalls, join(uint64(v.sym), 3), p)
	w.x.feature(groupCalls, join(uint64(w.call1), uint64(v.sym)), p)
	w.x.feature(groupCalls, join(join(uint64(w.call2), uint64(w.call1)), uint64(v.sym)), p)
	w.call2, w.call1 = w.call1, v.sym
	if v.behavior != noBehavior {
		w.x.behave(int(v.behavior), w.layerIndex, w.place(max(i-1, 0)))
	}
	if v.sym == symConnect && w.isOp(i+1, '(') {
		w.x.behave(w.words.connect, w.layerIndex, p) // a host and a port
	}
}

// close leaves a bracket and goes on with what the whole expression is.
func (w *walker) close(i int) int {
	w.statement = false
	v := nothing
	if n := len(w.frames); n > 0 {
		f := w.frames[n-1]
		w.frames = w.frames[:n-1]
		switch {
		case f.call:
			v = w.result(&f)
		case f.keep.sym != 0:
			v = f.keep
		default:
			v = f.first
		}
	}
	w.x.step(w.place(i))
	if w.isOp(i+1, '.') {
		return w.chain(i, v, 0, i)
	}
	w.last = v
	if v.sym != 0 && !w.isOp(i+1, '(') {
		w.flows(v, w.place(i))
		w.assign(v)
	}
	return i + 1
}
