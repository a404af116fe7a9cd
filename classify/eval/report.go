package eval

import (
	"fmt"
	"io"
	"strings"

	"kingsnake/classify"
)

// Report is everything that an evaluation says. Its JSON form is stable.
type Report struct {
	Split     Split    `json:"split"`
	Seed      uint64   `json:"fold_seed"`
	Malicious int      `json:"malicious"`
	Benign    int      `json:"benign"`
	Model     Figures  `json:"model"`
	Baseline  *Figures `json:"baseline,omitempty"`
	// KindMasked are the figures with every script's kind hidden. The model
	// does not read the kind, so they are the same figures.
	KindMasked *Figures `json:"kind_masked,omitempty"`
	// KnownGood are the figures when what the index of known files has is
	// benign; nil when it was switched off.
	KnownGood       *Figures  `json:"known_good,omitempty"`
	Known           int       `json:"known"` // benign scripts that the index has
	KnownMalicious  int       `json:"known_malicious"`
	BenignMistakes  []Mistake `json:"benign_mistakes,omitempty"`
	MaliciousMissed []Mistake `json:"malicious_missed,omitempty"`
	// Scores says how scores are spread.
	Scores *Scores `json:"scores,omitempty"`
	// Clusters says what is found of each cluster, and Alarms which benign scripts
	// are flagged at 1e-3, so that two reports can be compared.
	Clusters []Outcome `json:"clusters,omitempty"`
	Alarms   []Alarm   `json:"alarms,omitempty"`
	// Hard says how those benign scripts fare that look most like attacks.
	Hard *HardNegatives `json:"hard_negatives,omitempty"`
	// Loaders is there when loaders were left out.
	Loaders *LoadersReport `json:"loaders,omitempty"`
	// Progress is what changed since an earlier report, when one was given.
	Progress *Progress `json:"progress,omitempty"`
	// Evasion is what hiding loses, when that was measured.
	Evasion []EvasionResult `json:"evasion,omitempty"`
	// Marks says how well reasons point at lines, when that was measured.
	Marks       *Pointing `json:"marks,omitempty"`
	Calibration classify.Calibration
	Thresholds  classify.Thresholds
}

// WriteText writes the report for people, in Markdown.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Cross-validation in %d folds by %s (fold seed %d): %d malicious scripts, %d benign.\n", Folds, r.Split, r.Seed, r.Malicious, r.Benign)
	fmt.Fprintf(&b, "Recall counts one vote a cluster; the threshold for a fold comes from the benign scores of the others.\n\n")
	fmt.Fprint(&b, "| | ROC-AUC | PR-AUC |")
	for _, p := range r.Model.Points {
		fmt.Fprintf(&b, " recall at %.0e | realized |", p.Rate)
	}
	fmt.Fprintf(&b, "\n|---|---|---|%s\n", strings.Repeat("---|---|", len(r.Model.Points)))
	writeRow(&b, "this model", &r.Model)
	if r.KindMasked != nil {
		writeRow(&b, "with the kind masked", r.KindMasked)
	}
	if r.KnownGood != nil {
		writeRow(&b, "with known files taken as benign", r.KnownGood)
	}
	if r.Baseline != nil {
		writeRow(&b, "plain token model", r.Baseline)
	}
	if r.KnownGood != nil {
		fmt.Fprintf(&b, "\nThe index of known files has %d of the benign scripts and %d of the malicious ones.\n", r.Known, r.KnownMalicious)
	}
	if r.Progress != nil {
		r.Progress.write(&b)
	}
	if r.Loaders != nil {
		r.Loaders.write(&b)
	}
	for _, name := range []string{"registry", "family", "kind", "evidence", "source", "month", "fold"} {
		writeRecall(&b, name, r.Model.Slices[name])
	}
	for _, name := range []string{"benign family", "benign kind", "benign fold"} {
		writeAlarms(&b, name, r.Model.Slices[name])
	}
	if r.Hard != nil {
		r.Hard.write(&b)
	}
	writeMistakes(&b, "Benign scripts that score highest", r.BenignMistakes)
	writeMistakes(&b, "Malicious scripts that score lowest, one a cluster", r.MaliciousMissed)
	writeEvasion(&b, r.Evasion)
	if r.Marks != nil {
		fmt.Fprintln(&b)
		if err := r.Marks.WriteText(&b); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeRow(b *strings.Builder, name string, f *Figures) {
	fmt.Fprintf(b, "| %s | %.4f | %.4f |", name, f.ROC, f.PR)
	for _, p := range f.Points {
		fmt.Fprintf(b, " %.3f (%.3f–%.3f; %.1f of %d) | %.1e (%.1e–%.1e; %d of %d) |",
			p.Recall, p.Low, p.High, p.Found, p.Clusters, p.Realized, p.RealLow, p.RealHigh, p.Alarms, p.Benign)
	}
	b.WriteByte('\n')
}

// maxSlices bounds the parts that a table lists.
const maxSlices = 24

func writeRecall(b *strings.Builder, name string, parts []Slice) {
	fmt.Fprintf(b, "\n| %s | clusters | recall at 1e-2 | 1e-3 | 1e-4 |\n|---|---|---|---|---|\n", name)
	for i, p := range parts {
		if i == maxSlices {
			fmt.Fprintf(b, "| … %d more | | | | |\n", len(parts)-i)
			break
		}
		fmt.Fprintf(b, "| %s | %d |", cell(p.Name), p.Clusters)
		for _, v := range p.Recall {
			fmt.Fprintf(b, " %.2f |", v)
		}
		b.WriteByte('\n')
	}
}

func writeAlarms(b *strings.Builder, name string, parts []Slice) {
	fmt.Fprintf(b, "\n| %s | scripts | flagged at 1e-2 | 1e-3 | 1e-4 |\n|---|---|---|---|---|\n", name)
	for i, p := range parts {
		if i == maxSlices {
			fmt.Fprintf(b, "| … %d more | | | | |\n", len(parts)-i)
			break
		}
		fmt.Fprintf(b, "| %s | %d |", cell(p.Name), p.Benign)
		for _, v := range p.Alarms {
			fmt.Fprintf(b, " %d |", v)
		}
		b.WriteByte('\n')
	}
}

func writeMistakes(b *strings.Builder, title string, list []Mistake) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n\n", title)
	for _, m := range list {
		fmt.Fprintf(b, "- %s %s %s, %.1f, called %s, evidence %d, %s: %s\n", short(m.ID), cell(m.Family), cell(m.Kind), m.Logit, cell(string(m.Called)), m.Evidence,
			cell(m.Origin), strings.Join(m.Reasons, " "))
		for _, n := range m.Nearest {
			n.write(b)
		}
	}
}

// write says which script is near, and what one of the two does and the other
// does not.
func (n *Neighbor) write(b *strings.Builder) {
	is := "benign"
	if n.Malicious {
		is = "malicious"
	}
	fmt.Fprintf(b, "  - nearest %s: %s %s (%s), %.0f %% alike, %s", is, short(n.ID), cell(n.Family), cell(n.Set), 100*n.Similarity, cell(n.Origin))
	if len(n.More) > 0 {
		fmt.Fprintf(b, "; it also does: %s", cells(n.More))
	}
	if len(n.Less) > 0 {
		fmt.Fprintf(b, "; it does not: %s", cells(n.Less))
	}
	fmt.Fprintln(b)
}

// cells makes a list of names fit for a line.
func cells(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = cell(name)
	}
	return strings.Join(quoted, " ")
}

// cell makes a name from the corpus fit for a table.
func cell(s string) string {
	s = classify.Quote([]byte(s))
	return strings.ReplaceAll(s, "|", "/")
}
