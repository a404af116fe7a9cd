// Package critest is a container runtime for tests: it speaks CRI v1 on a unix
// socket as containerd does, and knows exactly the containers a test gives it.
// Nothing runs in them. Only tests may import it.
package critest

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Container is one container of a Runtime and the pod around it. What is left
// empty the runtime does not say.
type Container struct {
	ID       string
	Name     string
	Image    string // reference
	ImageRef string // reference with digest
	Created  int64  // nanoseconds since 1970
	Labels   map[string]string

	ReadOnlyRoot bool
	NoInfo       bool // the runtime gives no verbose details, like cri-dockerd

	Sandbox      string // id of the pod's sandbox
	PodNamespace string
	PodName      string
	PodUID       string
	PodLabels    map[string]string
}

// Runtime is a running fake. Its methods are safe for concurrent use.
type Runtime struct {
	runtime.UnimplementedRuntimeServiceServer

	// Socket is the path it listens on.
	Socket string

	mu         sync.Mutex
	containers map[string]Container
	changed    chan struct{} // closed, and made anew, when told grows
	told       []string      // ids of all events so far
	hang       bool
	asked      map[string]int // by method
	server     *grpc.Server
}

// Start starts a runtime, which t's end stops.
func Start(t testing.TB, containers ...Container) *Runtime {
	t.Helper()
	// A socket's path holds at most 107 bytes, fewer than t.TempDir may take.
	dir, err := os.MkdirTemp("", "cri")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &Runtime{
		Socket:     filepath.Join(dir, "s"),
		containers: make(map[string]Container),
		changed:    make(chan struct{}),
		asked:      make(map[string]int),
	}
	for _, c := range containers {
		r.Add(c)
	}
	r.Restart(t)
	t.Cleanup(func() { r.Stop() })
	return r
}

// Restart makes the runtime listen, again when it was stopped.
func (r *Runtime) Restart(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("unix", r.Socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	runtime.RegisterRuntimeServiceServer(server, r)
	r.mu.Lock()
	r.server = server
	r.mu.Unlock()
	go func() { _ = server.Serve(listener) }() // until Stop
}

// Stop makes the runtime go away, its socket included.
func (r *Runtime) Stop() {
	r.mu.Lock()
	server := r.server
	r.mu.Unlock()
	server.Stop()
}

// Add makes a container known.
func (r *Runtime) Add(c Container) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.containers[c.ID] = c
	r.tell(c.ID)
}

// Tell tells of a container that was created, whether it is known or not.
func (r *Runtime) Tell(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell(id)
}

// tell is Tell for callers that hold mu.
func (r *Runtime) tell(id string) {
	r.told = append(r.told, id)
	close(r.changed)
	r.changed = make(chan struct{})
}

// Remove makes a container unknown.
func (r *Runtime) Remove(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.containers, id)
}

// Hang makes every later question wait until its asker gives up.
func (r *Runtime) Hang() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hang = true
}

// Asked returns how often a method was called, for example "ContainerStatus".
func (r *Runtime) Asked(method string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked[method]
}

// enter counts a question, and waits when the runtime hangs. Without an error it
// leaves r.mu locked for the answer: what changes after Asked has counted a
// question changes nothing about its answer.
func (r *Runtime) enter(ctx context.Context, method string) error {
	r.mu.Lock()
	r.asked[method]++
	if r.hang {
		r.mu.Unlock()
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err()
	}
	return nil
}

// Version implements the CRI method.
func (r *Runtime) Version(ctx context.Context, _ *runtime.VersionRequest) (*runtime.VersionResponse, error) {
	if err := r.enter(ctx, "Version"); err != nil {
		return nil, err
	}
	r.mu.Unlock()
	return &runtime.VersionResponse{
		Version: "0.1.0", RuntimeName: "containerd", RuntimeVersion: "v0.0.0-fake", RuntimeApiVersion: "v1",
	}, nil
}

// ContainerStatus implements the CRI method.
func (r *Runtime) ContainerStatus(ctx context.Context, q *runtime.ContainerStatusRequest) (*runtime.ContainerStatusResponse, error) {
	if err := r.enter(ctx, "ContainerStatus"); err != nil {
		return nil, err
	}
	c, ok := r.containers[q.GetContainerId()]
	r.mu.Unlock()
	if !ok {
		return nil, status.Errorf(codes.NotFound, "container %q: not found", q.GetContainerId())
	}
	answer := &runtime.ContainerStatusResponse{Status: &runtime.ContainerStatus{
		Id:        c.ID,
		Metadata:  &runtime.ContainerMetadata{Name: c.Name},
		State:     runtime.ContainerState_CONTAINER_RUNNING,
		CreatedAt: c.Created,
		Image:     &runtime.ImageSpec{Image: c.Image},
		ImageRef:  c.ImageRef,
		Labels:    c.Labels,
	}}
	if q.GetVerbose() && !c.NoInfo {
		root := map[string]any{"path": "rootfs"}
		if c.ReadOnlyRoot {
			root["readonly"] = true
		}
		text, err := json.Marshal(map[string]any{
			"sandboxID": c.Sandbox, "pid": 1, "runtimeSpec": map[string]any{"ociVersion": "1.2.0", "root": root},
		})
		if err != nil {
			return nil, err
		}
		answer.Info = map[string]string{"info": string(text)}
	}
	return answer, nil
}

// ListContainers implements the CRI method; of its filters only the id.
func (r *Runtime) ListContainers(ctx context.Context, q *runtime.ListContainersRequest) (*runtime.ListContainersResponse, error) {
	if err := r.enter(ctx, "ListContainers"); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	answer := &runtime.ListContainersResponse{}
	for _, c := range r.containers {
		if id := q.GetFilter().GetId(); id == "" || id == c.ID {
			answer.Containers = append(answer.Containers, &runtime.Container{
				Id: c.ID, PodSandboxId: c.Sandbox, State: runtime.ContainerState_CONTAINER_RUNNING,
			})
		}
	}
	return answer, nil
}

// PodSandboxStatus implements the CRI method.
func (r *Runtime) PodSandboxStatus(ctx context.Context, q *runtime.PodSandboxStatusRequest) (*runtime.PodSandboxStatusResponse, error) {
	if err := r.enter(ctx, "PodSandboxStatus"); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	for _, c := range r.containers {
		if c.Sandbox != "" && c.Sandbox == q.GetPodSandboxId() {
			return &runtime.PodSandboxStatusResponse{Status: &runtime.PodSandboxStatus{
				Id:       c.Sandbox,
				Metadata: &runtime.PodSandboxMetadata{Name: c.PodName, Namespace: c.PodNamespace, Uid: c.PodUID},
				Labels:   c.PodLabels,
			}}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "sandbox %q: not found", q.GetPodSandboxId())
}

// GetContainerEvents implements the CRI method: it tells of every container
// added, or named by Tell, from now on, as created.
func (r *Runtime) GetContainerEvents(_ *runtime.GetEventsRequest, stream runtime.RuntimeService_GetContainerEventsServer) error {
	r.mu.Lock()
	sent := len(r.told)
	r.mu.Unlock()
	if err := r.enter(stream.Context(), "GetContainerEvents"); err != nil {
		return err
	}
	r.mu.Unlock()
	for {
		r.mu.Lock()
		news, changed := r.told[sent:], r.changed
		r.mu.Unlock()
		for _, id := range news {
			event := &runtime.ContainerEventResponse{ContainerId: id, ContainerEventType: runtime.ContainerEventType_CONTAINER_CREATED_EVENT}
			if err := stream.Send(event); err != nil {
				return err
			}
		}
		sent += len(news)
		select {
		case <-changed:
		case <-stream.Context().Done():
			return nil
		}
	}
}
