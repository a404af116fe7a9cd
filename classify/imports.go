package classify

import (
	"bytes"
	"slices"

	"kingsnake/normalize"
)

// keyword reads a keyword, and the whole of an import statement.
func (w *walker) keyword(i int) int {
	word := w.bytes(i)
	h := hashBytes(word)
	if w.statement && (h == hashImport || h == hashFrom) {
		w.token(h, i)
		w.statement = false
		if h == hashImport {
			return w.imports(i+1, true)
		}
		return w.importsFrom(i+1, true)
	}
	w.statement, w.afterDef = false, 0
	switch string(word) {
	case "def", "class":
		w.afterDef = h
		w.x.current.shape.definitions++
	case "as":
		if w.kind(i+1) == normalize.Name && w.last.sym != 0 && len(w.env) < maxEnv {
			w.bindTo(hashBytes(w.bytes(i+1)), w.last)
		}
	}
	w.token(h, i)
	w.last = nothing
	return i + 1
}

// module reads a dotted name and returns its symbol, its first part and what
// follows it.
func (w *walker) module(i int, note bool) (s symbol, first uint64, next int) {
	for w.isOp(i, '.') || w.is(i, "...") { // relative
		if note {
			w.token(hashPoint, i)
		}
		i++
	}
	for w.kind(i) == normalize.Name {
		h := hashBytes(w.bytes(i))
		if s == 0 {
			s, first = symbol(h), h
		} else {
			s = s.attr(h)
		}
		if note {
			w.token(uint64(s), i)
		}
		if !w.isOp(i+1, '.') || w.kind(i+2) != normalize.Name {
			return s, first, i + 1
		}
		i += 2
	}
	return s, first, i
}

// importsModule notes the import of one module at token i.
func (w *walker) importsModule(s symbol, first uint64, i int) {
	w.x.feature(groupCalls, join(uint64(s), 11), w.place(i))
	w.x.current.shape.imports++
	if first != 0 && len(w.x.imported) < maxImported {
		w.x.imported = append(w.x.imported, first)
	}
}

func (w *walker) imports(i int, note bool) int {
	for range 256 {
		s, first, next := w.module(i, note)
		if s == 0 {
			return max(next, i)
		}
		if note {
			w.importsModule(s, first, i)
		}
		i = next
		if w.is(i, "as") && w.kind(i+1) == normalize.Name {
			w.bind(hashBytes(w.bytes(i+1)), s)
			i += 2
		} else {
			w.bind(first, symbol(first))
		}
		if !w.isOp(i, ',') {
			return i
		}
		i++
	}
	return i
}

func (w *walker) importsFrom(i int, note bool) int {
	s, first, next := w.module(i, note)
	if !w.is(next, "import") {
		return max(next, i)
	}
	if note {
		w.importsModule(s, first, i)
	}
	i = next + 1
	if w.isOp(i, '*') {
		if s != 0 && len(w.stars) < 8 && !slices.Contains(w.stars, s) {
			w.stars = append(w.stars, s)
		}
		if note {
			w.token(hashStar, i)
		}
		return i + 1
	}
	if w.isOp(i, '(') {
		for i++; w.kind(i) == normalize.Comment; i++ {
		}
	}
	for range 1024 {
		if w.kind(i) != normalize.Name {
			break
		}
		h := hashBytes(w.bytes(i))
		full := s.attr(h)
		if note {
			w.token(uint64(full), i)
			w.x.feature(groupCalls, join(uint64(full), 11), w.place(i))
		}
		if w.is(i+1, "as") && w.kind(i+2) == normalize.Name {
			h = hashBytes(w.bytes(i + 2))
			i += 2
		}
		w.bind(h, full)
		if i++; !w.isOp(i, ',') {
			break
		}
		for i++; w.kind(i) == normalize.Comment; i++ {
		}
	}
	if w.isOp(i, ')') {
		i++
	}
	return i
}

// bind lets a name stand for what was imported.
func (w *walker) bind(name uint64, s symbol) {
	if len(w.env) >= maxEnv {
		return
	}
	v := w.lookup(s, nothing)
	v.imported = true
	w.bindTo(name, v)
}

// known is what a name is bound to.
func (w *walker) known(name uint64) (v value, ok bool) {
	if !w.ever.has(name) {
		return value{}, false
	}
	v, ok = w.env[name]
	return v, ok
}

// bindTo lets a name stand for v.
func (w *walker) bindTo(name uint64, v value) {
	w.ever.add(name)
	w.env[name] = v
}

// forget lets a name stand for nothing.
func (w *walker) forget(name uint64) {
	if w.ever.has(name) {
		delete(w.env, name)
	}
}

// The functions whose result is known from a string they are given.
var (
	symImport       = parseSymbol("__import__")
	symImportModule = parseSymbol("importlib.import_module")
	symGetattr      = parseSymbol("getattr")
	symExec         = parseSymbol("exec")
	symConnect      = parseSymbol("?.connect")
)

// result is what a call returns.
func (w *walker) result(f *frame) value {
	switch f.sym {
	case 0:
		return nothing
	case symImport, symImportModule, symImport.call():
		if len(f.text) > 0 {
			return value{sym: dotted(f.text), behavior: noBehavior, imported: true}
		}
	case symGetattr:
		if len(f.text) > 0 && f.first.sym != 0 {
			v := w.member(f.first, hashBytes(f.text))
			if v.behavior != noBehavior {
				w.x.behave(int(v.behavior), w.layerIndex, f.place)
			}
			return v
		}
	}
	return value{sym: f.sym.call(), behavior: f.behavior}
}

// dotted is the symbol of a module by its dotted name.
func dotted(name []byte) symbol {
	var s symbol
	for i, part := range bytes.Split(name, []byte{'.'}) {
		if i == 0 {
			s = rootSymbol(part)
		} else {
			s = s.attr(hashBytes(part))
		}
	}
	return s
}
