package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/classify"
	"kingsnake/classify/signed"
	"kingsnake/normalize"
)

// words is a model for tests: a script that holds one of its words is
// malicious. Its file is "model" and the words.
type words struct {
	hash string
	list [][]byte
}

func parseWords(data []byte) (judge, error) {
	f := bytes.Fields(data)
	if len(f) == 0 || string(f[0]) != "model" {
		return nil, errors.New("not a model for tests")
	}
	sum := sha256.Sum256(data)
	return words{hex.EncodeToString(sum[:]), f[1:]}, nil
}

func (w words) Hash() string { return w.hash }

func (w words) Thresholds() classify.Thresholds {
	return classify.Thresholds{Suspicious: 0.5, Malicious: 0.9}
}

func (w words) Judge(text normalize.Text) classify.Verdict {
	for _, word := range w.list {
		if string(word) == "crash" {
			panic("a model that crashes")
		}
		if bytes.Contains(text.Layers[0].Text, word) {
			return classify.Verdict{Label: classify.Malicious, Score: 1, Model: w.hash}
		}
	}
	return classify.Verdict{Label: classify.Benign, Model: w.hash}
}

func hashOf(model string) string {
	m, err := parseWords([]byte(model))
	if err != nil {
		panic(err)
	}
	return m.Hash()
}

const inside = "model inside"

// desk is a folder with a model file, a shadow file and keys.
type desk struct {
	t   *testing.T
	cfg Config
	key signed.PrivateKey
	log bytes.Buffer
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	dir := t.TempDir()
	k, err := signed.NewKey("ours")
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, key: k}
	d.cfg = Config{
		File: filepath.Join(dir, "m.signed"), Shadow: "", Keys: []signed.PublicKey{k.Public()}, Dir: filepath.Join(dir, "models"),
		Log: slog.New(slog.NewTextHandler(&d.log, nil)),
	}
	if err := os.Mkdir(d.cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) open() *Models {
	d.t.Helper()
	m, err := open(d.cfg, parseWords, func() (judge, error) { return parseWords([]byte(inside)) })
	if err != nil {
		d.t.Fatal(err)
	}
	return m
}

// put signs a model and puts it in the place of a file, in one step.
func (d *desk) put(file, model string) { d.putSigned(file, model, d.key) }

func (d *desk) putSigned(file, model string, k signed.PrivateKey) {
	d.t.Helper()
	data, err := signed.Sign([]byte(model), k, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), "for a test")
	if err != nil {
		d.t.Fatal(err)
	}
	d.write(file, data)
}

func (d *desk) write(file string, data []byte) {
	d.t.Helper()
	if err := replace(file, data); err != nil {
		d.t.Fatal(err)
	}
}

// expect checks which model is in use, and what is said of the one that is not.
func (d *desk) expect(m *Models, model, problem string) {
	d.t.Helper()
	s := m.State()
	if m.Hash() != hashOf(model) || s.Current.Hash != hashOf(model) {
		d.t.Errorf("in use is %.8s (state: %.8s), want %q, %.8s; problem %q", m.Hash(), s.Current.Hash, model, hashOf(model), s.Problem)
	}
	if (problem == "") != (s.Problem == "") || !strings.Contains(s.Problem, problem) {
		d.t.Errorf("problem %q, want %q", s.Problem, problem)
	}
}

func TestAGoodFileIsTakenAndFollowed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.put(d.cfg.File, "model one")
	m := d.open()
	d.expect(m, "model one", "")
	if got := m.State().Current; got.Signer != "ours" || got.Key != d.key.Public().Fingerprint() || got.File != d.cfg.File ||
		got.Note != "for a test" || got.Size != len("model one") || got.Malicious != 0.9 || !got.Kept {
		t.Errorf("in use: %+v", got)
	}
	if v := m.Judge(normalize.Normalize([]byte("one"))); v.Label != classify.Malicious || v.Model != m.Hash() {
		t.Errorf("verdict %+v", v)
	}
	d.put(d.cfg.File, "model two")
	m.look()
	d.expect(m, "model one", "") // the file may not be complete yet
	m.look()
	d.expect(m, "model two", "")
	d.put(d.cfg.File, "model three")
	m.Reload()
	d.expect(m, "model three", "")
	var names []string
	for _, h := range m.State().History {
		names = append(names, h.Hash)
	}
	if diff := cmp.Diff([]string{hashOf("model three"), hashOf("model two"), hashOf("model one")}, names); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestARefusedFileChangesNothing(t *testing.T) {
	t.Parallel()
	theirs, err := signed.NewKey("theirs")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		spoil func(d *desk)
		says  string
	}{
		"not signed":          {func(d *desk) { d.write(d.cfg.File, []byte("model two")) }, "not signed"},
		"signed by others":    {func(d *desk) { d.putSigned(d.cfg.File, "model two", theirs) }, "not trusted"},
		"no model":            {func(d *desk) { d.put(d.cfg.File, "anything") }, "not a model for tests"},
		"crashes":             {func(d *desk) { d.put(d.cfg.File, "model crash") }, "a model that crashes"},
		"gone":                {func(d *desk) { os.Remove(d.cfg.File) }, "no such file"},
		"too large":           {func(d *desk) { d.write(d.cfg.File, make([]byte, signed.MaxFile+1)) }, "larger than"},
		"empty":               {func(d *desk) { d.write(d.cfg.File, nil) }, "not signed"},
		"a folder":            {func(d *desk) { os.Remove(d.cfg.File); os.Mkdir(d.cfg.File, 0o700) }, "not a regular file"},
		"signed, then tinted": {func(d *desk) { d.put(d.cfg.File, "model two"); flipLast(d, d.cfg.File) }, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.put(d.cfg.File, "model one")
			m := d.open()
			tc.spoil(d)
			for range 5 {
				m.look()
			}
			d.expect(m, "model one", tc.says)
			s := m.State()
			if s.Refusals != 1 || len(s.Refused) != 1 || s.Refused[0].File != d.cfg.File || !strings.Contains(s.Refused[0].Why, tc.says) {
				t.Errorf("refused %d: %+v", s.Refusals, s.Refused)
			}
			if n := strings.Count(d.log.String(), "is refused"); n != 1 {
				t.Errorf("said %d times:\n%s", n, d.log.String())
			}
			os.RemoveAll(d.cfg.File)
			d.put(d.cfg.File, "model three")
			m.look()
			m.look()
			d.expect(m, "model three", "")

			// At the start there is no model in use: the last good one is.
			os.RemoveAll(d.cfg.File)
			tc.spoil(d)
			d.expect(d.open(), "model three", tc.says)

			// Nor is there a last good one.
			fresh := newDesk(t)
			fresh.put(fresh.cfg.File, "model zero")
			tc.spoil(fresh)
			fresh.expect(fresh.open(), inside, tc.says)
		})
	}
}

func flipLast(d *desk, file string) {
	d.t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		d.t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	d.write(file, data)
}

func TestAFileThatIsBeingWrittenIsNotReadYet(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.put(d.cfg.File, "model one")
	m := d.open()
	d.put(d.cfg.File+"2", "model two")
	whole, err := os.ReadFile(d.cfg.File + "2")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{10, 100, 200, len(whole)} {
		if err := os.WriteFile(d.cfg.File, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		m.look()
		d.expect(m, "model one", "")
	}
	m.look()
	d.expect(m, "model two", "")
	if s := m.State(); s.Refusals != 0 {
		t.Errorf("a half-written file was refused: %+v", s.Refused)
	}
}

func TestGoingBackAndForth(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.put(d.cfg.File, "model one")
	m := d.open()
	d.put(d.cfg.File, "model two")
	m.Reload()
	choose := func(choice string) {
		t.Helper()
		if err := Choose(d.cfg.Dir, choice); err != nil {
			t.Fatal(err)
		}
		m.look()
	}
	back, ok := m.State().Previous()
	if !ok || back.Hash != hashOf("model one") {
		t.Fatalf("before it was %+v", back)
	}
	choose(back.Hash)
	d.expect(m, "model one", "")
	d.put(d.cfg.File, "model three") // a pinned model stays
	m.Reload()
	d.expect(m, "model one", "")
	m = d.open() // also after a restart
	d.expect(m, "model one", "")
	if n := len(m.State().History); n != 3 {
		t.Errorf("the restart counts as a change: %d entries", n)
	}
	choose(Embedded)
	d.expect(m, inside, "")
	choose(FromFile)
	d.expect(m, "model three", "")
	if s := m.State(); s.Choice != FromFile || s.Current.File != d.cfg.File {
		t.Errorf("choice %q, from %q", s.Choice, s.Current.File)
	}

	if err := Choose(d.cfg.Dir, hashOf("model never seen")); err == nil || !strings.Contains(err.Error(), "not kept") {
		t.Errorf("choose what is not kept: %v", err)
	}
	for _, bad := range []string{"", "../../etc/passwd", strings.Repeat("A", 64)} {
		if err := Choose(d.cfg.Dir, bad); err == nil {
			t.Errorf("chose %q", bad)
		}
		d.write(filepath.Join(d.cfg.Dir, fileChoice), []byte(bad))
		m.look()
		d.expect(m, "model three", "")
	}
	// A kept copy is checked like any other file.
	d.write(m.kept(hashOf("model one")), []byte("model one"))
	choose(hashOf("model one"))
	d.expect(m, "model three", "not signed")
	d.put(m.kept(hashOf("model two")), "model three")
	choose(hashOf("model two"))
	d.expect(m, "model three", "another model")
}

func TestTheEmbeddedModelMayComeFromAFileAsWell(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.put(d.cfg.File, inside)
	m := d.open()
	for _, choice := range []string{Embedded, FromFile, Embedded} {
		if err := Choose(d.cfg.Dir, choice); err != nil {
			t.Fatal(err)
		}
		m.look()
		d.expect(m, inside, "")
		if s := m.State(); s.Current.Embedded != (choice == Embedded) || len(s.History) != 1 {
			t.Errorf("%s: in use is %+v; %d in the history", choice, s.Current, len(s.History))
		}
	}
}

func TestKeptModelsAreBounded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var m *Models
	for i := range 3 * maxKept {
		d.put(d.cfg.File, fmt.Sprintf("model %d", i))
		if m == nil {
			m = d.open()
		}
		m.Reload()
	}
	files, err := filepath.Glob(filepath.Join(d.cfg.Dir, "*"+modelExt))
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, h := range m.State().History {
		if h.Kept {
			kept++
		}
	}
	if len(files) > maxKept+4 || len(files) < maxKept || kept != len(files) {
		t.Errorf("%d files are kept, %d marked so; want about %d", len(files), kept, maxKept)
	}
	if prev, ok := m.State().Previous(); !ok || prev.Hash != hashOf(fmt.Sprintf("model %d", 3*maxKept-2)) {
		t.Errorf("the previous model is %+v", prev)
	}
}

func script(text string) capture.Script {
	return capture.Script{Kind: capture.Stdin, Text: []byte(text), Digest: capture.Sum([]byte(text)), Time: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC)}
}

// observe lets m judge scripts, and its shadow after it.
func observe(m *Models, texts ...string) {
	for _, text := range texts {
		m.Observe(script(text), m.Judge(normalize.Normalize([]byte(text))))
	}
}

func TestTheShadowJudgesBesideAndIsPromoted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.cfg.Shadow = d.cfg.File + ".shadow"
	d.put(d.cfg.File, "model bad worse")
	d.put(d.cfg.Shadow, "model bad odd")
	synctest.Test(t, func(t *testing.T) {
		m := d.open()
		go m.Run(t.Context())
		observe(m, "print(1)", "bad", "odd", "worse", "odd", "odd")
		known := classify.Verdict{Label: classify.Benign, Model: m.Hash(), Reasons: []classify.Reason{{Text: "It is a known file."}}}
		m.Observe(script("odd, but known"), known)
		time.Sleep(Every)
		synctest.Wait()
		s := m.State()
		want := Comparison{Model: hashOf("model bad worse"), Shadow: hashOf("model bad odd"), Since: s.Compared.Since, Judged: 4, Higher: 1, Lower: 1}
		if diff := cmp.Diff(want, s.Compared); diff != "" {
			t.Errorf("compared (-want +got):\n%s", diff)
		}
		lower := Difference{
			Time: script("").Time, SHA256: script("worse").Digest.String(), Kind: "stdin",
			Label: classify.Malicious, Score: 1, Model: hashOf("model bad worse"), ShadowLabel: classify.Benign, Shadow: hashOf("model bad odd"),
		}
		if len(s.Differences) != 2 || s.Differences[0] != lower {
			t.Errorf("differences: %+v", s.Differences)
		}

		// Promoted, it compares with nobody.
		if err := Choose(d.cfg.Dir, s.Shadow.Hash); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * Every)
		synctest.Wait()
		d.expect(m, "model bad odd", "")
		observe(m, "something new")
		time.Sleep(Every)
		synctest.Wait()
		if s := m.State(); s.Compared.Judged != 0 || len(s.Differences) != 2 {
			t.Errorf("a model was compared with itself: %+v", s.Compared)
		}
	})
	saved, err := ReadState(d.cfg.Dir)
	if err != nil || len(saved.Differences) != 2 || saved.Current.Hash != hashOf("model bad odd") {
		t.Errorf("saved: %+v, %v", saved.Current, err)
	}
	if again := d.open().State(); len(again.Differences) != 2 {
		t.Error("a restart forgets the differences")
	}
}

func TestABadShadowHarmsNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.cfg.Shadow = d.cfg.File + ".shadow"
	d.put(d.cfg.File, "model bad")
	d.write(d.cfg.Shadow, []byte("nothing"))
	m := d.open()
	d.expect(m, "model bad", "")
	if s := m.State(); s.Shadow != nil || !strings.Contains(s.ShadowProblem, "not signed") || s.Refusals != 1 {
		t.Errorf("shadow %v, problem %q", s.Shadow, s.ShadowProblem)
	}
	observe(m, "bad")
}

// fragile is a shadow that crashes on everything after it was taken.
type fragile struct{ words }

func (f fragile) Judge(normalize.Text) classify.Verdict { panic("hostile text") }

func TestTheShadowIsBoundedAndMayCrash(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.cfg.Shadow = d.cfg.File + ".shadow"
	d.put(d.cfg.File, "model bad")
	d.put(d.cfg.Shadow, "model odd")
	m := d.open() // and nobody takes from the queue
	for i := range queueScripts + 10 {
		observe(m, fmt.Sprint(i))
	}
	observe(m, "0", "1") // known, and no loss
	if got := m.State().Compared.Dropped; got != 10 {
		t.Errorf("dropped %d, want 10", got)
	}
	m = d.open()
	big := strings.Repeat("#", queueBytes/4)
	for i := range 6 {
		observe(m, fmt.Sprint(i)+big[2:])
	}
	if got := m.State().Compared.Dropped; got != 2 {
		t.Errorf("dropped %d of 6 scripts of a quarter of the room, want 2", got)
	}

	synctest.Test(t, func(t *testing.T) {
		m := d.open()
		m.shadow.Store(&loaded{fragile{words{hash: hashOf("model odd")}}, Info{}})
		go m.Run(t.Context())
		observe(m, "a", "b")
		time.Sleep(Every)
		synctest.Wait()
		if c := m.State().Compared; c.Failed != 2 || c.Judged != 0 {
			t.Errorf("compared %+v, want 2 failed", c)
		}
	})
}

func TestDifferencesAreBounded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.cfg.Shadow = d.cfg.File + ".shadow"
	d.put(d.cfg.File, "model bad")
	d.put(d.cfg.Shadow, "model odd")
	m := d.open()
	for i := range maxDifferences + 5 {
		s := script(fmt.Sprint("bad ", i))
		m.compare(job{s, m.Judge(normalize.Normalize(s.Text))})
	}
	s := m.State()
	if len(s.Differences) != maxDifferences || s.Compared.Lower != maxDifferences+5 ||
		s.Differences[0].SHA256 != script(fmt.Sprint("bad ", maxDifferences+4)).Digest.String() {
		t.Errorf("%d differences kept of %d", len(s.Differences), s.Compared.Lower)
	}
	m.save(true)
	if st, err := os.Stat(filepath.Join(d.cfg.Dir, fileState)); err != nil || st.Size() > maxState/2 {
		t.Errorf("the state has %d bytes, %v; at most %d are read", st.Size(), err, maxState)
	}
}

func TestAVerdictIsNeverOfTwoModels(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.put(d.cfg.File, "model one")
	m := d.open()
	text := normalize.Normalize([]byte("one"))
	var judging sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		judging.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				v := m.Judge(text)
				if (v.Model == hashOf("model one")) != (v.Label == classify.Malicious) {
					t.Errorf("model %.8s says %s", v.Model, v.Label)
					return
				}
				m.Observe(script("one"), v)
				m.State()
			}
		})
	}
	for i := range 12 {
		d.put(d.cfg.File, []string{"model one", "model two"}[i%2])
		m.Reload()
	}
	close(stop)
	judging.Wait()
}

func TestAStateThatCannotBeReadBeginsAnew(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.put(d.cfg.File, "model one")
	for _, bad := range []string{"{", "[]", strings.Repeat(" ", maxState+1)} {
		d.write(filepath.Join(d.cfg.Dir, fileState), []byte(bad))
		d.expect(d.open(), "model one", "")
		if _, err := ReadState(d.cfg.Dir); err != nil {
			t.Error(err)
		}
	}
	if _, err := ReadState(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no state: %v", err)
	}
}

func TestWithoutFilesTheEmbeddedModelJudges(t *testing.T) {
	t.Parallel()
	m, err := Open(Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := m.State()
	if !s.Current.Embedded || s.Current.Hash != m.Hash() || s.Choice != FromFile || len(s.History) != 1 || s.Current.Malicious <= 0 {
		t.Errorf("state %+v", s)
	}
	if v := m.Judge(normalize.Normalize([]byte("print(1)"))); v.Model != m.Hash() {
		t.Errorf("judged by %s", v.Model)
	}
	if slices.ContainsFunc(s.History, func(i Info) bool { return i.Kept }) {
		t.Error("a model is kept nowhere")
	}
}
