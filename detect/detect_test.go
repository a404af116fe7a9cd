package detect_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/classify"
	"kingsnake/detect"
	"kingsnake/finding"
	"kingsnake/normalize"
	"kingsnake/workload"
)

// scripts is a source that delivers what it holds and ends.
type scripts []capture.Script

func (s scripts) Run(_ context.Context, deliver func(capture.Script)) error {
	for _, script := range s {
		deliver(script)
	}
	return nil
}

// byPID resolves every process to the workload listed under its id, or to the
// host.
type byPID map[int]workload.Workload

func (b byPID) Resolve(_ context.Context, p capture.Process) workload.Workload { return b[p.PID] }

// words judges by plain words in the text, and counts how often it was asked.
type words struct {
	mu    sync.Mutex
	asked int
	name  string // of the model; "" means "words"
}

func (w *words) Hash() string {
	if w.name == "" {
		return "words"
	}
	return w.name
}

func (w *words) Judge(text normalize.Text) classify.Verdict {
	w.mu.Lock()
	w.asked++
	w.mu.Unlock()
	src := text.Layers[0].Text
	v := classify.Verdict{Label: classify.Benign, Layers: len(text.Layers), Model: w.Hash()}
	mark := func(word string, label classify.Label, score float64) {
		if at := bytes.Index(src, []byte(word)); at >= 0 {
			v.Label, v.Score = label, score
			line := 1 + bytes.Count(src[:at], []byte("\n"))
			v.Reasons = []classify.Reason{{Text: "says " + word, Technique: "T1059.006", Weight: 2,
				Spans: []classify.Span{{Start: at, End: at + len(word), Line: line, EndLine: line}}}}
		}
	}
	mark("odd", classify.Suspicious, 0.7)
	mark("evil", classify.Malicious, 0.99)
	if bytes.Contains(src, []byte("crash")) {
		panic("the judge met its match")
	}
	return v
}

// shelf is a sink that keeps findings, or refuses the first few.
type shelf struct {
	mu     sync.Mutex
	refuse int
	kept   []finding.Finding
}

func (s *shelf) Put(_ context.Context, f finding.Finding) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse > 0 {
		s.refuse--
		return errors.New("disk full")
	}
	s.kept = append(s.kept, f)
	return nil
}

func script(pid int, kind capture.Kind, text string) capture.Script {
	return capture.Script{
		Kind: kind, Text: []byte(text), Size: int64(len(text)), Digest: capture.Sum([]byte(text)),
		Time:    time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC),
		Process: capture.Process{PID: pid, Start: time.Date(2026, 11, 23, 6, 59, 59, 0, time.UTC), Exe: "/usr/bin/python3.11", Args: []string{"python3"}},
	}
}

func pipeline(src detect.Source, judge detect.Judge, sink detect.Sink) *detect.Pipeline {
	return &detect.Pipeline{Source: src, Resolver: byPID{}, Judge: judge, Sink: sink, Sensor: "node-1",
		Log: slog.New(slog.DiscardHandler)}
}

func TestOnlyWhatIsWorthTellingBecomesAFinding(t *testing.T) {
	t.Parallel()
	var sink shelf
	p := pipeline(scripts{
		script(1, capture.File, "print('fine')"),
		script(2, capture.Command, "odd"),
		script(3, capture.Stdin, "evil"),
	}, &words{}, &sink)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]finding.Severity{}
	for _, f := range sink.kept {
		got[f.Script.Kind] = f.Severity
	}
	want := map[string]finding.Severity{"c": finding.Medium, "stdin": finding.Critical}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	judged, found, lost := p.Counts()
	if judged != 3 || found != 2 || len(lost) != 0 {
		t.Errorf("judged %d, found %d, lost %v; want 3, 2, none", judged, found, lost)
	}
}

func TestARepeatedScriptIsJudgedOnceAndReportedEachTime(t *testing.T) {
	t.Parallel()
	var sink shelf
	judge := &words{}
	p := pipeline(scripts{script(1, capture.File, "evil")}, judge, &sink)
	for range 3 {
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if judge.asked != 1 || len(sink.kept) != 3 {
		t.Errorf("judged %d times, reported %d; want 1 and 3", judge.asked, len(sink.kept))
	}
	if sink.kept[0].Name != sink.kept[2].Name {
		t.Error("the same script in the same place got two names")
	}
	if len(sink.kept[2].Verdict.Reasons) == 0 {
		t.Error("the remembered verdict lost its reasons")
	}
}

func TestAnotherModelJudgesAnew(t *testing.T) {
	t.Parallel()
	var sink shelf
	judge := &words{name: "one"}
	p := pipeline(scripts{script(1, capture.File, "evil"), script(1, capture.File, "fine")}, judge, &sink)
	for _, name := range []string{"one", "one", "two", "two", "one"} {
		judge.name = name
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var by []string
	for _, f := range sink.kept {
		by = append(by, f.Verdict.Model)
	}
	if diff := cmp.Diff([]string{"one", "one", "two", "two", "one"}, by); diff != "" || judge.asked != 6 {
		t.Errorf("asked %d times, want 6; judged by (-want +got):\n%s", judge.asked, diff)
	}
}

func TestACrashCostsOneScript(t *testing.T) {
	t.Parallel()
	var sink shelf
	p := pipeline(scripts{script(1, capture.File, "crash"), script(2, capture.File, "evil")}, &words{}, &sink)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, found, lost := p.Counts()
	if diff := cmp.Diff(map[string]uint64{"crash": 1}, lost); diff != "" || found != 1 {
		t.Errorf("found %d, lost (-want +got):\n%s", found, diff)
	}
}

func TestWhatDoesNotFitTheQueueIsCounted(t *testing.T) {
	t.Parallel()
	// Two workers hold one script each until the source has delivered all.
	release := make(chan struct{})
	var src releasing
	for i := range 20 {
		src.scripts = append(src.scripts, script(i, capture.File, string(bytes.Repeat([]byte{'a' + byte(i)}, 8<<20))))
	}
	src.release = release
	p := pipeline(src, &words{}, nil)
	p.Resolver = waiting(release)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	judged, _, lost := p.Counts()
	// 24 MiB hold two scripts of 8 MiB and what comes with them, wherever the workers stand.
	if judged != 2 || lost["queue full"] != 18 {
		t.Errorf("judged %d, lost %v; want 2 judged and 18 dropped because the queue was full", judged, lost)
	}
}

type releasing struct {
	scripts scripts
	release chan struct{}
}

func (r releasing) Run(ctx context.Context, deliver func(capture.Script)) error {
	defer close(r.release)
	return r.scripts.Run(ctx, deliver)
}

type waiting chan struct{}

func (w waiting) Resolve(context.Context, capture.Process) workload.Workload {
	<-w
	return workload.Workload{}
}

func TestAFailingSinkIsTriedAgainAndThenCounted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		refuse int
		found  uint64
		lost   map[string]uint64
	}{
		"a sink that recovers loses nothing":       {refuse: 3, found: 1},
		"a sink that stays broken costs a finding": {refuse: 1000, lost: map[string]uint64{"sink refused": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := pipeline(scripts{script(1, capture.File, "evil")}, &words{}, &shelf{refuse: tc.refuse})
				if err := p.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				_, found, lost := p.Counts()
				if diff := cmp.Diff(tc.lost, lost); diff != "" || found != tc.found {
					t.Errorf("found %d, want %d; lost (-want +got):\n%s", found, tc.found, diff)
				}
			})
		})
	}
}

func TestTheHostCanBeLeftOut(t *testing.T) {
	t.Parallel()
	var sink shelf
	p := pipeline(scripts{
		script(1, capture.File, "evil host"), script(2, capture.File, "evil container"), script(3, capture.File, "evil and hiding"),
	}, &words{}, &sink)
	p.Resolver = byPID{
		2: {Container: workload.Container{ID: "c0ffee"}},
		3: {Unresolved: map[string]string{"container.id": "its cgroup was not read"}},
	}
	p.SkipHost = true
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var from []string
	for _, f := range sink.kept {
		from = append(from, f.Workload.ContainerID)
	}
	slices.Sort(from)
	if diff := cmp.Diff([]string{"", "c0ffee"}, from); diff != "" {
		t.Errorf("containers of the findings (-want +got):\n%s", diff)
	}
}

func TestObserveSeesEveryScript(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	p := pipeline(scripts{script(1, capture.File, "fine"), script(2, capture.File, "evil")}, &words{}, nil)
	p.Observe = func(r detect.Result) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, string(r.Script.Text)+": "+string(r.Verdict.Label))
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(seen)
	if diff := cmp.Diff([]string{"evil: malicious", "fine: benign"}, seen); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

// tooSlow is an error that says what it is to be counted by.
type tooSlow struct{ error }

func (tooSlow) Counted() string { return "timeout" }

func TestAScriptThatCannotBeTakenApartIsJudgedAsItStands(t *testing.T) {
	t.Parallel()
	var sink shelf
	p := pipeline(scripts{script(1, capture.File, "evil"), script(2, capture.File, "fine")}, &words{}, &sink)
	p.Normalize = func(src []byte) (normalize.Text, error) {
		if bytes.Contains(src, []byte("evil")) {
			return normalize.Text{}, tooSlow{errors.New("it took too long")}
		}
		return normalize.Normalize(src), nil
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	judged, found, lost := p.Counts()
	if diff := cmp.Diff(map[string]uint64{"not normalized: timeout": 1}, lost); diff != "" || judged != 2 || found != 1 {
		t.Errorf("judged %d, found %d, lost (-want +got):\n%s", judged, found, diff)
	}
}

func TestArgumentsAndEnvironmentCanBeLeftOut(t *testing.T) {
	t.Parallel()
	s := script(1, capture.File, "evil")
	s.Process.Args = []string{"python3", "x.py", "--user", "ada"}
	s.Process.Env = []string{"HOME=/home/ada", "LANG=C"}
	s.Process.Parents = []capture.Process{{PID: 7, Args: []string{"sh", "-c", "ada"}}}
	var sink shelf
	p := pipeline(scripts{s}, &words{}, &sink)
	p.HideArgs, p.HideEnv = true, true
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := sink.kept[0].Process
	want := finding.Process{Args: []string{"python3", "[not reported]"}, Env: []string{"[not reported]"}}
	if diff := cmp.Diff(want, finding.Process{Args: got.Args, Env: got.Env}); diff != "" {
		t.Errorf("process (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"sh", "[not reported]"}, got.Parents[0].Args); diff != "" {
		t.Errorf("arguments of its parent (-want +got):\n%s", diff)
	}
}

// TestWhatIsPerhapsOnlyReadIsNoGraveFinding has the same text imported and read
// by a scanner.
func TestWhatIsPerhapsOnlyReadIsNoGraveFinding(t *testing.T) {
	t.Parallel()
	read := script(1, capture.Import, "evil")
	read.MaybeData = true
	var sink shelf
	p := pipeline(scripts{read, script(2, capture.Import, "evil")}, &words{}, &sink)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[bool]finding.Severity{}
	for _, f := range sink.kept {
		got[f.Script.MaybeData] = f.Severity
	}
	want := map[bool]finding.Severity{true: finding.Medium, false: finding.Critical}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("severity by whether it was perhaps only read (-want +got):\n%s", diff)
	}
}

// TestAFindingSaysWhereItsTextWasTakenFrom has one script that was not copied as
// the interpreter read it.
func TestAFindingSaysWhereItsTextWasTakenFrom(t *testing.T) {
	t.Parallel()
	beside := script(1, capture.File, "evil")
	beside.Indirect = "the file of that name"
	var sink shelf
	p := pipeline(scripts{beside, script(2, capture.Command, "evil too")}, &words{}, &sink)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range sink.kept {
		got[f.Script.Kind] = f.Script.Indirect
	}
	if diff := cmp.Diff(map[string]string{"file": "the file of that name", "c": ""}, got); diff != "" {
		t.Errorf("where the text is from (-want +got):\n%s", diff)
	}
}
