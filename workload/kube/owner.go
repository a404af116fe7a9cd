package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kingsnake/workload"
)

const (
	maxChain   = 8                // owners above one another
	ownerAge   = 10 * time.Minute // how long an owner is taken to be as it was
	ownerCache = 2048
)

// ownerEntry is what is known of one owner, or why nothing is.
type ownerEntry struct {
	controller ownerReference // above it
	owned      bool
	contacts   []workload.Contact
	until      time.Time // when it is asked for again
	failures   int
	err        error
}

// chain climbs from a pod's controller to its end, and gathers the contacts on
// the way. Where an owner cannot be seen it ends with that owner and an error;
// the owner itself is known from the reference to it.
func (p *Pods) chain(ctx context.Context, e *entry) (chain []workload.Owner, contacts []workload.Contact, err error) {
	ref, owned := e.controller, e.owned
	seen := make(map[string]bool)
	for owned && len(chain) < maxChain && !seen[ref.UID] {
		seen[ref.UID] = true
		chain = append(chain, ref.owner())
		o := p.owner(ctx, e.pod.Namespace, ref)
		if o.err != nil {
			// What lies above a Deployment is of no consequence for the identity.
			if identity(chain) != chain[len(chain)-1] || settled(ref) {
				return chain, contacts, nil
			}
			return chain, contacts, fmt.Errorf("%s %s: %w", ref.Kind, ref.Name, o.err)
		}
		contacts = append(beyond(contacts, o.contacts), o.contacts...)
		ref, owned = o.controller, o.owned
	}
	return chain, contacts, nil
}

// beyond returns the contacts that are not also among those further up: what is
// written on a Deployment, its controller writes on its ReplicaSets too. It may
// change the contacts' own array.
func beyond(contacts, further []workload.Contact) []workload.Contact {
	return slices.DeleteFunc(contacts, func(c workload.Contact) bool {
		return slices.ContainsFunc(further, func(f workload.Contact) bool { return f.Key == c.Key && f.Value == c.Value })
	})
}

// settled reports whether the chain need not be climbed beyond ref to know the
// owner that counts.
func settled(ref ownerReference) bool {
	switch ref.group() + "/" + ref.Kind {
	case "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "batch/CronJob":
		return true
	}
	return false
}

// owner returns what is known of an owner, asking when nothing is. Two who ask at
// once both ask, which is harmless and rare.
func (p *Pods) owner(ctx context.Context, namespace string, ref ownerReference) *ownerEntry {
	key := namespace + "/" + ref.APIVersion + "/" + ref.Kind + "/" + ref.Name + "/" + ref.UID
	p.mu.Lock()
	now := p.config.Now()
	old, known := p.owners[key]
	resting := now.Before(p.resting)
	p.mu.Unlock()
	if known && now.Before(old.until) {
		return old
	}
	if resting {
		if known && old.err == nil {
			return old // better old than nothing
		}
		return &ownerEntry{err: errors.New("the Kubernetes API did not answer in time a moment ago")}
	}
	o := p.askOwner(ctx, namespace, ref)
	o.until = now.Add(ownerAge)
	if o.err != nil {
		if known && old.err == nil && errors.Is(o.err, errAway) {
			return old
		}
		if known {
			o.failures = old.failures + 1
		}
		o.until = now.Add(min(firstRetry<<min(o.failures, 10), lastRetry))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.owners) >= ownerCache {
		for k, e := range p.owners {
			if now.After(e.until) || len(p.owners) >= ownerCache {
				delete(p.owners, k)
			}
		}
	}
	p.owners[key] = o
	return o
}

// askOwner asks the API for an owner's metadata.
func (p *Pods) askOwner(ctx context.Context, namespace string, ref ownerReference) *ownerEntry {
	resource, namespaced, err := p.resource(ctx, ref)
	if err != nil {
		return &ownerEntry{err: err}
	}
	path := "/apis/" + ref.APIVersion
	if ref.group() == "" {
		path = "/api/" + ref.APIVersion
	}
	if namespaced {
		path += "/namespaces/" + namespace
	}
	if !isName(ref.Name) || !isName(namespace) {
		return &ownerEntry{err: errors.New("its name is none that Kubernetes allows")}
	}
	var object struct {
		Metadata objectMeta `json:"metadata"`
	}
	if err := p.ask(ctx, metadataOnly, path+"/"+resource+"/"+ref.Name, &object); err != nil {
		return &ownerEntry{err: explain(err, "get "+resource)}
	}
	if ref.UID != "" && object.Metadata.UID != ref.UID {
		return &ownerEntry{err: errors.New("the API shows another object of that name")}
	}
	o := &ownerEntry{contacts: contactsOf(object.Metadata.Annotations, clip(ref.Kind))}
	o.controller, o.owned = object.Metadata.controller()
	return o
}

// resource returns what the API calls objects of a reference's kind, and whether
// they lie in namespaces. Every authenticated user may ask for that.
func (p *Pods) resource(ctx context.Context, ref ownerReference) (name string, namespaced bool, err error) {
	if name := plural(ref.group(), ref.Kind); name != "" {
		return name, true, nil
	}
	group, version := ref.group(), ref.APIVersion
	if group != "" {
		version = ref.APIVersion[len(group)+1:]
	}
	if group != "" && !isName(group) || !isName(version) {
		return "", false, errors.New("its API version is none that Kubernetes allows")
	}
	key := ref.APIVersion + "/" + ref.Kind
	p.mu.Lock()
	known, ok := p.plurals[key]
	p.mu.Unlock()
	if !ok {
		if known, err = p.askResource(ctx, group, version, ref.Kind); err != nil {
			return "", false, explain(err, "see what kinds of objects there are")
		}
		p.mu.Lock()
		if len(p.plurals) < ownerCache {
			p.plurals[key] = known
		}
		p.mu.Unlock()
	}
	if known == "" {
		return "", false, errors.New("the API knows no objects of that kind")
	}
	return known[1:], known[0] == 'n', nil
}

// askResource returns the resource of a kind with "n" in front when it is
// namespaced and "c" when not; "" when there is none.
func (p *Pods) askResource(ctx context.Context, group, version, kind string) (string, error) {
	path := "/apis/" + group + "/" + version
	if group == "" {
		path = "/api/" + version
	}
	var list struct {
		Resources []struct {
			Name       string `json:"name"`
			Kind       string `json:"kind"`
			Namespaced bool   `json:"namespaced"`
		} `json:"resources"`
	}
	err := p.ask(ctx, wholeObjects, path, &list)
	if errors.Is(err, errNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, r := range list.Resources {
		// What has a slash is a part of an object, such as its status.
		if r.Kind != kind || !isName(r.Name) {
			continue
		}
		if r.Namespaced {
			return "n" + r.Name, nil
		}
		return "c" + r.Name, nil
	}
	return "", nil
}
