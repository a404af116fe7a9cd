package eval

import (
	"fmt"
	"strings"
)

// Outcome is how much of a malicious cluster is found at each of Rates.
type Outcome struct {
	Cluster string    `json:"cluster"`
	Group   string    `json:"group"`
	Found   []float64 `json:"found"` // shares of its members
}

// outcomes says of each cluster how much of it is found.
func outcomes(all []cluster, flags [][]bool) []Outcome {
	list := make([]Outcome, len(all))
	for i, c := range all {
		list[i] = Outcome{Cluster: c.name, Group: c.group}
		for _, flagged := range flags {
			list[i].Found = append(list[i].Found, share(c, flagged))
		}
	}
	return list
}

// Contrast sets two models side by side at one threshold of each. What the
// second does better counts as gained.
type Contrast struct {
	Rate       float64    `json:"rate"` // that the thresholds were chosen for
	Clusters   int        `json:"clusters"`
	Recall     [2]float64 `json:"recall"` // one vote a cluster
	Gained     float64    `json:"gained"` // recall of the second less that of the first
	Low        float64    `json:"low"`    // 95 % interval of Gained, by resampling groups
	High       float64    `json:"high"`
	Only       [2]int     `json:"only"` // clusters of which one finds more members than the other
	Benign     int        `json:"benign"`
	Alarms     [2]int     `json:"alarms"`      // benign scripts flagged
	OnlyAlarms [2]int     `json:"only_alarms"` // by one and not by the other
}

// twin is how much of a cluster two models find.
type twin struct {
	group string
	found [2]float64
}

// contrast compares what two models find.
func contrast(rate float64, twins []twin) Contrast {
	c := Contrast{Rate: rate, Clusters: len(twins), Low: -1, High: 1}
	gained := make([]draw, len(twins))
	for i, t := range twins {
		for k, found := range t.found {
			c.Recall[k] += found / float64(len(twins))
			if found > t.found[1-k] {
				c.Only[k]++
			}
		}
		gained[i] = draw{t.group, t.found[1] - t.found[0]}
	}
	c.Gained = c.Recall[1] - c.Recall[0]
	if low, high, ok := bootstrap(gained); ok {
		c.Low, c.High = low, high
	}
	return c
}

// alarm counts a benign script that one or both flag.
func (c *Contrast) alarm(flagged [2]bool) {
	for k, f := range flagged {
		if f {
			c.Alarms[k]++
			if !flagged[1-k] {
				c.OnlyAlarms[k]++
			}
		}
	}
}

// writeContrasts writes contrasts as a table, with names for the two models.
func writeContrasts(b *strings.Builder, list []Contrast, first, second string) {
	fmt.Fprintf(b, "| threshold of | recall: %s, %s | points gained | clusters found better by %s, %s | benign flagged: %s, %s | only by %s, %s |\n|---|---|---|---|---|---|\n",
		first, second, first, second, first, second, first, second)
	for _, c := range list {
		fmt.Fprintf(b, "| %.0e | %.3f, %.3f of %d | %+.1f (%+.1f to %+.1f) | %d, %d | %d, %d of %d | %d, %d |\n", c.Rate, c.Recall[0], c.Recall[1], c.Clusters,
			100*c.Gained, 100*c.Low, 100*c.High, c.Only[0], c.Only[1], c.Alarms[0], c.Alarms[1], c.Benign, c.OnlyAlarms[0], c.OnlyAlarms[1])
	}
}

// Progress is what changed from an earlier report to a later one, on the
// clusters that both judged.
type Progress struct {
	Contrasts []Contrast `json:"contrasts"` // at each of Rates; the earlier report is the first
	Unpaired  int        `json:"unpaired"`  // clusters that only one of them has
	// Better and Worse are clusters of which more or less is found at 1e-3.
	Better []string `json:"better,omitempty"`
	Worse  []string `json:"worse,omitempty"`
	// Quiet and Loud are benign scripts that are no longer, or newly, flagged at 1e-3.
	Quiet []string `json:"quiet,omitempty"`
	Loud  []string `json:"loud,omitempty"`
}

// Since says what changed since an earlier report. Both must have left out the
// same with the same folds: otherwise the difference is not of the models.
func (r *Report) Since(earlier *Report) (*Progress, error) {
	switch {
	case r.Split != earlier.Split || r.Seed != earlier.Seed:
		return nil, fmt.Errorf("the reports are of different folds: by %s with seed %d, and by %s with seed %d", earlier.Split, earlier.Seed, r.Split, r.Seed)
	case len(r.Clusters) == 0 || len(earlier.Clusters) == 0:
		return nil, fmt.Errorf("a report does not say what was found of each cluster")
	case r.Benign != earlier.Benign:
		return nil, fmt.Errorf("the reports are of different corpora: %d and %d benign scripts", earlier.Benign, r.Benign)
	}
	before := map[string]Outcome{}
	for _, o := range earlier.Clusters {
		before[o.Cluster] = o
	}
	twins := make([][]twin, len(Rates))
	p := &Progress{Unpaired: len(before)}
	for _, now := range r.Clusters {
		was, ok := before[now.Cluster]
		if !ok {
			p.Unpaired++
			continue
		}
		p.Unpaired--
		for k := range Rates {
			twins[k] = append(twins[k], twin{now.Group, [2]float64{was.Found[k], now.Found[k]}})
		}
		switch {
		case now.Found[1] > was.Found[1]:
			p.Better = append(p.Better, now.Cluster)
		case now.Found[1] < was.Found[1]:
			p.Worse = append(p.Worse, now.Cluster)
		}
	}
	for k, rate := range Rates {
		c := contrast(rate, twins[k])
		c.Benign = r.Benign
		p.Contrasts = append(p.Contrasts, c)
	}
	p.alarms(earlier, r)
	return p, nil
}

// alarms compares the benign scripts that are flagged. Those at 1e-2 are in no
// report by name, only as a number.
func (p *Progress) alarms(earlier, later *Report) {
	rates := map[string][2]float64{} // the lowest at which each flags it; 0 when it does not
	var order []string
	for side, r := range []*Report{earlier, later} {
		for _, a := range r.Alarms {
			got, ok := rates[a.ID]
			if !ok {
				order = append(order, a.ID)
			}
			got[side] = a.Rate
			rates[a.ID] = got
		}
		p.Contrasts[0].Alarms[side] = r.Model.Points[0].Alarms
	}
	for _, id := range order {
		got := rates[id]
		for k := 1; k < len(Rates); k++ {
			p.Contrasts[k].alarm([2]bool{got[0] > 0 && got[0] <= Rates[k], got[1] > 0 && got[1] <= Rates[k]})
		}
		switch {
		case got[1] == 0:
			p.Quiet = append(p.Quiet, id)
		case got[0] == 0:
			p.Loud = append(p.Loud, id)
		}
	}
}

// maxNames bounds how many clusters or scripts a list names.
const maxNames = 20

func (p *Progress) write(b *strings.Builder) {
	fmt.Fprintf(b, "\nAgainst the earlier report, cluster by cluster (%d are only in one of the two):\n\n", p.Unpaired)
	writeContrasts(b, p.Contrasts, "earlier", "now")
	fmt.Fprint(b, "\nWhich benign scripts are flagged is compared at 1e-3 and 1e-4 only.\n\n")
	for _, list := range []struct {
		says  string
		names []string
	}{
		{"clusters found better at 1e-3", p.Better}, {"clusters found worse at 1e-3", p.Worse},
		{"benign scripts no longer flagged at 1e-3", p.Quiet}, {"benign scripts newly flagged at 1e-3", p.Loud},
	} {
		fmt.Fprintf(b, "- %d %s", len(list.names), list.says)
		for i, name := range list.names[:min(maxNames, len(list.names))] {
			fmt.Fprintf(b, "%s%s", [...]string{": ", ", "}[min(i, 1)], short(name))
		}
		if len(list.names) > maxNames {
			fmt.Fprint(b, ", …")
		}
		fmt.Fprintln(b)
	}
}
