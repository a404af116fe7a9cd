package eval

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"kingsnake/classify"
)

// Rates are the false-positive rates at which recall is read: the threshold of
// the first is only for comparison, of the second "suspicious", of the third
// "malicious".
var Rates = []float64{1e-2, 1e-3, 1e-4}

// Point is what a model does at one threshold.
type Point struct {
	Rate     float64 `json:"rate"`   // that the threshold was chosen for
	Recall   float64 `json:"recall"` // one vote a cluster
	Low      float64 `json:"low"`    // 95 % interval, by resampling groups
	High     float64 `json:"high"`
	Found    float64 `json:"found"` // clusters, as a sum of means
	Clusters int     `json:"clusters"`
	Realized float64 `json:"realized"` // false-positive rate that came out
	RealLow  float64 `json:"real_low"` // 95 % interval (Wilson)
	RealHigh float64 `json:"real_high"`
	Alarms   int     `json:"alarms"` // benign scripts flagged
	Benign   int     `json:"benign"`
}

// Slice is the recall of a part of the malicious scripts, or the false alarms
// of a part of the benign ones, at each of Rates.
type Slice struct {
	Name     string    `json:"name"`
	Clusters int       `json:"clusters,omitempty"`
	Recall   []float64 `json:"recall,omitempty"`
	Low      []float64 `json:"low,omitempty"` // 95 % intervals of Recall, by resampling groups; only where there are enough
	High     []float64 `json:"high,omitempty"`
	Benign   int       `json:"benign,omitempty"`
	Alarms   []int     `json:"alarms,omitempty"`
}

// Figures are everything measured of one model.
type Figures struct {
	ROC    float64 `json:"roc_auc"`
	PR     float64 `json:"pr_auc"`
	Points []Point `json:"points"`
	Curve  *Curve  `json:"curve,omitempty"`
	// Slices, by "family", "kind", "evidence", "source" and "month" of malicious scripts,
	// by "registry" (the Python index, and all other sources), and by "benign family" and
	// "benign kind"; of both by "fold" and "benign fold".
	Slices map[string][]Slice `json:"slices"`
}

// cluster is a cluster of near-duplicate malicious scripts.
type cluster struct {
	name    string
	group   string
	members []int // indexes into the scored scripts
}

// clusters collects the malicious scripts by cluster, in order of appearance.
func clusters(scored []Scored) []cluster {
	index := map[string]int{}
	var all []cluster
	for i := range scored {
		e := scored[i].Example
		if !e.Malicious {
			continue
		}
		k, ok := index[e.Cluster]
		if !ok {
			k = len(all)
			index[e.Cluster] = k
			all = append(all, cluster{name: e.Cluster, group: e.Group})
		}
		all[k].members = append(all[k].members, i)
	}
	return all
}

// foldLimits gives each fold the threshold that the benign scores of the other
// folds set for it at rate.
func foldLimits(scored []Scored, rate float64) (limits [Folds]float64) {
	for fold := range Folds {
		var benign []float64
		for i := range scored {
			if s := &scored[i]; s.Fold != fold && !s.Example.Malicious {
				benign = append(benign, s.Logit)
			}
		}
		limits[fold] = threshold(benign, rate)
	}
	return limits
}

// frozen is the thresholds of each of Rates, by fold.
type frozen [][Folds]float64

func allLimits(scored []Scored) frozen {
	limits := make(frozen, len(Rates))
	for k, rate := range Rates {
		limits[k] = foldLimits(scored, rate)
	}
	return limits
}

// call says what a script is called.
func (f frozen) call(s *Scored) classify.Label {
	switch {
	case s.Logit >= f[2][s.Fold]:
		return classify.Malicious
	case s.Logit >= f[1][s.Fold]:
		return classify.Suspicious
	}
	return classify.Benign
}

// Flagged says of each script whether it raises an alarm at rate, by a
// threshold from the benign scores of the other folds.
func Flagged(scored []Scored, rate float64) []bool {
	limits := foldLimits(scored, rate)
	flagged := make([]bool, len(scored))
	for i, s := range scored {
		flagged[i] = s.Logit >= limits[s.Fold]
	}
	return flagged
}

// Measure turns out-of-fold scores into figures.
func Measure(scored []Scored) Figures {
	all := clusters(scored)
	f := Figures{Slices: map[string][]Slice{}}
	votes := castVotes(scored)
	f.ROC, f.PR, f.Curve = rocAUC(votes), prAUC(votes), curve(votes)
	flags := make([][]bool, len(Rates))
	for k, rate := range Rates {
		flags[k] = Flagged(scored, rate)
		f.Points = append(f.Points, point(scored, all, flags[k], rate))
	}
	for name, of := range map[string]func(s *Scored) string{
		"family":   func(s *Scored) string { return s.Example.Family },
		"kind":     func(s *Scored) string { return s.Example.Kind },
		"source":   func(s *Scored) string { return s.Example.Source },
		"registry": func(s *Scored) string { return registry(s.Example.Source) },
		"evidence": func(s *Scored) string { return fmt.Sprint(s.Example.Evidence) },
		"fold":     func(s *Scored) string { return fmt.Sprint(s.Fold + 1) },
		"month":    func(s *Scored) string { return cmp.Or(s.Example.Date, "unknown") },
	} {
		f.Slices[name] = recallBy(scored, all, flags, of)
	}
	f.Slices["benign family"] = alarmsBy(scored, flags, func(s *Scored) string { return s.Example.Family })
	f.Slices["benign kind"] = alarmsBy(scored, flags, func(s *Scored) string { return s.Example.Kind })
	f.Slices["benign fold"] = alarmsBy(scored, flags, func(s *Scored) string { return fmt.Sprint(s.Fold + 1) })
	return f
}

func share(c cluster, flagged []bool) float64 {
	n := 0
	for _, i := range c.members {
		if flagged[i] {
			n++
		}
	}
	return float64(n) / float64(len(c.members))
}

func point(scored []Scored, all []cluster, flagged []bool, rate float64) Point {
	p := Point{Rate: rate, Clusters: len(all)}
	draws := make([]draw, len(all))
	for i, c := range all {
		draws[i] = draw{c.group, share(c, flagged)}
		p.Found += draws[i].value
	}
	for i, s := range scored {
		if !s.Example.Malicious {
			p.Benign++
			if flagged[i] {
				p.Alarms++
			}
		}
	}
	p.Recall = p.Found / math.Max(1, float64(len(all)))
	p.Realized = float64(p.Alarms) / math.Max(1, float64(p.Benign))
	p.RealLow, p.RealHigh = wilson(float64(p.Alarms), float64(p.Benign))
	p.Low, p.High = 0, 1
	if low, high, ok := bootstrap(draws); ok {
		p.Low, p.High = low, high
	}
	return p
}

// draw is what one cluster or script counts, and the group it is drawn with.
type draw struct {
	group string
	value float64
}

// bootstrap gives the 95 % interval of the mean of draws when groups, not
// scripts, are drawn anew: scripts of one repository rise and fall together. It
// is false without draws.
func bootstrap(draws []draw) (low, high float64, ok bool) {
	const rounds = 1000
	type total struct{ sum, n float64 }
	index := map[string]int{}
	var groups []total
	for _, d := range draws {
		k, ok := index[d.group]
		if !ok {
			k = len(groups)
			index[d.group] = k
			groups = append(groups, total{})
		}
		groups[k].sum += d.value
		groups[k].n++
	}
	if len(groups) == 0 {
		return 0, 0, false
	}
	random := rand.New(rand.NewPCG(20, 26))
	means := make([]float64, rounds)
	for r := range means {
		var all total
		for range groups {
			g := groups[random.IntN(len(groups))]
			all.sum += g.sum
			all.n += g.n
		}
		means[r] = all.sum / all.n
	}
	slices.Sort(means)
	return means[rounds*25/1000], means[rounds*975/1000], true
}

// pypi is the source of what was found in the Python package index: half of all
// malicious clusters, so that it is also reported apart.
const pypi = "pypi_malregistry"

func registry(source string) string {
	if source == pypi {
		return pypi
	}
	return "all other sources"
}

// minGroups is how many groups a part needs for an interval to mean anything.
const minGroups = 5

// recallBy splits the recall; a cluster belongs to the part of its first
// member. Parts are in falling order of size.
func recallBy(scored []Scored, all []cluster, flags [][]bool, of func(*Scored) string) []Slice {
	index := map[string]int{}
	var parts []Slice
	var draws [][][]draw // of each part and rate
	for _, c := range all {
		name := of(&scored[c.members[0]])
		k, ok := index[name]
		if !ok {
			k = len(parts)
			index[name] = k
			parts = append(parts, Slice{Name: name, Recall: make([]float64, len(flags))})
			draws = append(draws, make([][]draw, len(flags)))
		}
		parts[k].Clusters++
		for r, flagged := range flags {
			found := share(c, flagged)
			parts[k].Recall[r] += found
			draws[k][r] = append(draws[k][r], draw{c.group, found})
		}
	}
	for k := range parts {
		p := &parts[k]
		for r := range p.Recall {
			p.Recall[r] /= float64(p.Clusters)
			if countGroups(draws[k][r]) < minGroups {
				continue
			}
			low, high, _ := bootstrap(draws[k][r])
			p.Low, p.High = append(p.Low, low), append(p.High, high)
		}
	}
	slices.SortStableFunc(parts, func(a, b Slice) int {
		return cmp.Or(cmp.Compare(b.Clusters, a.Clusters), cmp.Compare(a.Name, b.Name))
	})
	return parts
}

func countGroups(draws []draw) int {
	groups := map[string]bool{}
	for _, d := range draws {
		groups[d.group] = true
	}
	return len(groups)
}

// alarmsBy splits the false alarms.
func alarmsBy(scored []Scored, flags [][]bool, of func(*Scored) string) []Slice {
	index := map[string]int{}
	var parts []Slice
	for i := range scored {
		if scored[i].Example.Malicious {
			continue
		}
		name := of(&scored[i])
		k, ok := index[name]
		if !ok {
			k = len(parts)
			index[name] = k
			parts = append(parts, Slice{Name: name, Alarms: make([]int, len(flags))})
		}
		parts[k].Benign++
		for r, flagged := range flags {
			if flagged[i] {
				parts[k].Alarms[r]++
			}
		}
	}
	slices.SortStableFunc(parts, func(a, b Slice) int {
		return cmp.Or(cmp.Compare(b.Benign, a.Benign), cmp.Compare(a.Name, b.Name))
	})
	return parts
}
