// Package report draws what an evaluation says: as one page of HTML that needs
// nothing else, and as plots in SVG.
//
// A [eval.Report] is all it reads, so that what was measured once, and kept as
// JSON, can be drawn again. There are no scripts in what it writes, and nothing
// is fetched. Names in a report come from a corpus, which is hostile text: they
// are quoted and escaped.
package report

import (
	_ "embed"
	"html/template"
	"io"

	"kingsnake/classify"
	"kingsnake/classify/eval"
)

//go:embed page.tmpl
var pageText string

//go:embed tokens.css
var tokens string

//go:embed plot.css
var plotStyle string

//go:embed page.css
var pageStyle string

var page = template.Must(template.New("page").Funcs(funcs).Parse(pageText))

// view is what the page shows.
type view struct {
	*eval.Report
	Style  template.CSS
	Plots  map[string]template.HTML // by name
	Points []point
	Models []model
	Recall []part
	Alarms []part
	Worst  []mistakes
}

// point is what a model does at one threshold, and the words for it.
type point struct {
	eval.Point
	Name  string // what a script at or above it is called
	Track template.HTML
}

// model is a row of the table of models.
type model struct {
	Name string
	*eval.Figures
}

// part is a table of slices.
type part struct {
	Name, Title, Column string
	Plot                template.HTML
	Top, Rest           []eval.Slice
}

// mistakes is a list of scripts that were judged badly.
type mistakes struct {
	Name, Title, Says string
	List              []eval.Mistake
}

// maxTop is how many rows of a table are shown at once; the rest is one click
// away.
const maxTop = 12

// WriteHTML writes the report as a page that stands by itself.
func WriteHTML(w io.Writer, r *eval.Report) error {
	v := view{Report: r, Style: template.CSS(tokens + plotStyle + pageStyle), Plots: map[string]template.HTML{}}
	for _, p := range Plots(r) {
		v.Plots[p.Name] = template.HTML(p.svg(""))
	}
	for i, p := range r.Model.Points {
		name := [...]string{"for comparison", "suspicious", "malicious"}[min(i, 2)]
		v.Points = append(v.Points, point{p, name, track(p)})
	}
	v.Models = models(r)
	for _, t := range []part{
		{Name: "registry", Title: "By registry", Column: "Source"},
		{Name: "family", Title: "By family", Column: "Family"},
		{Name: "month", Title: "By month", Column: "Month"},
		{Name: "kind", Title: "By kind of script", Column: "Kind"},
		{Name: "evidence", Title: "By evidence in the text", Column: "Evidence"},
		{Name: "source", Title: "By source", Column: "Source"},
		{Name: "fold", Title: "By fold", Column: "Fold"},
	} {
		v.Recall = appendPart(v.Recall, t, r, v.Plots)
	}
	for _, t := range []part{
		{Name: "benign family", Title: "By family of benign scripts", Column: "Family"},
		{Name: "benign kind", Title: "By kind of benign scripts", Column: "Kind"},
		{Name: "benign fold", Title: "By fold of benign scripts", Column: "Fold"},
	} {
		v.Alarms = appendPart(v.Alarms, t, r, v.Plots)
	}
	for _, m := range []mistakes{
		{"benign-mistakes", "Benign scripts that score highest", "What would raise a false alarm first.", r.BenignMistakes},
		{"malicious-mistakes", "Malicious scripts that score lowest", "What is missed most widely, one script a cluster.", r.MaliciousMissed},
	} {
		if len(m.List) > 0 {
			v.Worst = append(v.Worst, m)
		}
	}
	return page.Execute(w, v)
}

func models(r *eval.Report) []model {
	list := []model{{"this model", &r.Model}}
	if r.KnownGood != nil {
		list = append(list, model{"with known files taken as benign", r.KnownGood})
	}
	if r.Baseline != nil {
		list = append(list, model{"plain token model", r.Baseline})
	}
	return list
}

// appendPart appends a table, if there is anything in it.
func appendPart(list []part, t part, r *eval.Report, plots map[string]template.HTML) []part {
	rows := r.Model.Slices[t.Name]
	if len(rows) == 0 {
		return list
	}
	if t.Name == "evidence" || t.Column == "Fold" {
		rows = byNumber(rows)
	}
	top := min(maxTop, len(rows))
	if len(rows)-top < 4 { // not worth a click
		top = len(rows)
	}
	t.Top, t.Rest, t.Plot = rows[:top], rows[top:], plots[t.Name]
	return append(list, t)
}

// name makes a name from a corpus fit to be shown.
func name(s string) string { return classify.Quote([]byte(s)) }
