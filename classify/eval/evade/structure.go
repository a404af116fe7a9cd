package evade

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"kingsnake/normalize"
)

func structures() []Transform {
	return []Transform{
		{Name: "structure: table", Says: "constants move into a list or a dict and are looked up", Apply: byScript((*script).table)},
		{Name: "structure: dispatcher", Says: "statements become the states of a loop", Apply: byScript((*script).dispatcher)},
		{Name: "structure: main", Says: "everything moves into a function", Apply: byScript(func(s *script, r *rand.Rand) ([]byte, bool) {
			return s.inFunction(false, r)
		})},
		{Name: "structure: class", Says: "everything moves into a method", Apply: byScript(func(s *script, r *rand.Rand) ([]byte, bool) {
			return s.inFunction(true, r)
		})},
		{Name: "rewrite: helpers", Says: "functions of modules are called through small ones with sensible names", Apply: byScript((*script).helpers)},
		{Name: "rewrite: other libraries", Says: "requests, urllib, os.system, subprocess and open change places; constants of sockets become numbers", Apply: byScript((*script).otherLibraries)},
		{Name: "rewrite: assistant", Says: "as an assistant would: other libraries, helpers, sensible names, type hints, a main with arguments and a log", Apply: assistant},
	}
}

// assistant applies one rewriting after the other; each must have worked but
// for those that not every script has something for.
func assistant(src []byte, r *rand.Rand) ([]byte, bool) {
	steps := []struct {
		must  bool
		apply func(s *script, r *rand.Rand) ([]byte, bool)
	}{
		{false, (*script).otherLibraries},
		{false, (*script).hints},
		{false, func(s *script, r *rand.Rand) ([]byte, bool) { return s.rename(sensible(r)) }},
		{false, (*script).helpers},
		{true, func(s *script, r *rand.Rand) ([]byte, bool) { return s.inFunction(r.IntN(3) == 0, r) }},
		{false, comments},
	}
	for _, step := range steps {
		s, ok := read(src)
		if !ok {
			return nil, false
		}
		out, ok := step.apply(s, r)
		if ok {
			src = out
		} else if step.must {
			return nil, false
		}
	}
	return src, true
}

// table moves strings and numbers into a table.
func (s *script) table(r *rand.Rand) ([]byte, bool) {
	type constant struct {
		span normalize.Span
		text string
	}
	var all []constant
	for _, t := range s.texts() {
		if int(s.tokens[t.first].Start) >= s.head {
			all = append(all, constant{t.span(s), s.text(t.first, t.end)})
		}
	}
	for i, t := range s.tokens {
		if t.Kind == normalize.Number && int(t.Start) >= s.head && !s.is(s.lineOf(i).first, "case") && !s.is(i+1, ".") {
			all = append(all, constant{t.Span(), s.word(i)})
		}
	}
	if len(all) == 0 || len(all) > 20000 {
		return nil, false
	}
	v := variable(r)
	place := r.Perm(len(all))
	entries := make([]string, len(all))
	byKey := r.IntN(2) == 0
	var e edits
	for i, c := range all {
		key := fmt.Sprint(place[i])
		entries[place[i]] = c.text
		if byKey {
			key = fmt.Sprintf("'%s%d'", pick(r, nouns...), place[i])
			entries[place[i]] = key + ": " + c.text
		}
		e.replace(c.span, v+"["+key+"]")
	}
	brackets := "[]"
	if byKey {
		brackets = "{}"
	}
	e.insert(s.head, v+" = "+brackets[:1]+strings.Join(entries, ",\n    ")+brackets[1:]+"\n")
	return e.apply(s.src)
}

// dispatcher makes statements the states of a loop, in any order.
func (s *script) dispatcher(r *rand.Rand) ([]byte, bool) {
	blocks := s.blocks()
	if len(blocks) < 2 {
		return nil, false
	}
	n := min(12, len(blocks))
	states := r.Perm(1000)[:n+1]
	v := variable(r)
	cases := make([]string, n)
	for k := range n {
		from, to := blocks[k*len(blocks)/n].Start, blocks[(k+1)*len(blocks)/n-1].End
		cases[k] = fmt.Sprintf(" %s == %d:\n%s        %s = %d\n", v, states[k], s.indented(normalize.Span{Start: from, End: to}, "        "), v, states[k+1])
	}
	r.Shuffle(n, func(a, b int) { cases[a], cases[b] = cases[b], cases[a] })
	return joined(s.src[:s.head], fmt.Appendf(nil, "%s = %d\nwhile %s != %d:\n    if%s", v, states[0], v, states[n], strings.Join(cases, "    elif"))), true
}

// inDefinition says of each line whether it stands in a function or class.
func (s *script) inDefinition() []bool {
	in := make([]bool, len(s.lines))
	width := -1
	for i, l := range s.lines {
		w := len(strings.ReplaceAll(l.indent, "\t", "        "))
		if width >= 0 && w <= width {
			width = -1
		}
		in[i] = width >= 0
		first := s.word(l.first)
		if width < 0 && (first == "def" || first == "class" || first == "async") {
			width = w
		}
	}
	return in
}

// movable reports whether the script means the same inside of a function that
// declares the names it binds global.
func (s *script) movable(b *bindings) bool {
	if b.star || len(s.blocks()) == 0 {
		return false
	}
	for name := range b.annotated {
		if !b.members[name] {
			return false
		}
	}
	in := s.inDefinition()
	for i, l := range s.lines {
		for k := l.first; k < l.end; k++ {
			word := s.word(k)
			mangled := s.name(k) && strings.HasPrefix(word, "__") && !strings.HasSuffix(word, "__")
			looks := !in[i] && (word == "locals" || word == "vars" || word == "dir" || word == "execfile" || word == "global" || word == "await")
			if mangled || looks || s.py2 && word == "exec" || s.is(l.first, "from") && word == "*" && s.is(k-1, "import") {
				return false
			}
		}
	}
	return true
}

// inFunction moves all statements into main, or into a method.
func (s *script) inFunction(class bool, r *rand.Rand) ([]byte, bool) {
	b := s.bind()
	if !s.movable(b) {
		return nil, false
	}
	in := s.inDefinition()
	var e edits
	for i, l := range s.lines {
		for k := l.first; k < l.end && !in[i]; k++ {
			// At the outermost level both look at the names of the module.
			if (s.is(k, "exec") || s.is(k, "eval")) && s.is(k+1, "(") && !s.is(k-1, ".") && len(s.arguments(k+1)) == 1 && !s.is(s.close[k+1]-1, ",") {
				e.insert(int(s.tokens[s.close[k+1]].Start), ", globals()")
			}
		}
	}
	if len(e.list) > 0 {
		out, ok := e.apply(s.src)
		if !ok {
			return nil, false
		}
		if s, ok = read(out); !ok {
			return nil, false
		}
	}
	var global []string
	global = append(global, b.order...)
	for name := range b.imported {
		if !b.own[name] {
			global = append(global, name)
		}
	}
	slices.Sort(global)
	topic := strings.ReplaceAll(sensible(r)(0), "_", " ")
	entry := "main"
	for slices.ContainsFunc(s.tokens, func(t normalize.Token) bool { return string(t.Bytes(s.src)) == entry }) {
		entry += "_program"
	}
	indent := "    "
	body := normalize.Span{Start: s.head, End: len(s.src)}
	var out strings.Builder
	fmt.Fprintf(&out, "%simport argparse as _arguments\nimport logging as _logging\n\n_log = _logging.getLogger('%s')\n\n\n", s.src[:s.head], pick(r, nouns...))
	fmt.Fprintf(&out, "def _read_arguments():\n    \"\"\"Read what the user wants of the %s.\"\"\"\n    parser = _arguments.ArgumentParser(description='Works on the %s.', add_help=False)\n    parser.add_argument('--verbose', action='store_true', help='say more about the %s')\n    return parser.parse_known_args()[0]\n\n\n", topic, topic, topic)
	if class {
		entry = title2(entry + "_" + pick(r, nouns...))
		fmt.Fprintf(&out, "class %s(object):\n    \"\"\"Keeps the %s together.\"\"\"\n\n    def __init__(self, options):\n        self.options = options\n\n    def run(_runner):\n", entry, topic)
		indent = "        "
	} else {
		fmt.Fprintf(&out, "def %s(_runner):\n", entry)
	}
	fmt.Fprintf(&out, "%s\"\"\"Do the work on the %s, step by step.\"\"\"\n", indent, topic)
	if len(global) > 0 {
		fmt.Fprintf(&out, "%sglobal %s\n", indent, strings.Join(global, ", "))
	}
	fmt.Fprintf(&out, "%s_log.debug('started with %%s', _runner)\n%stry:\n%s    pass\n%s", indent, indent, indent, s.indented(body, indent+"    "))
	fmt.Fprintf(&out, "%sexcept Exception:\n%s    _log.debug('could not finish the %s')\n%s    raise\n\n\n", indent, indent, topic, indent)
	if class {
		fmt.Fprintf(&out, "%s(_read_arguments()).run()\n", entry)
	} else {
		fmt.Fprintf(&out, "%s(_read_arguments())\n", entry)
	}
	return []byte(out.String()), true
}

// helpers calls functions of modules through functions of its own.
func (s *script) helpers(r *rand.Rand) ([]byte, bool) {
	_, uses := s.uses()
	name := sensible(r)
	helper := map[string]string{}
	var e edits
	var head strings.Builder
	for _, u := range uses {
		if !s.is(u.end, "(") || !u.fixed() || u.module == "inspect" || u.module == "threading" || u.module == "asyncio" || u.module == "logging" {
			continue
		}
		key := u.module + "." + u.attribute
		if helper[key] == "" {
			f := name(len(helper)) + "_step"
			helper[key] = f
			switch r.IntN(3) {
			case 0:
				fmt.Fprintf(&head, "def %s(*items, **options):\n    \"\"\"%s\"\"\"\n    import %s\n    return %s(*items, **options)\n\n\n", f, remark(r), u.module, key)
			case 1:
				fmt.Fprintf(&head, "def %s(*items, **options):\n    import %s\n    result = %s(*items, **options)\n    return result\n\n\n", f, u.module, key)
			case 2:
				fmt.Fprintf(&head, "def %s(*items, **options):\n    import %s as service\n    action = service.%s\n    return action(*items, **options)\n\n\n", f, u.module, u.attribute)
			}
		}
		e.replace(s.span(u.first, u.end), helper[key])
	}
	if len(e.list) == 0 {
		return nil, false
	}
	e.insert(s.head, head.String())
	return e.apply(s.src)
}

// hints gives parameters and results a type.
func (s *script) hints(r *rand.Rand) ([]byte, bool) {
	if s.py2 {
		return nil, false
	}
	var e edits
	for _, l := range s.lines {
		if !s.is(l.first, "def") || !s.is(l.first+2, "(") || s.is(s.close[l.first+2]+1, "->") {
			continue
		}
		open := l.first + 2
		for k, a := range s.arguments(open) {
			if s.name(a[0]) && a[1] == a[0]+1 && (k > 0 || !s.is(a[0], "self") && !s.is(a[0], "cls")) {
				e.insert(int(s.tokens[a[0]].End), ": "+pick(r, "object", "'str'", "'int | None'", "'list[str]'"))
			}
		}
		e.insert(int(s.tokens[s.close[open]].End), " -> "+pick(r, "object", "'bool'", "'dict | None'"))
	}
	return e.apply(s.src)
}

// otherLibraries says the same through other modules.
func (s *script) otherLibraries(r *rand.Rand) ([]byte, bool) {
	_, uses := s.uses()
	var e edits
	needs := map[string]bool{}
	at := -1 // behind what was rewritten last
	for _, u := range uses {
		open := u.end
		if u.first < at {
			continue
		}
		key := u.module + "." + u.attribute
		if n, ok := socketNumbers[key]; ok && !s.is(open, "(") {
			e.replace(s.span(u.first, u.end), n)
			continue
		}
		if !s.is(open, "(") || len(s.arguments(open)) == 0 || s.py2 {
			continue
		}
		end := s.close[open] + 1
		args := s.argumentTexts(open)
		after := "" // ".read()"
		tail := end
		if s.is(end, ".") {
			after = s.word(end + 1)
			tail = end + 2
			if s.is(tail, "(") {
				tail, after = s.close[tail]+1, after+s.text(tail, s.close[tail]+1)
			}
		}
		shell := len(args) == 2 && strings.ReplaceAll(args[1], " ", "") == "shell=True"
		statement := s.begins(u.first) && s.endOf(u.first) == end
		var text string
		var modules []string
		to := end
		switch {
		case key == "os.system" && len(args) == 1:
			text, modules = "subprocess.call("+args[0]+", shell=True)", []string{"subprocess"}
		case key == "os.popen" && len(args) == 1 && after == "read()":
			text, modules, to = "subprocess.run("+args[0]+", shell=True, stdout=-1).stdout.decode()", []string{"subprocess"}, tail
		case (key == "subprocess.call" || key == "subprocess.run") && shell && statement:
			text, modules = "os.system("+args[0]+")", []string{"os"}
		case key == "subprocess.check_output" && shell && after == "decode()":
			text, modules, to = "os.popen("+args[0]+").read()", []string{"os"}, tail
		case key == "requests.get" && len(args) == 1 && after == "content":
			text, modules, to = "urllib.request.urlopen("+args[0]+").read()", []string{"urllib.request"}, tail
		case key == "requests.get" && len(args) == 1 && after == "text":
			text, modules, to = "urllib.request.urlopen("+args[0]+").read().decode()", []string{"urllib.request"}, tail
		case key == "requests.get" && len(args) == 1 && after == "json()":
			text, modules, to = "json.loads(urllib.request.urlopen("+args[0]+").read())", []string{"urllib.request", "json"}, tail
		case key == "requests.get" && len(args) == 1 && statement:
			text, modules = "urllib.request.urlopen("+args[0]+")", []string{"urllib.request"}
		case key == "requests.post" && len(args) == 2 && statement && strings.HasPrefix(args[1], "json="):
			text, modules = "urllib.request.urlopen(urllib.request.Request("+args[0]+", json.dumps("+args[1][5:]+").encode(), {'Content-Type': 'application/json'}))", []string{"urllib.request", "json"}
		case key == "requests.post" && len(args) == 2 && statement && strings.HasPrefix(args[1], "data="):
			text, modules = "urllib.request.urlopen("+args[0]+", urllib.parse.urlencode("+args[1][5:]+").encode())", []string{"urllib.request", "urllib.parse"}
		case key == "urllib.request.urlopen" && len(args) == 1 && after == "read()" && s.name(open+1):
			text, modules, to = "requests.get("+args[0]+").content", []string{"requests"}, tail
		case key == "base64.b64decode" && len(args) == 1:
			text, modules = "binascii.a2b_base64("+args[0]+")", []string{"binascii"}
		case key == "os.getenv" && len(args) == 1:
			text, modules = "os.environ.get("+args[0]+")", nil
		case key == "os.path.join" && len(args) == 2:
			text, modules = "str(pathlib.Path("+args[0]+") / "+args[1]+")", []string{"pathlib"}
		case key == "time.sleep" && len(args) == 1:
			text, modules = "threading.Event().wait("+args[0]+")", []string{"threading"}
		default:
			continue
		}
		e.replace(s.span(u.first, to), text)
		at = to
		for _, m := range modules {
			needs[m] = true
		}
	}
	if len(e.list) == 0 {
		return nil, false
	}
	var imports []string
	for m := range needs {
		imports = append(imports, "import "+m+"\n")
	}
	slices.Sort(imports)
	e.insert(s.head, strings.Join(imports, ""))
	return e.apply(s.src)
}

var socketNumbers = map[string]string{
	"socket.AF_INET": "2", "socket.SOCK_STREAM": "1", "socket.SOCK_DGRAM": "2", "socket.SOL_SOCKET": "1", "socket.SO_REUSEADDR": "2",
	"subprocess.PIPE": "-1", "subprocess.STDOUT": "-2", "subprocess.DEVNULL": "-3",
}
