package train

import (
	"cmp"
	"context"
	"hash/fnv"
	"slices"

	"kingsnake/classify/corpus"
	"kingsnake/classify/corpus/augment"
)

// Donors whose code is mixed into forms: few enough to hold their texts.
const (
	maxDonors = 500
	minDonor  = 300
	maxDonor  = 12 << 10
)

// Augmented is inner with rewritten forms of its rows, for adversarial
// training: as many as malicious says behind each malicious row, and one behind
// each of as many benign rows as benign says, chosen by seed. Rows of sets
// "dev" and "made" get none. Inner is read twice: the first time to choose.
func Augmented(inner Source, malicious, benign int, seed uint64) Source {
	return func(ctx context.Context, yield func(corpus.Row) error) error {
		donors := lowest[corpus.Row]{max: maxDonors}
		chosen := lowest[string]{max: benign}
		err := inner(ctx, func(row corpus.Row) error {
			if row.Malicious || !formable(&row) {
				return nil
			}
			chosen.add(rank(row.ID, seed), func() string { return row.ID })
			if n := len(row.Text); n >= minDonor && n <= maxDonor {
				donors.add(rank(row.ID, seed+1), func() corpus.Row {
					return corpus.Row{ID: row.ID, Group: row.Group, Text: row.Text}
				})
			}
			return nil
		})
		if err != nil {
			return err
		}
		picked := map[string]bool{}
		for _, id := range chosen.values() {
			picked[id] = true
		}
		carriers := donors.values()
		return inner(ctx, func(row corpus.Row) error {
			if err := yield(row); err != nil {
				return err
			}
			forms := 0
			switch {
			case !formable(&row):
			case row.Malicious:
				forms = malicious
			case picked[row.ID]:
				forms = 1
			}
			for _, form := range augment.Rows(row, forms, carriers, seed) {
				if err := yield(form); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// formable reports whether forms of a row are made.
func formable(row *corpus.Row) bool { return row.Set != "dev" && row.Set != "made" }

// rank orders rows by chance, always the same for a seed.
func rank(id string, seed uint64) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	n := (h.Sum64() ^ seed*0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	return n ^ n>>31
}

// lowest keeps the values of lowest rank, whatever the order they come in.
type lowest[T any] struct {
	max   int
	kept  []ranked[T]
	bound uint64 // once max are kept: the highest rank of the lowest so far
}

type ranked[T any] struct {
	rank  uint64
	value T
}

// add takes the value if its rank may be low enough. Twice as many as wanted
// are held, so that they need be sorted only now and then.
func (l *lowest[T]) add(rank uint64, value func() T) {
	if len(l.kept) >= 2*l.max {
		l.cut()
	}
	if l.max == 0 || l.bound > 0 && rank > l.bound {
		return
	}
	l.kept = append(l.kept, ranked[T]{rank, value()})
}

func (l *lowest[T]) cut() {
	slices.SortStableFunc(l.kept, func(a, b ranked[T]) int { return cmp.Compare(a.rank, b.rank) })
	clear(l.kept[min(l.max, len(l.kept)):])
	l.kept = l.kept[:min(l.max, len(l.kept))]
	if len(l.kept) > 0 && len(l.kept) == l.max {
		l.bound = l.kept[l.max-1].rank
	}
}

func (l *lowest[T]) values() []T {
	l.cut()
	values := make([]T, len(l.kept))
	for i, k := range l.kept {
		values[i] = k.value
	}
	return values
}
