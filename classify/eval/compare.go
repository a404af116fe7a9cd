package eval

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"kingsnake/classify"
	"kingsnake/classify/train"
)

// Comparison sets two finished models side by side, each at its own frozen
// thresholds. Rows that a model was trained on flatter it, and a finished model
// does not say which those were.
type Comparison struct {
	Models    [2]string `json:"models"` // hashes
	Malicious int       `json:"malicious"`
	Benign    int       `json:"benign"`
	// Agreement counts scripts by what the first and the second call them, each
	// in the order benign, suspicious, malicious.
	Agreement struct {
		Benign    [3][3]int `json:"benign"`
		Malicious [3][3]int `json:"malicious"`
	} `json:"agreement"`
	Contrasts []Contrast     `json:"contrasts"` // at suspicious (1e-3) and malicious (1e-4)
	Rows      []Disagreement `json:"rows"`      // on which they differ most, the widest first
}

// labels are what a model can call a script, in rising order.
var labels = [3]classify.Label{classify.Benign, classify.Suspicious, classify.Malicious}

// Disagreement is a script that two models judge differently.
type Disagreement struct {
	ID        string            `json:"id"`
	Malicious bool              `json:"malicious"`
	Family    string            `json:"family"`
	Kind      string            `json:"kind"`
	Origin    string            `json:"origin"`
	Scores    [2]float64        `json:"scores"` // calibrated
	Labels    [2]classify.Label `json:"labels"`
}

// TrainedOnWarning is said with every comparison of finished models.
const TrainedOnWarning = "Rows that a model was trained on flatter it: a model that has seen this corpus looks better here than it is. Compare learners by their cross-validation."

// Compare judges what may be judged in a dataset with two finished models, and
// names the n rows on which they differ most.
func Compare(ctx context.Context, d *train.Dataset, models [2]*classify.Model, n int) (*Comparison, error) {
	c := &Comparison{Models: [2]string{models[0].Hash(), models[1].Hash()}}
	var scored []Scored
	var levels [2][]int // of each scored script: the index of its label
	var rows []Disagreement
	for i := range d.Examples {
		e := &d.Examples[i]
		if e.TrainOnly() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row := Disagreement{ID: e.ID, Malicious: e.Malicious, Family: e.Family, Kind: e.Kind, Origin: e.Origin}
		var level [2]int
		for k, m := range models {
			row.Scores[k] = m.Score(e.Features)
			row.Labels[k] = m.Label(row.Scores[k])
			level[k] = slices.Index(labels[:], row.Labels[k])
			levels[k] = append(levels[k], level[k])
		}
		scored = append(scored, Scored{Example: e})
		if e.Malicious {
			c.Malicious++
			c.Agreement.Malicious[level[0]][level[1]]++
		} else {
			c.Benign++
			c.Agreement.Benign[level[0]][level[1]]++
		}
		if level[0] != level[1] {
			rows = append(rows, row)
		}
	}
	for k, rate := range Rates[1:] {
		c.Contrasts = append(c.Contrasts, contrastLabels(scored, levels, k+1, rate))
	}
	slices.SortStableFunc(rows, func(a, b Disagreement) int { return cmp.Compare(b.width(), a.width()) })
	c.Rows = rows[:max(0, min(n, len(rows)))]
	return c, nil
}

// contrastLabels compares what two models call at least labels[level].
func contrastLabels(scored []Scored, levels [2][]int, level int, rate float64) Contrast {
	var flagged [2][]bool
	for k := range levels {
		for _, l := range levels[k] {
			flagged[k] = append(flagged[k], l >= level)
		}
	}
	all := clusters(scored)
	twins := make([]twin, len(all))
	for i, cl := range all {
		twins[i] = twin{cl.group, [2]float64{share(cl, flagged[0]), share(cl, flagged[1])}}
	}
	c := contrast(rate, twins)
	for i := range scored {
		if !scored[i].Example.Malicious {
			c.Benign++
			c.alarm([2]bool{flagged[0][i], flagged[1][i]})
		}
	}
	return c
}

// width is how far apart the scores are, in log-odds.
func (d *Disagreement) width() float64 { return math.Abs(logOdds(d.Scores[0]) - logOdds(d.Scores[1])) }

func logOdds(p float64) float64 {
	p = max(1e-12, min(1-1e-12, p))
	return math.Log(p / (1 - p))
}

// WriteText writes the comparison for people, in Markdown.
func (c *Comparison) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Two models on %d malicious scripts and %d benign ones, each at its own frozen thresholds.\n\n", c.Malicious, c.Benign)
	fmt.Fprintf(&b, "- first: %s\n- second: %s\n\n%s\n\n", c.Models[0], c.Models[1], TrainedOnWarning)
	writeContrasts(&b, c.Contrasts, "first", "second")
	for _, class := range []struct {
		name  string
		table [3][3]int
	}{{"malicious", c.Agreement.Malicious}, {"benign", c.Agreement.Benign}} {
		fmt.Fprintf(&b, "\n| %s scripts: the first says | the second says benign | suspicious | malicious |\n|---|---|---|---|\n", class.name)
		for k, row := range class.table {
			fmt.Fprintf(&b, "| %s | %d | %d | %d |\n", labels[k], row[0], row[1], row[2])
		}
	}
	if len(c.Rows) > 0 {
		fmt.Fprint(&b, "\nScripts that they call differently, the widest apart first:\n\n")
	}
	for _, r := range c.Rows {
		is := "benign"
		if r.Malicious {
			is = "malicious"
		}
		fmt.Fprintf(&b, "- %s, %s %s %s: first %s %.4f, second %s %.4f, %s\n", short(r.ID), is, cell(r.Family), cell(r.Kind), r.Labels[0], r.Scores[0], r.Labels[1], r.Scores[1], cell(r.Origin))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
