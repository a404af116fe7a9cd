package eval

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"kingsnake/classify"
	"kingsnake/classify/train"
)

// Gathered says what somebody's folders held.
type Gathered struct {
	Digest  string // of the labels and hashes of all scripts that were learned from
	Folders []Folder
	Copies  int // files left out because another has the same text
	Alike   int // near-duplicates, each in the group of the first of its kind
	// Disputed are scripts that are much like one of the other label.
	Disputed [][2]string
}

// Folder is one folder, and what was taken of it.
type Folder struct {
	Path      string
	Malicious bool
	Files     int
	LeftOut   map[string]int // files, by reason
}

// AdaptedCard is what the card of an adapted model is written from.
type AdaptedCard struct {
	Date     time.Time
	Model    *classify.Model
	Size     int // of the model's file, in bytes
	Base     string
	Settings train.Settings
	Seed     uint64 // of the folds
	Gathered Gathered
	Adapted  *Adapted
}

const adaptedWeaknesses = `
- What false alarms this model raises on code that is not like yours was not measured: the scripts on which the base model's thresholds were frozen are not at hand here. Let it judge in the shadow of the model in use first.
- A script that is taught as benign and is not is a hole, and so is everything like it. Read those that are listed above before they are trusted.
- Figures of "an adapted model" are those of models that had learned nothing from the project they judged, nor from near-duplicates of what is in it. Those of "this model" are on what it has learned from: that it finds what it was shown says little.
- Everything that the card of the base model names as a weakness.
`

// Write writes the card, in Markdown.
func (c *AdaptedCard) Write(w io.Writer) error {
	var b strings.Builder
	s := c.Settings
	fmt.Fprint(&b, "# A model of your own\n\nWritten by `kingsnake train`; do not edit.\n\n| | |\n|---|---|\n")
	fmt.Fprintf(&b, "| Date | %s |\n| Hash (SHA-256) | `%s` |\n| Size | %d bytes |\n| Base | `%s` |\n", c.Date.UTC().Format(time.DateOnly), c.Model.Hash(), c.Size, c.Base)
	fmt.Fprintf(&b, "| Scripts (SHA-256 of their labels and hashes) | `%s` |\n", c.Gathered.Digest)
	fmt.Fprintf(&b, "| Learner | FTRL-proximal drawn to the base, %d epochs, seed %d, rates %g and %g, L1 %g, L2 %g, a malicious cluster weighs %g benign scripts; fold seed %d |\n",
		s.Epochs, s.Seed, s.Rate, s.MarkRate, s.L1, s.L2, s.Positive, c.Seed)
	c.Gathered.write(&b)
	fmt.Fprint(&b, "\n## Figures\n\n")
	c.Adapted.writeFigures(&b)
	fmt.Fprint(&b, "\n## Thresholds\n\n")
	c.Adapted.writeLimits(&b)
	c.Adapted.writeCases(&b)
	fmt.Fprint(&b, "\n## Known weaknesses\n", adaptedWeaknesses)
	_, err := io.WriteString(w, b.String())
	return err
}

func (g *Gathered) write(b *strings.Builder) {
	fmt.Fprint(b, "\n## Data\n\n| folder | label | files | left out |\n|---|---|---|---|\n")
	for _, f := range g.Folders {
		label := classify.Benign
		if f.Malicious {
			label = classify.Malicious
		}
		fmt.Fprintf(b, "| %s | %s | %d | %s |\n", cell(f.Path), label, f.Files, cell(f.LeftOutWords()))
	}
	fmt.Fprintf(b, "\n%d files are copies of others and count once; %d scripts are near-duplicates of another.\n", g.Copies, g.Alike)
	fmt.Fprint(b, "\nThe corpus inside the program holds the base in place: its scripts are to score as they do there.\n")
	if len(g.Disputed) == 0 {
		return
	}
	fmt.Fprint(b, "\nThese are much like one of the other label. Perhaps one of the two labels is wrong.\n\n| script | is much like |\n|---|---|\n")
	for i, pair := range g.Disputed {
		if i == maxCases {
			fmt.Fprintf(b, "| … %d more | |\n", len(g.Disputed)-i)
			break
		}
		fmt.Fprintf(b, "| %s | %s |\n", cell(pair[0]), cell(pair[1]))
	}
}

// LeftOutWords says how many files were left out, by reason; "none" for none.
func (f *Folder) LeftOutWords() string {
	if len(f.LeftOut) == 0 {
		return "none"
	}
	var parts []string
	for reason, n := range f.LeftOut {
		parts = append(parts, fmt.Sprintf("%d %s", n, reason))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// WriteText writes for people what adapting did: the figures, the thresholds,
// and the scripts to look at.
func (a *Adapted) WriteText(w io.Writer) error {
	var b strings.Builder
	a.writeFigures(&b)
	b.WriteByte('\n')
	a.writeLimits(&b)
	a.writeCases(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (a *Adapted) writeFigures(b *strings.Builder) {
	fmt.Fprint(b, "| scripts | judged by | benign | suspicious or worse | malicious | attacks | found | as malicious |\n|---|---|---|---|---|---|---|---|\n")
	for _, part := range []struct {
		name string
		of   *Change
	}{{"yours", &a.Yours}, {"corpus inside the program", &a.Ours}} {
		for _, row := range []struct {
			name string
			t    *Tally
		}{{"the base", &part.of.Before}, {"an adapted model that had not seen them", &part.of.Unseen}, {"this model, which has learned from them", &part.of.After}} {
			t := row.t
			fmt.Fprintf(b, "| %s | %s | %d | %s | %s | %.0f | %s | %s |\n", part.name, row.name, t.Benign,
				rateOf(float64(t.Alarms[0]), float64(t.Benign)), rateOf(float64(t.Alarms[1]), float64(t.Benign)),
				t.Clusters, rateOf(t.Found[0], t.Clusters), rateOf(t.Found[1], t.Clusters))
		}
	}
	fmt.Fprintf(b, "\nProjects of yours: %d. None of them, nor a near-duplicate of what is in it, is on both sides of a fold.", a.Projects)
	if a.Projects < Folds {
		fmt.Fprintf(b, " With fewer than %d, an adapted model had little of yours to learn from: its figures say less than they will with more folders.", Folds)
	}
	fmt.Fprint(b, "\nAttacks count once a cluster of near-duplicates; in brackets is the 95 % interval of a share. The base has learned from the corpus inside the program, so that its row says what may be lost, and not how good it is.\n")
}

// rateOf writes a count with the interval of its share.
func rateOf(k, n float64) string {
	if n == 0 {
		return "–"
	}
	low, high := wilson(k, n)
	return fmt.Sprintf("%.4g (%.1f–%.1f %%)", k, 100*low, 100*high)
}

func (a *Adapted) writeLimits(b *strings.Builder) {
	if a.Lowered > 0 {
		fmt.Fprintf(b, "Your attacks raise the scores of all scripts. By what they raise those of your harmless ones, a log-odds of %.2f, all scores are lowered.\n\n", a.Lowered)
	}
	for _, l := range []struct {
		label classify.Label
		Limit
	}{{classify.Suspicious, a.Suspicious}, {classify.Malicious, a.Malicious}} {
		fmt.Fprintf(b, "- %s from a score of %.6f on", l.label, l.Score)
		switch n := a.Yours.Before.Benign; {
		case !l.Enough:
			fmt.Fprintf(b, ", as in the base, which set it on the scripts of others for one in %.0f: your %d benign scripts are too few to set it on. That takes %d.\n", 1/l.Rate, n, l.Needed)
		case l.Score == l.Base:
			fmt.Fprintf(b, ", as in the base: of your %d benign scripts no more than one in %.0f is called so by a model that had not seen it.\n", n, 1/l.Rate)
		default:
			fmt.Fprintf(b, ", raised from %.6f: so much is needed that of your %d benign scripts no more than one in %.0f is called so by a model that had not seen it.\n", l.Base, n, 1/l.Rate)
		}
	}
	fmt.Fprint(b, "\nNo threshold is lowered: what that would find can be seen here, but not what it would flag.\n")
}

// maxCases is how many scripts a list names.
const maxCases = 50

func (a *Adapted) writeCases(b *strings.Builder) {
	for _, list := range []struct {
		title, note string
		has         func(c *Case) bool
	}{
		{
			"Benign scripts of yours that the base flags", "Read them: if the base is right about one, take it out and train again.",
			func(c *Case) bool { return c.Yours && !c.Malicious && c.Before != classify.Benign },
		},
		{
			"Benign scripts of yours that are flagged only now", "",
			func(c *Case) bool {
				return c.Yours && !c.Malicious && c.Before == classify.Benign && (c.Unseen != classify.Benign || c.After != classify.Benign)
			},
		},
		{
			"Malicious scripts of yours that this model calls benign", "They were learned from, and are missed all the same: perhaps they show too little, or are too much like benign ones.",
			func(c *Case) bool { return c.Yours && c.Malicious && c.After == classify.Benign },
		},
		{
			"Attacks of the corpus inside the program that are lost", "The base finds them, and an adapted model does not: your benign scripts look much like them.",
			(*Case).Lost,
		},
	} {
		n := 0
		for i := range a.Cases {
			c := &a.Cases[i]
			if !list.has(c) {
				continue
			}
			if n++; n == 1 {
				fmt.Fprintf(b, "\n## %s\n\n", list.title)
				if list.note != "" {
					fmt.Fprintf(b, "%s\n\n", list.note)
				}
				fmt.Fprint(b, "| script | score of the base | the base | unseen | this model |\n|---|---|---|---|---|\n")
			}
			if n <= maxCases {
				fmt.Fprintf(b, "| %s | %.4f | %s | %s | %s |\n", cell(c.Origin), c.Score, c.Before, c.Unseen, c.After)
			}
		}
		if n > maxCases {
			fmt.Fprintf(b, "| … %d more | | | | |\n", n-maxCases)
		}
	}
}
