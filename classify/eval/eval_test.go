package eval

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/classify/train"
)

func TestThresholdLetsThroughTheRateAndNoMore(t *testing.T) {
	t.Parallel()
	benign := make([]float64, 1000)
	for i := range benign {
		benign[i] = float64(i)
	}
	for _, c := range []struct {
		name string
		rate float64
		want int
	}{
		{"one in a hundred of a thousand is ten", 1e-2, 10},
		{"one in a thousand of a thousand is one", 1e-3, 1},
		{"one in ten thousand of a thousand is none", 1e-4, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			limit, n := threshold(benign, c.rate), 0
			for _, s := range benign {
				if s >= limit {
					n++
				}
			}
			if n != c.want {
				t.Errorf("threshold %v flags %d, want %d", limit, n, c.want)
			}
		})
	}
	t.Run("equal scores at the limit are let go together", func(t *testing.T) {
		t.Parallel()
		if limit := threshold([]float64{5, 5, 5, 5, 1}, 0.2); !(limit > 5) {
			t.Errorf("threshold = %v, want above 5", limit)
		}
	})
}

func TestAreasUnderCurvesAreThoseOfSmallCasesByHand(t *testing.T) {
	t.Parallel()
	votes := func(pairs ...float64) []vote {
		var v []vote
		for i := 0; i < len(pairs); i += 2 {
			v = append(v, vote{pairs[i], pairs[i+1] == 1, 1})
		}
		return v
	}
	for _, c := range []struct {
		name    string
		votes   []vote
		roc, pr float64
	}{
		{"perfect order", votes(3, 1, 2, 1, 1, 0), 1, 1},
		{"reversed order", votes(1, 1, 2, 0, 3, 0), 0, 1.0 / 3},
		{"all equal", votes(1, 1, 1, 0), 0.5, 0.5},
		{"one benign in between", votes(4, 1, 3, 0, 2, 1, 1, 0), 0.75, (1 + 2.0/3) / 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := rocAUC(c.votes); math.Abs(got-c.roc) > 1e-12 {
				t.Errorf("ROC = %v, want %v", got, c.roc)
			}
			if got := prAUC(c.votes); math.Abs(got-c.pr) > 1e-12 {
				t.Errorf("PR = %v, want %v", got, c.pr)
			}
		})
	}
}

// scoredScript is a script of a test, with a score.
func scoredScript(id string, malicious bool, cluster string, fold int, logit float64) Scored {
	e := &train.Example{}
	e.ID, e.Malicious, e.Cluster, e.Group = id, malicious, cluster, cluster
	return Scored{Example: e, Fold: fold, Logit: logit}
}

func TestRecallCountsOneVoteAClusterAndThresholdsComeFromOtherFolds(t *testing.T) {
	t.Parallel()
	var scored []Scored
	for i := range 1000 {
		// Fold 0 has benign scripts up to 9, the others up to 1.
		logit := float64(i%2) * 1
		if i%Folds == 0 {
			logit = 9
		}
		scored = append(scored, scoredScript("b", false, "b", i%Folds, logit))
	}
	scored = append(scored,
		scoredScript("m1", true, "one", 0, 5), scoredScript("m2", true, "one", 0, -5),
		scoredScript("m3", true, "two", 1, 5), scoredScript("m4", true, "three", 1, 10))
	f := Measure(scored)
	p := f.Points[1]
	// In fold 0 the threshold is that of the other folds, just above 1: half of
	// cluster "one" is found and all 200 benign scripts are flagged. In fold 1
	// it is just above 9.
	if want := 1.5; p.Found != want || p.Clusters != 3 || p.Alarms != 200 {
		t.Errorf("found %v of %d clusters with %d alarms, want %v of 3 with 200", p.Found, p.Clusters, p.Alarms, want)
	}
	if !(p.Low <= p.Recall && p.Recall <= p.High) {
		t.Errorf("recall %v is outside its interval %v–%v", p.Recall, p.Low, p.High)
	}
}

func TestNoGroupStandsOnBothSidesOfAFold(t *testing.T) {
	t.Parallel()
	d := ownDataset(t)
	for i := range d.Examples {
		d.Examples[i].Group = string(rune('a' + i%23))
	}
	d.Examples[3].Set = "variants" // follows its group
	learn := func(examples []*train.Example) Judge {
		return plainJudge(func(e *train.Example) float64 {
			for _, other := range examples {
				if other.Group == e.Group {
					t.Errorf("group %q is judged by a model that has seen it", e.Group)
				}
			}
			return 0
		})
	}
	for _, split := range []Split{ByGroup, ByFamily, BySource} {
		if _, err := CrossValidate(t.Context(), d, learn, split, 1); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEvaluationOfTheOwnCorpusIsSoundAndTheSameEveryTime(t *testing.T) {
	t.Parallel()
	d := ownDataset(t)
	source := train.Corpus(train.OwnCorpus)
	o := Options{Settings: train.Defaults(), Split: ByGroup, Seed: 1, Baseline: true, Worst: 3}
	o.Settings.Epochs = 3
	first, _, err := Evaluate(t.Context(), d, source, o)
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := Evaluate(t.Context(), d, source, o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("two evaluations differ (-first +second):\n%s", diff)
	}
	if first.Model.ROC < 0.9 || first.Model.ROC <= first.Baseline.ROC {
		t.Errorf("ROC-AUC = %.3f, plain token model %.3f: want at least 0.9, and more than the plain one", first.Model.ROC, first.Baseline.ROC)
	}
	if len(first.BenignMistakes) != 3 || len(first.MaliciousMissed) != 3 || len(first.BenignMistakes[0].Reasons) == 0 {
		t.Errorf("mistakes: %d and %d, want 3 each, with reasons", len(first.BenignMistakes), len(first.MaliciousMissed))
	}
	var text bytes.Buffer
	if err := first.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| this model |", "| with the kind masked |", "| plain token model |", "Malicious scripts that score lowest"} {
		if !bytes.Contains(text.Bytes(), []byte(want)) {
			t.Errorf("the report does not say %q", want)
		}
	}
}

func TestSplitsByFamilyLeaveTheFamilyOut(t *testing.T) {
	t.Parallel()
	d := ownDataset(t)
	learn := func(examples []*train.Example) Judge {
		return plainJudge(func(e *train.Example) float64 {
			for _, other := range examples {
				if e.Malicious && other.Malicious && other.Family == e.Family {
					t.Errorf("family %q is judged by a model that has seen it", e.Family)
				}
			}
			return 0
		})
	}
	if _, err := CrossValidate(t.Context(), d, learn, ByFamily, 1); err != nil {
		t.Fatal(err)
	}
}

func TestCalibrationKeepsTheOrderAndMeetsTheBaseRate(t *testing.T) {
	t.Parallel()
	var logits, weights []float64
	var bad []bool
	mean := 0.0
	for i := range 2000 {
		x := float64(i%41)/4 - 7
		logits = append(logits, x)
		bad = append(bad, i%5 == 0 && x > -2 || x > 2)
		weights = append(weights, 1)
		if bad[i] {
			mean++
		}
	}
	c := train.Calibrate(logits, bad, weights)
	sum, last := 0.0, -1.0
	for _, x := range logits {
		sum += c.Probability(x)
	}
	for x := -10.0; x < 10; x++ {
		if p := c.Probability(x); p <= last {
			t.Errorf("probability falls at %v", x)
		} else {
			last = p
		}
	}
	if math.Abs(sum-mean) > 1 {
		t.Errorf("probabilities add up to %.1f, want %.0f", sum, mean)
	}
}

func ownDataset(t *testing.T) *train.Dataset {
	t.Helper()
	d, err := train.Build(t.Context(), train.Corpus(train.OwnCorpus), train.Options{Plain: Plain})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
