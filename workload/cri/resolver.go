package cri

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"kingsnake/capture"
	"kingsnake/workload"
	"kingsnake/workload/cgroup"
)

const (
	cacheSize  = 4096             // containers remembered
	cacheAge   = time.Hour        // since one was last asked for
	firstRetry = time.Second      // before an unknown container is asked for again
	lastRetry  = 30 * time.Second // the same, after several times in vain
	renewal    = time.Minute      // before others than CRI, who do not tell what they make, are asked again
)

// Config says whom to ask and what to call this machine. The zero Config is
// useful.
type Config struct {
	// Socket is the path of a container runtime's unix socket, or of several
	// separated by commas; "" means DefaultSockets. It need not exist yet.
	Socket string

	// Timeout bounds one question to one socket; 0 means one second.
	Timeout time.Duration

	Node    string // name of this machine; "" means $NODE_NAME, else the host name
	Cluster string // name of the cluster; "" when unknown

	// Others are asked, in this order, about containers that were not made
	// through CRI, or that its runtimes do not know.
	Others []Source

	// Pods adds what the container runtime does not know of pods and of the
	// cluster; nil leaves it out.
	Pods Describer

	Now  func() time.Time // nil means time.Now
	Proc string           // where the proc file system is; "" means /proc
}

// Source knows containers that CRI does not: those of Docker, of Podman, of
// containerd's other clients. Its error wraps workload.ErrNotServed when it has
// nothing to do with containers of that kind, workload.ErrUnknown when it could
// be asked and does not know this one; any other says that it could not be asked.
// It answers within a bounded time.
type Source interface {
	Find(ctx context.Context, c cgroup.Container) (workload.Workload, error)
}

// Describer adds to what is known of a workload. It answers within a bounded
// time, and does not change the maps and slices of its argument.
type Describer interface {
	Describe(ctx context.Context, w workload.Workload) workload.Workload
}

// Resolver says where a process ran. It remembers containers beyond their end,
// by their id, so a script whose container is gone keeps its names as long as
// one script of that container was seen before. It is safe for concurrent use;
// askers of the same container wait for one question.
type Resolver struct {
	config Config
	client *client

	mu      sync.Mutex
	entries map[string]*entry // by container id
	recent  *list.List        // of *entry, the one asked for last in front
	last    error             // what became of the latest question to the runtimes
	misses  map[string]uint64 // processes whose workload stayed unknown, by reason
}

// entry is what is known, or being asked, about one container. Its fields are
// guarded by Resolver.mu, except where, which does not change once done is
// closed.
type entry struct {
	id    string
	place *list.Element
	used  time.Time

	done  chan struct{} // closed when the question was answered
	where workload.Workload
	err   error // why nothing is known

	retry    time.Time // when it is asked for again; zero means never
	failures int
	before   *workload.Workload // what was known until it was asked for again; nil when nothing was
}

// NewResolver returns a resolver. It does not ask anybody yet.
func NewResolver(config Config) *Resolver {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Proc == "" {
		config.Proc = "/proc"
	}
	if config.Node == "" {
		config.Node = os.Getenv("NODE_NAME")
	}
	if config.Node == "" {
		config.Node, _ = os.Hostname() // without a name the node stays unknown
	}
	return &Resolver{
		config:  config,
		client:  newClient(config.Socket, config.Timeout, config.Now),
		entries: make(map[string]*entry),
		recent:  list.New(),
		misses:  make(map[string]uint64),
	}
}

// Close ends the connections to the runtimes.
func (r *Resolver) Close() error { return r.client.close() }

// Unavailable says why no container runtime can be asked, as of the latest
// question; "" when one answered, or when there was nothing to ask. It does not
// ask itself.
func (r *Resolver) Unavailable() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(r.last, errUnreachable) {
		return r.last.Error()
	}
	return ""
}

// Resolve says where p ran. It asks a container runtime about a container it
// does not know, for at most the configured time a socket, and never fails:
// what stays unknown is empty and has its reason in Unresolved. A process in no
// container gives a Workload of which only Node and Cluster are set.
func (r *Resolver) Resolve(ctx context.Context, p capture.Process) workload.Workload {
	c, unread := r.cgroupOf(p)
	if c.ID == "" {
		w := workload.Workload{Node: r.config.Node, Cluster: r.config.Cluster}
		if unread != nil {
			r.miss("cgroup not read")
			w.Unresolved = map[string]string{"container.id": unread.Error()}
		}
		return r.describe(ctx, w)
	}
	w, err := workload.Workload{}, error(workload.ErrUnknown)
	if c.Outer != nil {
		// What runs in a container may make cgroups below its own, and name them
		// like other containers. A runtime that knows the outer one did not make
		// others in it: those are of another runtime, or of nobody.
		if w, err = r.find(ctx, *c.Outer); err == nil {
			c = *c.Outer
		}
	}
	if err != nil {
		w, err = r.find(ctx, c)
	}
	if err != nil {
		r.miss(missOf(err))
		w = unknown(c, err)
	}
	w.Node, w.Cluster = r.config.Node, r.config.Cluster
	if c.Runtime != "" {
		w.Container.Runtime = c.Runtime
	}
	if w.Pod.UID == "" {
		w.Pod.UID = c.PodUID
	}
	return r.describe(ctx, w)
}

func (r *Resolver) describe(ctx context.Context, w workload.Workload) workload.Workload {
	if r.config.Pods == nil {
		return w
	}
	return r.config.Pods.Describe(ctx, w)
}

// Misses counts the processes whose container stayed unknown, by reason.
func (r *Resolver) Misses() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.misses)
}

func (r *Resolver) miss(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.misses[why]++
}

// missOf is the reason in few words, of which there are few.
func missOf(err error) string {
	switch {
	case errors.Is(err, errUnreachable):
		return "container runtime unreachable"
	case errors.Is(err, workload.ErrUnknown):
		return "container unknown to its runtime"
	default:
		return "container runtime not waited for"
	}
}

// unknown is a container of which nobody knows more than its cgroup says.
func unknown(c cgroup.Container, err error) workload.Workload {
	w := workload.Workload{Container: workload.Container{ID: c.ID}, Unresolved: make(map[string]string)}
	for _, field := range []string{
		"container.name", "container.image", "container.image_id", "container.created", "container.read_only_root",
	} {
		w.Unresolved[field] = err.Error()
	}
	if c.Runtime == "docker" || c.Runtime == "podman" {
		return w // these make no pods of Kubernetes
	}
	for _, field := range []string{"pod.namespace", "pod.name", "pod.labels"} {
		w.Unresolved[field] = err.Error()
	}
	return w
}

// find returns what is known of a container, asking when nothing is.
func (r *Resolver) find(ctx context.Context, c cgroup.Container) (workload.Workload, error) {
	e, mine := r.enter(c.ID)
	if mine {
		// The answer is for everybody who waits, so it does not end with the
		// context of whoever happened to come first.
		where, by, err := r.lookup(context.WithoutCancel(ctx), c)
		if err != nil && e.before != nil {
			where, by, err = *e.before, others, nil // it has ended, or nobody answers now
		}
		r.answer(e, where, by, err)
	}
	select {
	case <-e.done:
		where := e.where
		where.Unresolved = maps.Clone(where.Unresolved)
		return where, e.err
	case <-ctx.Done():
		return workload.Workload{}, fmt.Errorf("the container runtime was not waited for: %v", context.Cause(ctx))
	}
}

// lookup asks those who may know a container: the runtimes that speak CRI, unless
// its cgroup says that it is another's, and then the others.
func (r *Resolver) lookup(ctx context.Context, c cgroup.Container) (w workload.Workload, by answerer, err error) {
	var failed error
	other := c.PodUID == "" && (c.Runtime == "docker" || c.Runtime == "podman")
	if !other || len(r.config.Others) == 0 {
		w, err := r.client.lookup(ctx, c.ID)
		if err == nil {
			return w, runtimes, nil
		}
		failed = err
	}
	for _, source := range r.config.Others {
		w, err := source.Find(ctx, c)
		switch {
		case err == nil:
			return w, others, nil
		case errors.Is(err, workload.ErrNotServed):
		case failed == nil:
			failed = err
		default:
			failed = fmt.Errorf("%w; %w", failed, err)
		}
	}
	if failed == nil {
		return workload.Workload{}, others, fmt.Errorf("%w: nothing here knows containers of %s", errUnreachable, c.Runtime)
	}
	return workload.Workload{}, others, failed
}

// enter returns the entry of a container, and whether it is the caller who has
// to ask and answer.
func (r *Resolver) enter(id string) (e *entry, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.config.Now()
	r.forget(now)
	old, ok := r.entries[id]
	if ok {
		old.used = now
		r.recent.MoveToFront(old.place)
		if old.retry.IsZero() || now.Before(old.retry) {
			return old, false
		}
		r.remove(old)
	}
	e = &entry{id: id, used: now, done: make(chan struct{})}
	if ok {
		e.failures = old.failures
		if old.err == nil {
			e.before = &old.where
		}
	}
	e.place = r.recent.PushFront(e)
	r.entries[id] = e
	return e, true
}

// answerer is who answered.
type answerer int

const (
	runtimes answerer = iota // that speak CRI, which Follow follows
	others                   // Config.Others
)

// answer ends a question. What others than CRI's runtimes answered is asked for
// again after a while: a container of theirs may get another name, or another
// container its id, and nobody tells.
func (r *Resolver) answer(e *entry, where workload.Workload, by answerer, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = err
	e.where, e.err, e.before = where, err, nil
	switch {
	case err != nil:
		wait := min(firstRetry<<min(e.failures, 10), lastRetry)
		e.retry = r.config.Now().Add(wait)
		e.failures++
	case by == others:
		e.retry = r.config.Now().Add(renewal)
	}
	close(e.done)
}

// forget drops the containers nobody asked for in a long time, and the longest
// unused beyond the cache's size.
func (r *Resolver) forget(now time.Time) {
	for oldest := r.recent.Back(); oldest != nil; oldest = r.recent.Back() {
		e := oldest.Value.(*entry)
		if r.recent.Len() < cacheSize && now.Sub(e.used) < cacheAge {
			return
		}
		r.remove(e)
	}
}

// remove drops one container. Those who wait for it still get their answer.
func (r *Resolver) remove(e *entry) {
	r.recent.Remove(e.place)
	delete(r.entries, e.id)
}

// cgroupOf returns what the cgroup of p says: the path that was captured, else
// what the proc file system shows of the process now. The error says why
// neither could be read.
func (r *Resolver) cgroupOf(p capture.Process) (cgroup.Container, error) {
	c := cgroup.Parse(p.Cgroup)
	if c.ID != "" || strings.Contains(p.Cgroup, "/") {
		return c, nil
	}
	// Only the last component was captured, or nothing. It may lie below that of
	// the container: Podman and systemd make one more.
	text, err := r.readProc(p)
	switch {
	case err == nil:
		return cgroup.ParseProc(text), nil
	case p.Cgroup != "":
		return c, nil
	case errors.Is(err, fs.ErrNotExist):
		return c, errors.New("the process's cgroup was not captured, and it ended before it was looked up")
	default:
		return c, fmt.Errorf("the process's cgroup was not captured: %v", err)
	}
}

// readProc reads the cgroup file of p, making sure that it is not that of a
// later process with the same id. The error wraps fs.ErrNotExist when p is gone.
func (r *Resolver) readProc(p capture.Process) ([]byte, error) {
	file, err := os.Open(filepath.Join(r.config.Proc, strconv.Itoa(p.PID), "cgroup"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, cgroup.MaxPath+1))
	if err != nil {
		return nil, fs.ErrNotExist // a process that ended since fails so
	}
	started, err := startOf(r.config.Proc, p.PID, r.config.Now())
	if err != nil {
		return nil, err
	}
	if !p.Start.IsZero() && started.Sub(p.Start).Abs() > startTolerance {
		return nil, fs.ErrNotExist
	}
	return text, nil
}
