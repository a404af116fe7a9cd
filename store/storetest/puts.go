package storetest

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

var puts = map[string]func(*testing.T, store.Store){
	"a finding comes back whole": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		got := get(t, s, f.Name)
		check(t, "finding", expect(f, got), got)
		if got.CreateTime.IsZero() {
			t.Error("the store gave no creation time")
		}
	},
	"a finding with nothing optional comes back": func(t *testing.T, s store.Store) {
		f := finding.Finding{Name: "n", EventTime: start}
		put(t, s, f, store.Created)
		got := get(t, s, "n")
		f.State = finding.Active
		check(t, "finding", expect(f, got), got)
	},
	"the store keeps count, first time, creation time and state itself": func(t *testing.T, s store.Store) {
		f := example(1)
		sent := f
		sent.Count, sent.FirstTime, sent.CreateTime, sent.State = 99, minute(-500), minute(-500), finding.Inactive
		put(t, s, sent, store.Created)
		got := get(t, s, f.Name)
		check(t, "finding", expect(f, got), got)
		if got.CreateTime.Equal(sent.CreateTime) {
			t.Error("the sender's creation time was kept")
		}
	},
	"the same occurrence counts once": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		put(t, s, f, store.Duplicate)
		put(t, s, again(f, minute(5)), store.Repeated)
		put(t, s, again(f, minute(5)), store.Duplicate)
		put(t, s, f, store.Duplicate)
		check(t, "count", int64(2), get(t, s, f.Name).Count)
	},
	"a sighting's timeline grows": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		event := func(n int) finding.Event {
			return finding.Event{Time: minute(n), PID: n, Exe: "/bin/sh", Act: "wrote", Target: "/tmp/\xff", Args: []string{"a", "\xfe"}, Count: 1}
		}
		longer := f
		longer.Timeline, longer.Connections = []finding.Event{event(1), event(2)}, []finding.Connection{{Peer: "192.0.2.7:4444"}}
		longer.Severity, longer.Sensor, longer.EventTime = finding.Low, "another", minute(50)
		put(t, s, longer, store.Duplicate)
		want := f
		want.Timeline, want.Connections = longer.Timeline, longer.Connections
		got := get(t, s, f.Name)
		check(t, "finding", expect(want, got), got)

		shorter := f
		shorter.Timeline = []finding.Event{event(3)}
		put(t, s, shorter, store.Duplicate)
		put(t, s, f, store.Duplicate)
		another := again(f, minute(5))
		put(t, s, another, store.Repeated)
		another.Timeline = []finding.Event{event(4), event(5), event(6)}
		put(t, s, another, store.Duplicate)
		got = get(t, s, f.Name)
		check(t, "timeline after what is shorter, or another sighting's", want.Timeline, got.Timeline)

		counted := longer
		counted.Timeline = []finding.Event{event(1)}
		counted.Timeline[0].Count, counted.TimelineOmitted = 2, 1
		put(t, s, counted, store.Duplicate)
		got = get(t, s, f.Name)
		check(t, "timeline with counts", counted.Timeline, got.Timeline)
		check(t, "count", int64(2), got.Count)
	},
	"an occurrence belongs to its finding": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		other := f
		other.Name = strings.Repeat("0", 32)
		put(t, s, other, store.Created)
		put(t, s, other, store.Duplicate)
	},
	"findings without an occurrence always count": func(t *testing.T, s store.Store) {
		f := example(1)
		f.Occurrence = ""
		put(t, s, f, store.Created)
		put(t, s, f, store.Repeated)
		check(t, "count", int64(2), get(t, s, f.Name).Count)
	},
	"first and last time widen in whatever order sightings arrive": func(t *testing.T, s store.Store) {
		f := example(10)
		put(t, s, f, store.Created)
		for _, step := range []struct{ at, first, last int }{
			{30, 10, 30}, {20, 10, 30}, {5, 5, 30}, {40, 5, 40}, {6, 5, 40},
		} {
			put(t, s, again(f, minute(step.at)), store.Repeated)
			got := get(t, s, f.Name)
			check(t, "first time", minute(step.first), got.FirstTime)
			check(t, "event time", minute(step.last), got.EventTime)
		}
		check(t, "count", int64(6), get(t, s, f.Name).Count)
	},
	"times keep their nanoseconds and lose their zone": func(t *testing.T, s store.Store) {
		f := example(1)
		f.EventTime = time.Date(2026, 3, 1, 14, 0, 0, 123456789, time.FixedZone("X", 7200))
		put(t, s, f, store.Created)
		got := get(t, s, f.Name).EventTime
		check(t, "event time", time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC), got)
		check(t, "zone", "UTC", got.Location().String())
	},
	"a repeat keeps the first sighting's evidence": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		repeat := again(f, minute(5))
		repeat.Script.Contents, repeat.Verdict.Score, repeat.Severity = []byte("other"), 0.1, finding.Low
		put(t, s, repeat, store.Repeated)
		got := get(t, s, f.Name)
		want := expect(f, got)
		want.Count, want.EventTime = 2, minute(5)
		check(t, "finding", want, got)
	},
	"a repeat of higher severity raises it and brings its evidence": func(t *testing.T, s store.Store) {
		f := example(1)
		f.Severity = finding.Medium
		put(t, s, f, store.Created)
		repeat := again(f, minute(-5))
		repeat.Severity, repeat.Verdict.Score = finding.Critical, 0.999
		repeat.Script.Contents, repeat.Script.Layers = []byte("other"), repeat.Script.Layers[:1]
		put(t, s, repeat, store.Repeated)
		got := get(t, s, f.Name)
		want := expect(repeat, got)
		want.Count, want.EventTime = 2, minute(1)
		check(t, "finding", want, got)
		check(t, "bytes", int64(len("other")+len(repeat.Script.Layers[0].Text)), stats(t, s).Bytes)
		n, err := s.Count(t.Context(), store.Query{})
		must(t, err)
		check(t, "count by severity", map[finding.Severity]int{finding.Critical: 1}, n)

		put(t, s, again(f, minute(50)), store.Repeated)
		check(t, "severity after a lower repeat", finding.Critical, get(t, s, f.Name).Severity)
	},
	"a finding that could not be found again is refused": func(t *testing.T, s store.Store) {
		unnamed, long, never, far, nan := example(1), example(1), example(1), example(1), example(1)
		unnamed.Name = ""
		long.Name = strings.Repeat("n", store.MaxName+1)
		never.EventTime = time.Time{}
		far.EventTime = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
		nan.Verdict.Score = math.NaN()
		for name, f := range map[string]finding.Finding{"unnamed": unnamed, "long": long, "never": never, "far": far, "nan": nan} {
			if got, err := s.Put(t.Context(), f); !errors.Is(err, store.ErrInvalid) || got != "" {
				t.Errorf("%s: put gave %q, %v; want an ErrInvalid", name, got, err)
			}
		}
		check(t, "stored", int64(0), stats(t, s).Findings)
	},
	"the longest name is taken": func(t *testing.T, s store.Store) {
		f := example(1)
		f.Name = strings.Repeat("n", store.MaxName)
		put(t, s, f, store.Created)
		get(t, s, f.Name)
	},
	"what is not there is not found": func(t *testing.T, s store.Store) {
		put(t, s, example(1), store.Created)
		for _, name := range []string{"", "nothing", strings.Repeat("f", 32), "%", "' OR 1=1 --"} {
			if _, err := s.Get(t.Context(), name); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("get %q: %v, want ErrNotFound", name, err)
			}
		}
	},
	"changing what was put or got changes nothing stored": func(t *testing.T, s store.Store) {
		f, pristine := example(1), example(1)
		put(t, s, f, store.Created)
		spoil := func(f finding.Finding) {
			for i := range f.Script.Contents {
				f.Script.Contents[i] = 'x'
			}
			for i := range f.Script.Layers {
				f.Script.Layers[i].Text[0] = 'x'
			}
			f.Process.Args[0], f.Workload.PodLabels["app"] = "x", "x"
		}
		spoil(f)
		spoil(get(t, s, f.Name))
		for _, f := range list(t, s, store.Query{}).Findings {
			f.Process.Args[0] = "x"
		}
		got := get(t, s, f.Name)
		check(t, "finding", expect(pristine, got), got)
	},
	"a canceled context writes nothing": func(t *testing.T, s store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Put(ctx, example(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("put: %v, want context canceled", err)
		}
		check(t, "stored", int64(0), stats(t, s).Findings)
	},
	"a text many findings share is kept once": func(t *testing.T, s store.Store) {
		f := example(1)
		shared := f
		shared.Workload.OwnerName = "another"
		put(t, s, f, store.Created)
		before := stats(t, s).Bytes
		put(t, s, seal(shared), store.Created)
		check(t, "bytes", before, stats(t, s).Bytes)
		want := len(f.Script.Contents)
		for _, l := range f.Script.Layers {
			want += len(l.Text)
		}
		check(t, "bytes", int64(want), before)
	},
}
