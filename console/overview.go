package console

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// silentAfter is how long a sensor may send no heartbeat before it is shown as
// silent. Sensors send one every few seconds.
const silentAfter = 2 * time.Minute

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
	SensorNote  string // how many are well, in words
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

// sensorView is one sensor's health in plain sight.
type sensorView struct {
	Name     evidence
	State    string // "well", "degraded" or "silent"
	StateFor string // how long it has been silent
	Watching evidence
	Degraded evidence
	Scripts  string
	Findings string
	LostAll  string // "" when nothing was lost
	Lost     []lossView
	Queued   string
	Beat     moment
	Started  moment
	Version  string
	Model    string
	Problem  evidence // with its model
}

// lossView is how much was lost for one reason.
type lossView struct {
	Reason evidence
	Number string
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
	for _, s := range sensors {
		page.Sensors = append(page.Sensors, sensorOf(s.SensorStatus, now))
	}
	page.count(active, inactive)
	page.SensorNote, page.SensorsWell = health(page.Sensors)
	page.Sensors, page.SensorsMore = worstFirst(page.Sensors)
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

// sensorOf prepares a heartbeat.
func sensorOf(s finding.SensorStatus, now time.Time) sensorView {
	v := sensorView{
		Name: show(s.Name), State: "well", Watching: show(s.Watching), Degraded: show(s.Degraded),
		Scripts: count(s.Scripts), Findings: count(s.Findings),
		Beat: at(s.Time, now), Started: at(s.Started, now),
		Version: plain(s.Version), Model: plain(clip(s.Model, 12)), Problem: show(s.ModelProblem),
	}
	if s.Degraded != "" {
		v.State = "degraded"
	}
	if silent := now.Sub(s.Time); silent > silentAfter {
		v.State, v.StateFor = "silent", "for "+span(silent)
	}
	if s.QueuedOut > 0 {
		v.Queued = plural(int64(s.QueuedOut), "finding") + " waiting for the server to take"
	}
	losses := s.Lost.Sorted()
	for _, l := range losses[:min(len(losses), 32)] {
		v.Lost = append(v.Lost, lossView{show(l.String()), count(s.Lost[l])})
	}
	if total := s.Lost.Total(); total > 0 {
		v.LostAll = count(total) + " lost"
	}
	return v
}

// count writes a counter.
func count(n uint64) string { return thousands(int64(min(n, 1<<62))) }

// health says how the sensors are, together.
func health(sensors []sensorView) (note string, well bool) {
	silent, degraded := 0, 0
	for _, s := range sensors {
		switch s.State {
		case "silent":
			silent++
		case "degraded":
			degraded++
		}
	}
	switch {
	case len(sensors) == 0:
		return "No sensor has reported yet, so nothing is being watched.", false
	case silent > 0:
		return fmt.Sprintf("%d of %s silent: what runs there is not seen.", silent, plural(int64(len(sensors)), "sensor")), false
	case degraded > 0:
		return fmt.Sprintf("%d of %s cannot watch everything.", degraded, plural(int64(len(sensors)), "sensor")), false
	case len(sensors) == 1:
		return "The sensor is well.", true
	default:
		return fmt.Sprintf("All %d sensors are well.", len(sensors)), true
	}
}

// maxSensors is how many sensors the overview lists.
const maxSensors = 20

// worstFirst orders sensors by what needs a look, silent ones first, and keeps
// as many as the page lists.
func worstFirst(sensors []sensorView) (kept []sensorView, more string) {
	rank := map[string]int{"silent": 0, "degraded": 1, "well": 2}
	slices.SortStableFunc(sensors, func(a, b sensorView) int { return rank[a.State] - rank[b.State] })
	if n := len(sensors) - maxSensors; n > 0 {
		return sensors[:maxSensors], plural(int64(n), "more sensor") + " not listed."
	}
	return sensors, ""
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
