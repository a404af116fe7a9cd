package storetest

import (
	"fmt"
	"testing"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

func evict(t *testing.T, s store.Store, l store.Limits, now time.Time) map[string]int64 {
	t.Helper()
	gone, err := s.Evict(t.Context(), l, now)
	must(t, err)
	return gone
}

// bare returns a finding whose only text has so many bytes, as no other has.
func bare(n, size int) finding.Finding {
	f := example(n)
	f.Script.Layers = nil
	f.Script.Contents = fmt.Appendf(nil, "%0*d", size, n)
	return f
}

var evictions = map[string]func(*testing.T, store.Store){
	"without limits everything stays": func(t *testing.T, s store.Store) {
		fill(t, s, 5)
		check(t, "evicted", map[string]int64{}, evict(t, s, store.Limits{}, minute(1<<20)))
		check(t, "stored", int64(5), stats(t, s).Findings)
	},
	"findings last seen too long ago go": func(t *testing.T, s store.Store) {
		for i := range 6 {
			put(t, s, example(i), store.Created)
		}
		put(t, s, again(example(0), minute(10)), store.Repeated)
		gone := evict(t, s, store.Limits{Age: 10 * time.Minute}, minute(13))
		check(t, "evicted", map[string]int64{store.ByAge: 2, store.Undelivered: 2}, gone)
		check(t, "left", []string{example(0).Name, example(5).Name, example(4).Name, example(3).Name}, names(list(t, s, store.Query{}).Findings))
	},
	"the oldest beyond the number kept go": func(t *testing.T, s store.Store) {
		want := fill(t, s, 9)
		gone := evict(t, s, store.Limits{Findings: 4}, minute(13))
		check(t, "evicted", map[string]int64{store.ByCount: 5, store.Undelivered: 5}, gone)
		check(t, "left", want[:4], names(list(t, s, store.Query{}).Findings))
		check(t, "evicted next", map[string]int64{}, evict(t, s, store.Limits{Findings: 4}, minute(13)))
	},
	"the oldest beyond the bytes kept go, and no more": func(t *testing.T, s store.Store) {
		for i := range 10 {
			put(t, s, bare(i, 100), store.Created)
		}
		gone := evict(t, s, store.Limits{Bytes: 450}, minute(13))
		check(t, "evicted", map[string]int64{store.BySize: 6, store.Undelivered: 6}, gone)
		check(t, "bytes", int64(400), stats(t, s).Bytes)
		check(t, "evicted at the limit", map[string]int64{}, evict(t, s, store.Limits{Bytes: 400}, minute(13)))
	},
	"a text goes with the last finding that has it": func(t *testing.T, s store.Store) {
		f := bare(1, 100)
		put(t, s, f, store.Created)
		shared := again(f, minute(5))
		shared = elsewhere(shared)
		put(t, s, shared, store.Created)
		evict(t, s, store.Limits{Findings: 1}, minute(13))
		check(t, "bytes", int64(100), stats(t, s).Bytes)
		check(t, "contents", f.Script.Contents, get(t, s, shared.Name).Script.Contents)
		evict(t, s, store.Limits{Age: time.Minute}, minute(13))
		check(t, "bytes", int64(0), stats(t, s).Bytes)
	},
	"reasons add up over time and deliveries go along": func(t *testing.T, s store.Store) {
		for i := range 6 {
			put(t, s, bare(i, 100), store.Created)
		}
		must(t, s.Delivered(t.Context(), due(t, s, minute(0), 1)[0].ID))
		gone := evict(t, s, store.Limits{Age: 10 * time.Minute, Findings: 4, Bytes: 250}, minute(11))
		check(t, "evicted", map[string]int64{store.ByAge: 1, store.ByCount: 1, store.BySize: 2, store.Undelivered: 3}, gone)
		evict(t, s, store.Limits{Findings: 1}, minute(11))
		want := store.Stats{
			Findings: 1, Bytes: 100, Undelivered: 1,
			Evicted: map[string]int64{store.ByAge: 1, store.ByCount: 2, store.BySize: 2, store.Undelivered: 4},
		}
		check(t, "stats", want, stats(t, s))
		check(t, "due", []string{bare(5, 100).Name}, waiting(due(t, s, minute(0), 0)))
	},
	"many findings go at once": func(t *testing.T, s store.Store) {
		for i := range 450 {
			put(t, s, finding.Finding{Name: fmt.Sprint(i), EventTime: minute(i)}, store.Created)
		}
		check(t, "evicted", map[string]int64{store.ByCount: 447}, evict(t, s, store.Limits{Findings: 3}, minute(500)))
		check(t, "left", []string{"449", "448", "447"}, names(list(t, s, store.Query{}).Findings))
	},
	"an occurrence outlives its finding": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		evict(t, s, store.Limits{Age: time.Minute}, minute(60))
		put(t, s, f, store.Duplicate)
		put(t, s, again(f, minute(61)), store.Created)
	},
	"an occurrence is forgotten in the end": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		evict(t, s, store.Limits{}, time.Now().Add(store.OccurrenceAge-time.Hour))
		put(t, s, f, store.Duplicate)
		evict(t, s, store.Limits{}, time.Now().Add(store.OccurrenceAge+time.Hour))
		put(t, s, f, store.Repeated)
		put(t, s, f, store.Duplicate)
	},
	"a rule outlives its findings": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		allow(t, s, here(f))
		evict(t, s, store.Limits{Age: time.Minute}, minute(60))
		put(t, s, again(f, minute(61)), store.Allowed)
	},
}
