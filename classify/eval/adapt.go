package eval

import (
	"cmp"
	"context"
	"math"
	"slices"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
	"kingsnake/classify/train"
)

// Adapted says what adapting a model to somebody's own scripts did.
type Adapted struct {
	Projects    int // of somebody's own: groups, of which none is on both sides of a fold
	Yours, Ours Change
	// Lowered is what was taken from the bias: see [Adapt].
	Lowered float64
	// Suspicious and Malicious say where the thresholds came from.
	Suspicious, Malicious Limit
	// Cases are the scripts that a person should look at, in falling order of
	// the base model's score.
	Cases []Case
}

// Change is how a set of scripts fares: with the base model, with adapted
// models of which none had learned from what it judged, and with the model that
// is written, which has learned from all of it.
type Change struct {
	Before, Unseen, After Tally
}

// Tally counts what a model calls at least suspicious, and malicious.
type Tally struct {
	Benign   int
	Alarms   [2]int
	Clusters float64 // of near-duplicate malicious scripts: a script is its share of one
	Found    [2]float64
}

// Limit is a threshold, and how it came about.
type Limit struct {
	Score, Base float64
	Rate        float64 // of false alarms that it allows
	Needed      int     // benign scripts without which the base's is kept
	Enough      bool    // there were as many
}

// Case is one script and what models call it. Unseen is the verdict of an
// adapted model that had not learned from it.
type Case struct {
	Origin                string
	Malicious, Yours      bool
	Score                 float64 // of the base model
	Before, Unseen, After classify.Label
}

// Adapt makes a model of a base that has learned from the dataset as well: rows
// of somebody's own, of the set [corpus.Yours], and whatever keeps the base in
// place. What may be judged of it is, by cross-validation, to tell what that did.
//
// Attacks raise the scores of all scripts alike, which tells nothing. What they
// raise those of the set's benign scripts by is taken from the bias: the mean of
// those that look most like attacks, each judged by a model that has not seen
// it.
//
// Thresholds are those of the base. One is raised, never lowered, where the
// benign scripts of the set are enough to show that it has to be: see [Limit].
func Adapt(ctx context.Context, base *classify.Model, d *train.Dataset, s train.Settings, seed uint64) (*classify.Model, *Adapted, error) {
	v, err := CrossValidate(ctx, d, AdaptLearner(base, s), ByGroup, seed)
	if err != nil {
		return nil, nil, err
	}
	a := &Adapted{Lowered: rise(v.Scored, base)}
	unseen := make([]float64, len(v.Scored))
	var benign []float64
	for i, scored := range v.Scored {
		unseen[i] = base.Calibration().Probability(scored.Logit - a.Lowered)
		if e := scored.Example; !e.Malicious && e.Set == corpus.Yours {
			benign = append(benign, unseen[i])
		}
	}
	old := base.Thresholds()
	a.Suspicious, a.Malicious = limit(old.Suspicious, benign, Rates[1]), limit(old.Malicious, benign, Rates[2])
	a.Malicious.Score = max(a.Malicious.Score, a.Suspicious.Score)

	examples := make([]*train.Example, len(d.Examples))
	for i := range d.Examples {
		examples[i] = &d.Examples[i]
	}
	tables := train.Adapt(base.Tables(), examples, train.Weigh(examples, s.Positive), s)
	tables.Bias -= float32(a.Lowered)
	m, err := classify.New(tables, base.Calibration(), classify.Thresholds{Suspicious: a.Suspicious.Score, Malicious: a.Malicious.Score})
	if err != nil {
		return nil, nil, err
	}
	a.count(v.Scored, unseen, base, m)
	return m, a, ctx.Err()
}

// AdaptLearner is the learner of models that are adapted from a base.
func AdaptLearner(base *classify.Model, s train.Settings) Learner {
	return func(examples []*train.Example) Judge {
		t := train.Adapt(base.Tables(), examples, train.Weigh(examples, s.Positive), s)
		m, err := classify.New(t, base.Calibration(), base.Thresholds())
		return judge{m, err}
	}
}

// rise is by how much adapted models score somebody's benign scripts higher than
// the base does, in log-odds: the mean of the tenth that the base scores
// highest, and of twenty at least. It is never below zero.
func rise(scored []Scored, base *classify.Model) float64 {
	var before, risen []float64
	for _, s := range scored {
		if !s.Example.Malicious && s.Example.Set == corpus.Yours {
			logit := base.Logit(s.Example.Features)
			before, risen = append(before, logit), append(risen, s.Logit-logit)
		}
	}
	order := make([]int, len(before))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(before[j], before[i]) })
	order = order[:min(len(order), max(len(order)/10, 20))]
	sum := 0.0
	for _, i := range order {
		sum += risen[i]
	}
	return max(0, sum/float64(max(1, len(order))))
}

// enough is how many false alarms a rate must allow before benign scripts are
// taken to show that a threshold keeps it: when none of 3/rate scripts raises
// an alarm, the true rate is below rate with 95 % confidence.
const enough = 3

// limit raises a threshold of the base to what the scores of benign scripts ask
// for, if they are many enough.
func limit(base float64, benign []float64, rate float64) Limit {
	l := Limit{Score: base, Base: base, Rate: rate, Needed: int(math.Round(enough / rate))}
	if len(benign) >= l.Needed {
		l.Enough = true
		l.Score = min(1, max(base, threshold(benign, rate)))
	}
	return l
}

// count tallies what three models call each script, and collects the cases.
func (a *Adapted) count(scored []Scored, unseen []float64, base, m *classify.Model) {
	size, projects := clusterSizes(scored), map[string]bool{}
	for i, s := range scored {
		e := s.Example
		change := &a.Ours
		if e.Set == corpus.Yours {
			change = &a.Yours
			projects[e.Group] = true
		}
		c := Case{Origin: e.Origin, Malicious: e.Malicious, Yours: e.Set == corpus.Yours, Score: base.Score(e.Features)}
		c.Before, c.Unseen, c.After = base.Label(c.Score), m.Label(unseen[i]), m.Label(m.Score(e.Features))
		change.Before.add(e, c.Before, size)
		change.Unseen.add(e, c.Unseen, size)
		change.After.add(e, c.After, size)
		if c.worthALook() {
			a.Cases = append(a.Cases, c)
		}
	}
	a.Projects = len(projects)
	slices.SortStableFunc(a.Cases, func(x, y Case) int { return cmp.Compare(y.Score, x.Score) })
}

// worthALook reports whether a script of somebody's own is called wrongly by
// any of the models, or an attack of ours is lost.
func (c *Case) worthALook() bool {
	if c.Yours {
		return c.wrong(c.Before) || c.wrong(c.Unseen) || c.wrong(c.After)
	}
	return c.Lost()
}

func (c *Case) wrong(l classify.Label) bool { return c.Malicious == (l == classify.Benign) }

// Lost reports whether the base model finds an attack that adapted models call
// benign.
func (c *Case) Lost() bool {
	return c.Malicious && c.Before != classify.Benign && (c.Unseen == classify.Benign || c.After == classify.Benign)
}

func (t *Tally) add(e *train.Example, l classify.Label, size map[string]float64) {
	level := slices.Index(labels[:], l)
	part := 1 / max(1, size[e.Cluster])
	if !e.Malicious {
		t.Benign++
		for i := range level {
			t.Alarms[i]++
		}
		return
	}
	t.Clusters += part
	for i := range level {
		t.Found[i] += part
	}
}
