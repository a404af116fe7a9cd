package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"kingsnake/capture"
	"kingsnake/capture/sensor/sensortest"
	"kingsnake/finding"
)

// held is a sensor that holds what runs in a cell, and what it reports.
type held struct {
	cmd      *exec.Cmd
	said     *lockedBuffer
	findings chan finding.Finding
	over     chan struct{} // closed when it has ended
}

func startHolding(t testing.TB, c *sensortest.Cell) *held {
	t.Helper()
	args := []string{"sensor", "--hold", "container=" + c.ID}
	if os.Getenv("KINGSNAKE_RUNS") == "" {
		// A machine that runs tests may be slow: what is measured here is whether
		// a script runs before its verdict, not when.
		args = append(args, "--hold-wait", "10s")
	}
	h := &held{
		cmd:  kingsnake(context.WithoutCancel(t.Context()), args...),
		said: &lockedBuffer{}, findings: make(chan finding.Finding, 1024), over: make(chan struct{}),
	}
	h.cmd.Stderr = h.said
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.cmd.Process.Kill(); h.cmd.Wait() })
	go func() {
		defer close(h.over)
		lines := bufio.NewScanner(out)
		for lines.Buffer(nil, 8<<20); lines.Scan(); {
			if f, err := finding.Unmarshal[finding.Finding](lines.Bytes()); err == nil {
				h.findings <- f
			}
		}
	}()
	await(t, "the sensor watches", func() bool { return strings.Contains(h.said.String(), "watching") })
	return h
}

// reverseShell looks like a reverse shell and, should it ever run, connects to a
// port of the test's own and starts nothing.
const reverseShell = `import os, socket, subprocess
# %d
host, port = "127.0.0.1", %d
def link():
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.connect((host, port))
    for fd in (0, 1, 2):
        os.dup2(s.fileno(), fd)
    subprocess.call(["/bin/true"])
link()
`

// killedRuns is how many scripts are run that must be killed: as many as
// KINGSNAKE_RUNS says, and then the sensor waits as long as it does by default.
//
//	sudo -E KINGSNAKE_RUNS=200 go test ./cmd/kingsnake -run AMaliciousScriptIsKilled
func killedRuns(t *testing.T) int {
	t.Helper()
	value := os.Getenv("KINGSNAKE_RUNS")
	n, err := strconv.Atoi(value)
	switch {
	case value == "" && testing.Short():
		return 20
	case value == "":
		return 200
	case err != nil || n < 1:
		t.Fatalf("KINGSNAKE_RUNS=%q is no number of runs", value)
	}
	return n
}

func TestAMaliciousScriptIsKilledBeforeItConnects(t *testing.T) {
	needSensor(t)
	c := sensortest.NewCell(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var connected atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connected.Add(1)
			conn.Close()
		}
	}()
	h := startHolding(t, c)
	dir := t.TempDir()
	runs := killedRuns(t)
	want := map[string]bool{}
	for i := range runs {
		text := fmt.Sprintf(reverseShell, i, listener.Addr().(*net.TCPAddr).Port)
		want[capture.Sum([]byte(text)).String()] = true
		var cmd *exec.Cmd
		switch i % 4 {
		case 0, 1:
			path := filepath.Join(dir, fmt.Sprintf("%d.py", i))
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd = exec.Command("python3", path)
		case 2:
			cmd = exec.Command("python3", "-c", text)
		case 3:
			cmd = exec.Command("python3")
			cmd.Stdin = strings.NewReader(text)
		}
		cmd.Path = "/usr/bin/python3"
		cmd.SysProcAttr = c.Attr()
		out, err := cmd.CombinedOutput()
		if ended := cmd.ProcessState; ended == nil || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL || len(out) > 0 {
			t.Errorf("run %d ended with %v and said %q, want it killed", i, err, out)
		}
	}
	if n := connected.Load(); n != 0 {
		t.Errorf("%d of %d connected", n, runs)
	}
	for range runs {
		f := receive(t, h)
		if f.Action.What != finding.Killed || f.Severity != finding.Critical || !want[f.Script.SHA256] {
			t.Errorf("%s: action %+v, severity %s, want it killed", f.Script.SHA256, f.Action, f.Severity)
		}
		delete(want, f.Script.SHA256)
	}

	// Others run as ever.
	honest := exec.Command("/usr/bin/python3", "-c", "print(6 * 7)")
	honest.SysProcAttr = c.Attr()
	if out, err := honest.Output(); err != nil || string(bytes.TrimSpace(out)) != "42" {
		t.Errorf("an honest script said %q and ended with %v", out, err)
	}
	h.cmd.Process.Signal(os.Interrupt)
	<-h.over
	if err := h.cmd.Wait(); err != nil {
		t.Errorf("the sensor ended with %v", err)
	}
	if strings.Contains(h.said.String(), "not held to the end") {
		t.Errorf("something ran unjudged:\n%s", h.said)
	}
}

// receive returns the next finding of a script that was held.
func receive(t *testing.T, h *held) finding.Finding {
	t.Helper()
	for {
		var f finding.Finding
		await(t, "a finding", func() bool {
			select {
			case f = <-h.findings:
				return true
			default:
				return false
			}
		})
		if f.Action.What != "" {
			return f // others may run on this machine, which nobody holds
		}
	}
}

func TestHoldFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--hold prod":                    `want namespace=NAME, image=REFERENCE, container=NAME or host`,
		"--hold image=":                  `nothing after the equals sign; image=* names all`,
		"--hold host --host=false":       `--hold host: --host=false leaves the host out`,
		"--hold host --hold-wait 1h":     `--hold-wait 1h0m0s: want 10ms to 10s`,
		"--hold pod=a --hold-wait 100ms": `want namespace=NAME`,
	} {
		var said bytes.Buffer
		env := Env{Stdin: strings.NewReader(""), Stdout: &said, Stderr: &said, Getenv: func(string) string { return "" }}
		if code := run(t.Context(), env, append([]string{"sensor"}, strings.Fields(args)...)); code != 2 || !strings.Contains(said.String(), want) {
			t.Errorf("%s: exit code %d, want 2; want %q, said:\n%s", args, code, want, said.String())
		}
	}
}
