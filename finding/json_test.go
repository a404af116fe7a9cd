package finding

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMarshalKeepsEveryByte(t *testing.T) {
	t.Parallel()
	const odd = "a\x00\xff\xfe\xed\xa0\x80é\U0010fe80\U0010feff\ufffd\x80"
	want := Finding{
		Name: odd, Category: odd, EventTime: time.Unix(1, 5).UTC(), Count: 3,
		Script:   Script{Path: odd, Contents: []byte(odd), Layers: []Layer{{Transform: odd, Text: []byte{0xff}}}},
		Verdict:  Verdict{Score: 0.5, Reasons: []Reason{{Text: odd, Spans: []Span{{Start: 1, End: 2}}}}},
		Process:  Process{Args: []string{odd, ""}, Env: []string{}, Parents: []Process{{Exe: odd, Parents: []Process{{Comm: odd}}}}},
		Workload: Workload{PodLabels: map[string]string{odd: odd}, Unresolved: map[string]string{}},
	}
	b, err := Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Unmarshal[Finding](b)
	if err != nil {
		t.Fatal(err)
	}
	want.Workload.Unresolved = nil // omitted when empty
	want.Process.Env = nil
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestMarshalOfPlainTextIsOrdinaryJSON(t *testing.T) {
	t.Parallel()
	s := SensorStatus{Name: "node-a", Lost: Losses{{Stage: "capture", Reason: "ring full"}: 2}}
	want, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
}

func TestMarshalRefusesWhatJSONCannotSay(t *testing.T) {
	t.Parallel()
	if _, err := Marshal(Finding{EventTime: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil {
		t.Error("a time in the year 12000 was accepted")
	}
}

func FuzzStrays(f *testing.F) {
	f.Add("\xff\U0010fe80")
	f.Fuzz(func(t *testing.T, s string) {
		if got := showStrays(hideStrays(s)); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	})
}
