package console

import (
	"context"
	"fmt"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// period is a stretch of time the chart can show.
type period struct {
	name   string // in the address
	words  string
	bucket time.Duration
	count  int
	label  string // layout of a bucket's time
}

// periods are the choices, the first one being the default.
var periods = []period{
	{"day", "24 hours", time.Hour, 24, "15:04"},
	{"week", "7 days", 6 * time.Hour, 28, "Mon 2 Jan 15:04"},
	{"month", "30 days", 24 * time.Hour, 30, "2 Jan"},
}

// chart is findings over time: a drawing, and the same as a table.
type chart struct {
	Summary string
	Periods []choice
	Width   int // of the drawing, in its own units; the page stretches it
	Height  int
	Bars    []bar
	Ticks   []string // values of the grid lines, from the top
	Labels  []string // times along the foot, evenly spaced
	Rows    []chartRow
	Empty   bool
}

type choice struct {
	Text    string
	URL     string
	Current bool
}

// bar is one severity's part of a bucket.
type bar struct {
	X, Y, Width, Height int
	Class               string
}

type chartRow struct {
	When   string
	Counts []int // in the order of severities
	Total  int
}

// severities from the worst down: the order of bars, columns and counts.
var severities = []finding.Severity{finding.Critical, finding.High, finding.Medium, finding.Low}

// Measures of the drawing, in its own units.
const (
	chartWidth  = 1200
	chartHeight = 200
	chartLabels = 5
)

// timeline counts findings by when they were last seen.
func (c *console) timeline(ctx context.Context, name string) (chart, error) {
	p := periods[0]
	for _, other := range periods {
		if other.name == name {
			p = other
		}
	}
	v := chart{Width: chartWidth, Height: chartHeight}
	for _, other := range periods {
		v.Periods = append(v.Periods, choice{Text: other.words, URL: "/?over=" + other.name + "#over-time", Current: other.name == p.name})
	}
	end := c.Now().UTC().Truncate(p.bucket).Add(p.bucket)
	top, total := 0, 0
	for i := range p.count {
		from := end.Add(-time.Duration(p.count-i) * p.bucket)
		counts, err := c.Store.Count(ctx, store.Query{Since: from, Until: from.Add(p.bucket)})
		if err != nil {
			return chart{}, err
		}
		row := chartRow{When: from.Format(p.label)}
		for _, s := range severities {
			row.Counts = append(row.Counts, counts[s])
			row.Total += counts[s]
		}
		top, total = max(top, row.Total), total+row.Total
		v.Rows = append(v.Rows, row)
	}
	v.Empty = total == 0
	if v.Empty {
		v.Summary = "No finding was seen in the last " + p.words + "."
		return v, nil
	}
	v.Summary = fmt.Sprintf("%s last seen in the last %s, at most %d in one %s.",
		title(plural(int64(total), "finding")), p.words, top, bucketWord(p.bucket))
	v.draw(niceTop(top))
	return v, nil
}

func bucketWord(d time.Duration) string {
	switch d {
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	default:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
}

// niceTop returns the least round number that is at least n, for the axis.
func niceTop(n int) int {
	for step := 1; ; step *= 10 {
		for _, m := range []int{1, 2, 4, 6, 8} {
			if v := 2 * step * m; v >= n {
				return v
			}
		}
	}
}

// draw lays out bars, ticks and labels for an axis that ends at top.
func (v *chart) draw(top int) {
	for _, part := range []int{2, 1, 0} {
		v.Ticks = append(v.Ticks, thousands(int64(top*part/2)))
	}
	n := len(v.Rows)
	slot := chartWidth / n
	for i, row := range v.Rows {
		y := chartHeight
		for k := range severities {
			// The worst is drawn at the foot, where bars compare best.
			if count := row.Counts[k]; count > 0 {
				h := max(3, chartHeight*count/top)
				y -= h
				v.Bars = append(v.Bars, bar{X: i*slot + slot/8, Y: y, Width: slot * 3 / 4, Height: h, Class: severityOf(string(severities[k])).Class})
			}
		}
	}
	for i := range chartLabels - 1 {
		v.Labels = append(v.Labels, v.Rows[i*n/(chartLabels-1)].When)
	}
	v.Labels = append(v.Labels, "now")
}
