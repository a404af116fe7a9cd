package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
	"kingsnake/store/sqlite"
)

// stocked is how many findings the benchmarks of reading have before them.
// The budget is 50 ms for a page of 50.
const stocked = 100_000

// realistic returns the n-th of many findings, spread over workloads, nodes
// and severities as a cluster would.
func realistic(n int) finding.Finding {
	f := finding.Finding{
		Name: fmt.Sprintf("%032x", n), Occurrence: fmt.Sprint(n), Category: finding.MaliciousPython,
		Severity:  []finding.Severity{finding.Medium, finding.Critical, finding.Medium, finding.High}[n%4],
		EventTime: time.Date(2026, 3, 1, 0, 0, n, 0, time.UTC), Sensor: "node",
	}
	f.Script = finding.Script{
		Kind: []string{"file", "c", "stdin"}[n%3], Path: fmt.Sprintf("/srv/app/job-%d.py", n), SHA256: fmt.Sprintf("%064x", n/20),
		Contents: fmt.Appendf(nil, "import os, socket\n# script %d\n%0800d\n", n/20, n/20), Size: 840,
		Origin: finding.Origin{When: "runtime", Why: "the file was written after the container started"},
	}
	f.Process = finding.Process{
		PID: n, Comm: "python3", Exe: "/usr/bin/python3.12", Cwd: "/srv/app", Args: []string{"python3", f.Script.Path},
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root", "LANG=C.UTF-8", fmt.Sprint("HOSTNAME=pod-", n)},
	}
	f.Workload = finding.Workload{
		ContainerID: fmt.Sprintf("%064x", n), ContainerName: "worker", Image: fmt.Sprintf("registry.example.com/team-%d/app:%d", n%20, n%7),
		PodNamespace: fmt.Sprintf("team-%d", n%20), PodName: fmt.Sprintf("worker-%x", n), Node: fmt.Sprintf("node-%d", n%50),
		OwnerKind: "Deployment", OwnerName: fmt.Sprintf("worker-%d", n),
	}
	f.Verdict = finding.Verdict{Label: "malicious", Score: 0.99, Reasons: []finding.Reason{
		{Text: "gives a shell to whoever answers at an address in the script", Technique: "T1059.006", Weight: 3},
		{Text: "hides the program it runs behind base64", Technique: "T1027", Weight: 1},
	}}
	return f
}

func BenchmarkPut(b *testing.B) {
	for name, nth := range map[string]func(i int) finding.Finding{
		"new": realistic,
		"repeat": func(i int) finding.Finding {
			f := realistic(0)
			f.Occurrence = fmt.Sprint("repeat ", i)
			return f
		},
	} {
		b.Run(name, func(b *testing.B) {
			s, err := sqlite.Open(filepath.Join(b.TempDir(), "f.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			for i := 0; b.Loop(); i++ {
				if _, err := s.Put(b.Context(), nth(i)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	s, err := sqlite.Open(filepath.Join(b.TempDir(), "f.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := range stocked {
		if _, err := s.Put(b.Context(), realistic(i)); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := s.Evict(b.Context(), store.Limits{Findings: stocked}, time.Now()); err != nil {
		b.Fatal(err)
	}
	middle := store.Position{Time: realistic(stocked / 2).EventTime, Name: realistic(stocked / 2).Name}.Cursor()
	queries := map[string]store.Query{
		"all":             {},
		"severity":        {Severity: finding.Critical},
		"state, severity": {State: finding.Active, Severity: finding.Critical},
		"namespace, kind": {Namespace: "team-3", Kind: "stdin"},
		"rare text":       {Text: "JOB-77777"},
		"no such text":    {Text: "nowhere", State: finding.Active},
		"rare kind":       {State: finding.Active, Kind: "nothing"},
		"times":           {Since: realistic(1000).EventTime, Until: realistic(2000).EventTime},
		"one script":      {SHA256: realistic(stocked / 2).Script.SHA256},
	}
	for name, q := range queries {
		b.Run("list "+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.List(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("count "+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Count(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("list from the middle", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.List(b.Context(), store.Query{Cursor: middle, State: finding.Active}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("get", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := s.Get(b.Context(), realistic(i*7919%stocked).Name); err != nil {
				b.Fatal(err)
			}
		}
	})
}
