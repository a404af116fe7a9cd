// Package cgroup reads a container's id, its runtime and its pod's UID out of a
// cgroup path, as the kernel knows it, without asking anybody.
//
// A runtime names the cgroup of a container after the container. How depends on
// the runtime and on its cgroup driver; these forms are known:
//
//	/kubepods/burstable/pod<uid>/<id>                             containerd, cgroupfs
//	/kubepods.slice/…/kubepods-burstable-pod<u_i_d>.slice/cri-containerd-<id>.scope
//	/system.slice/kubepods-burstable-pod<u_i_d>.slice:cri-containerd:<id>
//	/kubepods.slice/…-pod<u_i_d>.slice/crio-<id>.scope[/container]  CRI-O
//	/kubepods/besteffort/pod<uid>/crio-<id>                       CRI-O, cgroupfs
//	/docker/<id>, /system.slice/docker-<id>.scope                 Docker
//	/machine.slice/libpod-<id>.scope[/container]                  Podman
//	/docker/<id>/kubelet/kubepods/…/<id>                          nested (kind)
//
// where <id> has 64 lower-case hexadecimal digits. The innermost container
// counts, and the outermost is told as well. A runtime's own monitor process (crio-conmon-<id>, libpod-conmon-<id>)
// runs on the host although its cgroup carries a container's id.
//
// What is no container with such an id is taken for the host: machines of
// systemd-nspawn and LXC, build steps of BuildKit, and containers that were given
// a name in the place of an id (ctr run).
//
// A path proves nothing more than its name: whoever may create cgroups, as some
// containers may below their own, may name one like another container. Whether a
// container exists is for its runtime to say (kingsnake/workload/cri).
package cgroup

import (
	"bytes"
	"strings"
)

// MaxPath is the longest path, or /proc/PID/cgroup text, that is looked at.
// Linux keeps a cgroup path under 4,096 bytes, and a process has one in each of
// at most some fifteen hierarchies. What is longer is taken for the host.
const MaxPath = 64 << 10

// idLength is the number of hexadecimal digits in a container's id.
const idLength = 64

// Container is what a cgroup path says. The zero value means the host.
type Container struct {
	ID string // 64 lower-case hexadecimal digits; "" on the host

	// Runtime is "containerd", "cri-o", "docker" or "podman"; "" when the form
	// of the path does not tell.
	Runtime string

	// PodUID is the UID of the pod as the kubelet wrote it: 8-4-4-4-12
	// hexadecimal digits, or 32 of them for a static pod; "" when the path names
	// no pod. A process may be in a pod's cgroup and in no container.
	PodUID string

	// Outer is the outermost container, if this one lies in others; nil if not.
	Outer *Container
}

// prefixes are how runtimes begin the name of a container's cgroup. A monitor's
// cgroup has the id of a container that the process is not in.
var prefixes = []struct {
	prefix, runtime string
	monitor         bool
}{
	{prefix: "cri-containerd-", runtime: "containerd"},
	{prefix: "nerdctl-", runtime: "containerd"},
	{prefix: "crio-conmon-", monitor: true},
	{prefix: "crio-", runtime: "cri-o"},
	{prefix: "docker-", runtime: "docker"},
	{prefix: "libpod-conmon-", monitor: true},
	{prefix: "libpod-", runtime: "podman"},
}

// Parse returns what path says. The path may be absolute, or only the last
// components of one. It never fails: a path that names no container is the
// host's.
func Parse(path string) Container {
	if len(path) > MaxPath {
		return Container{}
	}
	var found Container
	parent := ""
	for component := range strings.SplitSeq(path, "/") {
		if component == "" {
			continue
		}
		found = found.enter(parent, component)
		parent = component
	}
	return found
}

// enter returns what is known one component further down.
func (c Container) enter(parent, component string) Container {
	// systemd's own notation, seen whole where the runtime took it for a path:
	// slice:prefix:id.
	if slice, rest, ok := strings.Cut(component, ":"); ok {
		if prefix, id, ok := strings.Cut(rest, ":"); ok && isID(id) {
			return c.enter(parent, slice).enter(slice, prefix+"-"+id+".scope")
		}
	}
	if uid := podUID(component); uid != "" {
		return Container{PodUID: uid, Outer: c.outermost()} // a pod inside a container (kind) is not that container
	}
	name := strings.TrimSuffix(component, ".scope")
	if isID(name) {
		c.Outer = c.outermost()
		c.ID, c.Runtime = name, ""
		if parent == "docker" {
			c.Runtime = "docker"
		}
		return c
	}
	for _, p := range prefixes {
		id, ok := strings.CutPrefix(name, p.prefix)
		if !ok || !isID(id) {
			continue
		}
		if p.monitor {
			return Container{}
		}
		c.Outer = c.outermost()
		c.ID, c.Runtime = id, p.runtime
		return c
	}
	return c
}

// outermost returns the outermost container of c's cgroup; nil if that is in none.
func (c Container) outermost() *Container {
	if c.Outer != nil || c.ID == "" {
		return c.Outer
	}
	return &c
}

// ParseProc returns what the text of a /proc/PID/cgroup file says. The file has
// a line "hierarchy:controllers:path" for each hierarchy the process is in;
// all those of cgroup version 1 and the one of version 2 may be there, and not
// every runtime puts a container into every one. The line that says most counts.
func ParseProc(text []byte) Container {
	if len(text) > MaxPath {
		return Container{}
	}
	var best Container
	for line := range bytes.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		// The kernel marks a cgroup that was removed under its last process.
		if c := Parse(strings.TrimSuffix(fields[2], " (deleted)")); c.says() > best.says() {
			best = c
		}
	}
	return best
}

// says ranks what is known: a container before a pod before a runtime.
func (c Container) says() int {
	n := 0
	if c.ID != "" {
		n += 4
	}
	if c.PodUID != "" {
		n += 2
	}
	if c.Runtime != "" {
		n++
	}
	return n
}

// podUID returns the UID in a pod's component: "pod<uid>" from the cgroupfs
// driver, "kubepods-burstable-pod<u_i_d>.slice" from the systemd driver,
// which may have more in front where the kubelet runs in a container.
func podUID(component string) string {
	name, systemd := strings.CutSuffix(component, ".slice")
	if systemd {
		i := strings.Index(name, "kubepods-")
		if i < 0 {
			return ""
		}
		j := strings.LastIndex(name[i:], "-pod")
		if j < 0 {
			return ""
		}
		name = name[i+j+1:]
	}
	uid, ok := strings.CutPrefix(name, "pod")
	if !ok {
		return ""
	}
	if systemd {
		uid = strings.ReplaceAll(uid, "_", "-")
	}
	if !isUID(uid) {
		return ""
	}
	return uid
}

// isID reports whether s is a container's id.
func isID(s string) bool {
	return len(s) == idLength && isHex(s)
}

// isUID reports whether s is the UID of a pod: a UUID, or the digest that
// stands for one in a static pod.
func isUID(s string) bool {
	if len(s) == 32 {
		return isHex(s)
	}
	if len(s) != 36 {
		return false
	}
	for _, i := range []int{8, 13, 18, 23} {
		if s[i] != '-' {
			return false
		}
	}
	return isHex(s[:8]) && isHex(s[9:13]) && isHex(s[14:18]) && isHex(s[19:23]) && isHex(s[24:])
}

// isHex reports whether s has lower-case hexadecimal digits only.
func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
