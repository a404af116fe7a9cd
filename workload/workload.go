// Package workload says where a script ran: process, container, image, pod,
// owner, node, cluster.
//
// The container id comes from the process's cgroup (kingsnake/workload/cgroup);
// names and image come from whoever made the container: a runtime of Kubernetes
// (kingsnake/workload/cri), Docker or Podman (kingsnake/workload/engine), or
// what runtimes keep on the node's disk (kingsnake/workload/state). Labels,
// owners and service account come from the Kubernetes API
// (kingsnake/workload/kube).
//
// The zero Workload is valid and means "on the host, nothing more known". A field
// that could not be resolved carries its reason in Unresolved; nothing is invented.
package workload

import (
	"errors"
	"time"
)

// ErrUnknown says that those who make containers could be asked, and do not know
// the one they were asked for.
var ErrUnknown = errors.New("no container runtime knows this container")

// ErrNotServed says that a source has nothing to do with containers of that
// kind, so that its not knowing one means nothing.
var ErrNotServed = errors.New("not a container of this runtime")

// Workload is where one process ran. It is a value: copy it freely, but do not
// change the maps and slices of a copy.
type Workload struct {
	Container Container
	Pod       Pod
	Owner     Owner   // what the pod belongs to as people see it; see kingsnake/workload/kube
	Owners    []Owner // the chain of controllers, the pod's own first, as far as it is known
	Node      string  // host name, or the Kubernetes node's name
	Cluster   string  // configured name of the cluster, or the name its cloud gave it; "" when unknown

	// ClusterUID is the UID of the namespace kube-system, which is as old as
	// the cluster and never changes; "" outside Kubernetes and when unknown.
	ClusterUID string

	Cloud Cloud // what the node is to a cloud; the zero value means none, or unknown

	// Unresolved maps a field's JSON path ("container.name", "pod.uid", …) to
	// why it is empty. A field that does not apply (a pod on a plain host) is
	// absent.
	Unresolved map[string]string
}

// Host reports whether the process ran outside any container, as far as is known.
func (w Workload) Host() bool { return w.Container.ID == "" }

// CertainlyHost reports whether the process ran outside any container, and its
// cgroup was read: whoever hides that is not taken for a part of the host.
func (w Workload) CertainlyHost() bool { return w.Host() && w.Unresolved["container.id"] == "" }

// Container is the container a process ran in. The zero value means the host.
type Container struct {
	ID      string // full id, usually 64 hexadecimal digits
	Name    string
	Image   string // reference as the runtime knows it, for example docker.io/library/python:3.12
	ImageID string // image digest
	Created time.Time
	Runtime string // "containerd", "cri-o", "docker", "podman"; "" when unknown

	// Kind is what part the container plays in its pod: "init" (runs before the
	// others), "sidecar" (an init container that goes on running), "ephemeral"
	// (added by kubectl debug), "" for an ordinary one or when unknown.
	Kind string

	// ReadOnlyRoot says whether the root file system was mounted read-only:
	// "yes", "no", or "" when unknown.
	ReadOnlyRoot string
}

// Pod is the Kubernetes pod around a container. The zero value means none.
type Pod struct {
	Namespace string
	Name      string
	UID       string // of a static pod the digest of its file, as its kubelet has it
	Labels    map[string]string

	ServiceAccount string    // by which its processes may use the Kubernetes API
	Static         bool      // made by the kubelet from a file on the node, not through the API
	Contacts       []Contact // whom to ask, from annotations
}

// Owner is an object that created a pod, or created what did: a Deployment, a
// Job, … The zero value means unknown.
type Owner struct {
	Group string // API group: "apps", "batch", …; "" for the core group
	Kind  string
	Name  string

	// Inferred says that this is read off the pod's own labels and name, by
	// the conventions of Kubernetes's controllers, and that the API was not asked.
	Inferred bool
}

// Contact is what somebody wrote about whom to ask: an address, a team, a
// channel. It is hostile text as everything else is.
type Contact struct {
	Key   string // the annotation's key
	Value string
	Of    string // what it is written on: "pod", or an owner's kind
}

// Cloud is what a node's cloud calls it.
type Cloud struct {
	Provider   string // as Kubernetes writes it: "gce", "aws", "azure", …
	Project    string // Google Cloud project
	Zone       string // availability zone
	InstanceID string // of the virtual machine
	Location   string // region or zone of the cluster itself, which may differ from the node's
}
