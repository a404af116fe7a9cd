package storetest

import (
	"testing"

	"kingsnake/finding"
	"kingsnake/store"
)

// RunReopen checks that everything a store was told survives its being closed
// and opened again. open opens the store at a place, which it makes when there
// is nothing; every call with the same place opens the same findings.
func RunReopen(t *testing.T, open func(t *testing.T, place string) store.Store) {
	t.Helper()
	place := t.TempDir()
	s := open(t, place)
	reopen := func() {
		t.Helper()
		must(t, s.Close())
		s = open(t, place)
	}
	defer func() { must(t, s.Close()) }()

	one, two, three := example(1), example(2), example(3)
	put(t, s, one, store.Created)
	put(t, s, again(one, minute(9)), store.Repeated)
	put(t, s, two, store.Created)
	put(t, s, three, store.Created)
	ended, standing := allow(t, s, here(one)), allow(t, s, everywhere(two))
	must(t, s.Disallow(t.Context(), ended.ID, "ada", minute(1)))
	put(t, s, again(two, minute(9)), store.Allowed)
	must(t, s.PutSensor(t.Context(), status("node-a", minute(1)), minute(1)))
	ds := due(t, s, minute(0), 0)
	must(t, s.Delivered(t.Context(), ds[0].ID))
	must(t, s.Defer(t.Context(), ds[1].ID, minute(30), "down"))
	evict(t, s, store.Limits{Findings: 2}, minute(10))
	first := list(t, s, store.Query{Limit: 1})

	before := picture(t, s)
	reopen()
	check(t, "after reopening", before, picture(t, s))
	check(t, "the next page of the page before", []string{three.Name}, names(list(t, s, store.Query{Cursor: first.Next}).Findings))

	put(t, s, one, store.Duplicate)
	put(t, s, again(two, minute(10)), store.Allowed)
	check(t, "hits", map[string]int64{ended.ID: 0, standing.ID: 2}, hits(t, s))
	put(t, s, example(4), store.Created)
	got := due(t, s, minute(30), 0)
	check(t, "queued", []string{three.Name, example(4).Name}, waiting(got))
	check(t, "reason", "down", got[0].LastErr)
	must(t, s.Delivered(t.Context(), got[1].ID))
	reopen()
	put(t, s, example(5), store.Created)
	for _, d := range due(t, s, minute(30), 0) {
		if d.ID == got[1].ID {
			t.Error("a delivery's id was used twice")
		}
	}
}

// everything a store tells.
type view struct {
	Findings []finding.Finding
	Rules    []store.AllowRule
	Sensors  []finding.Sensor
	Due      []store.Delivery
	Stats    store.Stats
}

func picture(t *testing.T, s store.Store) view {
	t.Helper()
	v := view{Sensors: known(t, s), Due: due(t, s, minute(1<<20), 0), Stats: stats(t, s)}
	for _, f := range list(t, s, store.Query{}).Findings {
		v.Findings = append(v.Findings, get(t, s, f.Name))
	}
	var err error
	v.Rules, err = s.Allows(t.Context())
	must(t, err)
	return v
}
