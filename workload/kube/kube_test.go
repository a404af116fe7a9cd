package kube_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/workload"
	"kingsnake/workload/kube"
	"kingsnake/workload/kube/kubetest"
)

const (
	node      = "node-1"
	uid       = "3f2a8c1e-9b7d-4c55-8e21-0a1b2c3d4e5f"
	hash      = "8f0c5a1be3d24f6790a1b2c3d4e5f607"
	systemUID = "11111111-2222-3333-4444-555555555555"
)

var (
	id      = strings.Repeat("c0ffee12", 8)
	madeAt  = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	isAsked = func(a *kubetest.API, path string) func() bool {
		return func() bool { return a.Asked(path) > 0 }
	}
)

type object = kubetest.Object

// start returns a fake API with the namespace kube-system and a deployment's pod.
func start(t *testing.T) *kubetest.API {
	t.Helper()
	a := kubetest.Start(t)
	a.Put("/api/v1/namespaces/kube-system", object{"metadata": object{"name": "kube-system", "uid": systemUID}})
	a.Put("/api/v1/nodes/"+node, object{"metadata": object{"name": node}, "spec": object{}})
	pod := kubetest.Controlled(kubetest.Pod(node, "shop", "web-7d9c-abcde", uid), "apps/v1", "ReplicaSet", "web-7d9c", "rs")
	pod["metadata"].(object)["labels"] = object{"app": "web", "pod-template-hash": "7d9c"}
	pod["metadata"].(object)["annotations"] = object{"owner": "team-web@example.com", "unrelated": "x"}
	pod["spec"].(object)["serviceAccountName"] = "web"
	a.PutPod(pod)
	a.Put("/apis/apps/v1/namespaces/shop/replicasets/web-7d9c",
		kubetest.Controlled(object{"metadata": object{
			"name": "web-7d9c", "uid": "rs", "annotations": object{"kingsnake.dev/contact": "https://chat.example.com/web"}, // copied from the Deployment
		}}, "apps/v1", "Deployment", "web", "dep"))
	a.Put("/apis/apps/v1/namespaces/shop/deployments/web", object{"metadata": object{
		"name": "web", "uid": "dep", "annotations": object{"kingsnake.dev/contact": "https://chat.example.com/web"},
	}})
	return a
}

// web is what CRI tells of a container of that pod.
func web() workload.Workload {
	return workload.Workload{
		Container: workload.Container{ID: id, Name: "main", Created: madeAt},
		Pod:       workload.Pod{Namespace: "shop", Name: "web-7d9c-abcde", UID: uid, Labels: map[string]string{"app": "web", "pod-template-hash": "7d9c"}},
		Node:      node,
	}
}

func wantWeb() workload.Workload {
	w := web()
	w.Pod.ServiceAccount = "web"
	w.Pod.Contacts = []workload.Contact{
		{Key: "owner", Value: "team-web@example.com", Of: "pod"},
		{Key: "kingsnake.dev/contact", Value: "https://chat.example.com/web", Of: "Deployment"},
	}
	w.Owner = workload.Owner{Group: "apps", Kind: "Deployment", Name: "web"}
	w.Owners = []workload.Owner{{Group: "apps", Kind: "ReplicaSet", Name: "web-7d9c"}, w.Owner}
	w.ClusterUID = systemUID
	return w
}

func open(t *testing.T, config kube.Config) *kube.Pods {
	t.Helper()
	config.Node = node
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	p, err := kube.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run keeps p's pods known until the test ends, and returns when it watches.
func run(t *testing.T, a *kubetest.API, p *kube.Pods) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	until(t, isAsked(a, "watch"))
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for !ok() {
		if t.Context().Err() != nil {
			t.Fatal("the test ended before that")
		}
		runtime.Gosched()
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	a := start(t)
	p := open(t, kube.Config{Kubeconfig: a.Kubeconfig})
	run(t, a, p)
	if diff := cmp.Diff(wantWeb(), p.Describe(t.Context(), web())); diff != "" {
		t.Errorf("Describe: -want +got\n%s", diff)
	}
	byUID := workload.Workload{Container: workload.Container{ID: id, Created: madeAt}, Pod: workload.Pod{UID: uid}, Node: node,
		Unresolved: map[string]string{"pod.name": "x", "pod.namespace": "x", "pod.labels": "x"}}
	want := wantWeb()
	want.Container.Name = ""
	if diff := cmp.Diff(want, p.Describe(t.Context(), byUID)); diff != "" {
		t.Errorf("by its UID alone: -want +got\n%s", diff)
	}
	if n := a.Asked("/apis/apps/v1/namespaces/shop/deployments/web"); n != 1 {
		t.Errorf("the deployment was asked for %d times", n)
	}
	if n := a.Asked("/api/v1/namespaces/shop/pods/web-7d9c-abcde"); n != 0 {
		t.Errorf("a pod that is watched was asked for %d times", n)
	}
}

// TestDescribeWithoutRun asks for the pod when it is needed.
func TestDescribeWithoutRun(t *testing.T) {
	t.Parallel()
	p := open(t, kube.Config{Kubeconfig: start(t).Kubeconfig})
	got := p.Describe(t.Context(), web())
	if got.Owner.Name != "web" || got.Pod.ServiceAccount != "web" {
		t.Errorf("%+v", got)
	}
}

func TestAPodIsKnownAfterItsEnd(t *testing.T) {
	t.Parallel()
	a := start(t)
	p := open(t, kube.Config{Kubeconfig: a.Kubeconfig})
	run(t, a, p)
	p.Describe(t.Context(), web())
	a.Delete("/api/v1/namespaces/shop/pods/web-7d9c-abcde")
	a.Forget() // lists again: the pod is not there
	until(t, func() bool { return a.Asked("watch") > 1 })
	if diff := cmp.Diff(wantWeb(), p.Describe(t.Context(), web())); diff != "" {
		t.Errorf("Describe: -want +got\n%s", diff)
	}
}

// TestOwners climbs chains of different kinds.
func TestOwners(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		pod  func(object) object
		put  map[string]object
		want workload.Owner
		n    int // length of the chain
	}{
		"A pod made by hand has none.": {pod: func(o object) object { return o }},
		"StatefulSet": {
			pod:  func(o object) object { return kubetest.Controlled(o, "apps/v1", "StatefulSet", "db", "u") },
			put:  map[string]object{"/apis/apps/v1/namespaces/shop/statefulsets/db": {"metadata": object{"uid": "u"}}},
			want: workload.Owner{Group: "apps", Kind: "StatefulSet", Name: "db"}, n: 1,
		},
		"A DaemonSet counts although an operator made it.": {
			pod: func(o object) object { return kubetest.Controlled(o, "apps/v1", "DaemonSet", "agent", "u") },
			put: map[string]object{
				"/apis/apps/v1/namespaces/shop/daemonsets/agent": kubetest.Controlled(object{"metadata": object{"uid": "u"}}, "ops.example.com/v1", "Agent", "all", "v"),
				"/apis/ops.example.com/v1":                       {"resources": []object{{"name": "agents/status", "kind": "Agent"}, {"name": "agents", "kind": "Agent"}}},
				"/apis/ops.example.com/v1/agents/all":            {"metadata": object{"uid": "v"}},
			},
			want: workload.Owner{Group: "apps", Kind: "DaemonSet", Name: "agent"}, n: 2,
		},
		"CronJob": {
			pod: func(o object) object { return kubetest.Controlled(o, "batch/v1", "Job", "nightly-29543106", "u") },
			put: map[string]object{
				"/apis/batch/v1/namespaces/shop/jobs/nightly-29543106": kubetest.Controlled(object{"metadata": object{"uid": "u"}}, "batch/v1", "CronJob", "nightly", "v"),
				"/apis/batch/v1/namespaces/shop/cronjobs/nightly":      {"metadata": object{"uid": "v"}},
			},
			want: workload.Owner{Group: "batch", Kind: "CronJob", Name: "nightly"}, n: 2,
		},
		"A kind of somebody's own, climbed to its end": {
			pod: func(o object) object {
				return kubetest.Controlled(o, "flow.example.com/v1", "Run", "train-1", "u")
			},
			put: map[string]object{
				"/apis/flow.example.com/v1": {"resources": []object{
					{"name": "runs", "kind": "Run", "namespaced": true}, {"name": "flows", "kind": "Flow", "namespaced": true},
				}},
				"/apis/flow.example.com/v1/namespaces/shop/runs/train-1": kubetest.Controlled(object{"metadata": object{"uid": "u"}}, "flow.example.com/v1", "Flow", "train", "v"),
				"/apis/flow.example.com/v1/namespaces/shop/flows/train":  {"metadata": object{"uid": "v"}},
			},
			want: workload.Owner{Group: "flow.example.com", Kind: "Flow", Name: "train"}, n: 2,
		},
		"A circle ends.": {
			pod: func(o object) object { return kubetest.Controlled(o, "batch/v1", "Job", "a", "u") },
			put: map[string]object{
				"/apis/batch/v1/namespaces/shop/jobs/a": kubetest.Controlled(object{"metadata": object{"uid": "u"}}, "batch/v1", "Job", "b", "v"),
				"/apis/batch/v1/namespaces/shop/jobs/b": kubetest.Controlled(object{"metadata": object{"uid": "v"}}, "batch/v1", "Job", "a", "u"),
			},
			want: workload.Owner{Group: "batch", Kind: "Job", Name: "b"}, n: 2,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := kubetest.Start(t)
			a.PutPod(test.pod(kubetest.Pod(node, "shop", "p", uid)))
			for path, o := range test.put {
				a.Put(path, o)
			}
			p := open(t, kube.Config{Kubeconfig: a.Kubeconfig})
			got := p.Describe(t.Context(), workload.Workload{Pod: workload.Pod{Namespace: "shop", Name: "p", UID: uid}})
			if diff := cmp.Diff(test.want, got.Owner); diff != "" || len(got.Owners) != test.n || got.Unresolved["owner.name"] != "" {
				t.Errorf("owner: -want +got\n%s chain %v, reason %q", diff, got.Owners, got.Unresolved["owner.name"])
			}
		})
	}
}

// TestTheIdentityDoesNotDependOnTheAPI compares the owner that the API gives with
// the one that is inferred while it is away.
func TestTheIdentityDoesNotDependOnTheAPI(t *testing.T) {
	t.Parallel()
	a := start(t)
	with := open(t, kube.Config{Kubeconfig: a.Kubeconfig}).Describe(t.Context(), web()).Owner
	for name, spoil := range map[string]func(*kubetest.API){
		"away":                func(a *kubetest.API) { a.Refuse("/", http.StatusServiceUnavailable) },
		"owners forbidden":    func(a *kubetest.API) { a.Refuse("/apis/", http.StatusForbidden) },
		"the ReplicaSet gone": func(a *kubetest.API) { a.Delete("/apis/apps/v1/namespaces/shop/replicasets/web-7d9c") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			spoil(a)
			got := open(t, kube.Config{Kubeconfig: a.Kubeconfig}).Describe(t.Context(), web()).Owner
			if !got.Inferred {
				t.Error("the owner is not marked as inferred")
			}
			got.Inferred = false
			if diff := cmp.Diff(with, got); diff != "" {
				t.Errorf("owner: -want +got\n%s", diff)
			}
		})
	}
}

func TestAStaticPodIsFoundByItsHash(t *testing.T) {
	t.Parallel()
	a := start(t)
	mirror := kubetest.Controlled(kubetest.Pod(node, "kube-system", "etcd-node-1", uid[1:]+"0"), "v1", "Node", node, "n")
	mirror["metadata"].(object)["annotations"] = object{"kubernetes.io/config.hash": hash, "kubernetes.io/config.mirror": hash}
	a.PutPod(mirror)
	// Whoever makes a pod may annotate it, but not make the kubelet's mirror of it.
	forged := kubetest.Pod(node, "shop", "forged", uid[2:]+"00")
	forged["metadata"].(object)["annotations"] = object{"kubernetes.io/config.hash": hash}
	a.PutPod(forged)
	p := open(t, kube.Config{Kubeconfig: a.Kubeconfig})
	run(t, a, p)
	got := p.Describe(t.Context(), workload.Workload{Container: workload.Container{ID: id}, Pod: workload.Pod{UID: hash}})
	if !got.Pod.Static || got.Pod.Name != "etcd-node-1" || got.Pod.UID != hash || got.Owner != (workload.Owner{}) || got.Unresolved != nil {
		t.Errorf("%+v", got)
	}
}

// TestContainersAreNamedByTheAPI stands in for a runtime that cannot be asked.
func TestContainersAreNamedByTheAPI(t *testing.T) {
	t.Parallel()
	a := kubetest.Start(t)
	a.Put("/api/v1/namespaces/kube-system", object{"metadata": object{"uid": systemUID}})
	pod := kubetest.Pod(node, "shop", "p", uid)
	pod["spec"].(object)["initContainers"] = []object{{"name": "setup"}, {"name": "proxy", "restartPolicy": "Always"}}
	pod["spec"].(object)["ephemeralContainers"] = []object{{"name": "debugger"}}
	status := func(name, id string) []object {
		return []object{{
			"name": name, "containerID": "containerd://" + id, "image": "registry.example.com/" + name + ":1",
			"imageID": "registry.example.com/" + name + "@sha256:" + strings.Repeat("a", 64),
		}}
	}
	ids := map[string]string{}
	for i, name := range []string{"setup", "main", "debugger"} {
		ids[name] = strings.Repeat(string("abc"[i]), 64)
	}
	pod["status"] = object{
		"initContainerStatuses": status("setup", ids["setup"]), "containerStatuses": status("main", ids["main"]),
		"ephemeralContainerStatuses": status("debugger", ids["debugger"]),
	}
	a.PutPod(pod)
	p := open(t, kube.Config{Kubeconfig: a.Kubeconfig})
	run(t, a, p)
	for name, kind := range map[string]string{"setup": "init", "main": "", "debugger": "ephemeral"} {
		got := p.Describe(t.Context(), workload.Workload{
			Container: workload.Container{ID: ids[name]}, Pod: workload.Pod{UID: uid},
			Unresolved: map[string]string{"container.name": "no socket", "container.created": "no socket"},
		})
		want := workload.Container{
			ID: ids[name], Name: name, Image: "registry.example.com/" + name + ":1", ImageID: "sha256:" + strings.Repeat("a", 64),
			Runtime: "containerd", Kind: kind,
		}
		if diff := cmp.Diff(want, got.Container); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		if diff := cmp.Diff(map[string]string{"container.created": "no socket"}, got.Unresolved); diff != "" {
			t.Errorf("%s: reasons: -want +got\n%s", name, diff)
		}
	}
	if got := p.Describe(t.Context(), workload.Workload{Container: workload.Container{ID: id, Name: "proxy"}, Pod: workload.Pod{UID: uid}}); got.Container.Kind != "sidecar" {
		t.Errorf("want a sidecar, got %q", got.Container.Kind)
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(*kubetest.API)
		pod   workload.Pod
		want  string // in the reason of the service account
	}{
		"forbidden":   {func(a *kubetest.API) { a.Refuse("/", http.StatusForbidden) }, web().Pod, "sensor-rbac.yaml"},
		"no token":    {func(a *kubetest.API) { a.Refuse("/", http.StatusUnauthorized) }, web().Pod, "does not accept this sensor's token"},
		"broken":      {func(a *kubetest.API) { a.Refuse("/", http.StatusInternalServerError) }, web().Pod, "500"},
		"another pod": {func(*kubetest.API) {}, workload.Pod{Namespace: "shop", Name: "web-7d9c-abcde", UID: "another"}, "another pod of that name"},
		"unknown":     {func(*kubetest.API) {}, workload.Pod{Namespace: "shop", Name: "nothing", UID: "another"}, "no such pod"},
		"a hostile name": {
			func(*kubetest.API) {}, workload.Pod{Namespace: "..", Name: "../../secrets", UID: "another"}, "not asked yet",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			test.spoil(a)
			p := open(t, kube.Config{Kubeconfig: a.Kubeconfig})
			got := p.Describe(t.Context(), workload.Workload{Pod: test.pod})
			if why := got.Unresolved["pod.service_account"]; !strings.Contains(why, test.want) {
				t.Errorf("want %q, got %q", test.want, why)
			}
		})
	}
}

// TestAnAPIThatHangsIsLeftAlone asks twice, and is made to wait once.
func TestAnAPIThatHangsIsLeftAlone(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.Hang(true)
	p := open(t, kube.Config{Kubeconfig: a.Kubeconfig, Timeout: 20 * time.Millisecond})
	for range 2 {
		p.Describe(t.Context(), web())
	}
	if n := a.Asked("/api/v1/namespaces/shop/pods/web-7d9c-abcde"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestWithoutAnAPI(t *testing.T) {
	t.Parallel()
	got := kube.Without("nobody is asked").Describe(t.Context(), web())
	want := web()
	want.Owner = workload.Owner{Group: "apps", Kind: "Deployment", Name: "web", Inferred: true}
	want.Unresolved = map[string]string{"pod.service_account": "nobody is asked", "cluster.uid": "nobody is asked"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Describe: -want +got\n%s", diff)
	}
	host := workload.Workload{Node: node}
	if diff := cmp.Diff(host, kube.Without("x").Describe(t.Context(), host)); diff != "" {
		t.Errorf("on a host: -want +got\n%s", diff)
	}
}

func TestGoogleCloud(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.Put("/api/v1/nodes/"+node, object{
		"metadata": object{"annotations": object{"container.googleapis.com/instance_id": "1234567890"}},
		"spec":     object{"providerID": "gce://acme-prod/europe-west1-b/gke-shop-default-1"},
	})
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		switch {
		case r.Header.Get("Metadata-Flavor") != "Google":
			w.WriteHeader(http.StatusForbidden)
		case strings.HasSuffix(r.URL.Path, "/attributes/cluster-name"):
			w.Write([]byte("shop\n"))
		case strings.HasSuffix(r.URL.Path, "/attributes/cluster-location"):
			w.Write([]byte("europe-west1"))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer metadata.Close()
	p := open(t, kube.Config{Kubeconfig: a.Kubeconfig, Metadata: metadata.URL})
	run(t, a, p)
	got := p.Describe(t.Context(), web())
	want := workload.Cloud{Provider: "gce", Project: "acme-prod", Zone: "europe-west1-b", InstanceID: "1234567890", Location: "europe-west1"}
	if diff := cmp.Diff(want, got.Cloud); diff != "" || got.Cluster != "shop" {
		t.Errorf("cluster %q, cloud: -want +got\n%s", got.Cluster, diff)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "missing"):                               "no such file",
		write("broken", "{"):                                        "unreadable",
		write("empty", ""):                                          `has no context ""`,
		write("address", config("nowhere", "{}")):                   "is no URL",
		write("exec", config("https://x", "{exec: {command: sh}}")): "does not run",
	} {
		_, err := kube.Open(kube.Config{Kubeconfig: path})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got %v", path, want, err)
		}
	}
}

func config(server, user string) string {
	return `{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: {server: "` +
		server + `"}}], users: [{name: u, user: ` + user + `}]}`
}
