package eval

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/classify"
	"kingsnake/classify/train"
)

func TestContrastCountsWhatOnlyOneFinds(t *testing.T) {
	t.Parallel()
	var twins []twin
	for _, f := range [][2]float64{{1, 1}, {0, 1}, {0.5, 1}, {1, 0}} {
		twins = append(twins, twin{string(rune('a' + len(twins))), f})
	}
	c := contrast(1e-3, twins)
	for _, flagged := range [][2]bool{{true, true}, {true, false}, {true, false}, {false, true}, {false, false}} {
		c.alarm(flagged)
	}
	if c.Clusters != 4 || c.Recall != [2]float64{0.625, 0.75} || c.Only != [2]int{1, 2} {
		t.Errorf("%d clusters, recall %v, only by one %v; want 4, 0.625 and 0.75, 1 and 2", c.Clusters, c.Recall, c.Only)
	}
	if !(c.Low <= c.Gained && c.Gained <= c.High) || c.Low >= 0 || c.High <= 0 {
		t.Errorf("gained %v in %v–%v: so few clusters decide nothing", c.Gained, c.Low, c.High)
	}
	if c.Alarms != [2]int{3, 2} || c.OnlyAlarms != [2]int{2, 1} {
		t.Errorf("alarms %v, only by one %v; want 3 and 2, 2 and 1", c.Alarms, c.OnlyAlarms)
	}
}

// smallReport is the report of three clusters and a thousand benign scripts,
// some of which are flagged.
func smallReport(found [3]float64, flagged ...string) *Report {
	r := &Report{Split: ByGroup, Seed: 1, Benign: 1000, Model: Figures{Points: make([]Point, len(Rates))}}
	for i, f := range found {
		name := string(rune('x' + i))
		r.Clusters = append(r.Clusters, Outcome{Cluster: name, Group: name, Found: []float64{1, f, 0}})
	}
	for _, id := range flagged {
		r.Alarms = append(r.Alarms, Alarm{ID: id, Rate: Rates[1]})
	}
	return r
}

func TestProgressSaysWhatIsNew(t *testing.T) {
	t.Parallel()
	earlier, now := smallReport([3]float64{0, 1, 0.5}, "p", "q"), smallReport([3]float64{1, 0.5, 0.5}, "q", "r", "s")
	p, err := now.Since(earlier)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"better", p.Better, []string{"x"}},
		{"worse", p.Worse, []string{"y"}},
		{"quiet", p.Quiet, []string{"p"}},
		{"loud", p.Loud, []string{"r", "s"}},
		{"recall at 1e-3", p.Contrasts[1].Recall, [2]float64{0.5, 2.0 / 3}},
		{"alarms at 1e-3", p.Contrasts[1].Alarms, [2]int{2, 3}},
		{"alarms at 1e-4", p.Contrasts[2].Alarms, [2]int{0, 0}},
		{"unpaired", p.Unpaired, 0},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	var b strings.Builder
	p.write(&b)
	if !strings.Contains(b.String(), "- 2 benign scripts newly flagged at 1e-3: r, s\n") {
		t.Errorf("the report says:\n%s", b.String())
	}
}

func TestReportsThatCanNotBeComparedAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *Report){
		"another split":    func(r *Report) { r.Split = BySource },
		"other folds":      func(r *Report) { r.Seed = 2 },
		"another corpus":   func(r *Report) { r.Benign = 5 },
		"nothing to match": func(r *Report) { r.Clusters = nil },
	} {
		earlier := smallReport([3]float64{})
		change(earlier)
		if p, err := smallReport([3]float64{}).Since(earlier); err == nil {
			t.Errorf("%s: compared as %+v", name, p)
		}
	}
}

func TestComparisonOfTwoModelsAddsUp(t *testing.T) {
	t.Parallel()
	d := ownDataset(t)
	examples := make([]*train.Example, len(d.Examples))
	for i := range d.Examples {
		examples[i] = &d.Examples[i]
	}
	s := train.Defaults()
	s.Epochs = 1
	tables := train.Pack(train.Fit(examples, train.Weigh(examples, s.Positive), s))
	strict, err := classify.New(tables, classify.Calibration{Slope: 1}, classify.Thresholds{Suspicious: 0.9, Malicious: 0.99})
	if err != nil {
		t.Fatal(err)
	}
	lax, err := classify.New(tables, classify.Calibration{Slope: 1}, classify.Thresholds{Suspicious: 0.1, Malicious: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Compare(t.Context(), d, [2]*classify.Model{strict, lax}, 7)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, table := range [][3][3]int{c.Agreement.Benign, c.Agreement.Malicious} {
		for i, row := range table {
			for j, n := range row {
				sum += n
				if j < i && n > 0 {
					t.Errorf("%d scripts are %s by the strict model and %s by the lax one", n, labels[i], labels[j])
				}
			}
		}
	}
	if sum != len(d.Examples) || c.Malicious+c.Benign != sum {
		t.Errorf("the tables hold %d scripts, %d malicious and %d benign; want %d", sum, c.Malicious, c.Benign, len(d.Examples))
	}
	for _, k := range c.Contrasts {
		if k.Only[0] != 0 || k.OnlyAlarms[0] != 0 || k.Only[1] == 0 || k.Gained <= 0 {
			t.Errorf("at %g: %+v; want the lax model to find more, and never less", k.Rate, k)
		}
	}
	if len(c.Rows) != 7 {
		t.Errorf("%d rows listed, want 7", len(c.Rows))
	}
	var text bytes.Buffer
	if err := c.WriteText(&text); err != nil || !strings.Contains(text.String(), TrainedOnWarning) {
		t.Errorf("the comparison does not warn (%v):\n%s", err, text.String())
	}
}

func TestAReportIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	var scored []Scored
	for i := range 900 {
		scored = append(scored, scoredScript(fmt.Sprint("script ", i), i%3 == 0, fmt.Sprint("cluster ", i/6), i%Folds, float64(i*7%40)))
	}
	want := &Report{Split: ByGroup, Seed: 1, Benign: 600, Malicious: 300, Model: Measure(scored)}
	want.detail(scored)
	want.MaliciousMissed = []Mistake{{ID: "a", Reasons: []string{"It runs."}, Nearest: []Neighbor{{ID: "b", More: []string{"net.dns"}}}}}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadReport(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var before, after bytes.Buffer
	if err := want.WriteText(&before); err != nil {
		t.Fatal(err)
	}
	if err := got.WriteText(&after); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before.String(), after.String()); diff != "" {
		t.Errorf("what it says differs (-written +read):\n%s", diff)
	}
	p, err := got.Since(want)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Better)+len(p.Worse)+len(p.Quiet)+len(p.Loud)+p.Unpaired != 0 || p.Contrasts[2].Gained != 0 {
		t.Errorf("a report differs from itself: %+v", p)
	}
}

func TestReportsThatAreNotWholeAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "[]", "{}", `{"model":{"points":[{},{}]}}`,
		`{"model":{"points":[{},{},{}],"slices":{"family":[{"name":"a","recall":[1]}]}}}`,
		`{"model":{"points":[{},{},{}],"slices":{"family":[{"name":"a","recall":[1,1,1],"low":[1],"high":[1]}]}}}`,
		`{"model":{"points":[{},{},{}]},"clusters":[{"found":[1]}]}`,
		`{"model":{"points":[{},{},{}]},"evasion":[{"points":[{}]}]}`,
		`{"model":{"points":[{},{},{}]},"hard_negatives":{"alarms":[]}}`,
		`{"model":{"points":[{},{},{}]},"loaders":{"loaders":[{"honest_flagged":[1]}]}}`,
	} {
		if r, err := ReadReport(strings.NewReader(text)); err == nil {
			t.Errorf("%s was read as %+v", text, r)
		}
	}
}
