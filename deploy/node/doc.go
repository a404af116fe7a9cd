// Package node is a real container host for tests: containerd and runc, with a
// Python image, on this machine and apart from it. It needs root, Go, gcc and
// Debian's apt, but no Docker, no Kubernetes and no container registry.
//
//	artifacts, err := node.Prepare(ctx, os.Stderr) // minutes once, then seconds
//	n, err := node.Start(ctx, artifacts)
//	defer n.Stop()
//	pod, err := n.RunPod(ctx, "shop", "web-1", map[string]string{"app": "web"})
//	id, err := pod.Run(ctx, node.Container{Name: "web", Command: []string{"python3", "-c", "print(1)"}})
//
// # What is built
//
// Prepare builds containerd, its shim and runc from the Go modules pinned in
// tools/, and an image from Debian packages that apt-get downloads: Python, its
// whole standard library, some Python packages and busybox. Docker and
// Podman, which StartDocker and StartPodman start, come whole from such packages. Everything is kept
// in CacheDir under a key of what it was made from.
//
// # How it is kept apart
//
// containerd runs in a PID namespace of its own, whose first process keeps it, in
// a mount and a network namespace of its own. The network has a loopback device and nothing
// else, and pods share it: nothing that runs in one can reach anything. When
// containerd dies, or the process that started it, the kernel ends all that runs
// in the containers, and every mount goes with the mount namespace. A folder and
// the cgroups remain, which Stop removes, and Start those of a run that was
// killed.
//
// The node's processes are ordinary processes of this machine's kernel, which is
// what a sensor on this machine needs to see.
package node
