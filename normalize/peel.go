package normalize

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
)

// The bounds of one Normalize. Each is noted when it is reached.
const (
	maxDepth     = 64       // layers inside layers
	maxLayers    = 96       // the script itself included
	maxMade      = 12 << 20 // bytes of all layers, and of the values made while one of them is read
	maxWork      = 48 << 20 // bytes of all values made, final and intermediate
	maxAllTokens = 3 << 18  // of all layers together
	maxSteps     = 1 << 17  // tokens evaluated again, for loops and functions
	maxRead      = 64 << 20 // bytes read by operations on values
	maxConstants = 1024     // of one layer
	maxConstant  = 4096     // bytes of one
	minLayer     = 16       // bytes; what is shorter is a constant
	minExecuted  = 8        // bytes of a text that is executed
	maxNames     = 1 << 14  // bound at the same time in one layer
	maxPending   = 128      // statements of one layer evaluated once more
)

// note is something that was cut or given up.
type note struct {
	format string
	text   string
	more   int // of the same format
}

// unpacker peels a script: it owns the layers found so far and what is left of
// the bounds.
type unpacker struct {
	layers []Layer
	notes  []note
	seed   maphash.Seed
	seen   map[uint64][]int // layers by the hash of their text
	made   int              // bytes of layers, and of values of the one that is read
	work   int              // bytes of values made
	lines  int              // bytes of what is known of the lines of compiled code
	tokens int              // of all layers
	text   int              // bytes of the script before what is no text
	steps  int              // tokens evaluated again
	read   int              // bytes read by operations on values

	names  map[int]map[string]value // what layers pass on to those in them
	random twister                  // the generator of random numbers
	drawn  map[int]twister          // what it was where a layer is executed
}

// note adds a note. The first of each format is kept, and the others counted:
// a hostile script can cause a great many.
func (u *unpacker) note(format string, args ...any) {
	for i := range u.notes {
		if u.notes[i].format == format {
			u.notes[i].more++
			return
		}
	}
	u.notes = append(u.notes, note{format: format, text: fmt.Sprintf(format, args...)})
}

// allNotes gives the notes in words.
func (u *unpacker) allNotes() []string {
	var all []string
	for _, n := range u.notes {
		if n.more > 0 {
			n.text = fmt.Sprintf("%s (and %d times more)", n.text, n.more)
		}
		all = append(all, n.text)
	}
	return all
}

// spend takes n bytes off what may still be made, and reports whether they
// were left.
func (u *unpacker) spend(n int) bool {
	if u.made+n > maxMade || u.work+n > maxWork {
		u.note("stopped decoding: more than %d bytes were made", maxMade)
		return false
	}
	u.made += n
	u.work += n
	return true
}

// What a value costs besides its data, about.
const (
	valueSize = 72
	pieceSize = 12
	overhead  = 128
)

// left is how many bytes may still be made.
func (u *unpacker) left() int { return max(min(maxMade-u.made, maxWork-u.work), 0) }

// forget takes the values of a layer that has been read off what was made:
// only what became a layer stays.
func (u *unpacker) forget() {
	u.made = 0
	for i := range u.layers[1:] {
		l := &u.layers[i+1]
		u.made += len(l.Text) + pieceSize*len(l.pieces)
	}
	for i := range u.layers {
		for _, c := range u.layers[i].Constants {
			u.made += len(c.Value) + overhead/4
		}
	}
}

// lex reads the tokens of layer i.
func (u *unpacker) lex(i int) {
	l := &u.layers[i]
	limit := min(maxTokens, maxAllTokens-u.tokens)
	if limit < 16 {
		u.note("left layers from %d on unread: more than %d tokens", i, maxAllTokens)
		return
	}
	text := l.Text
	if i == 0 {
		text = text[:u.text]
	}
	l.Tokens = lexUpTo(text, limit)
	u.tokens += len(l.Tokens)
	if n := len(l.Tokens); n >= limit*3/4 {
		for _, t := range l.Tokens[limit*3/4-1:] {
			if t.Kind == Skipped {
				u.note("left %d bytes of layer %d unread: more than %d tokens", t.End-t.Start, i, limit)
			}
		}
	}
}

// The bounds of what a layer passes on to the layers in it.
const (
	maxInherited     = 256      // names
	maxInheritedText = 64 << 10 // bytes of all of them
)

// inherit adds the names to env that layer i starts with: those that the one it
// was found in had bound at its end.
func (u *unpacker) inherit(i int, env map[string]value) map[string]value {
	if l := &u.layers[i]; l.Executed {
		maps.Copy(env, u.names[l.Parent])
	}
	return env
}

// bequeath keeps what layer i has bound for the layers in it.
func (u *unpacker) bequeath(i int, env map[string]value) {
	executes := false
	for _, l := range u.layers[i+1:] {
		executes = executes || l.Executed && l.Parent == i
	}
	if !executes || len(env) == 0 {
		return
	}
	kept := map[string]value{}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(env)) {
		v := env[name]
		switch v.kind {
		case text, bytesText:
			v = value{kind: v.kind, data: v.data, end: 1, named: true, extra: &extra{used: true, steps: v.steps()}}
		case integer, function, none:
			v.start, v.end = 0, 1
		case lambda:
			v.start, v.end = 0, 1
		default:
			continue
		}
		if size += len(v.data); size > maxInheritedText || len(kept) >= maxInherited {
			break
		}
		kept[name] = v
	}
	if u.names == nil {
		u.names = map[int]map[string]value{}
	}
	u.names[i] = kept
}

// peel evaluates layer i and adds the layers found in it. A crash gives up
// this layer alone.
func (u *unpacker) peel(i int) {
	defer func() {
		if r := recover(); r != nil {
			u.note("gave up layer %d: internal error: %v", i, r)
		}
	}()
	home := &source{src: u.layers[i].Text, toks: u.layers[i].Tokens}
	room := rooms.Get().(*room)
	p := peeler{u: u, layer: i, home: home, source: home, env: u.inherit(i, room.env), stack: room.stack[:0]}
	for name := range p.env {
		p.ever.add(name)
	}
	p.stepLimit = u.steps + (maxSteps-u.steps)/2
	u.randomFor(i)
	p.run()
	u.bequeath(i, p.env)
	u.forget()
	slices.SortStableFunc(p.constants, func(a, b Constant) int { return a.Span.Start - b.Span.Start })
	u.layers[i].Constants = p.constants
	if len(p.env) <= 256 && cap(p.stack) <= 256 {
		clear(p.env)
		room.stack = p.stack[:cap(p.stack)]
		clear(room.stack)
		rooms.Put(room)
	}
}

// room is what reading one layer needs and the next one can use again.
type room struct {
	env   map[string]value
	stack []value
}

var rooms = sync.Pool{New: func() any { return &room{env: map[string]value{}} }}

// add adds a layer unless its text is there already, in which case the layer
// that has it is given back. It is -1 when a bound is reached.
func (u *unpacker) add(l Layer) int {
	h := maphash.Bytes(u.seed, l.Text)
	for _, k := range u.seen[h] {
		if string(u.layers[k].Text) == string(l.Text) {
			return k
		}
	}
	switch {
	case len(u.layers) >= maxLayers:
		u.note("left further layers out: more than %d", maxLayers)
		return -1
	case l.Depth > maxDepth:
		u.note("left layers deeper than %d out", maxDepth)
		return -1
	}
	u.layers = append(u.layers, l)
	u.seen[h] = append(u.seen[h], len(u.layers)-1)
	return len(u.layers) - 1
}

// peeler evaluates the constant expressions of one layer. It reads the tokens
// once, from the first to the last, and never goes back but for the bodies of
// comprehensions and functions, which it pays for out of maxSteps.
type peeler struct {
	u       *unpacker
	layer   int
	home    *source // the layer's text
	*source         // the text that is read: home, or one that is evaluated in its stead
	site    Span    // of what is evaluated in home's stead
	i       int     // the token to be read next
	begin   int     // the token that the statement starts at

	env       map[string]value
	ever      nameSet        // names that env has or had
	bound     []value        // values bound to names, to be reported if not used
	stack     []value        // arguments and elements being read
	spent     map[int32]bool // starts of literals that were decoded
	pending   []int32        // statements that decode what was not known yet
	constants []Constant

	nesting int // of expressions
	calls   int // of functions of the script
	loops   int // that are run

	lastSplit lastSplit
	lastChars lastChars
	kept      map[string]*source // texts that were evaluated
	watching  int                // iterables whose names are noted
	levels    uint64             // the levels of the frames that names were read from since
	itemsSet  int                // elements of names that were bound
	extended  bool               // a function went on behind a loop that was cut
	aliases   bool               // a function that makes text has another name
	quiet     int                // above zero, nothing is reported but what is executed
	muted     int                // above zero, nothing at all
	again     bool               // tokens are read again, and paid for

	stepLimit int    // of u.steps, while this layer is read
	frame     *frame // what a function or a loop changes in env
	idle      *frame // to be used again
	results   []loopResult
	maybe     int       // the token up to which names are bound in one of several branches
	class     suite     // the body of the class that is read
	item      itemPlace // the last subscript of a name
	lastName  int       // the token of the name that the operand starts with, or -1
}

// run evaluates the layer.
func (p *peeler) run() {
	if len(p.toks) == 0 {
		return
	}
	p.i = -1
	p.advance()
	p.documentation()
	for p.i < len(p.toks) {
		p.endLoops()
		p.statement()
	}
	p.endLoops()
	// Functions use names that are bound further down.
	pending := p.pending
	p.again, p.maybe = true, 0
	for _, at := range pending {
		p.i = int(at)
		p.statement()
	}
	for _, v := range p.bound {
		if !v.extra.used {
			p.report(v, false)
		}
	}
	p.literals()
}

// report turns a value that is put to no further use into a layer or a
// constant. Literals are left alone unless they are executed: they are there
// for everyone to see, and literals() looks into them.
func (p *peeler) report(v value, executed bool) {
	if (p.quiet > 0 || v.literal) && !executed || !v.isText() || p.muted > 0 {
		return
	}
	if v.extra != nil {
		if v.extra.used && !executed {
			return
		}
		p.use(v)
	}
	if !p.touch(value{data: v.data[:min(len(v.data), 1<<16)]}) {
		return
	}
	if isBinary(v.data) {
		if p.unpackArchive(v) {
			return
		}
		if deeper, ok := p.unpackBinary(v); ok {
			v = deeper
		}
	}
	steps := v.steps()
	switch {
	case isBinary(v.data):
	case executed && len(v.data) >= minExecuted:
		if steps == "" {
			steps = "exec"
		}
		p.addLayer(v, steps, true)
	case len(v.data) >= minLayer && (!plainSteps(steps) || looksLikeCode(v.data)):
		p.addLayer(v, steps, false)
	case !v.literal:
		p.addConstant(site(v), v.data)
		p.guess(v)
	}
}

// addLayer adds the layer that v is.
func (p *peeler) addLayer(v value, steps string, executed bool) {
	parent := &p.u.layers[p.layer]
	k := p.u.add(Layer{
		Transform: steps,
		Text:      v.data,
		Parent:    p.layer,
		Depth:     parent.Depth + 1,
		Site:      site(v),
		pieces:    p.pieces(v),
		lines:     v.lines(),
	})
	if k > 0 && executed {
		p.u.layers[k].Executed = true
		p.u.keepRandom(k)
	}
	if k > p.layer {
		p.spendLiterals(v)
	}
}

// site is the expression that made v. One that was evaluated in the body of a
// function may start behind its end, with what the function was given.
func site(v value) Span {
	return Span{int(min(v.start, v.end)), int(max(v.start, v.end, v.start+1))}
}

// addConstant adds a constant.
func (p *peeler) addConstant(s Span, data []byte) {
	if len(data) < 2 || len(p.constants) >= maxConstants {
		return
	}
	p.constants = append(p.constants, Constant{s, data[:min(len(data), maxConstant)]})
}

// spendLiterals marks the literals that v was made of as decoded.
func (p *peeler) spendLiterals(v value) {
	if p.spent == nil {
		p.spent = map[int32]bool{}
	}
	for _, piece := range p.pieces(v) {
		p.spent[piece.start] = true
	}
}

// pieces maps the data of v to the layer's text.
func (p *peeler) pieces(v value) []piece {
	if v.literal {
		return stringPieces(p.home.src, p.home.toks[v.tok], 0, nil)
	}
	if v.extra == nil || len(v.extra.pieces) == 0 {
		s := site(v)
		return []piece{{0, int32(s.Start), int32(s.End)}}
	}
	return v.extra.pieces
}

// hull is the stretch of the layer's text that all of v was made of.
func (p *peeler) hull(v value) (start, end int32) {
	if v.literal {
		open, end, _ := quotes(p.home.src, p.home.toks[v.tok])
		return int32(open), int32(end)
	}
	pieces := p.pieces(v)
	start, end = pieces[0].start, pieces[0].end
	for _, piece := range pieces[1:] {
		start, end = min(start, piece.start), max(end, piece.end)
	}
	return start, end
}

// whole maps all that is made of v to all that v was made of.
func (p *peeler) whole(v value) []piece {
	start, end := p.hull(v)
	return []piece{{0, start, end}}
}

// derive makes the text that one step made of v as a whole.
func (p *peeler) derive(v value, kind valueKind, data []byte, step string) value {
	p.use(v)
	start, end := p.hull(v)
	if !p.u.spend(overhead) {
		return value{}
	}
	return value{kind: kind, data: data, start: v.start, end: v.end, extra: &extra{
		steps:  addStep(v.steps(), step),
		pieces: []piece{{0, start, end}},
	}}
}

// touch takes the size of values off the bytes that operations may read, and
// reports whether they were left. Without it, a script could have one long
// text read again and again.
func (p *peeler) touch(values ...value) bool {
	for _, v := range values {
		p.u.read += len(v.data)
		switch v.kind {
		case list:
			p.u.read += valueSize * v.length()
		case integers, chars:
			p.u.read += 8 * v.length()
		}
	}
	if p.u.read > maxRead {
		p.u.note("stopped evaluating: more than %d bytes were read", maxRead)
		return false
	}
	return true
}

// step reports whether tokens may still be evaluated again, and takes one off.
func (p *peeler) step() bool {
	p.u.steps++
	if p.u.steps > p.stepLimit {
		p.u.note("stopped evaluating: more than %d steps", maxSteps)
		return false
	}
	return true
}

// use marks v as part of another value, which will be reported in its stead.
func (p *peeler) use(v value) {
	if v.extra != nil && !v.extra.used {
		v.extra.used = true
	}
}
