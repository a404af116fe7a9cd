package eval

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"kingsnake/classify"
)

// XY is a point of a curve.
type XY struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Curve is what a model does at every threshold there could be, read off the
// pooled scores of the folds. A malicious cluster is one vote. Points that lie
// close to the one before are left out.
type Curve struct {
	ROC []XY `json:"roc"` // false-positive rate and recall, both rising
	PR  []XY `json:"pr"`  // recall, rising, and precision
}

// Scores says how scores are spread, and what they are worth.
type Scores struct {
	Limits []float64 `json:"limits"` // log-odds from which on one of Rates of all benign scripts is flagged
	Bars   []Bar     `json:"bars"`   // in rising order
	Bins   []Bin     `json:"bins"`   // likewise; empty ones are left out
}

// Bar is how many scripts have scores from From to the next bar's.
type Bar struct {
	From      float64 `json:"from"` // log-odds; the first and the last bar hold what lies beyond as well
	Benign    int     `json:"benign"`
	Malicious float64 `json:"malicious"` // one vote a cluster
}

// Bin is what scripts of about the same calibrated score are.
type Bin struct {
	Mean      float64 `json:"mean"`  // of their calibrated scores
	Share     float64 `json:"share"` // of the votes that are malicious
	Low       float64 `json:"low"`   // 95 % interval of Share (Wilson)
	High      float64 `json:"high"`
	Benign    int     `json:"benign"`
	Malicious float64 `json:"malicious"` // one vote a cluster
}

// clusterSizes counts the members of each malicious cluster.
func clusterSizes(scored []Scored) map[string]float64 {
	size := map[string]float64{}
	for _, s := range scored {
		if s.Example.Malicious {
			size[s.Example.Cluster]++
		}
	}
	return size
}

// castVotes gives each script its part: a malicious cluster is one vote.
func castVotes(scored []Scored) []vote {
	size := clusterSizes(scored)
	votes := make([]vote, len(scored))
	for i, s := range scored {
		votes[i] = vote{s.Logit, s.Example.Malicious, 1}
		if s.Example.Malicious {
			votes[i].weight = 1 / size[s.Example.Cluster]
		}
	}
	return votes
}

// Points of a curve are kept when recall or precision moves by step, or the
// false-positive rate by a factor of growth.
const (
	step   = 0.004
	growth = 1.04
)

// curve reads both curves off votes. It reorders them.
func curve(votes []vote) *Curve {
	sort.Slice(votes, func(i, j int) bool { return votes[i].score > votes[j].score })
	var good, bad float64
	for _, v := range votes {
		if v.malicious {
			bad += v.weight
		} else {
			good += v.weight
		}
	}
	c := &Curve{}
	if good == 0 || bad == 0 {
		return c
	}
	var alarms, hits float64
	for i := 0; i < len(votes); {
		j := i
		for ; j < len(votes) && votes[j].score == votes[i].score; j++ {
			if votes[j].malicious {
				hits += votes[j].weight
			} else {
				alarms += votes[j].weight
			}
		}
		i = j
		rate, recall := alarms/good, min(1, hits/bad)
		last := i == len(votes)
		c.ROC = appendROC(c.ROC, XY{rate, recall}, last)
		if n := len(c.PR); n == 0 || last || recall-c.PR[n-1].X >= step || math.Abs(hits/(hits+alarms)-c.PR[n-1].Y) >= step {
			c.PR = append(c.PR, XY{recall, hits / (hits + alarms)})
		}
	}
	return c
}

// appendROC adds a point, in the place of the last one if it has the same rate
// and a higher recall.
func appendROC(points []XY, p XY, last bool) []XY {
	n := len(points)
	switch {
	case n > 0 && points[n-1].X == p.X:
		points[n-1] = p
		return points
	case n == 0 || last || p.X >= points[n-1].X*growth:
		return append(points, p)
	}
	return points
}

// Histograms reach from -maxLogit to maxLogit, in bars of barWidth; calibrated
// log-odds are put into bins of one, the lowest and the highest as far as scores
// go.
const (
	maxLogit = 20.0
	barWidth = 0.5
	lowBin   = -11
	highBin  = 8
)

// spread says how scores are spread, and how often what the calibration says
// comes true.
func spread(scored []Scored, c classify.Calibration) *Scores {
	s := &Scores{}
	votes := castVotes(scored)
	var benign []float64
	for _, v := range votes {
		if !v.malicious {
			benign = append(benign, v.score)
		}
	}
	for _, rate := range Rates {
		if limit := threshold(benign, rate); !math.IsInf(limit, 0) && !math.IsNaN(limit) {
			s.Limits = append(s.Limits, limit)
		}
	}
	bars, bins := map[int]*Bar{}, map[int]*Bin{}
	for _, v := range votes {
		if math.IsNaN(v.score) {
			continue
		}
		k := int(math.Floor(max(-maxLogit, min(maxLogit-barWidth, v.score)) / barWidth))
		if bars[k] == nil {
			bars[k] = &Bar{From: float64(k) * barWidth}
		}
		p := c.Probability(v.score)
		b := int(math.Floor(max(lowBin, min(highBin, c.Slope*v.score+c.Offset))))
		if bins[b] == nil {
			bins[b] = &Bin{}
		}
		bins[b].Mean += p * v.weight
		if v.malicious {
			bars[k].Malicious += v.weight
			bins[b].Malicious += v.weight
		} else {
			bars[k].Benign++
			bins[b].Benign++
		}
	}
	s.fill(bars, bins)
	return s
}

// fill takes over bars, with those that are empty in between, and bins.
func (s *Scores) fill(bars map[int]*Bar, bins map[int]*Bin) {
	if len(bars) == 0 {
		return
	}
	first, last := math.MaxInt, math.MinInt
	for k := range bars {
		first, last = min(first, k), max(last, k)
	}
	for k := first; k <= last; k++ {
		if bars[k] == nil {
			bars[k] = &Bar{From: float64(k) * barWidth}
		}
		s.Bars = append(s.Bars, *bars[k])
	}
	for _, b := range bins {
		n := b.Malicious + float64(b.Benign)
		b.Mean /= n
		b.Share = b.Malicious / n
		b.Low, b.High = wilson(b.Malicious, n)
		s.Bins = append(s.Bins, *b)
	}
	slices.SortFunc(s.Bins, func(a, b Bin) int { return cmp.Compare(a.Mean, b.Mean) })
}
