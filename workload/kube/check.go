package kube

import (
	"context"
	"errors"
	"fmt"
	"net/url"
)

// Status is what Check found of one thing.
type Status struct {
	Name   string // short, for a table: "list pods"
	OK     bool
	Detail string
	Fix    string // what to do; "" when OK, or when there is nothing to do
}

// noSuchName is the name of no object: that the API knows none shows that it lets
// it be seen.
const noSuchName = "kingsnake-asks-whether-it-may"

// Check asks the Kubernetes API for one of everything that is asked for while a
// sensor runs, for people who want to know why owners or labels are missing. The
// error wraps ErrNone when there is no API to ask.
func Check(ctx context.Context, config Config) ([]Status, error) {
	p, err := Open(config)
	if err != nil {
		return nil, err
	}
	node := p.config.Node
	asked := []struct {
		name, path string
		query      url.Values
		lost       string
	}{
		{"list and watch pods", "/api/v1/pods", url.Values{"fieldSelector": {"spec.nodeName=" + node}, "limit": {"1"}}, "labels, service accounts and owners of pods"},
		{"get pods", "/api/v1/namespaces/default/pods/" + noSuchName, nil, "pods that are younger than the watch"},
		{"get replicasets.apps", "/apis/apps/v1/namespaces/default/replicasets/" + noSuchName, nil, "Deployments, which are read off labels then"},
		{"get deployments.apps", "/apis/apps/v1/namespaces/default/deployments/" + noSuchName, nil, "contacts of Deployments"},
		{"get statefulsets.apps", "/apis/apps/v1/namespaces/default/statefulsets/" + noSuchName, nil, "contacts of StatefulSets"},
		{"get daemonsets.apps", "/apis/apps/v1/namespaces/default/daemonsets/" + noSuchName, nil, "contacts of DaemonSets"},
		{"get jobs.batch", "/apis/batch/v1/namespaces/default/jobs/" + noSuchName, nil, "CronJobs, which are read off names then"},
		{"get cronjobs.batch", "/apis/batch/v1/namespaces/default/cronjobs/" + noSuchName, nil, "contacts of CronJobs"},
		{"get namespaces (kube-system)", "/api/v1/namespaces/kube-system", nil, "the cluster's UID"},
		{"get nodes", "/api/v1/nodes/" + url.PathEscape(node), nil, "the node's cloud: project, zone and instance"},
	}
	var out []Status
	for _, a := range asked {
		s := Status{Name: a.name, OK: true, Detail: "allowed"}
		ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
		body, err := p.client.open(ctx, metadataOnly, a.path, a.query)
		cancel()
		switch {
		case err == nil:
			_ = body.Close() // what is in it is of no interest
		case errors.Is(err, errNotFound):
		case errors.Is(err, errForbidden):
			s = Status{Name: a.name, Detail: "forbidden; lost: " + a.lost, Fix: "apply deploy/kubernetes/sensor-rbac.yaml, and run the sensor as its service account"}
		case errors.Is(err, errRefused):
			return []Status{{Name: "sign in", Detail: err.Error(), Fix: "mount a fresh token of the service account (automountServiceAccountToken), or name another --kubeconfig"}}, nil
		default:
			return []Status{{
				Name: "reach it", Detail: fmt.Sprintf("%s: %v", p.client.server.Redacted(), err),
				Fix: "let the node reach the API server (network policies, proxies, the certificate's authority), or turn this off with --kubeconfig none",
			}}, nil
		}
		out = append(out, s)
	}
	return out, nil
}
