package normalize

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"kingsnake/normalize/peak"
)

// hostile is a script of about n bytes that aims at one bound.
type hostile struct {
	name string
	make func(n int) string
}

// fill repeats unit up to n bytes.
func fill(unit string, n int) string { return strings.Repeat(unit, n/len(unit)+1) }

// hostiles aim at the bounds, one each.
var hostiles = []hostile{
	{"only operators", func(n int) string { return fill(";", n) }},
	{"only open brackets", func(n int) string { return fill("(", n) }},
	{"brackets of all kinds", func(n int) string { return fill("[({", n) }},
	{"a long tuple without brackets", func(n int) string { return fill("1,", n) }},
	{"a long list of mixed values", func(n int) string { return "x=['a'," + fill("1,", n) + "]" }},
	{"lists in lists", func(n int) string { return fill("["+fill("1,a,", 4000), n) }},
	{"a long list of integers", func(n int) string { return "exec(''.join(map(chr,[" + fill("99,", n) + "])))" }},
	{"a comprehension over a long list", func(n int) string { return "x=[chr(c^1) for c in [" + fill("99,", n) + "]]" }},
	{"comprehensions in comprehensions", func(n int) string {
		return "r=range(16000)\n" + fill("x=[[[a for a in r] for b in r] for c in r]\n", n)
	}},
	{"a long sum", func(n int) string { return "x=" + fill("'a'+", n) + "'b'" }},
	{"a long sum of characters", func(n int) string { return "exec(" + fill("chr(97)+", n) + "'b')" }},
	{"a name that grows", func(n int) string { return "x='a'\n" + fill("x+='abc'\n", n) }},
	{"a name that doubles", func(n int) string { return "x='a'\n" + fill("x+=x\n", n) }},
	{"products of products", func(n int) string { return "x='a'*60000\n" + fill("y=x*60000\nz=x*9\n", n) }},
	{"one long text read again and again", func(n int) string {
		return "x='" + strings.Repeat("a", n/2) + "'\n" + fill("len(x)\nx[5]\nx.strip('b')\nx.count\n'é'+x[1:]\n", n/2)
	}},
	{"one long list read again and again", func(n int) string {
		return "x=[" + fill("'',", n/2) + "]\n" + fill("''.join(x)\nlist(map(len,x))\n", n/2)
	}},
	{"a function that calls itself", func(n int) string { return "def f(x): return f(x+x)+f(x)\n" + fill("f('a')\n", n) }},
	{"lambdas that call each other", func(n int) string { return fill("a=lambda x:a(a(x+'b'))\na('c')\n", n) }},
	{"many names", func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "n%d='a'+'b'\n", i)
		}
		return b.String()
	}},
	{"many names with many pieces", func(n int) string {
		var b strings.Builder
		unit := fill(`\x41b`, 400)
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "n%d='%s'+'b'\n", i, unit)
		}
		return b.String()
	}},
	{"many layers", func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "exec('import os; x = %d')\n", i)
		}
		return b.String()
	}},
	{"many guesses", func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "x = '%s'\n", base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "some text that is long enough, %d", i)))
		}
		return b.String()
	}},
	{"a decompression bomb", func(n int) string {
		return fill("import zlib\nexec(zlib.decompress(__import__('base64').b64decode('"+bomb()+"')))\n", n/16)
	}},
	{"layers in layers in layers", func(n int) string {
		x := "import os"
		for len(x) < n {
			x = fmt.Sprintf("exec(__import__('base64').b64decode('%s'))", base64.StdEncoding.EncodeToString([]byte(x)))
		}
		return x
	}},
	{"packed layers in layers", func(n int) string { return packed(200) }},
	{"loops without end", func(n int) string {
		return fill("s=''\nwhile 1:\n s+=chr(97)\n if s=='b': break\n", n)
	}},
	{"loops in loops", func(n int) string {
		return "r=range(16000)\ns=[]\n" + fill("for a in r:\n for b in r:\n  s.append(a^b)\n", n)
	}},
	{"a list that doubles", func(n int) string {
		return "x=[1,'a']\nfor i in range(99):\n x.extend(x); chr(1)\n" + fill("x+=x\n", n)
	}},
	{"lists in a list that is appended to", func(n int) string {
		return "x=[]\nfor i in range(16000):\n x.append([i,'a',x]); chr(1)\n" + fill("x.append([1,2,'a'])\n", n)
	}},
	{"a dictionary that grows", func(n int) string {
		return "d={}\nfor i in range(16000):\n d[i]=chr(i)*9\n" + fill("d={1:d,2:d}\n", n)
	}},
	{"tuples of tuples", func(n int) string {
		return "x=range(8000)\n" + fill("x=zip(x,x)\ny=enumerate(x)\nz={a:b for a,b in y}\n", n)
	}},
	{"functions that call functions", func(n int) string {
		return "def f(x):\n y=x+'a'\n for c in y:\n  f(chr(ord(c))+y)\n return f(y)+f(x)\n" + fill("f('b')\n", n)
	}},
	{"texts evaluated in texts", func(n int) string { return "x='eval(x+x)'\n" + fill("eval(x)\nexec('x+=x')\n", n) }},
	{"numbers of many digits", func(n int) string {
		return fill("x=0x"+strings.Repeat("f", 30000)+"\ny=hex(x)\nz=x.to_bytes(15000,'big')\n", n)
	}},
	{"blocks in blocks", func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "%sfor c in 'ab':\n", strings.Repeat(" ", i))
		}
		return b.String() + "chr(1)"
	}},
	{"classes in classes", func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "%sclass A:\n%s def f(self, a): exec(a)\n", strings.Repeat(" ", i), strings.Repeat(" ", i))
		}
		return b.String()
	}},
	{"methods that decode", func(n int) string {
		return fill("def f(self, a='b'):\n for c in a: self.x+=chr(ord(c)^1)\nq.f('abc')\n", n)
	}},
	{"f-strings that never close", func(n int) string { return fill("f'{", n) }},
	{"f-strings with comments that never close", func(n int) string { return fill("f'{#", n) }},
	{"f-strings in f-strings", func(n int) string { return fill("f'{f\"{", n) }},
	{"long escaped literals", func(n int) string { return "exec('" + fill(`\x41`, n) + "')" }},
	{"signs without end", func(n int) string { return fill("-", n) + "1" }},
	{"conditions without end", func(n int) string { return fill("a if b else ", n) }},
	{"powers without end", func(n int) string { return fill("2**", n) }},
	{"lambdas without end", func(n int) string { return fill("lambda:", n) }},
	{"slices of slices", func(n int) string {
		return "x='" + strings.Repeat("ab", n/4) + "'\ny=x" + fill("[1:]", n/2)
	}},
	{"replacements that grow", func(n int) string { return "x='aaaa'\n" + fill("x=x.replace('a','aaaaaaaa')\n", n) }},
	{"NUL bytes", func(n int) string { return fill("\x00a", n) }},
}

// packed is a script in compressed scripts, so deep.
func packed(depth int) string {
	x := "import os"
	for range depth {
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		if _, err := w.Write([]byte(x)); err != nil {
			panic(err)
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
		x = fmt.Sprintf("exec((_)(b'%s'))", base64.StdEncoding.EncodeToString(b.Bytes()))
	}
	return "_ = lambda __: __import__('zlib').decompress(__import__('base64').b64decode(__))\n" + x
}

// bomb is base64 of a text that compresses a thousandfold.
func bomb() string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write(bytes.Repeat([]byte("a=1\n"), 2<<20)); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// TestHostileScriptsNeedLittleMemory must not run beside other tests either.
func TestHostileScriptsNeedLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads forty scripts of 8 MiB")
	}
	const size = 8 << 20
	const bound = 48 << 20
	for _, h := range hostiles {
		src := []byte(h.make(size))
		src = src[:min(len(src), size)]
		if n := peak.Of(func() { Normalize(src) }); n > bound {
			t.Errorf("%s: %d bytes were in use, want at most %d", h.name, n, bound)
		} else {
			t.Logf("%s: %d bytes", h.name, n)
		}
	}
}

// TestHostileScriptsStayInBounds must not run beside other tests, since it
// reads how much memory is in use.
func TestHostileScriptsStayInBounds(t *testing.T) {
	const size = 1 << 18
	const bound = 64 << 20
	for _, h := range hostiles {
		t.Run(h.name, func(t *testing.T) {
			src := []byte(h.make(size))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			text := Normalize(src)
			runtime.GC()
			runtime.ReadMemStats(&after)
			held := int64(after.HeapAlloc) - int64(before.HeapAlloc)
			t.Logf("%d layers, %d bytes held, %d allocated, notes %q", len(text.Layers), held,
				after.TotalAlloc-before.TotalAlloc, text.Notes)
			if held > bound {
				t.Errorf("the layers hold %d bytes, want at most %d", held, bound)
			}
			checkText(t, src, text)
		})
	}
}

func TestBoundsAreNoted(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, hostile, want string }{
		{"too many layers", "many layers", "left further layers out"},
		{"too much output", "a decompression bomb", "cut the output of zlib"},
		{"too deep layers", "packed layers in layers", "left layers deeper than"},
		{"too deep expressions", "only open brackets", "passed by expressions"},
		{"too many steps", "comprehensions in comprehensions", "stopped evaluating"},
		{"too many tokens", "only operators", "unread"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, h := range hostiles {
				if h.name != test.hostile {
					continue
				}
				notes := strings.Join(Normalize([]byte(h.make(2<<20))).Notes, "\n")
				if !strings.Contains(notes, test.want) {
					t.Errorf("notes are %q, want one with %q", notes, test.want)
				}
			}
		})
	}
}
