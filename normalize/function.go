package normalize

import (
	"bytes"
	"encoding/hex"
	"math/big"
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
	"zip", "itertools.izip", "enumerate", "sum", "min", "max", "abs", "bool", "hex", "oct", "bin", "dict", "vars", "isinstance",
	"globals()", "locals()", "vars()", "itertools.cycle()", "struct.pack", "int.from_bytes", "ast.literal_eval", "json.loads",
	"str.join", "bytes.join", "str.replace", "str.encode", "bytes.decode", "str.translate", "str.split", "str.format",
	"str.strip", "str.lower", "str.upper", "str.maketrans", "bytes.maketrans", "string.maketrans", "bytearray.maketrans",
	"hashlib.md5().digest", "hashlib.sha1().digest", "hashlib.sha256().digest", "hashlib.sha512().digest",
	"hashlib.md5().hexdigest", "hashlib.sha1().hexdigest", "hashlib.sha256().hexdigest", "hashlib.sha512().hexdigest",
	"Crypto.Util.Padding.unpad", "Cryptodome.Util.Padding.unpad", "operator.xor", "sys.modules", "shlex.quote", "pipes.quote",
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
			if c == '.' || c == '(' {
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
	for _, name := range moreFunctionNames {
		addPath(name)
	}
	for name := range constantTexts {
		addPath(name[:strings.LastIndexByte(name, '.')])
	}
	for name := range constantNumbers {
		addPath(name[:strings.LastIndexByte(name, '.')])
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
	if v.kind != function && v.kind != object {
		return value{}
	}
	var path [64]byte
	owner := symbolNames[v.num]
	switch owner {
	case "builtins", "__builtin__", "__builtins__":
		return builtinValue(name)
	case "sys.modules":
		return moduleValue(name)
	}
	if len(owner)+1+len(name) > len(path) {
		return value{}
	}
	full := append(append(append(path[:0], owner...), '.'), name...)
	if v := builtinValue(full); v.known() {
		return v
	}
	return constant(full)
}

// callFunction calls a function that is known by its full name.
func (p *peeler) callFunction(name string, args []value) value {
	if len(args) == 0 {
		return p.callEmpty(name)
	}
	first := args[0]
	if d := callDecoders[name]; d != nil {
		return p.decode(d, first, args[1:])
	}
	switch name {
	case "exec", "eval", "compile":
		return p.execute(name, args)
	case "os.system", "os.popen", "subprocess.Popen", "subprocess.run", "subprocess.call", "subprocess.check_call",
		"subprocess.check_output", "subprocess.getoutput", "commands.getoutput":
		p.shellLine(first)
	case "getattr":
		if len(args) > 1 && args[1].isText() && first.kind == function {
			p.drop(args[1])
			return p.attribute(first, args[1].data)
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
		if v := p.convert(name, first, args[1:]); v.known() {
			return v
		}
		return p.moreFunctions(name, args)
	}
	return value{}
}

// callEmpty calls a function without arguments.
func (p *peeler) callEmpty(name string) value {
	switch name {
	case "str", "unicode":
		return value{kind: text, named: true, extra: &extra{used: true}}
	case "bytes", "bytearray":
		return value{kind: bytesText, named: true, extra: &extra{used: true}}
	case "list", "tuple":
		return value{kind: list, extra: &extra{}}
	case "dict":
		return value{kind: dict, extra: &extra{}}
	case "int":
		return value{kind: integer}
	}
	if k, ok := symbols[name+"()"]; ok {
		return value{kind: object, num: int64(k), extra: &extra{}}
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

// execute reports the text that is executed. One that is compiled to be
// evaluated is not reported before it is.
func (p *peeler) execute(name string, args []value) value {
	v := args[0]
	if name == "compile" && v.isText() && len(args) > 2 && string(args[2].data) == "eval" {
		return v
	}
	if name == "eval" && v.isText() {
		if out := p.evaluateText(v); out.known() {
			p.use(v)
			return out
		}
	}
	p.report(v, true)
	p.await(v)
	if !v.isText() {
		return value{}
	}
	switch name {
	case "compile":
		return v
	case "exec":
		p.runText(v)
	}
	return value{kind: settled}
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
		if v.kind == integer && !v.boolean {
			return value{kind: text, data: strconv.AppendInt(nil, v.num, 10)}
		}
	case "bytes", "bytearray", "memoryview":
		if v.isText() {
			v.kind = bytesText
			return v
		}
		return p.fromInts(v, bytesText)
	case "list", "tuple", "iter":
		if v.kind == dict {
			return p.dictMethod(v, "keys", nil)
		}
		if v.kind == text && p.u.spend(4*len(v.data)) {
			out := value{kind: chars, extra: &extra{ints: v.chars(), steps: v.steps(), pieces: p.whole(v)}}
			p.use(v)
			return out
		}
		if v.kind == bytesText && p.u.spend(4*len(v.data)) {
			ints := make([]int32, len(v.data))
			for i, c := range v.data {
				ints[i] = int32(c)
			}
			p.use(v)
			return value{kind: integers, extra: &extra{ints: ints, steps: v.steps(), pieces: p.whole(v)}}
		}
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
	if v.kind == integer || v.kind == bigInt {
		v.named, v.boolean = false, false
		return v
	}
	if v.isText() && len(v.data) > 32 && len(v.data) < 1<<14 {
		return toBig(v, base)
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

// toBig is int(v, base) of a long number.
func toBig(v value, base int) value {
	digits := string(bytes.TrimSpace(v.data))
	if base == 16 {
		digits = strings.TrimPrefix(digits, "0x")
	}
	if base != 2 && base != 16 && (base != 10 || len(digits) > 1<<12) {
		return value{}
	}
	n, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return value{}
	}
	return bigValue(n, v)
}

// mapOver is map(f, iterable).
func (p *peeler) mapOver(f, iterable value) value {
	elements, ok := p.elements(iterable)
	n := elements.n
	if !ok || f.kind != function && f.kind != lambda {
		return value{}
	}
	g := gather{base: len(p.stack)}
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
			v = p.call(f, one)
		}
		ok = v.known() && p.add(&g, v)
	}
	p.quiet--
	if !ok {
		p.stack = p.stack[:g.base]
		return value{}
	}
	p.use(iterable)
	out := p.gathered(&g, iterable.start)
	if out.extra != nil {
		out.extra.pieces = p.whole(iterable)
	}
	return out
}

// maxRange bounds the elements of a range. Texts are shorter than what tests
// and simulations count to, but in a function that is run because it makes text.
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
	if n > maxRange && (p.calls == 0 || n > maxGathered) || !p.u.spend(4*int(n)) {
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
	case v.kind == dict:
		return p.dictMethod(v, name, args)
	case name == "to_bytes" && (v.kind == integer || v.kind == bigInt):
		return p.toBytes(v, args)
	case name == "hex" && v.kind == bytesText:
		if !p.u.spend(2 * len(v.data)) {
			return value{}
		}
		return p.derive(v, text, hex.AppendEncode(nil, v.data), "tohex")
	case name == "translate" && v.isText() && len(args) > 0:
		return p.translate(v, args)
	case name == "zfill" && v.isText() && len(args) == 1 && args[0].kind == integer:
		if n := int(min(args[0].num, 64)); n > len(v.data) {
			return p.derive(v, v.kind, append(bytes.Repeat([]byte("0"), n-len(v.data)), v.data...), "format")
		}
		return v
	case name == "find" && isText(1) || name == "index" && isText(1):
		return value{kind: integer, num: int64(bytes.Index(v.data, args[0].data))}
	case (name == "startswith" || name == "endswith") && isText(1):
		if name == "startswith" {
			return truthValue(bytes.HasPrefix(v.data, args[0].data))
		}
		return truthValue(bytes.HasSuffix(v.data, args[0].data))
	case name == "splitlines" && v.isText():
		return p.split(v, []value{{kind: v.kind, data: []byte("\n")}})
	case name == "pop" && v.isList() && v.length() > 0:
		return v.at(v.length() - 1)
	case name == "copy" && v.isList():
		return v
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
	return p.moreMethods(v, name, args)
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
	switch {
	case len(args) == 0:
		return p.splitOnce(v, nil)
	case len(args) == 1 && args[0].isText() && len(args[0].data) > 0:
		return p.splitOnce(v, args[0].data)
	}
	return p.moreMethods(v, "split", args)
}

// format is v.format(args) for fields without formats.
func (p *peeler) format(v value, args []value) value {
	next := 0
	data, ok := p.fillFields(v, func(field []byte) value {
		k := next
		if len(field) > 3 {
			return value{}
		}
		if len(field) > 0 {
			n, err := strconv.Atoi(string(field))
			if err != nil || n < 0 {
				return value{}
			}
			k = n
		}
		next++
		if k >= len(args) {
			return value{}
		}
		return args[k]
	})
	if !ok {
		return value{}
	}
	for _, arg := range args {
		p.use(arg)
	}
	out := p.derive(v, v.kind, data, "format")
	out.extra.pieces = p.formatPieces(v, args)
	return out
}

// fillFields puts what pick gives for each field in braces in its place, and
// one brace where there are two.
func (p *peeler) fillFields(v value, pick func(field []byte) value) ([]byte, bool) {
	var data []byte
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
		if c == '}' || end < 0 || len(data) > p.u.left() {
			return nil, false
		}
		var ok bool
		if data, ok = appendFormat(data, pick(v.data[i+1:i+end]), 's'); !ok {
			return nil, false
		}
		i += end
	}
	return data, p.u.spend(len(data))
}
