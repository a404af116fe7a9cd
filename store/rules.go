package store

import (
	"fmt"
	"strings"
	"time"

	"kingsnake/finding"
)

// Notified reports whether findings of severity s queue a delivery.
func Notified(s finding.Severity) bool { return s.Rank() >= finding.High.Rank() }

// CheckFinding returns an ErrInvalid that says why Put must refuse f, or nil.
func CheckFinding(f finding.Finding) error {
	switch {
	case f.Name == "":
		return fmt.Errorf("%w finding: it has no name", ErrInvalid)
	case len(f.Name) > MaxName:
		return fmt.Errorf("%w finding: its name has %d bytes, more than %d", ErrInvalid, len(f.Name), MaxName)
	}
	if y := f.EventTime.UTC().Year(); y < 1678 || y > 2261 {
		return fmt.Errorf("%w finding %q: its event time %v lies outside the years 1678 to 2261", ErrInvalid, f.Name, f.EventTime)
	}
	return nil
}

// CheckRule returns an ErrInvalid that says why Allow must refuse r, or nil.
func CheckRule(r AllowRule) error {
	if r.SHA256 == "" {
		return fmt.Errorf("%w allow rule: it names no script digest", ErrInvalid)
	}
	return nil
}

// Covers reports whether r, while it stands, silences f.
func (r AllowRule) Covers(f finding.Finding) bool {
	return r.Ended.IsZero() && r.SHA256 == f.Script.SHA256 &&
		(r.Workload == "" || r.Workload == f.Workload.Key(f.Process.Exe))
}

// Haystack returns what Query.Text is looked for in: the texts of f it names,
// folded, with a NUL between them so that no match crosses two.
func Haystack(f finding.Finding) string {
	return strings.Join([]string{
		Fold(f.Script.Path), Fold(f.Workload.Image), Fold(f.Workload.PodName),
		Fold(f.Workload.ContainerName), Fold(f.Workload.Node),
	}, "\x00")
}

// Matches reports whether f is among what q selects.
func (q Query) Matches(f finding.Finding) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	return same(string(q.Severity), string(f.Severity)) && same(string(q.State), string(f.State)) &&
		same(q.Kind, f.Script.Kind) && same(q.Namespace, f.Workload.PodNamespace) &&
		same(q.Image, f.Workload.Image) && same(q.Node, f.Workload.Node) && same(q.SHA256, f.Script.SHA256) &&
		(q.Since.IsZero() || !f.EventTime.Before(q.Since)) && (q.Until.IsZero() || f.EventTime.Before(q.Until)) &&
		(q.Text == "" || strings.Contains(Haystack(f), Fold(q.Text)))
}

// PageSize returns how many findings a page of q has, and how many deliveries
// Due returns for a limit of that size.
func PageSize(limit int) int {
	switch {
	case limit <= 0:
		return 50
	case limit > MaxLimit:
		return MaxLimit
	default:
		return limit
	}
}

// Light returns f as a Page shows it: without script contents and layers.
func Light(f finding.Finding) finding.Finding {
	f.Script.Contents = nil
	f.Script.Layers = nil
	return f
}

// Raise returns the stored finding old after the repeat f, and whether that
// must queue a delivery. It is what Put does to a finding seen again.
func Raise(old, f finding.Finding) (finding.Finding, bool) {
	merged, notify := old, false
	if f.Severity.Rank() > old.Severity.Rank() {
		merged = f
		merged.Name, merged.State, merged.CreateTime = old.Name, old.State, old.CreateTime
		merged.FirstTime, merged.EventTime = old.FirstTime, old.EventTime
		notify = Notified(f.Severity) && !Notified(old.Severity)
	}
	merged.Count = old.Count + 1
	if f.EventTime.Before(merged.FirstTime) {
		merged.FirstTime = f.EventTime.UTC()
	}
	if f.EventTime.After(merged.EventTime) {
		merged.EventTime = f.EventTime.UTC()
	}
	return merged, notify
}

// Extend returns the stored finding old with the timeline that f brings, and
// whether that is more than it has. It is what Put does to a sighting that was
// stored before, when the evidence of old is that sighting's.
func Extend(old, f finding.Finding) (finding.Finding, bool) {
	if f.Occurrence == "" || old.Occurrence != f.Occurrence || f.Followed() <= old.Followed() {
		return old, false
	}
	old.Timeline, old.TimelineOmitted, old.Connections = f.Timeline, f.TimelineOmitted, f.Connections
	return old, true
}

// CheckSensor returns an ErrInvalid that says why PutSensor must refuse s, or
// nil.
func CheckSensor(s finding.SensorStatus) error {
	switch {
	case s.Name == "":
		return fmt.Errorf("%w heartbeat: it names no sensor", ErrInvalid)
	case len(s.Name) > MaxName:
		return fmt.Errorf("%w heartbeat: its sensor's name has %d bytes, more than %d", ErrInvalid, len(s.Name), MaxName)
	}
	return nil
}

// CheckHealth returns an ErrInvalid that says why PutHealth must refuse f, or
// nil.
func CheckHealth(f finding.Finding) error {
	if f.Category.Class() != finding.SCCError {
		return fmt.Errorf("%w finding %q: %q is not about a sensor's health", ErrInvalid, f.Name, f.Category)
	}
	if f.State != finding.Active && f.State != finding.Inactive {
		return fmt.Errorf("%w finding %q: state %q", ErrInvalid, f.Name, f.State)
	}
	return CheckFinding(f)
}

// Follow returns what PutHealth stores in the place of old for f.
func Follow(old, f finding.Finding) finding.Finding {
	f.FirstTime, f.CreateTime, f.Count = old.FirstTime, old.CreateTime, old.Count
	if f.State == finding.Active && old.State != finding.Active {
		f.Count++
	}
	return f
}

// NewRule returns r as Allow stores it, but for its ID.
func NewRule(r AllowRule, now time.Time) AllowRule {
	if r.Created.IsZero() {
		r.Created = now
	}
	r.Created = time.Unix(0, Nanos(r.Created)).UTC()
	r.Ended, r.EndedBy, r.Hits = time.Time{}, "", 0
	return r
}

// EndTime returns the moment Disallow records for at: now when it is zero.
func EndTime(at time.Time) time.Time {
	if at.IsZero() {
		at = time.Now()
	}
	return time.Unix(0, Nanos(at)).UTC()
}
