package augment

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/ascii85"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"
)

// wrap puts the whole script behind exec.
func wrap(s *script, j *job) []byte {
	if len(s.lines) == 0 || len(s.text) > maxText/2 {
		return nil
	}
	code := loader(j, s.text, j.names(s))
	j.global = strings.HasSuffix(code, globals)
	return []byte(code)
}

// wrapPart puts some statements of the outermost level behind exec, where they
// stand.
func wrapPart(s *script, j *job) []byte {
	chunks := s.chunks()
	if len(chunks) < 2 {
		return nil
	}
	from := j.IntN(len(chunks))
	to := min(from+1+j.IntN(4), len(chunks))
	for _, i := range chunks[from:to] {
		if s.future(s.lines[i]) {
			return nil
		}
	}
	start, end := s.lines[chunks[from]].begin, len(s.text)
	if to < len(chunks) {
		end = s.lines[chunks[to]].begin
	}
	if end-start < 24 || end-start > maxJoined {
		return nil
	}
	code := loader(j, s.text[start:end], j.names(s))
	return slices.Concat(s.text[:start], []byte(code), s.text[end:])
}

// coding hides bytes, and says how to find them again: X stands for what it
// made.
type coding struct {
	encode func([]byte) []byte
	decode string // of X, gives what was encoded
	module string // that decode needs
	large  bool   // not for little texts
}

var codings = []coding{
	{plainBase64, "base64.b64decode(X)", "base64", false},
	{plainBase64, "base64.b64decode(X)", "base64", false},
	{plainBase64, "base64.decodebytes(X)", "base64", false},
	{plainBase64, "binascii.a2b_base64(X)", "binascii", false},
	{func(b []byte) []byte { return []byte(base64.URLEncoding.EncodeToString(b)) }, "base64.urlsafe_b64decode(X)", "base64", false},
	{func(b []byte) []byte { return []byte(base32.StdEncoding.EncodeToString(b)) }, "base64.b32decode(X)", "base64", false},
	{func(b []byte) []byte { return []byte(strings.ToUpper(hex.EncodeToString(b))) }, "base64.b16decode(X)", "base64", false},
	{plainHex, "binascii.unhexlify(X)", "binascii", false},
	{plainHex, "bytes.fromhex(X.decode())", "", false},
	{plainHex, "codecs.decode(X, 'hex')", "codecs", false},
	{func(b []byte) []byte {
		out := make([]byte, ascii85.MaxEncodedLen(len(b)))
		return out[:ascii85.Encode(out, b)]
	}, "base64.a85decode(X)", "base64", true},
}

func plainBase64(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) }

func plainHex(b []byte) []byte { return []byte(hex.EncodeToString(b)) }

var packings = []coding{
	{zlibbed, "zlib.decompress(X)", "zlib", true},
	{zlibbed, "zlib.decompressobj().decompress(X)", "zlib", true},
	{func(b []byte) []byte {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, _ = w.Write(b) // a buffer does not fail
		_ = w.Close()
		return z.Bytes()
	}, "gzip.decompress(X)", "gzip", true},
	{backwards, "X[::-1]", "", false},
}

func zlibbed(b []byte) []byte {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, _ = w.Write(b) // a buffer does not fail
	_ = w.Close()
	return z.Bytes()
}

func backwards(b []byte) []byte {
	b = slices.Clone(b)
	slices.Reverse(b)
	return b
}

// hole stands in an expression for what it decodes; no name has it.
const hole = "\x00"

// loader writes code that runs code: hidden by a packing, a coding and a
// reversal, each or none of them.
func loader(j *job, code []byte, n *namer) string {
	value := hole
	var modules []string
	hidden := code
	use := func(c coding) {
		hidden = c.encode(hidden)
		value = strings.ReplaceAll(value, hole, strings.ReplaceAll(c.decode, "X", hole))
		if c.module != "" && !slices.Contains(modules, c.module) {
			modules = append(modules, c.module)
		}
	}
	if utf8.Valid(code) && len(code) < 8<<10 && j.chance(6) {
		return plainLoader(j, code, n)
	}
	if len(code) > 16<<10 || j.chance(2) {
		use(pick(j, packings...))
	}
	use(pick(j, codings...))
	if j.chance(4) {
		use(packings[len(packings)-1])
	}
	var b strings.Builder
	value = importing(j, &b, n, modules, value)
	data := stored(j, &b, n, hidden)
	value = strings.ReplaceAll(value, hole, data)
	run(j, &b, n, value)
	return b.String()
}

// importing writes the imports of a loader, and puts into its expression how
// the modules are then called.
func importing(j *job, b *strings.Builder, n *namer, modules []string, value string) string {
	way := j.IntN(4)
	for _, m := range modules {
		called := m
		switch way {
		case 0:
			called = "__import__('" + m + "')"
		case 1:
			called = n.next()
			b.WriteString("import " + m + " as " + called + "\n")
		case 2:
			at := strings.Index(value, m+".") + len(m) + 1
			function := value[at : at+strings.IndexByte(value[at:], '(')]
			called = n.next()
			b.WriteString("from " + m + " import " + function + " as " + called + "\n")
			value = strings.ReplaceAll(value, m+"."+function, called)
			continue
		default:
			b.WriteString("import " + m + "\n")
		}
		value = strings.ReplaceAll(value, m+".", called+".")
	}
	return value
}

// stored writes hidden bytes, all printable, down, and returns the expression
// that gives them.
func stored(j *job, b *strings.Builder, n *namer, hidden []byte) string {
	switch j.IntN(4) {
	case 0:
		return quoteBytes(hidden)
	case 1: // in lines
		name := n.next()
		b.WriteString(name + " = (\n")
		for part := range slices.Chunk(hidden, 60+j.IntN(60)) {
			b.WriteString("    " + quoteBytes(part) + "\n")
		}
		b.WriteString(")\n")
		return name
	case 2: // in pieces
		name := n.next()
		b.WriteString(name + " = []\n")
		for part := range slices.Chunk(hidden, max(len(hidden)/(1+j.IntN(6))+1, 16)) {
			b.WriteString(name + ".append(" + quoteBytes(part) + ")\n")
		}
		return "b''.join(" + name + ")"
	}
	name := n.next()
	b.WriteString(name + " = " + quoteBytes(hidden) + "\n")
	return name
}

// globals ends a call of exec that does the same in any function.
const globals = ", globals())\n"

// run writes the statement that executes the value of an expression.
func run(j *job, b *strings.Builder, n *namer, value string) {
	if j.chance(3) {
		name := n.next()
		b.WriteString(name + " = " + value + "\n")
		value = name
	}
	switch j.IntN(8) {
	case 0:
		b.WriteString("exec(compile(" + value + ", '<" + vocable(j) + ">', 'exec'))\n")
	case 1:
		b.WriteString("eval(compile(" + value + ", '', 'exec'))\n")
	case 2:
		b.WriteString("exec(" + value + ".decode('utf-8'))\n")
	case 3:
		b.WriteString("exec(str(" + value + ", 'utf8')" + globals)
	case 4:
		b.WriteString("exec(" + value + globals)
	default:
		b.WriteString("exec(" + value + ")\n")
	}
}

// plainLoader runs code that stands there as a text, forwards or backwards.
func plainLoader(j *job, code []byte, n *namer) string {
	text := []rune(string(code))
	value := ""
	switch j.IntN(3) {
	case 0:
		value = quote(j, string(text))
	case 1:
		value = hideReversed(j, text)
	default:
		value = hideJoin(j, text)
	}
	if j.chance(2) {
		name := n.next()
		return name + " = " + value + "\nexec(" + name + ")\n"
	}
	return "exec(" + value + ")\n"
}
