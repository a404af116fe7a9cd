package scc_test

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/finding/scc"
)

func TestFiltersHaveTheFormOfTheRunbook(t *testing.T) {
	t.Parallel()
	want := []string{
		`resource.type="k8s_container"
resource.labels.project_id="demo-project"
resource.labels.location="us-central1-a"
resource.labels.cluster_name="prod-1"
resource.labels.namespace_name="shop"
resource.labels.pod_name="web-7c966b5d85-wvtln"`,
		`logName="projects/demo-project/logs/cloudaudit.googleapis.com%2Factivity"
resource.type="k8s_cluster"
resource.labels.project_id="demo-project"
resource.labels.location="us-central1-a"
resource.labels.cluster_name="prod-1"
"web-7c966b5d85-wvtln"`,
		`resource.type="gce_instance"
resource.labels.instance_id="1122334455667788990"`,
	}
	var got []string
	for _, q := range scc.Filters(inPod(), gke()) {
		got = append(got, q.String())
		if len(q.Missing) > 0 || !strings.HasPrefix(q.URL, "https://console.cloud.google.com/logs/query;query=") {
			t.Errorf("%s: missing %v, URL %q", q.Name, q.Missing, q.URL)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFiltersSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	want := [][]string{
		{"project", "location", "cluster name", "pod namespace", "pod name"},
		{"project", "location", "cluster name", "pod name"},
		{"instance id"},
	}
	var got [][]string
	for _, q := range scc.Filters(stdin(), scc.Config{}) {
		got = append(got, q.Missing)
		if q.URL != "" {
			t.Errorf("%s has a URL, %q", q.Name, q.URL)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// hostile are names that try to leave the place they are put in.
var hostile = []string{
	`a" OR resource.type="x`, `a\`, `a\" OR "b`, "a\nresource.type=\"x\"", "$(touch x)", "`touch x`", "a'b", `a\'b`, "a;b&&c|d>e", "a b",
	"!!", "*", "~", "#", "\x1b[201~x", "\u202eb", "\xff\xfe", "a\r\nb", "$'a'", "é", "=x", "{a,b}", "%s", "\x00a",
}

func TestFilterValuesStayWithinTheirQuotes(t *testing.T) {
	t.Parallel()
	for _, name := range hostile {
		f := inPod()
		f.Workload.PodName = name
		f.Workload.PodNamespace = name
		q := scc.Filters(f, gke())[0]
		if len(q.Lines) != 6 || strings.Count(q.String(), "\n") != 5 {
			t.Fatalf("%q makes another line:\n%s", name, q)
		}
		_, value, _ := strings.Cut(q.Lines[5], "=")
		if got, err := strconv.Unquote(value); err != nil || got != name {
			t.Errorf("the pod's name reads %q, %v; want %q", got, err, name)
		}
	}
}

func TestKubectlExec(t *testing.T) {
	t.Parallel()
	want := "kubectl exec --namespace=shop -ti web-7c966b5d85-wvtln -c web -- /bin/sh"
	if got := scc.KubectlExec(inPod()).Line; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	if got := scc.KubectlExec(stdin()); got.Line != "" || got.Missing != "the pod namespace is not known" {
		t.Errorf("on a host %+v, want no line and why", got)
	}
	f := inPod()
	f.Workload.PodName = "--kubeconfig=/tmp/x"
	if got := scc.KubectlExec(f); got.Line != "" || got.Missing == "" {
		t.Errorf("a name like an option gives %+v, want no line and why", got)
	}
}

func TestAShellReadsHostileNamesAsOneWord(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash: apt-get install bash")
	}
	for _, name := range hostile {
		if strings.ContainsRune(name, 0) {
			continue // no argument can hold it
		}
		f := inPod()
		f.Workload.PodNamespace, f.Workload.PodName, f.Workload.ContainerName = name, name, name
		line := scc.KubectlExec(f).Line
		for _, c := range []byte(line) {
			if c < ' ' || c == 0x7f {
				t.Errorf("%q has a control character in it", line)
			}
		}
		cmd := exec.Command(bash, "-c", `kubectl() { printf '%s\0' "$@"; }`+"\n"+line)
		cmd.Dir, cmd.Env = t.TempDir(), []string{"LC_ALL=C"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
		want := []string{"exec", "--namespace=" + name, "-ti", name, "-c", name, "--", "/bin/sh", ""}
		if diff := cmp.Diff(want, strings.Split(string(out), "\x00")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}
