package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"kingsnake/finding"
	"kingsnake/workload/kube/kubetest"
)

type object = kubetest.Object

// cluster is a Kubernetes whose only node is this machine.
type cluster struct {
	*kubetest.Admin
	cri       string // socket of the node's container runtime
	image     string // that the node has, with python3 and sh
	manifests string // folder of the kubelet's static pods; "" when it has none
	node      string // its name
	uid       string // of kube-system
}

// needCluster returns the cluster that the environment names, or skips the test.
func needCluster(t *testing.T) *cluster {
	t.Helper()
	path := os.Getenv("KINGSNAKE_KUBECONFIG")
	c := &cluster{cri: os.Getenv("KINGSNAKE_CRI"), image: os.Getenv("KINGSNAKE_IMAGE"), manifests: os.Getenv("KINGSNAKE_MANIFESTS")}
	if path == "" || c.cri == "" || c.image == "" {
		t.Skip("this needs root on the only node of a Kubernetes: run it with make cluster KUBECONFIG=ADMIN-KUBECONFIG CRI=SOCKET " +
			"IMAGE=ONE-WITH-PYTHON3-AND-SH MANIFESTS=FOLDER-OF-STATIC-PODS")
	}
	c.Admin = kubetest.NewAdmin(t, path)
	var nodes struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		} `json:"items"`
	}
	if c.Get("/api/v1/nodes", &nodes); len(nodes.Items) != 1 {
		t.Fatalf("want a cluster of one node, this has %d", len(nodes.Items))
	}
	c.node = nodes.Items[0].Metadata.Name
	var system object
	c.Get("/api/v1/namespaces/kube-system", &system)
	c.uid = kubetest.UID(system)
	return c
}

// podStatus is what the API tells of a pod in the end.
type podStatus struct {
	Metadata struct {
		Name        string            `json:"name"`
		UID         string            `json:"uid"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		Owners      []struct {
			Name string `json:"name"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
	Status struct {
		Init      []containerStatus `json:"initContainerStatuses"`
		Ordinary  []containerStatus `json:"containerStatuses"`
		Ephemeral []containerStatus `json:"ephemeralContainerStatuses"`
	} `json:"status"`
}

type containerStatus struct {
	Name  string `json:"name"`
	ID    string `json:"containerID"` // "RUNTIME://ID"
	Image string `json:"image"`
	Spec  string `json:"imageID"`
}

// ran is a script that runs in a pod, told apart from others by its last line, and
// what is to be known of where it ran beyond what the API tells.
type ran struct {
	app       string // its pod's label "app"
	container string
	where     finding.Workload // kind, account, contacts and owners; an owner "*" is the pod's own, whose name was made up
}

// contact is the annotation that says whom to ask.
const contact = "kingsnake.dev/contact"

func contacts(values ...finding.Contact) []finding.Contact {
	for i := range values {
		values[i].Key = contact
	}
	return values
}

// TestPodsOfARealClusterAreNamed runs an imitation of a reverse shell in every kind
// of container that Kubernetes has, and compares where the findings say it ran
// with what the API tells of it.
func TestPodsOfARealClusterAreNamed(t *testing.T) {
	c := needCluster(t)
	in := up(t, "--cri", c.cri, "--node", c.node, "--kubeconfig", c.Sensor("../kubernetes/sensor-rbac.yaml"))
	namespace := c.Namespace()
	nonce := fmt.Sprintf("cluster-%d-", time.Now().UnixNano())
	await(t, "the API is asked", func() bool {
		sensors, err := in.sensors(t.Context())
		return err == nil && sensors[0].Degraded == ""
	})

	wanted := c.runPods(t, namespace, nonce)
	var found map[string]finding.Finding
	await(t, fmt.Sprintf("%d findings", len(wanted)), func() bool {
		found = in.byLastLine(t, nonce)
		return len(found) >= len(wanted)
	})
	if len(found) > len(wanted) {
		t.Errorf("want %d findings, got %v", len(wanted), slices.Sorted(maps.Keys(found)))
	}
	for _, r := range wanted {
		t.Run(r.app+"/"+r.container, func(t *testing.T) {
			got := found[r.app+"/"+r.container].Workload
			if got.ContainerCreated.IsZero() {
				t.Error("the container's creation is unknown")
			}
			want := c.where(t, namespace, r)
			want.ContainerCreated = got.ContainerCreated
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// where is where the API says that a script ran.
func (c *cluster) where(t *testing.T, namespace string, r ran) finding.Workload {
	t.Helper()
	var pods struct {
		Items []podStatus `json:"items"`
	}
	var at podStatus
	var status containerStatus
	await(t, "the API tells the container's id", func() bool {
		c.Get("/api/v1/namespaces/"+namespace+"/pods?labelSelector=app%3D"+r.app, &pods)
		if len(pods.Items) != 1 {
			t.Fatalf("want one pod of %s, got %d", r.app, len(pods.Items))
		}
		at = pods.Items[0]
		all := slices.Concat(at.Status.Init, at.Status.Ordinary, at.Status.Ephemeral)
		i := slices.IndexFunc(all, func(s containerStatus) bool { return s.Name == r.container && s.ID != "" })
		if i < 0 {
			return false
		}
		status = all[i]
		return true
	})
	w := r.where
	w.Runtime, w.ContainerID, _ = strings.Cut(status.ID, "://")
	w.ContainerName, w.Image, w.ImageID, w.ReadOnlyRoot = r.container, status.Image, status.Spec, "no"
	w.PodNamespace, w.PodName, w.PodUID, w.PodLabels = namespace, at.Metadata.Name, at.Metadata.UID, at.Metadata.Labels
	if w.StaticPod {
		w.PodUID = at.Metadata.Annotations["kubernetes.io/config.hash"]
	}
	if len(w.Owners) > 0 {
		w.Owners = slices.Clone(w.Owners)
		w.Owners[0].Name = at.Metadata.Owners[0].Name
		known := w.Owners[len(w.Owners)-1]
		w.OwnerGroup, w.OwnerKind, w.OwnerName = known.Group, known.Kind, known.Name
	}
	w.Node, w.ClusterUID = c.node, c.uid
	return w
}

// brief is how many pods come and go.
const brief = 8

// runPods makes pods of every kind, each container of which runs a script, and
// returns what is to be known of them.
func (c *cluster) runPods(t *testing.T, namespace, nonce string) []ran {
	t.Helper()
	in := "/namespaces/" + namespace
	run := func(app, container, then string) object { return c.container(nonce, app, container, then) }
	c.Post("/api/v1"+in+"/serviceaccounts", object{"metadata": object{"name": "seller"}})

	sidecar := run("plain", "helper", "sleep 600")
	sidecar["restartPolicy"] = "Always"
	plain := pod("plain", run("plain", "main", "sleep 600"))
	plain["metadata"].(object)["annotations"] = object{contact: "shop@example.com"}
	plain["spec"].(object)["serviceAccountName"] = "seller"
	plain["spec"].(object)["initContainers"] = []object{run("plain", "first", "true"), sidecar}
	c.Post("/api/v1"+in+"/pods", plain)
	shop := finding.Workload{ServiceAccount: "seller", Contacts: contacts(finding.Contact{Value: "shop@example.com", Of: "pod"})}
	kind := func(w finding.Workload, kind string) finding.Workload { w.ContainerKind = kind; return w }
	wanted := []ran{
		{"plain", "first", kind(shop, "init")}, {"plain", "helper", kind(shop, "sidecar")}, {"plain", "main", shop},
		{"plain", "debugger", kind(shop, "ephemeral")},
	}

	for app, kind := range map[string]string{"web": "Deployment", "store": "StatefulSet", "agent": "DaemonSet"} {
		spec := object{"selector": object{"matchLabels": object{"app": app}}, "template": pod(app, run(app, "main", "sleep 600"))}
		spec["template"].(object)["spec"].(object)["restartPolicy"] = "Always"
		c.Post("/apis/apps/v1"+in+"/"+strings.ToLower(kind)+"s", object{
			"metadata": object{"name": app, "annotations": object{contact: "#" + app}}, "spec": spec,
		})
		owners := []finding.Owner{{Group: "apps", Kind: kind, Name: app}}
		if kind == "Deployment" {
			owners = []finding.Owner{{Group: "apps", Kind: "ReplicaSet", Name: "*"}, owners[0]}
		}
		wanted = append(wanted, ran{app, "main", finding.Workload{
			ServiceAccount: "default", Owners: owners, Contacts: contacts(finding.Contact{Value: "#" + app, Of: kind}),
		}})
	}

	cron := kubetest.UID(c.Post("/apis/batch/v1"+in+"/cronjobs", object{"metadata": object{"name": "nightly"}, "spec": object{
		"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": object{"spec": object{"template": pod("nightly", run("nightly", "main", "true"))}},
	}}))
	for i := range brief {
		app := fmt.Sprintf("brief-%d", i)
		meta, owners := object{"name": app}, []finding.Owner{{Group: "batch", Kind: "Job", Name: app}}
		if i == 0 { // as "kubectl create job --from cronjob/nightly" makes it
			meta["ownerReferences"] = []object{{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": cron, "controller": true}}
			owners = append(owners, finding.Owner{Group: "batch", Kind: "CronJob", Name: "nightly"})
		}
		c.Post("/apis/batch/v1"+in+"/jobs", object{"metadata": meta, "spec": object{"template": pod(app, run(app, "main", "true"))}})
		wanted = append(wanted, ran{app, "main", finding.Workload{ServiceAccount: "default", Owners: owners}})
	}

	if c.manifests == "" {
		t.Log("MANIFESTS is not set: static pods are left out")
	} else {
		c.runStatic(t, namespace, pod("static", run("static", "main", "sleep 600")))
		wanted = append(wanted, ran{"static", "main", finding.Workload{StaticPod: true}})
	}
	c.debug(t, in+"/pods/plain", run("plain", "debugger", "true"))
	return wanted
}

// container is a container whose Python runs a script that ends in a comment by
// which it is known, for some 50 ms; then it runs a command of the shell.
func (c *cluster) container(nonce, app, name, then string) object {
	return object{
		"name": name, "image": c.image, "imagePullPolicy": "Never", "command": []string{"sh", "-c", `python3 -c "$0"; exec $1`, imitation(nonce + app + "/" + name), then},
	}
}

// pod is a pod, or a template of one, that ends when its container does.
func pod(app string, containers ...object) object {
	return object{
		"metadata": object{"name": app, "labels": object{"app": app}},
		"spec":     object{"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": containers},
	}
}

// runStatic gives the kubelet a pod by a file, until the test's end.
func (c *cluster) runStatic(t *testing.T, namespace string, pod object) {
	t.Helper()
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	pod["metadata"].(object)["namespace"] = namespace
	text, err := yaml.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.manifests, namespace+".yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(path) })
}

// debug adds an ephemeral container to a running pod, as "kubectl debug" does.
func (c *cluster) debug(t *testing.T, path string, container object) {
	t.Helper()
	await(t, "the pod runs", func() bool {
		var at struct {
			Status struct {
				Phase string `json:"phase"`
			} `json:"status"`
		}
		c.Get("/api/v1"+path, &at)
		return at.Status.Phase == "Running"
	})
	c.Patch("/api/v1"+path+"/ephemeralcontainers", object{"spec": object{"ephemeralContainers": []object{container}}})
}
