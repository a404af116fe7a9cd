//go:build linux

package generate

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"kingsnake/capture"
)

// Tally compares what was captured with what was run. Its methods may be called
// concurrently.
type Tally struct {
	mu       sync.Mutex
	open     map[string]*Run // by the value of Variable
	problems []string
	found    int // scripts that came, right or wrong
	exact    int // those with the right bytes, kind, path and parent
	changed  chan struct{}
}

// maxProblems bounds how many problems are described.
const maxProblems = 4

// NewTally returns an empty tally.
func NewTally() *Tally {
	return &Tally{open: make(map[string]*Run), changed: make(chan struct{}, 1)}
}

// Expect must be called before a run is started.
func (t *Tally) Expect(r *Run) {
	t.mu.Lock()
	t.open[strings.TrimPrefix(r.Tag, Variable+"=")] = &Run{Want: append([]Want(nil), r.Want...)}
	t.mu.Unlock()
}

// See takes a captured script. Those of other processes are left alone.
func (t *Tally) See(s capture.Script) {
	id := ""
	for _, v := range s.Process.Env {
		if value, ok := strings.CutPrefix(v, Variable+"="); ok {
			id = value
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.open[id]
	if !ok {
		return
	}
	i := r.match(s)
	if i < 0 {
		t.problem(id, "got "+describe(s)+", want"+r.describe())
		return
	}
	t.found++
	if wrong := r.Want[i].compare(s); wrong != "" {
		t.problem(id, wrong)
	} else {
		t.exact++
	}
	r.Want = append(r.Want[:i], r.Want[i+1:]...)
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// match returns which of the scripts that are still wanted this one is: the one
// with its bytes, else one with its path; -1 if there is none.
func (r *Run) match(s capture.Script) int {
	for i, w := range r.Want {
		if w.Digest == s.Digest {
			return i
		}
	}
	for i, w := range r.Want {
		if ok, _ := path.Match(w.Path, s.Path); ok {
			return i
		}
	}
	return -1
}

// compare says what is wrong with a script; "" when nothing is.
func (w Want) compare(s capture.Script) string {
	ok, err := path.Match(w.Path, s.Path)
	if err != nil || !ok || w.Kind != s.Kind || w.Size != s.Size || w.Parent != s.Parent || s.Truncated ||
		(w.Digest != s.Digest || s.Lost != "") && !w.holdsMembers(s) {
		return fmt.Sprintf("got %s, want %s", describe(s), w)
	}
	return ""
}

// holdsMembers reports whether all of an archive that runs is in a script, which
// says that the rest is missing.
func (w Want) holdsMembers(s capture.Script) bool {
	if len(w.Members) == 0 || s.Lost == "" || s.Digest != capture.Sum(s.Text) {
		return false
	}
	z, err := zip.NewReader(bytes.NewReader(s.Text), int64(len(s.Text)))
	if err != nil {
		return false
	}
	for name, want := range w.Members {
		f, err := z.Open(name)
		if err != nil {
			return false
		}
		text, err := io.ReadAll(f)
		if err != nil || capture.Sum(text) != want {
			return false
		}
	}
	return true
}

func (w Want) String() string {
	return fmt.Sprintf("%s %q %d bytes %.8s of %.8s", w.Kind, w.Path, w.Size, w.Digest, w.Parent)
}

func describe(s capture.Script) string {
	return fmt.Sprintf("%s %q %d of %d bytes %.8s of %.8s, lost %q", s.Kind, s.Path, len(s.Text), s.Size, s.Digest, s.Parent, s.Lost)
}

func (r *Run) describe() string {
	var b strings.Builder
	for _, w := range r.Want {
		fmt.Fprintf(&b, " [%s]", w)
	}
	if len(r.Want) == 0 {
		return " nothing more"
	}
	return b.String()
}

func (t *Tally) problem(id, what string) {
	if len(t.problems) < maxProblems {
		t.problems = append(t.problems, id+": "+what)
	}
}

// Changed returns a channel that has a value after scripts came.
func (t *Tally) Changed() <-chan struct{} { return t.changed }

// Missing returns how many scripts are still to come.
func (t *Tally) Missing() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, r := range t.open {
		n += len(r.Want)
	}
	return n
}

// Result returns how many scripts were found, how many of them exactly right,
// and what was wrong: the missing included, but only so many in words. It
// empties the tally.
func (t *Tally) Result() (found, exact int, problems []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, r := range t.open {
		if len(r.Want) > 0 {
			t.problem(id, "missing"+r.describe())
		}
	}
	found, exact, problems = t.found, t.exact, t.problems
	t.open = make(map[string]*Run)
	t.found, t.exact, t.problems = 0, 0, nil
	return found, exact, problems
}
