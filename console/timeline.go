package console

import (
	"cmp"
	"strconv"
	"time"

	"kingsnake/finding"
)

// eventView is one row of the timeline.
type eventView struct {
	Time moment
	PID  string
	Exe  evidence
	What string
	To   evidence
	Args []evidence
	More string // how often, when more than once
}

// actWords say what a process did.
var actWords = map[string]string{
	"forked": "started process", "executed": "executed", "connected": "asked for a connection with", "wrote": "opened for writing",
	"uncaptured": "compiled code that was not captured",
}

// events lists what the finding's processes did after the verdict.
func events(f finding.Finding, now time.Time) []eventView {
	var out []eventView
	for _, e := range f.Timeline[:min(len(f.Timeline), finding.MaxTimeline)] {
		v := eventView{Time: at(e.Time, now), PID: strconv.Itoa(e.PID), Exe: show(cmp.Or(e.Exe, "not known")),
			What: cmp.Or(actWords[e.Act], plain(clip(e.Act, 64))), To: show(e.Target), Args: argViews(e.Args, finding.Script{})}
		if e.Count > 1 {
			v.More = plural(e.Count, "time")
		}
		out = append(out, v)
	}
	return out
}

// eventsNote says what is not in the list.
func eventsNote(f finding.Finding) string {
	if f.TimelineOmitted <= 0 {
		return ""
	}
	return plural(int64(f.TimelineOmitted), "more event") + " beyond the number that is kept."
}
