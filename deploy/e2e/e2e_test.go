// Package e2e runs kingsnake against real containers: containerd and runc on
// this machine, set up by package kingsnake/deploy/node.
//
// It needs root, and some minutes to build containerd the first time. Its tests
// are skipped unless KINGSNAKE_E2E=1; make e2e sets it. The test with a whole
// Kubernetes needs none of that, but the Kubernetes: see make cluster.
package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kingsnake/capture"
	"kingsnake/deploy/node"
	"kingsnake/workload"
	"kingsnake/workload/cri"
)

// theNode is the one node all tests share, and artifacts what it is made of; nil
// when they are skipped.
var (
	theNode   *node.Node
	artifacts *node.Artifacts
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

// run starts the node around the tests.
func run(m *testing.M) (code int) {
	if os.Getenv("KINGSNAKE_E2E") != "1" || os.Geteuid() != 0 {
		return m.Run()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	var err error
	artifacts, err = node.Prepare(ctx, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "prepare the node:", err)
		return 1
	}
	theNode, err = node.Start(ctx, artifacts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the node:", err)
		return 1
	}
	defer func() {
		if err := theNode.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the node:", err)
			code = 1
		}
	}()
	return m.Run()
}

// needNode returns the node, or skips the test.
func needNode(t *testing.T) *node.Node {
	t.Helper()
	if theNode == nil {
		t.Skip("this needs root and containers: run it with sudo env KINGSNAKE_E2E=1 go test -timeout 40m ./deploy/e2e")
	}
	return theNode
}

// TestResolverNamesARealContainer asks a real containerd about a process in one
// of its containers, first known by its cgroup, then by its number alone, then
// when the container is gone.
func TestResolverNamesARealContainer(t *testing.T) {
	n := needNode(t)
	ctx := t.Context()
	pod, err := n.RunPod(ctx, "shop", "web-7d9c", map[string]string{"app": "web"})
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	id, err := pod.Run(ctx, node.Container{Name: "web", Command: []string{"sleep", "600"}, ReadOnlyRoot: true})
	if err != nil {
		t.Fatal(err)
	}
	pids, err := n.Processes(id)
	if err != nil || len(pids) == 0 {
		t.Fatalf("processes of %s: %v, %v", id, pids, err)
	}

	image := n.Python()
	want := workload.Workload{
		Container: workload.Container{
			ID: id, Name: "web", Image: image.Reference, ImageID: image.Digest, Runtime: "containerd", ReadOnlyRoot: "yes",
		},
		Pod:  workload.Pod{Namespace: "shop", Name: "web-7d9c", UID: pod.UID, Labels: map[string]string{"app": "web"}},
		Node: "node-1",
	}
	noTime := cmpopts.IgnoreFields(workload.Container{}, "Created")
	r := cri.NewResolver(cri.Config{Socket: n.Socket, Node: "node-1"})
	defer r.Close()
	got := r.Resolve(ctx, capture.Process{PID: pids[0]})
	if diff := cmp.Diff(want, got, noTime); diff != "" {
		t.Errorf("by its number: -want +got\n%s", diff)
	}
	if created := got.Container.Created; created.Before(before) || created.After(time.Now()) {
		t.Errorf("created at %v, want after %v", created, before)
	}
	byCgroup := cri.NewResolver(cri.Config{Socket: n.Socket, Node: "node-1"})
	defer byCgroup.Close()
	if diff := cmp.Diff(want, byCgroup.Resolve(ctx, capture.Process{PID: 1 << 30, Cgroup: id}), noTime); diff != "" {
		t.Errorf("by its cgroup: -want +got\n%s", diff)
	}
	if err := n.Remove(ctx, id); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, r.Resolve(ctx, capture.Process{PID: 1 << 30, Cgroup: "/x/" + id}), noTime); diff != "" {
		t.Errorf("when it is gone: -want +got\n%s", diff)
	}
	late := cri.NewResolver(cri.Config{Socket: n.Socket, Node: "node-1"})
	defer late.Close()
	if got := late.Resolve(ctx, capture.Process{Cgroup: "/x/" + id}); got.Container.ID != id || got.Unresolved["container.name"] == "" {
		t.Errorf("asked for too late: %+v", got)
	}
	for _, s := range cri.Check(ctx, n.Socket+","+filepath.Join(t.TempDir(), "missing")) {
		t.Logf("%+v", s)
	}
}

// TestResolverFollowsARealRuntime looks up a container that is removed before
// anybody asks for it.
func TestResolverFollowsARealRuntime(t *testing.T) {
	n := needNode(t)
	ctx, cancel := context.WithCancel(t.Context())
	r := cri.NewResolver(cri.Config{Socket: n.Socket})
	defer r.Close()
	var following sync.WaitGroup
	following.Go(func() { r.Follow(ctx) })
	defer following.Wait()
	defer cancel()

	pod, err := n.RunPod(ctx, "shop", "brief-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	// Whether it follows yet is not to be seen from outside, so the first
	// containers may come too early.
	await(t, "a container that is gone is known", func() bool {
		id, err := pod.Run(ctx, node.Container{Name: "brief", Command: []string{"true"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Wait(ctx, id); err != nil {
			t.Fatal(err)
		}
		if err := n.Remove(ctx, id); err != nil {
			t.Fatal(err)
		}
		got := r.Resolve(ctx, capture.Process{Cgroup: "/" + id})
		return got.Container.Name == "brief" && got.Pod.Name == "brief-1"
	})
}
