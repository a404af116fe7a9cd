package storetest

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"kingsnake/finding"
	"kingsnake/store"
)

// nasty is text no one should write and someone will.
const nasty = "\x00a\xff\xfe\xed\xa0\x80é\U0010fe80\U0010feff\ufffd'\"%_\\\r\n\u202e<script>{{.}};--\x00"

// poison replaces every string and every byte text in v.
func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(nasty + v.String())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				poison(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(nasty))
			return
		}
		for i := range v.Len() {
			poison(v.Index(i))
		}
	case reflect.Map:
		if v.Type() == reflect.TypeFor[finding.Losses]() {
			v.Set(reflect.ValueOf(finding.Losses{{Stage: nasty, Reason: nasty}: 1}))
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		if v.Type().Elem().Kind() == reflect.String {
			v.SetMapIndex(reflect.ValueOf(nasty), reflect.ValueOf(nasty))
		}
	}
}

var hostile = map[string]func(*testing.T, store.Store){
	"any bytes in any text survive": func(t *testing.T, s store.Store) {
		f := example(1)
		poison(reflect.ValueOf(&f).Elem())
		f.State = finding.Active
		put(t, s, f, store.Created)
		got := get(t, s, f.Name)
		check(t, "finding", expect(f, got), got)
		put(t, s, f, store.Duplicate)
		for name, q := range map[string]store.Query{
			"severity": {Severity: f.Severity}, "kind": {Kind: f.Script.Kind}, "namespace": {Namespace: f.Workload.PodNamespace},
			"image": {Image: f.Workload.Image}, "node": {Node: f.Workload.Node}, "sha256": {SHA256: f.Script.SHA256}, "text": {Text: nasty},
		} {
			check(t, "found by "+name, []string{f.Name}, names(list(t, s, q).Findings))
		}
		r := here(f)
		r.Why, r.By = nasty, nasty
		r = allow(t, s, r)
		check(t, "state", finding.Inactive, get(t, s, f.Name).State)
		must(t, s.Disallow(t.Context(), r.ID, nasty, minute(1)))
		all, err := s.Allows(t.Context())
		must(t, err)
		r.Ended, r.EndedBy = minute(1), nasty
		check(t, "rules", []store.AllowRule{r}, all)
	},
	"names of any bytes page": func(t *testing.T, s store.Store) {
		want := []string{"\x00", "\x00\x00", "a", "a\x00", "é", "\xff", "\xff\xff"}
		for _, name := range want {
			put(t, s, finding.Finding{Name: name, EventTime: start}, store.Created)
		}
		got := []string{}
		walk(t, s, store.Query{Limit: 1}, func(page store.Page) { got = append(got, names(page.Findings)...) })
		check(t, "names", want, got)
	},
	"any bytes in a heartbeat survive": func(t *testing.T, s store.Store) {
		st := status("node-a", minute(1))
		st.Name, st.Version, st.Model, st.Watching, st.Degraded = nasty, nasty, nasty, nasty, nasty
		st.Lost = finding.Losses{{Stage: nasty, Reason: nasty}: 1}
		must(t, s.PutSensor(t.Context(), st, st.Time))
		check(t, "sensors", []finding.SensorStatus{st}, heard(t, s))
	},
	"a finding as large as one may be survives": func(t *testing.T, s store.Store) {
		f := example(1)
		f.Script.Contents = bytes.Repeat([]byte("\xffpass\n"), finding.MaxContents/6)
		f.Script.Layers = nil
		for i := range finding.MaxLayers {
			text := bytes.Repeat([]byte{byte(i)}, finding.MaxLayerText)
			f.Script.Layers = append(f.Script.Layers, finding.Layer{Transform: "xor", Parent: i, Text: text, Size: len(text)})
		}
		f.Process.Args = []string{strings.Repeat("\xff", finding.MaxArgs)}
		f.Process.Env = []string{strings.Repeat("\x01", finding.MaxEnv)}
		for range finding.MaxParents {
			f.Process.Parents = append(f.Process.Parents, finding.Process{Args: []string{strings.Repeat("p", 4096)}})
		}
		put(t, s, f, store.Created)
		got := get(t, s, f.Name)
		check(t, "finding", expect(f, got), got)
		check(t, "in a page", 1, len(list(t, s, store.Query{}).Findings))
	},
	"empty and missing texts stay apart": func(t *testing.T, s store.Store) {
		f := example(1)
		f.Script.Contents = []byte{}
		f.Script.Layers = []finding.Layer{{Transform: "a", Text: []byte{}}, {Transform: "b"}, {Transform: "c", Text: []byte("c")}}
		put(t, s, f, store.Created)
		got := get(t, s, f.Name)
		check(t, "finding", expect(f, got), got)
	},
}

var crowds = map[string]func(*testing.T, store.Store){
	"many writers lose and repeat nothing": func(t *testing.T, s store.Store) {
		const writers, scripts, sightings = 8, 5, 4
		var wg sync.WaitGroup
		var mu sync.Mutex
		outcomes := map[store.Outcome]int{}
		for range writers { // all of them put the same sightings
			wg.Go(func() {
				for i := range scripts * sightings {
					got, err := s.Put(t.Context(), again(example(i%scripts), minute(100+i)))
					if err != nil {
						t.Errorf("put: %v", err)
					}
					mu.Lock()
					outcomes[got]++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		const put = scripts * sightings
		check(t, "outcomes", map[store.Outcome]int{
			store.Created: scripts, store.Repeated: put - scripts, store.Duplicate: put * (writers - 1),
		}, outcomes)
		for _, f := range list(t, s, store.Query{}).Findings {
			check(t, "count", int64(sightings), f.Count)
		}
		check(t, "undelivered", int64(scripts), stats(t, s).Undelivered)
	},
	"readers, writers and evictions do not stop each other": func(t *testing.T, s store.Store) {
		var wg sync.WaitGroup
		run := func(what string, f func(i int) error) {
			wg.Go(func() {
				for i := range 40 {
					if err := f(i); err != nil {
						t.Errorf("%s: %v", what, err)
					}
				}
			})
		}
		ctx := t.Context()
		run("put", func(i int) error { _, err := s.Put(ctx, example(i)); return err })
		run("put another", func(i int) error { _, err := s.Put(ctx, example(100+i)); return err })
		run("list", func(i int) error { _, err := s.List(ctx, store.Query{Text: "job", Limit: i}); return err })
		run("count", func(int) error { _, err := s.Count(ctx, store.Query{State: finding.Active}); return err })
		run("due", func(int) error { _, err := s.Due(ctx, minute(0), 10); return err })
		run("evict", func(int) error { _, err := s.Evict(ctx, store.Limits{Findings: 20}, minute(0)); return err })
		run("heartbeat", func(i int) error { return s.PutSensor(ctx, status(fmt.Sprint(i%3), minute(i)), minute(1)) })
		run("allow", func(i int) error {
			r, err := s.Allow(ctx, everywhere(example(i)))
			if err == nil {
				err = s.Disallow(ctx, r.ID, "ada", minute(i))
			}
			return err
		})
		wg.Wait()
		st := stats(t, s)
		n := 0
		walk(t, s, store.Query{Limit: 7}, func(page store.Page) { n += len(page.Findings) })
		check(t, "findings", st.Findings, int64(n))
	},
}
