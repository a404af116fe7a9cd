package detect_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kingsnake/capture"
	"kingsnake/detect"
	"kingsnake/finding"
)

// follower answers with the error and the past of a process, and keeps whom it
// follows.
type follower struct {
	errs     map[int]error
	past     map[int]capture.Past
	followed []int
}

func (f *follower) Follow(p capture.Process) (capture.Past, error) {
	if err := f.errs[p.PID]; err != nil {
		return f.past[p.PID], err
	}
	f.followed = append(f.followed, p.PID)
	return f.past[p.PID], nil
}

func did(by int, act capture.Act, target string, args ...string) capture.Activity {
	s := script(1, capture.File, "")
	return capture.Activity{Time: noon.Add(time.Duration(by) * time.Second), PID: 1, Start: s.Process.Start, By: by, Act: act, Target: target, Args: args}
}

// acting delivers a script, waits until it was judged, and then tells what its
// processes did.
func acting(p *detect.Pipeline, s capture.Script, then func()) {
	p.Source = source(func(_ context.Context, deliver func(capture.Script)) error {
		deliver(s)
		time.Sleep(time.Second)
		then()
		return nil
	})
}

func TestWhatTheProcessesDidBecomesTheTimeline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sink shelf
		p := pipeline(nil, &words{}, &sink)
		watch := &follower{}
		p.Follower = watch
		acting(p, script(1, capture.File, "evil"), func() {
			p.Acted(did(1, capture.Connected, "192.0.2.7:4444"))
			p.Acted(did(1, capture.Connected, "unix:/run/x.sock"))
			p.Acted(did(1, capture.Forked, "2"))
			p.Acted(did(2, capture.Executed, "/bin/dash", "sh", "--password=hunter2hunter2"))
			for range 3 {
				p.Acted(did(2, capture.Wrote, "/tmp/x"))
			}
			p.Acted(did(9, capture.Wrote, "/tmp/y"))
			other := did(1, capture.Wrote, "/tmp/another's")
			other.PID = 7
			p.Acted(other)
			time.Sleep(6 * time.Second)
			p.Acted(did(1, capture.Wrote, "/tmp/z"))
			time.Sleep(2 * time.Minute)
			p.Acted(did(1, capture.Wrote, "/tmp/too late"))
		})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(sink.kept) != 3 {
			t.Fatalf("the sink got %d findings, want the first and two that grew", len(sink.kept))
		}
		first, last := sink.kept[0], sink.kept[2]
		if len(first.Timeline) != 0 || first.Name != last.Name || first.Occurrence != last.Occurrence || last.Script.SHA256 != first.Script.SHA256 {
			t.Errorf("what grew is another finding: %+v", last)
		}
		const python, shell = "/usr/bin/python3.11", "/bin/dash"
		at := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }
		want := []finding.Event{
			{Time: at(1), PID: 1, Exe: python, Act: "connected", Target: "192.0.2.7:4444", Count: 1},
			{Time: at(1), PID: 1, Exe: python, Act: "connected", Target: "unix:/run/x.sock", Count: 1},
			{Time: at(1), PID: 1, Exe: python, Act: "forked", Target: "2", Count: 1},
			{Time: at(2), PID: 2, Exe: python, Act: "executed", Target: shell, Args: []string{"sh", last.Timeline[3].Args[1]}, Count: 1},
			{Time: at(2), PID: 2, Exe: shell, Act: "wrote", Target: "/tmp/x", Count: 3},
			{Time: at(9), PID: 9, Act: "wrote", Target: "/tmp/y", Count: 1},
			{Time: at(1), PID: 1, Exe: python, Act: "wrote", Target: "/tmp/z", Count: 1},
		}
		if diff := cmp.Diff(want, last.Timeline, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("timeline (-want +got):\n%s", diff)
		}
		if strings.Contains(fmt.Sprint(last.Timeline), "hunter2") {
			t.Error("a secret is in the timeline")
		}
		if diff := cmp.Diff([]finding.Connection{{Peer: "192.0.2.7:4444"}}, last.Connections); diff != "" {
			t.Errorf("connections (-want +got):\n%s", diff)
		}
		if judged, found, lost := p.Counts(); judged != 1 || found != 1 || len(lost) != 0 {
			t.Errorf("judged %d, found %d, lost %v; a finding that grew is no other", judged, found, lost)
		}
	})
}

// TestTheTimelineBeginsBeforeTheVerdict also follows one that has ended: what it
// did comes with its finding, and what was on its way a little later.
func TestTheTimelineBeginsBeforeTheVerdict(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"it goes on": nil, "it has ended": capture.ErrEnded, "there are too many": capture.ErrTooMany} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sink shelf
				p := pipeline(nil, &words{}, &sink)
				p.Follower = &follower{
					errs: map[int]error{1: err},
					past: map[int]capture.Past{1: {Acts: []capture.Activity{
						did(1, capture.Connected, "192.0.2.7:4444"), did(1, capture.Forked, "2"), did(2, capture.Wrote, "/tmp/x"),
					}, Omitted: 7}},
				}
				acting(p, script(1, capture.File, "evil"), func() {
					p.Acted(did(2, capture.Executed, "/tmp/x"))
					time.Sleep(time.Minute)
					if err != nil {
						p.Acted(did(2, capture.Wrote, "/tmp/too late"))
					}
				})
				if err := p.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, f := range sink.kept {
					line := ""
					for _, e := range f.Timeline {
						line += fmt.Sprintf("%d %s %s %s; ", e.PID, e.Exe, e.Act, e.Target)
					}
					got = append(got, fmt.Sprintf("%s%d of %d", line, len(f.Timeline), f.Followed()))
				}
				const python = "/usr/bin/python3.11"
				before := "1 " + python + " connected 192.0.2.7:4444; 1 " + python + " forked 2; 2 " + python + " wrote /tmp/x; "
				want := []string{before + "3 of 10", before + "2 " + python + " executed /tmp/x; 4 of 11"}
				if errors.Is(err, capture.ErrTooMany) {
					want = want[:1]
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("timelines (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]finding.Connection{{Peer: "192.0.2.7:4444"}}, sink.kept[0].Connections); diff != "" {
					t.Errorf("connections (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestATimelineIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sink shelf
		p := pipeline(nil, &words{}, &sink)
		p.Follower = &follower{}
		acting(p, script(1, capture.File, "evil"), func() {
			for i := range 500 {
				p.Acted(did(i, capture.Executed, strings.Repeat("é", 5000), strings.Repeat("x", 5000)))
				p.Acted(did(i, capture.Connected, fmt.Sprintf("192.0.2.1:%d", i)))
			}
		})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		f := sink.kept[len(sink.kept)-1]
		if len(f.Timeline) != finding.MaxTimeline || f.Followed() != 1000 || len(f.Connections) != finding.MaxConnections {
			t.Errorf("%d events of %d, %d connections", len(f.Timeline), f.Followed(), len(f.Connections))
		}
		if b, err := finding.Marshal(f); err != nil || len(b) > 1<<20 {
			t.Errorf("%d bytes, error %v", len(b), err)
		}
	})
}

func TestOnlyGraveFindingsAreFollowed(t *testing.T) {
	t.Parallel()
	var sink shelf
	watch := &follower{errs: map[int]error{3: capture.ErrEnded, 4: capture.ErrFollowed, 5: errors.New("no room")}}
	p := pipeline(scripts{
		script(1, capture.File, "evil"), script(1, capture.Import, "evil too"), script(2, capture.File, "odd"),
		script(3, capture.File, "evil"), script(4, capture.File, "evil"), script(5, capture.File, "evil"), script(6, capture.File, "fine"),
	}, &words{}, &sink)
	p.Follower = watch
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1}, watch.followed); diff != "" {
		t.Errorf("followed (-want +got):\n%s", diff)
	}
	if _, found, lost := p.Counts(); found != 6 || lost["not followed"] != 1 || len(lost) != 1 {
		t.Errorf("found %d, lost %v; want all findings, and one that could not be followed", found, lost)
	}
}

// TestCodeThatWasNotCapturedIsSaidOfAFinding has a program's finding come before and
// after it is known that it compiled what was not captured, followed or not.
func TestCodeThatWasNotCapturedIsSaidOfAFinding(t *testing.T) {
	t.Parallel()
	const why = "compiled: too much in a second"
	for name, err := range map[string]error{"followed": nil, "too many are followed": capture.ErrTooMany} {
		for _, order := range [][]string{{"evil", why, why}, {"x = 1", why, "evil"}} {
			t.Run(name+": "+order[0], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var sink shelf
					p := pipeline(nil, &words{}, &sink)
					p.Follower = &follower{errs: map[int]error{1: err}}
					by := script(1, capture.File, "exec(input())")
					p.Source = source(func(_ context.Context, handle func(capture.Script)) error {
						handle(by)
						for _, text := range order {
							s := compiledBy(by, text)
							if text == why {
								s = compiledBy(by, "")
								s.Lost = why
							}
							handle(s)
							time.Sleep(time.Second)
						}
						time.Sleep(time.Minute)
						return nil
					})
					if err := p.Run(t.Context()); err != nil {
						t.Fatal(err)
					}
					if len(sink.kept) == 0 {
						t.Fatal("no finding")
					}
					last := sink.kept[len(sink.kept)-1]
					want := []finding.Event{{PID: 1, Exe: by.Process.Exe, Act: "uncaptured", Target: why, Count: 1}}
					if order[0] == "evil" && err != nil {
						want = nil // it is known only when the finding has been made
					}
					if diff := cmp.Diff(want, last.Timeline, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(finding.Event{}, "Time")); diff != "" {
						t.Errorf("timeline (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}
