package engine_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/workload"
	"kingsnake/workload/cgroup"
	"kingsnake/workload/engine"
)

var id = strings.Repeat("c0ffee12", 8)

// inspected is an answer in the form of Docker Engine's API, version 1.41, cut to
// what is read and some of what is not; Podman's 4.3 has the same members.
const inspected = `{"Id":%q,"Created":"2026-03-04T05:06:07.123456789Z","Path":"python3","Args":["job.py"],"State":{"Status":"running","Pid":4242},
"Image":"sha256:%s","Name":"/batch_job_1","RestartCount":0,"HostConfig":{"ReadonlyRootfs":true,"CgroupParent":""},
"Config":{"Hostname":"x","Image":"registry.example.com/batch:2","Labels":{"com.docker.compose.project":"batch"}}}`

// listen serves an engine's API on a socket, and returns its path.
func listen(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handle}
	go func() { _ = server.Serve(listener) }() // until Close
	t.Cleanup(func() { server.Close() })
	return path
}

// answer serves one container.
func answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/containers/"+id+"/json" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	fmt.Fprintf(w, inspected, id, strings.Repeat("a", 64))
}

func TestFind(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	for _, runtime := range []string{"docker", "podman"} {
		config := engine.Config{Docker: missing, Podman: missing}
		if socket := listen(t, answer); runtime == "docker" {
			config.Docker = socket
		} else {
			config.Podman = socket
		}
		want := workload.Workload{Container: workload.Container{
			ID: id, Name: "batch_job_1", Image: "registry.example.com/batch:2", ImageID: "sha256:" + strings.Repeat("a", 64),
			Created: time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC), Runtime: runtime, ReadOnlyRoot: "yes",
		}}
		for _, said := range []string{runtime, ""} {
			got, err := engine.New(config).Find(t.Context(), cgroup.Container{ID: id, Runtime: said})
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s, the path says %q: %v -want +got\n%s", runtime, said, err, diff)
			}
		}
	}
}

// TestFindReadsARecordedAnswer replays what Podman 4.3.1 of Debian 12 said about
// a container that was run with "podman run --name box --read-only"; its paths
// were changed.
func TestFindReadsARecordedAnswer(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/podman-4.3.1.json")
	if err != nil {
		t.Fatal(err)
	}
	socket := listen(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(text) })
	const recorded = "362639a4d2bfc952b07a2bd9e26ed54a97fe4cad27eba15466ab719d685f98a3"
	got, err := engine.New(engine.Config{Podman: socket}).Find(t.Context(), cgroup.Container{ID: recorded, Runtime: "podman"})
	want := workload.Workload{Container: workload.Container{
		ID: recorded, Name: "box", Image: "example.com/bb:1", ImageID: "sha256:94001fa7f66c33151ed78c690d5320efa041a69d1df239602be09d59496dc2ad",
		Created: time.Date(2026, 11, 28, 20, 30, 42, 446775301, time.UTC), Runtime: "podman", ReadOnlyRoot: "yes",
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v -want +got\n%s", err, diff)
	}
}

// TestARealPodman finds a running container by its process's cgroup.
func TestARealPodman(t *testing.T) {
	socket, pid := os.Getenv("KINGSNAKE_PODMAN_SOCKET"), os.Getenv("KINGSNAKE_PODMAN_PID")
	if socket == "" || pid == "" {
		t.Skip("this needs Podman: start \"podman system service --time=0 unix://SOCKET\" and a container, and run it with " +
			"KINGSNAKE_PODMAN_SOCKET=SOCKET KINGSNAKE_PODMAN_PID=PID-IN-THE-CONTAINER go test -run TestARealPodman ./workload/engine")
	}
	text, err := os.ReadFile(filepath.Join("/proc", pid, "cgroup"))
	if err != nil {
		t.Fatal(err)
	}
	c := cgroup.ParseProc(text)
	if c.Runtime != "podman" {
		t.Fatalf("cgroup %s is of %q", text, c.Runtime)
	}
	w, err := engine.New(engine.Config{Podman: socket}).Find(t.Context(), c)
	if err != nil || w.Container.Name == "" || w.Container.Image == "" || w.Container.Created.IsZero() {
		t.Errorf("%v: %+v", err, w)
	}
	t.Logf("%+v", w)
}

func TestFindSaysWhyNot(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); fmt.Fprint(w, body) }
	}
	tests := map[string]struct {
		docker    string
		container cgroup.Container
		is        error
		words     string
	}{
		"A pod's container is CRI's.":       {missing, cgroup.Container{ID: id, Runtime: "docker", PodUID: "u"}, workload.ErrNotServed, ""},
		"containerd's is not ours.":         {missing, cgroup.Container{ID: id, Runtime: "containerd"}, workload.ErrNotServed, ""},
		"Nothing is installed.":             {missing, cgroup.Container{ID: id}, workload.ErrNotServed, ""},
		"Docker's, and no socket.":          {missing, cgroup.Container{ID: id, Runtime: "docker"}, fs.ErrNotExist, "docker at"},
		"It does not know the container.":   {listen(t, status(404, `{"message":"No such container"}`)), cgroup.Container{ID: id, Runtime: "docker"}, workload.ErrUnknown, "asked"},
		"It answers about another.":         {listen(t, status(200, `{"Id":"other"}`)), cgroup.Container{ID: id, Runtime: "docker"}, workload.ErrUnknown, "another"},
		"It is broken.":                     {listen(t, status(500, "")), cgroup.Container{ID: id, Runtime: "docker"}, nil, "500"},
		"It sends something else than JSON": {listen(t, status(200, "<html>")), cgroup.Container{ID: id, Runtime: "docker"}, nil, "unreadable"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := engine.New(engine.Config{Docker: test.docker, Podman: missing}).Find(t.Context(), test.container)
			if err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.words) {
				t.Errorf("got %v", err)
			}
		})
	}
}
