// Package workload says where a script ran: process, container, image, pod,
// owner, node.
//
// The container id comes from the process's cgroup (kingsnake/workload/cgroup);
// names, image and pod come from the container runtime
// (kingsnake/workload/cri). The zero Workload is valid and means "on the host,
// nothing more known". A field that could not be resolved carries its reason in
// Unresolved; nothing is invented.
//
// The Kubernetes API (labels, owners, service accounts) is not asked here.
package workload

import "time"

// Workload is where one process ran. It is a value: copy it freely, but do not
// change the maps of a copy.
type Workload struct {
	Container Container
	Pod       Pod
	Owner     Owner
	Node      string // host name, or the Kubernetes node's name
	Cluster   string // configured name of the cluster; "" when unknown

	// Unresolved maps a field's JSON path ("container.name", "pod.uid", …) to
	// why it is empty. A field that does not apply (a pod on a plain host) is
	// absent.
	Unresolved map[string]string
}

// Host reports whether the process ran outside any container.
func (w Workload) Host() bool { return w.Container.ID == "" }

// Container is the container a process ran in. The zero value means the host.
type Container struct {
	ID      string // full id, usually 64 hexadecimal digits
	Name    string
	Image   string // reference as the runtime knows it, for example docker.io/library/python:3.12
	ImageID string // image digest
	Created time.Time
	Runtime string // "containerd", "cri-o", "docker", "podman"; "" when unknown

	// ReadOnlyRoot says whether the root file system was mounted read-only:
	// "yes", "no", or "" when unknown.
	ReadOnlyRoot string
}

// Pod is the Kubernetes pod around a container. The zero value means none.
type Pod struct {
	Namespace string
	Name      string
	UID       string
	Labels    map[string]string
}

// Owner is what created the pod: a Deployment, a Job, … The zero value means
// unknown.
type Owner struct {
	Kind string
	Name string
}
