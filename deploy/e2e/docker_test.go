package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/deploy/node"
	"kingsnake/finding"
)

// needDocker starts a Docker Engine, or skips the test.
func needDocker(t *testing.T) *node.Docker {
	t.Helper()
	needNode(t)
	d, err := node.StartDocker(t.Context(), artifacts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestDockersContainersAreNamed runs scripts in containers of a real Docker, below
// cgroups whose path says that they are Docker's and below others, which is what
// --cgroup-parent makes, and in two containers of one name, one after the other.
func TestDockersContainersAreNamed(t *testing.T) {
	d := needDocker(t)
	ctx := t.Context()
	image, err := d.Python(ctx)
	if err != nil {
		t.Fatal(err)
	}
	in := up(t, "--docker", d.Socket, "--node", "node-1")
	nonce := fmt.Sprintf("docker-%d-", time.Now().UnixNano())
	tests := map[string]struct {
		name, parent string
		readOnly     bool
	}{
		"as usual":        {"one", "docker", false},
		"--cgroup-parent": {"two", "batch", false},
		"the name again":  {"one", "docker", true},
	}
	want := make(map[string]finding.Workload)
	for _, script := range []string{"as usual", "--cgroup-parent", "the name again"} {
		c := tests[script]
		id, err := d.Run(ctx, node.Container{
			Name: c.name, ReadOnlyRoot: c.readOnly, Command: []string{"sh", "-c", `python3 -c "$0"; true`, imitation(nonce + script)},
		}, c.parent)
		if err != nil {
			t.Fatal(err)
		}
		if code, err := d.Wait(ctx, id); err != nil || code != 0 {
			t.Fatalf("%s ended with %d, %v", c.name, code, err)
		}
		root := "no"
		if c.readOnly {
			root = "yes"
		}
		want[script] = finding.Workload{
			ContainerID: id, ContainerName: c.name, Image: image.Reference, ImageID: image.Digest, Runtime: "docker", ReadOnlyRoot: root, Node: "node-1",
		}
		await(t, script+" is found", func() bool { return in.byLastLine(t, nonce)[script].Name != "" })
		if err := d.Remove(ctx, id); err != nil {
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

// TestDockersShortLivedContainersAreNamed runs containers that end as soon as
// Python does and are removed at once.
func TestDockersShortLivedContainersAreNamed(t *testing.T) {
	d := needDocker(t)
	ctx := t.Context()
	in := up(t, "--docker", d.Socket, "--node", "node-1")
	nonce := fmt.Sprintf("docker-brief-%d-", time.Now().UnixNano())
	count := runs(t)
	for i := range count {
		name := fmt.Sprintf("brief-%d", i)
		id, err := d.Run(ctx, node.Container{Name: name, Command: []string{"python3", "-c", imitation(nonce + name)}}, "docker")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Wait(ctx, id); err != nil {
			t.Fatal(err)
		}
		if err := d.Remove(ctx, id); err != nil {
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
