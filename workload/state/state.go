// Package state reads what container runtimes keep on the node's disk of the
// containers they have made, for those that nobody can be asked about: the bundles
// of containerd's shims (of Kubernetes, nerdctl and ctr) and the list of Podman's
// storage. No program is run and no socket is needed.
//
// Files are read whole up to a bound, and only below the folders named here; a
// container's id, of which a path is made, has hexadecimal digits only.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kingsnake/workload"
	"kingsnake/workload/cgroup"
)

// Where the files are: bundles as containerd's runtime v2 makes them, one folder
// for each of its namespaces; and the list that Podman's storage library keeps
// (github.com/containers/storage).
const (
	bundles = "run/containerd/io.containerd.runtime.v2.task"
	podman  = "var/lib/containers/storage/overlay-containers/containers.json"
)

const (
	maxFile       = 8 << 20 // bytes
	maxNamespaces = 64      // of containerd that are looked through
	maxField      = 1024
)

// Source knows the containers that have left something on the disk. It is safe for
// concurrent use.
type Source struct {
	Root string // of the node's file system; "" means "/"
}

// Find returns what the files say about a container.
func (s Source) Find(_ context.Context, c cgroup.Container) (workload.Workload, error) {
	root := s.Root
	if root == "" {
		root = "/"
	}
	switch c.Runtime {
	case "podman":
		return findPodman(filepath.Join(root, podman), c.ID)
	case "containerd", "":
		return findBundle(filepath.Join(root, bundles), c.ID)
	}
	return workload.Workload{}, workload.ErrNotServed
}

// Annotations of the bundles: those of containerd's CRI plug-in
// (github.com/containerd/containerd/v2/internal/cri/annotations) and of nerdctl.
const (
	annotationContainer = "io.kubernetes.cri.container-name"
	annotationImage     = "io.kubernetes.cri.image-name"
	annotationPod       = "io.kubernetes.cri.sandbox-name"
	annotationNamespace = "io.kubernetes.cri.sandbox-namespace"
	annotationUID       = "io.kubernetes.cri.sandbox-uid"
	annotationNerdctl   = "nerdctl/name"
)

// findBundle looks for the bundle of a container in all namespaces.
func findBundle(dir, id string) (workload.Workload, error) {
	namespaces, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return workload.Workload{}, workload.ErrNotServed
	}
	if err != nil {
		return workload.Workload{}, fmt.Errorf("look through containerd's bundles: %w", err)
	}
	for _, namespace := range namespaces[:min(len(namespaces), maxNamespaces)] {
		path := filepath.Join(dir, namespace.Name(), id, "config.json")
		text, made, err := read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return workload.Workload{}, fmt.Errorf("read a container's bundle: %w", err)
		}
		return parseBundle(text, id, namespace.Name(), made)
	}
	return workload.Workload{}, fmt.Errorf("%w (looked in %s)", workload.ErrUnknown, dir)
}

func parseBundle(text []byte, id, namespace string, made time.Time) (workload.Workload, error) {
	var bundle struct {
		Annotations map[string]string `json:"annotations"`
		Root        struct {
			ReadOnly bool `json:"readonly"`
		} `json:"root"`
	}
	if err := json.Unmarshal(text, &bundle); err != nil {
		return workload.Workload{}, errors.New("a container's bundle is unreadable")
	}
	said := func(key string) string { return clip(bundle.Annotations[key]) }
	w := workload.Workload{
		Container: workload.Container{
			ID: id, Name: said(annotationContainer), Image: said(annotationImage), Created: made.UTC(),
			Runtime: "containerd", ReadOnlyRoot: "no",
		},
		Pod: workload.Pod{Namespace: said(annotationNamespace), Name: said(annotationPod), UID: said(annotationUID)},
	}
	if bundle.Root.ReadOnly {
		w.Container.ReadOnlyRoot = "yes"
	}
	if w.Container.Name == "" {
		w.Container.Name = said(annotationNerdctl)
	}
	if namespace == "moby" {
		w.Container.Runtime = "docker" // whose daemon uses containerd
	}
	why := "containerd's bundle, in its namespace " + clip(namespace) + ", leaves it out"
	w.Unresolved = map[string]string{"container.image_id": why}
	for field, value := range map[string]string{"container.name": w.Container.Name, "container.image": w.Container.Image} {
		if value == "" {
			w.Unresolved[field] = why
		}
	}
	if w.Pod.Name != "" {
		w.Unresolved["pod.labels"] = why
	}
	return w, nil
}

// findPodman looks for a container in the list of Podman's storage.
func findPodman(path, id string) (workload.Workload, error) {
	text, _, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return workload.Workload{}, workload.ErrNotServed
	}
	if err != nil {
		return workload.Workload{}, fmt.Errorf("read Podman's list of containers: %w", err)
	}
	var list []struct {
		ID       string   `json:"id"`
		Names    []string `json:"names"`
		Image    string   `json:"image"`
		Metadata string   `json:"metadata"` // JSON again
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return workload.Workload{}, errors.New("podman's list of containers is unreadable")
	}
	for _, entry := range list {
		if entry.ID != id {
			continue
		}
		var more struct {
			Image   string `json:"image-name"`
			Name    string `json:"name"`
			Created int64  `json:"created-at"` // seconds
		}
		_ = json.Unmarshal([]byte(entry.Metadata), &more) // what it lacks is unresolved below
		w := workload.Workload{Container: workload.Container{ID: id, Name: clip(more.Name), Image: clip(more.Image), ImageID: digestOf(entry.Image), Runtime: "podman"}}
		if w.Container.Name == "" && len(entry.Names) > 0 {
			w.Container.Name = clip(entry.Names[0])
		}
		if more.Created > 0 {
			w.Container.Created = time.Unix(more.Created, 0).UTC()
		}
		const why = "Podman's storage does not say"
		w.Unresolved = map[string]string{"container.read_only_root": why}
		if w.Container.Image == "" {
			w.Unresolved["container.image"] = why
		}
		return w, nil
	}
	return workload.Workload{}, fmt.Errorf("%w (looked in %s)", workload.ErrUnknown, path)
}

// digestOf returns an image's id as others write it: Podman's storage leaves the
// name of the hash out.
func digestOf(id string) string {
	if len(id) == 64 {
		return "sha256:" + id
	}
	return clip(id)
}

// read returns a file, if it is not too large, and when it was written.
func read(path string) ([]byte, time.Time, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, time.Time{}, errors.New("it is no file of a reasonable size")
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	return text, info.ModTime(), err
}

// clip bounds a field that somebody else wrote.
func clip(s string) string {
	if len(s) <= maxField {
		return s
	}
	return strings.ToValidUTF8(s[:maxField], "")
}
