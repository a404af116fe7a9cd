package kube_test

import (
	"os"
	"testing"

	"kingsnake/workload"
	"kingsnake/workload/kube"
	"kingsnake/workload/kube/kubetest"
)

// TestARealAPI asks a real Kubernetes API with the rights that a sensor is given
// and no others. No kubelet is needed: the pods are only written down.
func TestARealAPI(t *testing.T) {
	path := os.Getenv("KINGSNAKE_KUBECONFIG")
	if path == "" {
		t.Skip("this needs a Kubernetes API: run it with KINGSNAKE_KUBECONFIG=ADMIN-KUBECONFIG go test -run TestARealAPI ./workload/kube")
	}
	a := kubetest.NewAdmin(t, path)
	sensor := a.Sensor("../../deploy/kubernetes/sensor-rbac.yaml")
	namespace := a.Namespace()
	in := "/namespaces/" + namespace
	a.Post("/api/v1"+in+"/serviceaccounts", object{"metadata": object{"name": "web"}})
	template := object{"metadata": object{"labels": object{"app": "web"}}, "spec": object{"containers": []object{{"name": "main", "image": "example.com/web:1"}}}}
	// Nobody acts on them: no replicas are wanted.
	set := func(name string, owner object) object {
		m := object{"name": name, "labels": object{"app": "web"}}
		if owner != nil {
			m["ownerReferences"] = []object{owner}
		}
		return object{"metadata": m, "spec": object{"replicas": 0, "selector": object{"matchLabels": object{"app": "web"}}, "template": template}}
	}
	ref := func(apiVersion, kind, name, uid string) object {
		return object{"apiVersion": apiVersion, "kind": kind, "name": name, "uid": uid, "controller": true}
	}
	deployment := set("web", nil)
	deployment["metadata"].(object)["annotations"] = object{"kingsnake.dev/contact": "web@example.com"}
	owner := kubetest.UID(a.Post("/apis/apps/v1"+in+"/deployments", deployment))
	replicas := kubetest.UID(a.Post("/apis/apps/v1"+in+"/replicasets", set("web-7d9c", ref("apps/v1", "Deployment", "web", owner))))
	pod := object{
		"metadata": object{
			"name": "web-7d9c-abcde", "labels": object{"app": "web", "pod-template-hash": "7d9c"},
			"ownerReferences": []object{ref("apps/v1", "ReplicaSet", "web-7d9c", replicas)},
		},
		"spec": object{"nodeName": node, "serviceAccountName": "web", "containers": template["spec"].(object)["containers"]},
	}

	p := open(t, kube.Config{Kubeconfig: sensor})
	go p.Run(t.Context())
	until(t, func() bool { return p.Unavailable() == "" })
	uid := kubetest.UID(a.Post("/api/v1"+in+"/pods", pod))
	var got workload.Workload
	until(t, func() bool { // by its UID alone, so that only the watch can know it
		got = p.Describe(t.Context(), workload.Workload{Container: workload.Container{ID: id}, Pod: workload.Pod{UID: uid}})
		return got.Pod.Name != ""
	})
	if got.Owner != (workload.Owner{Group: "apps", Kind: "Deployment", Name: "web"}) || got.Pod.ServiceAccount != "web" ||
		got.Pod.Namespace != namespace || got.Pod.Labels["app"] != "web" || got.ClusterUID == "" ||
		len(got.Pod.Contacts) != 1 || got.Pod.Contacts[0].Value != "web@example.com" || len(got.Owners) != 2 {
		t.Errorf("%+v", got)
	}
	// Another sensor, which did not watch, asks when the pod is needed.
	late := open(t, kube.Config{Kubeconfig: sensor}).Describe(t.Context(),
		workload.Workload{Container: workload.Container{ID: id}, Pod: workload.Pod{Namespace: namespace, Name: "web-7d9c-abcde", UID: uid}})
	if late.Owner != got.Owner || late.Pod.ServiceAccount != "web" {
		t.Errorf("asked for late: %+v", late)
	}
	t.Logf("cluster %s, owner %+v, reasons %v", got.ClusterUID, got.Owner, got.Unresolved)
}
