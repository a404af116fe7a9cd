package known

import (
	"bytes"
	"strings"
	"testing"

	"kingsnake/normalize"
)

// BenchmarkFind measures the look-up of a script that is not known: its bytes,
// its code and its definitions. Only scripts that the model does not call
// benign are looked up.
func BenchmarkFind(b *testing.B) {
	ix, err := Default()
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []struct {
		name  string
		bytes int
	}{{"4KiB", 4 << 10}, {"256KiB", 256 << 10}} {
		src := []byte(strings.Repeat(library, size.bytes/len(library)+1)[:size.bytes])
		src = src[:bytes.LastIndexByte(src, '\n')+1]
		text := normalize.Text{Layers: []normalize.Layer{{Text: src, Tokens: normalize.Lex(src)}}}
		j := NewJudge(model{"socket"}, ix)
		b.Run(size.name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				s := newScript(text)
				if _, ok := find(j.indexes, s); ok {
					b.Fatal("it is known")
				}
				j.parts(text, s)
			}
		})
	}
}

// BenchmarkLoad measures reading the embedded index, which is done once.
func BenchmarkLoad(b *testing.B) {
	b.SetBytes(int64(len(debian)))
	for b.Loop() {
		if _, err := parse([]byte(debian)); err != nil {
			b.Fatal(err)
		}
	}
}
