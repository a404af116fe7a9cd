package cri_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/workload"
	"kingsnake/workload/cri"
	"kingsnake/workload/cri/critest"
)

// follow has r follow its runtimes until the test ends.
func follow(t *testing.T, r *cri.Resolver) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var following sync.WaitGroup
	following.Go(func() { r.Follow(ctx) })
	t.Cleanup(func() {
		cancel()
		following.Wait()
	})
}

// until waits until ok returns true.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	for !ok() {
		if t.Context().Err() != nil {
			t.Fatal("the test ended before that")
		}
		runtime.Gosched()
	}
}

func TestFollowKnowsWhatRanBeforeAndWhatIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	fake := critest.Start(t, web())
	r := open(t, filepath.Join(t.TempDir(), "missing"), fake.Socket)
	follow(t, r)
	until(t, func() bool { return fake.Asked("PodSandboxStatus") == 1 && fake.Asked("GetContainerEvents") == 1 })
	fake.Remove(id)

	brief := fmt.Sprintf("%064x", 7)
	container := web()
	container.ID, container.Name = brief, "brief"
	fake.Add(container)
	until(t, func() bool { return fake.Asked("PodSandboxStatus") == 2 })
	fake.Remove(brief)

	if diff := cmp.Diff(wantWeb(), r.Resolve(t.Context(), in(id))); diff != "" {
		t.Errorf("what ran before: -want +got\n%s", diff)
	}
	if got := r.Resolve(t.Context(), in(brief)); got.Container.Name != "brief" || got.Unresolved != nil {
		t.Errorf("what was gone at once: %+v", got)
	}
	if n := fake.Asked("ContainerStatus"); n != 2 {
		t.Errorf("want two questions, got %d", n)
	}
}

// TestFollowKnowsALaterContainerOfTheSameID has an id used again.
func TestFollowKnowsALaterContainerOfTheSameID(t *testing.T) {
	t.Parallel()
	fake := critest.Start(t, web())
	r := open(t, fake.Socket)
	follow(t, r)
	until(t, func() bool { return fake.Asked("PodSandboxStatus") == 1 && fake.Asked("GetContainerEvents") == 1 })
	fake.Remove(id)
	later := web()
	later.Name, later.PodName, later.Created = "later", "later-1", later.Created+int64(time.Minute)
	fake.Add(later)
	until(t, func() bool { return r.Resolve(t.Context(), in(id)).Container.Name == "later" })
	if got := r.Resolve(t.Context(), in(id)); got.Pod.Name != "later-1" {
		t.Errorf("a mixture of two containers: %+v", got)
	}
}

func TestFollowDoesNotRememberInVain(t *testing.T) {
	t.Parallel()
	fake := critest.Start(t)
	r := open(t, fake.Socket)
	follow(t, r)
	until(t, func() bool { return fake.Asked("ListContainers") == 1 && fake.Asked("GetContainerEvents") == 1 })
	// An event about a container that is not to be found yet.
	fake.Tell(id)
	until(t, func() bool { return fake.Asked("ContainerStatus") == 1 })
	fake.Add(web())
	if diff := cmp.Diff(wantWeb(), resolveKnown(t, r)); diff != "" {
		t.Errorf("Resolve: -want +got\n%s", diff)
	}
}

// resolveKnown resolves until the question that was under way has been answered.
func resolveKnown(t *testing.T, r *cri.Resolver) (w workload.Workload) {
	t.Helper()
	until(t, func() bool {
		w = r.Resolve(t.Context(), in(id))
		return w.Container.Name != ""
	})
	return w
}
