package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"kingsnake/workload"
)

// Labels and annotations of a node that say where it is. The first two are
// Kubernetes's own (k8s.io/api/core/v1/well_known_labels.go), the third is
// put there by Google Kubernetes Engine.
const (
	labelZone          = "topology.kubernetes.io/zone"
	annotationInstance = "container.googleapis.com/instance_id"
)

// MetadataServer is where Google Cloud's metadata server is asked on its virtual
// machines.
const MetadataServer = "http://metadata.google.internal"

// learnCluster asks which cluster this is and what its cloud calls this node,
// unless that is known.
func (p *Pods) learnCluster(ctx context.Context) {
	p.mu.Lock()
	c := p.cluster
	p.mu.Unlock()
	if c.complete {
		return
	}
	uid, err := p.askClusterUID(ctx)
	c.uid, c.why = uid, ""
	if err != nil {
		c.why = explain(err, "get the namespace kube-system").Error()
	}
	cloud, cloudErr := p.askCloud(ctx)
	name, location, metaErr := p.askMetadata(ctx)
	cloud.Location = location
	c.name, c.cloud = name, cloud
	// A right that is missing stays missing; what failed otherwise is tried again.
	c.complete = !errors.Is(err, errAway) && !errors.Is(cloudErr, errAway) && metaErr == nil
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cluster = c
}

func (p *Pods) askClusterUID(ctx context.Context) (string, error) {
	var namespace struct {
		Metadata objectMeta `json:"metadata"`
	}
	err := p.client.get(ctx, metadataOnly, "/api/v1/namespaces/kube-system", &namespace)
	return clip(namespace.Metadata.UID), err
}

// askCloud reads off the node's object what its cloud calls it.
func (p *Pods) askCloud(ctx context.Context) (workload.Cloud, error) {
	if !isName(p.config.Node) {
		return workload.Cloud{}, nil
	}
	var node struct {
		Metadata objectMeta `json:"metadata"`
		Spec     struct {
			ProviderID string `json:"providerID"`
		} `json:"spec"`
	}
	if err := p.client.get(ctx, wholeObjects, "/api/v1/nodes/"+p.config.Node, &node); err != nil {
		return workload.Cloud{}, err
	}
	return cloudOf(node.Spec.ProviderID, node.Metadata), nil
}

// cloudOf reads a provider id: "gce://PROJECT/ZONE/NAME", "aws:///ZONE/i-…",
// "azure:///subscriptions/…". Only for Google's and Amazon's it is known what
// its parts are.
func cloudOf(providerID string, node objectMeta) workload.Cloud {
	provider, rest, ok := strings.Cut(providerID, "://")
	if !ok {
		return workload.Cloud{}
	}
	cloud := workload.Cloud{Provider: clip(provider), Zone: clip(node.Labels[labelZone])}
	parts := strings.Split(rest, "/")
	switch {
	case provider == "gce" && len(parts) == 3:
		cloud.Project, cloud.Zone = clip(parts[0]), clip(parts[1])
		cloud.InstanceID = clip(node.Annotations[annotationInstance])
	case provider == "aws" && len(parts) == 3:
		cloud.Zone, cloud.InstanceID = clip(parts[1]), clip(parts[2])
	}
	return cloud
}

// askMetadata asks Google Cloud's metadata server, where that was wished, for the
// cluster's name and location.
func (p *Pods) askMetadata(ctx context.Context) (name, location string, err error) {
	if p.config.Metadata == "" {
		return "", "", nil
	}
	if name, err = p.askAttribute(ctx, "cluster-name"); err != nil {
		return "", "", err
	}
	location, err = p.askAttribute(ctx, "cluster-location")
	return name, location, err
}

// askAttribute asks for one attribute of this virtual machine; "" when it has
// none of that name.
func (p *Pods) askAttribute(ctx context.Context, attribute string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, p.config.Metadata+"/computeMetadata/v1/instance/attributes/"+attribute, nil)
	if err != nil {
		return "", err
	}
	// Without it the server does not answer, and without it in the answer it
	// was another that did.
	q.Header.Set("Metadata-Flavor", "Google")
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: stay}
	answer, err := plain.Do(q)
	if err != nil {
		return "", fmt.Errorf("ask the metadata server: %s", cause(err))
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxField))
	switch {
	case err != nil:
		return "", fmt.Errorf("ask the metadata server: %s", cause(err))
	case answer.StatusCode == http.StatusNotFound, answer.Header.Get("Metadata-Flavor") != "Google":
		return "", nil
	case answer.StatusCode != http.StatusOK:
		return "", fmt.Errorf("the metadata server answered %s", shorten(answer.Status))
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(text), "")), nil
}

// describeCluster adds to w what is known of the cluster.
func (p *Pods) describeCluster(w *workload.Workload, why map[string]string) {
	p.mu.Lock()
	c := p.cluster
	p.mu.Unlock()
	w.ClusterUID, w.Cloud = c.uid, c.cloud
	if w.Cluster == "" {
		w.Cluster = c.name
	}
	switch {
	case c.uid != "", p.client == nil && w.Pod.UID == "":
	case c.why != "":
		why["cluster.uid"] = c.why
	default:
		why["cluster.uid"] = "the Kubernetes API was not asked yet"
	}
}
