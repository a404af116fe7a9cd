package detect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kingsnake/capture"
	"kingsnake/capture/binary"
	"kingsnake/detect"
	"kingsnake/finding"
	"kingsnake/workload"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// started is a shell that the Python of a web server started, on standard
// input.
func started(args ...string) capture.Execution {
	server := capture.Process{PID: 4702, Start: noon.Add(-time.Hour), Exe: "/usr/local/bin/python3.12", Comm: "python3", Args: []string{"python3", "/srv/app.py"}}
	return capture.Execution{
		Time: noon, Role: capture.Shell,
		Inode: capture.Inode{Filesystem: "overlay", Changed: noon.Add(-100 * time.Hour)},
		Process: capture.Process{PID: 4711, PPID: 4702, Start: noon, Exe: "/bin/dash", Comm: "sh", Args: args,
			Env: []string{"PATH=/usr/bin", "API_TOKEN=Xk29fj3kd02ldk3Xk29fj3kd02ldk3"}, Parents: []capture.Process{server}},
		Starter: &capture.Starter{Process: server, Script: capture.Sum([]byte("app")), Path: "/srv/app.py"},
	}
}

func reverse(peer string) capture.Execution {
	x := started("sh", "-i")
	x.Starter = nil
	x.Peer, x.Local = netip.MustParseAddrPort(peer), netip.MustParseAddrPort("10.1.2.3:51234")
	return x
}

func inMemory() capture.Execution {
	x := started("[kworker/0:1]")
	x.Starter, x.Role, x.Memory = nil, capture.Other, true
	x.Process.Exe, x.Inode = "/memfd: \n", capture.Inode{Filesystem: "memfd", Changed: noon}
	return x
}

func added() capture.Execution {
	x := started("/tmp/x", "--password", "hunter2hunter2")
	x.Starter, x.Role, x.Upper = nil, capture.Other, true
	x.Process.Exe, x.Inode.Changed = "/tmp/x", inPod.Container.Created.Add(90*time.Minute)
	return x
}

func TestWhatAnExecutionIsWorth(t *testing.T) {
	t.Parallel()
	host := workload.Workload{Node: "node-1"}
	both := inMemory()
	both.Role, both.Peer = capture.Interpreter, netip.MustParseAddrPort("[2001:db8::7]:443")
	noShell := reverse("192.0.2.7:4444")
	noShell.Role = capture.Other
	for name, tt := range map[string]struct {
		x    capture.Execution
		w    workload.Workload
		want []finding.Category
	}{
		"a shell on a connection":            {reverse("192.0.2.7:4444"), inPod, []finding.Category{finding.ReverseShell}},
		"another program on a connection":    {noShell, inPod, nil},
		"a memfd":                            {inMemory(), host, []finding.Category{finding.FilelessExecution}},
		"an interpreter, in memory, on both": {both, host, []finding.Category{finding.ReverseShell, finding.FilelessExecution}},
		"an upper layer in a container":      {added(), inPod, []finding.Category{finding.AddedBinary}},
		"an upper layer on the host":         {added(), host, nil},
		"a child shell while it is learned":  {started("sh", "-c", "ls"), inPod, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []finding.Category
			for _, c := range detect.Companions(tt.x, tt.w, &detect.Habits{}) {
				got = append(got, c.Category)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGoldenCompanions shows a whole finding of each companion category.
func TestGoldenCompanions(t *testing.T) {
	t.Parallel()
	habits := &detect.Habits{}
	early := started("sh", "-c", "ldconfig -p")
	early.Time = noon.Add(-2 * time.Hour)
	if got := detect.Companions(early, inPod, habits); len(got) != 0 {
		t.Fatalf("what was to be learned is a finding: %+v", got)
	}
	bin := binary.File{SHA256: strings.Repeat("a", 64), Size: 125640}
	for name, tt := range map[string]struct {
		x   capture.Execution
		bin binary.File
	}{
		"reverse-shell":    {reverse("192.0.2.7:4444"), bin},
		"fileless":         {inMemory(), binary.File{Unread: "the process had ended before its executable was read"}},
		"added-binary":     {added(), bin},
		"unexpected-shell": {started("/bin/sh"), bin},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := detect.Companions(tt.x, inPod, habits)
			if len(found) != 1 {
				t.Fatalf("want one finding, got %+v", found)
			}
			f := detect.ReportExecution(tt.x, inPod, found[0], tt.bin, "node-1")
			compact := checkGolden(t, name, f)
			for _, secret := range []string{"Xk29fj3kd02ldk3", "hunter2hunter2"} {
				if bytes.Contains(compact, []byte(secret)) {
					t.Errorf("the finding still holds the secret %q", secret)
				}
			}
		})
	}
}

// checkGolden compares a finding with its golden file, and what comes back from
// its JSON with itself. It returns that.
func checkGolden(t *testing.T, name string, f finding.Finding) []byte {
	t.Helper()
	compact, err := finding.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, compact, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	golden := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("finding (-want +got):\n%s", diff)
	}
	back, err := finding.Unmarshal[finding.Finding](compact)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, back, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the finding did not survive JSON (-want +got):\n%s", diff)
	}
	return compact
}

func TestAShellIsUnexpectedWhenItWasNotLearned(t *testing.T) {
	t.Parallel()
	at := func(after time.Duration, x capture.Execution) capture.Execution {
		x.Time = noon.Add(after)
		return x
	}
	bash := started("bash", "-i")
	bash.Process.Exe = "/bin/bash"
	h := &detect.Habits{WarmUp: 10 * time.Minute}
	other := inPod
	other.Container.ImageID = "sha256:" + strings.Repeat("c", 64)
	for _, step := range []struct {
		name string
		x    capture.Execution
		w    workload.Workload
		want int
	}{
		{"the first is learned", at(0, started("sh", "-c", "ls")), inPod, 0},
		{"and another, within the warm-up", at(9*time.Minute, started("sh", "/srv/run.sh")), inPod, 0},
		{"what was learned stays", at(11*time.Minute, started("sh", "-c", "rm -rf x")), inPod, 0},
		{"with other options too", at(11*time.Minute, started("sh", "-e", "-xc", "ls")), inPod, 0},
		{"the same shell taking what it is given is new", at(11*time.Minute, started("sh")), inPod, 1},
		{"each time", at(12*time.Minute, started("sh", "-i")), inPod, 1},
		{"another shell is new", at(12*time.Minute, bash), inPod, 1},
		{"another image is learned by itself", at(12*time.Minute, bash), other, 0},
		{"and so is the host", at(12*time.Minute, bash), workload.Workload{Node: "node-1"}, 0},
	} {
		if got := detect.Companions(step.x, step.w, h); len(got) != step.want {
			t.Errorf("%s: want %d findings, got %+v", step.name, step.want, got)
		}
	}
	if got := detect.Companions(at(20*time.Minute, bash), inPod, nil); len(got) != 0 {
		t.Errorf("with nobody to learn there is a finding: %+v", got)
	}
}

func TestHabitsSurviveARestart(t *testing.T) {
	t.Parallel()
	h := &detect.Habits{}
	detect.Companions(started("sh", "-c", "ls"), inPod, h)
	var saved []byte
	save := func(text []byte) error { saved = text; return nil }
	if wrote, err := h.Save(func([]byte) error { return os.ErrPermission }); !wrote || err == nil {
		t.Errorf("a save that fails: wrote %v, error %v", wrote, err)
	}
	if wrote, err := h.Save(save); !wrote || err != nil {
		t.Fatalf("wrote %v, error %v", wrote, err)
	}
	if wrote, err := h.Save(save); wrote || err != nil {
		t.Errorf("saved again although nothing changed: %v, %v", wrote, err)
	}
	again := &detect.Habits{}
	if err := again.Load(bytes.NewReader(saved)); err != nil {
		t.Fatal(err)
	}
	later := started("sh", "-c", "ls")
	later.Time = noon.Add(24 * time.Hour)
	if got := detect.Companions(later, inPod, again); len(got) != 0 {
		t.Errorf("what was learned is forgotten: %+v", got)
	}
	later.Process.Args = []string{"sh"}
	if got := detect.Companions(later, inPod, again); len(got) != 1 {
		t.Errorf("want a finding, got %+v", got)
	}
	for _, broken := range []string{"", "{", "[]", `{"x":3}`} {
		if err := new(detect.Habits).Load(strings.NewReader(broken)); err == nil {
			t.Errorf("%q was read", broken)
		}
	}
	if err := new(detect.Habits).Load(strings.NewReader(`{"image x":null}`)); err != nil {
		t.Error(err)
	}
}

func TestHabitsAreBounded(t *testing.T) {
	t.Parallel()
	h := &detect.Habits{}
	x := started("sh")
	for i := range 5000 {
		w := workload.Workload{Container: workload.Container{ID: fmt.Sprint(i)}}
		x.Time = noon.Add(time.Duration(i) * time.Second)
		detect.Companions(x, w, h)
	}
	if got := h.Forgot(); got != 5000-4096 {
		t.Errorf("forgot %d places, want %d", got, 5000-4096)
	}
	for i := range 100 {
		x.Process.Exe = fmt.Sprintf("/tmp/sh%d", i)
		detect.Companions(x, inPod, h)
	}
	var saved []byte
	if _, err := h.Save(func(text []byte) error { saved = text; return nil }); err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(saved, []byte("/tmp/sh")); got != 32 {
		t.Errorf("%d shells of one image are kept, want 32", got)
	}
}

// telling is a source that tells of executions while it runs.
type telling struct {
	p  *detect.Pipeline
	xs []capture.Execution
}

func (s *telling) Run(context.Context, func(capture.Script)) error {
	for _, x := range s.xs {
		s.p.Executed(x)
	}
	return nil
}

func TestExecutionsBecomeFindings(t *testing.T) {
	t.Parallel()
	src := &telling{xs: []capture.Execution{reverse("192.0.2.7:4444"), inMemory()}}
	var sink shelf
	p := pipeline(src, &words{}, &sink)
	src.p = p
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[finding.Category]finding.Severity{}
	for _, f := range sink.kept {
		got[f.Category] = f.Severity
	}
	want := map[finding.Category]finding.Severity{finding.ReverseShell: finding.Critical, finding.FilelessExecution: finding.High}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	p.SkipHost = true
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(sink.kept) != 2 {
		t.Error("the host was not left out")
	}
}

func TestExecutionsThatDoNotFitAreCounted(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	p := pipeline(nil, &words{}, nil)
	src := &telling{p: p, xs: make([]capture.Execution, 1500)}
	p.Source = source(func(ctx context.Context, deliver func(capture.Script)) error {
		defer close(release)
		return src.Run(ctx, deliver)
	})
	p.Resolver = waiting(release)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	// One may have been taken out already.
	if _, _, lost := p.Counts(); lost["execution queue full"] < 1500-1025 {
		t.Errorf("lost %v, want some 475 executions", lost)
	}
}

type source func(context.Context, func(capture.Script)) error

func (s source) Run(ctx context.Context, deliver func(capture.Script)) error { return s(ctx, deliver) }
