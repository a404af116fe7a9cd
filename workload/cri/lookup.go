package cri

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kingsnake/workload"
)

// Bounds on what a runtime repeats. Kubernetes keeps names below 254 bytes and
// label values below 64; an image reference with a digest stays below 600.
const (
	maxField  = 1024
	maxLabels = 128
)

// Labels that the kubelet puts on every container it makes, as
// k8s.io/kubelet/pkg/types names them.
const (
	labelContainer = "io.kubernetes.container.name"
	labelPod       = "io.kubernetes.pod.name"
	labelNamespace = "io.kubernetes.pod.namespace"
	labelUID       = "io.kubernetes.pod.uid"
)

// ask asks one runtime about one container, and then about its pod.
func (c *client) ask(ctx context.Context, service runtime.RuntimeServiceClient, id string) (workload.Workload, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()

	answer, err := service.ContainerStatus(ctx, &runtime.ContainerStatusRequest{ContainerId: id, Verbose: true})
	if notFound(err) {
		return askSandbox(ctx, service, id, err)
	}
	if err != nil {
		return workload.Workload{}, err
	}
	s := answer.GetStatus()
	if s.GetId() != id { // runtimes accept a prefix of an id
		return workload.Workload{}, status.Error(codes.NotFound, "the runtime answered about another container")
	}
	more, why := parseInfo(answer.GetInfo()["info"])

	var w workload.Workload
	w.Container = workload.Container{
		ID:           id,
		Name:         clip(s.GetMetadata().GetName()),
		Image:        clip(imageName(s)),
		ImageID:      clip(imageDigest(s)),
		Created:      nanoseconds(s.GetCreatedAt()),
		ReadOnlyRoot: more.readOnlyRoot(),
	}
	w.Pod = podOfLabels(s.GetLabels())
	unresolved := make(map[string]string)
	if w.Container.ReadOnlyRoot == "" {
		unresolved["container.read_only_root"] = why
	}
	for field, value := range map[string]string{
		"container.name":     w.Container.Name,
		"container.image":    w.Container.Image,
		"container.image_id": w.Container.ImageID,
	} {
		if value == "" {
			unresolved[field] = "the container runtime did not say"
		}
	}

	sandbox := more.SandboxID
	if sandbox == "" {
		sandbox, err = sandboxOf(ctx, service, id)
	}
	if err == nil {
		var pod workload.Pod
		if pod, err = podOfSandbox(ctx, service, sandbox); err == nil {
			w.Pod = pod
		}
	}
	if err != nil {
		unresolved["pod.labels"] = "the container runtime was asked for the pod: " + cause(err)
		if w.Pod.Name == "" {
			unresolved["pod.name"], unresolved["pod.namespace"] = unresolved["pod.labels"], unresolved["pod.labels"]
		}
	}
	if len(unresolved) > 0 {
		w.Unresolved = unresolved
	}
	return w, nil
}

// askSandbox asks about a pod's sandbox: the process that holds the pod's
// namespaces open has a cgroup, and therefore an id, like a container. missing
// is returned when there is no such sandbox either.
func askSandbox(ctx context.Context, service runtime.RuntimeServiceClient, id string, missing error) (workload.Workload, error) {
	pod, err := podOfSandbox(ctx, service, id)
	if err != nil {
		return workload.Workload{}, missing
	}
	const why = "this is the pod's sandbox, which is not one of its containers"
	return workload.Workload{
		Container:  workload.Container{ID: id},
		Pod:        pod,
		Unresolved: map[string]string{"container.name": why, "container.image": why},
	}, nil
}

// sandboxOf finds the sandbox of a container in the runtime's list.
func sandboxOf(ctx context.Context, service runtime.RuntimeServiceClient, id string) (string, error) {
	answer, err := service.ListContainers(ctx, &runtime.ListContainersRequest{Filter: &runtime.ContainerFilter{Id: id}})
	if err != nil {
		return "", err
	}
	for _, container := range answer.GetContainers() {
		if container.GetId() == id {
			return container.GetPodSandboxId(), nil
		}
	}
	return "", status.Error(codes.NotFound, "the container is in no pod that it knows")
}

// podOfSandbox asks for the pod that a sandbox is of.
func podOfSandbox(ctx context.Context, service runtime.RuntimeServiceClient, sandbox string) (workload.Pod, error) {
	answer, err := service.PodSandboxStatus(ctx, &runtime.PodSandboxStatusRequest{PodSandboxId: sandbox})
	if err != nil {
		return workload.Pod{}, err
	}
	s := answer.GetStatus()
	if s.GetId() != sandbox {
		return workload.Pod{}, status.Error(codes.NotFound, "the runtime answered about another sandbox")
	}
	return workload.Pod{
		Namespace: clip(s.GetMetadata().GetNamespace()),
		Name:      clip(s.GetMetadata().GetName()),
		UID:       clip(s.GetMetadata().GetUid()),
		Labels:    podLabels(s.GetLabels()),
	}, nil
}

// podOfLabels is what a container's own labels say of its pod.
func podOfLabels(labels map[string]string) workload.Pod {
	return workload.Pod{
		Namespace: clip(labels[labelNamespace]),
		Name:      clip(labels[labelPod]),
		UID:       clip(labels[labelUID]),
	}
}

// podLabels returns the pod's own labels, at most maxLabels of them in
// alphabetical order, without those the kubelet adds for itself; nil when there
// are none.
func podLabels(all map[string]string) map[string]string {
	labels := make(map[string]string)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		switch key {
		case labelContainer, labelPod, labelNamespace, labelUID:
			continue
		}
		if len(labels) == maxLabels {
			break
		}
		labels[clip(key)] = clip(all[key])
	}
	if len(labels) == 0 {
		return nil
	}
	return labels
}

// imageName returns the image as people name it. A runtime that has lost the
// image's tag gives an id instead; then what the pod asked for is better.
func imageName(s *runtime.ContainerStatus) string {
	image := s.GetImage()
	for _, name := range []string{image.GetImage(), image.GetUserSpecifiedImage(), s.GetImageRef()} {
		if name != "" && !isDigest(name) {
			return name
		}
	}
	return ""
}

// imageDigest returns the digest by which a registry knows the image
// ("sha256:…"), or else the id by which the node does.
func imageDigest(s *runtime.ContainerStatus) string {
	if _, digest, ok := strings.Cut(s.GetImageRef(), "@"); ok {
		return digest
	}
	for _, id := range []string{s.GetImageRef(), s.GetImageId()} {
		if isDigest(id) {
			return id
		}
	}
	return ""
}

// isDigest reports whether name is an image's id instead of a name: "sha256:…",
// or, from CRI-O, 64 hexadecimal digits.
func isDigest(name string) bool {
	return strings.HasPrefix(name, "sha256:") ||
		len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}

// info is what containerd and CRI-O add to a verbose answer, as JSON.
type info struct {
	SandboxID   string `json:"sandboxID"`
	RuntimeSpec *struct {
		Root *struct {
			ReadOnly bool `json:"readonly"` // left out when false
		} `json:"root"`
	} `json:"runtimeSpec"`
}

// parseInfo reads a runtime's verbose answer. Where it does not say whether the
// root file system is read-only, the second result says why not.
func parseInfo(text string) (info, string) {
	if text == "" {
		return info{}, "the container runtime gives no details"
	}
	var parsed info
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		return info{}, "the container runtime's details are unreadable"
	}
	if parsed.readOnlyRoot() == "" {
		return parsed, "the container runtime's details leave it out"
	}
	return parsed, ""
}

// readOnlyRoot says what workload.Container says: "yes", "no" or "".
func (i info) readOnlyRoot() string {
	switch {
	case i.RuntimeSpec == nil || i.RuntimeSpec.Root == nil:
		return ""
	case i.RuntimeSpec.Root.ReadOnly:
		return "yes"
	default:
		return "no"
	}
}

// nanoseconds turns CRI's time into ours; 0 is no time.
func nanoseconds(n int64) time.Time {
	if n <= 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// clip bounds a field that somebody else wrote.
func clip(s string) string {
	if len(s) <= maxField {
		return s
	}
	return strings.ToValidUTF8(s[:maxField], "")
}
