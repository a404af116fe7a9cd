package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/workload"
	"kingsnake/workload/cgroup"
	"kingsnake/workload/state"
)

var id = strings.Repeat("c0ffee12", 8)

const uid = "3f2a8c1e-9b7d-4c55-8e21-0a1b2c3d4e5f"

// made is when every bundle of the tests was.
var made = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// root is a node's file system with one file.
func root(t *testing.T, path, text string) state.Source {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, made, made); err != nil {
		t.Fatal(err)
	}
	return state.Source{Root: dir}
}

const bundles = "run/containerd/io.containerd.runtime.v2.task/"

func TestFind(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("a", 64)
	leaves := func(namespace string) string {
		return "containerd's bundle, in its namespace " + namespace + ", leaves it out"
	}
	tests := map[string]struct {
		path, text string
		runtime    string // by the cgroup
		want       workload.Workload
	}{
		"a pod's container, its runtime's socket away": {
			path: bundles + "k8s.io/" + id + "/config.json", runtime: "containerd",
			text: `{"ociVersion":"1.2.1","root":{"path":"rootfs","readonly":true},"annotations":{"io.kubernetes.cri.container-name":"web","io.kubernetes.cri.container-type":"container",
"io.kubernetes.cri.image-name":"registry.example.com/web:1","io.kubernetes.cri.sandbox-name":"web-0","io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-uid":"` + uid + `"}}`,
			want: workload.Workload{
				Container:  workload.Container{ID: id, Name: "web", Image: "registry.example.com/web:1", Created: made, Runtime: "containerd", ReadOnlyRoot: "yes"},
				Pod:        workload.Pod{Namespace: "shop", Name: "web-0", UID: uid},
				Unresolved: map[string]string{"container.image_id": leaves("k8s.io"), "pod.labels": leaves("k8s.io")},
			},
		},
		"ctr run": {
			path: bundles + "default/" + id + "/config.json", text: `{"root":{"path":"rootfs"}}`,
			want: workload.Workload{
				Container:  workload.Container{ID: id, Created: made, Runtime: "containerd", ReadOnlyRoot: "no"},
				Unresolved: map[string]string{"container.image_id": leaves("default"), "container.name": leaves("default"), "container.image": leaves("default")},
			},
		},
		"Podman": {
			path: "var/lib/containers/storage/overlay-containers/containers.json", runtime: "podman",
			text: `[{"id":"other"},{"id":"` + id + `","names":["job"],"image":"` + digest[7:] + `","layer":"l","metadata":"{\"image-name\":\"registry.example.com/job:1\",\"image-id\":\"x\",\"name\":\"job\",\"created-at\":1772600767}","created":"2026-03-04T05:06:07Z"}]`,
			want: workload.Workload{
				Container:  workload.Container{ID: id, Name: "job", Image: "registry.example.com/job:1", ImageID: digest, Created: made, Runtime: "podman"},
				Unresolved: map[string]string{"container.read_only_root": "Podman's storage does not say"},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := root(t, test.path, test.text).Find(t.Context(), cgroup.Container{ID: id, Runtime: test.runtime})
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%v -want +got\n%s", err, diff)
			}
		})
	}
}

func TestFindSaysWhyNot(t *testing.T) {
	t.Parallel()
	other := cgroup.Container{ID: strings.Repeat("d", 64)}
	bundle := bundles + "default/" + id + "/config.json"
	for name, test := range map[string]struct {
		source    state.Source
		container cgroup.Container
		is        error
	}{
		"nothing there":     {state.Source{Root: t.TempDir()}, other, workload.ErrNotServed},
		"Docker's":          {root(t, bundle, "{}"), cgroup.Container{ID: id, Runtime: "docker"}, workload.ErrNotServed},
		"another container": {root(t, bundle, "{}"), other, workload.ErrUnknown},
		"broken":            {root(t, bundle, "{"), cgroup.Container{ID: id}, nil},
		"too large":         {root(t, bundle, strings.Repeat(" ", 9<<20)), cgroup.Container{ID: id}, nil},
	} {
		if _, err := test.source.Find(t.Context(), test.container); err == nil || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
