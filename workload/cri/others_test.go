package cri_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/workload"
	"kingsnake/workload/cgroup"
	"kingsnake/workload/cri"
	"kingsnake/workload/cri/critest"
)

// other is a source that knows every container, or says why not.
type other struct{ err error }

func (o other) Find(_ context.Context, c cgroup.Container) (workload.Workload, error) {
	return workload.Workload{Container: workload.Container{ID: c.ID, Name: "other's"}}, o.err
}

// source answers by a function.
type source func() (workload.Workload, error)

func (f source) Find(context.Context, cgroup.Container) (workload.Workload, error) { return f() }

// describer sets the owner.
type describer struct{}

func (describer) Describe(_ context.Context, w workload.Workload) workload.Workload {
	w.Owner = workload.Owner{Kind: "Deployment", Name: "web"}
	return w
}

func TestResolveAsksWhoMayKnow(t *testing.T) {
	t.Parallel()
	pod, docker, ctr := "/kubepods/burstable/pod"+podUID+"/", "/docker/", "/default/"
	away := errors.New("away")
	for name, test := range map[string]struct {
		at     string // folder of the cgroup
		others []cri.Source
		known  bool // to CRI
		name   string
		asked  int // CRI
		misses map[string]uint64
	}{
		"CRI first":                        {pod, []cri.Source{other{}}, true, "web", 1, nil},
		"others when CRI does not know":    {ctr, []cri.Source{other{workload.ErrNotServed}, other{}}, false, "other's", 1, nil},
		"Docker's own only":                {docker, []cri.Source{other{}}, true, "other's", 0, nil},
		"nobody knows":                     {ctr, []cri.Source{other{workload.ErrUnknown}}, false, "", 1, map[string]uint64{"container unknown to its runtime": 1}},
		"nobody is there for Docker's":     {docker, []cri.Source{other{workload.ErrNotServed}}, true, "", 0, map[string]uint64{"container runtime unreachable": 1}},
		"CRI when there are no others":     {docker, nil, true, "web", 1, nil},
		"one that is away hides no answer": {docker, []cri.Source{other{away}, other{}}, false, "other's", 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := critest.Start(t)
			if test.known {
				fake.Add(web())
			}
			r := openConfig(t, cri.Config{Socket: fake.Socket, Others: test.others, Pods: describer{}})
			got := r.Resolve(t.Context(), capture.Process{PID: 1 << 30, Cgroup: test.at + id})
			if got.Container.Name != test.name || got.Owner.Name != "web" || (test.name == "") != (got.Unresolved["container.name"] != "") {
				t.Errorf("%+v", got)
			}
			if n := fake.Asked("ContainerStatus"); n != test.asked {
				t.Errorf("CRI was asked %d times, want %d", n, test.asked)
			}
			misses := r.Misses()
			if len(misses) == 0 {
				misses = nil
			}
			if diff := cmp.Diff(test.misses, misses); diff != "" {
				t.Errorf("misses: -want +got\n%s", diff)
			}
		})
	}
}

func TestResolveAsksOthersAgainAfterAWhile(t *testing.T) {
	t.Parallel()
	now := &clock{now: time.Unix(1e9, 0)}
	asked, name, failed := 0, "one", error(nil)
	r := openConfig(t, cri.Config{Socket: critest.Start(t).Socket, Now: now.Now, Others: []cri.Source{source(func() (workload.Workload, error) {
		asked++
		return workload.Workload{Container: workload.Container{ID: id, Name: name}}, failed
	})}})
	for i, step := range []struct {
		pass   time.Duration
		name   string
		failed error
		want   string
		asked  int
	}{
		{0, "one", nil, "one", 1},
		{59 * time.Second, "two", nil, "one", 1},
		{time.Second, "two", nil, "two", 2}, // it was renamed, or another has its id
		{time.Minute, "", workload.ErrUnknown, "two", 3},
		{time.Second, "", workload.ErrUnknown, "two", 3},
		{time.Minute, "", errors.New("away"), "two", 4},
		{time.Minute, "three", nil, "three", 5},
	} {
		now.pass(step.pass)
		name, failed = step.name, step.failed
		got := r.Resolve(t.Context(), capture.Process{PID: 1 << 30, Cgroup: "/docker/" + id})
		if got.Container.Name != step.want || asked != step.asked || len(r.Misses()) != 0 {
			t.Errorf("step %d: got %q after %d questions, want %q after %d; misses %v", i, got.Container.Name, asked, step.want, step.asked, r.Misses())
		}
	}
}
