package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Node is a running container host. Its methods are safe for concurrent use.
type Node struct {
	// Socket is where containerd listens, for CRI clients on this machine.
	Socket string

	*daemon
	images map[string]image
	conn   *grpc.ClientConn
}

// Start starts a node. The caller must stop it; the kernel does when this
// process dies.
func Start(ctx context.Context, a *Artifacts) (*Node, error) {
	d, err := newDaemon("containerd")
	if err != nil {
		return nil, err
	}
	n := &Node{Socket: d.socket, daemon: d, images: a.images}
	if err := n.start(ctx, a.bin); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

// start starts containerd and waits until it answers.
func (n *Node) start(ctx context.Context, bin string) error {
	config := filepath.Join(n.dir, "config.toml")
	if err := os.WriteFile(config, []byte(n.config(bin)), 0o600); err != nil {
		return err
	}
	if err := n.launch(registry(n.images), bin, "containerd", "--config", config); err != nil {
		return err
	}
	conn, err := grpc.NewClient("unix:"+n.Socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(16<<20)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: time.Second},
			MinConnectTimeout: time.Second,
		}))
	if err != nil {
		return err
	}
	n.conn = conn
	return n.await(ctx, n.status)
}

// config returns containerd's configuration. restrict_oom_score_adj is for
// machines whose root lacks CAP_SYS_RESOURCE; the snapshotters left out would
// only say in the log that they cannot work.
func (n *Node) config(bin string) string {
	return fmt.Sprintf(`version = 3
root = '%[1]s/root'
state = '%[1]s/state'
disabled_plugins = [
  'io.containerd.snapshotter.v1.blockfile',
  'io.containerd.snapshotter.v1.erofs',
  'io.containerd.nri.v1.nri',
]
[grpc]
  address = '%[2]s'
[ttrpc]
  address = '%[1]s/ttrpc.sock'
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '%[3]s'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    conf_dir = '%[1]s/cni'
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = 'runc'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = 'io.containerd.runc.v2'
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName = '%[4]s/runc'
        SystemdCgroup = false
`, n.dir, n.Socket, reference("pause"), bin)
}

// status asks containerd for its own, and waits until it answers.
func (n *Node) status(ctx context.Context) error {
	_, err := n.runtime().Status(ctx, &cri.StatusRequest{})
	return err
}

func (n *Node) runtime() cri.RuntimeServiceClient { return cri.NewRuntimeServiceClient(n.conn) }

// Stop kills all that runs on the node, and removes what it left. It must be
// called once.
func (n *Node) Stop() error {
	var errs []error
	if n.conn != nil {
		errs = append(errs, n.conn.Close())
	}
	return errors.Join(append(errs, n.stop())...)
}
