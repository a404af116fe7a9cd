package eval

import (
	"fmt"
	"io"
	"strings"
	"time"

	"kingsnake/classify"
	"kingsnake/classify/corpus/augment"
	"kingsnake/classify/train"
)

// Card is what a model card is written from.
type Card struct {
	Date     time.Time
	Model    *classify.Model
	Size     int // of the model's file, in bytes
	Dataset  *train.Dataset
	Settings train.Settings
	Report   *Report
}

// weaknesses are what is known to be wrong with models made this way.
const weaknesses = `
- The corpus is heavy on packages of the Python index and on stealers for Windows, and thin on malicious command lines and standard input. What attackers do in containers comes from imitations written for this repository and from made variations, which are in no figure above.
- Modules of remote-control frameworks that show no attack by themselves are often missed, and so are scripts whose harm is in where data goes, not in how.
- Data is followed through imports, simple assignments, calls and their results; not through functions of the script's own, containers, or control flow.
- Only the six blocks of some 64 tokens that weigh most, one window of four, and the script's behaviors and shape are weighed: behavior spread thinly over a large file is seen less well, and a short hostile piece among much honest code of another's can still drop below the thresholds (see the suite of evasions).
- What a runtime decrypts with a key that is not in the script is not seen, and a wrapper of that kind is not malicious by itself.
- Many of the repository's own imitations were written with an eye on what earlier models missed in the same corpus: expect a little less than the figures elsewhere.
- Some 2 % of the malicious labels of the corpus are wrong and more are arguable, mostly pieces of frameworks; recall can not reach one.
- The thresholds rest on some 55,000 benign scripts of open projects. At 1e-4 they hang on about five of them, so the true rate may well be twice that, and code of a kind that is not among them may be flagged more often.
- The kind of a script (file, command line, standard input, setup.py) is not weighed, so that changing it changes nothing.
`

// Write writes the card, in Markdown.
func (c *Card) Write(w io.Writer) error {
	var b strings.Builder
	th := c.Model.Thresholds()
	fmt.Fprintf(&b, "# The embedded model\n\nWritten by `kingsnake train`; do not edit.\n\n")
	fmt.Fprintf(&b, "| | |\n|---|---|\n| Date | %s |\n| Hash (SHA-256) | `%s` |\n| Size | %d bytes |\n", c.Date.UTC().Format(time.DateOnly), c.Model.Hash(), c.Size)
	fmt.Fprintf(&b, "| Form | linear, over the core of a script, which is the blocks that weigh most, over its windows, of which the highest counts, and over the marks of the script as a whole; 8-bit weights |\n")
	fmt.Fprintf(&b, "| Reads | sequences of 1 to 3 tokens, calls after imports and assignments, words in strings and names, %d behaviors and their pairs, the script's shape; over all layers |\n", classify.BehaviorCount())
	fmt.Fprintf(&b, "| Learner | FTRL-proximal, %d epochs, seed %d, rates %g and %g, L1 %g, L2 %g, a malicious cluster weighs %g benign scripts; names hidden with chance %g and words in strings with %g |\n",
		c.Settings.Epochs, c.Settings.Seed, c.Settings.Rate, c.Settings.MarkRate, c.Settings.L1, c.Settings.L2, c.Settings.Positive, c.Settings.HideNames, c.Settings.HideTexts)
	fmt.Fprintf(&b, "| Suspicious | from a score of %.6f on: 1e-3 of benign scripts, frozen |\n| Malicious | from a score of %.6f on: 1e-4 of benign scripts, frozen |\n", th.Suspicious, th.Malicious)
	fmt.Fprint(&b, "\n## Data\n\n| set | malicious | benign |\n|---|---|---|\n")
	for _, set := range []string{"train", "extra", "dev", "variants", "own", "made", augment.Set} {
		var bad, good int
		for i := range c.Dataset.Examples {
			if e := &c.Dataset.Examples[i]; e.Set == set && e.Malicious {
				bad++
			} else if e.Set == set {
				good++
			}
		}
		if bad+good > 0 {
			fmt.Fprintf(&b, "| %s | %d | %d |\n", set, bad, good)
		}
	}
	fmt.Fprint(&b, "\nvariants, own, made and augmented only ever join the training side. A cluster of near-duplicates weighs as one script, and a repository with n clusters as √n.\n")
	fmt.Fprint(&b, "\n## Figures\n\nThey are those of models made with the same features and settings, each judging what it had not seen.\n\n")
	if err := c.Report.WriteText(&b); err != nil {
		return err
	}
	fmt.Fprint(&b, "\n## Known weaknesses\n", weaknesses)
	_, err := io.WriteString(w, b.String())
	return err
}
