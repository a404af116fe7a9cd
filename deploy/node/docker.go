package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// dockerPackages are the Debian packages Docker runs from, without what every
// Debian has.
var dockerPackages = []string{"containerd", "docker.io", "libdevmapper1.02.1", "libseccomp2", "runc", "tini"}

// buildDocker unpacks Docker, without running any package's scripts, and returns
// the folder it is in.
func buildDocker(ctx context.Context, log io.Writer) (string, error) {
	all, err := resolvePackages(ctx, []string{"docker.io"})
	if err != nil {
		return "", err
	}
	packages := slices.DeleteFunc(all, func(p string) bool {
		name, _, _ := strings.Cut(p, "=")
		return !slices.Contains(dockerPackages, name)
	})
	key := sha256.Sum256([]byte(strings.Join(packages, "\n")))
	dir := filepath.Join(CacheDir(), fmt.Sprintf("docker-%x", key[:8]))
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	fmt.Fprintln(log, "unpacking Docker")
	temp, err := os.MkdirTemp(CacheDir(), "docker.new")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if _, err := output(ctx, temp, "apt-get", append([]string{"-q", "-o", "APT::Sandbox::User=root", "download"}, packages...)...); err != nil {
		return "", err
	}
	archives, err := filepath.Glob(filepath.Join(temp, "*.deb"))
	if err != nil {
		return "", err
	}
	tree := filepath.Join(temp, "tree")
	for _, archive := range archives {
		if _, err := output(ctx, temp, "dpkg-deb", "-x", archive, tree); err != nil {
			return "", err
		}
	}
	return dir, os.Rename(tree, dir)
}

// Docker is a running Docker Engine, kept apart as a Node is. Its methods are safe
// for concurrent use.
type Docker struct {
	// Socket is where it listens.
	Socket string

	*daemon
	http *http.Client
}

// StartDocker starts a Docker Engine that has the Python image. The caller must
// stop it; the kernel does when this process dies.
func StartDocker(ctx context.Context, a *Artifacts) (*Docker, error) {
	base, err := newDaemon("dockerd")
	if err != nil {
		return nil, err
	}
	d := &Docker{Socket: base.socket, daemon: base}
	d.http = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", d.Socket)
	}}}
	if err := d.start(ctx, a); err != nil {
		return nil, errors.Join(err, d.Stop())
	}
	return d, nil
}

func (d *Docker) start(ctx context.Context, a *Artifacts) error {
	// Docker's programs find each other, and their libraries, by the environment.
	path := "PATH=" + filepath.Join(a.docker, "usr/sbin") + ":" + filepath.Join(a.docker, "usr/bin") + ":" + os.Getenv("PATH")
	libraries, err := filepath.Glob(filepath.Join(a.docker, "usr/lib/*-linux-gnu"))
	if err != nil {
		return err
	}
	// Not every kernel has what Docker's bridge needs, and nothing is to be reached.
	err = d.launch(http.NotFoundHandler(), "/usr/bin", "env", path, "LD_LIBRARY_PATH="+strings.Join(libraries, ":"),
		"dockerd", "--host", "unix://"+d.Socket, "--data-root", filepath.Join(d.dir, "root"), "--exec-root", filepath.Join(d.dir, "exec"),
		"--pidfile", filepath.Join(d.dir, "pid"), "--iptables=false", "--bridge=none")
	if err != nil {
		return err
	}
	if err := d.await(ctx, d.ping); err != nil {
		return err
	}
	layer, err := os.Open(filepath.Join(a.images["python"].dir, "layer"))
	if err != nil {
		return err
	}
	defer layer.Close()
	repository, tag := d.repository()
	return d.ask(ctx, http.MethodPost, "/images/create?fromSrc=-&repo="+url.QueryEscape(repository)+"&tag="+tag, layer, nil)
}

// ping waits until dockerd answers.
func (d *Docker) ping(ctx context.Context) error {
	for {
		err := d.ask(ctx, http.MethodGet, "/_ping", nil, nil)
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (d *Docker) repository() (name, tag string) { return "example.com/e2e/python", "1" }

// Python returns the image with Python.
func (d *Docker) Python(ctx context.Context) (Image, error) {
	repository, tag := d.repository()
	i := Image{Reference: repository + ":" + tag}
	var answer struct {
		ID string `json:"Id"`
	}
	err := d.ask(ctx, http.MethodGet, "/images/"+i.Reference+"/json", nil, &answer)
	i.Digest = answer.ID
	return i, err
}

// Run starts a container and returns its id. Its cgroup lies below a folder named
// parent, as Docker's lie below "docker"; "" is none.
func (d *Docker) Run(ctx context.Context, c Container, parent string) (id string, err error) {
	repository, tag := d.repository()
	body, err := json.Marshal(map[string]any{
		"Image": repository + ":" + tag, "Cmd": c.Command,
		"HostConfig": map[string]any{"NetworkMode": "none", "ReadonlyRootfs": c.ReadOnlyRoot, "CgroupParent": "/" + filepath.Join(d.cgroup, parent)},
	})
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"Id"`
	}
	if err := d.ask(ctx, http.MethodPost, "/containers/create?name="+url.QueryEscape(c.Name), bytes.NewReader(body), &made); err != nil {
		return "", err
	}
	return made.ID, d.ask(ctx, http.MethodPost, "/containers/"+made.ID+"/start", nil, nil)
}

// Wait waits until a container has ended, and returns its exit code.
func (d *Docker) Wait(ctx context.Context, id string) (int, error) {
	var answer struct {
		StatusCode int
	}
	err := d.ask(ctx, http.MethodPost, "/containers/"+id+"/wait", nil, &answer)
	return answer.StatusCode, err
}

// Remove ends a container and makes Docker forget it.
func (d *Docker) Remove(ctx context.Context, id string) error {
	return d.ask(ctx, http.MethodDelete, "/containers/"+id+"?force=1", nil, nil)
}

// ask calls Docker's API, and decodes the answer into v unless that is nil.
func (d *Docker) ask(ctx context.Context, method, path string, body io.Reader, v any) error {
	q, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, body)
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	answer, err := d.http.Do(q)
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
func (d *Docker) Stop() error {
	d.http.CloseIdleConnections()
	return d.stop()
}
