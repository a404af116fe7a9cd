// Package cri asks container runtimes about containers through the Kubernetes
// Container Runtime Interface (CRI, version v1), which containerd, CRI-O and
// cri-dockerd speak on a unix socket.
//
//	resolver := cri.NewResolver(cri.Config{})
//	defer resolver.Close()
//	where := resolver.Resolve(ctx, process)
//
// No kubelet and no Kubernetes API is needed; containers that were not made
// through CRI (docker run, ctr run, podman) are not known to it: they keep their id, and the
// reason why nothing more is known. The package only reads: it never creates,
// changes or removes anything.
//
// A runtime is trusted to be honest, but what it repeats was written by whoever
// made the container: names and labels are hostile text and are bounded here.
package cri

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kingsnake/workload"
)

// errUnreachable says that no runtime could be asked, or that one which might
// know the container could not.
var errUnreachable = errors.New("no container runtime socket answered")

// errNoCRI says that something listens which is no CRI runtime. Docker's package
// of containerd comes with CRI switched off.
var errNoCRI = errors.New("answers, but does not offer CRI v1")

// errOldCRI says that a runtime is too old: containerd offers v1 since 1.6, CRI-O
// since 1.20.
var errOldCRI = errors.New("offers only CRI v1alpha2")

const (
	defaultTimeout = time.Second
	silence        = 5 * time.Second // how long a runtime that hangs is left alone
	maxAnswer      = 16 << 20        // bytes of one answer; what the kubelet accepts
	maxCause       = 200             // bytes of a runtime's error message that are kept
)

// DefaultSockets returns where container runtimes usually listen, in the order
// they are asked. Sources: the documentation of containerd, CRI-O, cri-dockerd,
// K3s (and RKE2), k0s and MicroK8s.
func DefaultSockets() []string {
	return []string{
		"/run/containerd/containerd.sock",
		"/var/run/crio/crio.sock",
		"/run/cri-dockerd.sock",
		"/run/k3s/containerd/containerd.sock",
		"/run/k0s/containerd.sock",
		"/var/snap/microk8s/common/run/containerd.sock",
	}
}

// client asks runtimes. It is safe for concurrent use. It connects when it is
// first asked, and again by itself when a runtime was restarted.
type client struct {
	sockets []string
	timeout time.Duration // of one question to one socket
	now     func() time.Time

	mu     sync.Mutex
	conns  map[string]*grpc.ClientConn // by socket
	names  map[string]string           // what the runtime at a socket is, once it has said so
	silent map[string]time.Time        // sockets that did not answer in time, and until when they are left alone
	closed bool
}

// newClient returns a client of one socket, of several separated by commas, or,
// when there is none, of DefaultSockets.
func newClient(socket string, timeout time.Duration, now func() time.Time) *client {
	c := &client{
		timeout: timeout,
		now:     now,
		conns:   make(map[string]*grpc.ClientConn),
		names:   make(map[string]string),
		silent:  make(map[string]time.Time),
	}
	for s := range strings.SplitSeq(socket, ",") {
		if s = strings.TrimPrefix(strings.TrimSpace(s), "unix://"); s != "" {
			c.sockets = append(c.sockets, s)
		}
	}
	if len(c.sockets) == 0 {
		c.sockets = DefaultSockets()
	}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	return c
}

// close ends all connections.
func (c *client) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	clear(c.conns)
	return errors.Join(errs...)
}

// lookup returns the container of that id, which must be whole, and its pod.
// Node, Cluster and Owner are left empty. What the runtime did not say is named
// in Unresolved. The error wraps workload.ErrUnknown or errUnreachable and says in words
// who was asked and what came back.
func (c *client) lookup(ctx context.Context, id string) (workload.Workload, error) {
	var asked, broken []string
	for _, socket := range c.sockets {
		if c.isSilent(socket) {
			broken = append(broken, socket+": did not answer in time a moment ago")
			continue
		}
		service, err := c.dial(socket)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var w workload.Workload
		if err == nil {
			w, err = c.ask(ctx, service, id)
			w.Container.Runtime = c.name(ctx, socket, err)
		}
		switch {
		case err == nil:
			return w, nil
		case notFound(err):
			asked = append(asked, socket)
		default:
			if status.Code(err) == codes.DeadlineExceeded {
				c.leaveAlone(socket)
			}
			broken = append(broken, socket+": "+cause(err))
		}
	}
	switch {
	case len(broken) > 0:
		return workload.Workload{}, fmt.Errorf("%w: %s", errUnreachable, strings.Join(broken, "; "))
	case len(asked) > 0:
		return workload.Workload{}, fmt.Errorf("%w (asked %s): it was gone before it was asked for, or it was not made through CRI",
			workload.ErrUnknown, strings.Join(asked, ", "))
	default:
		return workload.Workload{}, fmt.Errorf("%w: none exists of %s", errUnreachable, strings.Join(c.sockets, ", "))
	}
}

// isSilent reports whether the runtime at socket is left alone for now.
func (c *client) isSilent(socket string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Before(c.silent[socket])
}

// leaveAlone spares the askers a runtime that hangs: many containers would each
// make one wait for it in vain.
func (c *client) leaveAlone(socket string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent[socket] = c.now().Add(silence)
}

// name returns what the runtime at socket is, "" when it did not say. It asks
// once, and not at all after a question that failed.
func (c *client) name(ctx context.Context, socket string, failed error) string {
	if failed != nil {
		return ""
	}
	c.mu.Lock()
	name := c.names[socket]
	c.mu.Unlock()
	if name != "" {
		return name
	}
	name, _, err := c.version(ctx, socket)
	if err != nil {
		return ""
	}
	c.mu.Lock()
	c.names[socket] = name
	c.mu.Unlock()
	return name
}

// old reports whether the runtime at socket speaks the version before v1, whose
// question for the version is the same.
func (c *client) old(ctx context.Context, socket string) bool {
	c.mu.Lock()
	conn := c.conns[socket]
	c.mu.Unlock()
	return conn != nil && conn.Invoke(ctx, "/runtime.v1alpha2.RuntimeService/Version", &runtime.VersionRequest{}, new(runtime.VersionResponse)) == nil
}

// version asks the runtime at socket for its name and version.
func (c *client) version(ctx context.Context, socket string) (name, version string, err error) {
	service, err := c.dial(socket)
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := service.Version(ctx, &runtime.VersionRequest{})
	switch {
	case status.Code(err) == codes.Unimplemented && c.old(ctx, socket):
		return "", "", errOldCRI
	case status.Code(err) == codes.Unimplemented:
		return "", "", errNoCRI
	case err != nil:
		return "", "", errors.New(cause(err))
	}
	return clip(answer.GetRuntimeName()), clip(answer.GetRuntimeVersion()), nil
}

// dial returns the runtime service at socket. The error wraps fs.ErrNotExist
// when there is no socket.
func (c *client) dial(socket string) (runtime.RuntimeServiceClient, error) {
	info, err := os.Stat(socket)
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return nil, errors.New("is not a socket")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, net.ErrClosed
	}
	conn, ok := c.conns[socket]
	if !ok {
		conn, err = grpc.NewClient("unix:"+socket,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithNoProxy(),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
			// A local socket is cheap to try again, and a runtime that comes
			// back after an upgrade is needed at once.
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 2, MaxDelay: time.Second},
				MinConnectTimeout: time.Second,
			}),
		)
		if err != nil {
			return nil, err
		}
		c.conns[socket] = conn
	}
	return runtime.NewRuntimeServiceClient(conn), nil
}

// notFound reports whether a runtime answered that it does not know a
// container. cri-dockerd passes Docker's own words on without a code.
func notFound(err error) bool {
	s := status.Convert(err)
	return s.Code() == codes.NotFound || s.Code() == codes.Unknown && strings.Contains(s.Message(), "No such container")
}

// cause says in words why a runtime gave no answer.
func cause(err error) string {
	s, ok := status.FromError(err)
	if !ok {
		return shorten(err.Error())
	}
	switch s.Code() {
	case codes.Unimplemented:
		return errNoCRI.Error()
	case codes.DeadlineExceeded:
		return "did not answer in time"
	case codes.Canceled:
		return "was not waited for"
	default:
		return shorten(s.Message())
	}
}

// shorten bounds a runtime's message and keeps it on one line.
func shorten(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	if len(message) > maxCause {
		message = strings.ToValidUTF8(message[:maxCause], "") + "…"
	}
	return message
}
