// Package engine asks Docker and Podman about containers that were not made for
// Kubernetes, through the HTTP API that Docker Engine has on its unix socket and
// that Podman offers as well ("podman system service").
//
//	source := engine.New(engine.Config{})
//	w, err := source.Find(ctx, container)
//
// It only reads, and asks for one container at a time. What these programs repeat
// was written by whoever made the container: it is hostile text and is bounded here.
package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	"kingsnake/workload"
	"kingsnake/workload/cgroup"
)

// Where the two listen by default. Rootless ones listen elsewhere, a socket for
// each user.
const (
	DockerSocket = "/run/docker.sock"
	PodmanSocket = "/run/podman/podman.sock"
)

const (
	maxAnswer = 4 << 20 // bytes
	maxField  = 1024
	maxCause  = 200
)

// Config says where the sockets are. The zero Config is useful.
type Config struct {
	Docker  string        // "" means DockerSocket
	Podman  string        // "" means PodmanSocket
	Timeout time.Duration // of one question; 0 means one second
}

// Source knows the containers of Docker and Podman. It is safe for concurrent use.
type Source struct {
	engines []engine
	timeout time.Duration
}

type engine struct {
	runtime, socket string
	http            *http.Client
}

// New returns a source. It does not ask anybody yet.
func New(config Config) *Source {
	if config.Docker == "" {
		config.Docker = DockerSocket
	}
	if config.Podman == "" {
		config.Podman = PodmanSocket
	}
	if config.Timeout <= 0 {
		config.Timeout = time.Second
	}
	s := &Source{timeout: config.Timeout}
	for runtime, socket := range map[string]string{"docker": config.Docker, "podman": config.Podman} {
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}
		transport := &http.Transport{DialContext: dial, MaxIdleConns: 2, IdleConnTimeout: time.Minute}
		s.engines = append(s.engines, engine{runtime, socket, &http.Client{Transport: transport}})
	}
	return s
}

// Find returns the container that a cgroup's path names: of Docker or of Podman
// where the path says which, of either where it does not.
func (s *Source) Find(ctx context.Context, c cgroup.Container) (workload.Workload, error) {
	var failed error
	for _, e := range s.engines {
		if c.PodUID != "" || c.Runtime != "" && c.Runtime != e.runtime {
			continue
		}
		w, err := e.find(ctx, s.timeout, c.ID)
		switch {
		case err == nil:
			return w, nil
		case c.Runtime == "" && errors.Is(err, fs.ErrNotExist):
			continue // it is not installed
		case failed == nil || errors.Is(failed, workload.ErrUnknown):
			failed = err
		}
	}
	if failed == nil {
		return workload.Workload{}, workload.ErrNotServed
	}
	return workload.Workload{}, failed
}

// inspection is what we read of an engine's answer. Podman's has the same names.
type inspection struct {
	ID      string    `json:"Id"`
	Name    string    `json:"Name"` // with a slash in front
	Created time.Time `json:"Created"`
	Image   string    `json:"Image"` // its id
	Config  struct {
		Image string `json:"Image"` // as whoever ran it wrote it
	} `json:"Config"`
	HostConfig struct {
		ReadonlyRootfs bool `json:"ReadonlyRootfs"`
	} `json:"HostConfig"`
}

// find asks one engine. The error wraps workload.ErrUnknown when it does not know
// the container, and fs.ErrNotExist when there is no socket.
func (e engine) find(ctx context.Context, timeout time.Duration, id string) (workload.Workload, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/containers/"+id+"/json", nil)
	if err != nil {
		return workload.Workload{}, err
	}
	answer, err := e.http.Do(q)
	if err != nil {
		return workload.Workload{}, fmt.Errorf("%s at %s cannot be asked: %w", e.runtime, e.socket, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return workload.Workload{}, fmt.Errorf("%s at %s broke off: %w", e.runtime, e.socket, err)
	}
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return workload.Workload{}, fmt.Errorf("%w (asked %s)", workload.ErrUnknown, e.socket)
	default:
		return workload.Workload{}, fmt.Errorf("%s at %s answered %s", e.runtime, e.socket, shorten(answer.Status))
	}
	var got inspection
	if err := json.Unmarshal(text, &got); err != nil {
		return workload.Workload{}, fmt.Errorf("%s at %s sent an unreadable answer", e.runtime, e.socket)
	}
	if got.ID != id { // engines accept a prefix of an id, and names
		return workload.Workload{}, fmt.Errorf("%w (%s answered about another)", workload.ErrUnknown, e.socket)
	}
	return got.workload(e.runtime), nil
}

func (i inspection) workload(runtime string) workload.Workload {
	root := "no"
	if i.HostConfig.ReadonlyRootfs {
		root = "yes"
	}
	w := workload.Workload{Container: workload.Container{
		ID: i.ID, Name: clip(strings.TrimPrefix(i.Name, "/")), Image: clip(i.Config.Image), ImageID: clip(i.Image),
		Created: i.Created.UTC(), Runtime: runtime, ReadOnlyRoot: root,
	}}
	if w.Container.Image == "" {
		w.Unresolved = map[string]string{"container.image": runtime + " did not say"}
	}
	return w
}

// clip bounds a field that somebody else wrote.
func clip(s string) string {
	if len(s) <= maxField {
		return s
	}
	return strings.ToValidUTF8(s[:maxField], "")
}

// shorten bounds a message and keeps it on one line.
func shorten(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	return strings.ToValidUTF8(message[:min(len(message), maxCause)], "")
}
