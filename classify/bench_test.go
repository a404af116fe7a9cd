package classify

import (
	"bytes"
	"testing"

	"kingsnake/classify/corpus"
	"kingsnake/normalize"
)

// BenchmarkJudge measures a verdict from normalized text, without reasons. The
// budget at 4 KiB is 300 µs, normalizing included; at 256 KiB it is 10 ms.
func BenchmarkJudge(b *testing.B) {
	var all bytes.Buffer
	rows, err := corpus.Own()
	if err != nil {
		b.Fatal(err)
	}
	for all.Len() < 256<<10 {
		for _, row := range rows {
			if !row.Malicious && row.Kind == "file" {
				all.WriteString(row.Text)
			}
		}
	}
	m, err := New(NewTables[int8](), Calibration{Slope: 1}, Thresholds{Suspicious: 0.9, Malicious: 0.99})
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []struct {
		name  string
		bytes int
	}{{"4KiB", 4 << 10}, {"256KiB", 256 << 10}} {
		src := all.Bytes()[:size.bytes]
		b.Run(size.name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			text := normalize.Normalize(src)
			for b.Loop() {
				m.Judge(text)
			}
		})
		b.Run(size.name+" with normalizing", func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				m.Judge(normalize.Normalize(src))
			}
		})
	}
}
