package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxReport bounds the file of a report.
const maxReport = 64 << 20

// ReadReport reads a report from its JSON form. What it returns has every list
// in the length that its type promises; the names in it are anybody's.
func ReadReport(r io.Reader) (*Report, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxReport+1))
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	if len(data) > maxReport {
		return nil, errors.New("read report: larger than 64 MiB")
	}
	var report Report
	if err := json.Unmarshal(data, &report); err != nil {
		return nil, fmt.Errorf("read report: not what eval --json writes: %v", err)
	}
	if !report.whole() {
		return nil, errors.New("read report: not what this version of eval --json writes: something is missing in it")
	}
	return &report, nil
}

// whole reports whether every list has the length that writers rely on.
func (r *Report) whole() bool {
	ok := r.Model.whole() && (r.Baseline == nil || r.Baseline.whole()) && (r.KindMasked == nil || r.KindMasked.whole()) &&
		(r.KnownGood == nil || r.KnownGood.whole()) && (r.Hard == nil || rated(r.Hard.Alarms))
	for _, c := range r.Clusters {
		ok = ok && rated(c.Found)
	}
	if r.Loaders != nil {
		for _, l := range r.Loaders.Loaders {
			ok = ok && rated(l.HonestFlagged) && rated(l.HostileFlagged)
		}
	}
	for _, e := range r.Evasion {
		ok = ok && len(e.Points) == len(Rates)-1
	}
	return ok
}

func (f *Figures) whole() bool {
	ok := rated(f.Points)
	for _, parts := range f.Slices {
		for _, p := range parts {
			ok = ok && (rated(p.Recall) && len(p.Alarms) == 0 || rated(p.Alarms) && len(p.Recall) == 0) &&
				len(p.Low) == len(p.High) && (len(p.Low) == 0 || rated(p.Low))
		}
	}
	return ok
}

// rated reports whether a list has one entry for each of Rates.
func rated[T any](list []T) bool { return len(list) == len(Rates) }
