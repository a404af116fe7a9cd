package bytecode

import (
	"strconv"
	"strings"
)

// binaryOps are the operators of BINARY_OP, by its argument, as _nb_ops in
// CPython's Lib/opcode.py lists them. Those behind the thirteenth store the
// result in the left operand.
var binaryOps = [...]string{"+", "&", "//", "<<", "@", "*", "%", "|", "**", ">>", "-", "/", "^"}

// namedOps are the instructions for single operators, up to 3.10.
var namedOps = map[string]string{
	"ADD": "+", "AND": "&", "FLOOR_DIVIDE": "//", "LSHIFT": "<<", "MATRIX_MULTIPLY": "@", "MULTIPLY": "*", "MODULO": "%",
	"OR": "|", "POWER": "**", "RSHIFT": ">>", "SUBTRACT": "-", "TRUE_DIVIDE": "/", "DIVIDE": "/", "XOR": "^",
}

var opPrecedence = map[string]int8{
	"|": precBitOr, "^": precBitXor, "&": precBitAnd, "<<": precShift, ">>": precShift, "+": precAdd, "-": precAdd,
	"*": precMultiply, "/": precMultiply, "//": precMultiply, "%": precMultiply, "@": precMultiply, "**": precPower,
}

var compareOps = [...]string{"<", "<=", "==", "!=", ">", ">=", "in", "not in", "is", "is not"}

// step follows one instruction and gives the index of the next.
func (w *walker) step(i int, in *instruction) int {
	if len(w.copies) > 0 && !strings.HasPrefix(in.op, "STORE_") && in.op != "DUP_TOP" && in.op != "COPY" &&
		!strings.HasPrefix(in.op, "LOAD_") && in.op != "ROT_TWO" && in.op != "SWAP" && in.op != "UNPACK_SEQUENCE" {
		w.settleCopies()
	}
	switch in.op {
	case "NOP", "CACHE", "RESUME", "PRECALL", "MAKE_CELL", "COPY_FREE_VARS", "GEN_START", "SETUP_ANNOTATIONS", "TO_BOOL",
		"POP_BLOCK", "EXTENDED_ARG", "NOT_TAKEN", "POP_ITER", "BREAK_LOOP", "SETUP_LOOP", "RETURN_GENERATOR", "END_SEND",
		"ASYNC_GEN_WRAP", "POP_EXCEPT", "PRINT_EXPR", "STOP_CODE", "BEGIN_FINALLY", "CALL_FINALLY", "POP_FINALLY":
		return w.plainStep(i, in)
	case "END_FOR":
		if w.op(i+1) == "POP_TOP" {
			return i + 2
		}
	case "JUMP_FORWARD":
		return w.jumpForward(i, in)
	case "JUMP_BACKWARD":
		w.jumpBackward(in)
	case "JUMP_BACKWARD_NO_INTERRUPT":
	case "POP_JUMP_IF_FALSE":
		return w.jumpIf(i, in, w.pop(), false)
	case "POP_JUMP_IF_TRUE":
		return w.jumpIf(i, in, w.pop(), true)
	case "POP_JUMP_IF_NONE":
		return w.jumpIf(i, in, w.compare("is", w.pop(), leaf("None")), true)
	case "POP_JUMP_IF_NOT_NONE":
		return w.jumpIf(i, in, w.compare("is", w.pop(), leaf("None")), false)
	case "JUMP_IF_FALSE_OR_POP":
		w.shortcut(in, "and")
	case "JUMP_IF_TRUE_OR_POP":
		w.shortcut(in, "or")
	case "JUMP_IF_NOT_EXC_MATCH":
		test := w.pop()
		w.pop()
		return w.except(i, in, &expr{kind: matched, inner: test})
	case "FOR_ITER":
		return w.forLoop(i, in)
	case "SETUP_EXCEPT", "SETUP_FINALLY", "SETUP_WITH", "SETUP_ASYNC_WITH":
		w.setup(in)
	case "BEFORE_WITH", "BEFORE_ASYNC_WITH":
		if w.op(i+1) != "GET_AWAITABLE" || w.r.version.layout() == layout311 {
			w.with(w.withEnd(in.next), in.op == "BEFORE_ASYNC_WITH")
		}
	case "PUSH_EXC_INFO":
		w.push(nothing)
	case "CHECK_EXC_MATCH", "CHECK_EG_MATCH":
		w.push(&expr{kind: matched, prec: precAtom, text: "_", size: 1, inner: w.pop()})
	case "WITH_EXCEPT_START", "WITH_CLEANUP_START", "WITH_CLEANUP", "DUP_TOPX", "LOAD_LOCALS", "GET_LEN", "MATCH_MAPPING",
		"MATCH_SEQUENCE", "MATCH_KEYS", "MATCH_CLASS", "CLEANUP_THROW", "PREP_RERAISE_STAR", "LOAD_ASSERTION_ERROR",
		"LOAD_COMMON_CONSTANT", "LOAD_BUILD_CLASS", "PUSH_NULL", "RERAISE", "END_FINALLY", "END_ASYNC_FOR",
		"WITH_CLEANUP_FINISH", "COPY_DICT_WITHOUT_KEYS":
		w.rareStep(in)
	default:
		switch {
		case w.stackStep(in), w.loadStep(in), w.storeStep(in), w.buildStep(in), w.callStep(in), w.operatorStep(in):
		case w.waits(in):
			return w.afterWait(i, in)
		default:
			w.statementStep(in)
		}
	}
	return i + 1
}

// plainStep follows instructions that the source does not show.
func (w *walker) plainStep(i int, in *instruction) int {
	switch in.op {
	case "RETURN_GENERATOR":
		w.push(nothing)
	case "BREAK_LOOP":
		w.settleCopies()
		w.statement("break")
	case "PRINT_EXPR":
		w.discard()
	case "POP_EXCEPT":
		if w.r.version.layout() != layout311 {
			w.endExcept()
		}
	}
	return i + 1
}

// endExcept ends the clause of a handler that stands in line.
func (w *walker) endExcept() {
	if n := len(w.blocks); n > 0 && w.blocks[n-1].kind == exceptBlock && w.comp == nil {
		w.close()
	}
}

// rareStep follows instructions of handlers and of match statements.
func (w *walker) rareStep(in *instruction) {
	switch in.op {
	case "LOAD_ASSERTION_ERROR":
		w.push(leaf("AssertionError"))
	case "LOAD_COMMON_CONSTANT":
		names := [...]string{"AssertionError", "NotImplementedError", "tuple", "all", "any"}
		if in.arg < len(names) {
			w.push(leaf(names[in.arg]))
			return
		}
		w.push(nothing)
	case "LOAD_BUILD_CLASS":
		w.push(&expr{kind: builder, prec: precAtom, text: "type", size: 4})
	case "PUSH_NULL":
		w.push(nullExpr)
	case "LOAD_LOCALS":
		w.push(leaf("locals()"))
	case "DUP_TOPX":
		for range min(in.arg, 5) {
			w.push(w.peek(in.arg))
		}
	case "MATCH_CLASS":
		w.popN(2)
	case "RERAISE", "END_FINALLY", "END_ASYNC_FOR", "COPY_DICT_WITHOUT_KEYS", "WITH_CLEANUP_FINISH", "CLEANUP_THROW":
	default:
		w.push(nothing)
	}
}

// stackStep follows instructions that move the stack about.
func (w *walker) stackStep(in *instruction) bool {
	n := len(w.stack)
	switch in.op {
	case "POP_TOP":
		w.discard()
	case "DUP_TOP":
		w.push(w.peek(1))
	case "DUP_TOP_TWO":
		a, b := w.peek(2), w.peek(1)
		w.push(a)
		w.push(b)
	case "COPY":
		w.push(w.peek(in.arg))
	case "SWAP":
		if in.arg >= 1 && in.arg <= n {
			w.stack[n-1], w.stack[n-in.arg] = w.stack[n-in.arg], w.stack[n-1]
		}
	case "ROT_TWO":
		w.rotate(2)
	case "ROT_THREE":
		w.rotate(3)
	case "ROT_FOUR":
		w.rotate(4)
	case "ROT_N":
		w.rotate(in.arg)
	default:
		return false
	}
	return true
}

// rotate lifts the n-1 expressions below the top one place up.
func (w *walker) rotate(n int) {
	if n < 2 || n > len(w.stack) {
		return
	}
	w.r.looked += n
	s := w.stack[len(w.stack)-n:]
	top := s[n-1]
	copy(s[1:], s[:n-1])
	s[0] = top
}

// loadStep follows instructions that push something known.
func (w *walker) loadStep(in *instruction) bool {
	version := w.r.version
	switch in.op {
	case "LOAD_CONST":
		w.loadConst(in.arg)
	case "LOAD_SMALL_INT":
		w.push(&expr{kind: constant, prec: precAtom, text: strconv.Itoa(in.arg), size: len(strconv.Itoa(in.arg))})
	case "LOAD_NAME":
		w.push(leaf(name(w.code.Names, in.arg)))
	case "LOAD_GLOBAL":
		global := in.arg
		if version.layout() == layout311 {
			global >>= 1
		}
		e := leaf(name(w.code.Names, global))
		switch {
		case version.layout() != layout311 || in.arg&1 == 0:
			w.push(e)
		case version.Minor < 13:
			w.push(nullExpr)
			w.push(e)
		default:
			w.push(e)
			w.push(nullExpr)
		}
	case "LOAD_FAST":
		w.push(leaf(name(w.code.VarNames, in.arg)))
	case "LOAD_FAST_AND_CLEAR":
		w.push(nothing)
	case "LOAD_DEREF", "LOAD_CLOSURE", "LOAD_CLASSDEREF":
		w.push(leaf(w.deref(in.arg)))
	case "LOAD_FROM_DICT_OR_DEREF":
		w.pop()
		w.push(leaf(w.deref(in.arg)))
	case "LOAD_FROM_DICT_OR_GLOBALS":
		w.pop()
		w.push(leaf(name(w.code.Names, in.arg)))
	case "LOAD_ATTR":
		if version.Major == 3 && version.Minor >= 12 {
			w.loadAttr(in.arg>>1, in.arg&1 == 1)
			break
		}
		w.loadAttr(in.arg, false)
	case "LOAD_METHOD":
		w.loadAttr(in.arg, true)
	case "LOAD_SUPER_ATTR":
		w.popN(2)
		w.pop()
		w.push(leaf("super()"))
		w.loadAttr(in.arg>>2, in.arg&1 == 1)
	case "LOAD_SPECIAL":
		w.loadSpecial(in)
	default:
		return false
	}
	return true
}

func (w *walker) loadConst(i int) {
	if i >= len(w.code.Consts) {
		w.push(nothing)
		return
	}
	o := w.code.Consts[i]
	if o.Kind == CodeObject {
		w.push(&expr{kind: function, prec: precAtom, text: "_", size: 1, code: o.Code})
		return
	}
	w.push(w.r.object(o))
}

// loadAttr pushes an attribute, with the place that methods take beside it.
func (w *walker) loadAttr(i int, method bool) {
	owner := w.pop()
	attr := name(w.code.Names, i)
	var e *expr
	if owner.kind == module || owner.kind == member {
		// "import a.b as c" of old versions asks for the attributes of a.
		e = &expr{kind: member, prec: precAtom, text: attr, size: len(attr), imp: owner.imp}
	} else {
		e = join(precAtom, w.plainly(owner).as(precAtom), ".", attr)
		if owner.kind == constant && owner.size > 0 && owner.text != "" && owner.text[0] >= '0' && owner.text[0] <= '9' {
			e = join(precAtom, "(", owner, ").", attr)
		}
	}
	w.push(e)
	if method {
		w.push(nullExpr)
	}
}

// loadSpecial pushes a method of a context manager, from 3.14 on. The one
// for leaving it comes first.
func (w *walker) loadSpecial(in *instruction) {
	owner := w.pop()
	switch in.arg {
	case 1, 3:
		w.push(&expr{kind: exit, prec: precAtom, text: "_", size: 1})
	default:
		w.push(&expr{kind: enter, prec: precAtom, text: "_", size: 1, inner: owner})
	}
	w.push(nullExpr)
}

// operatorStep follows operators.
func (w *walker) operatorStep(in *instruction) bool {
	switch in.op {
	case "BINARY_OP":
		switch {
		case in.arg == 26: // from 3.14 on
			w.subscript()
		case in.arg < len(binaryOps):
			w.binary(binaryOps[in.arg], false)
		case in.arg < 2*len(binaryOps):
			w.binary(binaryOps[in.arg-len(binaryOps)], true)
		default:
			w.binary("+", false)
		}
	case "BINARY_SUBSCR":
		w.subscript()
	case "BINARY_SLICE":
		s := w.popN(2)
		if len(s) == 2 {
			w.push(slice(s))
		}
		w.subscript()
	case "SLICE+0", "SLICE+1", "SLICE+2", "SLICE+3":
		w.push(w.oldSlice(in.op))
		w.subscript()
	case "UNARY_NEGATIVE":
		w.unary("-")
	case "UNARY_POSITIVE":
		w.unary("+")
	case "UNARY_INVERT":
		w.unary("~")
	case "UNARY_NOT":
		w.push(not(w.plainly(w.pop())))
	case "UNARY_CONVERT":
		w.push(join(precAtom, "repr(", w.pop(), ")"))
	case "COMPARE_OP":
		w.compareOp(in)
	case "IS_OP":
		w.compareTop([...]string{"is", "is not"}[in.arg&1])
	case "CONTAINS_OP":
		w.compareTop([...]string{"in", "not in"}[in.arg&1])
	case "GET_ITER", "GET_AITER", "GET_YIELD_FROM_ITER":
		e := w.plainly(w.pop())
		w.push(&expr{kind: iterator, prec: e.prec, depth: e.depth, size: e.size, text: e.text, parts: e.parts, inner: e})
	case "FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE":
		w.format(in)
	default:
		if op, ok := strings.CutPrefix(in.op, "BINARY_"); ok && namedOps[op] != "" {
			w.binary(namedOps[op], false)
			return true
		}
		if op, ok := strings.CutPrefix(in.op, "INPLACE_"); ok && namedOps[op] != "" {
			w.binary(namedOps[op], true)
			return true
		}
		return false
	}
	return true
}

func (w *walker) compareOp(in *instruction) {
	arg := in.arg
	if v := w.r.version; v.Major == 3 && v.Minor >= 13 {
		arg >>= 5
	} else if v.Major == 3 && v.Minor == 12 {
		arg >>= 4
	}
	switch {
	case arg == 10:
		test := w.pop()
		w.pop()
		w.push(&expr{kind: matched, prec: precAtom, text: "_", size: 1, inner: test})
	case arg < len(compareOps):
		w.compareTop(compareOps[arg])
	default:
		w.compareTop("==")
	}
}

func (w *walker) compareTop(op string) {
	right, left := w.pop(), w.pop()
	w.push(w.compare(op, w.plainly(left), w.plainly(right)))
}

// compare writes a comparison, and goes on with the one before when it was
// "a < b < c".
func (w *walker) compare(op string, left, right *expr) *expr {
	if first := w.chained; first != nil && first.right == left {
		w.chained = nil
		return join(precCompare, first, " ", op, " ", right.as(precBitOr))
	}
	if n := len(w.merges); n > 0 && w.merges[n-1].left.kind == chain && w.merges[n-1].left.right == left && left.kind != constant {
		first := w.merges[n-1].left
		w.merges = w.merges[:n-1]
		return join(precCompare, first, " ", op, " ", right.as(precBitOr))
	}
	e := join(precCompare, left.as(precBitOr), " ", op, " ", right.as(precBitOr))
	if w.peek(1) == right && e != tooLong {
		e.kind, e.right = chain, right
	}
	return e
}

func (w *walker) binary(op string, inPlaceOp bool) {
	right, left := w.plainly(w.pop()), w.plainly(w.pop())
	prec := opPrecedence[op]
	l, r := left.as(prec), right.as(prec+1)
	if op == "**" {
		l, r = left.as(prec+1), right.as(precUnary)
	}
	e := join(prec, l, " ", op, " ", r)
	if inPlaceOp && e != tooLong {
		e.kind, e.op, e.left, e.right = inPlace, op, left, right
	}
	w.push(e)
}

func (w *walker) unary(op string) {
	w.push(join(precUnary, op, w.plainly(w.pop()).as(precUnary)))
}

func (w *walker) subscript() {
	index, owner := w.pop(), w.plainly(w.pop())
	w.push(subscripted(owner, index))
}

func subscripted(owner, index *expr) *expr {
	if index.kind == tuple && index.inner != nil && index.inner.size > 0 && strings.IndexByte(index.inner.short(), ',') >= 0 {
		index = index.inner
	}
	return join(precAtom, owner.as(precAtom), "[", index, "]")
}

// slice writes "a:b" or "a:b:c".
func slice(parts []*expr) *expr {
	if len(parts) == 1 {
		return parts[0]
	}
	var out []any
	for i, p := range parts {
		if i > 0 {
			out = append(out, ":")
		}
		if p.text != "None" {
			out = append(out, p.as(precTest))
		}
	}
	return join(precTest, out...)
}

// oldSlice is what the slice instructions of Python 2 find on the stack.
func (w *walker) oldSlice(op string) *expr {
	low, high := leaf("None"), leaf("None")
	kind := op[len(op)-1] - '0'
	if kind&2 != 0 {
		high = w.pop()
	}
	if kind&1 != 0 {
		low = w.pop()
	}
	return slice([]*expr{low, high})
}

// waits reports whether an instruction belongs to await or yield from.
func (w *walker) waits(in *instruction) bool {
	switch in.op {
	case "GET_AWAITABLE", "YIELD_FROM", "SEND", "GET_ANEXT", "YIELD_VALUE":
		return true
	}
	return false
}

func (w *walker) afterWait(i int, in *instruction) int {
	switch in.op {
	case "GET_AWAITABLE":
		switch e := w.peek(1); {
		case e.kind == entered, e.kind == iteration, e.kind == exit, e.kind == silent, w.op(i-1) == "BEFORE_ASYNC_WITH":
		default:
			w.pop()
			w.push(join(precAwait, "await ", w.plainly(e).as(precAtom)))
		}
	case "GET_ANEXT":
		it := w.peek(1)
		if it.inner != nil && it.kind == iterator {
			it = it.inner
		}
		start := in.at
		w.loopOver(it, "async for ", start, w.asyncEnd(i), len(w.stack)-1)
	case "YIELD_FROM":
		w.pop()
		w.wait()
	case "SEND":
		w.pop()
		w.wait()
		if in.target > in.at {
			return w.find(in.target)
		}
	case "YIELD_VALUE":
		value := w.plainly(w.pop())
		if w.comp != nil {
			w.comp.element = value.as(precTest)
			w.push(nothing)
			break
		}
		if value.text == "None" {
			w.push(&expr{prec: precTuple, text: "yield", size: 5})
			break
		}
		w.push(join(precTuple, "yield ", value))
	}
	return i + 1
}

// wait makes what is waited for "yield from", unless it is "await" already.
func (w *walker) wait() {
	e := w.pop()
	if e.kind == iterator && e.inner != nil {
		e = join(precTuple, "yield from ", e.inner.as(precTest))
	}
	w.push(e)
}

// asyncEnd is where the async for loop at instruction i ends.
func (w *walker) asyncEnd(i int) int {
	if end, ok := w.loops[w.ins[i].at]; ok {
		return end
	}
	for k := i; k > i-3 && k >= 0; k-- {
		if end, ok := w.loops[w.ins[k].at]; ok {
			return end
		}
	}
	return len(w.code.Code)
}

// format writes a value inside an f-string.
func (w *walker) format(in *instruction) {
	var spec *expr
	conversion := 0
	switch in.op {
	case "FORMAT_VALUE":
		conversion = in.arg & 3
		if in.arg&4 != 0 {
			spec = w.pop()
		}
	case "FORMAT_WITH_SPEC":
		spec = w.pop()
	case "CONVERT_VALUE":
		value := w.pop()
		e := join(precAtom, "str(", w.plainly(value), ")")
		if e != tooLong {
			e.op, e.left, e.right = "!", leaf([...]string{"", "!s", "!r", "!a"}[in.arg&3]), value
		}
		w.push(e)
		return
	}
	value := w.pop()
	suffix := leaf([...]string{"", "!s", "!r", "!a"}[conversion])
	if value.op == "!" && value.left != nil {
		suffix, value = value.left, value.right
	}
	value = w.plainly(value)
	if strings.HasPrefix(value.short(), "{") {
		value = join(precAtom, " ", value)
	}
	parts := []any{"{", value, suffix}
	if spec != nil {
		parts = append(parts, ":", inFormat(spec))
	}
	e := join(precAtom, append(parts, "}")...)
	if e == tooLong {
		w.push(e)
		return
	}
	inner := e
	quoted := w.r.fString(inner)
	if quoted != tooLong {
		quoted.op, quoted.inner = "f", inner
	}
	w.push(quoted)
}

// inFormat is the part of an f-string that an expression becomes.
func inFormat(e *expr) *expr {
	if e.op == "f" && e.inner != nil {
		return e.inner
	}
	text := e.text
	if e.kind == constant && len(text) >= 2 && (text[0] == '\'' || text[0] == '"') {
		quote := 1
		if strings.HasPrefix(text, `"""`) && len(text) >= 6 {
			quote = 3
		}
		text = text[quote : len(text)-quote]
		if strings.ContainsAny(text, "{}") {
			text = strings.NewReplacer("{", "{{", "}", "}}").Replace(text)
		}
		return leaf(text)
	}
	return join(precAtom, "{", e, "}")
}

// fString puts quotes around the inside of an f-string.
func (r *renderer) fString(inner *expr) *expr {
	quote := `"`
	if inner.size < 1<<14 {
		r.written += inner.size
		text := string(inner.appendTo(nil, 1<<14))
		switch {
		case !strings.ContainsAny(text, "\"\n"):
		case !strings.ContainsAny(text, "'\n"):
			quote = "'"
		default:
			quote = `"""`
		}
	}
	return join(precAtom, "f"+quote, inner, quote)
}
