package storetest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kingsnake/finding"
	"kingsnake/store"
)

// fill puts n findings, of which three at a time share their event time, and
// returns their names in the order of List.
func fill(t *testing.T, s store.Store, n int) []string {
	t.Helper()
	var all []finding.Finding
	for i := range n {
		f := example(i)
		f.EventTime = minute(i / 3)
		put(t, s, f, store.Created)
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b finding.Finding) int {
		if c := b.EventTime.Compare(a.EventTime); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return names(all)
}

var lists = map[string]func(*testing.T, store.Store){
	"an empty store lists and counts nothing": func(t *testing.T, s store.Store) {
		check(t, "page", store.Page{}, list(t, s, store.Query{}))
		n, err := s.Count(t.Context(), store.Query{})
		must(t, err)
		check(t, "count", map[finding.Severity]int{}, n)
	},
	"a page leaves out script contents and layers, and nothing else": func(t *testing.T, s store.Store) {
		f := example(1)
		put(t, s, f, store.Created)
		got := list(t, s, store.Query{}).Findings[0]
		want := expect(f, got)
		want.Script.Contents, want.Script.Layers = nil, nil
		check(t, "finding", want, got)
	},
	"findings are listed newest first, ties by name, page after page": func(t *testing.T, s store.Store) {
		want := fill(t, s, 20)
		for _, size := range []int{1, 2, 3, 7, 19, 20, 21} {
			got := []string{}
			walk(t, s, store.Query{Limit: size}, func(page store.Page) {
				if len(page.Findings) > size || len(page.Findings) == 0 {
					t.Fatalf("a page of %d has %d findings", size, len(page.Findings))
				}
				got = append(got, names(page.Findings)...)
			})
			check(t, fmt.Sprintf("names by %d", size), want, got)
		}
	},
	"pages stay as they were while findings arrive": func(t *testing.T, s store.Store) {
		want := fill(t, s, 30)
		got := []string{}
		i := 0
		walk(t, s, store.Query{Limit: 5}, func(page store.Page) {
			for _, f := range page.Findings {
				if slices.Contains(want, f.Name) {
					got = append(got, f.Name)
				}
			}
			if page.Next == "" {
				return
			}
			i++
			put(t, s, example(1000+i), store.Created)      // newer than all
			put(t, s, example(-1-i), store.Created)        // older than all
			between := example(2000 + i)                   // of a time that is there
			between.EventTime = page.Findings[0].EventTime // on the page just read
			put(t, s, between, store.Created)
		})
		check(t, "names", want, got)
	},
	"a finding seen again moves to the front": func(t *testing.T, s store.Store) {
		want := fill(t, s, 6)
		last := get(t, s, want[5])
		put(t, s, again(last, minute(500)), store.Repeated)
		check(t, "names", append([]string{want[5]}, want[:5]...), names(list(t, s, store.Query{}).Findings))
	},
	"a page has 50 findings unless told, and 1000 at most": func(t *testing.T, s store.Store) {
		for i := range 1010 {
			put(t, s, finding.Finding{Name: fmt.Sprintf("%04d", i), EventTime: start}, store.Created)
		}
		for limit, want := range map[int]int{0: 50, -1: 50, 1: 1, 999: 999, 1000: 1000, 1001: 1000, 1 << 40: 1000} {
			page := list(t, s, store.Query{Limit: limit})
			check(t, fmt.Sprintf("findings for limit %d", limit), want, len(page.Findings))
			if page.Next == "" {
				t.Errorf("limit %d: there is no next page", limit)
			}
		}
	},
	"a page that holds the last finding exactly is the last": func(t *testing.T, s store.Store) {
		fill(t, s, 4)
		check(t, "next", "", list(t, s, store.Query{Limit: 4}).Next)
	},
	"a cursor nobody gave out is refused": func(t *testing.T, s store.Store) {
		fill(t, s, 4)
		good := list(t, s, store.Query{Limit: 2}).Next
		for _, cursor := range []string{
			"x", "!", "0", good[:len(good)-3] + "\x00", good + "=", good + "\n", "' OR 1=1 --", strings.Repeat("A", 1<<16),
			base64.RawURLEncoding.EncodeToString([]byte("\x02\x00\x00\x00\x00\x00\x00\x00\x00n")),
			base64.RawURLEncoding.EncodeToString([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x00")),
		} {
			if _, err := s.List(t.Context(), store.Query{Cursor: cursor}); !errors.Is(err, store.ErrCursor) {
				t.Errorf("cursor %.40q: %v, want ErrCursor", cursor, err)
			}
		}
	},
	"every field of a query selects": func(t *testing.T, s store.Store) {
		odd := example(2)
		odd.Severity, odd.Script.Kind, odd.Workload.PodNamespace = finding.Medium, "stdin", "bank"
		odd.Workload.Image, odd.Workload.Node = "registry.example.com/odd:2", "node-b"
		odd = seal(odd)
		plain := []finding.Finding{example(1), example(3)}
		for _, f := range append(plain, odd) {
			put(t, s, f, store.Created)
		}
		_, err := s.Allow(t.Context(), store.AllowRule{SHA256: odd.Script.SHA256})
		must(t, err)
		for name, q := range map[string]store.Query{
			"severity":  {Severity: finding.Medium},
			"state":     {State: finding.Inactive},
			"kind":      {Kind: "stdin"},
			"namespace": {Namespace: "bank"},
			"image":     {Image: "registry.example.com/odd:2"},
			"node":      {Node: "node-b"},
			"sha256":    {SHA256: odd.Script.SHA256},
			"text":      {Text: "odd:2"},
			"times":     {Since: minute(2), Until: minute(3)},
			"all": {
				Severity: finding.Medium, State: finding.Inactive, Kind: "stdin", Namespace: "bank", Image: "registry.example.com/odd:2",
				Node: "node-b", SHA256: odd.Script.SHA256, Text: "NODE-B", Since: minute(2), Until: minute(3),
			},
		} {
			check(t, name, []string{odd.Name}, names(list(t, s, q).Findings))
			n, err := s.Count(t.Context(), q)
			must(t, err)
			check(t, "count by "+name, map[finding.Severity]int{finding.Medium: 1}, n)
		}
		none := store.Query{Severity: finding.Medium, Kind: "file"}
		check(t, "fields that exclude each other", []string{}, names(list(t, s, none).Findings))
	},
	"since includes its moment and until does not": func(t *testing.T, s store.Store) {
		for i := range 5 {
			put(t, s, example(i), store.Created)
		}
		want := []string{example(2).Name, example(1).Name}
		check(t, "names", want, names(list(t, s, store.Query{Since: minute(1), Until: minute(3)}).Findings))
		check(t, "names", []string{}, names(list(t, s, store.Query{Since: minute(3), Until: minute(1)}).Findings))
	},
	"a text is found in path, image, pod, container and node, in any case": func(t *testing.T, s store.Store) {
		f := example(1)
		f.Script.Path, f.Workload.Image, f.Workload.PodName = "/Opt/ÄRGER/x%y_z.py", "img-Alpha", "pod-Beta"
		f.Workload.ContainerName, f.Workload.Node = "con-Gamma\xffend", "node-Δelta\x00tail"
		put(t, s, seal(f), store.Created)
		put(t, s, example(2), store.Created)
		for _, text := range []string{
			"opt/ärger", "X%Y_Z", "%Y", "_z", "ALPHA", "beta", "gamma\xff", "\xffEND", "ΔELTA\x00TAIL", "\x00t", "node-δ",
		} {
			check(t, fmt.Sprintf("found by %q", text), []string{seal(f).Name}, names(list(t, s, store.Query{Text: text}).Findings))
		}
		for _, text := range []string{
			"%", "x_y", "xy_z", "alpha%", "shop", "python3", "alphapod", "alpha\x00pod", "' OR 1=1 --", "\\", "*", "gamma?", "\xfe",
		} {
			for _, got := range list(t, s, store.Query{Text: text}).Findings {
				if !(text == "%" && got.Name == seal(f).Name) {
					t.Errorf("%q finds %q", text, got.Script.Path)
				}
			}
		}
	},
	"count ignores limit and cursor": func(t *testing.T, s store.Store) {
		fill(t, s, 4)
		n, err := s.Count(t.Context(), store.Query{Limit: 1, Cursor: "nonsense"})
		must(t, err)
		check(t, "count", map[finding.Severity]int{finding.Critical: 4}, n)
	},
}
