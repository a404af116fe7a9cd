package bytecode

import (
	"fmt"
	"strings"
)

// The bounds of one rendering, besides the length of its text.
const (
	maxSteps    = 1 << 19 // instructions followed, of all code
	maxFollowed = 1 << 24 // bytes of code taken apart, of all code
	maxLive     = 1 << 19 // bytes of the code that is taken apart at the same time
	maxLooked   = 1 << 24 // instructions and expressions looked at on the way
	maxNesting  = 64      // functions in functions
	maxIndent   = 48
	maxBlocks   = 128 // in one code object
	maxStack    = 1 << 14
)

// Render writes the code of a file as Python-like text of at most limit bytes.
// lines says where the text came from. cut says what was left out, in words; it
// is empty when nothing was.
func Render(f File, limit int) (text []byte, lines *Lines, cut string) {
	if f.Code == nil {
		return nil, nil, ""
	}
	r := &renderer{version: f.Version, limit: limit, literals: map[*Object]*expr{}}
	if instructionSets()[f.Version] == nil {
		r.cut = "no instructions of Python " + f.Version.String() + " are known: only constants and names are shown"
		r.listing(f.Code, 0)
	} else {
		r.module(f.Code)
	}
	if len(r.out) >= limit {
		r.cut = fmt.Sprintf("the text ends after %d bytes", limit)
		r.out = r.out[:limit]
	}
	r.lines.cut(len(r.out))
	return r.out, r.lines.known(), r.cut
}

// renderer writes the text of a file.
type renderer struct {
	version  Version
	limit    int
	out      []byte
	cut      string
	steps    int
	followed int
	live     int
	looked   int
	written  int // bytes, those that were taken back included
	nesting  int
	literals map[*Object]*expr

	lines     Lines
	lineCount int // that were written, those that were taken back included
	tables    int // bytes of the tables of lines that were read
}

// full reports whether no more is to be written.
func (r *renderer) full() bool {
	switch {
	case len(r.out) >= r.limit:
	case r.steps > maxSteps:
		r.cut = fmt.Sprintf("the text ends after %d instructions", maxSteps)
	case r.followed > maxFollowed:
		r.cut = fmt.Sprintf("the text ends after %d bytes of code", maxFollowed)
	case r.looked > maxLooked || r.written > 4*r.limit+maxLooked:
		r.cut = "the text ends where its code takes too long to follow"
	default:
		return false
	}
	return true
}

// line writes one statement, which came from a line of the source.
func (r *renderer) line(indent int, e *expr, source int32) {
	r.lineCount++
	r.lines.add(len(r.out), source)
	for range min(indent, maxIndent) {
		r.out = append(r.out, "    "...)
	}
	r.written += min(e.size, r.limit)
	r.out = e.appendTo(r.out, r.limit)
	r.out = append(r.out, '\n')
}

// listing writes constants and names, for versions that cannot be followed.
func (r *renderer) listing(c *Code, depth int) {
	if depth > maxNesting || r.full() {
		return
	}
	r.steps += len(c.Names) + len(c.Consts) + 1
	for _, n := range c.Names {
		r.line(0, leaf(string(clean(n.Text))), 0)
	}
	for _, o := range c.Consts {
		if r.full() {
			return
		}
		if o.Kind == CodeObject {
			r.line(0, join(precAtom, "def ", string(clean(nameOf(o.Code))), "(): ..."), 0)
			r.listing(o.Code, depth+1)
			continue
		}
		r.line(0, r.object(o), 0)
	}
}

// module writes the code of a module, or of a bare function as if it were one.
func (r *renderer) module(c *Code) {
	w := r.walker(c, 0)
	w.top = true
	w.run()
}

// walker follows the instructions of one code object.
type walker struct {
	r      *renderer
	code   *Code
	ins    []instruction
	size   int // bytes of the code that are followed
	indent int
	top    bool // the code of a module
	body   bool // the code of a class

	stack    []*expr
	blocks   []block
	merges   []merge
	depths   map[int]int // expected at targets of jumps
	loops    map[int]int // where loops end, by where they start
	tries    []try
	triesAt  map[int][]int // by where they start, the outermost first
	handlers map[int]bool  // where handlers start, before 3.11
	skip     map[int]int   // stretches that only exceptions lead to

	copies   []*expr    // targets of a value that goes to several
	copied   *expr      // that value
	chained  *expr      // the first part of "a < b < c", in a test
	keyNames []string   // of the keyword arguments of the next call
	imports  *importing // whose names are being stored
	printed  []*expr    // by a print statement of Python 2
	comp     *comprehension
	at       int   // byte of the instruction that is followed
	result   *expr // what was returned last
	source   int32 // line of the source that is followed
	first    int32 // line that the statement began with, up to 3.7
	lines    int   // that had been written then
}

// block is an open compound statement.
type block struct {
	kind   blockKind
	end    int // first byte behind it
	start  int // of a loop: what jumps back go to
	depth  int // of the stack inside
	line   int // place of its first line in the text
	body   int // place behind its first line
	cond   *expr
	next   int // byte behind its test
	isNot  bool
	try    int   // index of a try
	source int32 // line of the source that it began with
}

type blockKind uint8

const (
	ifBlock blockKind = iota
	elseBlock
	loopBlock // while or for
	tryBlock
	exceptBlock
	withBlock
)

// merge is a part of an expression whose other part follows.
type merge struct {
	at    int // where both come together
	op    string
	left  *expr
	cond  *expr // of a conditional expression
	depth int   // of the stack below
}

// try is a stretch of code with a handler.
type try struct {
	start, end, handler, depth int
	done                       bool
}

// comprehension is one that is being put together.
type comprehension struct {
	clauses []any
	element *expr
	start   int
}

func (r *renderer) walker(c *Code, indent int) *walker {
	w := &walker{r: r, code: c, indent: indent, depths: map[int]int{}, loops: map[int]int{}, skip: map[int]int{},
		triesAt: map[int][]int{}, handlers: map[int]bool{}}
	code := c.Code[:min(len(c.Code), maxLive-r.live)]
	if len(code) < len(c.Code) {
		r.cut = fmt.Sprintf("of functions with more than %d bytes of code only the beginning is shown", maxLive)
	}
	r.followed += len(code)
	if r.full() {
		return w
	}
	r.live += len(code)
	w.size = len(code)
	w.ins = decode(code, r.version)
	r.number(w.ins, c)
	w.prepare()
	return w
}

// prepare rewrites what versions say differently, and finds loops and handlers.
func (w *walker) prepare() {
	for i := range w.ins {
		in := &w.ins[i]
		switch {
		case strings.HasPrefix(in.op, "POP_JUMP_IF_") && i+1 < len(w.ins):
			w.shortCircuit(i)
			w.detour(i)
		case in.op == "JUMP_ABSOLUTE" && in.target <= in.at, in.op == "CONTINUE_LOOP":
			in.op = "JUMP_BACKWARD"
		case in.op == "JUMP_ABSOLUTE":
			in.op = "JUMP_FORWARD"
		}
	}
	for _, in := range w.ins {
		if in.jumps && in.target <= in.at && in.target >= 0 && in.op != "JUMP_BACKWARD_NO_INTERRUPT" {
			w.loops[in.target] = max(w.loops[in.target], in.next)
		}
	}
	if len(w.code.ExceptionTable) > 0 {
		w.readExceptions()
	}
}

// shortCircuit makes "COPY 1, test, POP_TOP" one instruction, as it was up to
// 3.11.
func (w *walker) shortCircuit(i int) {
	in := &w.ins[i]
	before, behind := i-1, i+1
	if before > 0 && w.ins[before].op == "TO_BOOL" {
		before--
	}
	if w.ins[behind].op == "NOT_TAKEN" && behind+1 < len(w.ins) {
		behind++
	}
	if before < 0 || w.ins[before].op != "COPY" || w.ins[before].arg != 1 || w.ins[behind].op != "POP_TOP" {
		return
	}
	switch in.op {
	case "POP_JUMP_IF_FALSE":
		in.op = "JUMP_IF_FALSE_OR_POP"
	case "POP_JUMP_IF_TRUE":
		in.op = "JUMP_IF_TRUE_OR_POP"
	default:
		return
	}
	w.ins[before].op, w.ins[behind].op = "NOP", "NOP"
}

// detour makes a test that jumps over a jump backward one test that jumps
// backward itself, as it was up to 3.11.
func (w *walker) detour(i int) {
	in := &w.ins[i]
	back := i + 1
	if w.ins[back].op == "NOT_TAKEN" && back+1 < len(w.ins) {
		back++
	}
	b := &w.ins[back]
	if b.op != "JUMP_BACKWARD" && b.op != "JUMP_ABSOLUTE" || b.target > in.at || in.target != b.next {
		return
	}
	opposite := map[string]string{
		"POP_JUMP_IF_FALSE": "POP_JUMP_IF_TRUE", "POP_JUMP_IF_TRUE": "POP_JUMP_IF_FALSE",
		"POP_JUMP_IF_NONE": "POP_JUMP_IF_NOT_NONE", "POP_JUMP_IF_NOT_NONE": "POP_JUMP_IF_NONE",
	}
	op, ok := opposite[in.op]
	if !ok {
		return
	}
	in.op, in.target, in.next = op, b.target, b.next
	b.op, b.jumps = "NOP", false
}

// find is the index of the instruction at a byte, or of the first behind it.
func (w *walker) find(at int) int {
	low, high := 0, len(w.ins)
	for low < high {
		if mid := (low + high) / 2; w.ins[mid].at < at {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// op is the name of instruction i, or empty when there is none.
func (w *walker) op(i int) string {
	if i < 0 || i >= len(w.ins) {
		return ""
	}
	return w.ins[i].op
}

// release gives back the instructions of a code object that was followed.
func (w *walker) release() {
	w.r.live -= w.size
	w.ins = nil
}

// run follows all instructions.
func (w *walker) run() {
	w.walk(0, len(w.ins))
	w.closeAll()
	w.flushImport()
	w.flushPrint()
}

// walk follows the instructions from index i up to index end.
func (w *walker) walk(i, end int) {
	last := -1
	for i >= 0 && i < end && i < len(w.ins) && !w.r.full() {
		w.r.steps++
		in := &w.ins[i]
		w.locate(in)
		if in.at != last {
			w.arrive(in.at, i)
			last = in.at
			if to, ok := w.skip[in.at]; ok && to > in.at {
				i = w.find(to)
				continue
			}
		}
		w.at = in.at
		next := w.step(i, in)
		i = max(next, i+1)
	}
}

// arrive does what is due at a byte: blocks end, parts of expressions come
// together.
func (w *walker) arrive(at, i int) {
	for n := len(w.merges); n > 0 && w.merges[n-1].at <= at; n = len(w.merges) {
		m := w.merges[n-1]
		w.merges = w.merges[:n-1]
		if m.at == at {
			w.combine(m)
		}
	}
	for n := len(w.blocks); n > 0 && w.blocks[n-1].end <= at; n = len(w.blocks) {
		w.close()
	}
	if depth, ok := w.depths[at]; ok {
		w.settle(depth)
	}
	if w.comp != nil {
		return
	}
	if w.handlers[at] {
		w.settleCopies()
		w.inlineHandler(i)
	}
	for _, k := range w.triesAt[at] {
		if t := &w.tries[k]; !t.done {
			w.settleCopies()
			t.done = true
			w.open(block{kind: tryBlock, end: t.end, try: k}, leaf("try:"))
		}
	}
	if end, ok := w.loops[at]; ok && w.sameLoop(end) {
		return
	}
	if end, ok := w.loops[at]; ok && !w.inLoop(at) && !w.startsFor(i) && !w.testFollows(at) {
		w.settleCopies()
		w.open(block{kind: loopBlock, end: end, start: at, try: -1}, leaf("while True:"))
	}
}

// settle brings the stack to a depth.
func (w *walker) settle(depth int) {
	depth = max(depth, 0)
	if depth > maxStack {
		return
	}
	w.r.looked += max(depth-len(w.stack), 0)
	for len(w.stack) < depth {
		w.stack = append(w.stack, nothing)
	}
	w.stack = w.stack[:depth]
}

// sameLoop reports whether a loop was opened just before and nothing was
// written since. Both are one, then, that ends where the later one does.
func (w *walker) sameLoop(end int) bool {
	n := len(w.blocks)
	if n == 0 || w.blocks[n-1].kind != loopBlock || w.blocks[n-1].body != len(w.r.out) || !w.isWhile(&w.blocks[n-1]) {
		return false
	}
	w.blocks[n-1].end = max(w.blocks[n-1].end, end)
	return true
}

// inLoop reports whether the loop that starts at a byte is open.
func (w *walker) inLoop(at int) bool {
	for _, b := range w.blocks {
		if b.kind == loopBlock && b.start == at {
			return true
		}
	}
	return false
}

// startsFor reports whether instruction i belongs to a for loop, or waits for
// something.
func (w *walker) startsFor(i int) bool {
	switch w.op(i) {
	case "FOR_ITER", "GET_ANEXT", "SEND", "YIELD_VALUE", "SETUP_FINALLY":
		return w.op(i) != "SETUP_FINALLY" || w.op(i+1) == "GET_ANEXT"
	case "EXTENDED_ARG":
		return w.startsFor(i + 1)
	}
	return false
}

// testFollows reports whether the loop that starts at a byte was opened by the
// test before it.
func (w *walker) testFollows(at int) bool {
	n := len(w.blocks)
	return n > 0 && w.blocks[n-1].kind == loopBlock && w.blocks[n-1].next == at
}

// open begins a block with a line.
func (w *walker) open(b block, head *expr) {
	w.flushImport()
	w.flushPrint()
	if len(w.blocks) >= maxBlocks {
		return
	}
	if n := len(w.blocks); n > 0 && (b.end > w.blocks[n-1].end) {
		b.end = w.blocks[n-1].end
	}
	b.depth = len(w.stack)
	b.line, b.source = len(w.r.out), w.source
	w.r.line(w.indent, head, w.source)
	b.body = len(w.r.out)
	w.indent++
	w.blocks = append(w.blocks, b)
}

// close ends the innermost block.
func (w *walker) close() {
	w.settleCopies()
	w.flushImport()
	w.flushPrint()
	n := len(w.blocks) - 1
	b := w.blocks[n]
	switch loop := w.loop(); {
	case len(w.r.out) > b.body:
	case b.kind == ifBlock && b.cond != nil && loop != nil && b.end >= loop.end:
		w.r.out = w.r.out[:b.line] // a part of the test at the end of a loop
	default:
		w.r.line(w.indent, leaf("pass"), w.source)
	}
	w.blocks = w.blocks[:n]
	w.indent--
	if b.kind == tryBlock && b.try >= 0 && b.try < len(w.tries) {
		w.handler(w.tries[b.try])
	}
	if b.kind == ifBlock {
		w.maybeElse(b)
	}
}

// maybeElse opens the else of an if that was just closed, when its last
// instruction jumps further on.
func (w *walker) maybeElse(b block) {
	i := w.find(b.end) - 1
	if i < 0 || w.ins[i].op != "JUMP_FORWARD" || w.ins[i].target <= b.end {
		return
	}
	end := w.ins[i].target
	if loop := w.loop(); loop != nil && end >= loop.end || len(w.blocks) > 0 && end > w.blocks[len(w.blocks)-1].end {
		return
	}
	w.open(block{kind: elseBlock, end: end, try: -1}, leaf("else:"))
}

// closeAll ends all blocks.
func (w *walker) closeAll() {
	for len(w.blocks) > 0 {
		w.blocks[len(w.blocks)-1].end = 0
		w.close()
	}
	w.settleCopies()
}

// loop is the innermost open loop.
func (w *walker) loop() *block {
	for i := len(w.blocks) - 1; i >= 0; i-- {
		if w.blocks[i].kind == loopBlock {
			return &w.blocks[i]
		}
	}
	return nil
}

// statement writes one.
func (w *walker) statement(parts ...any) {
	w.flushImport()
	if w.comp != nil {
		return
	}
	w.r.line(w.indent, join(precTuple, parts...), w.source)
}

// push and pop move expressions on and off the stack. A stack that is empty
// gives what is not known.
func (w *walker) push(e *expr) {
	if len(w.stack) < maxStack {
		w.stack = append(w.stack, e)
	}
}

func (w *walker) pop() *expr {
	n := len(w.stack)
	if n == 0 {
		return nothing
	}
	e := w.stack[n-1]
	w.stack = w.stack[:n-1]
	return e
}

// popN gives the last n expressions, in the order they were pushed.
func (w *walker) popN(n int) []*expr {
	if n > len(w.stack) {
		n = len(w.stack)
	}
	if n <= 0 {
		return nil
	}
	out := append([]*expr(nil), w.stack[len(w.stack)-n:]...)
	w.stack = w.stack[:len(w.stack)-n]
	return out
}

// peek is the expression n from the top, counted from 1.
func (w *walker) peek(n int) *expr {
	if n < 1 || n > len(w.stack) {
		return nothing
	}
	return w.stack[len(w.stack)-n]
}

// name is entry i of a table of names.
func name(table []*Object, i int) string {
	if i < 0 || i >= len(table) {
		return "_"
	}
	return string(clean(table[i].Text))
}

// deref is the name of a variable shared between functions.
func (w *walker) deref(i int) string {
	if w.r.version.layout() == layout311 {
		return name(w.code.VarNames, i)
	}
	if i < len(w.code.CellVars) {
		return name(w.code.CellVars, i)
	}
	return name(w.code.FreeVars, i-len(w.code.CellVars))
}
