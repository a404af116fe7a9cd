package train

import (
	"math"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
)

// Adaptation are the settings with which [Adapt] changes a model that is there.
// A malicious cluster weighs less than in [Defaults], because few benign scripts
// hold against it: with more weight every script comes out a little more
// malicious. Marks, of which every script has some, hardly move for the same
// reason.
func Adaptation() Settings {
	s := Defaults()
	s.MarkRate, s.L2, s.Positive = 0.01, 1, 4
	return s
}

// Adapt learns from examples of the set [corpus.Yours] what has to change in a
// model, and nothing else: all other examples are to score as they do with the
// base, weights are drawn to those of the base instead of to zero, one that no
// example asks to be changed stays bit for bit what it was, and so does the
// bias. Base is not changed. Like [Fit]
// it is deterministic and uses one core.
func Adapt(base *classify.Tables[int8], examples []*Example, weights []float64, s Settings) *classify.Tables[int8] {
	from := unpack(base)
	l := newLearner(unpack(base), s)
	l.adapts = true
	targets := make([]float64, len(examples))
	for i, e := range examples {
		targets[i] = e.target()
		if e.Set != corpus.Yours {
			targets[i] = 1 / (1 + math.Exp(-float64(from.Score(e.Features).Logit)))
		}
	}
	for i, table := range parts(from) {
		l.tables[i].base = table
	}
	return packLike(base, l.fit(examples, weights, targets))
}

// unpack is the opposite of Pack.
func unpack(p *classify.Tables[int8]) *classify.Tables[float32] {
	t := classify.NewTables[float32]()
	t.Bias = p.Bias
	to := t.Marks()
	for k, marks := range p.Marks() {
		copy(to[k], marks)
	}
	for i, w := range p.Core {
		t.Core[i] = float32(w) * p.CoreUnit
	}
	for i, w := range p.Window {
		t.Window[i] = float32(w) * p.WindowUnit
	}
	return t
}

// packLike rounds tables as Pack does, but to the units of a base: with others
// every weight would be rounded anew.
func packLike(base *classify.Tables[int8], t *classify.Tables[float32]) *classify.Tables[int8] {
	p := classify.NewTables[int8]()
	p.Bias, p.CoreUnit, p.WindowUnit = base.Bias, base.CoreUnit, base.WindowUnit
	for i, w := range t.Core {
		p.Core[i] = units(w, p.CoreUnit)
	}
	for i, w := range t.Window {
		p.Window[i] = units(w, p.WindowUnit)
	}
	roundMarks(t, p)
	return p
}
