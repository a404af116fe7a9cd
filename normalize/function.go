package normalize

import (
	"bytes"
	"strconv"
	"strings"
)

// knownFunctions are the functions that callFunction knows besides the
// decoders, by the full name Python gives them.
var knownFunctions = []string{
	"chr", "unichr", "ord", "int", "len", "str", "unicode", "bytes", "bytearray", "memoryview",
	"list", "tuple", "iter", "reversed", "map", "range", "xrange", "getattr", "__import__",
	"exec", "eval", "compile", "builtins", "__builtin__", "__builtins__",
	"importlib.import_module", "importlib.__import__", "codecs.decode", "sys.executable",
	"os.system", "os.popen", "subprocess.Popen", "subprocess.run", "subprocess.call",
	"subprocess.check_call", "subprocess.check_output", "subprocess.getoutput", "commands.getoutput",
}

// symbolNames are the full names of the functions and modules that are known,
// and symbols their places in it.
var symbolNames, symbols = func() (names []string, index map[string]int) {
	index = map[string]int{}
	add := func(name string) {
		if _, ok := index[name]; !ok {
			index[name] = len(names)
			names = append(names, name)
		}
	}
	addPath := func(path string) {
		for i, c := range path {
			if c == '.' {
				add(path[:i])
			}
		}
		add(path)
	}
	for _, name := range knownFunctions {
		addPath(name)
	}
	for _, d := range decoders {
		for _, name := range d.calls {
			addPath(name)
		}
	}
	return names, index
}()

// symbolStarts says which pairs of first and second byte symbols start with.
var symbolStarts = func() (t [256][64]bool) {
	for _, name := range symbolNames {
		t[name[0]][name[1]&63] = true
	}
	return t
}()

// callDecoders finds a decoder by the full name of a function.
var callDecoders = func() map[string]*decoder {
	m := map[string]*decoder{}
	for i := range decoders {
		for _, name := range decoders[i].calls {
			m[name] = &decoders[i]
		}
	}
	return m
}()

// codecDecoders finds a decoder by the name of a codec.
var codecDecoders = func() map[string]*decoder {
	m := map[string]*decoder{}
	for i := range decoders {
		for _, name := range decoders[i].codecs {
			m[name] = &decoders[i]
		}
	}
	return m
}()

// builtinValue gives what a name means that the script did not bind: a
// function or module that is known, even if it was not imported.
func builtinValue(name []byte) value {
	// Most names are none of these, and are told apart by their beginning.
	if len(name) < 2 || !symbolStarts[name[0]][name[1]&63] {
		return value{}
	}
	if k, ok := symbols[string(name)]; ok {
		return value{kind: function, num: int64(k)}
	}
	return value{}
}

// moduleValue gives the module of a name.
func moduleValue(name []byte) value { return builtinValue(name) }

// attribute gives the member of a known module or class.
func attribute(v value, name []byte) value {
	if v.kind != function {
		return value{}
	}
	var path [64]byte
	owner := symbolNames[v.num]
	switch owner {
	case "builtins", "__builtin__", "__builtins__":
		return builtinValue(name)
	}
	if len(owner)+1+len(name) > len(path) {
		return value{}
	}
	full := append(append(append(path[:0], owner...), '.'), name...)
	return builtinValue(full)
}

// callFunction calls a function that is known by its full name.
func (p *peeler) callFunction(name string, args []value) value {
	if len(args) == 0 {
		return value{}
	}
	first := args[0]
	if d := callDecoders[name]; d != nil {
		return p.decode(d, first, args[1:])
	}
	switch name {
	case "exec", "eval", "compile":
		return p.execute(name, first)
	case "os.system", "os.popen", "subprocess.Popen", "subprocess.run", "subprocess.call", "subprocess.check_call",
		"subprocess.check_output", "subprocess.getoutput", "commands.getoutput":
		p.shellLine(first)
	case "getattr":
		if len(args) > 1 && args[1].isText() && first.kind == function {
			p.drop(args[1])
			return attribute(first, args[1].data)
		}
	case "__import__", "importlib.import_module", "importlib.__import__":
		if first.isText() {
			p.drop(first)
			return importPath(name, first.data)
		}
	case "codecs.decode":
		if len(args) > 1 && args[1].isText() {
			return p.decodeCodec(first, string(args[1].data))
		}
	case "map":
		if len(args) == 2 {
			return p.mapOver(first, args[1])
		}
	case "range", "xrange":
		return p.rangeOf(args)
	default:
		return p.convert(name, first, args[1:])
	}
	return value{}
}

// importPath gives the module a path names: for __import__ its first part.
func importPath(function string, path []byte) value {
	parts := bytes.Split(path[:min(len(path), 64)], []byte("."))
	v := moduleValue(parts[0])
	if function == "importlib.import_module" {
		for _, part := range parts[1:] {
			v = attribute(v, part)
		}
	}
	return v
}

// execute reports the text that is executed.
func (p *peeler) execute(name string, v value) value {
	p.report(v, true)
	p.await(v)
	if v.isText() {
		if name == "compile" {
			return v
		}
		return value{kind: settled}
	}
	return value{}
}

// convert calls a function of one value that makes another kind of it.
func (p *peeler) convert(name string, v value, rest []value) value {
	switch name {
	case "chr", "unichr":
		if v.kind == integer && v.num >= 0 && v.num <= 0x10ffff {
			return p.char(v)
		}
	case "ord":
		if v.isText() && len(v.data) <= 4 && v.length() == 1 {
			return value{kind: integer, num: int64(v.chars()[0])}
		}
	case "int":
		return toInt(v, rest)
	case "len":
		if n := v.length(); n >= 0 {
			return value{kind: integer, num: int64(n)}
		}
	case "str", "unicode":
		if v.isText() {
			v.kind = text
			return v
		}
		if v.kind == integer {
			return value{kind: text, data: strconv.AppendInt(nil, v.num, 10)}
		}
	case "bytes", "bytearray", "memoryview":
		if v.isText() {
			v.kind = bytesText
			return v
		}
		return p.fromInts(v, bytesText)
	case "list", "tuple", "iter":
		if v.length() >= 0 {
			return v
		}
	case "reversed":
		return p.reverse(v)
	}
	return value{}
}

// char is chr(v).
func (p *peeler) char(v value) value {
	out := value{kind: text, start: v.start, end: v.end}
	if v.num < 0x80 {
		out.data = asciiChars[v.num : v.num+1 : v.num+1]
	} else {
		out.data = appendChar(nil, int(v.num), false)
	}
	out.extra = oneChar
	return out
}

// asciiChars holds every ASCII character once.
var asciiChars = func() (b [0x80]byte) {
	for i := range b {
		b[i] = byte(i)
	}
	return b
}()

// oneChar says how a character was made. All of them share it: it says that
// they are used, so that nothing is ever written to it.
var oneChar = &extra{steps: "chr", used: true}

// toInt is int(v) or int(v, base).
func toInt(v value, rest []value) value {
	base := 10
	if len(rest) > 0 && rest[0].kind == integer {
		base = int(rest[0].num)
	}
	if v.kind == integer {
		v.named = false
		return v
	}
	if !v.isText() || len(v.data) > 32 || base < 2 && base != 0 || base > 36 {
		return value{}
	}
	digits := strings.ToLower(strings.TrimSpace(string(v.data)))
	switch base {
	case 16:
		digits = strings.TrimPrefix(digits, "0x")
	case 8:
		digits = strings.TrimPrefix(digits, "0o")
	case 2:
		digits = strings.TrimPrefix(digits, "0b")
	}
	n, err := strconv.ParseInt(digits, base, 64)
	if err != nil {
		return value{}
	}
	return value{kind: integer, num: n}
}

// mapOver is map(f, iterable).
func (p *peeler) mapOver(f, iterable value) value {
	elements, ok := p.elements(iterable)
	n := elements.n
	if !ok || f.kind != function && f.kind != lambda {
		return value{}
	}
	base := len(p.stack)
	p.quiet++
	one := make([]value, 1)
	for i := 0; i < n && ok; i++ {
		one[0] = elements.at(i)
		var v value
		switch {
		case !p.step():
		case f.kind == lambda:
			v = p.callLambda(f, one)
		case p.touch(one...):
			v = p.callFunction(symbolNames[f.num], one)
		}
		ok = v.kind != unknown && v.kind != settled
		v.named = false
		p.push(v)
	}
	p.quiet--
	if !ok {
		p.stack = p.stack[:base]
		return value{}
	}
	p.use(iterable)
	out := p.popList(base, iterable.start)
	if out.extra != nil {
		start, end := p.hull(iterable)
		out.extra.pieces = []piece{{0, start, end}}
	}
	return out
}

// maxRange bounds the elements of a range. Texts are shorter than what tests
// and simulations count to.
const maxRange = 1 << 14

// rangeOf is range(to), range(from, to) or range(from, to, step).
func (p *peeler) rangeOf(args []value) value {
	bounds := [3]int64{0, 0, 1}
	if len(args) > 3 {
		return value{}
	}
	for i, arg := range args {
		if arg.kind != integer || arg.num > 1<<30 || arg.num < -1<<30 {
			return value{}
		}
		bounds[i] = arg.num
	}
	if len(args) == 1 {
		bounds[0], bounds[1] = 0, bounds[0]
	}
	from, to, step := bounds[0], bounds[1], bounds[2]
	if step == 0 {
		return value{}
	}
	n := max((to-from+step-step/max(step, -step))/step, 0)
	if n > maxRange || !p.u.spend(4*int(n)) {
		return value{}
	}
	ints := make([]int32, n)
	for i := range ints {
		ints[i] = int32(from + int64(i)*step)
	}
	return value{kind: integers, extra: &extra{ints: ints}}
}

// method calls a method of a known value.
func (p *peeler) method(v value, name string, args []value) value {
	isText := func(n int) bool {
		for _, arg := range args[:min(n, len(args))] {
			if !arg.isText() {
				return false
			}
		}
		return v.isText() && len(args) >= n
	}
	switch {
	case !p.touch(v) || !p.touch(args...):
	case name == "join" && v.isText() && len(args) == 1:
		if args[0].kind == unknown {
			return value{}
		}
		parts, ok := p.elements(args[0])
		if !ok {
			return value{}
		}
		out := p.join(v, parts)
		if out.extra != nil && args[0].extra != nil && len(args[0].extra.pieces) > 0 {
			out.extra.pieces = args[0].extra.pieces[:1]
		}
		return out
	case name == "replace" && isText(2):
		return p.replace(v, args[0], args[1])
	case name == "decode" && v.isText():
		if len(args) > 0 && args[0].isText() {
			return p.decodeCodec(v, string(args[0].data))
		}
		v.kind = text
		return v
	case name == "encode" && v.isText():
		if len(args) > 0 && args[0].isText() {
			return p.encodeCodec(v, string(args[0].data))
		}
		v.kind = bytesText
		return v
	case (name == "strip" || name == "lstrip" || name == "rstrip") && v.isText():
		return p.strip(v, name, args)
	case name == "split" && v.isText():
		return p.split(v, args)
	case (name == "lower" || name == "upper") && v.isText():
		if !p.u.spend(len(v.data)) {
			return value{}
		}
		if name == "lower" {
			return p.derive(v, v.kind, bytes.ToLower(v.data), "case")
		}
		return p.derive(v, v.kind, bytes.ToUpper(v.data), "case")
	case name == "format" && v.isText():
		return p.format(v, args)
	}
	return value{}
}

// strip is v.strip(cut), or of one side only.
func (p *peeler) strip(v value, name string, args []value) value {
	cut := " \t\r\n\f\v"
	if len(args) > 0 {
		if !args[0].isText() || len(args[0].data) > 64 {
			return value{}
		}
		cut = string(args[0].data)
	}
	from, to := 0, len(v.data)
	if name != "rstrip" {
		from = to - len(bytes.TrimLeft(v.data, cut))
	}
	if name != "lstrip" {
		to = from + len(bytes.TrimRight(v.data[from:], cut))
	}
	if from == 0 && to == len(v.data) {
		return v
	}
	return p.substring(v, from, to, "slice")
}

// split is v.split() or v.split(separator).
func (p *peeler) split(v value, args []value) value {
	var parts [][]byte
	switch {
	case len(args) == 0:
		parts = bytes.Fields(v.data)
	case len(args) == 1 && args[0].isText() && len(args[0].data) > 0:
		parts = bytes.SplitN(v.data, args[0].data, maxStack)
	default:
		return value{}
	}
	if !p.u.spend(24 * len(parts)) {
		return value{}
	}
	p.use(v)
	start, end := p.hull(v)
	base := len(p.stack)
	for _, part := range parts {
		p.push(value{kind: v.kind, data: part[:len(part):len(part)], start: start, end: end, named: true})
	}
	return p.popList(base, v.start)
}

// format is v.format(args) for fields without formats.
func (p *peeler) format(v value, args []value) value {
	var data []byte
	next := 0
	for i := 0; i < len(v.data); i++ {
		c := v.data[i]
		if c != '{' && c != '}' {
			data = append(data, c)
			continue
		}
		if i+1 < len(v.data) && v.data[i+1] == c {
			data = append(data, c)
			i++
			continue
		}
		end := bytes.IndexByte(v.data[i:], '}')
		if c == '}' || end < 0 || end > 4 {
			return value{}
		}
		k := next
		if field := string(v.data[i+1 : i+end]); field != "" {
			n, err := strconv.Atoi(field)
			if err != nil || n < 0 {
				return value{}
			}
			k = n
		}
		next++
		if k >= len(args) || len(data) > p.u.left() {
			return value{}
		}
		var ok bool
		if data, ok = appendFormat(data, args[k], 's'); !ok {
			return value{}
		}
		i += end
	}
	if !p.u.spend(len(data)) {
		return value{}
	}
	for _, arg := range args {
		p.use(arg)
	}
	out := p.derive(v, v.kind, data, "format")
	out.extra.pieces = p.formatPieces(v, args)
	return out
}
