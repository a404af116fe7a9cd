package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/deploy/node"
	"kingsnake/finding"
)

// TestCompanionsInContainersBecomeFindings does in a container what malicious
// scripts do besides being scripts, harmlessly, and looks at what is reported.
func TestCompanionsInContainersBecomeFindings(t *testing.T) {
	n := needNode(t)
	in := up(t, "--cri", n.Socket, "--node", "node-1", "--learn-shells", "1s")
	pod, err := n.RunPod(t.Context(), "shop", "web-7d9c", map[string]string{"app": "web"})
	if err != nil {
		t.Fatal(err)
	}
	// What ends at once is often gone before its binary is read, which the finding then says.
	// A copy of busybox does what its first argument says only while its name begins so.
	tests := []struct {
		container string
		category  finding.Category
		command   []string
		path      string // of the program, or how it begins
		connected bool
	}{
		{
			container: "added", category: finding.AddedBinary, path: "/tmp/busybox-added",
			command: []string{"sh", "-c", "cp /bin/busybox /tmp/busybox-added && /tmp/busybox-added true"},
		},
		{
			container: "fileless", category: finding.FilelessExecution, path: "/memfd:payload",
			command: []string{"python3", "-c", `import os; fd = os.memfd_create("payload", 0)
os.write(fd, open("/bin/busybox", "rb").read()); os.execv("/proc/self/fd/%d" % fd, ["busybox", "true"])`},
		},
		{
			container: "reverse", category: finding.ReverseShell, connected: true,
			command: []string{"python3", "-c", `import socket, subprocess; l = socket.create_server(("127.0.0.1", 0))
s = socket.create_connection(l.getsockname()); far = l.accept()[0]; far.close(); subprocess.run(["sh"], stdin=s)`},
		},
		{
			container: "child", category: finding.UnexpectedChildShell,
			command: []string{"python3", "-c", `import subprocess, time; time.sleep(3); subprocess.run(["sh", "-c", "true"])`},
		},
	}
	ids := make(map[string]string)
	for _, test := range tests {
		id, err := pod.Run(t.Context(), node.Container{Name: test.container, Command: test.command})
		if err != nil {
			t.Fatal(err)
		}
		exit, err := n.Wait(t.Context(), id)
		if err != nil || exit.Code != 0 {
			t.Fatalf("%s ended with %+v, %v", test.container, exit, err)
		}
		ids[test.container] = id
	}
	for _, test := range tests {
		t.Run(test.container, func(t *testing.T) {
			var got finding.Finding
			await(t, "the finding of the program", func() bool {
				all, err := in.findings(t.Context())
				for _, f := range all {
					if err == nil && f.Category == test.category && f.Workload.ContainerName == test.container {
						got = f
						return true
					}
				}
				return false
			})
			want := finding.Workload{
				ContainerID: ids[test.container], ContainerName: test.container, Image: n.Python().Reference, ImageID: n.Python().Digest,
				Runtime: "containerd", ReadOnlyRoot: "no", PodNamespace: "shop", PodName: "web-7d9c", PodUID: pod.UID,
				PodLabels: map[string]string{"app": "web"}, Node: "node-1",
				ContainerCreated: got.Workload.ContainerCreated, Unresolved: got.Workload.Unresolved,
			}
			if diff := cmp.Diff(want, got.Workload); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if !strings.HasPrefix(got.Script.Path, test.path) || got.Script.Path == "" || got.Process.ExeSHA256+got.Process.ExeUnread == "" || len(got.Process.Parents) == 0 {
				t.Errorf("the program %q came with %+v", got.Script.Path, got.Process)
			}
			if connected := len(got.Connections) > 0 && strings.HasPrefix(got.Connections[0].Peer, "127.0.0.1:"); connected != test.connected {
				t.Errorf("connections %+v", got.Connections)
			}
			t.Logf("%s %s %q", got.Severity, got.Script.Path, got.Process.Args)
		})
	}
}
