package classify

import (
	"bytes"
	"os"
	"slices"
	"testing"
	"time"

	"kingsnake/classify/corpus"
	"kingsnake/normalize"
)

// ordinary is ordinary code of our own corpus, n bytes of it.
func ordinary(b *testing.B, n int) []byte {
	b.Helper()
	var all bytes.Buffer
	rows, err := corpus.Own()
	if err != nil {
		b.Fatal(err)
	}
	for all.Len() < n {
		for _, row := range rows {
			if !row.Malicious && row.Kind == "file" {
				all.WriteString(row.Text)
			}
		}
	}
	return all.Bytes()[:n]
}

// weighty makes a model in which everything counts, so that every script is
// malicious and has reasons.
func weighty(b testing.TB) *Model {
	b.Helper()
	tables := NewTables[int8]()
	for i := range tables.CoreMark {
		tables.CoreMark[i] = 0.1
	}
	for i := range tables.Core {
		tables.Core[i] = 1
	}
	tables.CoreUnit = 0.001
	m, err := New(tables, Calibration{Slope: 1}, Thresholds{Suspicious: 0.1, Malicious: 0.2})
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// BenchmarkJudge measures a verdict and its stages: without and with
// normalizing, the features, the score and, for one script in a thousand, the
// reasons. The budget of a verdict without reasons, normalizing included, is
// 300 µs at 4 KiB and 10 ms at 256 KiB.
func BenchmarkJudge(b *testing.B) {
	m, err := New(NewTables[int8](), Calibration{Slope: 1}, Thresholds{Suspicious: 0.9, Malicious: 0.99})
	if err != nil {
		b.Fatal(err)
	}
	reasoner := weighty(b)
	for _, size := range []struct {
		name  string
		bytes int
	}{{"4KiB", 4 << 10}, {"256KiB", 256 << 10}} {
		src := ordinary(b, size.bytes)
		text := normalize.Normalize(src)
		features := Extract(text)
		stages := []struct {
			name string
			run  func()
		}{
			{"", func() { m.Judge(text) }},
			{" with normalizing", func() { m.Judge(normalize.Normalize(src)) }},
			{" features", func() { extract(text).release() }},
			{" score", func() { m.Logit(features) }},
			{" with reasons", func() { reasoner.Judge(text) }},
		}
		for _, stage := range stages {
			b.Run(size.name+stage.name, func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				b.ReportAllocs()
				for b.Loop() {
					stage.run()
				}
			})
		}
	}
}

// BenchmarkCorpus judges the labeled corpus on one core, every fiftieth script
// of it, reasons included: its rate, the median of scripts of about 4 KiB, and
// the 99th percentile of scripts of about 256 KiB, of which it takes all.
// The budgets are 20 MB/s, 300 µs and 10 ms.
func BenchmarkCorpus(b *testing.B) {
	dir := os.Getenv("KINGSNAKE_CORPUS")
	if dir == "" {
		b.Skip("reads a corpus that is no part of the repository: KINGSNAKE_CORPUS=DIR go test ./classify -run '^$' -bench Corpus -cpu 1")
	}
	const small, large = 4 << 10, 256 << 10
	m := weighty(b)
	m.thresholds = Thresholds{Suspicious: 2, Malicious: 2} // reasons are measured above
	var scripts [][]byte
	n := 0
	err := corpus.Read(b.Context(), dir, func(row corpus.Row) error {
		if n++; n%50 == 0 || len(row.Text) > large*9/10 {
			scripts = append(scripts, []byte(row.Text))
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	total := 0
	for _, src := range scripts {
		total += len(src)
	}
	b.SetBytes(int64(total))
	var smalls, larges []time.Duration
	for b.Loop() {
		for _, src := range scripts {
			began := time.Now()
			m.Judge(normalize.Normalize(src))
			switch took := time.Since(began); {
			case len(src) > small*9/10 && len(src) < small*11/10:
				smalls = append(smalls, took)
			case len(src) > large*9/10:
				larges = append(larges, took)
			}
		}
	}
	b.ReportMetric(quantile(smalls, 0.5), "µs/4KiB")
	b.ReportMetric(quantile(larges, 0.99), "µs/256KiB-p99")
	b.ReportMetric(quantile(larges, 0.5), "µs/256KiB")
}

// quantile is the q-th quantile of durations, in microseconds.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return float64(all[min(int(q*float64(len(all))), len(all)-1)].Nanoseconds()) / 1e3
}
