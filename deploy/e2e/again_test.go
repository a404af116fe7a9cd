package e2e

import (
	"fmt"
	"testing"
	"time"

	"kingsnake/deploy/node"
	"kingsnake/finding"
)

// TestNamesUsedAgain makes a pod, and in it a container, and removes it, again and
// again, by the same names, as a StatefulSet does. Each has its own labels, UID and
// id, and a script must never be told to have run in the one before. (Ids are made
// by the runtime from chance: that one of them comes again is tested in
// workload/cri.)
func TestNamesUsedAgain(t *testing.T) {
	n := needNode(t)
	ctx := t.Context()
	in := up(t, "--cri", n.Socket, "--node", "node-1")
	nonce := fmt.Sprintf("again-%d-", time.Now().UnixNano())
	const times = 5
	want := make(map[string]finding.Workload)
	for i := range times {
		round := fmt.Sprint(i)
		pod, err := n.RunPod(ctx, "shop", "store-0", map[string]string{"round": round})
		if err != nil {
			t.Fatal(err)
		}
		c := node.Container{Name: "store", ReadOnlyRoot: i%2 == 0, Command: []string{"python3", "-c", imitation(nonce + round)}}
		id, err := pod.Run(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Wait(ctx, id); err != nil {
			t.Fatal(err)
		}
		want[round] = finding.Workload{ContainerID: id, PodUID: pod.UID, ReadOnlyRoot: map[bool]string{true: "yes", false: "no"}[c.ReadOnlyRoot]}
		if err := pod.Remove(ctx); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "all are found", func() bool { return len(in.byLastLine(t, nonce)) >= times })
	for round, f := range in.byLastLine(t, nonce) {
		w, got := want[round], f.Workload
		if got.ContainerID != w.ContainerID || got.PodUID != w.PodUID || got.ReadOnlyRoot != w.ReadOnlyRoot || got.PodLabels["round"] != round ||
			got.ContainerName != "store" || got.PodName != "store-0" {
			t.Errorf("round %s: want %+v, got %+v", round, w, got)
		}
	}
}
