package train

import (
	"math"
)

// Near-duplicates share this much of their features (Jaccard index).
const alike = 0.7

// Near-duplicates are found by MinHash (Broder, 1997): scripts that agree in
// all rows of a band are compared.
const (
	bands    = 20
	bandRows = 4 // 0.7⁴ of near-duplicates agree in a given band; 1 in 240 in none
)

// JoinAlike gives near-duplicates one cluster, if their label is the same, and
// one group in any case: those of the first of them. Only examples of the set
// change, and forms of such: the first may be of another set. Copies that lie
// in several projects are then never on both sides of a fold. It returns how
// many examples of the set, forms aside, follow another one, and the origins of
// those that are alike to one of the other label, with that one's.
func JoinAlike(d *Dataset, set string) (follow int, disputed [][2]string) {
	first := firstAlike(d.Examples)
	type place struct{ cluster, group string }
	moved := map[string]place{} // by cluster as it was
	type side struct {
		first     int
		malicious bool
	}
	heads := map[side]*Example{} // the first of a label
	for i := range d.Examples {
		s := side{first[i], d.Examples[i].Malicious}
		if heads[s] == nil {
			heads[s] = &d.Examples[i]
		}
	}
	for i := range d.Examples {
		e := &d.Examples[i]
		if e.Set != set {
			continue
		}
		moved[e.Cluster] = place{heads[side{first[i], e.Malicious}].Cluster, d.Examples[first[i]].Group}
		if first[i] != i {
			follow++
		}
		if other := heads[side{first[i], !e.Malicious}]; other != nil {
			disputed = append(disputed, [2]string{e.Origin, other.Origin})
		}
	}
	for i := range d.Examples {
		if to, ok := moved[d.Examples[i].Cluster]; ok {
			d.Examples[i].Cluster, d.Examples[i].Group = to.cluster, to.group
		}
	}
	return follow, disputed
}

// firstAlike gives for each example the first one of those it is alike to, over
// as many steps as it takes.
func firstAlike(examples []Example) []int {
	first := make([]int, len(examples))
	for i := range first {
		first[i] = i
	}
	root := func(i int) int {
		for first[i] != i {
			first[i] = first[first[i]]
			i = first[i]
		}
		return i
	}
	type bucket struct {
		band int
		rows [bandRows]uint32
	}
	buckets := map[bucket]int{}
	features := make([][]uint32, len(examples))
	for i := range examples {
		features[i] = examples[i].Features.Set()
		s := sketch(features[i])
		for band := range bands {
			b := bucket{band: band}
			copy(b.rows[:], s[band*bandRows:])
			j, ok := buckets[b]
			if !ok {
				buckets[b] = i
				continue
			}
			if x, y := root(i), root(j); x != y && jaccard(features[i], features[j]) >= alike {
				first[max(x, y)] = min(x, y)
			}
		}
	}
	for i := range first {
		first[i] = root(i)
	}
	return first
}

// sketch is the least of the features under each of many orders.
func sketch(features []uint32) (s [bands * bandRows]uint32) {
	for k := range s {
		s[k] = math.MaxUint32
		factor := 2*uint64(k)*0x9e3779b97f4a7c15 + 0xbf58476d1ce4e5b9
		for _, f := range features {
			h := (uint64(f) + 1) * factor
			s[k] = min(s[k], uint32((h^h>>29)*factor>>32))
		}
	}
	return s
}

// jaccard is the share of features in either of two sorted sets that are in
// both. Two empty sets are the same.
func jaccard(a, b []uint32) float64 {
	both := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			both, i, j = both+1, i+1, j+1
		}
	}
	all := len(a) + len(b) - both
	if all == 0 {
		return 1
	}
	return float64(both) / float64(all)
}
