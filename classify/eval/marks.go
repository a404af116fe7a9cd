package eval

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
	"kingsnake/classify/train"
	"kingsnake/normalize"
)

//go:embed marks.tsv
var marksFile string

// lines is a set of lines of a script, counted from 1.
type lines map[int]bool

func (l lines) add(first, last int) {
	for i := first; i <= last; i++ {
		l[i] = true
	}
}

// shared counts the lines that are in both sets.
func (l lines) shared(m lines) int {
	n := 0
	for i := range l {
		if m[i] {
			n++
		}
	}
	return n
}

// mark is what a person would want shown of a script.
type mark struct {
	core lines // the attack itself
	all  lines // core, and what belongs to it
}

// maxMarkedLine bounds the line numbers of a mark.
const maxMarkedLine = 1 << 20

// parseMarks reads lines of: id, tab, core lines, tab, other lines. Lines are
// written as "3,7-9"; what follows # is left out.
func parseMarks(file string) (map[string]mark, error) {
	marks := map[string]mark{}
	for n, line := range strings.Split(file, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 3 || fields[0] == "" || marks[fields[0]].all != nil {
			return nil, fmt.Errorf("line %d of the marks: want a new id, core lines and other lines", n+1)
		}
		m := mark{lines{}, lines{}}
		for i, ranges := range fields[1:] {
			for _, r := range strings.FieldsFunc(ranges, func(c rune) bool { return c == ',' }) {
				first, last, err := parseRange(r)
				if err != nil {
					return nil, fmt.Errorf("line %d of the marks: %w", n+1, err)
				}
				m.all.add(first, last)
				if i == 0 {
					m.core.add(first, last)
				}
			}
		}
		if len(m.core) == 0 {
			return nil, fmt.Errorf("line %d of the marks: no core line", n+1)
		}
		marks[fields[0]] = m
	}
	return marks, nil
}

func parseRange(r string) (first, last int, err error) {
	from, to, two := strings.Cut(r, "-")
	if first, err = strconv.Atoi(from); err != nil {
		return 0, 0, err
	}
	last = first
	if two {
		if last, err = strconv.Atoi(to); err != nil {
			return 0, 0, err
		}
	}
	if first < 1 || last < first || last > maxMarkedLine {
		return 0, 0, fmt.Errorf("lines %q", r)
	}
	return first, last, nil
}

// Pointing says how well reasons point at the lines that a person marked.
// Shares are means over scripts, one vote each.
type Pointing struct {
	Marked  int `json:"marked"`  // scripts with marks that were seen
	Flagged int `json:"flagged"` // of those, called at least suspicious: the rest is about them

	Precision   float64 `json:"precision"`   // share of the lines pointed at that are marked
	HitRate     float64 `json:"hit_rate"`    // share of scripts where a core line is pointed at
	FirstHit    float64 `json:"first_hit"`   // likewise by the first reason alone
	Coverage    float64 `json:"coverage"`    // share of the marked lines that are pointed at
	Highlighted float64 `json:"highlighted"` // share of a script's lines that is pointed at

	Rows []PointedRow `json:"rows"` // by id
}

// PointedRow is one script of a [Pointing], in lines.
type PointedRow struct {
	ID      string `json:"id"`
	Lines   int    `json:"lines"`
	Core    int    `json:"core"`
	Marked  int    `json:"marked"`
	Pointed int    `json:"pointed"`
	Right   int    `json:"right"` // pointed at and marked
	Hit     bool   `json:"hit"`   // a core line is pointed at
	First   bool   `json:"first"` // by the first reason
}

// Marks compares the reasons for scripts with the lines that a person marked
// in them before any reason was seen. Rows without marks are left out. Explain
// gives the reasons for a row, or false when the row is not flagged.
func Marks(explain func(row *corpus.Row) ([]classify.Reason, bool), rows []corpus.Row) (Pointing, error) {
	marks, err := parseMarks(marksFile)
	if err != nil {
		return Pointing{}, err
	}
	return compareMarks(explain, rows, marks), nil
}

func compareMarks(explain func(row *corpus.Row) ([]classify.Reason, bool), rows []corpus.Row, marks map[string]mark) Pointing {
	p := Pointing{Rows: []PointedRow{}}
	for i := range rows {
		m, ok := marks[rows[i].ID]
		if !ok {
			continue
		}
		p.Marked++
		if reasons, flagged := explain(&rows[i]); flagged {
			p.Rows = append(p.Rows, pointed(&rows[i], m, reasons))
		}
	}
	slices.SortFunc(p.Rows, func(a, b PointedRow) int { return strings.Compare(a.ID, b.ID) })
	p.Flagged = len(p.Rows)
	for _, r := range p.Rows {
		n := float64(p.Flagged)
		p.Precision += ratio(r.Right, r.Pointed) / n
		p.Coverage += ratio(r.Right, r.Marked) / n
		p.Highlighted += ratio(r.Pointed, r.Lines) / n
		if r.Hit {
			p.HitRate += 1 / n
		}
		if r.First {
			p.FirstHit += 1 / n
		}
	}
	return p
}

func ratio(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

func pointed(row *corpus.Row, m mark, reasons []classify.Reason) PointedRow {
	all, first := lines{}, lines{}
	for i, r := range reasons {
		for _, s := range r.Spans {
			all.add(s.Line, min(s.EndLine, maxMarkedLine))
			if i == 0 {
				first.add(s.Line, min(s.EndLine, maxMarkedLine))
			}
		}
	}
	return PointedRow{
		ID: row.ID, Lines: strings.Count(strings.TrimRight(row.Text, "\n"), "\n") + 1,
		Core: len(m.core), Marked: len(m.all), Pointed: len(all), Right: all.shared(m.all),
		Hit: all.shared(m.core) > 0, First: first.shared(m.core) > 0,
	}
}

// Marks compares the reasons that the models of a cross-validation give, each
// for scripts whose group it has not seen, with the marks. A script is flagged
// at the given rate of false alarms, by the threshold frozen on other folds.
func (v *Validation) Marks(ctx context.Context, source train.Source, rate float64) (Pointing, error) {
	marks, err := parseMarks(marksFile)
	if err != nil {
		return Pointing{}, err
	}
	by := map[string]*Scored{}
	limits := foldLimits(v.Scored, rate)
	for i := range v.Scored {
		if s := &v.Scored[i]; marks[s.Example.ID].all != nil {
			by[s.Example.ID] = s
		}
	}
	var rows []corpus.Row
	err = source(ctx, func(row corpus.Row) error {
		if by[row.ID] != nil && !slices.ContainsFunc(rows, func(r corpus.Row) bool { return r.ID == row.ID }) {
			rows = append(rows, row)
		}
		return nil
	})
	if err != nil {
		return Pointing{}, err
	}
	return compareMarks(func(row *corpus.Row) ([]classify.Reason, bool) {
		s := by[row.ID]
		if math.IsNaN(s.Logit) || s.Logit < limits[s.Fold] {
			return nil, false
		}
		return v.Judges[s.Fold].Explain(normalize.Normalize([]byte(row.Text))), true
	}, rows, marks), nil
}

// WriteText writes the comparison for people.
func (p *Pointing) WriteText(w io.Writer) error {
	_, err := fmt.Fprintf(w, "Reasons against %d scripts marked by hand, %d of them flagged:\n"+
		"  a core line is pointed at in            %5.1f %%\n"+
		"  … by the first reason                   %5.1f %%\n"+
		"  lines pointed at that are marked        %5.1f %%\n"+
		"  marked lines that are pointed at        %5.1f %%\n"+
		"  lines of a script that are pointed at   %5.1f %%\n",
		p.Marked, p.Flagged, 100*p.HitRate, 100*p.FirstHit, 100*p.Precision, 100*p.Coverage, 100*p.Highlighted)
	return err
}
