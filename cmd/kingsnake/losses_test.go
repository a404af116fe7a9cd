package main

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/detect"
	"kingsnake/finding"
	"kingsnake/workload"
)

func TestContainersWithoutANameAreCountedByWhatTheyHaveInCommon(t *testing.T) {
	t.Parallel()
	var tally lossTally
	missing := func(why string) detect.Result {
		return detect.Result{Workload: workload.Workload{Unresolved: map[string]string{"container.name": why, "container.image": why}}}
	}
	for i := range 3 {
		tally.observe(missing(fmt.Sprintf("no container runtime knows this container (asked /run/%d.sock): it was gone", i)))
	}
	tally.observe(missing("no container runtime socket answered: none exists of /run/containerd/containerd.sock"))
	tally.observe(detect.Result{Script: capture.Script{Truncated: true}})
	tally.observe(detect.Result{})
	got := finding.Losses{}
	tally.addTo(got)
	want := finding.Losses{
		{Stage: finding.StageWorkload, Reason: "no container runtime knows this container"}: 3,
		{Stage: finding.StageWorkload, Reason: "no container runtime socket answered"}:      1,
		{Stage: finding.StageCapture, Reason: "script longer than is kept"}:                 1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for i := range 100 {
		tally.observe(missing(fmt.Sprint("reason ", i)))
	}
	got = finding.Losses{}
	tally.addTo(got)
	if len(got) > maxReasons+2 || got.Total() != 105 {
		t.Errorf("%d reasons, %d in all", len(got), got.Total())
	}
}
