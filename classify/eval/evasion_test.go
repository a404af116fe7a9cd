package eval

import (
	"bytes"
	"strings"
	"testing"

	"kingsnake/classify/train"
)

// sizeJudge knows the truth, but takes no script of more than 100 KiB for
// malicious.
func sizeJudge(e *train.Example) float64 {
	if e.Malicious && e.Bytes < 100<<10 {
		return 5
	}
	return -5
}

func TestEvasionCountsWhatIsLostAndNothingElse(t *testing.T) {
	t.Parallel()
	d := ownDataset(t)
	v := &Validation{}
	for i := range d.Examples {
		v.Scored = append(v.Scored, Scored{Example: &d.Examples[i], Fold: i % Folds, Logit: sizeJudge(&d.Examples[i])})
	}
	for f := range v.Judges {
		v.Judges[f] = plainJudge(sizeJudge)
	}
	o := EvasionOptions{Clusters: 3, Benign: 2, Seed: 1, Worst: 2}
	results, err := Evasion(t.Context(), v, train.Corpus(train.OwnCorpus), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Clusters+r.Refused+r.Left != 3 || r.Benign > 2 {
			t.Errorf("%s: applied to %d, refused %d, left %d of 3 clusters; %d of 2 benign scripts", r.Name, r.Clusters, r.Refused, r.Left, r.Benign)
		}
		want := 0.0
		if strings.HasPrefix(r.Name, "pad: ") && r.Clusters > 0 {
			want = 1
		}
		for _, p := range r.Points {
			if p.Lost != want || p.AlarmsBefore != 0 || p.AlarmsAfter != 0 {
				t.Errorf("%s at %g: lost %v, alarms %d, then %d; want %v lost and no alarms", r.Name, p.Rate, p.Lost, p.AlarmsBefore, p.AlarmsAfter, want)
			}
			if r.Clusters > 0 && (p.Low > p.Lost || p.High < p.Lost) {
				t.Errorf("%s at %g: %v is outside of its interval %v–%v", r.Name, p.Rate, p.Lost, p.Low, p.High)
			}
		}
		if got := len(r.Worst) > 0; got != (want > 0) {
			t.Errorf("%s lists losses: %t, want %t", r.Name, got, want > 0)
		}
	}
	var text bytes.Buffer
	if err := (&Report{Evasion: results}).WriteText(&text); err != nil || !strings.Contains(text.String(), "| pad: made, around | 3 |") {
		t.Errorf("the report does not show what padding did (%v)", err)
	}
}
