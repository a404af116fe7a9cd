package report

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"

	"kingsnake/classify/eval"
)

// Plots draws what a report has to show, always in the same order.
func Plots(r *eval.Report) []*Plot {
	var list []*Plot
	if c := r.Model.Curve; c != nil && len(c.ROC) > 0 {
		list = append(list, roc(r), precision(r))
	}
	if r.Scores != nil && len(r.Scores.Bars) > 0 {
		list = append(list, histogram(r.Scores))
	}
	if r.Scores != nil && len(r.Scores.Bins) > 0 {
		list = append(list, calibration(r.Scores.Bins))
	}
	for _, part := range []string{"family", "kind", "evidence"} {
		if rows := r.Model.Slices[part]; len(rows) > 0 {
			list = append(list, recalls(part, rows))
		}
	}
	if len(r.Evasion) > 0 {
		list = append(list, evasion(r.Evasion))
	}
	return list
}

// minRate is where the axis of false-positive rates begins.
const minRate = 1e-5

func xy(points []eval.XY) [][2]float64 {
	list := make([][2]float64, len(points))
	for i, p := range points {
		list[i] = [2]float64{p.X, p.Y}
	}
	return list
}

func roc(r *eval.Report) *Plot {
	p := newPlot("roc", "Recall by false-positive rate",
		"Recall, one vote a cluster, against the share of benign scripts flagged, on a logarithmic axis. Dots are the frozen thresholds, with 95 % intervals both ways.")
	p.x, p.y = scale{minRate, 1, math.Log10}, scale{low: 0, high: 1}
	p.axes(powers(-5, 0), ticks("%.1f", 0, .2, .4, .6, .8, 1), "false-positive rate", "recall")
	legend := [][2]string{{"curve first", "this model"}}
	if r.Baseline != nil && r.Baseline.Curve != nil && len(r.Baseline.Curve.ROC) > 0 {
		p.path("curve second", xy(r.Baseline.Curve.ROC), true)
		legend = append(legend, [2]string{"curve second", "plain token model"})
	}
	p.path("curve first", xy(r.Model.Curve.ROC), true)
	for _, t := range r.Model.Points {
		x, y := p.px(t.Realized), p.py(t.Recall)
		p.line("whisker first", x, p.py(t.Low), x, p.py(t.High))
		p.line("whisker first", p.px(t.RealLow), y, p.px(t.RealHigh), y)
		p.dot("dot first", x, y, 4.5)
		p.text(x+8, y+18, "label strong", "start", fmt.Sprintf("%.3f", t.Recall))
	}
	p.legend(p.right-150, p.bottom-18*float64(len(legend))+4, legend...)
	return p
}

func precision(r *eval.Report) *Plot {
	p := newPlot("precision", "Precision by recall",
		"The share of what is flagged that is malicious, against recall, as the corpus mixes them: one vote a malicious cluster, one a benign script.")
	p.x, p.y = scale{low: 0, high: 1}, scale{low: 0, high: 1}
	share := ticks("%.1f", 0, .2, .4, .6, .8, 1)
	p.axes(share, share, "recall", "precision")
	legend := [][2]string{{"curve first", fmt.Sprintf("this model, area %.3f", r.Model.PR)}}
	if r.Baseline != nil && r.Baseline.Curve != nil && len(r.Baseline.Curve.PR) > 0 {
		p.path("curve second", xy(r.Baseline.Curve.PR), false)
		legend = append(legend, [2]string{"curve second", fmt.Sprintf("plain token model, area %.3f", r.Baseline.PR)})
	}
	p.path("curve first", xy(r.Model.Curve.PR), false)
	p.legend(p.left+16, p.bottom-18*float64(len(legend))+4, legend...)
	return p
}

func histogram(s *eval.Scores) *Plot {
	p := newPlot("scores", "Scores of benign and malicious scripts",
		"How many scripts have a score, in log-odds, on a logarithmic axis of counts; one vote a malicious cluster. Upright lines are the thresholds.")
	first, last := s.Bars[0].From, s.Bars[len(s.Bars)-1].From
	width := 0.5
	if len(s.Bars) > 1 {
		width = s.Bars[1].From - first
	}
	most := 10.0
	benign, malicious := [][2]float64{{first, 0}}, [][2]float64{{first, 0}}
	for _, b := range s.Bars {
		most = max(most, float64(b.Benign), b.Malicious)
		benign = append(benign, [2]float64{b.From, float64(b.Benign)}, [2]float64{b.From + width, float64(b.Benign)})
		malicious = append(malicious, [2]float64{b.From, b.Malicious}, [2]float64{b.From + width, b.Malicious})
	}
	top := int(math.Ceil(math.Log10(most)))
	p.x, p.y = scale{low: first, high: last + width}, scale{0.5, math.Pow(10, float64(min(top, 12))), math.Log10}
	var x []tick
	for _, v := range []float64{-20, -15, -10, -5, 0, 5, 10, 15, 20} {
		if v >= first && v <= last+width {
			x = append(x, tick{v, minus(fmt.Sprint(v))})
		}
	}
	p.axes(x, powers(0, min(top, 12)), "log-odds of being malicious", "scripts")
	end := [2]float64{last + width, 0}
	p.path("area good", append(benign, end), false)
	p.path("area bad", append(malicious, end), false)
	for i, limit := range s.Limits {
		at := p.px(limit)
		p.line("limit", at, p.top, at, p.bottom)
		p.text(at, p.top-6-13*float64(i), "label", "middle", rateWords(i))
	}
	p.legend(p.right-96, p.top+22, [2]string{"curve good", "benign"}, [2]string{"curve bad", "malicious"})
	return p
}

// rateWords names one of the rates.
func rateWords(i int) string {
	if i >= len(eval.Rates) {
		return ""
	}
	return "1 in " + thousands(int(math.Round(1/eval.Rates[i])))
}

func calibration(bins []eval.Bin) *Plot {
	p := newPlot("calibration", "Calibration",
		"The share of scripts with a score that are malicious, against that score, both on an axis of log-odds, with 95 % intervals. On the diagonal the score is what happens. Larger dots hold more scripts.")
	p.left = 64
	p.x = scale{1e-5, 1 - 1e-4, logit}
	p.y = p.x
	share := []tick{{1e-5, "10⁻⁵"}, {1e-4, "10⁻⁴"}, {1e-3, "10⁻³"}, {.01, "0.01"}, {.1, "0.1"}, {.5, "0.5"}, {.9, "0.9"}, {.99, "0.99"}, {.999, "0.999"}}
	p.axes(share, share, "score", "share that is malicious")
	p.line("diagonal", p.px(p.x.low), p.py(p.y.low), p.px(p.x.high), p.py(p.y.high))
	for _, b := range bins {
		x := p.px(b.Mean)
		p.line("whisker first", x, p.py(b.Low), x, p.py(b.High))
		p.dot("dot first", x, p.py(b.Share), 2.5+1.2*math.Log10(max(1, float64(b.Benign)+b.Malicious)))
	}
	return p
}

// maxRows bounds the rows of a plot.
const maxRows = 24

const rowHeight = 24

// rowPlot is a plot with a row for each name.
func rowPlot(id, title, says string, rows int) *Plot {
	p := newPlot(id, title, says)
	p.left = 200
	p.bottom = p.top + rowHeight*float64(rows)
	p.height = p.bottom + 52
	return p
}

// row names a row and returns its height.
func (p *Plot) row(i int, says string) float64 {
	y := p.top + (float64(i)+0.5)*rowHeight
	p.line("grid", p.left, y, p.right, y)
	p.text(p.left-12, y+4, "label", "end", says)
	return y
}

func recalls(part string, rows []eval.Slice) *Plot {
	if part == "evidence" {
		rows = byNumber(rows)
	}
	rows = rows[:min(maxRows, len(rows))]
	p := rowPlot(part, "Recall by "+part,
		"Recall at one false alarm in a thousand, with 95 % intervals where there are enough scripts, and in ten thousand. Numbers count clusters.", len(rows))
	p.x = scale{low: 0, high: 1}
	p.axes(ticks("%.1f", 0, .2, .4, .6, .8, 1), nil, "recall", "")
	for i, s := range rows {
		y := p.row(i, fmt.Sprintf("%.24s · %d", name(s.Name), s.Clusters))
		if len(s.Recall) < 3 {
			continue
		}
		if len(s.Low) == len(s.Recall) && len(s.High) == len(s.Recall) {
			p.line("whisker first", p.px(s.Low[1]), y, p.px(s.High[1]), y)
		}
		p.dot("ring first", p.px(s.Recall[2]), y, 4)
		p.dot("dot first", p.px(s.Recall[1]), y, 4.5)
	}
	p.key(p.left, "dot first", "1 in 1,000")
	p.key(p.left+110, "ring first", "1 in 10,000")
	return p
}

// key names a kind of dot above the plot.
func (p *Plot) key(x float64, class, says string) {
	p.dot(class, x+5, p.top-20, 4.5)
	p.text(x+16, p.top-16, "label", "start", says)
}

// byNumber sorts parts whose names are numbers.
func byNumber(rows []eval.Slice) []eval.Slice {
	return slices.SortedStableFunc(slices.Values(rows), func(a, b eval.Slice) int { return cmp.Compare(number(a.Name), number(b.Name)) })
}

// number is the number that a name is, or the highest when it is none.
func number(name string) int {
	n, err := strconv.Atoi(name)
	if err != nil {
		return math.MaxInt
	}
	return n
}

func evasion(results []eval.EvasionResult) *Plot {
	p := rowPlot("evasion", "What hiding loses",
		"Points of recall that each way of hiding loses at one false alarm in a thousand, with 95 % intervals, and in ten thousand. Below zero is gained.", len(results))
	p.left = 265
	p.x = scale{low: -20, high: 100}
	p.axes(ticks("%.0f", -20, 0, 20, 40, 60, 80, 100), nil, "points of recall lost", "")
	p.line("limit", p.px(0), p.top, p.px(0), p.bottom)
	for i, e := range results {
		y := p.row(i, fmt.Sprintf("%.36s", name(e.Name)))
		if len(e.Points) < 2 || e.Clusters == 0 {
			continue
		}
		p.line("whisker first", p.px(100*e.Points[0].Low), y, p.px(100*e.Points[0].High), y)
		p.dot("ring first", p.px(100*e.Points[1].Lost), y, 4)
		p.dot("dot first", p.px(100*e.Points[0].Lost), y, 4.5)
	}
	p.key(p.left, "dot first", "1 in 1,000")
	p.key(p.left+110, "ring first", "1 in 10,000")
	return p
}

// track is a small picture of a recall and its interval. What it shows stands
// beside it in words.
func track(p eval.Point) template.HTML {
	at := func(v float64) float64 { return 100 * (scale{low: 0, high: 1}).at(v) }
	return template.HTML(fmt.Sprintf(`<svg class="track" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="bed" width="100" height="8"/>`+
		`<rect class="span" x="%.1f" width="%.1f" height="8"/><rect class="mark" x="%.1f" width="0.8" height="8"/></svg>`,
		at(p.Low), max(0.5, at(p.High)-at(p.Low)), at(p.Recall)-0.4))
}
