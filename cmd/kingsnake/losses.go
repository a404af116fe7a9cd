package main

import (
	"strings"
	"sync"

	"kingsnake/detect"
	"kingsnake/finding"
)

// maxReasons is how many reasons one stage counts by; what goes beyond is
// counted together.
const maxReasons = 32

// lossTally counts what a node lost beside what its parts count themselves: scripts
// judged in part, and containers that nobody could say much about. It is safe
// for concurrent use.
type lossTally struct {
	mu   sync.Mutex
	lost map[finding.Stage]map[string]uint64
}

// observe counts what r lacks.
func (t *lossTally) observe(r detect.Result) {
	if r.Script.Truncated {
		t.count(finding.StageCapture, "script longer than is kept")
	}
	for _, field := range []string{"container.id", "container.name"} {
		if why := r.Workload.Unresolved[field]; why != "" {
			t.count(finding.StageWorkload, missWords(why))
		}
	}
}

func (t *lossTally) count(stage finding.Stage, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil {
		t.lost = map[finding.Stage]map[string]uint64{}
	}
	of := t.lost[stage]
	if of == nil {
		of = map[string]uint64{}
		t.lost[stage] = of
	}
	if _, known := of[reason]; !known && len(of) >= maxReasons {
		reason = "other reasons"
	}
	of[reason]++
}

// addTo adds what was counted so far.
func (t *lossTally) addTo(l finding.Losses) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for stage, reasons := range t.lost {
		l.Add(stage, reasons)
	}
}

// missWords shortens why a container could not be named to what it has in
// common with others: the details of one of them are on its finding.
func missWords(why string) string {
	if i := strings.IndexAny(why, ":("); i > 0 {
		why = why[:i]
	}
	why = strings.TrimSpace(why)
	return why[:min(len(why), 80)]
}
