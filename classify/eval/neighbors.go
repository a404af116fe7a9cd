package eval

import (
	"slices"

	"kingsnake/classify/train"
)

// Neighbor is a script that a model learned from, near one that it misjudged.
type Neighbor struct {
	ID         string   `json:"id"`
	Malicious  bool     `json:"malicious"`
	Family     string   `json:"family"`
	Set        string   `json:"set"`
	Origin     string   `json:"origin"`
	Similarity float64  `json:"similarity"`     // Jaccard index of the features of the whole scripts
	More       []string `json:"more,omitempty"` // behaviors that it shows and the misjudged script does not
	Less       []string `json:"less,omitempty"` // behaviors that the misjudged script shows and it does not
}

// Nearest gives each mistake its nearest neighbors: of what the model that
// judged it had learned from, the nearest script of the same label and the
// nearest of the other. Of scripts that are equally near, the first counts.
func Nearest(d *train.Dataset, v *Validation, mistakes ...[]Mistake) {
	place := map[string]*Scored{}
	for i := range v.Scored {
		place[v.Scored[i].Example.ID] = &v.Scored[i]
	}
	var queries []query
	for _, list := range mistakes {
		for i := range list {
			if s := place[list[i].ID]; s != nil {
				queries = append(queries, query{mistake: &list[i], scored: s})
			}
		}
	}
	for batch := range slices.Chunk(queries, 64) {
		v.scan(d, batch)
	}
	for i := range queries {
		queries[i].tell()
	}
}

// query is a mistake, and the nearest found so far: of the same label and of
// the other.
type query struct {
	mistake *Mistake
	scored  *Scored
	set     []uint32 // of its features
	best    [2]*train.Example
	nearest [2]float64
}

// scan compares up to 64 queries with every example.
func (v *Validation) scan(d *train.Dataset, queries []query) {
	const filterBits = 20 // most features are in no query
	filter := make([]bool, 1<<filterBits)
	who := map[uint32]uint64{} // bit i: query i has the feature
	for i := range queries {
		queries[i].set = queries[i].scored.Example.Features.Set()
		for _, f := range queries[i].set {
			filter[f&(1<<filterBits-1)] = true
			who[f] |= 1 << i
		}
	}
	for i := range d.Examples {
		e := &d.Examples[i]
		var shared [64]int
		set := e.Features.Set()
		for _, f := range set {
			if !filter[f&(1<<filterBits-1)] {
				continue
			}
			for bits, k := who[f], 0; bits != 0; bits, k = bits>>1, k+1 {
				shared[k] += int(bits & 1)
			}
		}
		for k := range queries {
			if shared[k] > 0 && v.out.trains(queries[k].scored.Fold, e) {
				queries[k].offer(e, len(set), shared[k])
			}
		}
	}
}

// offer takes an example that shares some of its features, if it is nearer than
// what there is.
func (q *query) offer(e *train.Example, features, shared int) {
	own := q.scored.Example
	if e == own {
		return
	}
	all := len(q.set) + features - shared
	near, side := float64(shared)/float64(all), 0
	if e.Malicious != own.Malicious {
		side = 1
	}
	if near > q.nearest[side] {
		q.best[side], q.nearest[side] = e, near
	}
}

// tell writes the nearest into the mistake.
func (q *query) tell() {
	q.mistake.Nearest = nil
	mine := q.scored.Example.Features.Behaviors()
	for side, e := range q.best {
		if e == nil {
			continue
		}
		theirs := e.Features.Behaviors()
		q.mistake.Nearest = append(q.mistake.Nearest, Neighbor{
			ID: e.ID, Malicious: e.Malicious, Family: e.Family, Set: e.Set, Origin: e.Origin, Similarity: q.nearest[side],
			More: without(theirs, mine), Less: without(mine, theirs),
		})
	}
}

// without lists what is in a and not in b.
func without(a, b []string) []string {
	var left []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			left = append(left, s)
		}
	}
	return left
}
