package scc_test

import (
	"testing"

	"kingsnake/finding"
	"kingsnake/finding/scc"
)

// TestWorkload has a finding whose sensor was told more than names.
func TestWorkload(t *testing.T) {
	t.Parallel()
	f := finding.Finding{Workload: finding.Workload{
		ContainerID: "c", PodNamespace: "shop", PodName: "p", Node: "gke-node-1", Cluster: "shop", ServiceAccount: "web",
		OwnerGroup: "flow.example.com", OwnerKind: "Flow", OwnerName: "train",
		Owners:   []finding.Owner{{Group: "flow.example.com", Kind: "Run", Name: "train-1"}, {Group: "flow.example.com", Kind: "Flow", Name: "train"}},
		Contacts: []finding.Contact{{Key: "owner", Value: "Shop team <shop@example.com>", Of: "pod"}, {Key: "a8r.io/chat", Value: "#shop\xff", Of: "pod"}},
		Cloud:    finding.Cloud{Provider: "gce", Project: "acme", Zone: "europe-west1-b", InstanceID: "42", Location: "europe-west1"},
	}}
	v2 := scc.V2(f, scc.Config{})
	if c := v2.GetContacts()["technical"].GetContacts(); len(c) != 1 || c[0].GetEmail() != "shop@example.com" {
		t.Errorf("contacts %v", v2.GetContacts())
	}
	if o := v2.GetKubernetes().GetObjects(); len(o) != 2 || o[0].GetName() != "train" || o[0].GetGroup() != "flow.example.com" || o[1].GetName() != "train-1" {
		t.Errorf("objects %v", o)
	}
	if got, want := v2.GetResourceName(), "//container.googleapis.com/projects/acme/locations/europe-west1/clusters/shop"; got != want {
		t.Errorf("resource %q, want %q", got, want)
	}
	if got, want := v2.GetKubernetes().GetNodes()[0].GetName(), "//compute.googleapis.com/projects/acme/zones/europe-west1-b/instances/gke-node-1"; got != want {
		t.Errorf("node %q, want %q", got, want)
	}
	if got := v2.GetSourceProperties()["Pod_Service_Account"].GetStringValue(); got != "web" {
		t.Errorf("service account %q", got)
	}
	if got := (scc.Config{}).InstanceID(f); got != "42" {
		t.Errorf("instance id %q", got)
	}
	// What is configured goes first.
	if got := scc.Resource(f, scc.Config{Project: "other"}).GetName(); got != "//container.googleapis.com/projects/other/locations/europe-west1/clusters/shop" {
		t.Errorf("resource %q", got)
	}
}
