package evade

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf8"
)

// encoding writes a program that decodes src and passes it on: statements to
// stand first, each with its line end, and the expression that gives src back.
type encoding struct {
	name, says string
	limit      int // longest input
	encode     func(src []byte, py2 bool, r *rand.Rand) (before, expr string, ok bool)
}

func encodings() []Transform {
	var all []Transform
	for _, c := range encoders {
		all = append(all, Transform{Name: "encode: " + c.name, Says: c.says, Apply: func(src []byte, r *rand.Rand) ([]byte, bool) {
			if s, ok := read(src); ok {
				return c.wrap(src, s.py2, r)
			}
			return nil, false
		}})
	}
	nested := Transform{Name: "encode: nested", Says: "three to eight encodings, one in the other", Apply: func(src []byte, r *rand.Rand) ([]byte, bool) {
		s, ok := read(src)
		if !ok {
			return nil, false
		}
		layers := 3 + r.IntN(6)
		for done := 0; done < layers; {
			// The compressing ones keep a deep nest from growing out of bounds.
			out, ok := encoders[r.IntN(len(encoders))].wrap(src, s.py2, r)
			if !ok || len(out) > maxSource {
				out, ok = byName("zlib and base64").wrap(src, s.py2, r)
			}
			if !ok {
				return nil, false
			}
			src = out
			done++
		}
		return src, true
	}}
	return append(all, nested)
}

func byName(name string) *encoding {
	return &encoders[slices.IndexFunc(encoders, func(e encoding) bool { return e.name == name })]
}

// wrap writes the program whole.
func (c *encoding) wrap(src []byte, py2 bool, r *rand.Rand) ([]byte, bool) {
	if len(src) > c.limit {
		return nil, false
	}
	before, expr, ok := c.encode(src, py2, r)
	if !ok {
		return nil, false
	}
	v := variable(r)
	switch r.IntN(4) {
	case 0:
		return []byte(before + "exec(" + expr + ")\n"), true
	case 1:
		return []byte(before + v + " = " + expr + "\nexec(" + v + ")\n"), true
	case 2:
		return []byte(before + "exec(compile(" + expr + ", '<string>', 'exec'))\n"), true
	}
	return []byte(before + v + " = " + expr + "\neval(compile(" + v + ", " + quote(variable(r), false) + ", 'exec'))\n"), true
}

// variable is a name that no script has.
func variable(r *rand.Rand) string {
	return pick(r, "data", "blob", "chunk", "stage", "magic", "love", "trust", "buf") + "_" + fmt.Sprintf("%03x", r.IntN(1<<12))
}

// decoded calls a function of a module on a literal, reached in one of several
// ways.
func decoded(r *rand.Rand, module, function, literal string) (before, expr string) {
	v := variable(r)
	switch r.IntN(4) {
	case 0:
		return "import " + module + "\n", module + "." + function + "(" + literal + ")"
	case 1:
		return "from " + module + " import " + function + "\n" + v + " = " + literal + "\n", function + "(" + v + ")"
	case 2:
		return "import " + module + " as " + v + "\n", v + "." + function + "(" + literal + ")"
	}
	return "", "__import__('" + module + "')." + function + "(" + literal + ")"
}

// compressed is an encoding that compresses and writes the result as base64 or
// as it is.
func compressed(name, module string, compress func([]byte) []byte) encoding {
	return encoding{name, "compressed by " + module, 128 << 10, func(src []byte, _ bool, r *rand.Rand) (string, string, bool) {
		packed := compress(src)
		first, inner := decoded(r, "base64", "b64decode", quoteBytes([]byte(base64.StdEncoding.EncodeToString(packed))))
		if r.IntN(4) == 0 {
			first, inner = "", quoteBytes(packed)
		}
		second, expr := decoded(r, module, "decompress", inner)
		return first + second, expr, true
	}}
}

var encoders = []encoding{
	{"base16", "hexadecimal digits", maxSource, func(src []byte, py2 bool, r *rand.Rand) (string, string, bool) {
		digits := hex.EncodeToString(src)
		switch r.IntN(4) {
		case 0:
			before, expr := decoded(r, "base64", "b16decode", quoteBytes([]byte(strings.ToUpper(digits))))
			return before, expr, true
		case 1:
			before, expr := decoded(r, "binascii", "unhexlify", quoteBytes([]byte(digits)))
			return before, expr, true
		case 2:
			return "import codecs\n", "codecs.decode(" + quoteBytes([]byte(digits)) + ", 'hex')", true
		}
		if py2 {
			return "", "'" + digits + "'.decode('hex')", true
		}
		return "", "bytes.fromhex('" + digits + "')", true
	}},
	{"base32", "base32", maxSource, func(src []byte, _ bool, r *rand.Rand) (string, string, bool) {
		before, expr := decoded(r, "base64", "b32decode", quoteBytes([]byte(base32.StdEncoding.EncodeToString(src))))
		return before, expr, true
	}},
	{"base64", "base64 by one of several functions", maxSource, func(src []byte, _ bool, r *rand.Rand) (string, string, bool) {
		text := base64.StdEncoding.EncodeToString(src)
		function := pick(r, "b64decode", "urlsafe_b64decode", "standard_b64decode")
		if function == "urlsafe_b64decode" {
			text = base64.URLEncoding.EncodeToString(src)
		}
		literal := quoteBytes([]byte(text))
		switch r.IntN(4) {
		case 0:
			return "import codecs\n", "codecs.decode(" + literal + ", 'base64')", text == base64.StdEncoding.EncodeToString(src)
		case 1:
			if function != "urlsafe_b64decode" {
				before, expr := decoded(r, "binascii", "a2b_base64", literal)
				return before, expr, true
			}
		case 2: // in several pieces
			v := variable(r)
			var before strings.Builder
			fmt.Fprintf(&before, "import base64\n%s = b''\n", v)
			for at := 0; at < len(text); at += 160 {
				fmt.Fprintf(&before, "%s += %s\n", v, quoteBytes([]byte(text[at:min(at+160, len(text))])))
			}
			return before.String(), "base64." + function + "(" + v + ")", true
		}
		before, expr := decoded(r, "base64", function, literal)
		return before, expr, true
	}},
	{"base85", "base85 in the alphabet of Python or of Adobe", maxSource, func(src []byte, py2 bool, r *rand.Rand) (string, string, bool) {
		if py2 {
			return "", "", false
		}
		function := pick(r, "b85decode", "a85decode")
		before, expr := decoded(r, "base64", function, quoteBytes(base85(src, function == "a85decode")))
		return before, expr, true
	}},
	compressed("zlib and base64", "zlib", zlibOf),
	compressed("lzma", "lzma", xzOf),
	compressed("bz2", "bz2", bzip2Of),
	compressed("gzip", "gzip", gzipOf),
	{"rot13", "letters moved by thirteen", maxSource, func(src []byte, py2 bool, r *rand.Rand) (string, string, bool) {
		if !utf8.Valid(src) || py2 && !ascii(src) {
			return "", "", false
		}
		turned := bytes.Map(func(c rune) rune {
			switch {
			case c >= 'a' && c <= 'z':
				return 'a' + (c-'a'+13)%26
			case c >= 'A' && c <= 'Z':
				return 'A' + (c-'A'+13)%26
			}
			return c
		}, src)
		literal := quote(string(turned), py2)
		if r.IntN(3) == 0 && !py2 {
			v := variable(r)
			return v + " = str.maketrans('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', 'NOPQRSTUVWXYZABCDEFGHIJKLMnopqrstuvwxyzabcdefghijklm')\n", literal + ".translate(" + v + ")", true
		}
		return "import codecs\n", "codecs.decode(" + literal + ", " + pick(r, "'rot13'", "'rot_13'") + ")", true
	}},
	{"xor", "bytes combined with a key in a loop or a comprehension", 64 << 10, func(src []byte, py2 bool, r *rand.Rand) (string, string, bool) {
		key := make([]byte, pick(r, 1, 1, 4, 9))
		for i := range key {
			key[i] = byte(1 + r.IntN(255))
		}
		mixed := make([]byte, len(src))
		for i, c := range src {
			mixed[i] = c ^ key[i%len(key)]
		}
		data := "bytearray(" + quoteBytes(mixed) + ")"
		switch r.IntN(3) {
		case 0:
			data = "[" + numbers(mixed, 0) + "]"
		case 1:
			data = "bytearray(__import__('base64').b64decode('" + base64.StdEncoding.EncodeToString(mixed) + "'))"
		}
		v, k, o := variable(r), variable(r)+"k", variable(r)+"o"
		before := v + " = " + data + "\n"
		term := "c ^ " + fmt.Sprint(key[0])
		if len(key) > 1 {
			before += k + " = bytearray(" + quoteBytes(key) + ")\n"
			term = "c ^ " + k + "[i % len(" + k + ")]"
		}
		switch r.IntN(3) {
		case 0:
			return before, "bytes(bytearray([" + term + " for i, c in enumerate(" + v + ")]))", true
		case 1:
			return before + o + " = bytearray()\nfor i, c in enumerate(" + v + "):\n    " + o + ".append(" + term + ")\n", "bytes(" + o + ")", true
		}
		return before + o + " = ''\nfor i in range(len(" + v + ")):\n    c = " + v + "[i]\n    " + o + " += chr(" + term + ")\n", o, ascii(src)
	}},
	{"character codes", "a list of numbers", 64 << 10, func(src []byte, py2 bool, r *rand.Rand) (string, string, bool) {
		plus := pick(r, 0, 0, 3, 17)
		if py2 || !utf8.Valid(src) || r.IntN(3) == 0 {
			if plus == 0 {
				return "", "bytes(bytearray([" + numbers(src, 0) + "]))", true
			}
			return "", fmt.Sprintf("bytes(bytearray([c - %d for c in [%s]]))", plus, numbers(src, plus)), true
		}
		codes := numbers([]rune(string(src)), plus)
		switch {
		case plus > 0:
			return "", fmt.Sprintf("''.join(chr(c - %d) for c in [%s])", plus, codes), true
		case r.IntN(3) == 0:
			return "", "''.join(map(chr, [" + codes + "]))", true
		case r.IntN(2) == 0 && len(src) < 800:
			return "", "chr(" + strings.ReplaceAll(codes, ", ", ")+chr(") + ")", true
		}
		return "", "''.join([chr(c) for c in (" + codes + ",)])", true
	}},
	{"reversed", "written backwards", maxSource, func(src []byte, py2 bool, r *rand.Rand) (string, string, bool) {
		if !py2 && utf8.Valid(src) {
			runes := []rune(string(src))
			slices.Reverse(runes)
			if r.IntN(2) == 0 {
				return "", "''.join(reversed(" + quote(string(runes), false) + "))", true
			}
			return "", quote(string(runes), false) + "[::-1]", true
		}
		turned := bytes.Clone(src)
		slices.Reverse(turned)
		return "", quoteBytes(turned) + "[::-1]", true
	}},
	{"reversed base64", "base64 written backwards, compressed below", maxSource, func(src []byte, _ bool, r *rand.Rand) (string, string, bool) {
		text := []byte(base64.StdEncoding.EncodeToString(zlibOf(src)))
		slices.Reverse(text)
		v := variable(r)
		if r.IntN(2) == 0 {
			return v + " = lambda t: __import__('zlib').decompress(__import__('base64').b64decode(t[::-1]))\n", v + "(" + quoteBytes(text) + ")", true
		}
		return "import base64, zlib\ndef " + v + "(t):\n    t = t[::-1]\n    raw = base64.b64decode(t)\n    return zlib.decompress(raw)\n", v + "(" + quoteBytes(text) + ")", true
	}},
}

func ascii(b []byte) bool { return bytes.IndexFunc(b, func(c rune) bool { return c >= 0x80 }) < 0 }

const alphabet85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"

// base85 writes what Python's b85decode reads, or its a85decode.
func base85(src []byte, adobe bool) []byte {
	var out []byte
	for len(src) > 0 {
		var group [4]byte
		n := copy(group[:], src)
		src = src[n:]
		value := binary.BigEndian.Uint32(group[:])
		if adobe && value == 0 && n == 4 {
			out = append(out, 'z')
			continue
		}
		var digits [5]byte
		for i := 4; i >= 0; i-- {
			if digits[i] = byte(value%85) + '!'; !adobe {
				digits[i] = alphabet85[value%85]
			}
			value /= 85
		}
		out = append(out, digits[:n+1]...)
	}
	return out
}
