package eval

import (
	"math"
	"strings"
	"testing"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
)

func TestTheMarksOfTheRepositoryAreSound(t *testing.T) {
	marks, err := parseMarks(marksFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(marks) < 60 {
		t.Errorf("%d scripts marked, want at least 60", len(marks))
	}
	for id, m := range marks {
		if len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
			t.Errorf("%q is no digest", id)
		}
		if m.core.shared(m.all) != len(m.core) {
			t.Errorf("%s: a core line is not among all", id)
		}
	}
}

func TestMarksAreRefused(t *testing.T) {
	for _, file := range []string{
		"a\t1", "a\t1\t2\t3", "\t1\t2", "a\t\t2", "a\tx\t", "a\t3-2\t", "a\t0\t", "a\t1-99999999\t", "a\t1\t\na\t2\t",
	} {
		if m, err := parseMarks(file); err == nil {
			t.Errorf("%q was read as %v", file, m)
		}
	}
}

func TestPointingCountsLines(t *testing.T) {
	marks, err := parseMarks("# comment\na\t3\t5-6\nb\t1\t\nc\t2\t\n")
	if err != nil {
		t.Fatal(err)
	}
	rows := []corpus.Row{
		{ID: "a", Text: "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"}, // eight lines are not marked
		{ID: "b", Text: "1\n2"},
		{ID: "c", Text: "1\n2"}, // not flagged
		{ID: "unmarked", Text: "1"},
	}
	reasons := map[string][]classify.Reason{
		"a": {{Spans: []classify.Span{{Line: 5, EndLine: 5}, {Line: 5, EndLine: 5}}}, {Spans: []classify.Span{{Line: 2, EndLine: 4}}}},
		"b": {{Spans: []classify.Span{{Line: 2, EndLine: 2}}}},
	}
	p := compareMarks(func(row *corpus.Row) ([]classify.Reason, bool) { return reasons[row.ID], row.ID != "c" }, rows, marks)
	want := Pointing{Marked: 3, Flagged: 2, Precision: (0.5 + 0) / 2, HitRate: 0.5, FirstHit: 0, Coverage: (2.0/3 + 0) / 2, Highlighted: (0.4 + 0.5) / 2}
	for _, f := range []struct {
		name      string
		got, want float64
	}{
		{"marked", float64(p.Marked), float64(want.Marked)},
		{"flagged", float64(p.Flagged), float64(want.Flagged)},
		{"precision", p.Precision, want.Precision},
		{"hit rate", p.HitRate, want.HitRate},
		{"first hit", p.FirstHit, want.FirstHit},
		{"coverage", p.Coverage, want.Coverage},
		{"highlighted", p.Highlighted, want.Highlighted},
	} {
		if math.Abs(f.got-f.want) > 1e-9 {
			t.Errorf("%s %v, want %v", f.name, f.got, f.want)
		}
	}
	if len(p.Rows) != 2 || p.Rows[0].ID != "a" || p.Rows[0].Pointed != 4 || p.Rows[0].Right != 2 || !p.Rows[0].Hit || p.Rows[0].First {
		t.Errorf("rows %+v", p.Rows)
	}
	if p := compareMarks(nil, rows[3:], marks); p.Marked != 0 || p.Precision != 0 {
		t.Errorf("%+v of a script without marks", p)
	}
}

func FuzzParseMarks(f *testing.F) {
	f.Add("a\t1,2-3\t5\n")
	f.Add("# c\n\nb\t1\t\n")
	f.Fuzz(func(t *testing.T, file string) {
		if len(file) > 200 {
			return // ranges may be long
		}
		marks, err := parseMarks(file)
		for id, m := range marks {
			if err == nil && (id == "" || len(m.core) == 0 || len(m.core) > len(m.all)) {
				t.Errorf("%q: %v", id, m)
			}
		}
	})
}
