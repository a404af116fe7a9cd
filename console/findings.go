package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// findingsPage is the list of findings.
type findingsPage struct {
	frame
	Fields  []field
	More    bool // a less common filter is set: its part of the form is open
	Chips   []chip
	Reset   string
	Summary string // how many there are
	Rows    []rowView
	Never   bool   // nothing was ever found
	First   string // the newest page; "" when this is it
	Next    string // the next page; "" when there is none
	Live    string // address to ask for arriving findings; "" on later pages
}

// rowView is one finding in a list.
type rowView struct {
	Key      string // changes when the finding does
	URL      string
	Severity severity
	Active   bool
	State    string // in a word
	What     evidence
	Kind     string
	Reason   evidence
	Where    evidence
	Detail   evidence // the image
	Node     evidence
	Last     moment
	Count    string // "" when seen once
}

// pageSize is how many findings a page lists.
const pageSize = 40

// findings serves the list.
func (c *console) findings(w http.ResponseWriter, r *http.Request) {
	f := filterOf(r.URL.Query())
	if clean := f.page(f.after); r.URL.RawQuery != "" && r.Header.Get(fragmentHeader) == "" && emptyValues(r.URL.Query()) {
		// A form without script sends its empty fields too: leave them out of
		// the address people share.
		http.Redirect(w, r, clean, http.StatusSeeOther)
		return
	}
	page, err := c.findingsPage(r, f)
	switch {
	case errors.Is(err, store.ErrCursor):
		c.problem(w, r, http.StatusBadRequest, "This page of the list does not exist", "Start again from the newest findings.")
	case err != nil:
		c.failed(w, r, "list findings", err)
	default:
		c.render(w, r, http.StatusOK, "findings", page)
	}
}

// emptyValues reports whether a parameter is there without a value.
func emptyValues(q url.Values) bool {
	for _, v := range q {
		if len(v) > 0 && v[0] == "" {
			return true
		}
	}
	return false
}

// page is the address of the page after a cursor.
func (f filter) page(cursor string) string {
	if cursor == "" {
		return f.url()
	}
	sep := "?"
	if len(f.values) > 0 {
		sep = "&"
	}
	return f.url() + sep + "after=" + url.QueryEscape(cursor)
}

func (c *console) findingsPage(r *http.Request, f filter) (findingsPage, error) {
	now := c.Now()
	q := f.query(now)
	q.Limit = pageSize
	list, err := c.Store.List(r.Context(), q)
	if err != nil {
		return findingsPage{}, err
	}
	counts, err := c.Store.Count(r.Context(), q)
	if err != nil {
		return findingsPage{}, err
	}
	page := findingsPage{
		frame: c.frame(r, "Findings", "findings"), Fields: f.fields(), Chips: f.chips(), Reset: "/findings",
		Summary: summary(counts), Never: len(list.Findings) == 0 && len(f.values) == 0 && f.after == "",
	}
	for _, name := range []string{"namespace", "image", "node", "sha256", "until"} {
		page.More = page.More || f.values.Has(name)
	}
	for _, one := range list.Findings {
		page.Rows = append(page.Rows, rowOf(one, now))
	}
	if list.Next != "" {
		page.Next = f.page(list.Next)
	}
	if f.after != "" {
		page.First = f.url()
	} else {
		page.Live = f.url()
	}
	return page, nil
}

// summary says how many findings there are, by severity.
func summary(counts map[finding.Severity]int) string {
	total := 0
	var parts []string
	for _, s := range severities {
		if n := counts[s]; n > 0 {
			total += n
			parts = append(parts, thousands(int64(n))+" "+strings.ToLower(string(s)))
		}
	}
	switch len(parts) {
	case 0:
		return "No findings"
	case 1:
		return plural(int64(total), parts[0][strings.LastIndexByte(parts[0], ' ')+1:]+" finding")
	default:
		return plural(int64(total), "finding") + ": " + strings.Join(parts, ", ")
	}
}

// rowOf prepares a finding for a list.
func rowOf(f finding.Finding, now time.Time) rowView {
	w := f.Workload
	v := rowView{
		Key: fmt.Sprintf("%s %d %s", f.Name, f.Count, f.State), URL: "/findings/" + url.PathEscape(f.Name),
		Severity: severityOf(string(f.Severity)), Active: f.State == finding.Active, State: stateWord(f),
		Kind: kindWord(f.Script.Kind), Node: show(clip(w.Node, 64)), Last: at(f.EventTime, now),
	}
	v.What = evidence{{Text: title(kindPhrase(f.Script.Kind))}}
	if f.Script.Path != "" {
		v.What = show(tail(f.Script.Path, 96))
	}
	if len(f.Verdict.Reasons) > 0 {
		v.Reason = show(clip(f.Verdict.Reasons[0].Text, 160))
	}
	if aboutSensor(f) {
		v.Kind, v.Where = "Sensor", show(clip(f.Sensor, 96))
		v.What, v.Reason = show(healthWords[f.Category].row), show(clip(f.Health.Summary, 160))
		return v
	}
	switch {
	case w.PodName != "":
		v.Where, v.Detail = show(clip(w.PodNamespace+"/"+w.PodName, 96)), show(clip(cmp.Or(w.ContainerName, w.Image), 80))
	case !w.Host():
		v.Where, v.Detail = show(clip(cmp.Or(w.ContainerName, short(w.ContainerID)), 96)), show(clip(w.Image, 80))
	default:
		v.Where = evidence{{Text: "Host"}}
	}
	if f.Count > 1 {
		v.Count = plural(f.Count, "time")
	}
	return v
}

// tail keeps the end of a long path, which says most.
func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	i := len(s) - n
	for k := i; k < len(s) && k < i+4; k++ {
		if s[k]&0xC0 != 0x80 {
			return "…" + s[k:]
		}
	}
	return "…" + s[i:]
}
