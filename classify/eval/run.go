package eval

import (
	"context"
	"math"
	"slices"

	"kingsnake/classify/train"
)

// Options say what Evaluate does.
type Options struct {
	Settings train.Settings
	Split    Split
	Seed     uint64 // of the folds
	Baseline bool   // measure the plain token model as well; the dataset must have its features
	Worst    int    // mistakes to list of each kind; 0 for none
	// Progress, if not nil, is told what begins.
	Progress func(what string)
}

// Evaluate cross-validates the embedded model's learner on a dataset and
// reports. The source is read again for the reasons of the worst mistakes.
func Evaluate(ctx context.Context, d *train.Dataset, source train.Source, o Options) (*Report, *Validation, error) {
	say := o.Progress
	if say == nil {
		say = func(string) {}
	}
	say("cross-validation of the model")
	v, err := CrossValidate(ctx, d, ModelLearner(o.Settings), o.Split, o.Seed)
	if err != nil {
		return nil, nil, err
	}
	r := &Report{Split: o.Split, Seed: o.Seed, Model: Measure(v.Scored), Loaders: v.MeasureLoaders()}
	for _, s := range v.Scored {
		if s.Example.Malicious {
			r.Malicious++
		} else {
			r.Benign++
		}
	}
	r.measureKnown(v.Scored)
	r.detail(v.Scored)
	masked := r.Model
	masked.Slices, masked.Curve = nil, nil
	r.KindMasked = &masked
	if o.Baseline {
		say("cross-validation of the plain token model")
		b, err := CrossValidate(ctx, d, PlainLearner, o.Split, o.Seed)
		if err != nil {
			return nil, nil, err
		}
		f := Measure(b.Scored)
		f.Slices = nil
		r.Baseline = &f
	}
	if o.Worst > 0 {
		say("reasons of the worst mistakes")
		if r.BenignMistakes, r.MaliciousMissed, err = Worst(ctx, v, source, o.Worst); err != nil {
			return nil, nil, err
		}
		say("nearest neighbors of the worst mistakes")
		Nearest(d, v, r.BenignMistakes, r.MaliciousMissed)
	}
	return r, v, nil
}

// detail says what came of each cluster and each benign script that is flagged,
// and how scores are spread.
func (r *Report) detail(scored []Scored) {
	flags := make([][]bool, len(Rates))
	for k, rate := range Rates {
		flags[k] = Flagged(scored, rate)
	}
	r.Clusters = outcomes(clusters(scored), flags)
	r.Alarms = alarms(scored, flags)
	r.Hard = hardNegatives(r.Model.Slices["benign family"], r.Alarms)
	r.Calibration, r.Thresholds = Freeze(scored)
	r.Scores = spread(scored, r.Calibration)
}

// measureKnown measures once more, with what an index of known files has at the
// lowest of scores. Without an index nothing is known, and nothing measured.
func (r *Report) measureKnown(scored []Scored) {
	lowered := slices.Clone(scored)
	for i := range lowered {
		if s := &lowered[i]; s.Example.Known {
			s.Logit = math.Inf(-1)
			if s.Example.Malicious {
				r.KnownMalicious++
			} else {
				r.Known++
			}
		}
	}
	if r.Known+r.KnownMalicious == 0 {
		return
	}
	f := Measure(lowered)
	f.Slices, f.Curve = nil, nil
	r.KnownGood = &f
}
