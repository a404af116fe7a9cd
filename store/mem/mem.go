// Package mem keeps findings in memory: a complete store.Store for tests and
// trials, gone when the process ends. For anything to be kept use
// kingsnake/store/sqlite.
package mem

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// errClosed is what every method returns after Close.
var errClosed = errors.New("memory store is closed")

// Store is a store.Store in memory. Make one with New.
type Store struct {
	mu          sync.Mutex
	closed      bool
	findings    map[string]*stored
	texts       map[digest]*text
	bytes       int64 // of texts
	occurrences map[digest]time.Time
	order       []digest // of occurrences, oldest first
	rules       []store.AllowRule
	sensors     map[string][]byte // a finding.Sensor's JSON by name
	deliveries  []*delivery       // by ID
	lastID      int64             // of a delivery
	evicted     map[string]int64
}

var _ store.Store = (*Store)(nil)

type digest = [sha256.Size]byte

// stored is a finding. The JSON keeps what callers hold apart from what is
// stored, and makes this store forget exactly what one on disk would.
type stored struct {
	finding.Finding        // what queries look at; contents and layers left out
	light           []byte // JSON without contents and layers
	whole           []byte // JSON with them
	texts           []digest
}

type text struct {
	uses int
	size int64
}

type delivery struct {
	id       int64
	name     string // of the finding
	due      time.Time
	attempts int
	lastErr  string
}

// New returns an empty Store.
func New() *Store {
	return &Store{
		findings:    map[string]*stored{},
		texts:       map[digest]*text{},
		occurrences: map[digest]time.Time{},
		sensors:     map[string][]byte{},
		evicted:     map[string]int64{},
	}
}

// lock begins a method. The caller unlocks when the error is nil.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	return nil
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, f finding.Finding) (store.Outcome, error) {
	if err := store.CheckFinding(f); err != nil {
		return "", err
	}
	now := time.Now().UTC()
	f.State, f.Count, f.CreateTime = finding.Active, 1, now
	f.EventTime = f.EventTime.UTC()
	f.FirstTime = f.EventTime
	if _, err := finding.Marshal(f); err != nil {
		return "", fmt.Errorf("%w finding %q: %v", store.ErrInvalid, f.Name, err)
	}
	if err := s.lock(ctx); err != nil {
		return "", err
	}
	defer s.mu.Unlock()

	if _, seen := s.occurrences[occurrenceKey("stored", f)]; seen && f.Occurrence != "" {
		if old := s.findings[f.Name]; old != nil {
			if longer, ok := store.Extend(old.decode(old.whole), f); ok {
				s.write(longer)
			}
		}
		return store.Duplicate, nil
	}
	if s.silence(f, now) {
		return store.Allowed, nil
	}
	s.remember("stored", f, now)
	old, repeat := s.findings[f.Name]
	if !repeat {
		s.write(f)
		if store.Notified(f.Severity) {
			s.queue(f.Name)
		}
		return store.Created, nil
	}
	merged, notify := store.Raise(old.decode(old.whole), f)
	s.write(merged)
	if notify {
		s.queue(f.Name)
	}
	return store.Repeated, nil
}

// silence counts f on every standing rule that covers it and reports whether
// there was one.
func (s *Store) silence(f finding.Finding, now time.Time) bool {
	_, seen := s.occurrences[occurrenceKey("allowed", f)]
	seen = seen && f.Occurrence != ""
	silenced := false
	for i := range s.rules {
		if s.rules[i].Covers(f) {
			silenced = true
			if !seen {
				s.rules[i].Hits++
			}
		}
	}
	if silenced && !seen {
		s.remember("allowed", f, now)
	}
	return silenced
}

func occurrenceKey(fate string, f finding.Finding) digest {
	return sha256.Sum256(fmt.Appendf(nil, "%s %q %q", fate, f.Name, f.Occurrence))
}

func (s *Store) remember(fate string, f finding.Finding, now time.Time) {
	if f.Occurrence == "" {
		return
	}
	key := occurrenceKey(fate, f)
	s.occurrences[key] = now
	s.order = append(s.order, key)
}

func (s *Store) queue(name string) {
	s.lastID++
	s.deliveries = append(s.deliveries, &delivery{id: s.lastID, name: name})
}

// write stores f in place of what has its name.
func (s *Store) write(f finding.Finding) {
	st := &stored{Finding: store.Light(f), light: encode(store.Light(f)), whole: encode(f)}
	for _, t := range textsOf(f) {
		key := sha256.Sum256(t)
		st.texts = append(st.texts, key)
		if s.texts[key] == nil {
			s.texts[key] = &text{size: int64(len(t))}
			s.bytes += int64(len(t))
		}
		s.texts[key].uses++
	}
	if old := s.findings[f.Name]; old != nil {
		s.release(old)
	}
	st.Finding = st.decode(st.light)
	s.findings[f.Name] = st
}

// textsOf returns the texts that count towards Stats.Bytes.
func textsOf(f finding.Finding) [][]byte {
	var out [][]byte
	if len(f.Script.Contents) > 0 {
		out = append(out, f.Script.Contents)
	}
	for _, l := range f.Script.Layers {
		if len(l.Text) > 0 {
			out = append(out, l.Text)
		}
	}
	return out
}

func (s *Store) release(st *stored) {
	for _, key := range st.texts {
		t := s.texts[key]
		if t.uses--; t.uses == 0 {
			s.bytes -= t.size
			delete(s.texts, key)
		}
	}
}

// encode writes a finding Put has seen to have a JSON form.
func encode(f finding.Finding) []byte {
	b, err := finding.Marshal(f)
	if err != nil {
		panic(fmt.Sprintf("finding %q lost its JSON form: %v", f.Name, err))
	}
	return b
}

// decode returns a copy that shares nothing, in the state of now.
func (st *stored) decode(b []byte) finding.Finding {
	f, err := finding.Unmarshal[finding.Finding](b)
	if err != nil {
		panic(fmt.Sprintf("finding %q lost its JSON form: %v", st.Name, err))
	}
	f.State = st.State
	return f
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, name string) (finding.Finding, error) {
	if err := s.lock(ctx); err != nil {
		return finding.Finding{}, err
	}
	defer s.mu.Unlock()
	st := s.findings[name]
	if st == nil {
		return finding.Finding{}, fmt.Errorf("finding %q: %w", name, store.ErrNotFound)
	}
	return st.decode(st.whole), nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, q store.Query) (store.Page, error) {
	var after store.Position
	if q.Cursor != "" {
		var err error
		if after, err = store.ParseCursor(q.Cursor); err != nil {
			return store.Page{}, err
		}
	}
	if err := s.lock(ctx); err != nil {
		return store.Page{}, err
	}
	defer s.mu.Unlock()
	var found []*stored
	for _, st := range s.findings {
		if q.Matches(st.Finding) && (q.Cursor == "" || after.Before(position(st))) {
			found = append(found, st)
		}
	}
	slices.SortFunc(found, newestFirst)
	var page store.Page
	if n := store.PageSize(q.Limit); len(found) > n {
		found = found[:n]
		page.Next = position(found[n-1]).Cursor()
	}
	for _, st := range found {
		page.Findings = append(page.Findings, st.decode(st.light))
	}
	return page, nil
}

func position(st *stored) store.Position {
	return store.Position{Time: st.EventTime, Name: st.Name}
}

func newestFirst(a, b *stored) int {
	return cmp.Or(b.EventTime.Compare(a.EventTime), cmp.Compare(a.Name, b.Name))
}

// Count implements store.Store.
func (s *Store) Count(ctx context.Context, q store.Query) (map[finding.Severity]int, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	n := map[finding.Severity]int{}
	for _, st := range s.findings {
		if q.Matches(st.Finding) {
			n[st.Severity]++
		}
	}
	return n, nil
}

// Stats implements store.Store.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	if err := s.lock(ctx); err != nil {
		return store.Stats{}, err
	}
	defer s.mu.Unlock()
	return store.Stats{
		Findings:    int64(len(s.findings)),
		Bytes:       s.bytes,
		Evicted:     maps.Clone(s.evicted),
		Undelivered: int64(len(s.deliveries)),
	}, nil
}

// Close implements store.Store. Every method fails afterwards.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// Allow implements store.Store.
func (s *Store) Allow(ctx context.Context, r store.AllowRule) (store.AllowRule, error) {
	if err := store.CheckRule(r); err != nil {
		return store.AllowRule{}, err
	}
	if err := s.lock(ctx); err != nil {
		return store.AllowRule{}, err
	}
	defer s.mu.Unlock()
	for _, standing := range s.rules {
		if standing.Ended.IsZero() && standing.SHA256 == r.SHA256 && standing.Workload == r.Workload {
			return standing, nil
		}
	}
	r = store.NewRule(r, time.Now())
	r.ID = strconv.Itoa(len(s.rules) + 1)
	s.rules = append(s.rules, r)
	for _, st := range s.findings {
		if r.Covers(st.Finding) {
			st.State = finding.Inactive
		}
	}
	return r, nil
}

// Disallow implements store.Store.
func (s *Store) Disallow(ctx context.Context, id, by string, at time.Time) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.rules, func(r store.AllowRule) bool { return r.ID == id })
	if i < 0 {
		return fmt.Errorf("allow rule %q: %w", id, store.ErrNotFound)
	}
	r := &s.rules[i]
	if !r.Ended.IsZero() {
		return nil
	}
	ended := *r
	r.Ended, r.EndedBy = store.EndTime(at), by
	for _, st := range s.findings {
		if ended.Covers(st.Finding) && !slices.ContainsFunc(s.rules, func(r store.AllowRule) bool { return r.Covers(st.Finding) }) {
			st.State = finding.Active
		}
	}
	return nil
}

// Allows implements store.Store.
func (s *Store) Allows(ctx context.Context) ([]store.AllowRule, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	out := slices.Clone(s.rules)
	slices.Reverse(out)
	return out, nil
}
