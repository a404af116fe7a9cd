package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"

	"kingsnake/classify"
	"kingsnake/classify/eval"
)

// full is a report with something in every part. Names are given to whatever
// comes from a corpus.
func full(name string) *eval.Report {
	parts := func(n int) []eval.Slice {
		var list []eval.Slice
		for i := range n {
			s := eval.Slice{Name: fmt.Sprint(i), Clusters: 9, Recall: []float64{1, 0.5, 0.25}}
			if i == 0 {
				s.Name, s.Low, s.High = name, []float64{1, 0.25, 0}, []float64{1, 0.75, 0.5}
			}
			list = append(list, s)
		}
		return list
	}
	alarms := []eval.Slice{{Name: name, Benign: 70, Alarms: []int{3, 2, 1}}}
	point := eval.Point{Recall: 0.8125, Low: 0.75, High: 0.875, Found: 13, Clusters: 16, Realized: 1e-3, RealLow: 5e-4, RealHigh: 2e-3, Alarms: 55, Benign: 55357}
	f := eval.Figures{ROC: 0.99, PR: 0.9, Slices: map[string][]eval.Slice{
		"family": parts(16), "kind": parts(2), "evidence": parts(20), "source": parts(40), "month": parts(1), "registry": parts(2),
		"benign family": alarms, "benign kind": alarms,
	}, Curve: &eval.Curve{ROC: []eval.XY{{X: 0, Y: 0.5}, {X: 0.1, Y: 0.75}, {X: 1, Y: 1}}, PR: []eval.XY{{X: 0.5, Y: 1}, {X: 1, Y: 0.5}}}}
	for _, rate := range eval.Rates {
		point.Rate = rate
		f.Points = append(f.Points, point)
	}
	mistake := eval.Mistake{ID: name, Family: name, Kind: name, Origin: name, Reasons: []string{name}, Logit: -3.5, Called: classify.Label(name),
		Nearest: []eval.Neighbor{{ID: name, Family: name, Set: name, Origin: name, Similarity: 0.25, More: []string{name}, Less: []string{name}}}}
	return &eval.Report{
		Split: eval.ByGroup, Seed: 1, Malicious: 40, Benign: 55357, Model: f, Baseline: &f, KnownGood: &f, Known: 7,
		Scores: &eval.Scores{Limits: []float64{-1, 0, 1}, Bars: []eval.Bar{{From: -1, Benign: 1000}, {From: -0.5, Benign: 3, Malicious: 2}},
			Bins: []eval.Bin{{Mean: 0.1, Share: 0.125, Low: 0.1, High: 0.2, Benign: 7, Malicious: 1}}},
		Hard:     &eval.HardNegatives{Scripts: 9, Alarms: []int{3, 2, 1}, Flagged: []eval.Alarm{{ID: name, Family: name, Kind: name, Origin: name, Rate: 1e-3}}},
		Loaders:  &eval.LoadersReport{Honest: 5, Hostile: 5, Loaders: []eval.LoaderResult{{Name: name, Honest: 5, HonestFlagged: []int{0, 0, 0}, Hostile: 5, HostileFlagged: []int{5, 5, 4}}}, Wrong: []eval.LoaderCase{{ID: name, Origin: name, Called: classify.Label(name)}}},
		Progress: &eval.Progress{Contrasts: []eval.Contrast{{Rate: 1e-3, Clusters: 5}}, Better: []string{name}},
		Evasion:  []eval.EvasionResult{{Name: name, Says: name, Clusters: 5, Points: []eval.EvasionPoint{{Rate: 1e-3, Lost: 0.25, Low: 0.125, High: 0.5}, {Rate: 1e-4}}}},
		Marks:    &eval.Pointing{Marked: 70, Flagged: 63, HitRate: 0.98}, BenignMistakes: []eval.Mistake{mistake}, MaliciousMissed: []eval.Mistake{mistake},
	}
}

func written(t testing.TB, r *eval.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// wellFormed fails unless a picture is XML.
func wellFormed(t testing.TB, name, picture string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(picture))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("plot %s is not well-formed: %v\n%s", name, err, picture)
		}
	}
}

func TestThePageShowsWhatThereIs(t *testing.T) {
	t.Parallel()
	text := written(t, full("some name"))
	for _, want := range []string{
		"81.2 %", "55 of 55,357", "1 in 10,000", "some name", "28 more", "−3.5", `id="loaders"`, `id="evasion"`, `id="mistakes"`, `id="progress"`,
		"Hard negatives", "&#43;25.0", "plain token model", "98.0 %",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	bare := written(t, &eval.Report{Split: eval.ByGroup, Model: eval.Figures{Points: make([]eval.Point, 3)}})
	for _, id := range []string{"loaders", "evasion", "mistakes", "progress", "curves", "malicious", "benign", "marks"} {
		if strings.Contains(bare, `id="`+id+`"`) || strings.Contains(bare, `href="#`+id+`"`) {
			t.Errorf("an empty report has a part %q", id)
		}
	}
}

func TestThePageCanBeReadByAll(t *testing.T) {
	t.Parallel()
	text := written(t, full("some name"))
	count := func(re string) int { return len(regexp.MustCompile(re).FindAllString(text, -1)) }
	if tables, captions := count("<table>"), count("<caption"); tables == 0 || tables != captions {
		t.Errorf("%d tables have %d captions", tables, captions)
	}
	if plots, titles, says := count(`<svg class="plot"`), count("<title id="), count("<desc id="); plots != 8 || titles != plots || says != plots {
		t.Errorf("%d plots have %d titles and %d descriptions, want 8 of each", plots, titles, says)
	}
	if heads, scopes := count("<th[ >]"), count("<th scope="); heads != scopes {
		t.Errorf("%d of %d heads say no scope", heads-scopes, heads)
	}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if seen[m[1]] {
			t.Errorf("id %q stands twice", m[1])
		}
		seen[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if !seen[m[1]] {
			t.Errorf("a link leads to #%s, which is not there", m[1])
		}
	}
}

func TestThePageStandsByItself(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(written(t, full("some name")), `xmlns="http://www.w3.org/2000/svg"`, "")
	for _, never := range []string{"<script", "http:", "https:", "url(", "@import", "src=", "<link"} {
		if strings.Contains(text, never) {
			t.Errorf("the page contains %q", never)
		}
	}
}

func TestPlotsAreFilesOfTheirOwn(t *testing.T) {
	t.Parallel()
	var names []string
	for _, p := range Plots(full("a <b> & \x00\u202e name")) {
		names = append(names, p.Name)
		wellFormed(t, p.Name, p.File())
		if !strings.Contains(p.File(), "prefers-color-scheme: dark") {
			t.Errorf("plot %s knows no dark", p.Name)
		}
	}
	if got, want := strings.Join(names, " "), "roc precision scores calibration family kind evidence evasion"; got != want {
		t.Errorf("plots %s, want %s", got, want)
	}
	if got := Plots(&eval.Report{}); len(got) != 0 {
		t.Errorf("an empty report has %d plots", len(got))
	}
}

func TestTheCurveStandsWhereItShould(t *testing.T) {
	t.Parallel()
	p := roc(full("n"))
	// 0.1 is four fifths of the way from 1e-5 to 1; recall 0.75 three quarters
	// of the way up.
	x, y := p.left+(p.right-p.left)*0.8, p.bottom-(p.bottom-p.top)*0.75
	if want := fmt.Sprintf("H%.1fV%.1f", x, y); !strings.Contains(p.File(), want) {
		t.Errorf("no step %s in %s", want, p.File())
	}
}

func TestScalesKeepInside(t *testing.T) {
	t.Parallel()
	for _, s := range []scale{{1e-5, 1, math.Log10}, {low: -20, high: 100}, {low: 5, high: 0}, {1e-5, 1 - 1e-4, logit}, {low: 0, high: 0}} {
		for _, v := range []float64{0, -1, 1, 0.5, 1e300, -1e300, math.Inf(1), math.Inf(-1), math.NaN()} {
			if at := s.at(v); !(at >= 0 && at <= 1) {
				t.Errorf("%v stands at %v of %+v", v, at, s)
			}
		}
	}
}

func TestWordsForNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want string }{
		{thousands(0), "0"}, {thousands(999), "999"}, {thousands(1000), "1,000"}, {thousands(1234567), "1,234,567"}, {thousands(-1234), "−1,234"},
		{odds(1e-3), "1 in 1,000"}, {odds(0), "none"}, {odds(math.NaN()), "none"}, {odds(1), "1 in 1"},
		{signed(0.25), "+25.0"}, {signed(-0.25), "−25.0"}, {percent(0.8125), "81.2 %"}, {rateWords(2), "1 in 10,000"}, {rateWords(9), ""},
	} {
		if c.got != c.want {
			t.Errorf("want %q, got %q", c.want, c.got)
		}
	}
}

// FuzzNames puts a hostile name wherever a corpus could.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"a", "<script>alert(1)</script>", `"><img src=x onerror=y>`, "]]>", "</style>", "</svg>", "\x00\x1b[31m\u202e", "{{.}}", "&lt;", strings.Repeat("é", 300), "javascript:x"} {
		f.Add(s)
	}
	own := strings.Count(written(f, full("a")), "<")
	f.Fuzz(func(t *testing.T, name string) {
		r := full(name)
		if got := strings.Count(written(t, r), "<"); got != own {
			t.Errorf("%q makes %d tags of %d", name, got, own)
		}
		for _, p := range Plots(r) {
			wellFormed(t, p.Name, p.File())
		}
	})
}

// FuzzReport draws whatever can be read as a report.
func FuzzReport(f *testing.F) {
	r := full("a")
	r.Calibration, r.Thresholds = classify.Calibration{Slope: 1}, classify.Thresholds{}
	data, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"model":{"points":[{},{},{}],"curve":{"roc":[{"x":-1e308,"y":1e308}]}},"scores":{"bars":[{}],"bins":[{"benign":-9,"mean":7}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := eval.ReadReport(bytes.NewReader(data))
		if err != nil {
			return
		}
		written(t, r)
		for _, p := range Plots(r) {
			wellFormed(t, p.Name, p.File())
			if strings.Contains(p.File(), "NaN") || strings.Contains(p.File(), "Inf") {
				t.Errorf("plot %s has a number that is none", p.Name)
			}
		}
		if err := r.WriteText(io.Discard); err != nil {
			t.Error(err)
		}
	})
}
