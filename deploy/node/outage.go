package node

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// keeper is the shell program that is a daemon's first process: it runs the daemon,
// and runs it again when KillRuntime has killed it. Its name, $0, is the path of
// the file that says so. When the daemon ends by itself, so does all.
const keeper = `mount -t proc proc /proc || exit 1
while :; do
	"$@"
	[ -e "$0" ] || exit 1
	while [ -e "$0" ]; do sleep 0.05; done
done`

// away is the file whose being there keeps the daemon from running.
func (d *daemon) away() string { return filepath.Join(d.dir, "away") }

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
	return n.await(ctx, n.status)
}
