package eval

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"kingsnake/classify"
	"kingsnake/classify/train"
	"kingsnake/normalize"
)

// Folds is the number of folds of the protocol.
const Folds = 5

// Judge is a trained model under examination. It is safe for concurrent use.
type Judge interface {
	// Score gives a script's log-odds of being malicious.
	Score(e *train.Example) float64
	// Explain says why a script scores as it does, or nothing.
	Explain(text normalize.Text) []classify.Reason
}

// Learner makes a judge from examples. It must be deterministic.
type Learner func(examples []*train.Example) Judge

// Scored is a script with the score of a model that has not seen its group.
type Scored struct {
	Example *train.Example
	Fold    int
	Logit   float64
}

// Validation is the outcome of a cross-validation.
type Validation struct {
	Scored  []Scored // in the order of the dataset
	Judges  [Folds]Judge
	Loaders []Scored // with ByLoader: the rows of each loader, by the model that never saw it
	out     holdout
}

// Split says what must not stand on both sides of a fold besides groups.
type Split string

// The splits. The first is the protocol; the others are harder, and nearer to
// what tomorrow brings.
const (
	ByGroup  Split = "group"
	ByFamily Split = "family" // a malicious family is judged by a model that never saw it
	BySource Split = "source" // likewise a source of malicious scripts
	ByLoader Split = "loader" // as ByGroup, and of the well-known loaders a fifth is left out as well
)

// Splits lists the splits.
var Splits = []Split{ByGroup, ByFamily, BySource, ByLoader}

// key is what decides the fold of an example that may be judged.
func (s Split) key(e *train.Example) string {
	switch {
	case s == ByFamily && e.Malicious:
		return "family " + e.Family
	case s == BySource && e.Malicious:
		return "source " + e.Source
	case s == ByLoader && isLoader(e):
		return e.Family
	}
	return "group " + e.Group
}

// unit is a set of examples that fall into the same fold.
type unit struct {
	name     string
	bad, all int
	tie      uint64
}

// assign puts each unit into a fold: those with most malicious scripts first,
// each into the fold that has the fewest of them. The seed decides the order
// among units of the same size.
func assign(examples []train.Example, split Split, seed uint64) map[string]int {
	byName := map[string]*unit{}
	var units []*unit
	for i := range examples {
		e := &examples[i]
		if e.TrainOnly() {
			continue
		}
		name := split.key(e)
		u := byName[name]
		if u == nil {
			u = &unit{name: name, tie: mix(name, seed)}
			byName[name] = u
			units = append(units, u)
		}
		u.all++
		if e.Malicious {
			u.bad++
		}
	}
	slices.SortFunc(units, func(a, b *unit) int {
		return cmp.Or(cmp.Compare(b.bad, a.bad), cmp.Compare(b.all, a.all), cmp.Compare(a.tie, b.tie), cmp.Compare(a.name, b.name))
	})
	var bad, all [Folds]int
	folds := map[string]int{}
	for _, u := range units {
		best := 0
		for f := range Folds {
			if u.bad > 0 && (bad[f] < bad[best] || bad[f] == bad[best] && all[f] < all[best]) || u.bad == 0 && all[f] < all[best] {
				best = f
			}
		}
		folds[u.name] = best
		bad[best] += u.bad
		all[best] += u.all
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

// isLoader reports whether an example is one of the imitated loaders.
func isLoader(e *train.Example) bool {
	return e.Set == "made" && strings.HasPrefix(e.Family, "loader-")
}

// assignLoaders puts the loaders into folds. Those that stand side by side in
// the corpus are of one kind, and are left out together.
func assignLoaders(examples []train.Example, folds map[string]int) {
	var names []string
	for i := range examples {
		if e := &examples[i]; isLoader(e) && !slices.Contains(names, e.Family) {
			names = append(names, e.Family)
		}
	}
	for i, name := range names {
		folds[name] = i * Folds / len(names)
	}
}

// holdout says what keeps out of the training side of each fold. The zero
// value holds nothing out.
type holdout struct {
	split  Split
	folds  map[string]int         // by the split's key
	judged [Folds]map[string]bool // groups
}

func newHoldout(examples []train.Example, split Split, seed uint64) holdout {
	h := holdout{split: split, folds: assign(examples, split, seed)}
	for f := range h.judged {
		h.judged[f] = map[string]bool{}
	}
	for i := range examples {
		if e := &examples[i]; !e.TrainOnly() {
			h.judged[h.folds[split.key(e)]][e.Group] = true
		}
	}
	if split == ByLoader {
		assignLoaders(examples, h.folds)
	}
	return h
}

// trains reports whether the model of a fold learns from an example.
func (h *holdout) trains(fold int, e *train.Example) bool {
	f, ok := h.folds[h.split.key(e)]
	return (!ok || f != fold) && !h.judged[fold][e.Group] && !h.judged[fold][e.Donor]
}

// CrossValidate trains Folds models, two at a time, and scores every script
// that may be judged with the one that has seen nothing of its group. Rows that
// only join the training side follow their group: they are left out of the
// model that judges it.
func CrossValidate(ctx context.Context, d *train.Dataset, learn Learner, split Split, seed uint64) (*Validation, error) {
	v := &Validation{Scored: make([]Scored, 0, len(d.Examples)), out: newHoldout(d.Examples, split, seed)}
	for i := range d.Examples {
		e := &d.Examples[i]
		s := Scored{Example: e, Fold: v.out.folds[split.key(e)]}
		switch {
		case !e.TrainOnly():
			v.Scored = append(v.Scored, s)
		case split == ByLoader && isLoader(e):
			v.Loaders = append(v.Loaders, s)
		}
	}
	var workers sync.WaitGroup
	limit := make(chan struct{}, 2)
	for fold := range Folds {
		workers.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			if ctx.Err() == nil {
				v.judge(d, learn, fold)
			}
		})
	}
	workers.Wait()
	return v, ctx.Err()
}

// judge trains the model of a fold and scores what is in it.
func (v *Validation) judge(d *train.Dataset, learn Learner, fold int) {
	var examples []*train.Example
	for i := range d.Examples {
		if e := &d.Examples[i]; v.out.trains(fold, e) {
			examples = append(examples, e)
		}
	}
	v.Judges[fold] = learn(examples)
	for _, list := range [][]Scored{v.Scored, v.Loaders} {
		for i := range list {
			if s := &list[i]; s.Fold == fold {
				s.Logit = v.Judges[fold].Score(s.Example)
			}
		}
	}
}
