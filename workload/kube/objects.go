package kube

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"kingsnake/workload"
)

// Bounds on what is kept of an object. Kubernetes keeps names below 254 bytes
// and label values below 64, but not annotations.
const (
	maxField      = 1024
	maxLabels     = 128
	maxContact    = 256 // bytes of one contact
	maxContacts   = 8
	maxContainers = 256 // of one pod, all kinds together
)

// Annotations that the kubelet puts on static pods and on the mirrors of them
// that it shows to the API (k8s.io/kubelet/pkg/types). The UID in cgroups and
// in the container runtime is config.hash, not the mirror's own.
const (
	annotationHash   = "kubernetes.io/config.hash"
	annotationMirror = "kubernetes.io/config.mirror"
)

// ContactKeys are the annotations that say whom to ask, in the order they are
// shown. Ours first; then those of the convention at ambassadorlabs/k8s-annotations
// (a8r.io), and the plain words that people use.
var ContactKeys = []string{
	"kingsnake.dev/contact",
	"a8r.io/owner", "a8r.io/support", "a8r.io/chat",
	"contact", "owner", "team", "maintainer",
}

// objectMeta is what we read of any object's metadata.
type objectMeta struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace"`
	UID             string            `json:"uid"`
	ResourceVersion string            `json:"resourceVersion"`
	Labels          map[string]string `json:"labels"`
	Annotations     map[string]string `json:"annotations"`
	OwnerReferences []ownerReference  `json:"ownerReferences"`
}

type ownerReference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Controller bool   `json:"controller"`
}

// controller returns the reference to the object that manages this one; an
// object has at most one.
func (m objectMeta) controller() (ownerReference, bool) {
	for _, r := range m.OwnerReferences {
		if r.Controller && r.Kind != "" && r.Name != "" {
			return r, true
		}
	}
	return ownerReference{}, false
}

// group returns the API group of a reference: "apps" of "apps/v1".
func (r ownerReference) group() string {
	group, _, ok := strings.Cut(r.APIVersion, "/")
	if !ok {
		return ""
	}
	return group
}

func (r ownerReference) owner() workload.Owner {
	return workload.Owner{Group: clip(r.group()), Kind: clip(r.Kind), Name: clip(r.Name)}
}

// podObject is what we read of a pod.
type podObject struct {
	Metadata objectMeta `json:"metadata"`
	Spec     struct {
		NodeName            string      `json:"nodeName"`
		ServiceAccountName  string      `json:"serviceAccountName"`
		InitContainers      []container `json:"initContainers"`
		Containers          []container `json:"containers"`
		EphemeralContainers []container `json:"ephemeralContainers"`
	} `json:"spec"`
	Status struct {
		InitContainerStatuses      []containerStatus `json:"initContainerStatuses"`
		ContainerStatuses          []containerStatus `json:"containerStatuses"`
		EphemeralContainerStatuses []containerStatus `json:"ephemeralContainerStatuses"`
	} `json:"status"`
}

type container struct {
	Name          string `json:"name"`
	RestartPolicy string `json:"restartPolicy"` // "Always" makes an init container a sidecar
}

type containerStatus struct {
	Name        string `json:"name"`
	ContainerID string `json:"containerID"` // "containerd://…"
	Image       string `json:"image"`
	ImageID     string `json:"imageID"`
}

// uid is the UID that the pod's cgroups and its container runtime carry.
func (p podObject) uid() string {
	if hash := p.Metadata.Annotations[annotationHash]; hash != "" && p.static() {
		return hash
	}
	return p.Metadata.UID
}

// static reports whether this is the mirror of a static pod.
func (p podObject) static() bool { return p.Metadata.Annotations[annotationMirror] != "" }

// pod returns what is kept of a pod.
func (p podObject) pod() workload.Pod {
	return workload.Pod{
		Namespace: clip(p.Metadata.Namespace), Name: clip(p.Metadata.Name), UID: clip(p.uid()),
		Labels:         labelsOf(p.Metadata.Labels),
		ServiceAccount: clip(p.Spec.ServiceAccountName),
		Static:         p.static(),
		Contacts:       contactsOf(p.Metadata.Annotations, "pod"),
	}
}

// kinds returns the part each container plays, by name, ordinary ones left out.
func (p podObject) kinds() map[string]string {
	kinds := make(map[string]string)
	for _, c := range p.Spec.InitContainers[:min(len(p.Spec.InitContainers), maxContainers)] {
		kinds[clip(c.Name)] = "init"
		if c.RestartPolicy == "Always" {
			kinds[clip(c.Name)] = "sidecar"
		}
	}
	for _, c := range p.Spec.EphemeralContainers[:min(len(p.Spec.EphemeralContainers), maxContainers)] {
		kinds[clip(c.Name)] = "ephemeral"
	}
	return kinds
}

// containers returns what the API knows of the pod's containers, by id. It is
// late: the kubelet tells when a container already runs.
func (p podObject) containers() map[string]workload.Container {
	found := make(map[string]workload.Container)
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses) {
		runtime, id, ok := strings.Cut(s.ContainerID, "://")
		if !ok || len(found) == maxContainers {
			continue
		}
		if runtime == "cri-dockerd" {
			runtime = "docker"
		}
		found[clip(id)] = workload.Container{
			ID: clip(id), Name: clip(s.Name), Image: clip(s.Image), ImageID: clip(digestOf(s.ImageID)), Runtime: clip(runtime),
		}
	}
	return found
}

// digestOf returns the digest in what a status calls an image's id:
// "registry.example.com/web@sha256:…", "docker-pullable://…@sha256:…", "sha256:…".
func digestOf(imageID string) string {
	if _, digest, ok := strings.Cut(imageID, "@"); ok {
		return digest
	}
	return imageID
}

// labelsOf returns at most maxLabels labels in alphabetical order; nil when there
// are none.
func labelsOf(all map[string]string) map[string]string {
	if len(all) == 0 {
		return nil
	}
	labels := make(map[string]string)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if len(labels) == maxLabels {
			break
		}
		labels[clip(key)] = clip(all[key])
	}
	return labels
}

// contactsOf returns what an object's annotations say of whom to ask.
func contactsOf(annotations map[string]string, of string) []workload.Contact {
	var contacts []workload.Contact
	for _, key := range ContactKeys {
		value := strings.TrimSpace(annotations[key])
		if value == "" {
			continue
		}
		if len(value) > maxContact {
			value = strings.ToValidUTF8(value[:maxContact], "")
		}
		contacts = append(contacts, workload.Contact{Key: key, Value: value, Of: of})
	}
	return contacts
}

// clip bounds a field that somebody else wrote.
func clip(s string) string {
	if len(s) <= maxField {
		return s
	}
	return strings.ToValidUTF8(s[:maxField], "")
}

// decode reads one object.
func decode[T any](text []byte) (T, error) {
	var v T
	err := json.Unmarshal(text, &v)
	return v, err
}
