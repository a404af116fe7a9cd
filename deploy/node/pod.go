package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Image is an image that a node can run.
type Image struct {
	Reference string // the name to run it by
	Digest    string // "sha256:…"
}

// Python returns the image with Python.
func (n *Node) Python() Image {
	return Image{Reference: reference("python"), Digest: n.images["python"].digest}
}

// Pod is a running pod, as the kubelet would make one. It is in the node's
// network.
type Pod struct {
	UID string

	node   *Node
	id     string
	config *cri.PodSandboxConfig
}

// RunPod starts a pod without containers.
func (n *Node) RunPod(ctx context.Context, namespace, name string, labels map[string]string) (*Pod, error) {
	var b [16]byte
	rand.Read(b[:])
	uid := fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	p := &Pod{UID: uid, node: n, config: &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: name, Namespace: namespace, Uid: uid},
		Labels:       kubeletLabels(labels, namespace, name, uid),
		LogDirectory: n.dir + "/pods/" + uid,
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent: "/" + n.cgroup + "/kubepods/besteffort/pod" + uid,
			SecurityContext: &cri.LinuxSandboxSecurityContext{
				NamespaceOptions: &cri.NamespaceOption{Network: cri.NamespaceMode_NODE, Pid: cri.NamespaceMode_CONTAINER},
			},
		},
	}}
	answer, err := n.runtime().RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: p.config})
	if err != nil {
		return nil, fmt.Errorf("run pod %s: %w", name, err)
	}
	p.id = answer.GetPodSandboxId()
	return p, nil
}

// kubeletLabels adds to labels what the kubelet adds.
func kubeletLabels(labels map[string]string, namespace, name, uid string) map[string]string {
	all := map[string]string{
		"io.kubernetes.pod.namespace": namespace,
		"io.kubernetes.pod.name":      name,
		"io.kubernetes.pod.uid":       uid,
	}
	for key, value := range labels {
		all[key] = value
	}
	return all
}

// Container says what to run in a pod, in the Python image.
type Container struct {
	Name         string
	Command      []string
	Mounts       map[string]string // folders of this machine by their place in the container, read-only
	ReadOnlyRoot bool
}

// Run starts a container and returns its id.
func (p *Pod) Run(ctx context.Context, c Container) (string, error) {
	image := &cri.ImageSpec{Image: p.node.Python().Reference}
	images := cri.NewImageServiceClient(p.node.conn)
	have, err := images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: image})
	if err != nil {
		return "", err
	}
	if have.GetImage() == nil {
		if _, err := images.PullImage(ctx, &cri.PullImageRequest{Image: image}); err != nil {
			return "", fmt.Errorf("pull %s: %w", image.GetImage(), err)
		}
	}
	labels := kubeletLabels(nil, p.config.GetMetadata().GetNamespace(), p.config.GetMetadata().GetName(), p.UID)
	labels["io.kubernetes.container.name"] = c.Name
	config := &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: c.Name},
		Image:    image,
		Command:  c.Command,
		Labels:   labels,
		LogPath:  c.Name + ".log",
		Linux: &cri.LinuxContainerConfig{SecurityContext: &cri.LinuxContainerSecurityContext{
			NamespaceOptions: p.config.GetLinux().GetSecurityContext().GetNamespaceOptions(),
			ReadonlyRootfs:   c.ReadOnlyRoot,
		}},
	}
	for inside, outside := range c.Mounts {
		config.Mounts = append(config.Mounts, &cri.Mount{ContainerPath: inside, HostPath: outside, Readonly: true})
	}
	runtime := p.node.runtime()
	made, err := runtime.CreateContainer(ctx, &cri.CreateContainerRequest{PodSandboxId: p.id, Config: config, SandboxConfig: p.config})
	if err != nil {
		return "", fmt.Errorf("create container %s: %w", c.Name, err)
	}
	if _, err := runtime.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: made.GetContainerId()}); err != nil {
		return "", fmt.Errorf("start container %s: %w", c.Name, err)
	}
	return made.GetContainerId(), nil
}

// Exit is how a container ended.
type Exit struct {
	Code  int
	Lived time.Duration // from its start to its end, as the runtime has it
}

// Wait waits until a container has ended.
func (n *Node) Wait(ctx context.Context, id string) (Exit, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := n.runtime().ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: id})
		if err != nil {
			return Exit{}, err
		}
		if s := answer.GetStatus(); s.GetState() == cri.ContainerState_CONTAINER_EXITED {
			// The runtime notes a start when it has seen it, which may be after the end.
			return Exit{int(s.GetExitCode()), time.Duration(max(0, s.GetFinishedAt()-s.GetStartedAt()))}, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return Exit{}, ctx.Err()
		}
	}
}

// Processes returns the numbers of a container's processes, as this machine
// counts them.
func (n *Node) Processes(id string) ([]int, error) {
	for _, hierarchy := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		files, err := filepath.Glob(hierarchy + n.cgroup + "/kubepods/besteffort/pod*/" + id + "/cgroup.procs")
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			continue
		}
		text, err := os.ReadFile(files[0])
		if err != nil {
			return nil, err
		}
		var pids []int
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return nil, err
			}
			pids = append(pids, pid)
		}
		return pids, nil
	}
	return nil, fmt.Errorf("container %s has no cgroup", id)
}

// Exec runs a command in a running container and returns what it printed.
func (n *Node) Exec(ctx context.Context, id string, command ...string) (string, error) {
	answer, err := n.runtime().ExecSync(ctx, &cri.ExecSyncRequest{ContainerId: id, Cmd: command})
	if err != nil {
		return "", err
	}
	if answer.GetExitCode() != 0 {
		return "", fmt.Errorf("%q exited %d: %s", command, answer.GetExitCode(), answer.GetStderr())
	}
	return string(answer.GetStdout()), nil
}

// Remove ends a pod and its containers, and makes the runtime forget them.
func (p *Pod) Remove(ctx context.Context) error {
	runtime := p.node.runtime()
	if _, err := runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: p.id}); err != nil {
		return err
	}
	_, err := runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: p.id})
	return err
}

// Remove ends a container and makes the runtime forget it.
func (n *Node) Remove(ctx context.Context, id string) error {
	_, err := n.runtime().RemoveContainer(ctx, &cri.RemoveContainerRequest{ContainerId: id})
	return err
}
