package node

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Packages that Docker and Podman run from, without what every Debian has.
var (
	dockerPackages = []string{"containerd", "docker.io", "libdevmapper1.02.1", "libseccomp2", "runc", "tini"}
	podmanPackages = []string{
		"conmon", "libassuan0", "libdevmapper1.02.1", "libglib2.0-0", "libgpgme11", "libseccomp2", "libsubid4", "podman", "runc",
	}
)

// engineImage is the name of the image with Python. Podman has no other tag for
// what it imports.
const engineImage = "example.com/e2e/python"

// Engine is a running Docker Engine, or Podman's service, which has the same API. It
// is kept apart as a Node is. Its methods are safe for concurrent use.
type Engine struct {
	// Socket is where it listens.
	Socket string

	*daemon
	parent string // the cgroup above its containers', where it is not told another
	http   *http.Client
}

// StartDocker starts a Docker Engine that has the Python image. The caller must
// stop it; the kernel does when this process dies.
func StartDocker(ctx context.Context, a *Artifacts) (*Engine, error) {
	return startEngine(ctx, a, "dockerd", "docker", func(e *Engine) ([]string, error) {
		// Not every kernel has what Docker's bridge needs, and nothing is to be reached.
		return append(environment(a.docker), "dockerd", "--host", "unix://"+e.Socket, "--data-root", filepath.Join(e.dir, "root"),
			"--exec-root", filepath.Join(e.dir, "exec"), "--pidfile", filepath.Join(e.dir, "pid"), "--iptables=false", "--bridge=none"), nil
	})
}

// StartPodman starts Podman's service as StartDocker starts Docker.
func StartPodman(ctx context.Context, a *Artifacts) (*Engine, error) {
	return startEngine(ctx, a, "podman", "libpod_parent", func(e *Engine) ([]string, error) {
		// Where it looks for its configuration cannot all be said but by where its home is.
		home := filepath.Join(e.dir, "home", ".config", "containers")
		text := fmt.Sprintf("[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nconmon_path = [%q]\nruntime = \"runc\"\n[engine.runtimes]\nrunc = [%q]\n",
			filepath.Join(a.podman, "usr/bin/conmon"), filepath.Join(a.podman, "usr/sbin/runc"))
		err := os.MkdirAll(home, 0o700)
		for name, text := range map[string]string{
			"containers.conf": text, "policy.json": `{"default": [{"type": "insecureAcceptAnything"}]}`, "registries.conf": "unqualified-search-registries = []\n",
		} {
			err = errors.Join(err, os.WriteFile(filepath.Join(home, name), []byte(text), 0o600))
		}
		return append(environment(a.podman), "HOME="+filepath.Join(e.dir, "home"), "CONTAINERS_CONF="+filepath.Join(home, "containers.conf"),
			"CONTAINERS_REGISTRIES_CONF="+filepath.Join(home, "registries.conf"),
			"podman", "--root", filepath.Join(e.dir, "root"), "--runroot", filepath.Join(e.dir, "run"), "--storage-driver", "overlay",
			"system", "service", "--time=0", "unix://"+e.Socket), err
	})
}

// environment is by what an engine's programs find each other, and their libraries.
func environment(tree string) []string {
	libraries, _ := filepath.Glob(filepath.Join(tree, "usr/lib/*-linux-gnu")) // the pattern is right
	return []string{
		"PATH=" + filepath.Join(tree, "usr/sbin") + ":" + filepath.Join(tree, "usr/bin") + ":" + os.Getenv("PATH"),
		"LD_LIBRARY_PATH=" + strings.Join(libraries, ":"),
	}
}

// startEngine starts the program name, which command says how to run by env(1).
func startEngine(ctx context.Context, a *Artifacts, name, parent string, command func(*Engine) ([]string, error)) (*Engine, error) {
	base, err := newDaemon(name)
	if err != nil {
		return nil, err
	}
	e := &Engine{Socket: base.socket, daemon: base, parent: parent}
	e.http = &http.Client{Timeout: startLimit, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", e.Socket)
	}}}
	arguments, err := command(e)
	if err == nil {
		err = e.launch(http.NotFoundHandler(), "/usr/bin", append([]string{"env"}, arguments...)...)
	}
	if err == nil {
		err = e.await(ctx, e.ping)
	}
	if err == nil {
		err = e.load(ctx, filepath.Join(a.images["python"].dir, "layer"))
	}
	if err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

// load makes the image with Python of its layer.
func (e *Engine) load(ctx context.Context, path string) error {
	layer, err := os.Open(path)
	if err != nil {
		return err
	}
	defer layer.Close()
	return e.ask(ctx, http.MethodPost, "/images/create?fromSrc=-&tag=latest&repo="+url.QueryEscape(engineImage), layer, nil)
}

// ping asks the engine for nothing but an answer.
func (e *Engine) ping(ctx context.Context) error {
	return e.ask(ctx, http.MethodGet, "/_ping", nil, nil)
}

// Python returns the image with Python.
func (e *Engine) Python(ctx context.Context) (Image, error) {
	i := Image{Reference: engineImage + ":latest"}
	var answer struct {
		ID string `json:"Id"`
	}
	err := e.ask(ctx, http.MethodGet, "/images/"+i.Reference+"/json", nil, &answer)
	i.Digest = answer.ID
	return i, err
}

// Run starts a container and returns its id. Its cgroup lies below one named
// parent; "" is what the engine takes unless told.
func (e *Engine) Run(ctx context.Context, c Container, parent string) (id string, err error) {
	body, err := json.Marshal(map[string]any{
		"Image": engineImage + ":latest", "Cmd": c.Command,
		"HostConfig": map[string]any{"NetworkMode": "none", "ReadonlyRootfs": c.ReadOnlyRoot, "CgroupParent": "/" + filepath.Join(e.cgroup, cmp.Or(parent, e.parent))},
	})
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"Id"`
	}
	if err := e.ask(ctx, http.MethodPost, "/containers/create?name="+url.QueryEscape(c.Name), bytes.NewReader(body), &made); err != nil {
		return "", err
	}
	return made.ID, e.ask(ctx, http.MethodPost, "/containers/"+made.ID+"/start", nil, nil)
}

// Wait waits until a container has ended, and returns its exit code. It looks again
// and again: Podman's own waiting waits for the container's cleanup, which a program
// of its own does that does not find its way in here; until then it is "stopped".
func (e *Engine) Wait(ctx context.Context, id string) (int, error) {
	for {
		var answer struct {
			State struct {
				Status   string
				ExitCode int
			}
		}
		err := e.ask(ctx, http.MethodGet, "/containers/"+id+"/json", nil, &answer)
		if err != nil || answer.State.Status == "exited" || answer.State.Status == "stopped" {
			return answer.State.ExitCode, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Remove ends a container and makes the engine forget it.
func (e *Engine) Remove(ctx context.Context, id string) error {
	return e.ask(ctx, http.MethodDelete, "/containers/"+id+"?force=1", nil, nil)
}

// ask calls the engine's API, and decodes the answer into v unless that is nil.
func (e *Engine) ask(ctx context.Context, method, path string, body io.Reader, v any) error {
	q, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, body)
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	answer, err := e.http.Do(q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode >= http.StatusMultipleChoices:
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	case v == nil:
		return nil
	}
	return json.Unmarshal(text, v)
}

// Stop kills all that runs in it, and removes what it left. It must be called
// once.
func (e *Engine) Stop() error {
	e.http.CloseIdleConnections()
	return e.stop()
}
