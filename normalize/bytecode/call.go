package bytecode

import "strings"

// buildStep follows instructions that make displays.
func (w *walker) buildStep(in *instruction) bool {
	kinds := map[string]exprKind{"TUPLE": tuple, "LIST": list, "SET": set}
	switch in.op {
	case "BUILD_TUPLE", "BUILD_LIST", "BUILD_SET":
		items := w.plainAll(w.popN(in.arg))
		w.push(display(kinds[in.op[6:]], commas(items), len(items)))
	case "BUILD_MAP":
		if w.r.version.Major == 2 {
			in.arg = 0 // only a hint
		}
		w.push(display(dict, pairs(w.plainAll(w.popN(2*in.arg))), in.arg))
	case "BUILD_CONST_KEY_MAP":
		keys := w.pop()
		w.push(display(dict, w.keyed(keys, w.plainAll(w.popN(in.arg)), ": ", true), in.arg))
	case "BUILD_STRING", "BUILD_TEMPLATE":
		n := in.arg
		if in.op == "BUILD_TEMPLATE" {
			n = 2
		}
		parts := []any{}
		for _, p := range w.popN(n) {
			parts = append(parts, inFormat(w.plainly(p)))
		}
		inner := join(precAtom, parts...)
		if len(parts) == 1 {
			inner = parts[0].(*expr)
		}
		e := w.r.fString(inner)
		if e != tooLong {
			e.op, e.inner = "f", inner
		}
		w.push(e)
	case "BUILD_INTERPOLATION":
		n := 2
		if in.arg&1 != 0 {
			n = 3
		}
		parts := w.popN(n)
		if len(parts) == 0 {
			w.push(nothing)
			break
		}
		w.push(w.plainly(parts[0]))
	case "BUILD_SLICE":
		w.push(slice(w.plainAll(w.popN(in.arg))))
	case "BUILD_TUPLE_UNPACK", "BUILD_TUPLE_UNPACK_WITH_CALL":
		w.push(display(tuple, starred("*", w.popN(in.arg)), in.arg+1))
	case "BUILD_LIST_UNPACK":
		w.push(display(list, starred("*", w.popN(in.arg)), in.arg))
	case "BUILD_SET_UNPACK":
		w.push(display(set, starred("*", w.popN(in.arg)), in.arg))
	case "BUILD_MAP_UNPACK", "BUILD_MAP_UNPACK_WITH_CALL":
		w.push(display(dict, starred("**", w.popN(in.arg)), in.arg))
	case "LIST_TO_TUPLE":
		if e := w.pop(); e.inner != nil {
			w.push(display(tuple, e.inner, 2))
		} else {
			w.push(e)
		}
	case "LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE", "DICT_MERGE":
		w.extend(in)
	case "LIST_APPEND", "SET_ADD", "MAP_ADD":
		w.append(in)
	default:
		return false
	}
	return true
}

// starred joins displays into one: what stands in them, or "*" and the value.
func starred(star string, items []*expr) *expr {
	var all *expr
	for _, item := range items {
		if item.inner == nil || item.kind == iterator {
			item = join(precTest, star, item.as(precBitOr))
		} else {
			item = item.inner
		}
		if item.size > 0 {
			all = listed(all, item)
		}
	}
	return all
}

// extend adds all of the top of the stack to a display below it.
func (w *walker) extend(in *instruction) {
	more := w.pop()
	star, kind := "*", list
	switch in.op {
	case "SET_UPDATE":
		kind = set
	case "DICT_UPDATE", "DICT_MERGE":
		star, kind = "**", dict
	}
	k := len(w.stack) - in.arg
	if k < 0 || k >= len(w.stack) {
		return
	}
	w.stack[k] = w.added(w.stack[k], kind, starred(star, []*expr{more}))
}

// added is a display with something more in it.
func (w *walker) added(to *expr, kind exprKind, more *expr) *expr {
	if more == nil || more.size == 0 {
		return to
	}
	if to.inner == nil || to.kind != list && to.kind != set && to.kind != dict && to.kind != tuple {
		return to
	}
	return display(kind, listed(to.inner, more), 2)
}

// append adds the top of the stack to a display below it, or is the element of
// a comprehension.
func (w *walker) append(in *instruction) {
	value := w.plainly(w.pop())
	kind := list
	switch in.op {
	case "SET_ADD":
		kind = set
	case "MAP_ADD":
		kind = dict
		key := w.plainly(w.pop())
		if v := w.r.version; v.Major == 2 || v.Minor < 8 {
			key, value = value, key // the key is on top
		}
		value = join(precTest, key.as(precTest), ": ", value.as(precTest))
	}
	if w.comp != nil && in.arg >= 2 {
		w.comp.element = value.as(precTest)
		return
	}
	k := len(w.stack) - in.arg
	if k >= 0 && k < len(w.stack) {
		w.stack[k] = w.added(w.stack[k], kind, value.as(precTest))
	}
}

// keyed writes values with their keys: "'a': x" in a dict, "a=x" in a call.
func (w *walker) keyed(keys *expr, values []*expr, sign string, quoted bool) *expr {
	var parts []any
	var names []*expr
	if keys.inner != nil {
		w.r.looked += len(keys.inner.parts)
		for _, p := range keys.inner.parts {
			if p.text != ", " {
				names = append(names, p)
			}
		}
	}
	for i, v := range values {
		if i > 0 {
			parts = append(parts, ", ")
		}
		key := nothing
		if i < len(names) {
			key = names[i]
		}
		if !quoted {
			key = leaf(string(clean([]byte(strings.Trim(key.text, `'"u`+"b")))))
			if i < len(names) {
				key = leaf(string(clean([]byte(unquoted(names[i].text)))))
			}
		}
		parts = append(parts, key, sign, v.as(precTest))
	}
	return join(precTuple, parts...)
}

// unquoted is the inside of a literal.
func unquoted(literal string) string {
	if i := strings.IndexAny(literal, `'"`); i >= 0 && len(literal) >= i+2 {
		return literal[i+1 : len(literal)-1]
	}
	return literal
}

// callStep follows calls and the making of functions.
func (w *walker) callStep(in *instruction) bool {
	version := w.r.version
	switch in.op {
	case "CALL":
		args := w.popN(in.arg)
		names := w.keyNames
		w.keyNames = nil
		w.callNew(args, names)
	case "CALL_KW":
		names := w.namesOf(w.pop())
		w.callNew(w.popN(in.arg), names)
	case "KW_NAMES":
		if in.arg < len(w.code.Consts) {
			w.keyNames = w.namesOf(w.r.object(w.code.Consts[in.arg]))
		}
	case "CALL_METHOD":
		args := w.popN(in.arg)
		w.callNew(args, nil)
	case "CALL_FUNCTION":
		if version.Major == 2 {
			w.callOld(in.arg, false, false)
			break
		}
		args := w.popN(in.arg)
		w.call(w.pop(), args, nil)
	case "CALL_FUNCTION_VAR":
		w.callOld(in.arg, true, false)
	case "CALL_FUNCTION_VAR_KW":
		w.callOld(in.arg, true, true)
	case "CALL_FUNCTION_KW":
		if version.Major == 2 {
			w.callOld(in.arg, false, true)
			break
		}
		names := w.namesOf(w.pop())
		args := w.popN(in.arg)
		w.call(w.pop(), args, names)
	case "CALL_FUNCTION_EX":
		w.callEx(in)
	case "CALL_INTRINSIC_1":
		w.intrinsic(in.arg)
	case "CALL_INTRINSIC_2":
		w.pop()
	case "MAKE_FUNCTION", "MAKE_CLOSURE":
		w.makeFunction(in)
	case "SET_FUNCTION_ATTRIBUTE":
		f, attr := w.pop(), w.pop()
		if f.kind == function {
			c := *f
			switch in.arg {
			case 1:
				c.left = attr
			case 2:
				c.right = attr
			}
			f = &c
		}
		w.push(f)
	case "BUILD_CLASS":
		body, bases, called := w.pop(), w.pop(), w.pop()
		c := &expr{kind: class, prec: precAtom, text: unquoted(called.text), size: len(unquoted(called.text)), code: body.code}
		if bases.inner != nil {
			c.bases = bases.inner
		}
		w.push(c)
	default:
		return false
	}
	return true
}

// intrinsic follows the functions that the interpreter has for itself.
func (w *walker) intrinsic(which int) {
	switch which {
	case 2: // import *
		if from := w.pop(); from.imp != nil {
			w.statement("from ", from.imp.module, " import *")
		}
		w.push(nothing)
	case 5:
		w.unary("+")
	case 6: // a list becomes a tuple
		if e := w.pop(); e.inner != nil {
			w.push(display(tuple, e.inner, 2))
		} else {
			w.push(e)
		}
	}
}

// namesOf are the texts in a tuple of strings.
func (w *walker) namesOf(e *expr) []string {
	var names []string
	if e.inner == nil {
		return nil
	}
	w.r.looked += len(e.inner.parts)
	for _, p := range e.inner.parts {
		if p.text != ", " {
			names = append(names, string(clean([]byte(unquoted(p.text)))))
		}
	}
	return names
}

// arguments writes those of a call. The last ones have names.
func (w *walker) arguments(args []*expr, names []string) *expr {
	var parts []any
	for i, a := range args {
		if i > 0 {
			parts = append(parts, ", ")
		}
		if k := i - (len(args) - len(names)); k >= 0 && k < len(names) {
			parts = append(parts, names[k], "=")
		}
		a = w.plainly(a)
		if len(args) == 1 && a.op == "generator" && a.inner != nil {
			return a.inner
		}
		parts = append(parts, a.as(precTest))
	}
	return join(precTuple, parts...)
}

// callNew calls what lies below the arguments: a callable and an empty place,
// in the order of the version, or a callable and its first argument.
func (w *walker) callNew(args []*expr, names []string) {
	upper := w.pop()
	lower := w.pop()
	callee := lower
	switch {
	case lower.kind == null:
		callee = upper
	case upper.kind == null:
	default:
		args = append([]*expr{upper}, args...)
	}
	w.callWith(callee, args, names)
}

func (w *walker) callWith(callee *expr, args []*expr, names []string) {
	switch {
	case callee.kind == builder:
		w.buildClass(args, names)
	case callee.kind == enter:
		w.pop() // the __exit__ and the place beside it
		w.pop()
		w.push(w.plainly(callee.inner))
		w.with(w.withEnd(w.at), false)
	default:
		w.call(callee, args, names)
	}
}

// call pushes what a call gives. The last arguments have names.
func (w *walker) call(callee *expr, args []*expr, names []string) {
	switch {
	case callee.kind == builder:
		w.buildClass(args, names)
		return
	case callee.kind == exit, callee.kind == silent && allNone(args):
		w.push(nothing)
		return
	case callee.kind == function && len(args) == 0 && w.r.version.Major == 2 && w.op(w.find(w.at+1)) == "BUILD_CLASS":
		w.push(callee)
		return
	case callee.kind == function && len(args) == 1:
		if e := w.comprehensionOf(callee, args[0]); e != nil {
			w.push(e)
			return
		}
	case len(args) == 1 && (args[0].kind == function || args[0].kind == class) && !isLambda(args[0]) && w.decorates():
		decorated := *args[0]
		decorated.decorators = append([]*expr{w.plainly(callee)}, decorated.decorators...)
		w.push(&decorated)
		return
	}
	w.called(callee, w.arguments(args, names))
}

// allNone reports whether all arguments are None: then a with statement is
// left.
func allNone(args []*expr) bool {
	for _, a := range args {
		if a.text != "None" {
			return false
		}
	}
	return true
}

// decorates reports whether what a call gives is bound to a name next, or
// decorated once more.
func (w *walker) decorates() bool {
	i := w.find(w.at + 1)
	for w.op(i) == "CACHE" {
		i++
	}
	switch op := w.op(i); op {
	case "PRECALL", "CALL", "CALL_FUNCTION":
		return true
	default:
		return strings.HasPrefix(op, "STORE_")
	}
}

// called pushes a call with its arguments.
func (w *walker) called(callee, inner *expr) {
	e := join(precAtom, w.plainly(callee).as(precAtom), "(", inner, ")")
	if e != tooLong {
		e.op, e.inner = "call", inner
	}
	w.push(e)
}

// callOld calls as Python 2 does: the argument counts positional arguments in
// its low byte and those with a name in its high one.
func (w *walker) callOld(arg int, star, stars bool) {
	var last, before *expr
	if stars {
		last = w.pop()
	}
	if star {
		before = w.pop()
	}
	var named []any
	for range arg >> 8 & 0xff {
		value := w.plainly(w.pop())
		key := w.pop()
		named = append([]any{", ", string(clean([]byte(unquoted(key.text)))), "=", value.as(precTest)}, named...)
	}
	args := w.popN(arg & 0xff)
	callee := w.pop()
	if len(named) == 0 && before == nil && last == nil {
		w.call(callee, args, nil)
		return
	}
	inner := w.arguments(args, nil)
	if len(named) > 0 {
		inner = listed(inner, join(precTuple, named[1:]...))
	}
	if before != nil {
		inner = listed(inner, join(precTest, "*", w.plainly(before)))
	}
	if last != nil {
		inner = listed(inner, join(precTest, "**", w.plainly(last)))
	}
	w.called(callee, inner)
}

// callEx calls with arguments from a tuple and a dict.
func (w *walker) callEx(in *instruction) {
	var named *expr
	v := w.r.version
	if in.arg&1 != 0 || v.Major == 3 && v.Minor >= 14 {
		named = w.pop()
	}
	args := w.pop()
	inner := starred("*", []*expr{w.plainly(args)})
	if named != nil && named.kind != null {
		if named.kind == dict && named.inner != nil {
			w.r.looked += len(named.inner.parts)
			inner = listed(inner, asKeywords(named.inner, 0))
		} else {
			inner = listed(inner, join(precTest, "**", w.plainly(named)))
		}
	}
	if inner == nil {
		inner = leaf("")
	}
	callee := w.pop()
	switch {
	case callee.kind == null:
		callee = w.pop()
	case w.peek(1).kind == null && v.layout() == layout311:
		w.pop()
	}
	if callee.kind == builder {
		w.buildClass(nil, nil)
		return
	}
	w.called(callee, inner)
}

// asKeywords writes the inside of a dict as keyword arguments.
func asKeywords(inner *expr, depth int) *expr {
	p := inner.parts
	if len(p) >= 3 && p[1].text == ": " && len(p[0].text) > 2 && p[0].text[0] == '\'' {
		out := []any{}
		for i := range p {
			switch {
			case i+1 < len(p) && p[i+1].text == ": ":
				out = append(out, string(clean([]byte(unquoted(p[i].text)))))
			case p[i].text == ": ":
				out = append(out, "=")
			default:
				out = append(out, p[i])
			}
		}
		return join(precTuple, out...)
	}
	if len(p) == 3 && p[1].text == ", " && depth < 64 {
		return join(precTuple, asKeywords(p[0], depth+1), ", ", asKeywords(p[2], depth+1))
	}
	return inner
}

// makeFunction pushes a function.
func (w *walker) makeFunction(in *instruction) {
	v := w.r.version
	if v.Major == 3 && v.Minor < 11 {
		w.pop() // its qualified name
	}
	f := w.pop()
	c := *f
	c.inner = nil
	switch {
	case v.Major == 2:
		if in.op == "MAKE_CLOSURE" {
			w.pop()
		}
		if defaults := w.popN(in.arg); len(defaults) > 0 {
			c.left = display(tuple, commas(w.plainAll(defaults)), len(defaults))
		}
	case v.Minor < 13:
		if in.arg&8 != 0 {
			w.pop()
		}
		if in.arg&4 != 0 {
			w.pop()
		}
		if in.arg&2 != 0 {
			c.right = w.pop()
		}
		if in.arg&1 != 0 {
			c.left = w.pop()
		}
	}
	if c.kind != function {
		w.push(nothing)
		return
	}
	w.push(&c)
}

// buildClass pushes a class, from its body, its name and its bases.
func (w *walker) buildClass(args []*expr, names []string) {
	if len(args) < 2 || args[0].kind != function {
		w.push(nothing)
		return
	}
	called := unquoted(args[1].text)
	c := &expr{kind: class, prec: precAtom, text: called, size: len(called), code: args[0].code}
	if len(args) > 2 {
		c.bases = w.arguments(args[2:], names)
	}
	w.push(c)
}

func isLambda(e *expr) bool { return e.kind == function && string(nameOf(e.code)) == "<lambda>" }

// plainAll is plainly for several.
func (w *walker) plainAll(items []*expr) []*expr {
	for i, e := range items {
		items[i] = w.plainly(e)
	}
	return items
}

// plainly is an expression as one writes it inside others: a function that
// gets no name is a lambda, or is defined before.
func (w *walker) plainly(e *expr) *expr {
	switch e.kind {
	case function:
		if isLambda(e) {
			return w.lambda(e)
		}
		called := leaf(string(clean(nameOf(e.code))))
		if w.comp == nil && e.code != nil {
			w.define(called, e)
		}
		return called
	case class:
		called := leaf(string(clean([]byte(e.text))))
		if w.comp == nil {
			w.defineClass(called, e)
		}
		return called
	case iterator:
		if e.inner != nil {
			return e.inner
		}
	}
	return e
}

// parameters writes those of a function.
func (w *walker) parameters(f *expr) *expr {
	c := f.code
	for _, e := range []*expr{f.left, f.right} {
		if e != nil && e.inner != nil {
			w.r.looked += len(e.inner.parts)
		}
	}
	var parts []any
	add := func(items ...any) {
		if len(parts) > 0 {
			parts = append(parts, ", ")
		}
		parts = append(parts, items...)
	}
	var defaults []*expr
	if f.left != nil && f.left.inner != nil {
		for _, p := range f.left.inner.parts {
			if p.text != ", " {
				defaults = append(defaults, p)
			}
		}
	}
	args, kwOnly := max(min(c.ArgCount, len(c.VarNames), 256), 0), max(min(c.KwOnly, 256), 0)
	for i := range args {
		n := name(c.VarNames, i)
		if k := i - (args - len(defaults)); k >= 0 && k < len(defaults) {
			add(n, "=", defaults[k].as(precTest))
		} else {
			add(n)
		}
		if i+1 == c.PosOnly {
			add("/")
		}
	}
	next := args + kwOnly
	if c.Flags&4 != 0 {
		add("*", name(c.VarNames, next))
		next++
	} else if kwOnly > 0 {
		add("*")
	}
	named := map[string]*expr{}
	if f.right != nil && f.right.inner != nil {
		p := f.right.inner.parts
		for i := 0; i+2 < len(p); i++ {
			if p[i+1].text == ": " {
				named[unquoted(p[i].text)] = p[i+2]
			}
		}
	}
	for i := args; i < args+kwOnly && i < len(c.VarNames); i++ {
		n := name(c.VarNames, i)
		if d := named[n]; d != nil {
			add(n, "=", d.as(precTest))
		} else {
			add(n)
		}
	}
	if c.Flags&8 != 0 {
		add("**", name(c.VarNames, next))
	}
	return join(precTuple, parts...)
}

// nested makes a walker for a function inside this one, unless that is too
// much.
func (w *walker) nested(c *Code, indent int) *walker {
	if c == nil || w.r.nesting >= maxNesting || w.r.full() {
		return nil
	}
	return w.r.walker(c, indent)
}

// lambda writes a function of one expression.
func (w *walker) lambda(f *expr) *expr {
	n := w.nested(f.code, 0)
	if n == nil {
		return nothing
	}
	defer n.release()
	params := w.parameters(f)
	w.r.nesting++
	out := len(w.r.out)
	n.run()
	w.r.out = w.r.out[:min(out, len(w.r.out))]
	w.r.nesting--
	body := n.result
	if body == nil {
		body = nothing
	}
	head := "lambda: "
	if params.size > 0 {
		return join(precTest, "lambda ", params, ": ", n.plainly(body).as(precTest))
	}
	return join(precTest, head, n.plainly(body).as(precTest))
}

// comprehensionOf writes the call of a function that stands for a
// comprehension, or nil when it is none.
func (w *walker) comprehensionOf(f, over *expr) *expr {
	kinds := map[string]exprKind{"<listcomp>": list, "<setcomp>": set, "<dictcomp>": dict, "<genexpr>": plain}
	kind, ok := kinds[string(nameOf(f.code))]
	if !ok {
		return nil
	}
	n := w.nested(f.code, 0)
	if n == nil {
		return nothing
	}
	defer n.release()
	i := 0
	for i < len(n.ins) && n.ins[i].op != "FOR_ITER" && n.ins[i].op != "GET_ANEXT" {
		i++
	}
	if i == len(n.ins) {
		return nil
	}
	if over.inner != nil && over.kind == iterator {
		over = over.inner
	}
	over = w.plainly(over)
	w.r.nesting++
	out := len(w.r.out)
	n.push(display(kind, nil, 0))
	n.push(&expr{kind: iterator, prec: over.prec, depth: over.depth, size: over.size, text: over.text, parts: over.parts, inner: over})
	e := n.gathered(i, kind, len(n.ins))
	w.r.out = w.r.out[:min(out, len(w.r.out))]
	w.r.nesting--
	if kind == plain && len(e.parts) > 2 {
		e.op = "generator"
		parts := make([]any, 0, len(e.parts))
		for _, p := range e.parts[1 : len(e.parts)-1] {
			parts = append(parts, p)
		}
		e.inner = join(precTest, parts...)
	}
	return e
}

// define writes a function.
func (w *walker) define(target, f *expr) {
	if isLambda(f) {
		w.assign([]*expr{target}, w.lambda(f))
		return
	}
	called := leaf(string(clean(nameOf(f.code))))
	if target.parts == nil && len(f.decorators) == 0 {
		called = target
	}
	params := w.parameters(f)
	for _, d := range f.decorators {
		w.statement("@", d)
	}
	word := "def "
	if f.code.Flags&0x80 != 0 || f.code.Flags&0x200 != 0 {
		word = "async def "
	}
	w.statement(word, called, "(", params, "):")
	w.inner(f.code, false)
	if called.short() != target.short() {
		w.statement(target, " = ", called)
	}
}

// defineClass writes a class.
func (w *walker) defineClass(target, c *expr) {
	called := leaf(string(clean([]byte(c.text))))
	for _, d := range c.decorators {
		w.statement("@", d)
	}
	if c.bases != nil && c.bases.size > 0 {
		w.statement("class ", called, "(", c.bases, "):")
	} else {
		w.statement("class ", called, ":")
	}
	w.inner(c.code, true)
	if called.short() != target.short() {
		w.statement(target, " = ", called)
	}
}

// inner writes the body of a function or class.
func (w *walker) inner(c *Code, isClass bool) {
	if w.comp != nil {
		return
	}
	before := len(w.r.out)
	if n := w.nested(c, w.indent+1); n != nil {
		n.body = isClass
		if !isClass && len(c.Consts) > 0 && c.Consts[0].Kind == Str && w.documented(c) {
			n.statement(w.r.object(c.Consts[0]))
		}
		w.r.nesting++
		n.run()
		w.r.nesting--
		n.release()
	}
	if len(w.r.out) == before {
		w.r.line(w.indent+1, leaf("pass"), w.source)
	}
}

// documented reports whether the first constant of a function is its
// documentation. Since 3.14 a flag says so; before, it was not loaded.
func (w *walker) documented(c *Code) bool {
	if v := w.r.version; v.Major == 3 && v.Minor >= 14 {
		return c.Flags&0x4000000 != 0
	}
	w.r.followed += len(c.Code)
	if w.r.full() {
		return false
	}
	for _, in := range decode(c.Code[:min(len(c.Code), maxLive)], w.r.version) {
		if in.op == "LOAD_CONST" && in.arg == 0 {
			return false
		}
	}
	return true
}
