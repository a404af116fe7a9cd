package cri_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/workload"
	"kingsnake/workload/cri"
	"kingsnake/workload/cri/critest"
)

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestResolveOnTheHostAsksNobody(t *testing.T) {
	t.Parallel()
	fake := critest.Start(t)
	r := open(t, fake.Socket)
	got := r.Resolve(t.Context(), capture.Process{PID: 1, Cgroup: "/system.slice/cron.service"})
	if diff := cmp.Diff(workload.Workload{Node: "node-1", Cluster: "prod"}, got); diff != "" {
		t.Errorf("Resolve: -want +got\n%s", diff)
	}
	if n := fake.Asked("ContainerStatus"); n != 0 {
		t.Errorf("the runtime was asked %d times", n)
	}
}

func TestResolveRemembersAContainerThatIsGone(t *testing.T) {
	t.Parallel()
	fake := critest.Start(t, web())
	r := open(t, fake.Socket)
	r.Resolve(t.Context(), in(id))
	fake.Remove(id)
	fake.Stop()
	if diff := cmp.Diff(wantWeb(), r.Resolve(t.Context(), in(id))); diff != "" {
		t.Errorf("Resolve: -want +got\n%s", diff)
	}
	if n := fake.Asked("ContainerStatus"); n != 1 {
		t.Errorf("want one question, got %d", n)
	}
}

func TestResolveForgetsWhatNobodyAskedForInAnHour(t *testing.T) {
	t.Parallel()
	now := &clock{now: time.Unix(1e9, 0)}
	fake := critest.Start(t, web())
	r := openConfig(t, cri.Config{Socket: fake.Socket, Now: now.Now})
	for _, step := range []struct {
		pass time.Duration
		want int
	}{{0, 1}, {59 * time.Minute, 1}, {59 * time.Minute, 1}, {time.Hour, 2}} {
		now.pass(step.pass)
		r.Resolve(t.Context(), in(id))
		if got := fake.Asked("ContainerStatus"); got != step.want {
			t.Errorf("after %v more: want %d questions, got %d", step.pass, step.want, got)
		}
	}
}

func TestResolveRemembersABoundedNumberOfContainers(t *testing.T) {
	t.Parallel()
	fake := critest.Start(t, web())
	r := open(t, fake.Socket)
	r.Resolve(t.Context(), in(id))
	for i := range 4096 {
		r.Resolve(t.Context(), in(fmt.Sprintf("%064x", i)))
	}
	asked := fake.Asked("ContainerStatus")
	r.Resolve(t.Context(), in(fmt.Sprintf("%064x", 4095)))
	if got := fake.Asked("ContainerStatus"); got != asked {
		t.Error("the latest container was forgotten")
	}
	r.Resolve(t.Context(), in(id))
	if got := fake.Asked("ContainerStatus"); got != asked+1 {
		t.Error("the oldest container was not forgotten")
	}
}

func TestResolveAsksAgainForAnUnknownContainerAfterAWhile(t *testing.T) {
	t.Parallel()
	now := &clock{now: time.Unix(1e9, 0)}
	fake := critest.Start(t)
	r := openConfig(t, cri.Config{Socket: fake.Socket, Now: now.Now})
	// The waits double from one second to thirty.
	for i, step := range []struct {
		pass time.Duration
		want int
	}{
		{0, 1}, {999 * time.Millisecond, 1},
		{time.Millisecond, 2}, {1999 * time.Millisecond, 2},
		{time.Millisecond, 3}, {4 * time.Second, 4}, {8 * time.Second, 5}, {16 * time.Second, 6},
		{29 * time.Second, 6}, {time.Second, 7}, {30 * time.Second, 8},
	} {
		now.pass(step.pass)
		if got := r.Resolve(t.Context(), in(id)); got.Unresolved["container.name"] == "" {
			t.Errorf("step %d: no reason in %+v", i, got)
		}
		if got := fake.Asked("ContainerStatus"); got != step.want {
			t.Errorf("step %d: want %d questions, got %d", i, step.want, got)
		}
	}
	fake.Add(web())
	now.pass(time.Minute)
	if diff := cmp.Diff(wantWeb(), r.Resolve(t.Context(), in(id))); diff != "" {
		t.Errorf("Resolve: -want +got\n%s", diff)
	}
}

func TestResolveFindsARuntimeThatComesBack(t *testing.T) {
	t.Parallel()
	now := &clock{now: time.Unix(1e9, 0)}
	fake := critest.Start(t, web())
	r := openConfig(t, cri.Config{Socket: fake.Socket, Now: now.Now})
	other := strings.Repeat("d", 64)
	fake.Add(critest.Container{ID: other, Name: "other"})
	r.Resolve(t.Context(), in(id))
	fake.Stop()
	if got := r.Resolve(t.Context(), in(other)); got.Container.Name != "" || r.Unavailable() == "" {
		t.Fatalf("a stopped runtime answered: %+v", got)
	}
	fake.Restart(t)
	for r.Resolve(t.Context(), in(other)).Container.Name != "other" {
		now.pass(time.Minute)
		if t.Context().Err() != nil {
			t.Fatal("the runtime was not found again")
		}
	}
	if why := r.Unavailable(); why != "" {
		t.Errorf("want an available runtime, got %q", why)
	}
}

func TestResolveLeavesARuntimeThatHangsAlone(t *testing.T) {
	t.Parallel()
	now := &clock{now: time.Unix(1e9, 0)}
	fake := critest.Start(t, web())
	fake.Hang()
	r := openConfig(t, cri.Config{Socket: fake.Socket, Timeout: 20 * time.Millisecond, Now: now.Now})
	for i, step := range []struct {
		pass time.Duration
		want int
	}{{0, 1}, {0, 1}, {4 * time.Second, 1}, {time.Second, 2}} {
		now.pass(step.pass)
		got := r.Resolve(t.Context(), in(fmt.Sprintf("%064x", i)))
		if why := got.Unresolved["container.name"]; !strings.Contains(why, "did not answer in time") {
			t.Errorf("step %d: reason %q", i, why)
		}
		if n := fake.Asked("ContainerStatus"); n != step.want {
			t.Errorf("step %d: want %d questions, got %d", i, step.want, n)
		}
	}
}

func TestResolveAsksOnceForAllWhoWait(t *testing.T) {
	t.Parallel()
	fake := critest.Start(t, web())
	r := open(t, fake.Socket)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if diff := cmp.Diff(wantWeb(), r.Resolve(t.Context(), in(id))); diff != "" {
				t.Errorf("Resolve: -want +got\n%s", diff)
			}
		})
	}
	all.Wait()
	if n := fake.Asked("ContainerStatus"); n != 1 {
		t.Errorf("want one question, got %d", n)
	}
}

func TestResolveDoesNotShareItsReasons(t *testing.T) {
	t.Parallel()
	container := web()
	container.NoInfo = true
	r := open(t, critest.Start(t, container).Socket)
	r.Resolve(t.Context(), in(id)).Unresolved["container.name"] = "written by the caller"
	if got := r.Resolve(t.Context(), in(id)).Unresolved["container.name"]; got != "" {
		t.Errorf("another caller sees %q", got)
	}
}

func TestResolveEndsWithItsContextWhileAnotherAsks(t *testing.T) {
	t.Parallel()
	fake := critest.Start(t, web())
	fake.Hang()
	r := openConfig(t, cri.Config{Socket: fake.Socket, Timeout: 500 * time.Millisecond})
	var asking sync.WaitGroup
	asking.Go(func() { r.Resolve(t.Context(), in(id)) })
	until(t, func() bool { return fake.Asked("ContainerStatus") > 0 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := r.Resolve(ctx, in(id))
	if want := "the container runtime was not waited for: context canceled"; got.Unresolved["container.name"] != want {
		t.Errorf("want %q, got %q", want, got.Unresolved["container.name"])
	}
	asking.Wait()
}

func TestResolveAfterCloseSaysWhy(t *testing.T) {
	t.Parallel()
	r := cri.NewResolver(cri.Config{Socket: critest.Start(t, web()).Socket})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got := r.Resolve(t.Context(), in(id)); got.Unresolved["container.name"] == "" {
		t.Errorf("no reason in %+v", got)
	}
}

// proc makes a proc file system in which a process was started 40 seconds after
// boot and 60 seconds ago.
func proc(t *testing.T, pid int, cgroup string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, fmt.Sprint(pid)), 0o700); err != nil {
		t.Fatal(err)
	}
	stat := fmt.Sprintf("%d (a) b) S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4000 0 0 0\n", pid)
	for name, text := range map[string]string{
		"uptime":                      "100.00 50.00\n",
		fmt.Sprintf("%d/stat", pid):   stat,
		fmt.Sprintf("%d/cgroup", pid): cgroup,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestResolveFallsBackOnProc(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	started := now.Add(-60 * time.Second)
	tests := map[string]struct {
		process capture.Process
		cgroup  string
		id, why string
	}{
		"The cgroup was not captured.": {
			process: capture.Process{PID: 7, Start: started}, cgroup: "0::/system.slice/docker-" + id + ".scope\n", id: id,
		},
		"Neither was the start.": {
			process: capture.Process{PID: 7}, cgroup: "0::/docker/" + id + "\n", id: id,
		},
		"Only the last component was captured, below that of the container.": {
			process: capture.Process{PID: 7, Start: started, Cgroup: "container"},
			cgroup:  "0::/machine.slice/libpod-" + id + ".scope/container\n", id: id,
		},
		"Only the last component was captured, and the process is gone.": {
			process: capture.Process{PID: 8, Start: started, Cgroup: "init.scope"},
		},
		"The whole path was captured, so nothing is read.": {
			process: capture.Process{PID: 7, Start: started, Cgroup: "/user.slice"}, cgroup: "0::/docker/" + id + "\n",
		},
		"The process is on the host.": {
			process: capture.Process{PID: 7, Start: started}, cgroup: "0::/user.slice\n",
		},
		"The process is gone.": {
			process: capture.Process{PID: 8, Start: started},
			why:     "the process's cgroup was not captured, and it ended before it was looked up",
		},
		"Another process has its number now.": {
			process: capture.Process{PID: 7, Start: started.Add(-3 * time.Second)}, cgroup: "0::/docker/" + id + "\n",
			why: "the process's cgroup was not captured, and it ended before it was looked up",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := openConfig(t, cri.Config{
				Socket: filepath.Join(t.TempDir(), "missing"), Proc: proc(t, 7, test.cgroup), Now: func() time.Time { return now },
			})
			got := r.Resolve(t.Context(), test.process)
			if got.Container.ID != test.id || got.Unresolved["container.id"] != test.why {
				t.Errorf("want id %q, reason %q, got %q, %q", test.id, test.why, got.Container.ID, got.Unresolved["container.id"])
			}
		})
	}
}

func TestResolveReadsTheRealProc(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/cgroup"); err != nil {
		t.Skip("this needs Linux: run it there with go test ./workload/cri")
	}
	r := open(t, filepath.Join(t.TempDir(), "missing"))
	if got := r.Resolve(t.Context(), capture.Process{PID: os.Getpid()}); got.Unresolved["container.id"] != "" {
		t.Errorf("want this process's cgroup, got %q", got.Unresolved["container.id"])
	}
}

func BenchmarkResolveKnown(b *testing.B) {
	fake := critest.Start(b, web())
	r := cri.NewResolver(cri.Config{Socket: fake.Socket})
	defer r.Close()
	p := in(id)
	b.ReportAllocs()
	for b.Loop() {
		r.Resolve(b.Context(), p)
	}
}

// A container may make cgroups below its own and name them like others. It is told
// apart from what another runtime runs in it.
func TestResolveKnowsWhoMadeACgroup(t *testing.T) {
	t.Parallel()
	victim := web()
	victim.ID, victim.Name = strings.Repeat("bad0c0de", 8), "victim"
	nobodys := strings.Repeat("0d1e2f34", 8)
	for name, test := range map[string]struct {
		path string
		want string // name of the container
	}{
		"named like another container of the node": {in(id).Cgroup + "/cri-containerd-" + victim.ID + ".scope", "web"},
		"with another pod's cgroup around it":      {in(id).Cgroup + "/kubepods/pod" + podUID + "/" + victim.ID, "web"},
		"two deep":                                 {in(id).Cgroup + "/" + nobodys + "/" + victim.ID, "web"},
		"of a runtime in a container":              {in(id).Cgroup + "/docker/" + nobodys, "web"},
		"of a node in a container":                 {"/docker/" + nobodys + "/kubelet" + in(id).Cgroup, "web"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := critest.Start(t, web(), victim)
			got := open(t, fake.Socket).Resolve(t.Context(), capture.Process{PID: 1 << 30, Cgroup: test.path})
			if got.Container.Name != test.want || len(got.Unresolved) > 0 {
				t.Errorf("want %s, got %+v", test.want, got)
			}
		})
	}
}
