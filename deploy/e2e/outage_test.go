package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kingsnake/deploy/node"
	"kingsnake/finding"
)

// TestARuntimeThatIsAway kills the container runtime while scripts run. A sensor
// that had followed it knows every container that runs; one that starts meanwhile
// reports what it can, counts what it cannot know, and knows when the runtime is
// back.
func TestARuntimeThatIsAway(t *testing.T) {
	n := needNode(t)
	ctx := t.Context()
	before := up(t, "--cri", n.Socket, "--node", "node-1")
	pod, err := n.RunPod(ctx, "shop", "web-7d9c", map[string]string{"app": "web"})
	if err != nil {
		t.Fatal(err)
	}
	nonce, signs := fmt.Sprintf("outage-%d-", time.Now().UnixNano()), t.TempDir()
	sign := func(name string) { // tells the container to go on
		if err := os.WriteFile(filepath.Join(signs, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	id, err := pod.Run(ctx, node.Container{
		Name: "worker", Mounts: map[string]string{"/signs": signs},
		Command: []string{"sh", "-c", `await() { until [ -e "/signs/$1" ]; do sleep 0.1; done; }
await away; python3 -c "$0 away"
await back; for i in $(seq 100); do python3 -c "$0 back$i"; sleep 0.5; done`, imitation(nonce + "of")},
	})
	if err != nil {
		t.Fatal(err)
	}
	named := func(f finding.Finding) bool {
		w := f.Workload
		return w.ContainerID == id && w.ContainerName == "worker" && w.Image == n.Python().Reference && w.PodName == "web-7d9c" && w.PodUID == pod.UID
	}

	if err := n.KillRuntime(ctx); err != nil {
		t.Fatal(err)
	}
	during := up(t, "--cri", n.Socket, "--node", "node-1")
	sign("away")
	const away = "of away"
	await(t, "both find what runs meanwhile", func() bool {
		return before.byLastLine(t, nonce)[away].Name != "" && during.byLastLine(t, nonce)[away].Name != ""
	})
	if got := before.byLastLine(t, nonce)[away]; !named(got) || len(got.Workload.PodLabels) != 1 {
		t.Errorf("the sensor that followed the runtime: %+v", got.Workload)
	}
	got := during.byLastLine(t, nonce)[away].Workload
	if got.ContainerID != id || got.PodUID != pod.UID || got.ContainerName != "" || got.Unresolved["container.name"] == "" || got.Unresolved["pod.name"] == "" {
		t.Errorf("the sensor that started meanwhile: %+v", got)
	}
	status := func() finding.SensorStatus { // as of its latest heartbeat
		sensors, err := during.sensors(ctx)
		if err != nil || len(sensors) != 1 {
			t.Fatal(sensors, err)
		}
		return sensors[0]
	}
	reason := finding.Loss{Stage: finding.StageWorkload, Reason: "container runtime unreachable"}
	await(t, "what is not known is counted, and said", func() bool {
		st := status()
		return st.Lost[reason] > 0 && strings.Contains(st.Degraded, n.Socket)
	})

	if err := n.StartRuntime(ctx); err != nil {
		t.Fatal(err)
	}
	sign("back")
	for when, in := range map[string]*instance{"before": before, "meanwhile": during} {
		await(t, "the sensor that started "+when+" knows the container", func() bool {
			for name, f := range in.byLastLine(t, nonce) {
				if strings.HasPrefix(name, "of back") && named(f) {
					return true
				}
			}
			return false
		})
	}
	if _, err := pod.Run(ctx, node.Container{Name: "later", Command: []string{"python3", "-c", imitation(nonce + "later")}}); err != nil {
		t.Fatal(err)
	}
	for when, in := range map[string]*instance{"before": before, "meanwhile": during} {
		await(t, "the sensor that started "+when+" names a new container", func() bool {
			return in.byLastLine(t, nonce)["later"].Workload.ContainerName == "later"
		})
	}
	if err := n.Remove(ctx, id); err != nil {
		t.Fatal(err)
	}
	await(t, "nothing is in the way any more", func() bool { return status().Degraded == "" })
}
