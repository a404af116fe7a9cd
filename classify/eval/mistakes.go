package eval

import (
	"cmp"
	"context"
	"slices"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
	"kingsnake/classify/train"
	"kingsnake/normalize"
)

// Mistake is a script that was judged badly. Its text is never kept.
type Mistake struct {
	ID        string         `json:"id"`
	Malicious bool           `json:"malicious"`
	Logit     float64        `json:"logit"`
	Called    classify.Label `json:"called"` // at the frozen thresholds
	Family    string         `json:"family"`
	Kind      string         `json:"kind"`
	Origin    string         `json:"origin"`
	Evidence  int            `json:"evidence"` // -1 when the corpus does not say
	Reasons   []string       `json:"reasons"`
	// Nearest are the nearest scripts of the same and of the other label that the
	// model had learned from.
	Nearest []Neighbor `json:"nearest,omitempty"`
}

// Worst returns the n benign scripts that score highest and the n malicious
// ones, one a cluster, that score lowest. It reads the corpus again for the
// reasons.
func Worst(ctx context.Context, v *Validation, source train.Source, n int) (benign, malicious []Mistake, err error) {
	order := make([]int, len(v.Scored))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(v.Scored[a].Logit, v.Scored[b].Logit) })
	seen := map[string]bool{}
	fold := map[string]int{}
	limits := allLimits(v.Scored)
	for _, i := range order {
		if e := v.Scored[i].Example; e.Malicious && len(malicious) < n && !seen[e.Cluster] {
			seen[e.Cluster] = true
			malicious = append(malicious, mistake(&v.Scored[i], limits))
			fold[e.ID] = v.Scored[i].Fold
		}
	}
	for _, i := range slices.Backward(order) {
		if e := v.Scored[i].Example; !e.Malicious && len(benign) < n {
			benign = append(benign, mistake(&v.Scored[i], limits))
			fold[e.ID] = v.Scored[i].Fold
		}
	}
	reasons := map[string][]string{}
	err = source(ctx, func(row corpus.Row) error {
		if f, ok := fold[row.ID]; ok && reasons[row.ID] == nil {
			reasons[row.ID] = explain(v.Judges[f], row.Text)
		}
		return nil
	})
	for _, list := range [][]Mistake{benign, malicious} {
		for i := range list {
			list[i].Reasons = reasons[list[i].ID]
		}
	}
	return benign, malicious, err
}

func mistake(s *Scored, limits frozen) Mistake {
	e := s.Example
	return Mistake{ID: e.ID, Malicious: e.Malicious, Logit: s.Logit, Called: limits.call(s), Family: e.Family, Kind: e.Kind, Origin: e.Origin, Evidence: e.Evidence}
}

// explain gives up to three reasons in words, without what they quote.
func explain(j Judge, text string) []string {
	says := []string{}
	for _, r := range j.Explain(normalize.Normalize([]byte(text))) {
		if len(says) == 3 {
			break
		}
		says = append(says, r.Plain)
	}
	return says
}
