// Package eval measures how good a model is, by the frozen protocol of the
// corpus.
//
// [CrossValidate] judges every script by a model that was trained without its
// group, and [Measure] turns those scores into figures: recall counts one vote
// a cluster (the mean of its members), false alarms count one a distinct
// script, and the threshold that is applied to a fold comes from the benign
// scores of the other folds.
package eval

import (
	"math"
	"slices"
	"sort"
)

// threshold returns the lowest score at which at most rate of the benign scores
// raise an alarm. An alarm is a score at or above the threshold.
func threshold(benign []float64, rate float64) float64 {
	if len(benign) == 0 {
		return math.Inf(1)
	}
	s := slices.Clone(benign)
	sort.Sort(sort.Reverse(sort.Float64Slice(s)))
	allowed := int(rate * float64(len(s)))
	if allowed >= len(s) {
		return s[len(s)-1]
	}
	// Just above the highest score that may not raise one.
	return math.Nextafter(s[allowed], math.Inf(1))
}

// vote is one script's part in a curve.
type vote struct {
	score     float64
	malicious bool
	weight    float64
}

// rocAUC is the chance that a malicious vote scores above a benign one; equal
// scores count half.
func rocAUC(votes []vote) float64 {
	sort.Slice(votes, func(i, j int) bool { return votes[i].score < votes[j].score })
	var below, area, good, bad float64
	for i := 0; i < len(votes); {
		var benign, malicious float64
		j := i
		for ; j < len(votes) && votes[j].score == votes[i].score; j++ {
			if votes[j].malicious {
				malicious += votes[j].weight
			} else {
				benign += votes[j].weight
			}
		}
		area += malicious * (below + benign/2)
		below += benign
		good += malicious
		bad += benign
		i = j
	}
	if good == 0 || bad == 0 {
		return math.NaN()
	}
	return area / (good * bad)
}

// prAUC is the average precision: the mean of the precision at each malicious
// vote, from the highest score down.
func prAUC(votes []vote) float64 {
	sort.Slice(votes, func(i, j int) bool { return votes[i].score > votes[j].score })
	var hits, all, area float64
	for i := 0; i < len(votes); {
		var malicious float64
		j := i
		for ; j < len(votes) && votes[j].score == votes[i].score; j++ {
			all += votes[j].weight
			if votes[j].malicious {
				malicious += votes[j].weight
			}
		}
		hits += malicious
		area += malicious * hits / all
		i = j
	}
	if hits == 0 {
		return math.NaN()
	}
	return area / hits
}

// wilson is the 95 % interval of a rate of k in n.
func wilson(k, n float64) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964
	p := k / n
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, middle-half), min(1, middle+half)
}
