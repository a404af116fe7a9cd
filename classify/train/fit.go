package train

import (
	"math"
	"math/rand/v2"

	"kingsnake/classify"
)

// Settings are the knobs of the learner.
type Settings struct {
	Seed      uint64
	Epochs    int
	Rate      float64 // of the adaptive steps, for features
	MarkRate  float64 // for marks
	L1, L2    float64
	Positive  float64 // weight of a malicious cluster against a benign script
	HideNames float64 // how often the names of a script are hidden while it is learned from
	HideTexts float64
}

// Defaults are the settings of the embedded model.
func Defaults() Settings {
	return Settings{Seed: 1, Epochs: 8, Rate: 0.5, MarkRate: 0.5, L1: 2e-2, L2: 1e-1, Positive: 12, HideNames: 0.5, HideTexts: 0.25}
}

// table is weights and their state (McMahan et al., "Ad Click Prediction: a
// View from the Trenches", 2013: FTRL-proximal).
type table struct {
	w, z, n []float32
	rate    float64
	l1, l2  float64
	base    []float32 // what w is drawn to; nil for zero
}

func newTable(w []float32, rate, l1, l2 float64) table {
	return table{w: w, z: make([]float32, len(w)), n: make([]float32, len(w)), rate: rate, l1: l1, l2: l2}
}

// step moves weight i against the gradient g.
func (t *table) step(i uint32, g float64) {
	n := float64(t.n[i])
	next := n + g*g
	sigma := (math.Sqrt(next) - math.Sqrt(n)) / t.rate
	var base float32
	if t.base != nil {
		base = t.base[i]
	}
	z := float64(t.z[i]) + g - sigma*float64(t.w[i]-base)
	t.n[i], t.z[i] = float32(next), float32(z)
	if math.Abs(z) <= t.l1 {
		t.w[i] = base
		return
	}
	t.w[i] = base + float32(-(z-math.Copysign(t.l1, z))/((1+math.Sqrt(next))/t.rate+t.l2))
}

// learner is the state of one training run.
type learner struct {
	s      Settings
	adapts bool // to the examples, a model that is there: its bias stays
	t      *classify.Tables[float32]
	bias   table
	tables [5]table // core, window, marks of both and of the script
	hide   *rand.Rand
	marks  []uint32
}

// Fit learns from examples, each with its weight. It is deterministic, and
// uses one core.
func Fit(examples []*Example, weights []float64, s Settings) *classify.Tables[float32] {
	targets := make([]float64, len(examples))
	for i, e := range examples {
		targets[i] = e.target()
	}
	return newLearner(classify.NewTables[float32](), s).fit(examples, weights, targets)
}

// target is the probability that a model ought to give.
func (e *Example) target() float64 {
	if e.Malicious {
		return 1
	}
	return 0
}

// newLearner returns a learner that begins with t, and changes it.
func newLearner(t *classify.Tables[float32], s Settings) *learner {
	return &learner{
		s: s, t: t, bias: newTable(make([]float32, 1), 0.1, 0, 0),
		tables: [5]table{
			newTable(t.Core, s.Rate, s.L1, s.L2), newTable(t.Window, s.Rate, s.L1, s.L2),
			newTable(t.CoreMark, s.MarkRate, s.L1, s.L2), newTable(t.WindowMark, s.MarkRate, s.L1, s.L2),
			newTable(t.ScriptMark, s.MarkRate, s.L1, s.L2),
		},
		hide: rand.New(rand.NewPCG(s.Seed, 2)),
	}
}

// fit learns to give examples their targets, and returns the mean of the tables
// of the later epochs.
func (l *learner) fit(examples []*Example, weights, targets []float64) *classify.Tables[float32] {
	s := l.s
	order := make([]int, len(examples))
	for i := range order {
		order[i] = i
	}
	logits := make([]float32, len(examples))
	var mean average
	shuffle := rand.New(rand.NewPCG(s.Seed, 1))
	for epoch := range s.Epochs {
		shuffle.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			// What is far on the right side is looked at again only now and then.
			if logits[i] < easy && (epoch+i)%3 != 0 {
				continue
			}
			logits[i] = l.learn(examples[i], weights[i], targets[i], epoch)
			if examples[i].Malicious {
				logits[i] = 0
			}
		}
		if epoch >= s.Epochs/2 {
			mean.add(l.t)
		}
	}
	return mean.tables()
}

// average is the mean of the weights after several epochs, which errs less
// than the last of them.
type average struct {
	sum *classify.Tables[float32]
	n   float32
}

func (a *average) add(t *classify.Tables[float32]) {
	if a.sum == nil {
		a.sum = classify.NewTables[float32]()
	}
	a.n++
	a.sum.Bias += t.Bias
	sums := parts(a.sum)
	for k, part := range parts(t) {
		for i, w := range part {
			sums[k][i] += w
		}
	}
}

// parts lists the tables of t in the order of a learner's.
func parts(t *classify.Tables[float32]) [][]float32 {
	return append([][]float32{t.Core, t.Window}, t.Marks()...)
}

func (a *average) tables() *classify.Tables[float32] {
	a.sum.Bias /= a.n
	for _, table := range parts(a.sum) {
		for i := range table {
			table[i] /= a.n
		}
	}
	return a.sum
}

// easy is the logit below which a benign script is far on the right side.
const easy = -5

// learn takes one step, and returns the example's logit before it.
func (l *learner) learn(e *Example, weight, target float64, epoch int) float32 {
	score := l.t.Score(e.Features)
	p := 1 / (1 + math.Exp(-float64(score.Logit)))
	g := (p - target) * weight
	hideNames := l.hide.Float64() < l.s.HideNames
	hideTexts := l.hide.Float64() < l.s.HideTexts
	if math.Abs(g) < 1e-3 {
		return score.Logit
	}
	if !l.adapts {
		l.bias.step(0, g)
		l.t.Bias = l.bias.w[0]
	}
	l.core(e.Features, score.Core, g, hideNames, hideTexts)
	l.marks = e.Features.ScriptMarks(l.marks[:0])
	l.steps(&l.tables[4], l.marks, g)
	if epoch == 0 { // nothing is known yet of which window counts
		n := 0
		for range e.Features.Windows {
			n++
		}
		for from, to := range e.Features.Windows {
			l.window(e.Features, from, to, g/float64(n), hideNames, hideTexts)
		}
	} else if score.To > 0 {
		l.window(e.Features, score.From, score.To, g, hideNames, hideTexts)
	}
	return score.Logit
}

func (l *learner) core(f *classify.Features, core []int32, g float64, hideNames, hideTexts bool) {
	n := f.CoreSize(core)
	for _, i := range core {
		l.features(&l.tables[0], f.Block(int(i)), n, g, hideNames, hideTexts)
	}
	l.marks = f.CoreMarks(core, l.marks[:0])
	l.steps(&l.tables[2], l.marks, g)
}

func (l *learner) window(f *classify.Features, from, to int, g float64, hideNames, hideTexts bool) {
	features := f.Window(from, to)
	l.features(&l.tables[1], features, len(features), g, hideNames, hideTexts)
	l.marks = f.WindowMarks(from, to, l.marks[:0])
	l.steps(&l.tables[3], l.marks, g)
}

// features steps the weights of some of n features.
func (l *learner) features(t *table, features []uint32, n int, g float64, hideNames, hideTexts bool) {
	g *= float64(classify.FeatureScale(n))
	for _, f := range features {
		if hideNames && classify.NameFeature(f) || hideTexts && classify.TextFeature(f) {
			continue
		}
		t.step(classify.FeatureIndex(f), g)
	}
}

func (l *learner) steps(t *table, marks []uint32, g float64) {
	g *= float64(classify.MarkScale(len(marks)))
	for _, m := range marks {
		t.step(m, g)
	}
}
