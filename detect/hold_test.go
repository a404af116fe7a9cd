package detect_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/detect"
	"kingsnake/finding"
	"kingsnake/workload"
)

// holder notes what becomes of each process that is held.
type holder struct {
	mu   sync.Mutex
	gone map[int]bool // processes that are held no longer
	did  []string
}

func (h *holder) do(what string, s capture.Script) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone[s.Process.PID] {
		what += " in vain"
	}
	h.did = append(h.did, fmt.Sprintf("%s %d", what, s.Process.PID))
	return !h.gone[s.Process.PID]
}

func (h *holder) Release(s capture.Script) bool { return h.do("release", s) }
func (h *holder) Kill(s capture.Script) bool    { return h.do("kill", s) }
func (h *holder) Leave(s capture.Script)        { h.do("leave", s) }

func heldScript(pid int, text string) capture.Script {
	s := script(pid, capture.File, text)
	s.Held = time.Now().Add(-3 * time.Millisecond)
	return s
}

func TestAHeldProcessEndsAsItsVerdictSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		prod := workload.Workload{Container: workload.Container{ID: "c0ffee"}, Pod: workload.Pod{Namespace: "prod"}}
		test := workload.Workload{Container: workload.Container{ID: "decaf"}, Pod: workload.Pod{Namespace: "test"}}
		lost := workload.Workload{Container: workload.Container{ID: "beef"}, Unresolved: map[string]string{"pod.namespace": "nobody answers"}}
		var sink shelf
		h := &holder{gone: map[int]bool{5: true}}
		p := pipeline(scripts{
			heldScript(1, "print('fine')"), heldScript(2, "odd"), heldScript(3, "evil"), heldScript(4, "crash"),
			heldScript(5, "evil late"), heldScript(6, "evil elsewhere"), heldScript(7, "evil unknown"), heldScript(8, "evil host"),
			script(9, capture.File, "evil, not held"),
		}, &words{}, &sink)
		p.Holder, p.Hold = h, detect.HoldRules{rule(t, "namespace=pr*")}
		p.Resolver = byPID{1: prod, 2: prod, 3: prod, 4: prod, 5: prod, 6: test, 7: lost, 9: prod}
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		slices.Sort(h.did)
		want := []string{"kill 3", "kill in vain 5", "leave 6", "leave 8", "release 1", "release 2", "release 4", "release 7"}
		if diff := cmp.Diff(want, h.did); diff != "" {
			t.Errorf("done (-want +got):\n%s", diff)
		}
		got := map[int]string{}
		for _, f := range sink.kept {
			got[f.Process.PID] = f.Action.What
			if f.Action.What != "" && f.Action.Held < 3*time.Millisecond {
				t.Errorf("process %d was held for %s, which is too short", f.Process.PID, f.Action.Held)
			}
		}
		actions := map[int]string{2: finding.Released, 3: finding.Killed, 5: finding.TooLate, 6: "", 7: "", 8: "", 9: ""}
		if diff := cmp.Diff(actions, got); diff != "" {
			t.Errorf("actions (-want +got):\n%s", diff)
		}
		if _, _, lost := p.Counts(); lost["hold: workload unknown"] != 1 || lost["crash"] != 1 {
			t.Errorf("lost %v, want one unknown workload and one crash", lost)
		}
	})
}

// slow takes its time for the processes with an odd number.
type slow struct{ release chan struct{} }

func (s slow) Resolve(_ context.Context, p capture.Process) workload.Workload {
	if p.PID%2 == 1 {
		<-s.release
	}
	return workload.Workload{Container: workload.Container{ID: "c0ffee"}}
}

// queued delivers ordinary scripts that nobody gets to the end of, and then one
// whose process is held.
type queued struct {
	release chan struct{}
	h       *holder
}

func (q queued) Run(_ context.Context, deliver func(capture.Script)) error {
	for i := range 40 {
		deliver(script(2*i+1, capture.File, "fine"))
	}
	deliver(heldScript(1000, "evil"))
	synctest.Wait()
	q.h.mu.Lock()
	defer q.h.mu.Unlock()
	if !slices.Contains(q.h.did, "kill 1000") {
		q.h.did = append(q.h.did, "it waited behind the others")
	}
	close(q.release)
	return nil
}

func TestAHeldScriptDoesNotWaitBehindOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release, h := make(chan struct{}), &holder{}
		p := pipeline(queued{release, h}, &words{}, nil)
		p.Holder, p.Hold, p.Resolver = h, detect.HoldRules{rule(t, "container=*")}, slow{release}
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"kill 1000"}, h.did); diff != "" {
			t.Errorf("done (-want +got):\n%s", diff)
		}
	})
}

func rule(t *testing.T, text string) detect.HoldRule {
	t.Helper()
	r, err := detect.ParseHoldRule(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestHoldRules(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("0123456789abcdef", 4)
	where := workload.Workload{
		Container: workload.Container{ID: id, Name: "web", Image: "registry.example.com/shop/web:1.2"},
		Pod:       workload.Pod{Namespace: "prod"},
	}
	unresolved := func(fields ...string) workload.Workload {
		w := workload.Workload{Container: workload.Container{ID: id}, Unresolved: map[string]string{}}
		for _, f := range fields {
			w.Unresolved[f] = "nobody answers"
		}
		return w
	}
	for _, tc := range []struct {
		rules       string
		w           workload.Workload
		hold, known bool
	}{
		{"namespace=prod", where, true, true},
		{"namespace=pro", where, false, true},
		{"namespace=*", where, true, true},
		{"namespace=*d", where, true, true},
		{"image=registry.example.com/*", where, true, true},
		{"image=*/web:*", where, true, true},
		{"image=*/web:*3", where, false, true},
		{"image=web*", where, false, true},
		{"image=*e*a*e*:*", where, true, true},
		{"container=web", where, true, true},
		{"container=" + id, where, true, true},
		{"container=0123*", where, true, true},
		{"container=db", where, false, true},
		{"host", where, false, true},
		{"host", workload.Workload{}, true, true},
		{"namespace=*", workload.Workload{}, false, true},
		{"container=*", workload.Workload{}, false, true},
		{"namespace=test image=*web*", where, true, true},
		{"namespace=prod", unresolved("pod.namespace"), false, false},
		{"image=*", unresolved("pod.namespace"), false, true},
		{"image=web namespace=prod", unresolved("pod.namespace"), false, false},
		{"container=web", unresolved("container.name"), false, false},
		{"container=" + strings.Repeat("f", 64), unresolved("container.name"), false, true},
		{"host", workload.Workload{Unresolved: map[string]string{"container.id": "unread"}}, false, false},
	} {
		var rules detect.HoldRules
		for text := range strings.FieldsSeq(tc.rules) {
			rules = append(rules, rule(t, text))
		}
		if hold, known := rules.Match(tc.w); hold != tc.hold || known != tc.known {
			t.Errorf("%s, %+v: got %t, known %t; want %t, %t", tc.rules, tc.w, hold, known, tc.hold, tc.known)
		}
	}
	for _, text := range []string{"", "prod", "pod=web", "namespace=", "Namespace=prod", "image= web", "host=1", "=x"} {
		if r, err := detect.ParseHoldRule(text); err == nil {
			t.Errorf("%q was taken for %s", text, r)
		}
	}
}
