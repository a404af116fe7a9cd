package eval

import (
	"math"
	"strings"
	"testing"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
	"kingsnake/classify/train"
)

func TestThresholdsAreRaisedOnlyByEnoughScriptsAndNeverLowered(t *testing.T) {
	t.Parallel()
	scores := func(n, high int) []float64 {
		s := make([]float64, n)
		for i := range high {
			s[i] = 0.9
		}
		return s
	}
	for _, c := range []struct {
		name      string
		benign    []float64
		enough    bool
		low, high float64 // where the threshold must lie
	}{
		{"too few scripts, all of them flagged", scores(2999, 2999), false, 0.5, 0.5},
		{"enough scripts, none flagged", scores(3000, 0), true, 0.5, 0.5},
		{"enough scripts, as many flagged as may be", scores(3000, 3), true, 0.5, 0.5},
		{"enough scripts, one flagged too many", scores(3000, 4), true, 0.9, 0.91},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := limit(0.5, c.benign, 1e-3)
			if l.Enough != c.enough || l.Score < c.low || l.Score > c.high || l.Base != 0.5 {
				t.Errorf("limit %+v, want enough %v and a score of %v to %v", l, c.enough, c.low, c.high)
			}
			flagged := 0
			for _, s := range c.benign {
				if s >= l.Score {
					flagged++
				}
			}
			if c.enough && flagged > 3 {
				t.Errorf("%d are flagged, want at most 3", flagged)
			}
		})
	}
}

func TestAdaptedCountsAndCases(t *testing.T) {
	t.Parallel()
	base, m := fixed(t, 0.9), fixed(t, 0.1)
	scored := []Scored{}
	for _, e := range []struct {
		origin, set, cluster string
		malicious            bool
	}{
		{"good.py", corpus.Yours, "g", false},
		{"bad1.py", corpus.Yours, "b", true}, {"bad2.py", corpus.Yours, "b", true},
		{"attack", "train", "a", true}, {"harmless", "train", "h", false},
	} {
		x := train.NewExample(corpus.Row{Text: "x = 1\n"}, train.Options{})
		x.Origin, x.Set, x.Cluster, x.Group, x.Malicious = e.origin, e.set, e.cluster, e.set, e.malicious
		scored = append(scored, Scored{Example: &x})
	}
	var a Adapted
	a.Suspicious, a.Malicious = Limit{Score: 0.3}, Limit{Score: 0.5}
	a.count(scored, []float64{0.1, 0.4, 0.1, 0.1, 0.1}, base, m)
	want := Change{
		Before: Tally{Benign: 1, Alarms: [2]int{1, 1}, Clusters: 1, Found: [2]float64{1, 1}},
		Unseen: Tally{Benign: 1, Clusters: 1, Found: [2]float64{0.5, 0}},
		After:  Tally{Benign: 1, Clusters: 1},
	}
	if a.Yours != want {
		t.Errorf("yours %+v, want %+v", a.Yours, want)
	}
	if a.Ours.Before.Found != [2]float64{1, 1} || a.Ours.After.Found != [2]float64{} || a.Projects != 1 {
		t.Errorf("ours %+v, %d projects", a.Ours, a.Projects)
	}
	var b strings.Builder
	if err := a.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"Benign scripts of yours that the base flags\n\nRead them",
		"| good.py | 0.9000 | malicious | benign | benign |",
		"## Malicious scripts of yours that this model calls benign",
		"| bad1.py | 0.9000 | malicious | suspicious | benign |",
		"| attack | 0.9000 | malicious | benign | benign |",
		"Projects of yours: 1.", "With fewer than 5,",
	} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("the text does not say %q:\n%s", line, b.String())
		}
	}
	if strings.Contains(b.String(), "harmless") {
		t.Error("the text names a harmless script of ours")
	}
}

func TestWhatRisesWithAllScriptsIsTakenBack(t *testing.T) {
	t.Parallel()
	base := fixed(t, 0.5) // a logit of 0
	scored := func(set string, malicious bool, logits ...float64) (all []Scored) {
		for _, l := range logits {
			x := train.NewExample(corpus.Row{Text: "x = 1\n", Set: set, Malicious: malicious}, train.Options{})
			all = append(all, Scored{Example: &x, Logit: l})
		}
		return all
	}
	for _, c := range []struct {
		name   string
		scored []Scored
		want   float64
	}{
		{"the mean of somebody's benign scripts", scored(corpus.Yours, false, 1, 2), 1.5},
		{"never less than nothing", scored(corpus.Yours, false, -1, -2), 0},
		{"attacks may rise", scored(corpus.Yours, true, 5), 0},
		{"the corpus inside the program says nothing", scored("train", false, 5), 0},
		{"nothing at all", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := rise(c.scored, base); math.Abs(got-c.want) > 1e-6 {
				t.Errorf("rise = %v, want %v", got, c.want)
			}
		})
	}
}

// fixed is a model that gives every script the same score.
func fixed(t *testing.T, score float64) *classify.Model {
	t.Helper()
	m, err := classify.New(classify.NewTables[int8](), classify.Calibration{Slope: 1, Offset: math.Log(score / (1 - score))}, classify.Thresholds{Suspicious: 0.3, Malicious: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
