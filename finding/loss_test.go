package finding_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/finding"
)

func TestALossIsOneTextInJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]finding.Loss{
		"capture: exec ring full":  {Stage: finding.StageCapture, Reason: "exec ring full"},
		"push: refused: no: never": {Stage: finding.StagePush, Reason: "refused: no: never"},
		"no stage":                 {Reason: "no stage"},
		": odd":                    {Reason: ": odd"},
		"":                         {},
	} {
		var got finding.Losses
		key, err := json.Marshal(map[string]int{text: 3})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(key, &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(finding.Losses{want: 3}, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
		back, err := json.Marshal(got)
		if err != nil || string(back) != string(key) {
			t.Errorf("%q came back as %s, %v", text, back, err)
		}
	}
}

func TestAHeartbeatKeepsEveryByteOfItsLosses(t *testing.T) {
	t.Parallel()
	want := finding.SensorStatus{Name: "n", Lost: finding.Losses{{Stage: "capture", Reason: "odd \xff\x00"}: 7}}
	b, err := finding.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := finding.Unmarshal[finding.SensorStatus](b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestLossesAddUp(t *testing.T) {
	t.Parallel()
	ring, workload := finding.Loss{Stage: finding.StageCapture, Reason: "ring"}, finding.Loss{Stage: finding.StageWorkload, Reason: "gone"}
	l := finding.Losses{ring: 3, workload: 9}
	l.Add(finding.StageCapture, map[string]uint64{"ring": 2, "none": 0})
	if d := cmp.Diff(finding.Losses{ring: 5, workload: 9}, l); d != "" {
		t.Errorf("added (-want +got):\n%s", d)
	}
	if d := cmp.Diff(finding.Losses{ring: 4}, l.Since(finding.Losses{ring: 1, workload: 10})); d != "" {
		t.Errorf("since (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]finding.Loss{workload, ring}, l.Sorted()); d != "" {
		t.Errorf("sorted (-want +got):\n%s", d)
	}
	l.Add(finding.StageCapture, map[string]uint64{"hold: no verdict in time": 2})
	late := finding.Losses{{Stage: finding.StageHold, Reason: "no verdict in time"}: 2}
	if d := cmp.Diff(late, l.Of(finding.StageHold)); d != "" {
		t.Errorf("of a hold (-want +got):\n%s", d)
	}
	l.Add(finding.StageCapture, map[string]uint64{finding.CompiledTooMuch: 40})
	if got := l.Missed().Total(); got != 5 {
		t.Errorf("missed %d, want 5", got)
	}
	l[ring] = ^uint64(0)
	if got := l.Total(); got != ^uint64(0) {
		t.Errorf("the total ran over: %d", got)
	}
	if finding.Losses(nil).Total() != 0 || len(finding.Losses(nil).Since(l)) != 0 {
		t.Error("no losses are some")
	}
}
