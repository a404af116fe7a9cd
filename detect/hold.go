package detect

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"kingsnake/capture"
	"kingsnake/classify"
	"kingsnake/finding"
	"kingsnake/workload"
)

// Holder ends the hold of a process that waits for the verdict on its script
// ([capture.Script.Held]). Its methods do nothing for a process that is held no
// longer. It is safe for concurrent use.
type Holder interface {
	// Release lets the process go on. It reports false when it was let go
	// before, or is gone.
	Release(s capture.Script) bool
	// Kill ends the process. It reports false when something of the script may
	// have run before: the process was let go, or is gone.
	Kill(s capture.Script) bool
	// Leave lets the process go on and has no other held in the same place.
	Leave(s capture.Script)
}

// Limits of the queue of scripts whose process is held.
const (
	heldScripts = 1024
	heldBytes   = 24 << 20
)

// HeldWorkers is how many goroutines judge scripts whose process is held, beside
// a pipeline's Workers.
const HeldWorkers = 2

// Reasons for what was let go without a verdict.
const (
	holdQueueFull  = "hold: queue full"
	holdUnresolved = "hold: workload unknown"
)

// accept queues a script. Those whose process is held do not wait behind others.
func (p *Pipeline) accept(s capture.Script, held, others *queue) {
	if !s.Held.IsZero() {
		if held.offer(s) {
			return
		}
		p.release(&s)
		p.counts.lose(holdQueueFull)
	}
	if !others.offer(s) {
		p.counts.lose("queue full")
	}
}

// release lets the process of a script go, if it is held.
func (p *Pipeline) release(s *capture.Script) {
	if p.Holder != nil && !s.Held.IsZero() {
		p.Holder.Release(*s)
		s.Held = time.Time{}
	}
}

// excuse lets a process go that is held although nobody wants it to be, and
// reports whether it did. It is for a script that is held.
func (p *Pipeline) excuse(s *capture.Script, w workload.Workload) bool {
	hold, known := p.Hold.Match(w)
	switch {
	case hold && !(p.SkipHost && w.CertainlyHost()):
		return false
	case known:
		p.Holder.Leave(*s)
		s.Held = time.Time{}
	default:
		p.release(s)
		p.counts.lose(holdUnresolved)
	}
	return true
}

// act ends the hold of a process as the verdict on its script says, and returns
// what was done.
func (p *Pipeline) act(s *capture.Script, v classify.Verdict) finding.Action {
	if p.Holder == nil || s.Held.IsZero() {
		return finding.Action{}
	}
	a := finding.Action{What: finding.Released}
	if v.Label == classify.Malicious {
		if p.Holder.Kill(*s) {
			a.What = finding.Killed
		} else {
			a.What = finding.TooLate
		}
	} else {
		p.Holder.Release(*s)
	}
	a.Held = max(0, time.Since(s.Held))
	s.Held = time.Time{}
	return a
}

// HoldRule names workloads whose programs are held until they are judged.
type HoldRule struct {
	field   string // "namespace", "image", "container" or "host"
	pattern string
}

// HoldRules are alternatives: a workload that one of them names is held. The
// zero value names none.
type HoldRules []HoldRule

// ParseHoldRule reads a rule: namespace=NAME, image=REFERENCE, container=NAME
// (or its id), where a * stands for any characters, or host, for what runs
// outside of containers.
func ParseHoldRule(text string) (HoldRule, error) {
	if text == "host" {
		return HoldRule{field: "host"}, nil
	}
	field, pattern, ok := strings.Cut(text, "=")
	switch {
	case !ok || field != "namespace" && field != "image" && field != "container":
		return HoldRule{}, fmt.Errorf("%q: want namespace=NAME, image=REFERENCE, container=NAME or host", text)
	case pattern == "":
		return HoldRule{}, fmt.Errorf("%q: nothing after the equals sign; %s=* names all", text, field)
	case strings.TrimSpace(pattern) != pattern:
		return HoldRule{}, errors.New("blanks around a name: " + fmt.Sprintf("%q", text))
	}
	return HoldRule{field, pattern}, nil
}

// String returns the rule as it is written.
func (r HoldRule) String() string {
	if r.field == "host" {
		return r.field
	}
	return r.field + "=" + r.pattern
}

// Host reports whether a rule names what runs outside of containers.
func (rs HoldRules) Host() bool {
	for _, r := range rs {
		if r.field == "host" {
			return true
		}
	}
	return false
}

// Match reports whether a rule names a workload, and whether that is known: it
// is not when no rule does as far as is known, and something is unresolved.
func (rs HoldRules) Match(w workload.Workload) (hold, known bool) {
	known = true
	for _, r := range rs {
		if r.match(w) {
			return true, true
		}
		known = known && r.resolved(w)
	}
	return false, known
}

// resolved reports whether all is known of a workload that the rule looks at.
func (r HoldRule) resolved(w workload.Workload) bool {
	field := map[string]string{"namespace": "pod.namespace", "image": "container.image", "container": "container.name"}[r.field]
	if r.field == "container" && len(r.pattern) == len(w.Container.ID) {
		field = "" // an id; it need not be a name
	}
	return w.Unresolved["container.id"] == "" && (field == "" || w.Unresolved[field] == "")
}

func (r HoldRule) match(w workload.Workload) bool {
	switch r.field {
	case "host":
		return w.CertainlyHost()
	case "namespace":
		return w.Pod.Namespace != "" && glob(r.pattern, w.Pod.Namespace)
	case "image":
		return w.Container.Image != "" && glob(r.pattern, w.Container.Image)
	case "container":
		return !w.Host() && (glob(r.pattern, w.Container.ID) || w.Container.Name != "" && glob(r.pattern, w.Container.Name))
	}
	return false
}

// glob reports whether text is pattern, in which a * stands for any characters.
func glob(pattern, text string) bool {
	first, rest, stars := strings.Cut(pattern, "*")
	text, ok := strings.CutPrefix(text, first)
	if !ok || !stars {
		return ok && text == ""
	}
	for {
		part, more, again := strings.Cut(rest, "*")
		if !again {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], more
	}
}
