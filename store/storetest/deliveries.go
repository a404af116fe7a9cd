package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

func waiting(ds []store.Delivery) []string {
	out := []string{}
	for _, d := range ds {
		out = append(out, d.Finding.Name)
	}
	return out
}

var deliveries = map[string]func(*testing.T, store.Store){
	"a new finding of high or critical severity is queued once": func(t *testing.T, s store.Store) {
		want := []string{}
		for i, severity := range []finding.Severity{finding.Critical, finding.Low, finding.High, finding.Medium, "", "ODD"} {
			f := example(i)
			f.Severity = severity
			put(t, s, f, store.Created)
			put(t, s, f, store.Duplicate)
			put(t, s, again(f, minute(60)), store.Repeated)
			if severity == finding.Critical || severity == finding.High {
				want = append(want, f.Name)
			}
		}
		check(t, "queued", want, waiting(due(t, s, minute(0), 0)))
		check(t, "undelivered", int64(2), stats(t, s).Undelivered)
	},
	"a delivery carries the whole finding as it is now": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		put(t, s, again(f, minute(5)), store.Repeated)
		ds := due(t, s, minute(0), 0)
		check(t, "deliveries", []store.Delivery{{ID: ds[0].ID, Finding: get(t, s, f.Name)}}, ds)
	},
	"what is delivered is not due again": func(t *testing.T, s store.Store) {
		put(t, s, example(1), store.Created)
		put(t, s, example(2), store.Created)
		ds := due(t, s, minute(0), 0)
		must(t, s.Delivered(t.Context(), ds[0].ID))
		check(t, "queued", []string{example(2).Name}, waiting(due(t, s, minute(0), 0)))
		put(t, s, again(example(1), minute(9)), store.Repeated)
		check(t, "undelivered", int64(1), stats(t, s).Undelivered)
		for _, id := range []int64{ds[0].ID, 0, -1, 1 << 60} {
			if err := s.Delivered(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("delivered %d: %v, want ErrNotFound", id, err)
			}
			if err := s.Defer(t.Context(), id, start, "x"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("defer %d: %v, want ErrNotFound", id, err)
			}
		}
	},
	"what is put off waits, keeps its place and says why": func(t *testing.T, s store.Store) {
		for i := range 4 {
			put(t, s, example(9-i), store.Created)
		}
		all := due(t, s, minute(0), 0)
		check(t, "oldest first", []string{example(9).Name, example(8).Name, example(7).Name, example(6).Name}, waiting(all))
		check(t, "limit", []string{example(9).Name, example(8).Name}, waiting(due(t, s, minute(0), 2)))
		must(t, s.Defer(t.Context(), all[0].ID, minute(30), "connection refused"))
		must(t, s.Defer(t.Context(), all[1].ID, minute(20), strings.Repeat("y", store.MaxLastErr+1)))
		check(t, "before", []string{example(7).Name, example(6).Name}, waiting(due(t, s, minute(20).Add(-time.Nanosecond), 0)))
		check(t, "at its time", []string{example(8).Name, example(7).Name, example(6).Name}, waiting(due(t, s, minute(20), 0)))
		must(t, s.Defer(t.Context(), all[0].ID, minute(31), "timeout\x00\xff"))
		got := due(t, s, minute(60), 2)
		check(t, "attempts", []int{2, 1}, []int{got[0].Attempts, got[1].Attempts})
		check(t, "reason", []string{"timeout\x00\xff", strings.Repeat("y", store.MaxLastErr)}, []string{got[0].LastErr, got[1].LastErr})
	},
	"a repeat that raises the severity is queued, once": func(t *testing.T, s store.Store) {
		f := example(1)
		f.Severity = finding.Medium
		put(t, s, f, store.Created)
		check(t, "undelivered", int64(0), stats(t, s).Undelivered)
		for i, severity := range []finding.Severity{finding.High, finding.Critical, finding.Critical} {
			f.Severity = severity
			put(t, s, again(f, minute(5+i)), store.Repeated)
			check(t, "undelivered", int64(1), stats(t, s).Undelivered)
		}
	},
	"an allowed finding's delivery is held until the rule ends": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		r := allow(t, s, here(f))
		check(t, "due", []string{}, waiting(due(t, s, minute(0), 0)))
		check(t, "undelivered", int64(1), stats(t, s).Undelivered)
		must(t, s.Disallow(t.Context(), r.ID, "ada", minute(1)))
		check(t, "due", []string{f.Name}, waiting(due(t, s, minute(0), 0)))
	},
}
