package console

import (
	"cmp"
	"net/http"

	"kingsnake/finding"
)

// healthPage is the Summary tab of a finding about a sensor.
type healthPage struct {
	findingHead
	Steps   []evidence
	Facts   []fact
	Span    string // the losses are of, in words
	Lost    []lossView
	Sensors link
	Related link // what else was found on the node
}

// healthWords names the categories of findings about sensors: as a heading, and
// in a list.
var healthWords = map[finding.Category]struct{ heading, row string }{
	finding.SensorSilent: {"Sensor silent", "The sensor is silent"},
	finding.SensorLossy:  {"Sensor lossy", "The sensor loses scripts or findings"},
}

// headingOf is the heading of a finding: its category, in words where SCC has
// only a symbol.
func headingOf(f finding.Finding) string {
	return plain(cmp.Or(healthWords[f.Category].heading, string(f.Category)))
}

// aboutSensor reports whether f is about a sensor, and not about a script.
func aboutSensor(f finding.Finding) bool { return f.Category.Class() == finding.SCCError }

// stateWord says whether a finding still stands.
func stateWord(f finding.Finding) string {
	switch {
	case f.State == finding.Active:
		return "Active"
	case aboutSensor(f):
		return "Closed"
	default:
		return "Allowed"
	}
}

// healthFinding shows a finding about a sensor.
func (c *console) healthFinding(w http.ResponseWriter, r *http.Request, f finding.Finding) {
	now, h := c.Now(), f.Health
	page := healthPage{
		findingHead: c.head(r, f, "summary"),
		Sensors:     link{Text: "All sensors, with what they lost", URL: "/sensors"},
		Related:     link{Text: "Findings on this node", URL: findingsURL("node", f.Workload.Node)},
	}
	for _, step := range h.NextSteps {
		page.Steps = append(page.Steps, show(step))
	}
	moments := func(label string, m moment, missing string) {
		one := fact{Label: label, Value: show(m.Text), Note: show(m.Ago)}
		if m.Text == "" {
			one = fact{Label: label, Missing: missing}
		}
		page.Facts = append(page.Facts, one)
	}
	page.Facts = append(page.Facts, fact{Label: "Sensor", Value: show(f.Sensor)})
	moments("Since", at(h.Since, now), "Not known.")
	moments("Until", at(h.Until, now), "It lasts.")
	moments("Last heartbeat", at(h.Heard, now), "None was stored.")
	s := h.Status
	page.Facts = append(page.Facts,
		fact{Label: "Version", Value: show(s.Version)},
		fact{Label: "Had been running", Value: show(span(s.Running()))},
		fact{Label: "Captured", Value: show(count(max(s.Seen, s.Scripts)))},
		fact{Label: "Judged", Value: show(count(s.Scripts))},
		fact{Label: "Waiting", Value: show(plural(int64(s.QueuedOut), "finding"))})
	if s.Degraded != "" {
		page.Facts = append(page.Facts, fact{Label: "Not watching", Value: show(s.Degraded)})
	}
	if h.Over > 0 {
		page.Span = span(h.Over)
	}
	total := s.Lost
	losses := total.Sorted()
	for _, l := range losses[:min(len(losses), maxLossReasons)] {
		page.Lost = append(page.Lost, lossView{Stage: show(string(l.Stage)), Reason: show(l.Reason), Recent: count(h.Lost[l]), Number: count(total[l])})
	}
	c.render(w, r, http.StatusOK, "health", page)
}
