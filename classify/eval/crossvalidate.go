package eval

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"kingsnake/classify/train"
)

// Folds is the number of folds of the protocol.
const Folds = 5

// Scorer gives a script's log-odds of being malicious. It is safe for
// concurrent use.
type Scorer func(e *train.Example) float64

// Learner makes a scorer from examples. It must be deterministic.
type Learner func(examples []*train.Example) Scorer

// Scored is a script with the score of a model that has not seen its group.
type Scored struct {
	Example *train.Example
	Fold    int
	Logit   float64
}

// assign puts each group into a fold: large groups first, each into the fold
// that has the fewest scripts of the rarer label, then the fewest at all. The
// seed decides the order among groups of the same size.
func assign(examples []train.Example, seed uint64) map[string]int {
	type group struct {
		name     string
		bad, all int
		tie      uint64
	}
	byName := map[string]*group{}
	var groups []*group
	for i := range examples {
		e := &examples[i]
		if e.TrainOnly() {
			continue
		}
		g := byName[e.Group]
		if g == nil {
			g = &group{name: e.Group, tie: mix(e.Group, seed)}
			byName[e.Group] = g
			groups = append(groups, g)
		}
		g.all++
		if e.Malicious {
			g.bad++
		}
	}
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.bad, a.bad), cmp.Compare(b.all, a.all), cmp.Compare(a.tie, b.tie), cmp.Compare(a.name, b.name))
	})
	var bad, all [Folds]int
	folds := map[string]int{}
	for _, g := range groups {
		best := 0
		for f := range Folds {
			if g.bad > 0 && (bad[f] < bad[best] || bad[f] == bad[best] && all[f] < all[best]) || g.bad == 0 && all[f] < all[best] {
				best = f
			}
		}
		folds[g.name] = best
		bad[best] += g.bad
		all[best] += g.all
	}
	return folds
}

// mix is a hash of a name and a seed.
func mix(name string, seed uint64) uint64 {
	h := seed*0x9e3779b97f4a7c15 ^ 14695981039346656037
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	return h ^ h>>32
}

// CrossValidate trains Folds models, two at a time, and returns the
// out-of-fold score of every script that may be judged, in the order of the
// dataset. Rows that only join the training side follow their group: they are
// left out of the model that judges it.
func CrossValidate(ctx context.Context, d *train.Dataset, learn Learner, seed uint64) ([]Scored, error) {
	folds := assign(d.Examples, seed)
	scored := make([]Scored, 0, len(d.Examples))
	for i := range d.Examples {
		if e := &d.Examples[i]; !e.TrainOnly() {
			scored = append(scored, Scored{Example: e, Fold: folds[e.Group]})
		}
	}
	var workers sync.WaitGroup
	limit := make(chan struct{}, 2)
	for fold := range Folds {
		workers.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			if ctx.Err() != nil {
				return
			}
			var examples []*train.Example
			for i := range d.Examples {
				e := &d.Examples[i]
				if f, ok := folds[e.Group]; !ok || f != fold {
					examples = append(examples, e)
				}
			}
			score := learn(examples)
			for i := range scored {
				if scored[i].Fold == fold {
					scored[i].Logit = score(scored[i].Example)
				}
			}
		})
	}
	workers.Wait()
	return scored, ctx.Err()
}
