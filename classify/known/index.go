package known

import (
	"bytes"
	"sort"

	"kingsnake/normalize"
)

// Index is a set of known files. It is immutable and safe for concurrent use.
type Index struct {
	sums  []byte   // fingerprints in rising order, 16 bytes each
	files []uint32 // of each fingerprint: the file
	names names
	from  []string // origins
}

// file is where a known file lies: its origin, and its path there.
type file struct {
	origin uint32
	path   string
}

// names are the files of an index, packed: there are tens of thousands, and
// few are ever asked for.
type names struct {
	origins []uint16
	ends    []uint32 // where each path ends in paths; the next one begins there
	paths   []byte
}

func (n *names) add(f file) {
	n.origins = append(n.origins, uint16(f.origin))
	n.paths = append(n.paths, f.path...)
	n.ends = append(n.ends, uint32(len(n.paths)))
}

func (n *names) len() int { return len(n.ends) }

func (n *names) at(i int) file {
	from := uint32(0)
	if i > 0 {
		from = n.ends[i-1]
	}
	return file{uint32(n.origins[i]), string(n.paths[from:n.ends[i]])}
}

// Likeness says in which way a script is a known file.
type Likeness string

// The likenesses.
const (
	Exact Likeness = "exact" // the same bytes
	Code  Likeness = "code"  // the same but for comments, spacing, line ends and quotes
)

// Match is the known file that a script was found to be.
type Match struct {
	Likeness Likeness
	Origin   string // what the file is part of, for example "Debian 12's python3-six 1.16.0-4"
	Path     string // of the file, inside its origin
}

// Len returns how many fingerprints the index holds.
func (ix *Index) Len() int { return len(ix.files) }

// Files returns how many files the index knows, by origin.
func (ix *Index) Files() map[string]int {
	n := make(map[string]int, len(ix.from))
	for _, origin := range ix.names.origins {
		n[ix.from[origin]]++
	}
	return n
}

// find returns the file that a fingerprint belongs to.
func (ix *Index) find(s sum) (file, bool) {
	n := len(ix.files)
	i := sort.Search(n, func(i int) bool { return bytes.Compare(ix.at(i), s[:]) >= 0 })
	if i == n || !bytes.Equal(ix.at(i), s[:]) {
		return file{}, false
	}
	return ix.names.at(int(ix.files[i])), true
}

func (ix *Index) at(i int) []byte { return ix.sums[i*len(sum{}):][:len(sum{})] }

// Find says whether a script as a whole is a known file, by its bytes or by its
// code. What was peeled out of it is not looked at: it is in the script.
func (ix *Index) Find(text normalize.Text) (Match, bool) { return find([]*Index{ix}, newScript(text)) }

// script is a text with what is needed to compare it, made once.
type script struct {
	text []byte
	code code
	ok   bool // the code can be compared
}

func newScript(text normalize.Text) script {
	if len(text.Layers) == 0 {
		return script{}
	}
	s := script{text: text.Layers[0].Text}
	if len(s.text) >= minSize && len(s.text) <= maxText {
		s.code, s.ok = canonical(s.text, text.Layers[0].Tokens)
	}
	return s
}

// find looks a whole script up in several indexes: its bytes in all of them
// first, because that says more.
func find(indexes []*Index, s script) (Match, bool) {
	if len(s.text) < minSize || len(s.text) > maxText {
		return Match{}, false
	}
	if m, ok := lookup(indexes, Exact, fingerprint("file", s.text)); ok {
		return m, true
	}
	if !s.ok || len(s.code.bytes) < minSize {
		return Match{}, false
	}
	return lookup(indexes, Code, fingerprint("code", s.code.bytes))
}

// lookup looks a fingerprint up in several indexes, in order.
func lookup(indexes []*Index, l Likeness, s sum) (Match, bool) {
	for _, ix := range indexes {
		if f, ok := ix.find(s); ok {
			return Match{l, ix.from[f.origin], f.path}, true
		}
	}
	return Match{}, false
}
