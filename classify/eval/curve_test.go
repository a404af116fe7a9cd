package eval

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/classify"
)

func TestCurvesOfASmallCaseAreThoseByHand(t *testing.T) {
	t.Parallel()
	// From the highest score down: malicious, benign, malicious and benign at
	// once, malicious of half a vote, benign.
	votes := []vote{{5, true, 1}, {4, false, 1}, {3, true, 1}, {3, false, 1}, {2, true, 0.5}, {1, false, 1}}
	got := curve(votes)
	want := &Curve{
		ROC: []XY{{0, 0.4}, {1.0 / 3, 0.4}, {2.0 / 3, 1}, {1, 1}},
		PR:  []XY{{0.4, 1}, {0.4, 0.5}, {0.8, 0.5}, {1, 2.5 / 4.5}, {1, 2.5 / 5.5}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("curves (-want +got):\n%s", diff)
	}
	for _, only := range []bool{true, false} {
		if c := curve([]vote{{1, only, 1}}); len(c.ROC)+len(c.PR) != 0 {
			t.Errorf("one class alone has a curve: %v", c)
		}
	}
}

func TestLongCurvesAreThinnedAndKeepTheirEnds(t *testing.T) {
	t.Parallel()
	var votes []vote
	for i := range 50000 {
		votes = append(votes, vote{float64(i), i%10 == 0, 1})
	}
	c := curve(votes)
	if n := len(c.ROC); n > 600 {
		t.Errorf("%d points of recall by rate, want at most 600", n)
	}
	if n := len(c.PR); n > 600 {
		t.Errorf("%d points of precision by recall, want at most 600", n)
	}
	if last := c.ROC[len(c.ROC)-1]; last != (XY{1, 1}) {
		t.Errorf("the curve ends at %v, want where everything is flagged", last)
	}
	for i := 1; i < len(c.ROC); i++ {
		if a, b := c.ROC[i-1], c.ROC[i]; b.X < a.X || b.Y < a.Y {
			t.Fatalf("the curve falls from %v to %v", a, b)
		}
	}
}

func TestSpreadCountsEveryScriptOnce(t *testing.T) {
	t.Parallel()
	var scored []Scored
	for i := range 400 {
		scored = append(scored, scoredScript(fmt.Sprint("b", i), false, fmt.Sprint("b", i), i%Folds, float64(i%40)-30))
		scored = append(scored, scoredScript(fmt.Sprint("m", i), true, fmt.Sprint("m", i/4), i%Folds, float64(i%40)-5))
	}
	s := spread(scored, classify.Calibration{Slope: 1})
	var benign, bins int
	var malicious, share float64
	for i, b := range s.Bars {
		benign += b.Benign
		malicious += b.Malicious
		if i > 0 && b.From-s.Bars[i-1].From != barWidth {
			t.Errorf("bar %d begins at %g, the one before at %g", i, b.From, s.Bars[i-1].From)
		}
	}
	for i, b := range s.Bins {
		bins += b.Benign
		share += b.Share * (float64(b.Benign) + b.Malicious)
		if !(b.Low <= b.Share && b.Share <= b.High) || i > 0 && b.Mean < s.Bins[i-1].Mean {
			t.Errorf("bin %d: share %g of %g–%g, mean %g", i, b.Share, b.Low, b.High, b.Mean)
		}
	}
	if benign != 400 || bins != 400 || math.Abs(malicious-100) > 1e-9 || math.Abs(share-100) > 1e-9 {
		t.Errorf("bars hold %d benign scripts and %g clusters, bins %d and %g; want 400 and 100 of each", benign, malicious, bins, share)
	}
	if len(s.Limits) != len(Rates) || s.Limits[0] > s.Limits[1] {
		t.Errorf("limits %v: want one of each rate, rising", s.Limits)
	}
	if got := spread(nil, classify.Calibration{Slope: 1}); len(got.Bars)+len(got.Bins)+len(got.Limits) != 0 {
		t.Errorf("nothing is spread as %+v", got)
	}
}

func TestHardNegativesAreTheFamiliesThatLookLikeAttacks(t *testing.T) {
	t.Parallel()
	var scored []Scored
	for i := range 5000 {
		s := scoredScript(fmt.Sprint("b", i), false, fmt.Sprint("b", i), i%Folds, -5-float64(i)/5000)
		s.Example.Family = []string{"installer", "app", "lookalike", "web", "test"}[i%5]
		if i == 10 || i == 11 || i == 12 {
			s.Logit = float64(i) // an installer, an app and a lookalike
		}
		scored = append(scored, s)
	}
	r := &Report{Model: Measure(scored)}
	r.detail(scored)
	h := r.Hard
	if h == nil || h.Scripts != 2000 || len(h.Flagged) != h.Alarms[1] || h.Flagged[0].ID != "b12" || h.Flagged[1].ID != "b10" {
		t.Fatalf("hard negatives: %+v, want 2000 scripts, and b12 and b10 flagged first", h)
	}
	for _, a := range h.Flagged {
		if a.Family != "installer" && a.Family != "lookalike" {
			t.Errorf("%+v is no hard negative", a)
		}
	}
	if r.Alarms[1].ID != "b11" || len(r.Alarms) != r.Model.Points[1].Alarms {
		t.Errorf("alarms: %v, want all %d, the app second", r.Alarms, r.Model.Points[1].Alarms)
	}
}
