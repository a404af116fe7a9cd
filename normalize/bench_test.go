package normalize

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/maphash"
	"strings"
	"testing"
)

// sample is ordinary code of about n bytes, with a little of everything.
func sample(n int) []byte {
	const unit = `# A comment of an ordinary length about what comes next.
import os, sys
from collections import OrderedDict as od

class Thing(object):
    """What the thing is for, in a sentence or two."""

    def __init__(self, name, size=0x10, *args, **kwargs):
        self.name = name or 'thing-%d' % (size,)
        self.parts = [p.strip() for p in name.split(",") if p != ""]

    def total(self, rate=1.5e-3):
        return sum(len(p) * rate for p in self.parts) + self.size ** 2

    def show(self):
        print(f"{self.name!r:>{self.size}} has {len(self.parts)} parts")
        return os.path.join(sys.prefix, "share", self.name + ".txt")

`
	return bytes.Repeat([]byte(unit), n/len(unit)+1)[:n]
}

// kinds are scripts of about n bytes that keep different parts busy.
var kinds = []struct {
	name string
	make func(n int) []byte
}{
	{"code", sample},
	{"tables", func(n int) []byte { // names with texts and numbers, as in data files
		return []byte(fillWith(n, func(b *strings.Builder, k int) {
			fmt.Fprintf(b, "TABLE_%d = {'name': 'entry %d', \"size\": %d, 'parts': [1, 2, 0x%x, 4.5], 'path': '/usr/share/%d'}\n", k, k, k*7, k, k)
		}))
	}},
	{"hidden", func(n int) []byte { // layers, and a loop that makes one
		inner := "import os\nprint(os.name)\n" + fill("x = [i for i in range(3)]\n", n/4)
		coded := base64.StdEncoding.EncodeToString([]byte(inner))
		return []byte("import base64\nexec(base64.b64decode('" + coded + "'))\nkey = 7\ns = ''\nfor c in [" +
			fill("104, 110, 99, ", n/4) + "]:\n    s += chr(c ^ key)\nexec(s)\n" + string(sample(n/4)))
	}},
}

// fillWith writes until there are n bytes.
func fillWith(n int, write func(b *strings.Builder, k int)) string {
	var b strings.Builder
	for k := 0; b.Len() < n; k++ {
		write(&b, k)
	}
	return b.String()
}

func BenchmarkLex(b *testing.B) { benchmark(b, func(src []byte) { Lex(src) }) }

func BenchmarkNormalize(b *testing.B) { benchmark(b, func(src []byte) { Normalize(src) }) }

// BenchmarkEvaluate measures the evaluator on the script alone, lexed before:
// what Normalize does besides is lexing, and the same for the layers found.
func BenchmarkEvaluate(b *testing.B) {
	benchmarkOf(b, func(src []byte) func() {
		tokens := Lex(src)
		return func() {
			u := unpacker{seed: maphash.MakeSeed(), seen: map[uint64][]int{}}
			u.add(Layer{Transform: "original", Text: src, Parent: -1, Tokens: tokens})
			u.peel(0)
		}
	})
}

// benchmark runs f over scripts of two sizes and of all kinds.
func benchmark(b *testing.B, f func(src []byte)) {
	benchmarkOf(b, func(src []byte) func() { return func() { f(src) } })
}

// benchmarkOf runs what prepare makes of scripts of two sizes and of all kinds.
func benchmarkOf(b *testing.B, prepare func(src []byte) func()) {
	for _, size := range []struct {
		name string
		n    int
	}{{"4KiB", 4 << 10}, {"256KiB", 256 << 10}} {
		for _, kind := range kinds {
			b.Run(size.name+"/"+kind.name, func(b *testing.B) {
				src := kind.make(size.n)
				f := prepare(src)
				b.SetBytes(int64(len(src)))
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
			})
		}
	}
}

// BenchmarkHostile shows the worst that a script can cost.
func BenchmarkHostile(b *testing.B) {
	for _, h := range hostiles {
		b.Run(h.name, func(b *testing.B) {
			src := []byte(h.make(1 << 20))
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				Normalize(src)
			}
		})
	}
}
