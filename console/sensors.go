package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"kingsnake/console/health"
	"kingsnake/finding"
	"kingsnake/store"
)

// sensorsPage says of every sensor how it is, what it saw and what it lost.
type sensorsPage struct {
	frame
	Note    string // how many are healthy, in words
	Healthy bool
	Limits  string // from when on a sensor is not healthy, in words
	Sensors []sensorView
	More    string // how many are not listed, in words
}

// sensorView is one sensor's health in plain sight.
type sensorView struct {
	ID       string // of its heading
	Name     evidence
	State    health.State
	StateFor string // how long it has been silent or stopped
	Watching evidence
	Degraded evidence
	Away     string // when it last did not run, in words; "" when that is not known
	Seen     string
	Judged   string
	Findings string
	LostAll  string // "" when nothing was lost
	Recent   string // what was lost lately, in words; "" when nothing was
	Span     string // that lately is
	Lost     []lossView
	Queued   string
	Beat     moment
	Started  moment
	Uptime   string
	Version  string
	Model    string
	Problem  evidence // with its model
	Reported []link   // findings about it that are open
	Forget   string   // its name, for the form; "" when it is not to be forgotten
}

// awayShown is how long it is shown that a sensor had not run.
const awayShown = 24 * time.Hour

// lossView is how much was lost at a stage for a reason.
type lossView struct {
	Stage  evidence
	Reason evidence
	Recent string // in the recent span
	Rate   string // in it, a minute
	Number string // since the sensor started
}

// How many sensors are listed.
const (
	maxSensors     = 200
	maxFewSensors  = 20 // on the overview
	maxLossReasons = 32 // of one sensor
)

// sensors serves the page of that name.
func (c *console) sensors(w http.ResponseWriter, r *http.Request) {
	all, err := c.Store.Sensors(r.Context())
	if err != nil {
		c.failed(w, r, "read the sensors", err)
		return
	}
	now, limits := c.Now(), c.Health.OrDefault()
	page := sensorsPage{
		frame: c.frame(r, "Sensors", "sensors"),
		Limits: fmt.Sprintf("A sensor is silent when no heartbeat came for %s, and lossy when it lost more than %s of what ran in the last %s, and at least %d. Either is a finding until it ends.",
			span(limits.Silent), percent(limits.Loss), span(health.Window), health.MinLost),
	}
	page.Sensors = c.sensorViews(all, now)
	page.Note, page.Healthy = together(page.Sensors)
	page.Sensors, page.More = worstFirst(page.Sensors, maxSensors)
	for i := range page.Sensors {
		page.Sensors[i].ID = "sensor-" + strconv.Itoa(i+1)
	}
	if err := c.reported(r.Context(), page.Sensors); err != nil {
		c.failed(w, r, "read the findings about sensors", err)
		return
	}
	c.render(w, r, http.StatusOK, "sensors", page)
}

// reported links the open findings about the sensors that have trouble.
func (c *console) reported(ctx context.Context, views []sensorView) error {
	for i := range views {
		v := &views[i]
		for _, category := range []finding.Category{finding.SensorSilent, finding.SensorLossy} {
			if v.State == health.Healthy {
				continue
			}
			f, err := c.Store.Get(ctx, finding.HealthNameOf(category, v.Forget))
			switch {
			case errors.Is(err, store.ErrNotFound):
			case err != nil:
				return err
			case f.State == finding.Active:
				v.Reported = append(v.Reported, link{Text: healthWords[category].heading, URL: "/findings/" + url.PathEscape(f.Name)})
			}
		}
		if v.State != health.Silent && v.State != health.Stopped {
			v.Forget = ""
		}
	}
	return nil
}

// forget drops a sensor that will not come back.
func (c *console) forget(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		c.problem(w, r, http.StatusBadRequest, "The form could not be read", "Go back and try again.")
		return
	}
	err := c.Store.Forget(r.Context(), r.PostForm.Get("sensor"))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		c.failed(w, r, "forget the sensor", err)
		return
	}
	http.Redirect(w, r, "/sensors", http.StatusSeeOther)
}

// sensorViews prepares sensors.
func (c *console) sensorViews(all []finding.Sensor, now time.Time) []sensorView {
	var out []sensorView
	for _, s := range all {
		out = append(out, sensorOf(s, c.Health, now))
	}
	return out
}

// unheard is how long nothing was heard of s.
func unheard(s finding.Sensor, now time.Time) time.Duration {
	if s.Heard.IsZero() { // stored by an older server
		return max(0, now.Sub(s.Time))
	}
	return max(0, now.Sub(s.Heard))
}

// sensorOf prepares a sensor.
func sensorOf(s finding.Sensor, limits health.Limits, now time.Time) sensorView {
	quiet := unheard(s, now)
	r := health.Of(s, quiet, limits)
	v := sensorView{
		Name: show(s.Name), Forget: s.Name, State: r.State, Watching: show(s.Watching), Degraded: show(s.Degraded),
		Seen: count(max(s.Seen, s.Scripts)), Judged: count(s.Scripts), Findings: count(s.Findings),
		Beat: at(now.Add(-quiet), now), Started: at(s.Started, now), Uptime: span(s.Running()),
		Version: plain(s.Version), Model: plain(clip(s.Model, 12)), Problem: show(s.ModelProblem),
	}
	if r.State == health.Silent || r.State == health.Stopped {
		v.StateFor = "for " + span(quiet)
	}
	if away := s.Away; !away.From.IsZero() && now.Sub(away.To) < awayShown {
		why := "it had ended without a word."
		if away.Stopped {
			why = "it had been stopped."
		}
		v.Away = fmt.Sprintf("For %s, until %s ago, nothing was watched: %s", span(away.To.Sub(away.From)), span(now.Sub(away.To)), why)
	}
	if s.QueuedOut > 0 {
		v.Queued = plural(int64(s.QueuedOut), "finding") + " waiting for the server to take"
	}
	if total := s.Lost.Missed().Total(); total > 0 {
		v.LostAll = count(total) + " lost"
	}
	recent := r.Recent.Lost
	if r.Over > 0 {
		v.Span = span(r.Over)
	}
	if missed := recent.Missed().Total(); missed > 0 {
		v.Recent = fmt.Sprintf("%s lost in the last %s of its time, %s of what ran.", count(missed), v.Span, percent(r.Rate))
	}
	losses := s.Lost.Sorted()
	for _, l := range losses[:min(len(losses), maxLossReasons)] {
		row := lossView{Stage: show(string(l.Stage)), Reason: show(l.Reason), Number: count(s.Lost[l]), Recent: count(recent[l]), Rate: "0"}
		if recent[l] > 0 && r.Over > 0 {
			row.Rate = strconv.FormatFloat(float64(recent[l])/r.Over.Minutes(), 'g', 2, 64)
		}
		v.Lost = append(v.Lost, row)
	}
	return v
}

// count writes a counter.
func count(n uint64) string { return thousands(int64(min(n, 1<<62))) }

// together says how the sensors are, all in all.
func together(sensors []sensorView) (note string, healthy bool) {
	of := map[health.State]int{}
	for _, s := range sensors {
		of[s.State]++
	}
	all := plural(int64(len(sensors)), "sensor")
	switch {
	case len(sensors) == 0:
		return "No sensor has reported yet, so nothing is being watched.", false
	case of[health.Silent] > 0:
		return fmt.Sprintf("%d of %s silent: what runs there is not seen.", of[health.Silent], all), false
	case of[health.Lossy] > 0:
		return fmt.Sprintf("%d of %s lossy: some of what runs there is not seen.", of[health.Lossy], all), false
	case of[health.Degraded] > 0:
		return fmt.Sprintf("%d of %s cannot watch everything.", of[health.Degraded], all), false
	case of[health.Stopped] == len(sensors):
		return "Every sensor was stopped, so nothing is being watched.", false
	case of[health.Stopped] > 0:
		return fmt.Sprintf("%d of %s healthy, the others were stopped.", of[health.Healthy], all), true
	case len(sensors) == 1:
		return "The sensor is healthy.", true
	default:
		return fmt.Sprintf("All %d sensors are healthy.", len(sensors)), true
	}
}

// worstFirst orders sensors by what needs a look and keeps as many as a page
// lists.
func worstFirst(sensors []sensorView, most int) (kept []sensorView, more string) {
	slices.SortStableFunc(sensors, func(a, b sensorView) int { return cmp.Compare(a.State.Rank(), b.State.Rank()) })
	if n := len(sensors) - most; n > 0 {
		return sensors[:most], plural(int64(n), "more sensor") + " not listed."
	}
	return sensors, ""
}
