package cri_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kingsnake/capture"
	"kingsnake/workload"
	"kingsnake/workload/cri"
	"kingsnake/workload/cri/critest"
)

const podUID = "3f2a8c1e-9b7d-4c55-8e21-0a1b2c3d4e5f"

var (
	id      = strings.Repeat("c0ffee12", 8)
	sandbox = strings.Repeat("5a4db0c5", 8)
	digest  = "sha256:" + strings.Repeat("ab12", 16)
)

// in is a process in the container of that id.
func in(id string) capture.Process {
	return capture.Process{PID: 1 << 30, Cgroup: "/kubepods/burstable/pod" + podUID + "/" + id}
}

// web is a container as the kubelet has one made.
func web() critest.Container {
	return critest.Container{
		ID: id, Name: "web", Image: "registry.example.com/shop/web:1.4", ImageRef: "registry.example.com/shop/web@" + digest,
		Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC).UnixNano(), ReadOnlyRoot: true,
		Labels: map[string]string{
			"io.kubernetes.container.name": "web", "io.kubernetes.pod.name": "web-7d9c",
			"io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.uid": podUID,
		},
		Sandbox: sandbox, PodNamespace: "shop", PodName: "web-7d9c", PodUID: podUID,
		PodLabels: map[string]string{"app": "web", "io.kubernetes.pod.name": "web-7d9c"},
	}
}

// wantWeb is what is to be found out about web.
func wantWeb() workload.Workload {
	return workload.Workload{
		Container: workload.Container{
			ID: id, Name: "web", Image: "registry.example.com/shop/web:1.4", ImageID: digest,
			Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Runtime: "containerd", ReadOnlyRoot: "yes",
		},
		Pod:     workload.Pod{Namespace: "shop", Name: "web-7d9c", UID: podUID, Labels: map[string]string{"app": "web"}},
		Node:    "node-1",
		Cluster: "prod",
	}
}

// open returns a resolver that asks these sockets.
func open(t *testing.T, sockets ...string) *cri.Resolver {
	t.Helper()
	return openConfig(t, cri.Config{Socket: strings.Join(sockets, ",")})
}

// openConfig returns a resolver on node-1 of prod.
func openConfig(t *testing.T, config cri.Config) *cri.Resolver {
	t.Helper()
	config.Node, config.Cluster = "node-1", "prod"
	r := cri.NewResolver(config)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestResolveAsksTheRuntime(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*critest.Container)
		id     string
		want   func(*workload.Workload)
	}{
		"The runtime knows everything.": {},
		"The root file system can be written to.": {
			change: func(c *critest.Container) { c.ReadOnlyRoot = false },
			want:   func(w *workload.Workload) { w.Container.ReadOnlyRoot = "no" },
		},
		"A runtime without details is asked for the sandbox in its list.": {
			change: func(c *critest.Container) { c.NoInfo = true },
			want: func(w *workload.Workload) {
				w.Container.ReadOnlyRoot = ""
				w.Unresolved = map[string]string{"container.read_only_root": "the container runtime gives no details"}
			},
		},
		"The sandbox is gone: the container's own labels name the pod.": {
			change: func(c *critest.Container) { c.Sandbox = "" },
			want: func(w *workload.Workload) {
				w.Pod.Labels = nil
				w.Unresolved = map[string]string{"pod.labels": `the container runtime was asked for the pod: sandbox "": not found`}
			},
		},
		"No pod anywhere: its UID is in the cgroup.": {
			change: func(c *critest.Container) { c.Sandbox, c.Labels = "", nil },
			want: func(w *workload.Workload) {
				w.Pod = workload.Pod{UID: podUID}
				why := `the container runtime was asked for the pod: sandbox "": not found`
				w.Unresolved = map[string]string{"pod.labels": why, "pod.name": why, "pod.namespace": why}
			},
		},
		"The image has lost its tag.": {
			change: func(c *critest.Container) { c.Image = digest },
			want:   func(w *workload.Workload) { w.Container.Image = "registry.example.com/shop/web@" + digest },
		},
		"The image was never in a registry.": {
			change: func(c *critest.Container) { c.ImageRef = digest },
		},
		"The runtime says nothing of the image.": {
			change: func(c *critest.Container) { c.Image, c.ImageRef = "", "" },
			want: func(w *workload.Workload) {
				w.Container.Image, w.Container.ImageID = "", ""
				w.Unresolved = map[string]string{
					"container.image":    "the container runtime did not say",
					"container.image_id": "the container runtime did not say",
				}
			},
		},
		"The id is that of the pod's sandbox.": {
			id: sandbox,
			want: func(w *workload.Workload) {
				w.Container = workload.Container{ID: sandbox, Runtime: "containerd"}
				why := "this is the pod's sandbox, which is not one of its containers"
				w.Unresolved = map[string]string{"container.name": why, "container.image": why}
			},
		},
		"Labels and names beyond all bounds are cut.": {
			change: func(c *critest.Container) {
				c.Name = strings.Repeat("é", 4096)
				c.PodLabels = make(map[string]string)
				for i := range 1000 {
					c.PodLabels[fmt.Sprintf("label-%03d", i)] = strings.Repeat("x", 5000)
				}
			},
			want: func(w *workload.Workload) {
				w.Container.Name = strings.Repeat("é", 512)
				w.Pod.Labels = make(map[string]string)
				for i := range 128 {
					w.Pod.Labels[fmt.Sprintf("label-%03d", i)] = strings.Repeat("x", 1024)
				}
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			container, want, asked := web(), wantWeb(), id
			if test.change != nil {
				test.change(&container)
			}
			if test.want != nil {
				test.want(&want)
			}
			if test.id != "" {
				asked = test.id
			}
			r := open(t, critest.Start(t, container).Socket)
			if diff := cmp.Diff(want, r.Resolve(t.Context(), in(asked))); diff != "" {
				t.Errorf("Resolve: -want +got\n%s", diff)
			}
			if why := r.Unavailable(); why != "" {
				t.Errorf("want an available runtime, got %q", why)
			}
		})
	}
}

func TestResolveSaysWhyNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing, plain := filepath.Join(dir, "missing"), filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	known := critest.Start(t)
	hanging := critest.Start(t)
	hanging.Hang()

	tests := map[string]struct {
		sockets   []string
		timeout   time.Duration
		words     string
		available bool
	}{
		"No socket exists.": {
			sockets: []string{missing}, words: "no container runtime socket answered: none exists of " + missing,
		},
		"The socket is a plain file.": {
			sockets: []string{plain}, words: "no container runtime socket answered: " + plain + ": is not a socket",
		},
		"The runtime does not know the container.": {
			sockets: []string{missing, known.Socket}, available: true,
			words: "no container runtime knows this container (asked " + known.Socket + "): it was gone before it was asked for, or it was not made through CRI",
		},
		"The runtime does not answer.": {
			sockets: []string{hanging.Socket}, timeout: 50 * time.Millisecond,
			words: "no container runtime socket answered: " + hanging.Socket + ": did not answer in time",
		},
		"One runtime does not know it, another does not answer.": {
			sockets: []string{known.Socket, hanging.Socket}, timeout: 50 * time.Millisecond,
			words: "no container runtime socket answered: " + hanging.Socket + ": did not answer in time",
		},
		"Something else listens.": {
			sockets: []string{listen(t, grpc.NewServer())}, words: "answers, but does not offer CRI v1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := openConfig(t, cri.Config{Socket: strings.Join(test.sockets, ","), Timeout: test.timeout})
			got := r.Resolve(t.Context(), in(id))
			if got.Container.ID != id || got.Pod.UID != podUID || got.Node != "node-1" {
				t.Errorf("what the cgroup says is missing: %+v", got)
			}
			for _, field := range []string{
				"container.name", "container.image", "container.image_id", "container.created",
				"container.read_only_root", "pod.name", "pod.namespace", "pod.labels",
			} {
				if !strings.Contains(got.Unresolved[field], test.words) {
					t.Errorf("%s: want %q, got %q", field, test.words, got.Unresolved[field])
				}
			}
			if available := r.Unavailable() == ""; available != test.available {
				t.Errorf("Unavailable: %q", r.Unavailable())
			}
		})
	}
}

// listen serves server on a socket of its own until the test ends.
func listen(t *testing.T, server *grpc.Server) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cri")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func TestResolveAsksTheNextSocket(t *testing.T) {
	t.Parallel()
	r := open(t, critest.Start(t).Socket, critest.Start(t, web()).Socket)
	if diff := cmp.Diff(wantWeb(), r.Resolve(t.Context(), in(id))); diff != "" {
		t.Errorf("Resolve: -want +got\n%s", diff)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	fake := critest.Start(t)
	other := listen(t, grpc.NewServer())
	old := listen(t, grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if method, _ := grpc.MethodFromServerStream(stream); method != "/runtime.v1alpha2.RuntimeService/Version" {
			return status.Error(codes.Unimplemented, "unknown service runtime.v1.RuntimeService")
		}
		if err := stream.RecvMsg(new(runtime.VersionRequest)); err != nil {
			return err
		}
		return stream.SendMsg(&runtime.VersionResponse{RuntimeName: "containerd", RuntimeVersion: "1.4.13"})
	})))
	want := []cri.Status{
		{Path: fake.Socket, OK: true, Detail: "containerd v0.0.0-fake"},
		{Path: missing, Detail: "there is no such socket", Fix: "start the container runtime, or name the socket it listens on"},
		{
			Path: other, Detail: "answers, but does not offer CRI v1",
			Fix: `take "cri" off disabled_plugins in the configuration of the runtime behind ` + other,
		},
		{Path: old, Detail: "offers only CRI v1alpha2", Fix: "update the runtime: containerd to 1.6 or later, CRI-O to 1.20 or later"},
	}
	got := cri.Check(t.Context(), strings.Join([]string{fake.Socket, missing, other, old}, ","))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Check: -want +got\n%s", diff)
	}
	if got := cri.Check(t.Context(), ""); len(got) != len(cri.DefaultSockets()) {
		t.Errorf("want a status for each of %d usual sockets, got %d", len(cri.DefaultSockets()), len(got))
	}
}
