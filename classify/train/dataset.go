// Package train turns labeled scripts into a model.
//
// [Build] reads rows into a [Dataset] of features, [Fit] learns the tables of
// a model from some of its examples, and [Calibrate] and [Pack] make a
// [classify.Model] of them. Everything is deterministic: the same corpus and
// [Settings] give the same bits, on any number of cores.
//
// Measuring how good a model is, is the work of kingsnake/classify/eval.
package train

import (
	"context"
	"runtime"
	"sync"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
	"kingsnake/normalize"
)

// Example is one labeled script, without its text.
type Example struct {
	corpus.Row // with an empty Text
	Features   *classify.Features
	Plain      []uint32 // features of the plain token model; nil unless asked for
	Known      bool     // an index of known files has the text
	Bytes      int      // length of the text
	Layers     int
}

// Dataset is examples in the order of the corpus. It is not changed once built.
type Dataset struct {
	Examples []Example
	Bytes    int64 // of text read
}

// Source calls yield for each row of a corpus, in a fixed order.
type Source func(ctx context.Context, yield func(corpus.Row) error) error

// Options say what Build reads besides the features of the model.
type Options struct {
	// Plain, if not nil, gives the features of another model, to compare with.
	Plain func(text normalize.Text) []uint32
	// Known, if not nil, reports whether an index of known files has a text.
	Known func(text normalize.Text) bool
	// Progress, if not nil, is called now and then with the rows read so far.
	Progress func(rows int)
}

// job is a row on its way to being an example.
type job struct {
	index int
	row   corpus.Row
}

// Build extracts the features of every row that source gives. Texts are
// dropped once read.
func Build(ctx context.Context, source Source, o Options) (*Dataset, error) {
	jobs := make(chan job, 64)
	var (
		workers sync.WaitGroup
		mu      sync.Mutex
		d       Dataset
	)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for j := range jobs {
				e := NewExample(j.row, o)
				mu.Lock()
				for len(d.Examples) <= j.index {
					d.Examples = append(d.Examples, Example{})
				}
				d.Examples[j.index] = e
				d.Bytes += int64(e.Bytes)
				mu.Unlock()
			}
		})
	}
	rows := 0
	err := source(ctx, func(row corpus.Row) error {
		select {
		case jobs <- job{rows, row}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if rows++; o.Progress != nil && rows%5000 == 0 {
			o.Progress(rows)
		}
		return nil
	})
	close(jobs)
	workers.Wait()
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// NewExample reads the features of one row, as Build does.
func NewExample(row corpus.Row, o Options) Example {
	text := normalize.Normalize([]byte(row.Text))
	e := Example{Row: row, Features: classify.Extract(text), Bytes: len(row.Text), Layers: len(text.Layers)}
	if o.Plain != nil {
		e.Plain = o.Plain(text)
	}
	if o.Known != nil {
		e.Known = o.Known(text)
	}
	e.Text = ""
	return e
}
