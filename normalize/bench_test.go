package normalize

import (
	"bytes"
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

func BenchmarkLex(b *testing.B) { benchmark(b, func(src []byte) { Lex(src) }) }

func BenchmarkNormalize(b *testing.B) { benchmark(b, func(src []byte) { Normalize(src) }) }

// benchmark runs f over ordinary code of two sizes.
func benchmark(b *testing.B, f func(src []byte)) {
	for _, size := range []struct {
		name string
		n    int
	}{{"4KiB", 4 << 10}, {"256KiB", 256 << 10}} {
		b.Run(size.name, func(b *testing.B) {
			src := sample(size.n)
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				f(src)
			}
		})
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
