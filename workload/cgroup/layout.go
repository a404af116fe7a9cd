package cgroup

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Layout is how a machine's cgroups are arranged.
type Layout struct {
	Version string // "v1", "hybrid", "v2"; "" when there are none

	// Driver is who names the cgroups of containers, "systemd" or "cgroupfs", as
	// far as folders show: "" when there are none of containers now.
	Driver string
}

// ReadLayout reads the layout from the root of a file system, of which proc and
// what is mounted for cgroups are needed.
func ReadLayout(root fs.FS) Layout {
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return Layout{}
	}
	var v1, v2 []string // where they are mounted
	for line := range strings.Lines(string(mounts)) {
		left, right, _ := strings.Cut(line, " - ")
		at, kind := strings.Fields(left), strings.Fields(right)
		if len(at) < 5 || len(kind) == 0 {
			continue
		}
		switch kind[0] {
		case "cgroup":
			v1 = append(v1, at[4])
		case "cgroup2":
			v2 = append(v2, at[4])
		}
	}
	var l Layout
	switch {
	case len(v1) > 0 && len(v2) > 0:
		l.Version = "hybrid"
	case len(v1) > 0:
		l.Version = "v1"
	case len(v2) > 0:
		l.Version = "v2"
	}
	l.Driver = driver(root, append(v2, v1...))
	return l
}

// maxFolders bounds how many folders of one cgroup are looked at.
const maxFolders = 4096

// driver looks at what containers are in.
func driver(root fs.FS, mounts []string) string {
	for _, mount := range mounts {
		top := strings.TrimPrefix(path.Clean(mount), "/")
		for _, dir := range []string{".", "system.slice", "machine.slice"} {
			entries, _ := fs.ReadDir(root, path.Join(top, dir))
			for _, e := range entries[:min(len(entries), maxFolders)] {
				switch name := e.Name(); {
				case !e.IsDir():
				case name == "kubepods.slice", strings.HasSuffix(name, ".scope") && slices.ContainsFunc([]string{"docker-", "libpod-", "crio-", "cri-containerd-", "nerdctl-"}, func(p string) bool { return strings.HasPrefix(name, p) }):
					return "systemd"
				case dir == "." && slices.Contains([]string{"kubepods", "docker", "libpod_parent", "k8s.io", "default"}, name):
					return "cgroupfs"
				}
			}
		}
	}
	return ""
}

// String says it in plain words, with what can be told of containers.
func (l Layout) String() string {
	if l.Version == "" {
		return "no cgroups are mounted here: containers cannot be told from the host"
	}
	who := "no container is running"
	if l.Driver != "" {
		who = "named by " + map[string]string{"systemd": "systemd", "cgroupfs": "the runtimes (cgroupfs)"}[l.Driver]
	}
	return fmt.Sprintf("%s, %s; containers are told by their ids in paths", l.Version, who)
}
