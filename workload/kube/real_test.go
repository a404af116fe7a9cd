package kube_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"kingsnake/workload"
	"kingsnake/workload/kube"
)

// admin writes to a real API with an administrator's kubeconfig.
type admin struct {
	server, authority string
	http              *http.Client
}

func newAdmin(t *testing.T, kubeconfig string) *admin {
	t.Helper()
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	var k struct {
		Clusters []struct {
			Cluster struct {
				Server    string `json:"server"`
				Authority []byte `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Cert []byte `json:"client-certificate-data"`
				Key  []byte `json:"client-key-data"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := yaml.Unmarshal(text, &k); err != nil || len(k.Clusters) == 0 || len(k.Users) == 0 {
		t.Fatalf("%s is no kubeconfig with certificates: %v", kubeconfig, err)
	}
	pair, err := tls.X509KeyPair(k.Users[0].User.Cert, k.Users[0].User.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(k.Clusters[0].Cluster.Authority)
	return &admin{
		server: k.Clusters[0].Cluster.Server, authority: base64.StdEncoding.EncodeToString(k.Clusters[0].Cluster.Authority),
		http: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}},
	}
}

// do sends an object and returns what comes back. What exists already is left.
func (a *admin) do(t *testing.T, method, path string, o object) object {
	t.Helper()
	body, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	q, err := http.NewRequestWithContext(t.Context(), method, a.server+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	answer, err := a.http.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode > 299 && answer.StatusCode != http.StatusConflict {
		t.Fatalf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	var got object
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// uidOf returns the UID that the API gave an object.
func uidOf(o object) string {
	m, _ := o["metadata"].(object)
	uid, _ := m["uid"].(string)
	return uid
}

// applyRights makes what deploy/kubernetes/sensor-rbac.yaml says, and returns the
// path of a kubeconfig file with the token of its service account.
func (a *admin) applyRights(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/kubernetes/sensor-rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a.do(t, http.MethodPost, "/api/v1/namespaces", object{"metadata": object{"name": "kingsnake"}})
	paths := map[string]string{
		"ServiceAccount": "/api/v1/namespaces/kingsnake/serviceaccounts",
		"ClusterRole":    "/apis/rbac.authorization.k8s.io/v1/clusterroles", "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
	}
	for part := range strings.SplitSeq(string(text), "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(part), &o); err != nil {
			t.Fatal(err)
		}
		a.do(t, http.MethodPost, paths[fmt.Sprint(o["kind"])], o)
	}
	token := a.do(t, http.MethodPost, paths["ServiceAccount"]+"/kingsnake-sensor/token",
		object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": object{}})
	status, _ := token["status"].(object)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	config := fmt.Sprintf(`{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}], users: [{name: u, user: {token: %s}}]}`,
		a.server, a.authority, status["token"])
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestARealAPI asks a real Kubernetes API with the rights that a sensor is given
// and no others. No kubelet is needed: the pods are only written down.
func TestARealAPI(t *testing.T) {
	path := os.Getenv("KINGSNAKE_KUBECONFIG")
	if path == "" {
		t.Skip("this needs a Kubernetes API: run it with KINGSNAKE_KUBECONFIG=ADMIN-KUBECONFIG go test -run TestARealAPI ./workload/kube")
	}
	a := newAdmin(t, path)
	sensor := a.applyRights(t)
	namespace := fmt.Sprintf("kingsnake-test-%d", time.Now().UnixNano())
	a.do(t, http.MethodPost, "/api/v1/namespaces", object{"metadata": object{"name": namespace}})
	t.Cleanup(func() {
		q, _ := http.NewRequest(http.MethodDelete, a.server+"/api/v1/namespaces/"+namespace, nil)
		if answer, err := a.http.Do(q); err == nil {
			answer.Body.Close()
		}
	})
	in := "/namespaces/" + namespace
	a.do(t, http.MethodPost, "/api/v1"+in+"/serviceaccounts", object{"metadata": object{"name": "web"}})
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
	owner := uidOf(a.do(t, http.MethodPost, "/apis/apps/v1"+in+"/deployments", deployment))
	replicas := uidOf(a.do(t, http.MethodPost, "/apis/apps/v1"+in+"/replicasets", set("web-7d9c", ref("apps/v1", "Deployment", "web", owner))))
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
	uid := uidOf(a.do(t, http.MethodPost, "/api/v1"+in+"/pods", pod))
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
