package bytecode

import "strings"

// target is what an instruction stores into, where that is a name.
func (w *walker) target(in *instruction) *expr {
	switch in.op {
	case "STORE_FAST", "DELETE_FAST":
		return leaf(name(w.code.VarNames, in.arg))
	case "STORE_DEREF", "DELETE_DEREF":
		return leaf(w.deref(in.arg))
	}
	return leaf(name(w.code.Names, in.arg))
}

// storeStep follows instructions that store.
func (w *walker) storeStep(in *instruction) bool {
	switch in.op {
	case "STORE_NAME", "STORE_FAST", "STORE_DEREF", "STORE_GLOBAL":
		w.store(w.target(in), w.pop())
	case "STORE_ATTR":
		owner := w.plainly(w.pop())
		w.store(join(precAtom, owner.as(precAtom), ".", name(w.code.Names, in.arg)), w.pop())
	case "STORE_SUBSCR":
		index, owner := w.pop(), w.plainly(w.pop())
		w.store(subscripted(owner, index), w.pop())
	case "STORE_SLICE":
		s := slice(w.popN(2))
		owner := w.plainly(w.pop())
		w.store(subscripted(owner, s), w.pop())
	case "STORE_SLICE+0", "STORE_SLICE+1", "STORE_SLICE+2", "STORE_SLICE+3":
		s := w.oldSlice(in.op)
		owner := w.plainly(w.pop())
		w.store(subscripted(owner, s), w.pop())
	case "STORE_MAP":
		key, value := w.pop(), w.pop()
		w.push(w.added(w.pop(), dict, pairs([]*expr{w.plainly(key), w.plainly(value)})))
	case "UNPACK_SEQUENCE":
		w.unpack(in.arg, -1)
	case "UNPACK_EX":
		w.unpack(in.arg&0xff+in.arg>>8+1, in.arg&0xff)
	default:
		return false
	}
	return true
}

// unpack pushes the parts of the top of the stack, the first on top.
func (w *walker) unpack(n, star int) {
	value := w.pop()
	if n < 1 || n > 256 {
		w.push(value)
		return
	}
	g := &group{value: value, n: n, star: star}
	part := &expr{kind: element, prec: precAtom, text: "_", size: 1, group: g}
	w.r.looked += n
	for range n {
		w.push(part)
	}
}

// store binds a target to a value: an assignment, or the target of a loop, an
// import, a definition.
func (w *walker) store(target, value *expr) {
	switch value.kind {
	case element:
		w.storeElement(target, value.group)
		return
	case iteration, entered:
		if value.clause != nil {
			value.clause.write(target)
		}
		return
	case function:
		w.define(target, value)
		return
	case class:
		w.defineClass(target, value)
		return
	case module, member:
		w.storeImport(target, value)
		return
	case inPlace:
		if t := target.short(); t != "" && t == value.left.short() {
			w.settleCopies()
			w.statement(target, " ", value.op, "= ", value.right)
			return
		}
	case silent, null, exit, enter, builder:
		return
	}
	if w.copied == value {
		w.copies = append(w.copies, target)
		if w.peek(1) != value {
			w.settleCopies()
		}
		return
	}
	if w.peek(1) == value && value.kind != constant {
		w.settleCopies()
		w.copied, w.copies = value, []*expr{target}
		return
	}
	w.assign([]*expr{target}, value)
}

// storeElement collects the targets of an unpacking. When all are there it is
// an assignment itself.
func (w *walker) storeElement(target *expr, g *group) {
	if len(g.done) == g.star && g.star >= 0 {
		target = join(precTest, "*", target)
	}
	g.done = append(g.done, target)
	if len(g.done) != g.n {
		return
	}
	all := commas(g.done)
	if g.n == 1 {
		all = join(precTuple, all, ",")
	}
	if g.value.kind == element {
		all = join(precAtom, "(", all, ")")
	}
	w.store(all, g.value)
}

// assign writes an assignment to one target or several.
func (w *walker) assign(targets []*expr, value *expr) {
	if len(targets) == 1 && targets[0].parts == nil {
		switch {
		case targets[0].text == "__doc__" && value.kind == constant && !w.body:
			w.statement(value)
			return
		case w.body && (targets[0].text == "__module__" || targets[0].text == "__qualname__" ||
			targets[0].text == "__firstlineno__" || targets[0].text == "__static_attributes__" ||
			targets[0].text == "__classcell__" || targets[0].text == "__classdictcell__"):
			return
		case w.body && targets[0].text == "__doc__":
			w.statement(value)
			return
		}
	}
	var parts []any
	for _, t := range targets {
		parts = append(parts, t, " = ")
	}
	w.statement(append(parts, w.plainly(value))...)
}

// settleCopies writes the assignment of a value that was stored while it stayed
// on the stack. What is left there is then the name it was stored in.
func (w *walker) settleCopies() {
	if len(w.copies) == 0 {
		return
	}
	targets, value := w.copies, w.copied
	w.copies, w.copied = nil, nil
	if w.comp != nil {
		return
	}
	w.assign(targets, value)
	for i := max(len(w.stack)-2, 0); i < len(w.stack); i++ {
		if w.stack[i] == value {
			w.stack[i] = targets[0]
		}
	}
}

// discard takes the top off the stack, which is a statement if it does
// anything.
func (w *walker) discard() {
	e := w.pop()
	if len(w.printed) > 0 && strings.HasPrefix(w.printed[0].short(), ">>") {
		w.flushPrint()
		return
	}
	switch e.kind {
	case silent, null, constant, iteration, iterator, exit, enter, builder, matched, chain:
		return
	case entered:
		e.clause.write(nil)
		return
	case element:
		w.storeElement(leaf("_"), e.group)
		return
	case module:
		w.flushImport()
		return
	case member:
		return
	}
	w.settleCopies()
	if e == w.copied || e.parts == nil && e.kind == plain {
		return
	}
	w.statement(w.plainly(e))
}

// storeImport collects the names of an import statement.
func (w *walker) storeImport(target, value *expr) {
	imp := value.imp
	bound := target.short()
	if !imp.from {
		w.flushImport()
		first, _, dotted := strings.Cut(imp.module, ".")
		switch {
		case bound == first && value.kind == module, !dotted && bound == imp.module:
			w.statement("import ", imp.module)
		default:
			w.statement("import ", imp.module, " as ", target)
		}
		return
	}
	if value.kind == module {
		w.flushImport()
		return
	}
	if w.imports != imp {
		w.flushImport()
		w.imports = imp
	}
	if value.text != bound {
		bound = value.text + " as " + bound
	} else {
		bound = value.text
	}
	imp.names = append(imp.names, bound)
}

// flushImport writes the import statement that is being put together.
func (w *walker) flushImport() {
	imp := w.imports
	if imp == nil {
		return
	}
	w.imports = nil
	if len(imp.names) > 0 {
		source := w.source
		w.source = imp.source
		w.statement("from ", imp.module, " import ", strings.Join(imp.names, ", "))
		w.source = source
		imp.names = nil
	}
}

// flushPrint writes the print statement of Python 2 that is being put together.
func (w *walker) flushPrint() {
	if len(w.printed) == 0 {
		return
	}
	items := w.printed
	w.printed = nil
	w.statement("print ", commas(items))
}

// statementStep follows the rest: statements.
func (w *walker) statementStep(in *instruction) {
	switch in.op {
	case "RETURN_VALUE":
		w.returns(w.pop(), in)
	case "RETURN_CONST":
		w.loadConst(in.arg)
		w.returns(w.pop(), in)
	case "IMPORT_NAME":
		w.importName(in)
	case "IMPORT_FROM":
		attr := name(w.code.Names, in.arg)
		if from := w.peek(1); from.imp != nil {
			w.push(&expr{kind: member, prec: precAtom, text: attr, size: len(attr), imp: from.imp})
			return
		}
		w.push(leaf(attr))
	case "IMPORT_STAR":
		if from := w.pop(); from.imp != nil {
			w.statement("from ", from.imp.module, " import *")
		}
	case "DELETE_NAME", "DELETE_FAST", "DELETE_GLOBAL", "DELETE_DEREF":
		w.delete(w.target(in))
	case "DELETE_ATTR":
		w.statement("del ", w.plainly(w.pop()).as(precAtom), ".", name(w.code.Names, in.arg))
	case "DELETE_SUBSCR":
		index, owner := w.pop(), w.plainly(w.pop())
		w.statement("del ", subscripted(owner, index))
	case "DELETE_SLICE+0", "DELETE_SLICE+1", "DELETE_SLICE+2", "DELETE_SLICE+3":
		s := w.oldSlice(in.op)
		w.statement("del ", subscripted(w.plainly(w.pop()), s))
	case "RAISE_VARARGS":
		w.raise(in.arg)
	case "PRINT_ITEM":
		w.printed = append(w.printed, w.plainly(w.pop()))
	case "PRINT_ITEM_TO":
		to := w.pop()
		if len(w.printed) == 0 {
			w.printed = append(w.printed, join(precTest, ">>", w.plainly(to)))
		}
		w.printed = append(w.printed, w.plainly(w.pop()))
	case "PRINT_NEWLINE_TO":
		w.pop()
		w.flushPrint()
	case "PRINT_NEWLINE":
		if len(w.printed) == 0 {
			w.statement("print")
		}
		w.flushPrint()
	case "EXEC_STMT":
		locals, globals := w.pop(), w.pop()
		code := w.plainly(w.pop())
		switch {
		case globals.text == "None":
			w.statement("exec ", code)
		case locals == globals:
			w.statement("exec ", code, " in ", globals)
		default:
			w.statement("exec ", code, " in ", globals, ", ", locals)
		}
	}
}

// importName begins an import statement.
func (w *walker) importName(in *instruction) {
	names, level := w.pop(), w.pop()
	imp := &importing{module: name(w.code.Names, in.arg), from: names.kind == tuple || names.inner != nil, source: w.source}
	if level.kind == constant && len(level.text) == 1 && level.text[0] >= '1' && level.text[0] <= '9' {
		if imp.module == "_" {
			imp.module = ""
		}
		imp.module = strings.Repeat(".", int(level.text[0]-'0')) + imp.module
	}
	e := join(precAtom, "__import__('", imp.module, "')")
	if e != tooLong {
		e.kind, e.imp = module, imp
	}
	w.push(e)
}

// delete writes "del", unless it unbinds the name of an exception.
func (w *walker) delete(target *expr) {
	n := len(w.r.out)
	line := string(w.r.out[max(n-300, 0):n])
	if unbound := target.short() + " = None\n"; strings.HasSuffix(line, unbound) && w.comp == nil {
		start := strings.LastIndexByte(line[:len(line)-1], '\n') + 1
		if strings.TrimLeft(line[start:], " ") == unbound {
			w.r.out = w.r.out[:n-len(line[start:])]
			return
		}
	}
	w.statement("del ", target)
}

// raise writes a raise statement.
func (w *walker) raise(n int) {
	args := w.popN(n)
	switch len(args) {
	case 0:
		w.statement("raise")
		return
	case 1:
		if k := len(w.blocks) - 1; k >= 0 && w.blocks[k].kind == ifBlock && w.blocks[k].isNot && w.blocks[k].body == len(w.r.out) &&
			w.comp == nil && (args[0].text == "AssertionError" || strings.HasPrefix(args[0].short(), "AssertionError(")) {
			b := w.blocks[k]
			w.r.out = w.r.out[:b.line]
			w.blocks = w.blocks[:k]
			w.indent--
			if args[0].op == "call" && args[0].inner != nil && args[0].inner.size > 0 {
				w.statement("assert ", b.cond.as(precTest), ", ", args[0].inner)
				return
			}
			w.statement("assert ", b.cond.as(precTest))
			return
		}
		w.statement("raise ", w.plainly(args[0]))
	default:
		word := " from "
		if w.r.version.Major == 2 {
			word = ", "
		}
		w.statement("raise ", w.plainly(args[0]), word, w.plainly(args[1]))
	}
}

// returns writes a return statement, unless it is the one at the end.
func (w *walker) returns(value *expr, in *instruction) {
	w.settleCopies()
	w.result = value
	switch {
	case w.comp != nil, w.body, w.top && value.text == "None":
		return
	case value.text == "None":
		n := len(w.blocks)
		if in.next >= len(w.code.Code) || n == 0 || w.blocks[n-1].end >= len(w.code.Code) || w.blocks[n-1].body != len(w.r.out) {
			return
		}
		w.statement("return")
		return
	case value.kind == silent:
		return
	}
	value = w.plainly(value)
	if value.kind == tuple && value.inner != nil && value.inner.size > 0 && strings.IndexByte(value.inner.short(), ',') > 0 {
		value = value.inner
	}
	w.statement("return ", value)
}
