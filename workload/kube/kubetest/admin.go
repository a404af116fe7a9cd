package kubetest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// Admin writes to a real API, as an administrator. It fails its test when the API
// refuses, and may be used by that test's goroutine only.
type Admin struct {
	t                 testing.TB
	server, authority string
	http              *http.Client
}

// NewAdmin returns an administrator by a kubeconfig file that has a client's
// certificate in it.
func NewAdmin(t testing.TB, kubeconfig string) *Admin {
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
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	t.Cleanup(transport.CloseIdleConnections)
	return &Admin{
		t: t, server: k.Clusters[0].Cluster.Server, authority: base64.StdEncoding.EncodeToString(k.Clusters[0].Cluster.Authority),
		http: &http.Client{Transport: transport, Timeout: time.Minute},
	}
}

// Post makes an object below path. One that exists already is left as it is.
func (a *Admin) Post(path string, o Object) Object {
	a.t.Helper()
	return a.do(http.MethodPost, path, "application/json", o)
}

// Patch changes an object as "kubectl patch" does.
func (a *Admin) Patch(path string, o Object) Object {
	a.t.Helper()
	return a.do(http.MethodPatch, path, "application/strategic-merge-patch+json", o)
}

// Get reads an object into v.
func (a *Admin) Get(path string, v any) {
	a.t.Helper()
	text, err := json.Marshal(a.do(http.MethodGet, path, "", nil))
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		a.t.Fatalf("GET %s: %v", path, err)
	}
}

func (a *Admin) do(method, path, contentType string, o Object) Object {
	a.t.Helper()
	body, err := json.Marshal(o)
	if err != nil {
		a.t.Fatal(err)
	}
	q, err := http.NewRequest(method, a.server+path, bytes.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	q.Header.Set("Content-Type", contentType)
	answer, err := a.http.Do(q)
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	var got Object
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
		a.t.Fatalf("%s %s: %s: %v", method, path, answer.Status, err)
	}
	if answer.StatusCode > 299 && answer.StatusCode != http.StatusConflict {
		a.t.Fatalf("%s %s: %s: %s", method, path, answer.Status, got["message"])
	}
	return got
}

// Namespace makes a namespace that exists until the test's end, and returns its
// name.
func (a *Admin) Namespace() string {
	a.t.Helper()
	name := fmt.Sprintf("kingsnake-test-%d", time.Now().UnixNano())
	a.Post("/api/v1/namespaces", Object{"metadata": Object{"name": name}})
	a.t.Cleanup(func() { a.do(http.MethodDelete, "/api/v1/namespaces/"+name, "application/json", Object{}) })
	return name
}

// Sensor gives a sensor the rights in the file at rbac, and returns the path of a
// kubeconfig file with the token of its service account.
func (a *Admin) Sensor(rbac string) string {
	a.t.Helper()
	text, err := os.ReadFile(rbac)
	if err != nil {
		a.t.Fatal(err)
	}
	a.Post("/api/v1/namespaces", Object{"metadata": Object{"name": "kingsnake"}})
	paths := map[string]string{
		"ServiceAccount": "/api/v1/namespaces/kingsnake/serviceaccounts",
		"ClusterRole":    "/apis/rbac.authorization.k8s.io/v1/clusterroles", "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
	}
	for part := range strings.SplitSeq(string(text), "\n---\n") {
		var o Object
		if err := yaml.Unmarshal([]byte(part), &o); err != nil {
			a.t.Fatal(err)
		}
		a.Post(paths[fmt.Sprint(o["kind"])], o)
	}
	token := a.Post(paths["ServiceAccount"]+"/kingsnake-sensor/token",
		Object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": Object{}})
	status, _ := token["status"].(Object)
	path := filepath.Join(a.t.TempDir(), "kubeconfig")
	config := fmt.Sprintf(`{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}], users: [{name: u, user: {token: %s}}]}`,
		a.server, a.authority, status["token"])
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// UID returns the UID that an API gave an object.
func UID(o Object) string {
	m, _ := o["metadata"].(Object)
	uid, _ := m["uid"].(string)
	return uid
}
