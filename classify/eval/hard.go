package eval

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// HardFamilies are the benign families that look most like attacks: programs
// that install others, tools of administrators, scripts chosen because they do
// what malware does, and one-liners, remote-exec bootstraps among them.
var HardFamilies = []string{"installer", "admin_tool", "lookalike", "one_liner"}

// HardNegatives says how the benign scripts of HardFamilies fare.
type HardNegatives struct {
	Scripts int   `json:"scripts"`
	Alarms  []int `json:"alarms"` // flagged at each of Rates
	// Flagged lists those at or above the threshold of 1e-3, the highest score
	// first.
	Flagged []Alarm `json:"flagged,omitempty"`
}

// Alarm is a benign script that is flagged.
type Alarm struct {
	ID     string  `json:"id"`
	Family string  `json:"family"`
	Kind   string  `json:"kind"`
	Origin string  `json:"origin"`
	Logit  float64 `json:"logit"`
	Rate   float64 `json:"rate"` // the lowest of Rates at which it is
}

// alarms lists the benign scripts that are flagged at Rates[1], the highest
// score first.
func alarms(scored []Scored, flags [][]bool) []Alarm {
	var list []Alarm
	for i := range scored {
		e := scored[i].Example
		if e.Malicious || !flags[1][i] {
			continue
		}
		a := Alarm{ID: e.ID, Family: e.Family, Kind: e.Kind, Origin: e.Origin, Logit: scored[i].Logit}
		for k, rate := range Rates {
			if flags[k][i] {
				a.Rate = rate
			}
		}
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(a, b Alarm) int { return cmp.Or(cmp.Compare(b.Logit, a.Logit), cmp.Compare(a.ID, b.ID)) })
	return list
}

// hardNegatives takes what is said of HardFamilies out of what is said of all.
func hardNegatives(families []Slice, flagged []Alarm) *HardNegatives {
	h := &HardNegatives{Alarms: make([]int, len(Rates))}
	for _, s := range families {
		if !slices.Contains(HardFamilies, s.Name) {
			continue
		}
		h.Scripts += s.Benign
		for k, n := range s.Alarms {
			h.Alarms[k] += n
		}
	}
	for _, a := range flagged {
		if slices.Contains(HardFamilies, a.Family) {
			h.Flagged = append(h.Flagged, a)
		}
	}
	if h.Scripts == 0 {
		return nil
	}
	return h
}

func (h *HardNegatives) write(b *strings.Builder) {
	fmt.Fprintf(b, "\nHard negatives, the benign families %s: %d scripts, of which flagged at 1e-2 %d, at 1e-3 %d, at 1e-4 %d.\n\n",
		strings.Join(HardFamilies, ", "), h.Scripts, h.Alarms[0], h.Alarms[1], h.Alarms[2])
	for _, a := range h.Flagged {
		fmt.Fprintf(b, "- %s %s %s, %.1f, flagged at %.0e\n", short(a.ID), cell(a.Family), cell(a.Kind), a.Logit, a.Rate)
	}
}

// short is the beginning of an id.
func short(id string) string { return cell(id[:min(12, len(id))]) }
