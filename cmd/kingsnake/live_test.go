package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kingsnake/capture"
	"kingsnake/finding"
)

// patience is how long a live test waits for something that must happen.
const patience = 60 * time.Second

// needSensor skips a test on machines where the sensor cannot run.
func needSensor(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the sensor needs root; run: sudo -E go test ./cmd/kingsnake")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is missing; run: apt-get install python3")
	}
}

// instance is a kingsnake process of this test.
type instance struct {
	t      *testing.T
	cmd    *exec.Cmd
	data   string
	client *localClient
	out    *lockedBuffer
}

// lockedBuffer collects a process's output.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// kingsnake returns the command that runs this test binary as kingsnake.
func kingsnake(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "kingsnake", args...)
}

// start starts "kingsnake COMMAND --data data --listen … args" and waits until
// it answers.
func start(t *testing.T, command, data string, args ...string) *instance {
	t.Helper()
	in := &instance{t: t, data: data, out: &lockedBuffer{}}
	in.cmd = kingsnake(context.WithoutCancel(t.Context()), append([]string{command, "--data", data, "--listen", "127.0.0.1:0"}, args...)...)
	in.cmd.Stdout, in.cmd.Stderr = in.out, in.out
	in.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := in.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", command, in.out)
		}
	})
	await(t, "the instance answers", func() bool {
		var err error
		in.client, err = newLocalClient(data)
		if err != nil {
			return false
		}
		var health struct{}
		return in.client.get(t.Context(), "/healthz", &health) == nil
	})
	return in
}

// kill ends the process without a word of warning.
func (in *instance) kill() {
	in.cmd.Process.Kill()
	in.cmd.Wait()
}

// interrupt asks the process to stop, and returns its error.
func (in *instance) interrupt() error {
	in.cmd.Process.Signal(os.Interrupt)
	return in.cmd.Wait()
}

// findings lists all findings the instance has stored, by script digest.
func (in *instance) findings() map[string]finding.Finding {
	in.t.Helper()
	all := map[string]finding.Finding{}
	var page struct {
		Findings []finding.Finding `json:"findings"`
		Next     string            `json:"next"`
	}
	for cursor := ""; ; cursor = page.Next {
		page.Next, page.Findings = "", nil
		if err := in.client.get(in.t.Context(), "/findings?limit=1000&cursor="+cursor, &page); err != nil {
			in.t.Fatal(err)
		}
		for _, f := range page.Findings {
			if f.Category.Class() == finding.SCCError || f.Script.Kind == string(capture.Compiled) {
				continue // of a sensor, or of what the machine's Python compiles at each start
			}
			if _, twice := all[f.Script.SHA256]; twice {
				in.t.Errorf("script %s has two findings", f.Script.SHA256)
			}
			all[f.Script.SHA256] = f
		}
		if page.Next == "" {
			return all
		}
	}
}

// await waits until ok returns true.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("waited %s in vain: %s", patience, what)
		case <-t.Context().Done():
			t.Fatalf("the test was stopped while waiting: %s", what)
		case <-tick.C:
		}
	}
}

// harmless returns a new harmless script and its digest.
func harmless() (script, digest string) {
	script = harmlessScript(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	return script, capture.Sum([]byte(script)).String()
}

func TestSelftestFindsItsScriptEachWayItRuns(t *testing.T) {
	needSensor(t)
	in := start(t, "up", t.TempDir())
	address := in.client.base + "/findings/"
	own := map[string]string{} // kinds of its findings, by name: others may run Python meanwhile
	for _, kind := range []string{"file", "c", "stdin"} {
		out, err := kingsnake(t.Context(), "selftest", "--data", in.data, "--kind", kind).CombinedOutput()
		if err != nil {
			t.Errorf("selftest --kind %s: %v\n%s", kind, err, out)
			continue
		}
		_, rest, ok := strings.Cut(string(out), address)
		if !ok {
			t.Errorf("selftest --kind %s printed no address:\n%s", kind, out)
			continue
		}
		own[strings.Fields(rest)[0]] = kind
	}
	check := func(in *instance) {
		t.Helper()
		found := 0
		for _, f := range in.findings() {
			kind, ok := own[f.Name]
			if !ok {
				continue
			}
			found++
			if f.Script.Kind != kind || f.Severity != finding.Critical || f.Count != 1 {
				t.Errorf("finding %s: kind %s, severity %s, count %d; want %s, CRITICAL, 1", f.Name, f.Script.Kind, f.Severity, f.Count, kind)
			}
		}
		if found != 3 {
			t.Errorf("%d of 3 findings are there", found)
		}
	}
	check(in)
	if err := in.interrupt(); err != nil {
		t.Errorf("an interrupted instance ended with %v", err)
	}
	check(start(t, "up", in.data))
}

// TestATextThatNoFileHoldsIsFound runs a script that gets what it runs through a
// pipe, reversed: only the interpreter ever has the text.
func TestATextThatNoFileHoldsIsFound(t *testing.T) {
	needSensor(t)
	in := start(t, "up", t.TempDir())
	text, digest := harmless()
	reversed := []byte(text)
	slices.Reverse(reversed)
	loader := []byte("import sys\nexec(sys.stdin.read()[::-1])\n")
	path := filepath.Join(t.TempDir(), "loader.py")
	if err := os.WriteFile(path, loader, 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.Command("python3", path)
	run.Stdin = bytes.NewReader(reversed)
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var page struct{ Findings []finding.Finding }
	await(t, "the finding of the text is stored", func() bool {
		if err := in.client.get(t.Context(), "/findings?sha256="+digest, &page); err != nil {
			t.Fatal(err)
		}
		return len(page.Findings) > 0
	})
	var f finding.Finding
	if err := in.client.get(t.Context(), "/findings/"+page.Findings[0].Name, &f); err != nil {
		t.Fatal(err)
	}
	want := finding.Compiler{Kind: "file", Path: path, SHA256: capture.Sum(loader).String(), Size: int64(len(loader))}
	if f.Script.Kind != "compiled" || f.Script.CompiledBy != want || f.Severity != finding.Critical {
		t.Errorf("want a CRITICAL finding of a text compiled by %+v, got %s, %s, by %+v", want, f.Severity, f.Script.Kind, f.Script.CompiledBy)
	}
	if n := len(f.Script.Layers); n == 0 || !bytes.Equal(f.Script.Layers[n-1].Text, loader) {
		t.Errorf("want the script that compiled it as the last of %d layers", n)
	}
}

func TestKilledInstanceLosesNoAcknowledgedFindingAndRepeatsNone(t *testing.T) {
	needSensor(t)
	data := t.TempDir()
	acknowledged := map[string]finding.Finding{}
	for round := range 3 {
		in := start(t, "up", data)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for range 2 {
			running.Go(func() {
				for ctx.Err() == nil {
					script, _ := harmless()
					exec.Command("python3", "-c", script).Run()
				}
			})
		}
		before := len(acknowledged)
		await(t, "ten more findings", func() bool {
			for digest, f := range in.findings() {
				acknowledged[digest] = f
			}
			return len(acknowledged) >= before+10
		})
		in.kill() // while scripts run
		stop()
		running.Wait()

		after := start(t, "up", data)
		stored := after.findings()
		for digest, f := range acknowledged {
			got, ok := stored[digest]
			if !ok {
				t.Errorf("round %d: acknowledged finding %s is gone", round, f.Name)
			} else if got.Count != 1 {
				t.Errorf("round %d: finding %s counts %d, but its script ran once", round, f.Name, got.Count)
			}
		}
		acknowledged = stored
		after.kill()
	}
}

func TestSensorPushesToAServerOfItsOwn(t *testing.T) {
	needSensor(t)
	in := start(t, "server", t.TempDir())
	sensor := kingsnake(context.WithoutCancel(t.Context()), "sensor", "--node", "node-7",
		"--server", in.client.base, "--token-file", filepath.Join(in.data, fileSensorToken))
	said := &lockedBuffer{}
	sensor.Stderr = said
	sensor.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := sensor.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sensor.Process.Kill() })
	await(t, "the sensor's first heartbeat", func() bool { return in.client.checkWatching(t.Context()) == nil })

	script, digest := harmless()
	if out, err := exec.Command("python3", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := in.client.await(t.Context(), digest, patience)
	if err != nil {
		t.Fatalf("%v\nthe sensor said:\n%s", err, said)
	}
	if f.Sensor != "node-7" || f.Workload.Node != "node-7" {
		t.Errorf("finding of sensor %q on node %q, want node-7", f.Sensor, f.Workload.Node)
	}
	sensor.Process.Signal(os.Interrupt)
	if err := sensor.Wait(); err != nil {
		t.Errorf("the sensor ended with %v\n%s", err, said)
	}
}

func TestTraceShowsEveryRunWithItsBytes(t *testing.T) {
	needSensor(t)
	cmd := kingsnake(t.Context(), "trace", "--json")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	words := bufio.NewScanner(stderr)
	ready := false
	for !ready && words.Scan() {
		// With the race detector rights cannot be given up, which is said first.
		if ready = words.Text() == "ready"; !ready && !strings.Contains(words.Text(), "rights are kept") {
			t.Fatalf("trace said %q first, want ready", words.Text())
		}
	}
	want := map[string]string{} // digest: kind
	dir := t.TempDir()
	for i := range 30 {
		text := fmt.Sprintf("# %d %d\nx = %d\n", os.Getpid(), i, i)
		run := exec.Command("python3", "-c", text)
		kind := "c"
		switch i % 3 {
		case 1:
			kind = "stdin"
			run = exec.Command("python3")
			run.Stdin = strings.NewReader(text)
		case 2:
			kind = "file"
			path := filepath.Join(dir, fmt.Sprintf("s%d", i))
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			run = exec.Command("python3", path)
		}
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		want[capture.Sum([]byte(text)).String()] = kind
	}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 64<<20)
	for len(want) > 0 && lines.Scan() {
		var l traceLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		kind, mine := want[l.SHA256]
		if !mine {
			continue
		}
		delete(want, l.SHA256)
		if string(l.Kind) != kind || l.Lost != "" || l.Truncated || l.PID == 0 || l.Exe == "" || l.Verdict != "benign" || len(l.Argv) == 0 {
			t.Errorf("script of kind %s came out as %+v", kind, l)
		}
	}
	if len(want) > 0 {
		t.Errorf("%d scripts were never shown: %v", len(want), lines.Err())
	}
	cmd.Process.Signal(os.Interrupt)
	var rest sync.WaitGroup
	rest.Go(func() { io.Copy(io.Discard, stdout) }) // other programs' lines would fill the pipe
	last := ""
	for words.Scan() {
		last = words.Text()
	}
	rest.Wait()
	if err := cmd.Wait(); err != nil {
		t.Errorf("trace ended with %v", err)
	}
	// Another program's interpreter may end before it is attached to.
	if !regexp.MustCompile(`^seen \d+, lost (0|\d+ \(capture: compiled: interpreter not attached to \d+\))$`).MatchString(last) {
		t.Errorf("trace closed with %q, want its counts and lost 0", last)
	}
}

func TestWithoutRootTheRestStillRuns(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this test becomes another user, which needs root; run: sudo -E go test ./cmd/kingsnake")
	}
	const nobody = 65534
	data := t.TempDir()
	if err := os.Chown(data, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	for dir := data; dir != "/"; dir = filepath.Dir(dir) { // let nobody through
		fi, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm()&0o001 == 0 {
			os.Chmod(dir, fi.Mode().Perm()|0o011)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(data, "kingsnake"), "up", "--data", filepath.Join(data, "data"), "--listen", "127.0.0.1:0")
	if b, err := os.ReadFile(self); err != nil {
		t.Fatal(err)
	} else if err := os.WriteFile(cmd.Path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	out := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	await(t, "it says what runs", func() bool { return strings.Contains(out.String(), "Ctrl-C stops it") })
	for _, want := range []string{"The sensor does not run:", "Console  http://127.0.0.1:", "kingsnake scan"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	client, err := newLocalClient(filepath.Join(data, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.checkWatching(t.Context()); err == nil || !strings.Contains(err.Error(), "without a sensor") {
		t.Errorf("selftest would start: %v", err)
	}
}
