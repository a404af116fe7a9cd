// Package augment makes training data of what there is: it rewrites a labeled
// script the way those who hide code do, and keeps its label. A model that has
// seen the same deed under many coats judges the deed.
//
// [Rows] gives forms of one script. Each is the work of one to three steps,
// which work on the tokens of package normalize: names are changed, strings
// taken apart, code is put behind exec, among the code of another script or on
// one line, comments are dropped, dead code is added, and addresses and file
// names become others. A step keeps what the program does; where the text is
// broken, or of another Python than expected, it does what can be done, and
// leaves alone what it does not understand.
//
// Benign scripts get the same steps as malicious ones: a benign script that
// hides stays benign, so that hiding alone tells nothing.
//
// # What it leaves out
//
// A suite that measures evasion needs ways that no model was trained on. These
// are never done here: compiling to bytecode; stuffing with comments or
// docstrings; Python 2 spellings; wrapping in the manner of PyArmor; other
// spellings of an address or URL; flattening the flow of control; and
// rewriting from templates in the manner of a language model. The loaders and
// names here are for training alone, and are shared with no suite.
//
// The forms of real malware are as dangerous as what they are made of: they
// are read as text, in memory, and never run or written down.
package augment

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"

	"kingsnake/classify/corpus"
)

// Set is the set of the rows that [Rows] gives.
const Set = "augmented"

const (
	maxText   = 256 << 10 // a longer form is not made, nor a longer text read
	maxJoined = 64 << 10  // a script and its donor together
	maxSmall  = 1536      // what is put on one line
)

// step rewrites a script. It returns nil if it can do nothing.
type step struct {
	name   string
	weight int // how often it is chosen, relative to others
	apply  func(*script, *job) []byte
}

// job is what a step may draw on besides the script.
type job struct {
	*rand.Rand
	row    *corpus.Row // on its way: the kind and donor may change
	donors []corpus.Row
	global bool // the whole script stands behind exec, with the globals given
}

var steps = []step{
	{"rename", 8, rename},
	{"hide", 5, hide},
	{"wrap", 4, wrap},
	{"wrap part", 2, wrapPart},
	{"join", 4, join},
	{"dead code", 2, deadCode},
	{"minify", 3, minify},
	{"values", 3, values},
	{"one line", 3, oneLine},
}

// Rows returns up to n forms of a row, all different, for training only. They
// keep the row's label, cluster, group and source, and differ in ID, Origin,
// Set, Text, and possibly Kind. Donors are benign rows whose code may stand in
// a form; the form then names the group of the one it used as its Donor. The
// same arguments give the same forms. Rows is safe for concurrent use, and
// keeps nothing of its arguments.
func Rows(row corpus.Row, n int, donors []corpus.Row, seed uint64) []corpus.Row {
	if len(row.Text) > maxText {
		return nil
	}
	h := fnv.New64a()
	h.Write([]byte(row.ID))
	random := rand.New(rand.NewPCG(seed, h.Sum64()))
	seen := map[string]bool{row.Text: true}
	var rows []corpus.Row
	for try := 0; try < 3*n && len(rows) < n; try++ {
		form, ok := form(row, donors, random)
		if ok && !seen[form.Text] {
			seen[form.Text] = true
			rows = append(rows, form)
		}
	}
	return rows
}

// form applies one to three steps, in any order.
func form(row corpus.Row, donors []corpus.Row, random *rand.Rand) (corpus.Row, bool) {
	j := &job{Rand: random, row: &row, donors: donors}
	text := []byte(strings.TrimPrefix(row.Text, "\ufeff"))
	var done []string
	hidden := false
	wanted := 1 + random.IntN(3)
	for _, s := range shuffled(random) {
		if len(done) == wanted {
			break
		}
		if s.name == "rename" && hidden {
			continue // names in strings and behind exec would not follow
		}
		if out := s.apply(read(text), j); out != nil && len(out) <= maxText && !bytes.Equal(out, text) {
			text = out
			done = append(done, s.name)
			hidden = hidden || s.name == "hide" || s.name == "one line" || strings.HasPrefix(s.name, "wrap")
		}
	}
	if len(done) == 0 {
		return corpus.Row{}, false
	}
	sum := sha256.Sum256(text)
	row.ID, row.Set, row.Text = hex.EncodeToString(sum[:]), Set, string(text)
	row.Origin += " as " + strings.Join(done, ", ")
	return row, true
}

// shuffled returns all steps, the heavy ones likely in front.
func shuffled(random *rand.Rand) []step {
	left := slices.Clone(steps)
	var order []step
	for len(left) > 0 {
		total := 0
		for _, s := range left {
			total += s.weight
		}
		n, i := random.IntN(total), 0
		for n >= left[i].weight {
			n -= left[i].weight
			i++
		}
		order = append(order, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return order
}

// chance is true once in n times.
func (j *job) chance(n int) bool { return j.IntN(n) == 0 }

// pick returns one of several.
func pick[T any](j *job, of ...T) T { return of[j.IntN(len(of))] }
