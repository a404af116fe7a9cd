package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Node is a running container host. Its methods are safe for concurrent use.
type Node struct {
	// Socket is where containerd listens, for CRI clients on this machine.
	Socket string

	dir     string // holds all of containerd's state
	cgroup  string // name of the cgroup above those of all pods
	images  map[string]image
	conn    *grpc.ClientConn
	process *os.Process
	ended   chan struct{} // closed when containerd has ended
	cause   error         // what became of it, once it has ended
}

// startLimit is how long containerd may take until it answers.
const startLimit = time.Minute

// cgroupPrefix begins the name of every node's cgroup; the rest is the number
// of the process that started it.
const cgroupPrefix = "kingsnake-node-"

// Start starts a node. The caller must stop it; the kernel does when this
// process dies.
func Start(ctx context.Context, a *Artifacts) (*Node, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a node needs root")
	}
	if err := sweep(); err != nil {
		return nil, err
	}
	run := filepath.Join(CacheDir(), "run")
	if err := os.MkdirAll(run, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(run, fmt.Sprintf("%d-", os.Getpid()))
	if err != nil {
		return nil, err
	}
	n := &Node{
		Socket: filepath.Join(dir, "containerd.sock"),
		dir:    dir,
		cgroup: cgroupPrefix + filepath.Base(dir),
		images: a.images,
		ended:  make(chan struct{}),
	}
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
	started := make(chan error, 1)
	go n.hold(bin, config, started)
	if err := <-started; err != nil {
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
	return n.answers(ctx)
}

// hold is the goroutine of a node: it keeps the thread that containerd belongs
// to until containerd has ended. A child whose parent thread dies is killed, and
// this thread, being in other namespaces, must not run other goroutines: it ends
// with this one, which never unlocks it.
func (n *Node) hold(bin, config string, started chan<- error) {
	runtime.LockOSThread()
	cmd, server, err := n.spawn(bin, config)
	if err != nil {
		started <- err
		return
	}
	n.process = cmd.Process
	started <- nil
	err = cmd.Wait()
	n.cause = errors.Join(err, server.Close())
	close(n.ended)
}

// spawn starts containerd, and the registry it pulls from, in new namespaces,
// into which it also moves the calling thread.
func (n *Node) spawn(bin, config string) (*exec.Cmd, *http.Server, error) {
	if err := enterNamespaces(); err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", strings.Replace(registryAddress, "localhost", "127.0.0.1", 1))
	if err != nil {
		return nil, nil, err
	}
	server := &http.Server{Handler: registry(n.images), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // until hold closes it

	log, err := os.Create(filepath.Join(n.dir, "log"))
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", "-c", keeper, n.away(), filepath.Join(bin, "containerd"), "--config", config)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // Ctrl-C is for the process that started the node
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	return cmd, server, nil
}

// enterNamespaces moves the calling thread into a mount namespace in which /run
// is empty, and into a network namespace with nothing but a loopback device.
func enterNamespaces() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make namespaces: %v", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %v", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %v", err)
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	loopback.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, loopback); err != nil {
		return fmt.Errorf("set the loopback device up: %v", err)
	}
	return nil
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

// log returns the end of what containerd wrote.
func (n *Node) log() string {
	text, err := os.ReadFile(filepath.Join(n.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4096):])
}

func (n *Node) runtime() cri.RuntimeServiceClient { return cri.NewRuntimeServiceClient(n.conn) }

// Stop kills all that runs on the node, and removes what it left. It must be
// called once.
func (n *Node) Stop() error {
	var errs []error
	if n.conn != nil {
		errs = append(errs, n.conn.Close())
	}
	if n.process != nil {
		// The first process of a PID namespace is gone only when all others are.
		errs = append(errs, n.process.Kill())
		<-n.ended
	}
	errs = append(errs, removeCgroups(n.cgroup), os.RemoveAll(n.dir))
	return errors.Join(errs...)
}

// sweep removes what nodes left whose starting process was killed.
func sweep() error {
	run := filepath.Join(CacheDir(), "run")
	left, err := os.ReadDir(run)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range left {
		pid, _, _ := strings.Cut(entry.Name(), "-")
		if _, err := os.Stat(filepath.Join("/proc", pid)); err == nil {
			continue
		}
		if err := errors.Join(removeCgroups(cgroupPrefix+entry.Name()), os.RemoveAll(filepath.Join(run, entry.Name()))); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes a cgroup and those below it, in every hierarchy.
func removeCgroups(name string) error {
	var errs []error
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		tops, err := filepath.Glob(pattern + name)
		errs = append(errs, err)
		for _, top := range tops {
			errs = append(errs, removeTree(top))
		}
	}
	return errors.Join(errs...)
}

// removeTree removes a folder that holds folders and the kernel's own files.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return unix.Rmdir(dir)
}
