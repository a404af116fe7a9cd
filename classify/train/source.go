package train

import (
	"context"

	"kingsnake/classify/corpus"
)

// OwnCorpus is the name that stands for the repository's own corpus alone, with
// which everything can be tried in seconds.
const OwnCorpus = "own"

// Corpus is the source of everything that a model learns from: the big corpus
// in dir, then the repository's own, then the made variations. Of OwnCorpus
// alone, every row may be judged as well.
func Corpus(dir string) Source {
	if dir == OwnCorpus {
		return ownOnly
	}
	return func(ctx context.Context, yield func(corpus.Row) error) error {
		if err := corpus.Read(ctx, dir, yield); err != nil {
			return err
		}
		rows, err := corpus.Own()
		if err != nil {
			return err
		}
		for _, row := range append(rows, corpus.Made()...) {
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	}
}

// Forms of what it is given that a model is trained on besides: enough to know
// a deed under another coat, too few to crowd out what is real.
const (
	maliciousForms = 1   // of each malicious script
	benignForms    = 800 // one of each of as many benign scripts
)

// Training is Corpus with rewritten forms of its rows: what the embedded model
// learns from.
func Training(dir string) Source { return Augmented(Corpus(dir), maliciousForms, benignForms, 1) }

func ownOnly(ctx context.Context, yield func(corpus.Row) error) error {
	rows, err := judgedOwn()
	if err != nil {
		return err
	}
	return Rows(rows)(ctx, yield)
}

// judgedOwn is the repository's own corpus, of which every row may be judged.
func judgedOwn() ([]corpus.Row, error) {
	rows, err := corpus.Own()
	for i := range rows {
		rows[i].Set = "train"
	}
	return rows, err
}

// Rows is the source of rows that are at hand.
func Rows(rows []corpus.Row) Source {
	return func(_ context.Context, yield func(corpus.Row) error) error {
		for _, row := range rows {
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	}
}

// Anchor returns the rows that keep a base model in place while it is adapted:
// the repository's own corpus, of which every row may be judged as well, and
// the made variations.
func Anchor() ([]corpus.Row, error) {
	rows, err := judgedOwn()
	return append(rows, corpus.Made()...), err
}
