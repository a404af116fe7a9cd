package cri

import (
	"context"
	"sync"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// followAgain is how long Follow waits before it begins anew with a runtime
// that is away, or that does not tell of new containers.
const followAgain = 5 * time.Second

// Follow learns of containers before anybody asks: of those that run now, and
// from then on of each when it is created, so that one which ends at once, or is
// removed at once, is known as well. It returns when ctx ends. Resolve works
// without it.
//
// CRI-O tells of new containers only where its option enable_pod_events is
// set; elsewhere its list is read every five seconds.
func (r *Resolver) Follow(ctx context.Context) {
	var all sync.WaitGroup
	for _, socket := range r.client.sockets {
		all.Go(func() {
			for ctx.Err() == nil {
				r.follow(ctx, socket)
				wait(ctx, followAgain)
			}
		})
	}
	all.Wait()
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// follow follows one runtime until it has nothing more to tell.
func (r *Resolver) follow(ctx context.Context, socket string) {
	service, err := r.client.dial(socket)
	if err != nil {
		return // there is no such runtime, or not yet
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The events are asked for first, so that nothing is created unseen between
	// list and events.
	events, err := service.GetContainerEvents(ctx, &runtime.GetEventsRequest{})
	if err != nil {
		return
	}
	r.learnRunning(ctx, service)
	for {
		event, err := events.Recv()
		if err != nil {
			return
		}
		if event.GetContainerEventType() == runtime.ContainerEventType_CONTAINER_CREATED_EVENT {
			r.learnMade(ctx, event.GetContainerId())
		}
	}
}

// learnRunning learns of the containers that exist and have not ended.
func (r *Resolver) learnRunning(ctx context.Context, service runtime.RuntimeServiceClient) {
	asking, cancel := context.WithTimeout(ctx, r.client.timeout)
	defer cancel()
	answer, err := service.ListContainers(asking, &runtime.ListContainersRequest{})
	if err != nil {
		return
	}
	learned := 0
	for _, container := range answer.GetContainers() {
		if container.GetState() != runtime.ContainerState_CONTAINER_EXITED && learned < cacheSize {
			r.learn(ctx, container.GetId())
			learned++
		}
	}
}

// learn asks about a container that nothing is known of. When nothing is found
// out, that is not remembered: whoever needs to know asks again.
func (r *Resolver) learn(ctx context.Context, id string) {
	e, mine := r.enter(id)
	if !mine {
		return
	}
	where, err := r.client.lookup(ctx, id)
	r.answer(e, where, runtimes, err)
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.entries[id] == e {
			r.remove(e)
		}
	}
}

// learnMade learns of a container that was just made. An id that is known already
// may be that of an earlier container, which this one follows.
func (r *Resolver) learnMade(ctx context.Context, id string) {
	r.mu.Lock()
	old := r.entries[id]
	r.mu.Unlock()
	if old == nil {
		r.learn(ctx, id)
		return
	}
	select {
	case <-old.done:
	case <-ctx.Done():
		return
	}
	where, err := r.client.lookup(ctx, id)
	if err != nil || old.err == nil && where.Container.Created.Equal(old.where.Container.Created) {
		return
	}
	r.mu.Lock()
	if r.entries[id] == old {
		r.remove(old)
	}
	r.mu.Unlock()
	if e, mine := r.enter(id); mine {
		r.answer(e, where, runtimes, nil)
	}
}
