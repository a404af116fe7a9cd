package model_test

import (
	"strings"
	"testing"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
	"kingsnake/normalize"
)

// TestAttacksAmongHonestCodeAreFound puts each held-out attack between 100 KiB
// of harmless scripts before it and as much behind it. All must still be
// flagged, and lose no more than six in log-odds on average.
func TestAttacksAmongHonestCodeAreFound(t *testing.T) {
	t.Parallel()
	const size, mayLose = 100 << 10, 6
	m := load(t)
	logit := func(text string) float64 {
		return m.Logit(classify.Extract(normalize.Normalize([]byte(text))))
	}
	own, err := corpus.Own()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, row := range own { // most are look-alikes of attacks, which together would look like one: not those
		if !row.Malicious && row.Kind == "file" && logit(row.Text) < -6.5 {
			b.WriteString(row.Text + "\n")
		}
	}
	if b.Len() < size/4 {
		t.Fatalf("%d bytes of harmless scripts, want at least %d", b.Len(), size/4)
	}
	around := strings.Repeat(b.String(), size/b.Len()+1)
	if v := judge(m, around+around); v.Label == classify.Malicious {
		t.Fatalf("what stands around is malicious by itself, score %.6f", v.Score)
	}
	rows, lost := heldOut(t, "heldout_malicious.txtar"), 0.0
	for _, row := range rows {
		among := logit(around + row.Text + "\n" + around)
		if m.Label(m.Calibration().Probability(among)) == classify.Benign {
			t.Errorf("%s: benign, log-odds %.2f", row.Origin, among)
		}
		lost += logit(row.Text) - among
	}
	if lost /= float64(len(rows)); lost > mayLose {
		t.Errorf("%.2f of log-odds are lost on average, want at most %d", lost, mayLose)
	} else {
		t.Logf("%.2f of log-odds are lost on average", lost)
	}
}
