package detect

import (
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"kingsnake/capture"
	"kingsnake/workload"
)

// Bounds of what is remembered. The places heard of longest ago go first.
const (
	maxPlaces = 4096
	maxHabits = 32 // of one place
)

// DefaultWarmUp is how long a place is learned.
const DefaultWarmUp = time.Hour

// Habits remembers which shells the Python programs of each place start. A
// place is an image, or a container whose image is not known, or on the host an
// interpreter's path. From the first Python seen there on, a place is learned for
// the warm-up: what its Pythons start meanwhile is what they do. Shells started
// after that which were not seen before are unexpected, each time.
//
// A shell is told by its path and by where it takes its commands from: a program
// that runs "sh -c …" all day does not thereby start interactive shells.
//
// A zero Habits with WarmUp set is ready. Its methods may be called
// concurrently.
type Habits struct {
	WarmUp time.Duration // how long a place is learned; at most 0: DefaultWarmUp

	mu      sync.Mutex
	places  map[string]*place
	changed bool
	forgot  uint64
}

// place is what is known of one place.
type place struct {
	First  time.Time `json:"first"` // Python seen there
	Last   time.Time `json:"last"`
	Starts uint64    `json:"starts"` // of Python
	Shells []string  `json:"shells,omitempty"`
}

// placeOf names the place where a process ran.
func placeOf(exe string, w workload.Workload) string {
	switch c := w.Container; {
	case c.ImageID != "":
		return "image " + c.ImageID
	case c.Image != "":
		return "image " + c.Image
	case c.ID != "":
		return "container " + c.ID
	}
	return "host " + exe
}

// started notes that Python ran a script of its own.
func (h *Habits) started(s capture.Script, w workload.Workload) {
	if h == nil || s.Kind == capture.Import || s.Kind == capture.Compiled {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	pl := h.place(placeOf(s.Process.Exe, w), s.Time)
	pl.Starts++
}

// unexpected reports whether a shell that Python started is none of its habits,
// and why; in the warm-up it becomes one.
func (h *Habits) unexpected(x capture.Execution, w workload.Workload) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	pl := h.place(placeOf(x.Starter.Process.Exe, w), x.Time)
	how, words := manner(x.Process.Args)
	habit := how + " " + x.Process.Exe
	if slices.Contains(pl.Shells, habit) {
		return "", false
	}
	if age := x.Time.Sub(pl.First); age >= h.warmUp() {
		where := "the Python programs of this image"
		if w.Host() {
			where = "programs run by " + x.Starter.Process.Exe
		}
		return fmt.Sprintf("Python started %s %s. In %s and %d starts, %s never did that.", x.Process.Exe, words, round(age), pl.Starts, where), true
	}
	if len(pl.Shells) < maxHabits {
		pl.Shells = append(pl.Shells, habit)
	}
	return "", false
}

func (h *Habits) warmUp() time.Duration {
	if h.WarmUp <= 0 {
		return DefaultWarmUp
	}
	return h.WarmUp
}

// place returns what is known of a place, which was heard of at a time.
func (h *Habits) place(name string, at time.Time) *place {
	h.changed = true
	pl, ok := h.places[name]
	if !ok {
		if h.places == nil {
			h.places = map[string]*place{}
		}
		if len(h.places) >= maxPlaces {
			h.forgetOldest()
		}
		pl = &place{First: at, Last: at}
		h.places[name] = pl
	}
	if at.After(pl.Last) {
		pl.Last = at
	}
	return pl
}

// forgetOldest drops the place heard of longest ago.
func (h *Habits) forgetOldest() {
	var oldest string
	for name, pl := range h.places {
		if oldest == "" || pl.Last.Before(h.places[oldest].Last) {
			oldest = name
		}
	}
	delete(h.places, oldest)
	h.forgot++
}

// Forgot returns how many places were forgotten because there were too many:
// they are learned anew.
func (h *Habits) Forgot() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.forgot
}

// manner says where a shell takes its commands from: in a word, and in a phrase.
func manner(args []string) (word, phrase string) {
	for i, a := range args {
		switch {
		case i == 0:
		case a == "-" || a == "--":
			return "input", "without a command, so that it takes what it is given"
		case strings.HasPrefix(a, "--"), strings.HasPrefix(a, "+"):
		case strings.HasPrefix(a, "-") && strings.Contains(a, "c"):
			return "command", "with a command"
		case strings.HasPrefix(a, "-"):
		case i == 1 && isApplet(args[0], a):
		default:
			return "script", "with a script"
		}
	}
	return "input", "without a command, so that it takes what it is given"
}

// isApplet reports whether arg is what a multi-call binary is asked to be.
func isApplet(self, arg string) bool {
	b := path.Base(self)
	return (b == "busybox" || b == "toybox") && !strings.Contains(arg, "/")
}

// maxSaved is the longest text that Load reads.
const maxSaved = 16 << 20

// Save writes what is remembered, as JSON, and reports whether it differs from
// what was saved or loaded before; if not, nothing is written.
func (h *Habits) Save(w func([]byte) error) (bool, error) {
	h.mu.Lock()
	if !h.changed {
		h.mu.Unlock()
		return false, nil
	}
	text, err := json.Marshal(h.places)
	h.changed = false
	h.mu.Unlock()
	if err == nil {
		err = w(text)
	}
	if err != nil {
		h.mu.Lock()
		h.changed = true
		h.mu.Unlock()
		return true, fmt.Errorf("save the habits of Python programs: %w", err)
	}
	return true, nil
}

// Load takes over what Save wrote. What does not fit the bounds is left out.
func (h *Habits) Load(r io.Reader) error {
	var places map[string]*place
	if err := json.NewDecoder(io.LimitReader(r, maxSaved)).Decode(&places); err != nil {
		return fmt.Errorf("read the habits of Python programs: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.places = map[string]*place{}
	for name, pl := range places {
		if pl == nil || len(h.places) == maxPlaces {
			continue
		}
		pl.Shells = pl.Shells[:min(len(pl.Shells), maxHabits)]
		h.places[name] = pl
	}
	h.changed = false
	return nil
}
