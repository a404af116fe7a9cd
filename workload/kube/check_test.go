package kube_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"kingsnake/workload/kube"
	"kingsnake/workload/kube/kubetest"
)

func TestWhatTheAPIForbidsIsNamed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(*kubetest.API)
		bad   string // names of what is not well
		fix   string // words in what to do
	}{
		"all is well":      {func(*kubetest.API) {}, "", ""},
		"no owners":        {func(a *kubetest.API) { a.Refuse("/apis/apps/v1/namespaces/default/replicasets", http.StatusForbidden) }, "get replicasets.apps", "sensor-rbac.yaml"},
		"no pods":          {func(a *kubetest.API) { a.Refuse("/api/v1/pods", http.StatusForbidden) }, "list and watch pods", "sensor-rbac.yaml"},
		"no nodes":         {func(a *kubetest.API) { a.Refuse("/api/v1/nodes", http.StatusForbidden) }, "get nodes", "sensor-rbac.yaml"},
		"a token too old":  {func(a *kubetest.API) { a.Refuse("/", http.StatusUnauthorized) }, "sign in", "automountServiceAccountToken"},
		"an API in pieces": {func(a *kubetest.API) { a.Refuse("/", http.StatusServiceUnavailable) }, "reach it", "--kubeconfig none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			tt.spoil(a)
			list, err := kube.Check(t.Context(), kube.Config{Kubeconfig: a.Kubeconfig, Node: node})
			if err != nil {
				t.Fatal(err)
			}
			var bad []string
			for _, s := range list {
				if !s.OK {
					bad = append(bad, s.Name)
					if !strings.Contains(s.Fix, tt.fix) || s.Detail == "" {
						t.Errorf("%+v", s)
					}
				}
			}
			if got := strings.Join(bad, ","); got != tt.bad {
				t.Errorf("want %q to be said, got %q of %+v", tt.bad, got, list)
			}
		})
	}
	if _, err := kube.Check(t.Context(), kube.Config{Getenv: func(string) string { return "" }}); !errors.Is(err, kube.ErrNone) {
		t.Errorf("without an API: %v", err)
	}
}
