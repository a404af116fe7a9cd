package evade

import (
	"math/rand/v2"
	"strings"

	"kingsnake/normalize"
)

// use is a place where a script reads an attribute of an imported module:
// tokens [first, end), of which the last is the attribute.
type use struct {
	first, end        int
	module, attribute string // "os.path", "join"
}

// importLine is a line that only imports whole modules under their own names.
type importLine struct {
	line    line
	modules []string
}

// uses finds the imports of whole modules and where the script reads from
// them. Modules whose name is bound in another way are left out.
func (s *script) uses() ([]importLine, []use) {
	b := s.bind()
	imported := map[string]bool{}
	var imports []importLine
	for _, l := range s.lines {
		for k, part := range s.simple(l) {
			if !s.is(part[0], "import") {
				continue
			}
			in := importLine{line: l}
			for _, name := range strings.Split(s.text(part[0]+1, part[1]), ",") {
				name = strings.TrimSpace(name)
				root, _, _ := strings.Cut(name, ".")
				if strings.ContainsAny(name, " \t\n\\#(") || b.own[root] {
					in.modules = nil
					break
				}
				in.modules = append(in.modules, name)
				imported[name] = true
			}
			if k == 0 && part[1] == l.end && len(in.modules) > 0 {
				imports = append(imports, in)
			}
		}
	}
	var all []use
	for i := range s.tokens {
		if !s.name(i) || s.is(i-1, ".") || s.is(i-1, "@") || !s.is(i+1, ".") || s.modulePath(i) {
			continue
		}
		module, end := s.word(i), i+1
		for imported[module+"."+s.word(end+1)] && s.is(end+2, ".") {
			module += "." + s.word(end+1)
			end += 2
		}
		if !imported[module] || !s.is(end, ".") || !s.name(end+1) || s.assigned(i, end+2) {
			continue
		}
		all = append(all, use{i, end + 2, module, s.word(end + 1)})
	}
	return imports, all
}

// assigned reports whether what stands in tokens [from, to) may be assigned to
// or deleted.
func (s *script) assigned(from, to int) bool {
	l := s.lineOf(from)
	if s.is(to, "(") {
		return false
	}
	if s.is(l.first, "del") || s.is(l.first, "for") || s.is(l.first, "with") {
		return true
	}
	next := s.word(to)
	if next == "," && s.within[from] < 0 {
		return true // perhaps of several targets
	}
	return strings.HasSuffix(next, "=") && next != "==" && next != "!=" && next != "<=" && next != ">="
}

func reaching() []Transform {
	return []Transform{
		{Name: "reach: import as", Says: "modules are imported under other names", Apply: byScript((*script).importAs)},
		{Name: "reach: from import as", Says: "functions are imported under other names", Apply: byScript((*script).fromImportAs)},
		{Name: "reach: getattr", Says: "attributes of modules are reached by getattr and a name in pieces", Apply: byScript((*script).byGetattr)},
		{Name: "reach: __import__", Says: "modules are imported by __import__ or importlib and a name in pieces", Apply: byScript((*script).byImport)},
		{Name: "reach: inline __import__", Says: "every use of a module imports it anew, and reaches in by getattr", Apply: byScript((*script).importInline)},
		{Name: "reach: globals and vars", Says: "modules are reached by globals()[…], their attributes by __dict__ or vars", Apply: byScript((*script).byGlobals)},
		{Name: "reach: builtins", Says: "functions of Python itself are reached through the module of builtins", Apply: byScript((*script).byBuiltins)},
	}
}

// importAs imports modules under other names.
func (s *script) importAs(r *rand.Rand) ([]byte, bool) {
	imports, uses := s.uses()
	var e edits
	alias := map[string]string{}
	for _, in := range imports {
		var lines []string
		for _, m := range in.modules {
			v := variable(r)
			if alias[m] == "" {
				alias[m] = v
			}
			if !s.onlyIn(m, uses) {
				lines = append(lines, "import "+m)
			}
			lines = append(lines, "import "+m+" as "+alias[m])
		}
		e.replace(s.span(in.line.first, in.line.end), strings.Join(lines, "; "))
	}
	s.replaceUses(&e, uses, func(u use) string {
		if alias[u.module] == "" {
			return ""
		}
		return alias[u.module] + "." + u.attribute
	})
	return e.apply(s.src)
}

// fromImportAs imports functions under other names.
func (s *script) fromImportAs(r *rand.Rand) ([]byte, bool) {
	imports, uses := s.uses()
	wanted := map[string][]string{}
	alias := map[string]string{}
	for _, u := range uses {
		if key := u.module + "." + u.attribute; alias[key] == "" && u.fixed() {
			alias[key] = variable(r) + "_" + pick(r, "fn", "cb", "op")
			wanted[u.module] = append(wanted[u.module], u.attribute)
		}
	}
	var e edits
	done := map[string]bool{}
	for _, in := range imports {
		lines := []string{s.text(in.line.first, in.line.end)}
		for _, m := range in.modules {
			for _, a := range wanted[m] {
				lines = append(lines, "from "+m+" import "+a+" as "+alias[m+"."+a])
			}
			done[m] = true
		}
		e.replace(s.span(in.line.first, in.line.end), strings.Join(lines, "; "))
	}
	s.replaceUses(&e, uses, func(u use) string {
		if !done[u.module] {
			return ""
		}
		return alias[u.module+"."+u.attribute]
	})
	return e.apply(s.src)
}

// byGetattr reaches the attributes of modules by getattr.
func (s *script) byGetattr(r *rand.Rand) ([]byte, bool) {
	_, uses := s.uses()
	var e edits
	s.replaceUses(&e, uses, func(u use) string { return "getattr(" + u.module + ", " + pieces(u.attribute, s.py2, r) + ")" })
	return e.apply(s.src)
}

// byImport imports modules by calls.
func (s *script) byImport(r *rand.Rand) ([]byte, bool) {
	imports, _ := s.uses()
	var e edits
	for _, in := range imports {
		var lines []string
		for _, m := range in.modules {
			root, _, sub := strings.Cut(m, ".")
			if !sub && !s.py2 && r.IntN(3) == 0 {
				lines = append(lines, root+" = __import__('importlib').import_module("+pieces(m, s.py2, r)+")")
				continue
			}
			lines = append(lines, root+" = __import__("+pieces(m, s.py2, r)+")")
		}
		e.replace(s.span(in.line.first, in.line.end), strings.Join(lines, "; "))
	}
	return e.apply(s.src)
}

// importInline imports a module anew wherever it is used.
func (s *script) importInline(r *rand.Rand) ([]byte, bool) {
	_, uses := s.uses()
	var e edits
	s.replaceUses(&e, uses, func(u use) string {
		if strings.Contains(u.module, ".") {
			return ""
		}
		return "getattr(__import__(" + pieces(u.module, s.py2, r) + "), " + pieces(u.attribute, s.py2, r) + ")"
	})
	return e.apply(s.src)
}

// byGlobals reaches modules by what globals gives.
func (s *script) byGlobals(r *rand.Rand) ([]byte, bool) {
	imports, uses := s.uses()
	global := map[string]bool{}
	for _, in := range imports {
		for _, m := range in.modules {
			global[m] = global[m] || in.line.indent == ""
		}
	}
	var e edits
	s.replaceUses(&e, uses, func(u use) string {
		if strings.Contains(u.module, ".") || !global[u.module] {
			return ""
		}
		module := "globals()[" + pieces(u.module, s.py2, r) + "]"
		switch r.IntN(3) {
		case 0:
			return module + "." + u.attribute
		case 1:
			return "getattr(" + module + ", " + pieces(u.attribute, s.py2, r) + ")"
		}
		return module + "." + "__getattribute__(" + pieces(u.attribute, s.py2, r) + ")"
	})
	return e.apply(s.src)
}

// byBuiltins reaches the functions of Python itself through their module.
func (s *script) byBuiltins(r *rand.Rand) ([]byte, bool) {
	b := s.bind()
	module := "builtins"
	if s.py2 {
		module = "__builtin__"
	}
	v := variable(r)
	var e edits
	for i := range s.tokens {
		word := s.word(i)
		if !s.name(i) || !reachable[word] || b.own[word] || s.is(i-1, ".") || !s.is(i+1, "(") || s.is(i-1, "@") || s.is(i-1, "def") || s.py2 && word == "exec" {
			continue
		}
		switch r.IntN(3) {
		case 0:
			e.replace(s.span(i, i+1), v+"."+word)
		case 1:
			e.replace(s.span(i, i+1), "getattr("+v+", "+pieces(word, s.py2, r)+")")
		case 2:
			e.replace(s.span(i, i+1), "vars("+v+")["+pieces(word, s.py2, r)+"]")
		}
	}
	if len(e.list) == 0 {
		return nil, false
	}
	e.insert(s.head, "import "+module+" as "+v+"\n")
	return e.apply(s.src)
}

// onlyIn reports whether every mention of a module's root stands in a use of
// that very module.
func (s *script) onlyIn(module string, uses []use) bool {
	root, _, _ := strings.Cut(module, ".")
	n := 0
	for i, t := range s.tokens {
		switch {
		case t.Kind == normalize.String && strings.Contains(s.word(i), root):
			return false
		case s.is(i, root) && !s.is(i-1, ".") && !s.modulePath(i):
			n++
		}
	}
	for _, u := range uses {
		if u.module == module {
			n--
		}
	}
	return n == 0
}

// reachable are builtins that work the same through another name.
var reachable = map[string]bool{
	"exec": true, "eval": true, "compile": true, "open": true, "print": true, "__import__": true, "bytes": true, "bytearray": true,
	"chr": true, "ord": true, "input": true, "getattr": true, "int": true, "str": true, "len": true, "range": true, "map": true,
}

// fixed reports whether an attribute is one that stays the same: os.system,
// but not sys.stdout.
func (u use) fixed() bool {
	return u.module != "sys" && u.module != "builtins" && u.module != "__builtin__"
}

func (s *script) replaceUses(e *edits, uses []use, with func(use) string) {
	for _, u := range uses {
		if text := with(u); text != "" {
			e.replace(s.span(u.first, u.end), text)
		}
	}
}

// pieces is an expression that gives a name without showing it whole.
func pieces(name string, py2 bool, r *rand.Rand) string {
	p := spelling{parts(text{value: name}, r), false, py2}
	switch r.IntN(4) {
	case 0:
		return p.join()
	case 1:
		return p.literal(p.reversed()) + "[::-1]"
	}
	return p.list(p.parts, " + ")
}
