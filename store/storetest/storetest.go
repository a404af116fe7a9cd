// Package storetest states every rule of kingsnake/store as a test. Each
// implementation of store.Store runs it:
//
//	func TestStore(t *testing.T) { storetest.Run(t, open) }
//
// and one that keeps findings after the process ends runs RunReopen as well.
package storetest

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/finding"
	"kingsnake/store"
)

// Run holds the stores that open returns, each of them new and empty, to the
// rules of store.Store. open ends the test when it cannot; the suite closes
// what it opened.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, group := range []map[string]func(*testing.T, store.Store){
		puts, lists, rules, deliveries, evictions, sensors, healths, hostile, crowds,
	} {
		for name, rule := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := open(t)
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				})
				rule(t, s)
			})
		}
	}
}

// start is when the suite's stories begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// minute returns start and so many minutes.
func minute(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }

// example returns a finding, all of whose fields are filled in, of the n-th
// script and of its sighting at the n-th minute.
func example(n int) finding.Finding {
	contents := fmt.Appendf(nil, "import socket # %d\n", n)
	f := finding.Finding{
		Category:  finding.MaliciousPython,
		Severity:  finding.Critical,
		State:     finding.Active,
		EventTime: minute(n),
		Script: finding.Script{
			Kind: "file", Path: fmt.Sprintf("/srv/app/job-%d.py", n), Contents: contents, ContentsSHA256: strings.Repeat("c", 64),
			SHA256: fmt.Sprintf("%064x", n), Size: int64(len(contents)), Redacted: 1, Truncated: true, Lost: "ring full",
			Parent: strings.Repeat("b", 64), LayersOmitted: 2,
			Origin: finding.Origin{When: "runtime", Why: "written after the container started", Changed: start},
			Layers: []finding.Layer{
				{Transform: "base64", Text: fmt.Appendf(nil, "layer one of %d", n), Size: 14},
				{Transform: "zlib", Parent: 1, Text: []byte("a layer all scripts share"), Size: 25},
			},
		},
		Verdict: finding.Verdict{
			Label: "malicious", Score: 0.98, Model: strings.Repeat("d", 64),
			Reasons: []finding.Reason{{
				Text: "connects a shell to a socket", Technique: "T1059.006", Weight: 2.5,
				Spans: []finding.Span{{Layer: 1, Start: 0, End: 5, Line: 1, EndLine: 1}},
			}},
		},
		Process: finding.Process{
			PID: 100 + n, PPID: 1, Start: minute(n), UID: 33, Comm: "python3", Exe: "/usr/bin/python3.12", Cwd: "/srv/app",
			Args: []string{"python3", "job.py"}, ArgsTruncated: true, Env: []string{"HOME=/root"}, EnvTruncated: true,
			ExeSHA256: strings.Repeat("e", 64), ExeSize: 1 << 20, ExeUnread: "no longer there",
			Parents: []finding.Process{{PID: 1, Comm: "sh", Exe: "/bin/sh", Args: []string{"sh"}}},
		},
		Workload: finding.Workload{
			ContainerID: strings.Repeat("a", 64), ContainerName: "worker", ContainerCreated: start, Image: "registry.example.com/app:1",
			ImageID: "sha256:1", Runtime: "containerd", ReadOnlyRoot: "no", PodNamespace: "shop", PodName: "worker-abc", PodUID: "u-1",
			PodLabels: map[string]string{"app": "worker"}, OwnerKind: "Deployment", OwnerName: "worker", Node: "node-a", Cluster: "test",
			Unresolved: map[string]string{"image_id": "runtime gone"},
		},
		Indicators: finding.Indicators{IPs: []string{"192.0.2.1"}, Domains: []string{"example.com"}, URLs: []string{"https://example.com/x"}},
		Sensor:     "node-a",
	}
	return seal(f)
}

// seal gives f the name and the occurrence its other fields make.
func seal(f finding.Finding) finding.Finding {
	f.Name = finding.NameOf(f.Category, f.Script.Kind, f.Script.SHA256, f.Workload.Key(f.Process.Exe))
	f.Occurrence = finding.OccurrenceOf(f.Workload.Node, f.Process.PID, f.Process.Start, f.Script.Kind, f.Script.SHA256)
	return f
}

// again returns another sighting of f, at that time.
func again(f finding.Finding, at time.Time) finding.Finding {
	f.EventTime, f.Process.Start = at, at
	f.Process.PID++
	return seal(f)
}

// expect is what a store keeps of f, put once: CreateTime is taken from got.
func expect(f, got finding.Finding) finding.Finding {
	f.FirstTime, f.Count, f.CreateTime = f.EventTime, 1, got.CreateTime
	return f
}

func put(t *testing.T, s store.Store, f finding.Finding, want store.Outcome) {
	t.Helper()
	got, err := s.Put(t.Context(), f)
	if err != nil {
		t.Fatalf("put: %v", err)
	}
	if got != want {
		t.Errorf("put gave %q, want %q", got, want)
	}
}

func get(t *testing.T, s store.Store, name string) finding.Finding {
	t.Helper()
	f, err := s.Get(t.Context(), name)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	return f
}

func list(t *testing.T, s store.Store, q store.Query) store.Page {
	t.Helper()
	page, err := s.List(t.Context(), q)
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	return page
}

// walk reads page after page of q. A store whose pages do not end fails the
// test instead of holding it.
func walk(t *testing.T, s store.Store, q store.Query, visit func(store.Page)) {
	t.Helper()
	for range 10_000 {
		page := list(t, s, q)
		visit(page)
		if q.Cursor = page.Next; q.Cursor == "" {
			return
		}
	}
	t.Fatal("the pages do not end")
}

func names(fs []finding.Finding) []string {
	out := []string{}
	for _, f := range fs {
		out = append(out, f.Name)
	}
	return out
}

func stats(t *testing.T, s store.Store) store.Stats {
	t.Helper()
	st, err := s.Stats(t.Context())
	if err != nil {
		t.Fatalf("stats: %v", err)
	}
	return st
}

func due(t *testing.T, s store.Store, now time.Time, limit int) []store.Delivery {
	t.Helper()
	ds, err := s.Due(t.Context(), now, limit)
	if err != nil {
		t.Fatalf("due: %v", err)
	}
	return ds
}

// check fails the test, telling the difference, unless want and got are equal.
func check(t *testing.T, what string, want, got any) {
	t.Helper()
	if reflect.DeepEqual(want, got) { // quicker, for megabytes of script
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
