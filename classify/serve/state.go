package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kingsnake/classify"
	"kingsnake/classify/signed"
)

// Bounds of what is remembered.
const (
	maxDifferences = 1000
	maxHistory     = 50
	maxRefused     = 50
	maxKept        = 8       // model files, beside those in use
	maxState       = 4 << 20 // bytes of state.json
)

// What may be chosen beside the hash of a kept model.
const (
	FromFile = "file"     // whatever good model the file that is followed holds
	Embedded = "embedded" // the model inside the program
)

// The files of a folder.
const (
	fileChoice = "choice"
	fileState  = "state.json"
	modelExt   = ".model"
)

// Info says which model one is, and where it came from.
type Info struct {
	Hash     string    `json:"hash"`
	Embedded bool      `json:"embedded,omitempty"` // it is the one inside the program
	File     string    `json:"file,omitempty"`     // it was read from
	Signer   string    `json:"signer,omitempty"`   // name of the trusted key that signed it
	Key      string    `json:"key,omitempty"`      // the key's fingerprint
	Signed   time.Time `json:"signed,omitzero"`
	Note     string    `json:"note,omitempty"` // of its signer
	Size     int       `json:"size,omitempty"` // bytes of the model
	Since    time.Time `json:"since,omitzero"` // it is in use, or was taken into use
	Kept     bool      `json:"kept,omitempty"` // it can be chosen

	Suspicious float64 `json:"suspicious"` // its thresholds
	Malicious  float64 `json:"malicious"`
}

func (i Info) with(t classify.Thresholds) Info {
	i.Suspicious, i.Malicious = t.Suspicious, t.Malicious
	return i
}

// Refusal is a file that was not taken.
type Refusal struct {
	File string    `json:"file"`
	Why  string    `json:"why"`
	Time time.Time `json:"time"`
}

// Difference is a script that the shadow calls by another label than the model
// in use.
type Difference struct {
	Time   time.Time      `json:"time"` // it ran
	SHA256 string         `json:"sha256"`
	Kind   string         `json:"kind"`
	Label  classify.Label `json:"verdict"`
	Score  float64        `json:"score"`
	Model  string         `json:"model"` // hash of the model in use

	ShadowLabel classify.Label `json:"shadow_verdict"`
	ShadowScore float64        `json:"shadow_score"`
	Shadow      string         `json:"shadow"` // hash of the shadow
}

// Comparison is what a shadow said of what another model judged. Scripts are
// counted once each.
type Comparison struct {
	Model   string    `json:"model"`
	Shadow  string    `json:"shadow"`
	Since   time.Time `json:"since"`
	Judged  uint64    `json:"judged"`
	Higher  uint64    `json:"higher"`           // the shadow calls them worse
	Lower   uint64    `json:"lower"`            // the shadow calls them better
	Dropped uint64    `json:"dropped"`          // there was no room to wait
	Failed  uint64    `json:"failed,omitempty"` // the shadow crashed on them
}

// State is everything there is to know about the models of a process.
type State struct {
	Time    time.Time `json:"time"` // of this state
	Current Info      `json:"current"`
	Choice  string    `json:"choice"`            // what is to be in use
	Problem string    `json:"problem,omitempty"` // why that is not so, in words

	File       string `json:"file,omitempty"`        // that is followed
	ShadowFile string `json:"shadow_file,omitempty"` // that is followed for the shadow

	Shadow        *Info        `json:"shadow,omitempty"`
	ShadowProblem string       `json:"shadow_problem,omitempty"`
	Compared      Comparison   `json:"compared"`
	Differences   []Difference `json:"differences"` // newest first, at most 1,000

	History  []Info    `json:"history"`  // models in use, newest first; the first is Current
	Refused  []Refusal `json:"refused"`  // newest first
	Refusals uint64    `json:"refusals"` // how many there were ever
}

// Previous returns the model that was in use before the current one and can be
// chosen.
func (s State) Previous() (Info, bool) {
	for _, h := range s.History {
		if h.Hash != s.Current.Hash && (h.Embedded || h.Kept) {
			return h, true
		}
	}
	return Info{}, false
}

// ReadState reads what the process that follows dir, or followed it last, said
// of its models. It wraps os.ErrNotExist when there never was one.
func ReadState(dir string) (State, error) {
	data, err := signed.ReadFile(filepath.Join(dir, fileState), maxState)
	if err != nil {
		return State{}, err
	}
	var s State
	if err := json.Unmarshal(data, &s); err != nil {
		return State{}, fmt.Errorf("%s cannot be read: %v", filepath.Join(dir, fileState), err)
	}
	return s, nil
}

// Choose says which model is to be in use on dir: FromFile, Embedded, or the
// hash of one that is kept there. It reports what cannot be chosen.
func Choose(dir, choice string) error {
	if err := checkChoice(choice); err != nil {
		return err
	}
	if isHash(choice) {
		if _, err := os.Stat(filepath.Join(dir, choice+modelExt)); err != nil {
			return fmt.Errorf("model %s is not kept in %s", choice, dir)
		}
	}
	return replace(filepath.Join(dir, fileChoice), []byte(choice+"\n"))
}

func checkChoice(choice string) error {
	if choice == FromFile || choice == Embedded || isHash(choice) {
		return nil
	}
	return fmt.Errorf("cannot choose %.80q: want file, embedded, or a model's hash of 64 hexadecimal digits", choice)
}

// readChoice returns what was chosen on dir; FromFile when nothing was.
func readChoice(dir string) (string, error) {
	data, err := signed.ReadFile(filepath.Join(dir, fileChoice), 100)
	if errors.Is(err, os.ErrNotExist) {
		return FromFile, nil
	}
	if err != nil {
		return FromFile, err
	}
	choice := strings.TrimSpace(string(data))
	return choice, checkChoice(choice)
}

// isHash reports whether s can be a model's hash, and so a part of a file name.
func isHash(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// replace writes a file in one step, for its owner alone.
func replace(path string, data []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// copyOf returns s as it may be given away.
func (s State) copyOf() State {
	s.Differences, s.History, s.Refused = slices.Clone(s.Differences), slices.Clone(s.History), slices.Clone(s.Refused)
	if s.Shadow != nil {
		shadow := *s.Shadow
		s.Shadow = &shadow
	}
	return s
}

// prepend puts v before list and keeps the first n.
func prepend[T any](list []T, v T, n int) []T {
	list = slices.Insert(list, 0, v)
	return list[:min(n, len(list))]
}
