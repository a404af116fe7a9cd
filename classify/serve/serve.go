package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kingsnake/capture"
	"kingsnake/classify"
	"kingsnake/classify/signed"
	"kingsnake/normalize"
)

// Every is how often the files and the choice are looked at.
const Every = 2 * time.Second

// saveEvery is how often counts alone are saved.
const saveEvery = 10 * time.Second

// Config says which models to follow. With neither a File nor a Shadow nothing
// but the embedded model is ever used, and Dir may be empty.
type Config struct {
	File   string             // signed model to follow; "" for the embedded one
	Shadow string             // signed model that judges beside it; "" for none
	Keys   []signed.PublicKey // who may sign them
	Dir    string             // folder of this process alone, see the package comment; it must exist

	Log *slog.Logger     // nil means nobody is told
	Now func() time.Time // nil means time.Now
}

// Models is the models of a process: the one in use, and the shadow. It is safe
// for concurrent use.
type Models struct {
	cfg      Config
	parse    func([]byte) (judge, error)
	embedded *loaded

	current, shadow atomic.Pointer[loaded]
	waiting         waiting

	refreshing         sync.Mutex // held while files are looked at
	file, shadowFile   followed
	choice, choiceFail string

	mu      sync.Mutex // guards what follows
	state   State
	changed bool // since it was saved
	saved   time.Time
	saveErr string
}

// Open decides which model is in use. A file that is refused is no error: the
// state says why, and another model judges. It fails only when the embedded
// model does not load.
func Open(cfg Config) (*Models, error) { return open(cfg, parse, embedded) }

func open(cfg Config, parse func([]byte) (judge, error), embedded func() (judge, error)) (*Models, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	e, err := embedded()
	if err != nil {
		return nil, fmt.Errorf("load the embedded model: %w", err)
	}
	m := &Models{
		cfg: cfg, parse: parse, embedded: &loaded{e, Info{Hash: e.Hash(), Embedded: true}.with(e.Thresholds())},
		file: followed{path: cfg.File}, shadowFile: followed{path: cfg.Shadow},
	}
	m.waiting.jobs = make(chan job, queueScripts)
	if cfg.Dir != "" {
		old, err := ReadState(cfg.Dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			cfg.Log.Error("read what is known of earlier models; the record begins anew", "error", err)
		}
		m.state = State{Compared: old.Compared, Differences: old.Differences, History: old.History, Refused: old.Refused, Refusals: old.Refusals}
	}
	m.state.File, m.state.ShadowFile = cfg.File, cfg.Shadow
	m.refresh(true)
	m.save(true)
	return m, nil
}

// Judge judges with the model in use.
func (m *Models) Judge(text normalize.Text) classify.Verdict { return m.current.Load().Judge(text) }

// Hash is the hash of the model in use.
func (m *Models) Hash() string { return m.current.Load().Hash() }

// State returns what there is to know now.
func (m *Models) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Time = m.cfg.Now()
	return m.state.copyOf()
}

// Reload looks at all files now, whether they changed or not.
func (m *Models) Reload() {
	m.refreshing.Lock()
	defer m.refreshing.Unlock()
	m.refresh(true)
	m.save(true)
}

// Run follows the files, and judges with the shadow, until ctx ends; then it
// saves the state.
func (m *Models) Run(ctx context.Context) {
	var shadow sync.WaitGroup
	shadow.Go(func() { m.judgeShadow(ctx) })
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			m.look()
		}
	}
	shadow.Wait()
	m.save(true)
}

// look takes what has changed since the last look.
func (m *Models) look() {
	m.refreshing.Lock()
	defer m.refreshing.Unlock()
	m.refresh(false)
	m.save(false)
}

// refresh looks at the files and the choice, and swaps models. The state is
// saved only when it is through.
func (m *Models) refresh(now bool) {
	fresh := m.readFile(&m.file, now)
	shadow := m.readFile(&m.shadowFile, now)
	if shadow != nil {
		m.useShadow(shadow)
	}
	m.readChoice()
	l, problem := m.wanted(fresh)
	m.mu.Lock()
	m.note(&m.state.Problem, problem)
	m.note(&m.state.ShadowProblem, m.shadowFile.problem)
	m.note(&m.state.Choice, m.choice)
	m.mu.Unlock()
	m.use(l)
	m.compareAnew()
	if fresh != nil || shadow != nil {
		m.prune()
	}
}

// note sets a word of the state, to be saved at once; m.mu is held.
func (m *Models) note(field *string, value string) {
	if *field != value {
		*field, m.changed, m.saved = value, true, time.Time{}
	}
}

// readFile returns the model in a followed file when it is a new good one, and
// keeps a copy of it.
func (m *Models) readFile(f *followed, now bool) *loaded {
	if f.path == "" {
		return nil
	}
	data, err := f.look(now)
	if err != nil {
		m.refuse(f, err)
		return nil
	}
	if data == nil {
		return nil
	}
	l, err := check(data, f.path, m.cfg.Keys, m.parse)
	if err != nil {
		m.refuse(f, err)
		return nil
	}
	f.problem, f.hash = "", l.Hash()
	if err := replace(m.kept(l.Hash()), data); err != nil {
		m.cfg.Log.Error("keep a copy of the model; it cannot be gone back to", "error", err)
	}
	return l
}

// refuse records that a file was not taken, and says so once.
func (m *Models) refuse(f *followed, err error) {
	why := err.Error()
	var path *os.PathError
	if errors.As(err, &path) {
		why = path.Err.Error()
	}
	if f.problem == why && f.read == nil {
		return // still not there
	}
	f.problem = why
	m.cfg.Log.Error("a model file is refused; the model in use stays", "file", f.path, "why", why)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Refusals++
	m.state.Refused = prepend(m.state.Refused, Refusal{File: f.path, Why: why, Time: m.cfg.Now()}, maxRefused)
	m.changed = true
}

// readChoice reads what was chosen. What cannot be read changes nothing.
func (m *Models) readChoice() {
	if m.cfg.Dir == "" {
		m.choice = FromFile
		return
	}
	choice, err := readChoice(m.cfg.Dir)
	if err == nil {
		m.choice, m.choiceFail = choice, ""
		return
	}
	if m.choice == "" {
		m.choice = FromFile
	}
	if m.choiceFail != err.Error() {
		m.choiceFail = err.Error()
		m.cfg.Log.Error("read which model was chosen", "error", err)
	}
}

// wanted returns the model that is to be in use from now on, and why it is not
// the one that was asked for. The file's new model may be given.
func (m *Models) wanted(fresh *loaded) (*loaded, string) {
	hash := m.choice
	switch {
	case m.choice == Embedded, m.choice == FromFile && m.file.path == "":
		return m.embedded, ""
	case m.choice == FromFile:
		hash = m.file.hash
		if m.file.problem != "" {
			return m.stay(), "the file " + m.file.path + " was refused: " + m.file.problem
		}
	}
	if now := m.current.Load(); now != nil && now.Hash() == hash && !now.info.Embedded {
		return now, ""
	}
	if fresh != nil && fresh.Hash() == hash {
		return fresh, ""
	}
	l, err := m.restore(hash)
	if err != nil {
		return m.stay(), fmt.Sprintf("model %.12s was chosen, and cannot be taken: %v", hash, err)
	}
	return l, ""
}

// stay returns the model in use; at the start, the last one that was good.
func (m *Models) stay() *loaded {
	if now := m.current.Load(); now != nil {
		return now
	}
	for _, h := range m.state.History {
		if h.Embedded {
			break
		}
		if l, err := m.restore(h.Hash); err == nil {
			return l
		}
	}
	return m.embedded
}

// restore loads a kept model, as carefully as a new one.
func (m *Models) restore(hash string) (*loaded, error) {
	if !isHash(hash) {
		return nil, errors.New("there is none")
	}
	data, err := readModel(m.kept(hash))
	if err != nil {
		return nil, err
	}
	l, err := check(data, "", m.cfg.Keys, m.parse)
	if err == nil && l.Hash() != hash {
		err = errors.New("the copy that was kept is another model")
	}
	if err != nil {
		return nil, err
	}
	switch hash {
	case m.file.hash:
		l.info.File = m.file.path
	case m.shadowFile.hash:
		l.info.File = m.shadowFile.path
	default:
		for _, h := range m.state.History {
			if h.Hash == hash {
				l.info.File = h.File
			}
		}
	}
	return l, nil
}

func (m *Models) kept(hash string) string { return filepath.Join(m.cfg.Dir, hash+modelExt) }

// use makes l the model in use.
func (m *Models) use(l *loaded) {
	old := m.current.Swap(l)
	m.mu.Lock()
	defer m.mu.Unlock()
	if old != nil && old.Hash() == l.Hash() && old.info.Embedded == l.info.Embedded {
		return
	}
	info := l.info
	info.Since = m.cfg.Now()
	if h := m.state.History; len(h) > 0 && h[0].Hash == info.Hash {
		info.Since = h[0].Since // in use again after a restart, or the same from elsewhere
		m.state.History = h[1:]
	}
	m.state.Current, m.changed, m.saved = info, true, time.Time{}
	m.state.History = prepend(m.state.History, info, maxHistory)
	m.markKept()
	if old != nil {
		m.cfg.Log.Info("another model is in use", "model", info.Hash, "before", old.Hash(), "file", info.File, "signer", info.Signer)
	}
}

// markKept says of each model whether it can be chosen; m.mu is held.
func (m *Models) markKept() {
	mark := func(i *Info) {
		_, err := os.Stat(m.kept(i.Hash))
		i.Kept = m.cfg.Dir != "" && !i.Embedded && err == nil
	}
	for i := range m.state.History {
		mark(&m.state.History[i])
	}
	mark(&m.state.Current)
	if m.state.Shadow != nil {
		mark(m.state.Shadow)
	}
}

// prune removes kept models but the last ones used and those that are needed.
func (m *Models) prune() {
	files, err := filepath.Glob(filepath.Join(m.cfg.Dir, "*"+modelExt))
	if err != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	need := []string{m.current.Load().Hash(), m.file.hash, m.shadowFile.hash, m.choice}
	for _, h := range m.state.History {
		if len(need) < 4+maxKept && !slices.Contains(need, h.Hash) {
			need = append(need, h.Hash)
		}
	}
	for _, f := range files {
		if hash := strings.TrimSuffix(filepath.Base(f), modelExt); isHash(hash) && !slices.Contains(need, hash) {
			os.Remove(f)
		}
	}
	m.markKept()
}

// save writes the state when it has changed: a swap of models or a refusal at
// once, counts now and then.
func (m *Models) save(now bool) {
	if m.cfg.Dir == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.cfg.Now()
	if !now && (!m.changed || t.Sub(m.saved) < saveEvery && t.After(m.saved)) {
		return
	}
	m.state.Time = t
	data, err := json.MarshalIndent(m.state, "", " ")
	if err == nil {
		err = replace(filepath.Join(m.cfg.Dir, fileState), append(data, '\n'))
	}
	if err == nil {
		m.changed, m.saved, m.saveErr = false, t, ""
		return
	}
	if m.saveErr != err.Error() {
		m.saveErr = err.Error()
		m.cfg.Log.Error("save what is known of the models", "error", err)
	}
}

// Observe lets the shadow judge a script that the model in use called v. It
// never waits. A harmless verdict that comes with a reason is no model's: the
// script is a known file, and what a model thinks of it makes no difference.
func (m *Models) Observe(s capture.Script, v classify.Verdict) {
	shadow := m.shadow.Load()
	if shadow == nil || shadow.Hash() == v.Model || v.Label == classify.Benign && len(v.Reasons) > 0 {
		return
	}
	if !m.waiting.offer(s, v) {
		m.mu.Lock()
		m.state.Compared.Dropped++
		m.changed = true
		m.mu.Unlock()
	}
}
