package console

import (
	"maps"
	"net/http"
	"slices"

	"kingsnake/finding"
	"kingsnake/store"
)

// overviewPage says whether anything needs a decision, and whether the sensors
// can be believed when they say nothing.
type overviewPage struct {
	frame
	Headline    string
	Never       bool // nothing was ever found
	Counts      []countView
	Allowed     string // findings that are inactive, in words
	AllowedURL  string
	Chart       chart
	Sensors     []sensorView
	SensorsMore string // how many are not listed, in words
	SensorNote  string // how many are healthy, in words
	SensorsWell bool
	Latest      []rowView
	Undelivered string
	Evicted     []string
	Stored      string
}

// countView is the number of active findings of a severity.
type countView struct {
	Severity severity
	Number   string
	URL      string
	None     bool
}

// overview serves the first page.
func (c *console) overview(w http.ResponseWriter, r *http.Request) {
	page, err := c.overviewPage(r)
	if err != nil {
		c.failed(w, r, "read the overview", err)
		return
	}
	c.render(w, r, http.StatusOK, "overview", page)
}

func (c *console) overviewPage(r *http.Request) (overviewPage, error) {
	ctx, now := r.Context(), c.Now()
	page := overviewPage{frame: c.frame(r, "Overview", "overview")}
	active, err := c.Store.Count(ctx, store.Query{State: finding.Active})
	if err != nil {
		return page, err
	}
	inactive, err := c.Store.Count(ctx, store.Query{State: finding.Inactive})
	if err != nil {
		return page, err
	}
	if page.Chart, err = c.timeline(ctx, r.URL.Query().Get("over")); err != nil {
		return page, err
	}
	sensors, err := c.Store.Sensors(ctx)
	if err != nil {
		return page, err
	}
	latest, err := c.Store.List(ctx, store.Query{State: finding.Active, Limit: 8})
	if err != nil {
		return page, err
	}
	stats, err := c.Store.Stats(ctx)
	if err != nil {
		return page, err
	}
	page.Sensors = c.sensorViews(sensors, now)
	page.count(active, inactive)
	page.SensorNote, page.SensorsWell = together(page.Sensors)
	page.Sensors, page.SensorsMore = worstFirst(page.Sensors, maxFewSensors)
	for _, f := range latest.Findings {
		page.Latest = append(page.Latest, rowOf(f, now))
	}
	if stats.Undelivered > 0 && c.Notify != "" {
		page.Undelivered = plural(stats.Undelivered, "notification") + " to " + c.Notify + " not delivered yet."
	}
	page.Evicted = evictions(stats)
	page.Stored = plural(stats.Findings, "finding") + ", " + size(stats.Bytes) + " of scripts"
	return page, nil
}

// count fills in the numbers at the top.
func (p *overviewPage) count(active, inactive map[finding.Severity]int) {
	open, allowed := 0, 0
	for _, s := range severities {
		p.Counts = append(p.Counts, countView{
			Severity: severityOf(string(s)), Number: thousands(int64(active[s])), None: active[s] == 0,
			URL: "/findings?severity=" + string(s) + "&state=ACTIVE",
		})
		open += active[s]
		allowed += inactive[s]
	}
	switch {
	case open > 0 && active[finding.Critical] > 0:
		p.Headline = plural(int64(active[finding.Critical]), "critical finding") + " to look at"
	case open > 0:
		p.Headline = plural(int64(open), "finding") + " to look at"
	case len(p.Sensors) == 0:
		p.Headline = "Nothing is being watched yet"
	case allowed == 0:
		p.Headline = "Nothing was found so far"
	default:
		p.Headline = "Nothing to look at"
	}
	p.Never = open+allowed == 0
	if allowed > 0 {
		p.Allowed, p.AllowedURL = plural(int64(allowed), "finding")+" allowed as benign", "/findings?state=INACTIVE"
	}
}

// evictedWords says what was removed, by the store's reason.
var evictedWords = map[string]string{
	store.ByAge:       "removed because of age",
	store.ByCount:     "removed to stay within the number kept",
	store.BySize:      "removed to stay within the space for scripts",
	store.Undelivered: "removed before their notification was sent",
}

// evictions says what was removed to stay within the limits.
func evictions(s store.Stats) []string {
	var out []string
	for _, reason := range slices.Sorted(maps.Keys(s.Evicted)) {
		switch n := s.Evicted[reason]; {
		case n == 0:
		case reason == store.SilentNode:
			out = append(out, plural(n, "sensor")+" forgotten, not having been heard of for long")
		case evictedWords[reason] != "":
			out = append(out, plural(n, "finding")+" "+evictedWords[reason])
		default:
			out = append(out, plural(n, "finding")+" removed: "+plain(reason))
		}
	}
	return out
}
