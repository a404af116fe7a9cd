package kube_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/workload"
	"kingsnake/workload/kube"
)

func TestInfer(t *testing.T) {
	t.Parallel()
	due := time.Unix(29543106*60, 0)
	type labels = map[string]string
	owner := func(group, kind, name string) workload.Owner {
		return workload.Owner{Group: group, Kind: kind, Name: name, Inferred: true}
	}
	tests := map[string]struct {
		pod     string
		labels  labels
		created time.Time
		want    workload.Owner
	}{
		"Deployment":                            {"web-app-7d9c6b5-x2x4z", labels{"pod-template-hash": "7d9c6b5"}, due, owner("apps", "Deployment", "web-app")},
		"A hash that is not in the name":        {"web-x2x4z", labels{"pod-template-hash": "7d9c6b5"}, due, workload.Owner{}},
		"Nothing but the hash":                  {"7d9c6b5-x2x4z", labels{"pod-template-hash": "7d9c6b5"}, due, workload.Owner{}},
		"StatefulSet":                           {"db-main-0", labels{"statefulset.kubernetes.io/pod-name": "db-main-0", "controller-revision-hash": "db-main-66c8"}, due, owner("apps", "StatefulSet", "db-main")},
		"Another's revision":                    {"db-0", labels{"statefulset.kubernetes.io/pod-name": "db-0", "controller-revision-hash": "else-66c8"}, due, workload.Owner{}},
		"DaemonSet":                             {"node-agent-5k2xq", labels{"controller-revision-hash": "66c8", "pod-template-generation": "1"}, due, owner("apps", "DaemonSet", "node-agent")},
		"Job":                                   {"import-k8x2p", labels{"batch.kubernetes.io/job-name": "import"}, due, owner("batch", "Job", "import")},
		"Job, before 1.27":                      {"import-k8x2p", labels{"job-name": "import"}, due, owner("batch", "Job", "import")},
		"CronJob":                               {"nightly-29543106-k8x2p", labels{"job-name": "nightly-29543106"}, due.Add(3 * time.Second), owner("batch", "CronJob", "nightly")},
		"A Job that is called like a CronJob's": {"nightly-29543106-k8x2p", labels{"job-name": "nightly-29543106"}, due.Add(48 * time.Hour), owner("batch", "Job", "nightly-29543106")},
		"It is not known when it was made":      {"nightly-29543106-k8x2p", labels{"job-name": "nightly-29543106"}, time.Time{}, owner("batch", "Job", "nightly-29543106")},
		"A Job's label on another pod":          {"else", labels{"job-name": "import"}, due, workload.Owner{}},
		"No labels":                             {"web-7d9c6b5-x2x4z", nil, due, workload.Owner{}},
		"No name":                               {"", labels{"pod-template-hash": "x", "job-name": "", "controller-revision-hash": "y"}, due, workload.Owner{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := kube.Infer(workload.Pod{Name: test.pod, Labels: test.labels}, test.created)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Infer: -want +got\n%s", diff)
			}
		})
	}
}
