// Package kube learns from the Kubernetes API what only it knows of the pods on
// this node: labels, owners, service account, contacts, and which cluster this is.
//
//	pods, err := kube.Open(kube.Config{Node: "node-1"})
//	go pods.Run(ctx)
//	w = pods.Describe(ctx, w)
//
// One list and one watch with the field selector spec.nodeName keep the pods of
// this node known, usually before their first process runs; a pod that is not
// known yet is asked for when it is needed. Owners are asked for when a pod first
// runs a script, their metadata only. Pods are remembered for some minutes after
// their end. While the API is away all of this goes on with what is known: a
// field that is missing says why, and the owner is read off the pod's own labels
// where Kubernetes's conventions allow it (see Infer).
//
// A container is matched to its pod by the UID in its cgroup's path. A static
// pod has another UID there than in the API: the digest of its file, which its
// mirror carries as the annotation kubernetes.io/config.hash.
//
// # The owner
//
// A pod's own controller is often made by another: a ReplicaSet by a Deployment,
// a Job by a CronJob. Owners holds the whole chain as far as it may be seen. Owner
// is the one that people know and that a finding's identity is made of: the chain is
// climbed until a Deployment, StatefulSet, DaemonSet or CronJob, else to its
// end. A static pod and a pod made by hand have none. The decision and why is in
// docs/adr/0018-owner-of-a-workload.md.
//
// # Rights
//
// The package only reads: list, watch and get pods; get the namespace
// kube-system; get this node; and get whatever owns pods, for its metadata. See
// deploy/kubernetes/sensor-rbac.yaml. It runs no program and speaks plain HTTP,
// without Kubernetes's own client library; the same decision says why.
package kube

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"kingsnake/workload"
)

const (
	cacheSize  = 4096             // pods remembered
	afterEnd   = 15 * time.Minute // how long a pod is remembered after its end
	firstRetry = time.Second      // before a pod or an owner is asked for again, and before the watch begins anew
	lastRetry  = 30 * time.Second // the same, after several times in vain
	rest       = 5 * time.Second  // how long an API that hangs is not asked for single objects
)

// Config says which API to ask, and about which node.
type Config struct {
	// Kubeconfig is the path of a kubeconfig file; "" means the API of the
	// cluster that this process runs in as a pod.
	Kubeconfig string

	Node    string        // this node's name in Kubernetes
	Timeout time.Duration // of one question; 0 means one second

	// Metadata is the URL of Google Cloud's metadata server, to be asked for the
	// cluster's name and location; "" means that it is not asked.
	Metadata string

	Now    func() time.Time    // nil means time.Now
	Getenv func(string) string // nil means os.Getenv
}

// Pods knows the pods of one node. It is safe for concurrent use.
type Pods struct {
	config Config
	client *client

	mu      sync.Mutex
	pods    map[string]*entry // by the UID in their cgroups
	owners  map[string]*ownerEntry
	plurals map[string]string // resource by "group/version/kind", once asked for
	cluster cluster
	problem error     // why the watch does not run; nil while it does
	listed  bool      // whether the pods were ever listed whole
	resting time.Time // until when no single object is asked for
}

// entry is what is known of a pod.
type entry struct {
	pod        workload.Pod
	kinds      map[string]string             // part by container name
	containers map[string]workload.Container // by id
	controller ownerReference
	owned      bool // whether controller is set

	created time.Time // when it was learned of, for Infer
	used    time.Time
	ended   time.Time // when the API told of its end; zero while it is there
}

// cluster is what is known of the cluster and of this node.
type cluster struct {
	uid, why string // why is the reason when uid is ""
	name     string
	cloud    workload.Cloud
	complete bool // nothing more is to be asked
}

// Open returns the pods of a node. It does not ask anybody yet. The error wraps
// ErrNone when there is no API to ask; then Without makes do.
func Open(config Config) (*Pods, error) {
	if config.Getenv == nil {
		config.Getenv = os.Getenv
	}
	p := without(config)
	var err error
	p.client, err = newClient(config.Kubeconfig, config.Getenv, p.config.Timeout)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Without returns pods of which nothing is known but what others say of them; why
// says why no API is asked.
func Without(why string) *Pods {
	p := without(Config{})
	p.problem = errors.New(why)
	p.cluster.why, p.cluster.complete = why, true
	return p
}

func without(config Config) *Pods {
	if config.Timeout <= 0 {
		config.Timeout = time.Second
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Pods{
		config: config, problem: errors.New("the Kubernetes API was not asked yet"),
		pods: make(map[string]*entry), owners: make(map[string]*ownerEntry), plurals: make(map[string]string),
	}
}

// Unavailable says why the API does not tell of this node's pods; "" while it does,
// and when there is none to ask.
func (p *Pods) Unavailable() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == nil || p.problem == nil {
		return ""
	}
	return p.problem.Error()
}

// Run keeps the pods of this node known until ctx ends. Describe works without
// it, but then asks for each pod when it is needed, which may be too late.
func (p *Pods) Run(ctx context.Context) {
	if p.client == nil {
		<-ctx.Done()
		return
	}
	for failures := 0; ctx.Err() == nil; {
		p.learnCluster(ctx)
		progress, err := p.follow(ctx)
		if progress {
			failures = 0
		}
		if errors.Is(err, errGone) {
			err = nil // ordinary after a long time: list again
		}
		p.mu.Lock()
		p.problem = err
		p.mu.Unlock()
		if err != nil {
			pause := min(firstRetry<<min(failures, 10), lastRetry)
			failures++
			wait(ctx, pause/2+rand.N(pause)) // not all nodes of a cluster at once
		}
	}
}

// follow lists the pods and watches them until something breaks, and reports
// whether it came as far as watching.
func (p *Pods) follow(ctx context.Context) (watching bool, err error) {
	seen := make(map[string]bool)
	version, err := p.client.pods(ctx, p.config.Node, func(pod podObject) {
		seen[pod.uid()] = true
		p.learn(pod)
	})
	if err != nil {
		return false, explain(err, "list pods")
	}
	p.forgetOthers(seen)
	for ctx.Err() == nil {
		version, err = p.client.watch(ctx, p.config.Node, version, func(kind string, pod podObject) {
			if kind == "DELETED" {
				p.end(pod)
				return
			}
			p.learn(pod)
		})
		if err != nil {
			return true, explain(err, "watch pods")
		}
	}
	return true, ctx.Err()
}

// explain adds to an error what would mend it.
func explain(err error, what string) error {
	switch {
	case errors.Is(err, errForbidden):
		return fmt.Errorf("%w: %s; give its service account the rights in deploy/kubernetes/sensor-rbac.yaml", err, what)
	case errors.Is(err, errNotFound), errors.Is(err, errRefused):
		return fmt.Errorf("%w: %s", err, what)
	}
	return err
}

// learn takes in a pod as the API shows it.
func (p *Pods) learn(pod podObject) *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.config.Now()
	p.forget(now)
	uid := clip(pod.uid())
	e := &entry{pod: pod.pod(), kinds: pod.kinds(), containers: pod.containers(), created: now, used: now}
	e.controller, e.owned = pod.Metadata.controller()
	if e.pod.Static {
		e.owned = false // its controller is the node
	}
	if old, ok := p.pods[uid]; ok {
		e.created, e.used = old.created, old.used
	}
	p.pods[uid] = e
	return e
}

// end notes that a pod is gone.
func (p *Pods) end(pod podObject) {
	p.learn(pod)
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.pods[clip(pod.uid())]; ok {
		e.ended = p.config.Now()
	}
}

// forgetOthers notes that the pods that are not in seen are gone: their end was
// missed.
func (p *Pods) forgetOthers(seen map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listed, p.problem = true, nil
	for uid, e := range p.pods {
		if !seen[uid] && e.ended.IsZero() {
			e.ended = p.config.Now()
		}
	}
}

// forget drops pods that ended long ago, and, when there are too many, the one
// unused the longest. Callers hold mu.
func (p *Pods) forget(now time.Time) {
	if len(p.pods) < cacheSize/2 && len(p.pods)%64 != 0 {
		return // looking at all of them each time would cost more than they do
	}
	var oldest string
	for uid, e := range p.pods {
		if !e.ended.IsZero() && now.Sub(e.ended) > afterEnd {
			delete(p.pods, uid)
			continue
		}
		if o, ok := p.pods[oldest]; !ok || e.used.Before(o.used) {
			oldest = uid
		}
	}
	if len(p.pods) >= cacheSize {
		delete(p.pods, oldest)
	}
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

// find returns the pod with the UID that its cgroup carries. A pod that is not
// known is asked for by its name, when others know that. The error says why
// nothing is known.
func (p *Pods) find(ctx context.Context, pod workload.Pod) (*entry, error) {
	p.mu.Lock()
	now := p.config.Now()
	if e, ok := p.pods[pod.UID]; ok {
		e.used = now
		p.mu.Unlock()
		return e, nil
	}
	problem, listed, resting := p.problem, p.listed, now.Before(p.resting)
	p.mu.Unlock()
	switch {
	case p.client == nil, resting:
		return nil, problemOr(problem, "the Kubernetes API did not answer in time a moment ago")
	case !isName(pod.Namespace) || !isName(pod.Name):
		if listed && problem == nil {
			return nil, errors.New("the Kubernetes API shows no pod with this UID on this node")
		}
		return nil, problemOr(problem, "the pod's name is not known")
	}
	var object podObject
	err := p.ask(ctx, wholeObjects, "/api/v1/namespaces/"+pod.Namespace+"/pods/"+pod.Name, &object)
	switch {
	case errors.Is(err, errNotFound):
		return nil, errors.New("the Kubernetes API shows no such pod: it is gone, or was not made through it")
	case err != nil:
		return nil, explain(err, "get pods")
	case object.uid() != pod.UID:
		return nil, errors.New("the Kubernetes API shows another pod of that name")
	}
	return p.learn(object), nil
}

func problemOr(problem error, why string) error {
	if problem != nil {
		return problem
	}
	return errors.New(why)
}

// ask asks for one object while somebody waits for it. An API that does not
// answer is then left alone for a while: every script would wait for it again.
func (p *Pods) ask(ctx context.Context, accept, path string, v any) error {
	// The answer is remembered for others, so it does not end with ctx.
	err := p.client.get(context.WithoutCancel(ctx), accept, path, v)
	if errors.Is(err, errAway) {
		p.mu.Lock()
		p.resting = p.config.Now().Add(rest)
		p.mu.Unlock()
	}
	return err
}

// Describe returns w with what the API knows of its pod, its owners and its
// cluster. It waits at most for a few questions, and for none while the API is
// away.
func (p *Pods) Describe(ctx context.Context, w workload.Workload) workload.Workload {
	why := make(map[string]string, len(w.Unresolved)+4)
	for field, reason := range w.Unresolved {
		why[field] = reason
	}
	p.describeCluster(&w, why)
	if w.Pod.UID != "" {
		p.describePod(ctx, &w, why)
	}
	w.Unresolved = nil
	if len(why) > 0 {
		w.Unresolved = why
	}
	return w
}

func (p *Pods) describePod(ctx context.Context, w *workload.Workload, why map[string]string) {
	e, err := p.find(ctx, w.Pod)
	if err != nil {
		why["pod.service_account"] = err.Error()
		if w.Owner = Infer(w.Pod, w.Container.Created); w.Owner.Name == "" {
			why["owner.name"] = err.Error()
		}
		return
	}
	uid := w.Pod.UID
	w.Pod = e.pod
	w.Pod.UID = uid
	for _, field := range []string{"pod.namespace", "pod.name", "pod.labels"} {
		delete(why, field)
	}
	describeContainer(&w.Container, e, why)
	if !e.owned {
		return
	}
	created := w.Container.Created
	if created.IsZero() {
		created = e.created
	}
	chain, contacts, err := p.chain(ctx, e)
	w.Owners = chain
	if err == nil {
		w.Owner = identity(chain)
	} else if w.Owner = Infer(w.Pod, created); w.Owner.Name == "" {
		w.Owner = identity(chain)
	}
	if err != nil && w.Owner.Name == "" {
		why["owner.name"] = err.Error()
	}
	w.Pod.Contacts = append(w.Pod.Contacts[:len(w.Pod.Contacts):len(w.Pod.Contacts)], contacts...)
	w.Pod.Contacts = w.Pod.Contacts[:min(len(w.Pod.Contacts), maxContacts)]
}

// describeContainer adds what the API knows of the container itself, where the
// runtime did not say.
func describeContainer(c *workload.Container, e *entry, why map[string]string) {
	if known, ok := e.containers[c.ID]; ok {
		fill := func(field string, to *string, value string) {
			if *to == "" && value != "" {
				*to = value
				delete(why, field)
			}
		}
		fill("container.name", &c.Name, known.Name)
		fill("container.image", &c.Image, known.Image)
		fill("container.image_id", &c.ImageID, known.ImageID)
		fill("container.runtime", &c.Runtime, known.Runtime)
	}
	c.Kind = e.kinds[c.Name]
}

// identity is the owner that people know, of a chain of controllers that begins
// with the pod's own.
func identity(chain []workload.Owner) workload.Owner {
	for _, o := range chain {
		if (o.Group == "apps" && (o.Kind == "Deployment" || o.Kind == "StatefulSet" || o.Kind == "DaemonSet")) ||
			o.Group == "batch" && o.Kind == "CronJob" {
			return o
		}
	}
	if len(chain) == 0 {
		return workload.Owner{}
	}
	return chain[len(chain)-1]
}

// plural guesses nothing: it knows the resources of the kinds that usually own
// pods, and the API is asked for others.
func plural(group, kind string) string {
	switch group + "/" + kind {
	case "apps/ReplicaSet", "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "batch/Job", "batch/CronJob", "/ReplicationController":
		return strings.ToLower(kind) + "s"
	}
	return ""
}
