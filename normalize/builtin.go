package normalize

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"
)

// constantTexts and constantNumbers are members of modules with values that
// never change.
var (
	constantTexts = map[string]string{
		"string.ascii_lowercase": "abcdefghijklmnopqrstuvwxyz",
		"string.ascii_uppercase": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"string.ascii_letters":   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"string.digits":          "0123456789",
		"string.hexdigits":       "0123456789abcdefABCDEF",
		"string.punctuation":     "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
		"string.printable": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" +
			"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ \t\n\r\v\f",
	}
	constantNumbers = map[string]int64{
		"Crypto.Cipher.AES.MODE_ECB": modeECB, "Crypto.Cipher.AES.MODE_CBC": modeCBC, "Crypto.Cipher.AES.MODE_CFB": modeCFB,
		"Crypto.Cipher.AES.MODE_OFB": modeOFB, "Crypto.Cipher.AES.MODE_CTR": modeCTR, "Crypto.Cipher.AES.MODE_GCM": modeGCM,
		"Cryptodome.Cipher.AES.MODE_ECB": modeECB, "Cryptodome.Cipher.AES.MODE_CBC": modeCBC,
	}
)

// attribute gives the member of a known module, class or object.
func (p *peeler) attribute(v value, name []byte) value {
	if v.kind != function && v.kind != object {
		return value{}
	}
	switch string(name) {
	case "__dict__", "__call__", "__getitem__":
		return v
	case "__name__":
		return value{kind: text, data: []byte(lastName(symbolNames[v.num])), named: true, extra: &extra{used: true}}
	}
	out := attribute(v, name)
	if v.kind == object && out.kind == function {
		out.extra = v.extra
	}
	return out
}

// constant gives the member of a module that never changes.
func constant(path []byte) value {
	if s, ok := constantTexts[string(path)]; ok {
		return value{kind: text, data: []byte(s), named: true, extra: &extra{used: true}}
	}
	if n, ok := constantNumbers[string(path)]; ok {
		return value{kind: integer, num: n}
	}
	return value{}
}

// namespace is globals()["name"] and its like.
func (p *peeler) namespace(v value, name []byte) value {
	switch symbolNames[v.num] {
	case "globals()", "locals()", "vars()":
		if v, ok := p.env[string(name)]; ok {
			return v
		}
		return builtinValue(name)
	case "vars":
		return p.attribute(v, name)
	}
	return value{}
}

// bigNumber makes v the number that a literal spells.
func (p *peeler) bigNumber(v *value, literal []byte) {
	if len(literal) > 1<<15 || len(literal) > 1<<12 && literal[0] != '0' {
		return
	}
	s := strings.TrimRight(string(literal), "lL")
	n, ok := new(big.Int).SetString(s, 0)
	if ok && p.u.spend(len(s)+overhead) {
		*v = bigValue(n, *v)
	}
}

// bigValue is the value of a number that is not negative.
func bigValue(n *big.Int, at value) value {
	if n.IsInt64() {
		return value{kind: integer, num: n.Int64(), start: at.start, end: at.end}
	}
	if n.Sign() < 0 {
		return value{start: at.start, end: at.end}
	}
	return value{kind: bigInt, data: n.Bytes(), start: at.start, end: at.end}
}

// toBytes is v.to_bytes(size, order).
func (p *peeler) toBytes(v value, args []value) value {
	size, little := 1, false
	for _, arg := range args {
		switch {
		case arg.kind == integer:
			size = int(min(max(arg.num, 0), 1<<16))
		case arg.isText():
			little = string(arg.data) == "little"
		}
	}
	data := v.data
	if v.kind == integer {
		data = big.NewInt(v.num).Bytes()
	}
	if v.kind == integer && v.num < 0 || len(data) > size || !p.u.spend(size+overhead) {
		return value{}
	}
	out := make([]byte, size)
	copy(out[size-len(data):], data)
	if little {
		for i, k := 0, len(out)-1; i < k; i, k = i+1, k-1 {
			out[i], out[k] = out[k], out[i]
		}
	}
	return p.derive(value{start: v.start, end: v.end}, bytesText, out, "integer")
}

// fromBytes is int.from_bytes(v, order).
func (p *peeler) fromBytes(v value, rest []value) value {
	if !v.isText() || len(v.data) > 1<<14 {
		return value{}
	}
	data := append([]byte(nil), v.raw()...)
	if len(rest) > 0 && string(rest[0].data) == "little" {
		for i, k := 0, len(data)-1; i < k; i, k = i+1, k-1 {
			data[i], data[k] = data[k], data[i]
		}
	}
	return bigValue(new(big.Int).SetBytes(data), v)
}

// inBase is hex(v), oct(v) or bin(v).
func (p *peeler) inBase(v value, name string) value {
	base := map[string]int{"hex": 16, "oct": 8, "bin": 2}[name]
	prefix := map[string]string{"hex": "0x", "oct": "0o", "bin": "0b"}[name]
	digits := ""
	switch {
	case v.kind == integer && v.num >= 0:
		digits = strconv.FormatInt(v.num, base)
	case v.kind == bigInt:
		digits = new(big.Int).SetBytes(v.data).Text(base)
	default:
		return value{}
	}
	if !p.u.spend(len(digits) + overhead) {
		return value{}
	}
	return p.derive(value{start: v.start, end: v.end}, text, []byte(prefix+digits), "integer")
}

// digest is hashlib.NAME(v).digest() or hexdigest().
func (p *peeler) digest(name string, v value) value {
	if !v.isText() {
		return value{}
	}
	rest, hexadecimal := strings.CutSuffix(name, "().hexdigest")
	rest, _ = strings.CutSuffix(rest, "().digest")
	data := v.raw()
	var sum []byte
	switch rest {
	case "hashlib.md5":
		s := md5.Sum(data)
		sum = s[:]
	case "hashlib.sha1":
		s := sha1.Sum(data)
		sum = s[:]
	case "hashlib.sha256":
		s := sha256.Sum256(data)
		sum = s[:]
	case "hashlib.sha512":
		s := sha512.Sum512(data)
		sum = s[:]
	default:
		return value{}
	}
	if hexadecimal {
		return p.derive(v, text, []byte(hex.EncodeToString(sum)), "digest")
	}
	return p.derive(v, bytesText, sum, "digest")
}

// pack is struct.pack(format, …) for whole numbers.
func (p *peeler) pack(format value, args []value) value {
	if !format.isText() || len(format.data) > 64 || len(args) > 1<<10 {
		return value{}
	}
	var order binary.AppendByteOrder = binary.LittleEndian
	var out []byte
	count := -1
	for _, c := range format.data {
		switch c {
		case '>', '!':
			order = binary.BigEndian
			continue
		case '<', '=', '@', ' ':
			continue
		case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			count = max(count, 0)*10 + int(c-'0')
			if count > 1<<10 {
				return value{}
			}
			continue
		}
		n := count
		if n < 0 {
			n = 1
		}
		count = -1
		if c == 's' {
			if len(args) == 0 || !args[0].isText() {
				return value{}
			}
			field := make([]byte, n)
			copy(field, args[0].raw())
			out, args = append(out, field...), args[1:]
			continue
		}
		for ; n > 0; n-- {
			if c == 'x' {
				out = append(out, 0)
				continue
			}
			if len(args) == 0 || args[0].kind != integer {
				return value{}
			}
			k := args[0].num
			args = args[1:]
			switch c {
			case 'b', 'B':
				out = append(out, byte(k))
			case 'h', 'H':
				out = order.AppendUint16(out, uint16(k))
			case 'i', 'I', 'l', 'L':
				out = order.AppendUint32(out, uint32(k))
			case 'q', 'Q':
				out = order.AppendUint64(out, uint64(k))
			default:
				return value{}
			}
		}
	}
	if len(args) > 0 || !p.u.spend(len(out)+overhead) {
		return value{}
	}
	return p.derive(value{start: format.start, end: format.end}, bytesText, out, "pack")
}

// zip is zip(a, b, …), in which itertools.cycle(x) never ends.
func (p *peeler) zip(args []value) value {
	if len(args) == 0 || len(args) > 8 {
		return value{}
	}
	all := make([]sequence, len(args))
	n := maxGathered
	for i, arg := range args {
		if arg.kind == object && symbolNames[arg.num] == "itertools.cycle()" && len(arg.extra.items) == 1 {
			s, ok := p.elements(arg.extra.items[0])
			if !ok || s.n == 0 {
				return value{}
			}
			all[i] = s
			continue
		}
		s, ok := p.elements(arg)
		if !ok {
			return value{}
		}
		all[i] = s
		n = min(n, s.n)
	}
	return p.tuples(args, n, func(k int, base []value) {
		for i, s := range all {
			base[i] = s.at(k % s.n)
		}
	})
}

// tuples makes a list of n tuples of as many elements as there are args. What
// would take too much memory is cut: the beginning of a text is worth a lot.
func (p *peeler) tuples(args []value, n int, fill func(k int, tuple []value)) value {
	width := max(len(args), 2)
	n = min(n, maxTuples)
	if !p.u.spend((n*(width+1))*valueSize + overhead) {
		return value{}
	}
	items := make([]value, n)
	all := make([]value, n*width)
	extras := make([]extra, n)
	for k := range n {
		tuple := all[k*width : (k+1)*width : (k+1)*width]
		fill(k, tuple)
		extras[k] = extra{items: tuple}
		items[k] = value{kind: list, named: true, extra: &extras[k]}
	}
	out := value{kind: list, extra: &extra{items: items}}
	for _, arg := range args {
		p.use(arg)
		if arg.isText() {
			out.start, out.end = arg.start, arg.end
			out.extra.pieces = p.whole(arg)
		}
	}
	return out
}

// maxTuples bounds the tuples of zip and enumerate.
const maxTuples = 1 << 13

// enumerate is enumerate(v) or enumerate(v, start).
func (p *peeler) enumerate(args []value) value {
	s, ok := p.elements(args[0])
	if !ok {
		return value{}
	}
	from := int64(0)
	if len(args) > 1 {
		if args[1].kind != integer {
			return value{}
		}
		from = args[1].num
	}
	return p.tuples(args[:1], s.n, func(k int, tuple []value) {
		tuple[0] = value{kind: integer, num: from + int64(k)}
		tuple[1] = s.at(k)
	})
}

// reduce is sum, min or max of integers.
func (p *peeler) reduce(name string, args []value) value {
	s := sequence{n: len(args)}
	var ok bool
	if s.of.kind = unknown; len(args) == 1 {
		if s, ok = p.elements(args[0]); !ok {
			return value{}
		}
	}
	var out int64
	for i := range s.n {
		v := value{}
		if len(args) == 1 {
			v = s.at(i)
		} else {
			v = args[i]
		}
		if v.kind != integer {
			return value{}
		}
		switch {
		case name == "sum":
			out += v.num
		case i == 0, name == "min" && v.num < out, name == "max" && v.num > out:
			out = v.num
		}
	}
	return value{kind: integer, num: out}
}

// translate is v.translate(table), or of bytes with some deleted.
func (p *peeler) translate(v value, args []value) value {
	table := args[0]
	if table.isText() && len(table.data) == 256 && v.kind == bytesText {
		if !p.u.spend(len(v.data)) {
			return value{}
		}
		out := make([]byte, len(v.data))
		for i, c := range v.data {
			out[i] = table.data[c]
		}
		return p.derive(v, v.kind, out, "translate")
	}
	if table.kind != dict || v.kind != text {
		return value{}
	}
	with := map[rune][]byte{}
	for i := 0; i+1 < len(table.extra.items); i += 2 {
		key, item := table.extra.items[i], table.extra.items[i+1]
		if key.kind != integer {
			return value{}
		}
		switch {
		case item.isText():
			with[rune(key.num)] = item.data
		case item.kind == integer:
			with[rune(key.num)] = appendChar(nil, int(item.num), false)
		case item.kind == none:
			with[rune(key.num)] = nil
		default:
			return value{}
		}
	}
	var out []byte
	for _, c := range string(v.data) {
		if s, ok := with[c]; ok {
			out = append(out, s...)
		} else {
			out = appendChar(out, int(c), false)
		}
		if len(out) > p.u.left() {
			return value{}
		}
	}
	if !p.u.spend(len(out)) {
		return value{}
	}
	return p.derive(v, v.kind, out, "translate")
}

// makeTable is str.maketrans or bytes.maketrans.
func (p *peeler) makeTable(name string, args []value) value {
	if len(args) == 1 && args[0].kind == dict {
		base := len(p.stack)
		for i, v := range args[0].extra.items {
			if i%2 == 0 && v.kind == text && v.length() == 1 {
				v = value{kind: integer, num: int64(v.chars()[0])}
			}
			p.push(v)
		}
		return p.popDict(base, args[0].start)
	}
	if len(args) < 2 || !args[0].isText() || !args[1].isText() {
		return value{}
	}
	from, to := args[0].chars(), args[1].chars()
	if len(from) != len(to) || len(from) > maxDict {
		return value{}
	}
	if args[0].kind == bytesText || name == "string.maketrans" {
		table := make([]byte, 256)
		for i := range table {
			table[i] = byte(i)
		}
		for i, c := range from {
			if c < 256 && to[i] < 256 {
				table[c] = byte(to[i])
			}
		}
		return value{kind: bytesText, data: table, named: true, extra: &extra{used: true}}
	}
	base := len(p.stack)
	for i, c := range from {
		p.push(value{kind: integer, num: int64(c)})
		p.push(value{kind: integer, num: int64(to[i])})
	}
	if len(args) > 2 && args[2].isText() {
		for _, c := range args[2].chars() {
			p.push(value{kind: integer, num: int64(c)})
			p.push(value{kind: none})
		}
	}
	return p.popDict(base, args[0].start)
}

// moreFunctions calls functions on values other than texts.
func (p *peeler) moreFunctions(name string, args []value) value {
	first := args[0]
	switch name {
	case "zip", "itertools.izip":
		return p.zip(args)
	case "enumerate":
		return p.enumerate(args)
	case "sum", "min", "max":
		return p.reduce(name, args)
	case "abs":
		if first.kind == integer {
			first.num, first.named, first.boolean = max(first.num, -first.num), false, false
			return first
		}
	case "bool":
		if truth, ok := first.truth(); ok {
			return truthValue(truth)
		}
	case "hex", "oct", "bin":
		return p.inBase(first, name)
	case "dict":
		if first.kind == dict {
			return first
		}
		return p.dictOf(first)
	case "vars":
		if first.kind == function {
			return first
		}
	case "isinstance":
		if len(args) == 2 && args[1].kind == function {
			return p.isInstance(first, symbolNames[args[1].num])
		}
	case "struct.pack":
		return p.pack(first, args[1:])
	case "int.from_bytes":
		return p.fromBytes(first, args[1:])
	case "str.join", "bytes.join", "str.replace", "str.encode", "bytes.decode", "str.translate", "str.split", "str.format",
		"str.strip", "str.lower", "str.upper":
		_, method, _ := strings.Cut(name, ".")
		return p.method(first, method, args[1:])
	case "str.maketrans", "bytes.maketrans", "string.maketrans", "bytearray.maketrans":
		return p.makeTable(name, args)
	case "ast.literal_eval", "json.loads":
		if first.isText() {
			return p.evaluateText(first)
		}
	case "hashlib.md5().digest", "hashlib.sha1().digest", "hashlib.sha256().digest", "hashlib.sha512().digest",
		"hashlib.md5().hexdigest", "hashlib.sha1().hexdigest", "hashlib.sha256().hexdigest", "hashlib.sha512().hexdigest":
		return p.digest(name, first)
	case "Crypto.Util.Padding.unpad", "Cryptodome.Util.Padding.unpad":
		if first.isText() {
			return p.substring(first, 0, len(unpad(first.data)), "")
		}
	case "operator.xor":
		if len(args) == 2 {
			return p.binaryOp("^", first, args[1])
		}
	case "shlex.quote", "pipes.quote": // a program that is quoted is one for a shell to start
		if first.isText() && looksLikeCode(first.data) {
			p.report(first, true)
		}
		return value{}
	default:
		if v := p.callMore(name, args); v.known() {
			return v
		}
		if k, ok := symbols[name+"()"]; ok && len(args) <= 8 {
			for _, arg := range args {
				p.use(arg)
			}
			return value{kind: object, num: int64(k), extra: &extra{items: append([]value(nil), args...)}}
		}
	}
	return value{}
}

// isInstance tells whether v is of a type, as far as that is known.
func (p *peeler) isInstance(v value, name string) value {
	switch {
	case !v.known():
		return value{}
	case name == "str":
		return truthValue(v.kind == text)
	case name == "bytes":
		return truthValue(v.kind == bytesText)
	case name == "int":
		return truthValue(v.kind == integer || v.kind == bigInt)
	case name == "list" || name == "tuple":
		if !v.isList() {
			return truthValue(false)
		}
	}
	return value{}
}

// dictOf is dict(pairs).
func (p *peeler) dictOf(pairs value) value {
	if pairs.kind != list || len(pairs.extra.items) > maxDict {
		return value{}
	}
	base := len(p.stack)
	for _, pair := range pairs.extra.items {
		s, ok := p.elements(pair)
		if !ok || s.n != 2 {
			p.stack = p.stack[:base]
			return value{}
		}
		p.pushAll(s)
	}
	return p.popDict(base, pairs.start)
}
