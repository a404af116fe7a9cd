package serve

import (
	"context"
	"fmt"
	"sync"
	"time"

	"kingsnake/capture"
	"kingsnake/classify"
	"kingsnake/normalize"
)

// Limits of what waits for the shadow.
const (
	queueScripts = 256
	queueBytes   = 16 << 20
)

// generation is how many digests one generation of the known ones holds.
const generation = 4096

// rest is how many times longer than it works the shadow rests.
const rest = 3

// job is a script for the shadow, and what the model in use said of it.
type job struct {
	script  capture.Script
	verdict classify.Verdict
}

// waiting is the scripts that wait for the shadow, each distinct one once.
type waiting struct {
	jobs chan job

	mu         sync.Mutex
	bytes      int
	young, old map[capture.Digest]struct{}
}

// offer queues a script unless it is known, and returns false when there is no
// room.
func (w *waiting) offer(s capture.Script, v classify.Verdict) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.young[s.Digest]; known {
		return true
	}
	if _, known := w.old[s.Digest]; known {
		return true
	}
	if w.bytes+len(s.Text) > queueBytes {
		return false
	}
	select {
	case w.jobs <- job{s, v}:
	default:
		return false
	}
	w.bytes += len(s.Text)
	if w.young == nil || len(w.young) >= generation {
		w.old, w.young = w.young, make(map[capture.Digest]struct{})
	}
	w.young[s.Digest] = struct{}{}
	return true
}

// done gives back the room of a script.
func (w *waiting) done(s capture.Script) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes -= len(s.Text)
}

// forget makes every script unknown: other models are to be compared.
func (w *waiting) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.young, w.old = nil, nil
}

// useShadow makes l the shadow.
func (m *Models) useShadow(l *loaded) {
	old := m.shadow.Swap(l)
	if old != nil && old.Hash() == l.Hash() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	info := l.info
	info.Since = m.cfg.Now()
	m.state.Shadow, m.changed, m.saved = &info, true, time.Time{}
	m.markKept()
	m.cfg.Log.Info("a shadow judges beside the model in use", "shadow", info.Hash, "file", info.File, "signer", info.Signer)
}

// compareAnew begins the comparison again when either model is another.
func (m *Models) compareAnew() {
	shadow := m.shadow.Load()
	if shadow == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &m.state.Compared
	if now := m.current.Load(); c.Model != now.Hash() || c.Shadow != shadow.Hash() {
		*c = Comparison{Model: now.Hash(), Shadow: shadow.Hash(), Since: m.cfg.Now()}
		m.waiting.forget()
		m.changed = true
	}
}

// judgeShadow judges what waits, until ctx ends.
func (m *Models) judgeShadow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-m.waiting.jobs:
			began := time.Now()
			m.compare(j)
			m.waiting.done(j.script)
			select {
			case <-ctx.Done():
			case <-time.After(rest * time.Since(began)):
			}
		}
	}
}

// compare judges one script with the shadow. It is the recovery point of the
// shadow: what it does to it harms nobody else.
func (m *Models) compare(j job) {
	shadow := m.shadow.Load()
	var theirs classify.Verdict
	failed := func() (failed bool) {
		defer func() {
			if r := recover(); r != nil {
				failed = true
				m.cfg.Log.Error("the shadow crashed", "sha256", j.script.Digest.String(), "panic", fmt.Sprint(r))
			}
		}()
		theirs = shadow.Judge(normalize.Normalize(j.script.Text))
		return false
	}()
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &m.state.Compared
	if c.Model != j.verdict.Model || c.Shadow != shadow.Hash() {
		return // of models that are no longer compared
	}
	m.changed = true
	if failed {
		c.Failed++
		return
	}
	c.Judged++
	switch a, b := rank(j.verdict.Label), rank(theirs.Label); {
	case a == b:
		return
	case a < b:
		c.Higher++
	default:
		c.Lower++
	}
	m.state.Differences = prepend(m.state.Differences, Difference{
		Time: j.script.Time, SHA256: j.script.Digest.String(), Kind: string(j.script.Kind),
		Label: j.verdict.Label, Score: j.verdict.Score, Model: j.verdict.Model,
		ShadowLabel: theirs.Label, ShadowScore: theirs.Score, Shadow: shadow.Hash(),
	}, maxDifferences)
}

// rank orders labels from harmless to harmful.
func rank(l classify.Label) int {
	switch l {
	case classify.Malicious:
		return 2
	case classify.Suspicious:
		return 1
	}
	return 0
}
