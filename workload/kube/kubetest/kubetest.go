// Package kubetest is a Kubernetes API for tests: API is a fake that answers the
// few questions that kingsnake/workload/kube asks, about exactly the objects that
// a test gives it, and runs nothing; Admin writes to a real one. Only tests may
// import it.
package kubetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Token is what a client must send.
const Token = "a-token-for-tests"

// Object is one object as the API writes it, as far as it is filled in.
type Object = map[string]any

// API is a running fake. Its methods are safe for concurrent use.
type API struct {
	// Kubeconfig is the path of a file that leads to it.
	Kubeconfig string

	mu      sync.Mutex
	objects map[string]Object // by path
	version int
	told    []event
	changed chan struct{} // closed, and made anew, when told grows
	refuse  map[string]int
	hang    bool
	asked   map[string]int // by path
	server  *httptest.Server
}

type event struct {
	kind    string
	version int
	pod     Object
}

// Start starts an API, which t's end stops.
func Start(t testing.TB) *API {
	t.Helper()
	a := &API{
		objects: make(map[string]Object), changed: make(chan struct{}), refuse: make(map[string]int), asked: make(map[string]int),
	}
	a.server = httptest.NewServer(a)
	t.Cleanup(func() {
		a.server.CloseClientConnections()
		a.server.Close()
	})
	a.Kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
contexts: [{name: other}, {name: test, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: %q}}]
users: [{name: u, user: {token: %s}}]
`, a.server.URL, Token)
	if err := os.WriteFile(a.Kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// Pod returns a pod on a node; change it before it is put.
func Pod(node, namespace, name, uid string) Object {
	return Object{
		"metadata": Object{"namespace": namespace, "name": name, "uid": uid},
		"spec":     Object{"nodeName": node, "serviceAccountName": "default", "containers": []Object{{"name": "main"}}},
	}
}

// Controlled sets the controller of an object.
func Controlled(o Object, apiVersion, kind, name, uid string) Object {
	o["metadata"].(Object)["ownerReferences"] = []Object{
		{"apiVersion": "v1", "kind": "Other", "name": "not-the-controller", "uid": "x"},
		{"apiVersion": apiVersion, "kind": kind, "name": name, "uid": uid, "controller": true},
	}
	return o
}

// Put makes an object known at a path, for example
// "/apis/apps/v1/namespaces/shop/deployments/web". Watches are told of pods.
func (a *API) Put(path string, o Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kind := "ADDED"
	if a.objects[path] != nil {
		kind = "MODIFIED"
	}
	a.version++
	if m, ok := o["metadata"].(Object); ok {
		m = maps.Clone(m)
		m["resourceVersion"] = fmt.Sprint(a.version)
		o = maps.Clone(o)
		o["metadata"] = m
	}
	a.objects[path] = o
	a.tell(path, kind, o)
}

// PutPod makes a pod known.
func (a *API) PutPod(o Object) {
	m := o["metadata"].(Object)
	a.Put(fmt.Sprintf("/api/v1/namespaces/%v/pods/%v", m["namespace"], m["name"]), o)
}

// Delete makes an object unknown.
func (a *API) Delete(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.objects[path]
	delete(a.objects, path)
	a.version++
	a.tell(path, "DELETED", o)
}

// tell tells watches of a pod. Callers hold mu.
func (a *API) tell(path, kind string, o Object) {
	if !strings.Contains(path, "/pods/") {
		return
	}
	a.told = append(a.told, event{kind, a.version, o})
	close(a.changed)
	a.changed = make(chan struct{})
}

// Refuse makes questions for paths that begin with prefix fail with an HTTP
// status, until it is set to 0.
func (a *API) Refuse(prefix string, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuse[prefix] = status
}

// Hang makes every later question wait until its asker gives up.
func (a *API) Hang(hang bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hang = hang
}

// Forget ends all watches, and has the API say that it no longer knows where they
// were.
func (a *API) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = append(a.told, event{kind: "ERROR", pod: Object{"kind": "Status", "code": http.StatusGone, "message": "too old"}})
	close(a.changed)
	a.changed = make(chan struct{})
}

// Asked returns how often a path was asked for; "watch" counts watches.
func (a *API) Asked(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[path]
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	watch := r.FormValue("watch") != ""
	a.mu.Lock()
	if watch {
		a.asked["watch"]++
	} else {
		a.asked[r.URL.Path]++
	}
	status := 0
	for prefix, code := range a.refuse {
		if strings.HasPrefix(r.URL.Path, prefix) && code != 0 {
			status = code
		}
	}
	if r.Header.Get("Authorization") != "Bearer "+Token {
		status = http.StatusUnauthorized
	}
	hang, o := a.hang, a.objects[r.URL.Path]
	a.mu.Unlock()
	switch {
	case hang:
		<-r.Context().Done()
	case status != 0:
		w.WriteHeader(status)
	case watch:
		a.watch(w, r)
	case r.URL.Path == "/api/v1/pods":
		a.list(w, r)
	case o == nil:
		w.WriteHeader(http.StatusNotFound)
	default:
		if strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata") {
			o = Object{"kind": "PartialObjectMetadata", "metadata": o["metadata"]}
		}
		_ = json.NewEncoder(w).Encode(o)
	}
}

// on reports whether a pod is on the node that a request is about.
func on(r *http.Request, pod Object) bool {
	spec, _ := pod["spec"].(Object)
	return r.FormValue("fieldSelector") == fmt.Sprintf("spec.nodeName=%v", spec["nodeName"])
}

// list answers with one pod a page.
func (a *API) list(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var items []Object
	for path, o := range a.objects {
		if strings.Contains(path, "/pods/") && on(r, o) && path > r.FormValue("continue") {
			items = append(items, o)
		}
	}
	next := ""
	if len(items) > 1 {
		first := 0
		for i := range items {
			if pathOf(items[i]) < pathOf(items[first]) {
				first = i
			}
		}
		items = items[first : first+1]
		next = pathOf(items[0])
	}
	_ = json.NewEncoder(w).Encode(Object{
		"metadata": Object{"resourceVersion": fmt.Sprint(a.version), "continue": next}, "items": items,
	})
}

func pathOf(pod Object) string {
	m := pod["metadata"].(Object)
	return fmt.Sprintf("/api/v1/namespaces/%v/pods/%v", m["namespace"], m["name"])
}

// watch tells of what happened after the version that is asked for.
func (a *API) watch(w http.ResponseWriter, r *http.Request) {
	var after int
	_, _ = fmt.Sscan(r.FormValue("resourceVersion"), &after)
	encoder := json.NewEncoder(w)
	a.mu.Lock()
	sent := len(a.told)
	for sent > 0 && a.told[sent-1].kind != "ERROR" && a.told[sent-1].version > after {
		sent--
	}
	a.mu.Unlock()
	_ = encoder.Encode(Object{"type": "BOOKMARK", "object": Object{"metadata": Object{"resourceVersion": fmt.Sprint(after)}}})
	for {
		w.(http.Flusher).Flush()
		a.mu.Lock()
		news, changed := a.told[sent:], a.changed
		a.mu.Unlock()
		for _, e := range news {
			if e.kind == "ERROR" || on(r, e.pod) {
				_ = encoder.Encode(Object{"type": e.kind, "object": e.pod})
			}
			if e.kind == "ERROR" {
				return
			}
		}
		sent += len(news)
		if len(news) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-time.After(time.Minute):
			return
		}
	}
}
