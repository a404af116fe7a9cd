package eval

import (
	"fmt"
	"strings"

	"kingsnake/classify"
)

// LoadersReport says how well-known loaders are judged by models that never
// saw them, at thresholds frozen as for everything else.
type LoadersReport struct {
	Honest  int            `json:"honest"`  // loaders with a harmless payload
	Hostile int            `json:"hostile"` // loaders with a malicious one
	Loaders []LoaderResult `json:"loaders"`
	Wrong   []LoaderCase   `json:"wrong,omitempty"` // honest and flagged at 1e-3, or hostile and not at 1e-4
}

// LoaderResult is what became of one loader's rows.
type LoaderResult struct {
	Name           string `json:"name"`
	Honest         int    `json:"honest"`
	HonestFlagged  []int  `json:"honest_flagged"` // at each of Rates
	Hostile        int    `json:"hostile"`
	HostileFlagged []int  `json:"hostile_flagged"`
}

// LoaderCase is a loader that is judged otherwise than its payload deserves.
type LoaderCase struct {
	ID        string         `json:"id"`
	Malicious bool           `json:"malicious"` // the payload
	Origin    string         `json:"origin"`    // payload in loader
	Logit     float64        `json:"logit"`
	Called    classify.Label `json:"called"`
}

// MeasureLoaders judges the loaders of a validation [ByLoader]. It is nil when
// there are none.
func (v *Validation) MeasureLoaders() *LoadersReport {
	if len(v.Loaders) == 0 {
		return nil
	}
	limits := allLimits(v.Scored)
	r := &LoadersReport{}
	index := map[string]int{}
	for _, s := range v.Loaders {
		e := s.Example
		k, ok := index[e.Family]
		if !ok {
			k = len(r.Loaders)
			index[e.Family] = k
			r.Loaders = append(r.Loaders, LoaderResult{
				Name: strings.TrimPrefix(e.Family, "loader-"), HonestFlagged: make([]int, len(Rates)), HostileFlagged: make([]int, len(Rates)),
			})
		}
		l := &r.Loaders[k]
		flagged := l.HonestFlagged
		if e.Malicious {
			l.Hostile++
			r.Hostile++
			flagged = l.HostileFlagged
		} else {
			l.Honest++
			r.Honest++
		}
		for k := range Rates {
			if s.Logit >= limits[k][s.Fold] {
				flagged[k]++
			}
		}
		called := limits.call(&s)
		if e.Malicious && called != classify.Malicious || !e.Malicious && called != classify.Benign {
			r.Wrong = append(r.Wrong, LoaderCase{e.ID, e.Malicious, e.Origin, s.Logit, called})
		}
	}
	return r
}

// Count adds up the flagged rows at each of Rates.
func (r *LoadersReport) Count() (honest, hostile []int) {
	honest, hostile = make([]int, len(Rates)), make([]int, len(Rates))
	for _, l := range r.Loaders {
		for k := range Rates {
			honest[k] += l.HonestFlagged[k]
			hostile[k] += l.HostileFlagged[k]
		}
	}
	return honest, hostile
}

func (r *LoadersReport) write(b *strings.Builder) {
	honest, hostile := r.Count()
	fmt.Fprintf(b, "\nLoaders that the model never saw, judged by their payload. Of %d with a harmless payload %d are flagged at 1e-3 and %d at 1e-4; "+
		"of %d with a malicious one %d are found at 1e-3 and %d at 1e-4.\n\n", r.Honest, honest[1], honest[2], r.Hostile, hostile[1], hostile[2])
	fmt.Fprint(b, "| loader | harmless payloads | flagged at 1e-2 | 1e-3 | 1e-4 | malicious payloads | found at 1e-2 | 1e-3 | 1e-4 |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, l := range r.Loaders {
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d |\n", cell(l.Name), l.Honest, l.HonestFlagged[0], l.HonestFlagged[1], l.HonestFlagged[2],
			l.Hostile, l.HostileFlagged[0], l.HostileFlagged[1], l.HostileFlagged[2])
	}
	if len(r.Wrong) > 0 {
		fmt.Fprint(b, "\nCalled otherwise than their payload deserves:\n\n")
	}
	for _, c := range r.Wrong {
		fmt.Fprintf(b, "- %s: %s, called %s, %.1f\n", short(c.ID), cell(c.Origin), c.Called, c.Logit)
	}
}
