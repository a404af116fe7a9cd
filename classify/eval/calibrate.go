package eval

import (
	"math"

	"kingsnake/classify"
	"kingsnake/classify/train"
	"kingsnake/normalize"
)

// Freeze turns out-of-fold scores into what is shipped with a model: the
// calibration, on one vote a cluster and one a benign script, and the
// thresholds, from all benign scores.
func Freeze(scored []Scored) (classify.Calibration, classify.Thresholds) {
	n := len(scored)
	logits, malicious, weights := make([]float64, n), make([]bool, n), make([]float64, n)
	var benign []float64
	for i, v := range castVotes(scored) {
		logits[i], malicious[i], weights[i] = v.score, v.malicious, v.weight
		if !v.malicious {
			benign = append(benign, v.score)
		}
	}
	c := train.Calibrate(logits, malicious, weights)
	return c, classify.Thresholds{
		Suspicious: c.Probability(threshold(benign, Rates[1])),
		Malicious:  c.Probability(threshold(benign, Rates[2])),
	}
}

// ModelLearner is the learner of the embedded model: its scores come from
// tables rounded as they are shipped.
func ModelLearner(s train.Settings) Learner {
	return func(examples []*train.Example) Judge {
		t := train.Pack(train.Fit(examples, train.Weigh(examples, s.Positive), s))
		// Thresholds this low make the model explain whatever it is asked.
		m, err := classify.New(t, classify.Calibration{Slope: 1}, classify.Thresholds{Suspicious: 1e-300, Malicious: 1})
		return judge{m, err}
	}
}

// judge is a model under examination.
type judge struct {
	model *classify.Model
	err   error
}

func (j judge) Score(e *train.Example) float64 {
	if j.err != nil {
		return math.NaN()
	}
	return j.model.Logit(e.Features)
}

func (j judge) Explain(text normalize.Text) []classify.Reason {
	if j.err != nil {
		return nil
	}
	return j.model.Judge(text).Reasons
}
