package detect

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"kingsnake/capture"
	"kingsnake/finding"
	"kingsnake/finding/redact"
)

// Follower follows a process and those that come of it for a bounded time, and
// tells Pipeline.Acted what they do. It also returns what they did shortly before,
// as far as it knows, whatever the error is. The errors capture.ErrEnded and
// capture.ErrFollowed are no losses.
type Follower interface {
	Follow(p capture.Process) (capture.Past, error)
}

const (
	queueActivities = 4096 // waiting to be written down; more are dropped and counted
	followTime      = 65 * time.Second
	updateTime      = 5 * time.Second // between two updates of one finding
	maxTarget       = 1 << 10         // bytes of what something was done to
	maxEventArgs    = 2 << 10         // bytes of the arguments of one execution
	maxFollowedPIDs = 1024            // whose binaries are remembered, of one finding
	maxEnded        = 64              // findings that wait for what is still to be told of a process that ended
)

// Acted takes what a followed process did. Like Executed it does not block.
func (p *Pipeline) Acted(a capture.Activity) {
	select {
	case p.activities <- &a:
	default:
		p.counts.lose("activity queue full")
	}
}

// processKey names a process once and for all.
type processKey struct {
	pid   int
	start int64 // Unix nanoseconds
}

// timelines are the findings whose processes are followed.
type timelines struct {
	mu    sync.Mutex
	open  map[processKey]*timeline
	ended int // of them, those whose process had ended when it was to be followed
}

// timeline is a finding that grows.
type timeline struct {
	finding finding.Finding
	exes    map[int]string // binaries of its processes
	end     time.Time
	ended   bool
	changed bool
}

// follow has the processes of a finding followed, if it is grave. It returns the
// finding with what they did before, and what they compiled without being captured.
func (p *Pipeline) follow(f finding.Finding, process capture.Process) finding.Finding {
	key := processKey{process.PID, process.Start.UnixNano()}
	line := &timeline{finding: f, exes: map[int]string{process.PID: process.Exe}, end: time.Now().Add(followTime)}
	t := &p.timelines
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range p.lineages.lacks(process) {
		line.add(a)
	}
	if _, ok := t.open[key]; ok || p.Follower == nil || f.Severity.Rank() < finding.High.Rank() {
		return line.report()
	}
	// The lock is held until the process is known here: what is told of it waits.
	past, err := p.Follower.Follow(process)
	for _, a := range past.Acts {
		line.add(a)
	}
	line.finding.TimelineOmitted += past.Omitted
	switch {
	case err == nil:
		t.keep(key, line)
	case errors.Is(err, capture.ErrEnded) && t.ended < maxEnded:
		line.ended, line.end = true, time.Now().Add(time.Second)
		t.keep(key, line)
	case errors.Is(err, capture.ErrEnded):
		p.counts.lose("end of an ended process not waited for")
	case errors.Is(err, capture.ErrFollowed):
	default:
		p.counts.lose("not followed")
		p.Log.Warn("a finding's processes are not followed", "name", f.Name, "error", err)
	}
	return line.report()
}

// keep opens a timeline.
func (t *timelines) keep(key processKey, line *timeline) {
	if t.open == nil {
		t.open = map[processKey]*timeline{}
	}
	t.open[key] = line
	if line.ended {
		t.ended++
	}
}

// report returns the finding as it is now.
func (l *timeline) report() finding.Finding {
	f := l.finding
	f.Timeline, f.Connections = slices.Clone(f.Timeline), slices.Clone(f.Connections)
	l.changed = false
	return f
}

// followAll writes down what followed processes do until activities ends, and
// reports the findings again that grew.
func (p *Pipeline) followAll(ctx context.Context, activities <-chan *capture.Activity) {
	tick := time.NewTicker(updateTime)
	defer tick.Stop()
	for {
		select {
		case a, ok := <-activities:
			if !ok {
				p.update(ctx, time.Time{})
				return
			}
			p.timelines.add(*a)
		case now := <-tick.C:
			p.update(ctx, now)
		}
	}
}

// add writes an activity down.
func (t *timelines) add(a capture.Activity) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if line := t.open[processKey{a.PID, a.Start.UnixNano()}]; line != nil {
		line.add(a)
	}
}

// update reports the findings that grew, and ends those whose time is over; all
// of them when now is zero.
func (p *Pipeline) update(ctx context.Context, now time.Time) {
	t := &p.timelines
	var grown []finding.Finding
	t.mu.Lock()
	for key, line := range t.open {
		if line.changed {
			grown = append(grown, line.report())
		}
		if now.IsZero() || now.After(line.end) {
			delete(t.open, key)
			if line.ended {
				t.ended--
			}
		}
	}
	t.mu.Unlock()
	for _, f := range grown {
		p.put(ctx, p.hide(f))
	}
}

// add writes down what one of the finding's processes did. Doing the same thing
// again is counted.
func (l *timeline) add(a capture.Activity) {
	l.changed = true
	target := cutTarget(redact.String(a.Target))
	args, _ := bound(redact.Args(a.Args), maxEventArgs)
	e := finding.Event{Time: a.Time, PID: a.By, Exe: l.exe(a), Act: string(a.Act), Target: target, Args: args, Count: 1}
	f := &l.finding
	same := func(old finding.Event) bool {
		return old.PID == e.PID && old.Act == e.Act && old.Target == e.Target && slices.Equal(old.Args, e.Args)
	}
	if i := slices.IndexFunc(f.Timeline, same); i >= 0 {
		if a.Act != capture.Uncaptured { // which is said once
			f.Timeline[i].Count++
		}
	} else if len(f.Timeline) < finding.MaxTimeline {
		f.Timeline = append(f.Timeline, e)
	} else {
		f.TimelineOmitted++
	}
	if a.Act == capture.Connected && !strings.HasPrefix(target, "unix:") {
		c := finding.Connection{Peer: target}
		known := slices.ContainsFunc(f.Connections, func(old finding.Connection) bool { return old.Peer == c.Peer })
		if !known && len(f.Connections) < finding.MaxConnections {
			f.Connections = append(f.Connections, c)
		}
	}
}

// exe returns the binary of the process that did something, and remembers what
// follows from it.
func (l *timeline) exe(a capture.Activity) string {
	exe := cutTarget(redact.String(l.exes[a.By]))
	room := len(l.exes) < maxFollowedPIDs
	switch a.Act {
	case capture.Forked:
		if child, err := strconv.Atoi(a.Target); err == nil && room {
			l.exes[child] = exe
		}
	case capture.Executed:
		if _, ok := l.exes[a.By]; ok || room {
			l.exes[a.By] = a.Target
		}
	}
	return exe
}

// cutTarget keeps the beginning of what something was done to.
func cutTarget(s string) string { return string(prefix([]byte(s), maxTarget)) }
