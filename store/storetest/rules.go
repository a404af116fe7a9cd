package storetest

import (
	"errors"
	"testing"

	"kingsnake/finding"
	"kingsnake/store"
)

func allow(t *testing.T, s store.Store, r store.AllowRule) store.AllowRule {
	t.Helper()
	got, err := s.Allow(t.Context(), r)
	must(t, err)
	return got
}

func hits(t *testing.T, s store.Store) map[string]int64 {
	t.Helper()
	all, err := s.Allows(t.Context())
	must(t, err)
	out := map[string]int64{}
	for _, r := range all {
		out[r.ID] = r.Hits
	}
	return out
}

// elsewhere returns f's script in another workload.
func elsewhere(f finding.Finding) finding.Finding {
	f.Workload.OwnerName = "elsewhere"
	return seal(f)
}

func here(f finding.Finding) store.AllowRule {
	return store.AllowRule{SHA256: f.Script.SHA256, Workload: f.Workload.Key(f.Process.Exe), Why: "our backup job", By: "ada", Created: minute(0)}
}

func everywhere(f finding.Finding) store.AllowRule {
	r := here(f)
	r.Workload = ""
	return r
}

var rules = map[string]func(*testing.T, store.Store){
	"a rule comes back as it was made, with an id": func(t *testing.T, s store.Store) {
		r := here(example(1))
		sent := r
		sent.ID, sent.Hits, sent.Ended, sent.EndedBy = "mine", 7, minute(1), "eve"
		got := allow(t, s, sent)
		if got.ID == "" || got.ID == "mine" {
			t.Errorf("id %q", got.ID)
		}
		r.ID = got.ID
		check(t, "rule", r, got)
		all, err := s.Allows(t.Context())
		must(t, err)
		check(t, "rules", []store.AllowRule{r}, all)
	},
	"a rule without a moment is made now, one without a digest not at all": func(t *testing.T, s store.Store) {
		if allow(t, s, store.AllowRule{SHA256: "d"}).Created.IsZero() {
			t.Error("the rule has no creation time")
		}
		if _, err := s.Allow(t.Context(), store.AllowRule{Workload: "w"}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("allow without a digest: %v, want ErrInvalid", err)
		}
	},
	"a rule for here covers this workload alone": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		put(t, s, elsewhere(f), store.Created)
		put(t, s, example(2), store.Created)
		allow(t, s, here(f))
		check(t, "here", finding.Inactive, get(t, s, f.Name).State)
		check(t, "elsewhere", finding.Active, get(t, s, elsewhere(f).Name).State)
		check(t, "another script", finding.Active, get(t, s, example(2).Name).State)
		put(t, s, again(f, minute(5)), store.Allowed)
		put(t, s, again(elsewhere(f), minute(5)), store.Repeated)
	},
	"a rule for everywhere covers every workload": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		put(t, s, elsewhere(f), store.Created)
		put(t, s, example(2), store.Created)
		allow(t, s, everywhere(f))
		check(t, "here", finding.Inactive, get(t, s, f.Name).State)
		check(t, "elsewhere", finding.Inactive, get(t, s, elsewhere(f).Name).State)
		check(t, "another script", finding.Active, get(t, s, example(2).Name).State)
		put(t, s, again(elsewhere(f), minute(5)), store.Allowed)
	},
	"what a rule covers is silenced and counted, once an occurrence": func(t *testing.T, s store.Store) {
		f := example(1)
		r := allow(t, s, everywhere(f))
		put(t, s, f, store.Allowed)
		put(t, s, f, store.Allowed)
		put(t, s, again(f, minute(5)), store.Allowed)
		check(t, "hits", map[string]int64{r.ID: 2}, hits(t, s))
		st := stats(t, s)
		check(t, "findings", int64(0), st.Findings)
		check(t, "deliveries", int64(0), st.Undelivered)
		if _, err := s.Get(t.Context(), f.Name); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("get: %v, want ErrNotFound", err)
		}
	},
	"a silenced repeat leaves the finding as it was": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		allow(t, s, here(f))
		before := get(t, s, f.Name)
		put(t, s, again(f, minute(5)), store.Allowed)
		check(t, "finding", before, get(t, s, f.Name))
	},
	"an occurrence stored before the rule stays a duplicate": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		r := allow(t, s, here(f))
		put(t, s, f, store.Duplicate)
		check(t, "hits", map[string]int64{r.ID: 0}, hits(t, s))
	},
	"ending a rule makes its findings active again and lets new ones in": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		r := allow(t, s, here(f))
		put(t, s, again(f, minute(5)), store.Allowed)
		must(t, s.Disallow(t.Context(), r.ID, "grace", minute(9)))
		check(t, "state", finding.Active, get(t, s, f.Name).State)
		put(t, s, again(f, minute(10)), store.Repeated)
		put(t, s, again(f, minute(5)), store.Repeated) // silenced then, counted now
		check(t, "count", int64(3), get(t, s, f.Name).Count)
		all, err := s.Allows(t.Context())
		must(t, err)
		r.Hits, r.Ended, r.EndedBy = 1, minute(9), "grace"
		check(t, "rules", []store.AllowRule{r}, all)
	},
	"overlapping rules hold until the last ends": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		put(t, s, elsewhere(f), store.Created)
		narrow, wide := allow(t, s, here(f)), allow(t, s, everywhere(f))
		put(t, s, again(f, minute(5)), store.Allowed)
		put(t, s, again(elsewhere(f), minute(5)), store.Allowed)
		check(t, "hits", map[string]int64{narrow.ID: 1, wide.ID: 2}, hits(t, s))
		must(t, s.Disallow(t.Context(), wide.ID, "ada", minute(6)))
		check(t, "here", finding.Inactive, get(t, s, f.Name).State)
		check(t, "elsewhere", finding.Active, get(t, s, elsewhere(f).Name).State)
		must(t, s.Disallow(t.Context(), narrow.ID, "ada", minute(7)))
		check(t, "here", finding.Active, get(t, s, f.Name).State)
	},
	"allowing twice is allowing once": func(t *testing.T, s store.Store) {
		f := example(1)
		first := allow(t, s, here(f))
		second := here(f)
		second.Why, second.By = "again", "grace"
		check(t, "second rule", first, allow(t, s, second))
		must(t, s.Disallow(t.Context(), first.ID, "ada", minute(1)))
		third := allow(t, s, second)
		if third.ID == first.ID {
			t.Error("the ended rule was given back")
		}
		all, err := s.Allows(t.Context())
		must(t, err)
		first.Ended, first.EndedBy = minute(1), "ada"
		check(t, "rules, newest first", []store.AllowRule{third, first}, all)
	},
	"ending a rule twice is ending it once": func(t *testing.T, s store.Store) {
		r := allow(t, s, here(example(1)))
		must(t, s.Disallow(t.Context(), r.ID, "ada", minute(1)))
		must(t, s.Disallow(t.Context(), r.ID, "grace", minute(2)))
		all, err := s.Allows(t.Context())
		must(t, err)
		check(t, "ended by", "ada", all[0].EndedBy)
		for _, id := range []string{"", "0", "99", "01", "+1", " 1", "x", "1 OR 1=1", "99999999999999999999"} {
			if err := s.Disallow(t.Context(), id, "ada", minute(1)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("disallow %q: %v, want ErrNotFound", id, err)
			}
		}
	},
}
