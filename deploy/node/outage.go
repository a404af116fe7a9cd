package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// keeper is the shell program that is a node's first process: it runs containerd,
// and runs it again when KillRuntime has killed it. Its name, $0, is the path of
// the file that says so. When containerd ends by itself, so does the node.
const keeper = `mount -t proc proc /proc || exit 1
while :; do
	"$@"
	[ -e "$0" ] || exit 1
	while [ -e "$0" ]; do sleep 0.05; done
done`

// away is the file whose being there keeps containerd from running.
func (n *Node) away() string { return filepath.Join(n.dir, "away") }

// KillRuntime kills containerd, as a crash would, and keeps it from running until
// StartRuntime. What runs in containers goes on.
func (n *Node) KillRuntime(ctx context.Context) error {
	pid, err := n.containerd()
	if err != nil {
		return err
	}
	if err := os.WriteFile(n.away(), nil, 0o600); err != nil {
		return err
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid))); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return ctx.Err()
}

// containerd returns the number of containerd's process.
func (n *Node) containerd() (int, error) {
	first := strconv.Itoa(n.process.Pid)
	text, err := os.ReadFile(filepath.Join("/proc", first, "task", first, "children"))
	if err != nil {
		return 0, err
	}
	for _, child := range strings.Fields(string(text)) { // containers' shims are among them
		name, err := os.ReadFile(filepath.Join("/proc", child, "comm"))
		if err == nil && string(name) == "containerd\n" {
			return strconv.Atoi(child)
		}
	}
	return 0, errors.New("containerd does not run")
}

// StartRuntime lets containerd run again, and waits until it answers.
func (n *Node) StartRuntime(ctx context.Context) error {
	if err := os.Remove(n.away()); err != nil {
		return err
	}
	return n.answers(ctx)
}

// answers waits until containerd answers.
func (n *Node) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		_, err := n.runtime().Status(ctx, &cri.StatusRequest{})
		answered <- err
	}()
	select {
	case err := <-answered:
		if err != nil {
			return fmt.Errorf("containerd does not answer: %v\n%s", err, n.log())
		}
		return nil
	case <-n.ended:
		return fmt.Errorf("containerd ended: %v\n%s", n.cause, n.log())
	}
}
