package bytecode

import "sort"

// maxTries bounds the handlers of one code object.
const maxTries = 4096

// readExceptions reads the table of exceptions: stretches of code and where an
// exception in them leads. Its numbers have six bits a byte, the highest first.
func (w *walker) readExceptions() {
	table := w.code.ExceptionTable
	at := 0
	number := func() int {
		n := 0
		for at < len(table) {
			b := table[at]
			at++
			n = n<<6 | int(b&0x3f)
			if b&0x40 == 0 || n > 1<<24 {
				break
			}
		}
		return n
	}
	var entries []try
	for at < len(table) && len(entries) < maxTries {
		start := 2 * number()
		end := start + 2*number()
		t := try{start: start, end: end, handler: 2 * number(), depth: number() >> 1}
		if t.start < t.end {
			entries = append(entries, t)
			w.skipHandler(t.handler)
		}
	}
	w.joinTries(entries)
	for k := len(w.tries) - 1; k >= 0; k-- {
		if i := w.find(w.tries[k].handler); w.op(i) == "PUSH_EXC_INFO" && w.op(i+1) != "WITH_EXCEPT_START" {
			w.triesAt[w.tries[k].start] = append(w.triesAt[w.tries[k].start], k)
		}
	}
	// Of those that start together, the one that ends last is outside.
	for _, together := range w.triesAt {
		sort.SliceStable(together, func(i, j int) bool {
			a, b := w.tries[together[i]], w.tries[together[j]]
			return a.end > b.end || a.end == b.end && a.handler > b.handler
		})
	}
}

// joinTries makes one try of the entries that lead to the same handler. An
// entry whose code is in a handler itself says what stands around that one.
func (w *walker) joinTries(entries []try) {
	var starts []int // of handlers, rising
	for h := range w.skip {
		starts = append(starts, h)
	}
	sort.Ints(starts)
	byHandler := map[int]int{}
	for _, e := range entries {
		k, ok := byHandler[e.handler]
		if !ok {
			k = len(w.tries)
			byHandler[e.handler] = k
			w.tries = append(w.tries, try{start: 1 << 30, handler: e.handler, depth: e.depth})
		}
		t := &w.tries[k]
		i := sort.SearchInts(starts, e.start+1) - 1
		if i < 0 || e.start >= w.skip[starts[i]] {
			t.start, t.end = min(t.start, e.start), max(t.end, e.end)
			continue
		}
		if inner, ok := byHandler[starts[i]]; ok && starts[i] != e.handler {
			t.start, t.end = min(t.start, w.tries[inner].start), max(t.end, w.tries[inner].end)
		}
	}
}

// skipHandler finds where the handler at a byte ends. Handlers stand behind
// everything else, and are left out where they stand.
func (w *walker) skipHandler(handler int) {
	if _, ok := w.skip[handler]; ok {
		return
	}
	i := w.find(handler)
	end := i
	for ; end < len(w.ins) && end-i < 1<<12; w.r.looked++ {
		op := w.op(end)
		end++
		if op == "RERAISE" && (w.op(end-2) == "POP_EXCEPT" || w.op(i) != "PUSH_EXC_INFO") || op == "END_ASYNC_FOR" ||
			op == "CLEANUP_THROW" && end-1 == i {
			break
		}
	}
	w.skip[handler] = handler
	if end > i {
		w.skip[handler] = w.ins[end-1].next
	}
}

// handler writes the except or finally of a try from 3.11 on.
func (w *walker) handler(t try) {
	i := w.find(t.handler)
	end := w.find(w.skip[t.handler])
	if i+1 >= end || w.r.full() {
		return
	}
	w.r.looked += len(w.stack)
	stack, merges := append([]*expr(nil), w.stack...), w.merges
	w.merges = nil
	// The blocks around it stay open, although their code has ended.
	ends := make([]int, len(w.blocks))
	for k := range w.blocks {
		ends[k], w.blocks[k].end = w.blocks[k].end, 1<<40
	}
	w.settle(t.depth)
	w.push(nothing)
	w.push(nothing)
	source := w.source
	w.locate(&w.ins[i+1])
	switch {
	case w.op(i+1) == "POP_TOP":
		w.open(block{kind: exceptBlock, end: w.skip[t.handler], try: -1}, leaf("except:"))
		w.pop()
		w.walk(i+2, end)
	case w.tests(i+1, end):
		w.walk(i+1, end)
	default:
		w.open(block{kind: exceptBlock, end: w.skip[t.handler], try: -1}, leaf("finally:"))
		w.walk(i+1, end)
	}
	for len(w.blocks) > len(ends) {
		w.close()
	}
	for k := range w.blocks {
		w.blocks[k].end = ends[k]
	}
	w.stack, w.merges, w.source = stack, merges, source
}

// tests reports whether a handler asks for the class of its exception before
// it does anything else.
func (w *walker) tests(i, end int) bool {
	for ; i < end; i++ {
		w.r.looked++
		switch w.op(i) {
		case "LOAD_NAME", "LOAD_GLOBAL", "LOAD_ATTR", "LOAD_FAST", "LOAD_DEREF", "BUILD_TUPLE", "LOAD_CONST", "NOP", "CALL",
			"PRECALL", "PUSH_NULL", "LOAD_METHOD":
		case "CHECK_EXC_MATCH", "CHECK_EG_MATCH":
			return true
		default:
			return false
		}
	}
	return false
}

// setup opens a try or with of versions before 3.11, whose handlers stand in
// line.
func (w *walker) setup(in *instruction) {
	switch in.op {
	case "SETUP_LOOP":
	case "SETUP_WITH", "SETUP_ASYNC_WITH":
		w.with(in.target, in.op == "SETUP_ASYNC_WITH")
		w.depths[in.target] = len(w.stack) - 1 + w.raised()
	default:
		if w.op(w.find(in.next)) == "GET_ANEXT" { // the end of an async for
			return
		}
		w.depths[in.target] = len(w.stack) + w.raised()
		w.handlers[in.target] = true
		if w.comp == nil {
			w.open(block{kind: tryBlock, end: in.target, try: -1}, leaf("try:"))
		}
	}
}

// raised is how many values an exception puts on the stack before 3.11.
func (w *walker) raised() int {
	if w.r.version.Major == 2 {
		return 3
	}
	return 6
}

// inlineHandler begins the except or finally of versions before 3.11.
func (w *walker) inlineHandler(i int) {
	switch {
	case w.op(i) == "DUP_TOP":
	case w.r.version.layout() == layout311:
		w.open(block{kind: exceptBlock, end: len(w.code.Code), try: -1}, leaf("except:"))
	case w.op(i) == "POP_TOP" && w.op(i+1) == "POP_TOP" && w.op(i+2) == "POP_TOP":
		w.open(block{kind: exceptBlock, end: w.handlerEnd(i), try: -1}, leaf("except:"))
	case w.op(i) == "WITH_CLEANUP_START", w.op(i) == "WITH_EXCEPT_START", w.op(i) == "END_FINALLY", w.op(i) == "RERAISE",
		w.op(i) == "LOAD_CONST" && w.op(i+2) == "DELETE_FAST", w.op(i) == "LOAD_CONST" && w.op(i+2) == "DELETE_NAME":
	default:
		w.open(block{kind: exceptBlock, end: w.handlerEnd(i), try: -1}, leaf("finally:"))
	}
}

// handlerEnd is where the handler at instruction i of a version before 3.11
// ends.
func (w *walker) handlerEnd(i int) int {
	depth := 0
	for ; i < len(w.ins); i++ {
		w.r.looked++
		switch w.op(i) {
		case "SETUP_FINALLY", "SETUP_EXCEPT", "SETUP_WITH":
			depth++
		case "POP_EXCEPT", "END_FINALLY", "RERAISE":
			if depth <= 0 {
				return w.ins[i].next
			}
			depth--
		}
	}
	return len(w.code.Code)
}

// except opens an except clause. in tests for the class, and jumps to the next
// clause if it is another.
func (w *walker) except(i int, in *instruction, matched *expr) int {
	parts := []any{"except"}
	if matched.inner != nil {
		parts = append(parts, " ", matched.inner.as(precTest))
	}
	next := i + 1
	for n := 0; next < len(w.ins) && n < 4; n++ {
		switch w.op(next) {
		case "POP_TOP", "NOT_TAKEN", "NOP":
			w.pop()
			next++
			continue
		case "STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF":
			parts = append(parts, " as ", w.target(&w.ins[next]))
			w.pop()
			next++
			for next < len(w.ins) && w.op(next) == "POP_TOP" && w.r.version.layout() != layout311 {
				w.pop()
				next++
			}
			if w.op(next) == "SETUP_FINALLY" { // so that the name is unbound
				w.depths[w.ins[next].target] = len(w.stack) + w.raised()
				next++
			}
		}
		break
	}
	parts = append(parts, ":")
	if in.target > in.at {
		if k := w.find(in.target); w.op(k) == "POP_TOP" && (w.r.version.layout() == layout311 || w.op(k+2) == "POP_TOP") {
			w.handlers[in.target] = true
		}
		w.depths[in.target] = len(w.stack) + 1
		if w.r.version.layout() != layout311 {
			w.depths[in.target] = len(w.stack) + 3
		}
	}
	w.open(block{kind: exceptBlock, end: max(in.target, in.next), try: -1}, join(precTuple, parts...))
	return next
}

// with opens a with statement that ends at a byte. Its manager is on the stack.
func (w *walker) with(end int, async bool) {
	manager := w.pop()
	w.push(&expr{kind: exit, prec: precAtom, text: "_", size: 1})
	word := "with "
	if async {
		word = "async with "
	}
	c := &clause{head: join(precTuple, word, manager.as(precTest))}
	c.write = func(target *expr) {
		if w.comp != nil {
			return
		}
		head := c.head
		if target != nil {
			head = join(precTuple, head, " as ", target)
		}
		w.open(block{kind: withBlock, end: end, try: -1}, join(precTuple, head, ":"))
	}
	w.push(&expr{kind: entered, prec: precAtom, text: "_", size: 1, clause: c})
}

// withEnd is where the with statement that is entered at a byte ends, from
// 3.11 on.
func (w *walker) withEnd(at int) int {
	end := len(w.code.Code)
	w.r.looked += len(w.tries)
	for _, t := range w.tries {
		if t.start >= at && t.start <= at+4 && w.op(w.find(t.handler)+1) == "WITH_EXCEPT_START" {
			return t.end
		}
	}
	return end
}

// forLoop begins a for loop or a comprehension at instruction i.
func (w *walker) forLoop(i int, in *instruction) int {
	it := w.peek(1)
	if it.inner == nil || it.kind != iterator {
		it = &expr{kind: iterator, prec: precAtom, text: "_", size: 1, inner: it}
	}
	if w.comp == nil {
		if kind, at, ok := w.gathers(i, in.target); ok {
			return w.comprehend(i, kind, at)
		}
	}
	w.loopOver(it.inner, "for ", in.at, in.target, len(w.stack)-1)
	return i + 1
}

// loopOver pushes what a for loop binds; its line is written when the target
// is known.
func (w *walker) loopOver(iterable *expr, word string, start, end, depth int) {
	if w.comp == nil {
		w.depths[end] = depth
	}
	c := &clause{}
	c.write = func(target *expr) {
		head := []any{word, target, " in ", iterable.as(precOr)}
		if w.comp != nil {
			w.comp.clauses = append(append(w.comp.clauses, " "), head...)
			return
		}
		w.open(block{kind: loopBlock, start: start, end: end, try: -1}, join(precTuple, append(head, ":")...))
	}
	w.push(&expr{kind: iteration, prec: precAtom, text: "_", size: 1, clause: c})
}

// gathers reports whether the loop at instruction i that ends at a byte fills
// a display on the stack: then it is a comprehension.
func (w *walker) gathers(i, end int) (kind exprKind, at int, ok bool) {
	nested := 1
	for k := i + 1; k < len(w.ins) && w.ins[k].at < end && k-i < 1<<12; k++ {
		w.r.looked++
		switch w.op(k) {
		case "FOR_ITER", "GET_ANEXT":
			nested++
		case "LIST_APPEND", "SET_ADD", "MAP_ADD":
			at := w.ins[k].arg - nested + 1
			if at < 2 {
				continue
			}
			found := w.peek(at)
			switch {
			case w.op(k) == "LIST_APPEND" && found.kind == list, w.op(k) == "SET_ADD" && found.kind == set,
				w.op(k) == "MAP_ADD" && found.kind == dict:
				if found.inner != nil && found.inner.size == 0 {
					return found.kind, at, true
				}
			}
		}
	}
	return 0, 0, false
}

// comprehend follows the loop of a comprehension, which fills the display at
// a place of the stack, and goes on behind it.
func (w *walker) comprehend(i int, kind exprKind, at int) int {
	in := &w.ins[i]
	depth := len(w.stack)
	out := len(w.r.out)
	e := w.gathered(i, kind, w.find(in.target))
	w.r.out = w.r.out[:out]
	w.settle(depth)
	if k := len(w.stack) - at; k >= 0 && k < len(w.stack) {
		w.stack[k] = e
	}
	w.pop() // the iterator
	delete(w.depths, in.target)
	return w.find(in.target)
}

// gathered follows the loops of a comprehension from instruction i to end and
// writes it.
func (w *walker) gathered(i int, kind exprKind, end int) *expr {
	outer, merges, blocks, indent := w.comp, w.merges, len(w.blocks), w.indent
	c := &comprehension{start: w.ins[i].at}
	w.comp, w.merges = c, nil
	w.walk(i, end)
	w.settleCopies()
	w.blocks, w.indent = w.blocks[:min(blocks, len(w.blocks))], indent
	w.comp, w.merges = outer, merges
	element := c.element
	if element == nil {
		element = nothing
	}
	opening, closing := "(", ")"
	switch kind {
	case list:
		opening, closing = "[", "]"
	case set, dict:
		opening, closing = "{", "}"
	}
	parts := append([]any{opening, element}, c.clauses...)
	return join(precAtom, append(parts, closing)...)
}

// jumpIf follows a jump that is made when the top of the stack is true, or
// false.
func (w *walker) jumpIf(i int, in *instruction, cond *expr, when bool) int {
	if cond.kind == matched {
		return w.except(i, in, cond)
	}
	if cond.kind == chain && !when && in.target > in.at {
		w.depths[in.target] = len(w.stack)
		w.chained = cond
		return i + 1
	}
	if cond.kind == silent || cond.kind == exit {
		return i + 1
	}
	if w.comp != nil {
		if in.target <= in.at || w.endsComprehension(in.target) {
			word := " if "
			if when {
				cond = not(cond)
			}
			w.comp.clauses = append(w.comp.clauses, word, cond.as(precOr))
			return i + 1
		}
	}
	if in.target > in.at {
		w.depths[in.target] = len(w.stack)
		if w.joinTests(in, cond, when) {
			return i + 1
		}
	}
	w.settleCopies()
	w.flushImport()
	loop := w.loop()
	if in.target <= in.at {
		if loop == nil || in.next >= loop.end-2 || loop.next == in.target && loop.next > 0 {
			return i + 1 // the test at the end of a while loop
		}
		if when {
			cond = not(cond)
		}
		w.open(block{kind: ifBlock, end: loop.end, next: in.next, cond: cond, isNot: when, try: -1}, join(precTuple, "if ", cond, ":"))
		return i + 1
	}
	shown := cond
	if when {
		shown = not(cond)
	}
	b := block{kind: ifBlock, end: in.target, next: in.next, cond: cond, isNot: when, try: -1}
	word := "if "
	if n := len(w.blocks); n > 0 {
		top := &w.blocks[n-1]
		switch {
		case top.kind == loopBlock && top.cond == nil && top.body == len(w.r.out) && in.target >= top.end && w.isWhile(top):
			// "while True:" becomes what it is.
			w.r.out = w.r.out[:top.line]
			w.indent--
			w.r.line(w.indent, join(precTuple, "while ", shown, ":"), w.source)
			w.indent++
			top.body, top.cond, top.next, top.isNot = len(w.r.out), cond, in.next, when
			return i + 1
		case top.kind == elseBlock && top.body == len(w.r.out):
			w.r.out = w.r.out[:top.line]
			w.indent--
			w.blocks = w.blocks[:n-1]
			word = "elif "
		}
	}
	if end, ok := w.loops[in.next]; ok && end <= in.target && end+4 >= in.target && word == "if " && !w.startsFor(i+1) {
		b.kind, b.start, word = loopBlock, in.next, "while "
	}
	w.open(b, join(precTuple, word, shown, ":"))
	return i + 1
}

// isWhile reports whether a block was opened as "while True:".
func (w *walker) isWhile(b *block) bool {
	return string(w.r.out[min(b.line+4*min(w.indent-1, maxIndent), len(w.r.out)):b.body]) == "while True:\n"
}

// endsComprehension reports whether a jump to a byte goes on with the next
// element.
func (w *walker) endsComprehension(to int) bool {
	i := w.find(to)
	for w.op(i) == "NOP" || w.op(i) == "EXTENDED_ARG" {
		i++
	}
	return w.op(i) == "JUMP_BACKWARD"
}

// joinTests makes one test of two in a row: "a and b", "a or b".
func (w *walker) joinTests(in *instruction, cond *expr, when bool) bool {
	n := len(w.blocks)
	if n == 0 || w.comp != nil {
		return false
	}
	top := &w.blocks[n-1]
	if top.kind != ifBlock && top.kind != loopBlock || top.cond == nil || top.body != len(w.r.out) || top.depth != len(w.stack) {
		return false
	}
	first := top.cond
	if top.isNot {
		first = not(first)
	}
	second := cond
	if when {
		second = not(cond)
	}
	var whole *expr
	switch {
	case in.target == top.end, top.kind == loopBlock && in.target >= top.end:
		whole = join(precAnd, first.as(precAnd), " and ", second.as(precAnd))
	case in.next == top.end && top.kind == ifBlock:
		whole = join(precOr, not(first).as(precOr), " or ", second.as(precOr))
		if len(w.blocks) > 1 {
			top.end = min(in.target, w.blocks[n-2].end)
		} else {
			top.end = in.target
		}
	default:
		return false
	}
	word := string(w.r.out[top.line:top.body])
	word = word[min(4*min(w.indent-1, maxIndent), len(word)):]
	head := "if "
	switch {
	case len(word) > 5 && word[:5] == "elif ":
		head = "elif "
	case len(word) > 6 && word[:6] == "while ":
		head = "while "
	}
	if end, ok := w.loops[in.next]; ok && head == "if " && end <= in.target && end+4 >= in.target {
		top.kind, top.start, head = loopBlock, in.next, "while "
	}
	w.r.out = w.r.out[:top.line]
	w.indent--
	w.r.line(w.indent, join(precTuple, head, whole, ":"), top.source)
	w.indent++
	top.body, top.cond, top.isNot, top.next = len(w.r.out), whole, false, in.next
	return true
}

// not is the opposite of a test.
func not(e *expr) *expr {
	if e.op == "not" && e.right != nil {
		return e.right
	}
	n := join(precNot, "not ", e.as(precNot))
	if n != tooLong {
		n.op, n.right = "not", e
	}
	return n
}

// shortcut follows "a and b" or "a or b" where a is on the stack.
func (w *walker) shortcut(in *instruction, op string) {
	left := w.pop()
	if in.target <= in.at {
		w.push(left)
		return
	}
	if n := len(w.blocks); n > 0 {
		// "a and b or c": the test of a jumps over b.
		top := w.blocks[n-1]
		if top.kind == ifBlock && top.cond != nil && top.body == len(w.r.out) && top.depth == len(w.stack) && in.next == top.end {
			w.r.out = w.r.out[:top.line]
			w.indent--
			w.blocks = w.blocks[:n-1]
			if top.isNot {
				left = join(precOr, top.cond.as(precOr), " or ", left.as(precOr))
			} else {
				left = join(precAnd, top.cond.as(precAnd), " and ", left.as(precAnd))
			}
		}
	}
	w.addMerge(merge{at: in.target, op: op, left: left, depth: len(w.stack)})
}

// addMerge remembers that a part of an expression waits for another. They are
// kept in the order in which they come together, the next one last.
func (w *walker) addMerge(m merge) {
	if len(w.merges) > 1024 {
		return
	}
	w.merges = append(w.merges, m)
	w.r.looked += len(w.merges)
	for i := len(w.merges) - 1; i > 0 && w.merges[i].at > w.merges[i-1].at; i-- {
		w.merges[i], w.merges[i-1] = w.merges[i-1], w.merges[i]
	}
}

// combine puts two parts of an expression together.
func (w *walker) combine(m merge) {
	if len(w.stack) <= m.depth {
		w.settle(m.depth)
		w.push(m.left)
		return
	}
	right := w.pop()
	w.settle(m.depth)
	switch {
	case m.cond != nil:
		w.push(join(precTest, m.left.as(precOr), " if ", m.cond.as(precOr), " else ", right.as(precTest)))
	case right.kind == silent:
		w.push(m.left)
	case m.op == "and":
		w.push(join(precAnd, m.left.as(precAnd), " and ", right.as(precAnd)))
	default:
		w.push(join(precOr, m.left.as(precOr), " or ", right.as(precOr)))
	}
}

// jumpForward follows an unconditional jump: the end of the first part of a
// conditional expression, a break, or nothing that the source says.
func (w *walker) jumpForward(i int, in *instruction) int {
	n := len(w.blocks)
	if n > 0 {
		top := w.blocks[n-1]
		if top.kind == ifBlock && top.cond != nil && top.body == len(w.r.out) && len(w.stack) > top.depth &&
			in.next == top.end && in.target > in.at {
			left, cond := w.pop(), top.cond
			if top.isNot {
				cond = not(cond)
			}
			w.settle(top.depth)
			w.r.out = w.r.out[:top.line]
			w.indent--
			w.blocks = w.blocks[:n-1]
			w.addMerge(merge{at: in.target, left: left, cond: cond, depth: top.depth})
			w.depths[in.next] = top.depth
			return i + 1
		}
	}
	if w.comp != nil {
		return i + 1
	}
	w.settleCopies()
	if loop := w.loop(); loop != nil && in.target >= loop.end && in.target > in.at {
		w.statement("break")
	}
	if in.target > in.at {
		if _, ok := w.depths[in.target]; !ok {
			w.depths[in.target] = len(w.stack)
		}
	}
	return i + 1
}

// jumpBackward follows a jump to the start of a loop: its end, or a continue.
func (w *walker) jumpBackward(in *instruction) {
	w.settleCopies()
	loop := w.loop()
	if loop == nil || w.comp != nil || in.next >= loop.end-4 {
		return
	}
	if in.target < loop.start-4 { // to the loop around this one
		w.statement("break")
		return
	}
	n := len(w.blocks)
	if w.blocks[n-1].kind == ifBlock && w.blocks[n-1].body == len(w.r.out) {
		w.statement("continue")
	}
}
