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

func ownOnly(_ context.Context, yield func(corpus.Row) error) error {
	rows, err := corpus.Own()
	if err != nil {
		return err
	}
	for _, row := range rows {
		row.Set = "train"
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}
