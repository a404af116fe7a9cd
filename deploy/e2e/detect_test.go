package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/deploy/node"
	"kingsnake/finding"
)

// TestReverseShellsInContainersBecomeFindings runs an imitation of a reverse
// shell by each door, and looks at the findings as an analyst gets them.
func TestReverseShellsInContainersBecomeFindings(t *testing.T) {
	n := needNode(t)
	ctx := t.Context()
	in := up(t, "--cri", n.Socket, "--node", "node-1")
	scripts, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(scripts, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	pod, err := n.RunPod(ctx, "shop", "web-7d9c", map[string]string{"app": "web"})
	if err != nil {
		t.Fatal(err)
	}

	doors := []struct {
		container string
		command   []string
		text      string
		kind      capture.Kind
		path      string
		args      []string
		when      string // the finding's origin
	}{
		{
			container: "by-file", command: []string{"sh", "-c", "cp /scripts/file.py /tmp/job.py; python3 /tmp/job.py"},
			text: read("file.py"), kind: capture.File, path: "/tmp/job.py",
			args: []string{"python3", "/tmp/job.py"}, when: "runtime",
		},
		{
			container: "by-command", command: []string{"python3", "-c", read("command.py")},
			text: read("command.py"), kind: capture.Command,
			args: []string{"python3", "-c", read("command.py")}, when: "argument",
		},
		{
			container: "by-stdin", command: []string{"sh", "-c", "cat /scripts/stdin.py | python3"},
			text: read("stdin.py"), kind: capture.Stdin,
			args: []string{"python3"}, when: "stream",
		},
	}
	ids := make(map[string]string)
	for _, door := range doors {
		id, err := pod.Run(ctx, node.Container{
			Name: door.container, Command: door.command, Mounts: map[string]string{"/scripts": scripts},
		})
		if err != nil {
			t.Fatal(err)
		}
		exit, err := n.Wait(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if exit.Code == 0 {
			t.Errorf("%s: the imitation reached somebody", door.container)
		}
		ids[door.container] = id
	}

	var found []finding.Finding
	await(t, "three findings", func() bool {
		found, err = in.findings(ctx)
		return err == nil && len(found) >= len(doors)
	})
	if len(found) != len(doors) {
		t.Errorf("want %d findings, got %d", len(doors), len(found))
	}
	image := n.Python()
	for _, door := range doors {
		t.Run(door.container, func(t *testing.T) {
			i := slices.IndexFunc(found, func(f finding.Finding) bool { return f.Workload.ContainerName == door.container })
			if i < 0 {
				t.Fatalf("no finding of container %s", door.container)
			}
			got, err := in.finding(t.Context(), found[i].Name)
			if err != nil {
				t.Fatal(err)
			}
			digest := capture.Sum([]byte(door.text)).String()
			type fact struct {
				Category                                             finding.Category
				Severity                                             finding.Severity
				Count                                                int64
				Kind, Path, Contents, ContentsSHA256, SHA256, Origin string
				Size                                                 int64
				Truncated                                            bool
				Lost                                                 string
				Args                                                 []string
				Where                                                finding.Workload
			}
			where := got.Workload
			if where.ContainerCreated.IsZero() {
				t.Error("the container's creation is unknown")
			}
			where.ContainerCreated = where.ContainerCreated.UTC()
			for field, why := range where.Unresolved {
				where.Unresolved[field], _, _ = strings.Cut(why, ":")
			}
			const notAsked = "the Kubernetes API is not asked"
			want := fact{
				Category: finding.MaliciousPython, Severity: finding.Critical, Count: 1,
				Kind: string(door.kind), Path: door.path, Contents: door.text, ContentsSHA256: digest, SHA256: digest, Origin: door.when,
				Size: int64(len(door.text)), Args: door.args,
				Where: finding.Workload{
					ContainerID: ids[door.container], ContainerName: door.container, ContainerCreated: where.ContainerCreated,
					Image: image.Reference, ImageID: image.Digest, Runtime: "containerd", ReadOnlyRoot: "no",
					PodNamespace: "shop", PodName: "web-7d9c", PodUID: pod.UID, PodLabels: map[string]string{"app": "web"},
					Node:       "node-1",
					Unresolved: map[string]string{"cluster.uid": notAsked, "owner.name": notAsked, "pod.service_account": notAsked},
				},
			}
			if diff := cmp.Diff(want, fact{
				Category: got.Category, Severity: got.Severity, Count: got.Count,
				Kind: got.Script.Kind, Path: got.Script.Path, Contents: string(got.Script.Contents),
				ContentsSHA256: got.Script.ContentsSHA256, SHA256: got.Script.SHA256, Origin: got.Script.Origin.When,
				Size: got.Script.Size, Truncated: got.Script.Truncated, Lost: got.Script.Lost,
				Args:  got.Process.Args,
				Where: where,
			}); diff != "" {
				t.Errorf("finding: -want +got\n%s", diff)
			}
			if !strings.HasPrefix(got.Process.Exe, "/usr/bin/python3") {
				t.Errorf("the program is %q", got.Process.Exe)
			}
			t.Logf("score %.4f", got.Verdict.Score)
			if len(got.Verdict.Reasons) == 0 {
				t.Error("the finding has no reasons")
			}
		})
	}
}

// ordinary is how many real scripts must run without a finding.
const ordinary = 300

// TestOrdinaryScriptsAreNotMalicious really runs scripts of the standard
// library and of Debian's Python packages in a container. Most have nothing to
// do and end at once; the others end with their time.
func TestOrdinaryScriptsAreNotMalicious(t *testing.T) {
	n := needNode(t)
	ctx := t.Context()
	pod, err := n.RunPod(ctx, "batch", "jobs-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	idle, err := pod.Run(ctx, node.Container{Name: "idle", Command: []string{"sleep", "3600"}})
	if err != nil {
		t.Fatal(err)
	}
	want := ordinaryScripts(t, n, idle)

	trace := startTrace(t, n.Socket)
	command := []string{"sh", "-c", `for f; do timeout 5 python3 "$f" </dev/null >/dev/null 2>&1; done; exit 0`, "sh"}
	for path := range want {
		command = append(command, path)
	}
	slices.Sort(command[4:])
	jobs, err := pod.Run(ctx, node.Container{Name: "jobs", Command: command})
	if err != nil {
		t.Fatal(err)
	}
	complete := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		_, err := n.Wait(ctx, jobs)
		select {
		case <-complete:
		case <-time.After(patience): // something was not traced: do not wait for ever
		}
		trace.interrupt()
		ended <- err
	}()

	seen := 0
	for l := range trace.lines(t) {
		if l.Container.ID != jobs {
			continue
		}
		seen++
		if l.Verdict == "malicious" {
			t.Errorf("%s %s: %s, score %.3f", l.Kind, l.Path, l.Verdict, l.Score)
		}
		digest, listed := want[l.Path]
		if l.Kind != capture.File || !listed {
			continue
		}
		if l.SHA256 != digest || l.Lost != "" || l.Container.Name != "jobs" {
			t.Errorf("%s has digest %s; traced as %+v", l.Path, digest, l)
		}
		if delete(want, l.Path); len(want) == 0 {
			close(complete)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	last := trace.end(t)
	if seen < ordinary || len(want) > 0 {
		t.Errorf("saw %d scripts, and %d of those run not at all: %v", seen, len(want), want)
	}
	if !strings.HasSuffix(last, ", lost 0") {
		t.Errorf("trace ended with %q, want lost 0", last)
	}
	t.Logf("%d scripts ran; trace: %s", seen, last)
}

// ordinaryScripts returns scripts of the image that differ from each other, in
// equal steps over all there are, and their digests by path.
func ordinaryScripts(t *testing.T, n *node.Node, container string) map[string]string {
	t.Helper()
	list, err := n.Exec(t.Context(), container, "sh", "-c", "find /usr/lib/python3* -name '*.py' -size +0 | sort | xargs sha256sum")
	if err != nil {
		t.Fatal(err)
	}
	type script struct{ digest, path string }
	var all []script
	known := make(map[string]bool)
	for line := range strings.Lines(list) {
		digest, path, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if ok && !known[digest] {
			known[digest] = true
			all = append(all, script{digest, path})
		}
	}
	if len(all) < ordinary {
		t.Fatalf("the image has only %d scripts", len(all))
	}
	chosen := make(map[string]string)
	for i := range ordinary + ordinary/10 {
		s := all[i*len(all)/(ordinary+ordinary/10)]
		chosen[s.path] = s.digest
	}
	return chosen
}
