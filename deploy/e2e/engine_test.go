package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/deploy/node"
	"kingsnake/finding"
)

// forEngines runs a test with each of the engines that have Docker's API, or skips
// it.
func forEngines(t *testing.T, test func(t *testing.T, e *node.Engine, in *instance, runtime string)) {
	needNode(t)
	for _, engine := range []struct {
		runtime string
		start   func(context.Context, *node.Artifacts) (*node.Engine, error)
	}{{"docker", node.StartDocker}, {"podman", node.StartPodman}} {
		t.Run(engine.runtime, func(t *testing.T) {
			e, err := engine.start(t.Context(), artifacts)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := e.Stop(); err != nil {
					t.Error(err)
				}
			})
			test(t, e, up(t, "--"+engine.runtime, e.Socket, "--node", "node-1"), engine.runtime)
		})
	}
}

// TestContainersOfDockerAndPodmanAreNamed runs scripts in containers of a real
// Docker and a real Podman, below their usual cgroups and below others, which is
// what --cgroup-parent makes, and in two containers of one name, one after the
// other.
func TestContainersOfDockerAndPodmanAreNamed(t *testing.T) {
	forEngines(t, testNames)
}

func testNames(t *testing.T, e *node.Engine, in *instance, runtime string) {
	ctx := t.Context()
	image, err := e.Python(ctx)
	if err != nil {
		t.Fatal(err)
	}
	nonce := fmt.Sprintf("engine-%d-", time.Now().UnixNano())
	tests := map[string]struct {
		name, parent string
		readOnly     bool
	}{
		"as usual":        {"one", "", false},
		"--cgroup-parent": {"two", "batch", false},
		"the name again":  {"one", "", true},
	}
	want := make(map[string]finding.Workload)
	for _, script := range []string{"as usual", "--cgroup-parent", "the name again"} {
		c := tests[script]
		id, err := e.Run(ctx, node.Container{
			Name: c.name, ReadOnlyRoot: c.readOnly, Command: []string{"sh", "-c", `python3 -c "$0"; true`, imitation(nonce + script)},
		}, c.parent)
		if err != nil {
			t.Fatal(err)
		}
		if code, err := e.Wait(ctx, id); err != nil || code != 0 {
			t.Fatalf("%s ended with %d, %v", c.name, code, err)
		}
		root := "no"
		if c.readOnly {
			root = "yes"
		}
		want[script] = finding.Workload{
			ContainerID: id, ContainerName: c.name, Image: image.Reference, ImageID: image.Digest, Runtime: runtime, ReadOnlyRoot: root, Node: "node-1",
		}
		await(t, script+" is found", func() bool { return in.byLastLine(t, nonce)[script].Name != "" })
		if err := e.Remove(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	for script, f := range in.byLastLine(t, nonce) {
		got := f.Workload
		if created := got.ContainerCreated; created.IsZero() || created.After(f.EventTime) {
			t.Errorf("%s: created at %v, and ran at %v", script, created, f.EventTime)
		}
		got.ContainerCreated = time.Time{}
		if diff := cmp.Diff(want[script], got); diff != "" {
			t.Errorf("%s: -want +got\n%s", script, diff)
		}
	}
}

// TestShortLivedContainersOfDockerAndPodmanAreNamed runs containers that end as
// soon as Python does and are removed at once.
func TestShortLivedContainersOfDockerAndPodmanAreNamed(t *testing.T) {
	forEngines(t, testShortLived)
}

func testShortLived(t *testing.T, e *node.Engine, in *instance, _ string) {
	ctx := t.Context()
	nonce := fmt.Sprintf("brief-%d-", time.Now().UnixNano())
	count := runs(t)
	for i := range count {
		name := fmt.Sprintf("brief-%d", i)
		id, err := e.Run(ctx, node.Container{Name: name, Command: []string{"python3", "-c", imitation(nonce + name)}}, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Wait(ctx, id); err != nil {
			t.Fatal(err)
		}
		if err := e.Remove(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "all are found", func() bool { return len(in.byLastLine(t, nonce)) >= count })
	named := 0
	for script, f := range in.byLastLine(t, nonce) {
		if f.Workload.ContainerName == script && strings.Contains(f.Workload.Image, "python") {
			named++
			continue
		}
		t.Errorf("%s: %+v", script, f.Workload)
	}
	t.Logf("%d of %d containers named right", named, count)
}
