package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"iter"
	"os"
	"os/exec"
	"strings"
	"testing"

	"kingsnake/capture"
)

// traced is one line of "kingsnake trace --json", as far as it matters here.
type traced struct {
	Kind      capture.Kind `json:"kind"`
	Path      string       `json:"path"`
	SHA256    string       `json:"sha256"`
	Lost      string       `json:"lost"`
	Argv      []string     `json:"argv"`
	Container struct {
		ID    string `json:"id"`
		Name  string `json:"name"`
		Image string `json:"image"`
	} `json:"container"`
	Pod struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
		UID       string `json:"uid"`
	} `json:"pod"`
	Score   float64 `json:"score"`
	Verdict string  `json:"verdict"`
}

// trace is a running "kingsnake trace --json".
type trace struct {
	cmd    *exec.Cmd
	stdout io.Reader
	said   *output       // on standard error
	quiet  chan struct{} // closed when standard error is at its end
}

// startTrace starts to trace the containers of the node whose runtime listens on
// socket, and waits until everything is attached.
func startTrace(t *testing.T, socket string) *trace {
	t.Helper()
	tr := &trace{said: &output{}, quiet: make(chan struct{})}
	tr.cmd = kingsnake(t, "trace", "--json", "--host=false", "--cri", socket)
	var err error
	if tr.stdout, err = tr.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	stderr, err := tr.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.cmd.Process.Kill() })
	go func() {
		defer close(tr.quiet)
		io.Copy(tr.said, stderr)
	}()
	await(t, "trace is ready", func() bool { return strings.Contains(tr.said.String(), "ready\n") })
	return tr
}

// lines are what is traced, until it ends.
func (tr *trace) lines(t *testing.T) iter.Seq[traced] {
	return func(yield func(traced) bool) {
		scanner := bufio.NewScanner(tr.stdout)
		scanner.Buffer(nil, 64<<20)
		for scanner.Scan() {
			var l traced
			if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
				t.Fatalf("%v: %s", err, scanner.Bytes())
			}
			if !yield(l) {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// interrupt asks it to end.
func (tr *trace) interrupt() { tr.cmd.Process.Signal(os.Interrupt) }

// end waits for its end, after all lines were read, and returns its last words.
func (tr *trace) end(t *testing.T) string {
	t.Helper()
	<-tr.quiet
	if err := tr.cmd.Wait(); err != nil {
		t.Errorf("trace ended with %v\n%s", err, tr.said)
	}
	said := strings.TrimSpace(tr.said.String())
	return said[strings.LastIndexByte(said, '\n')+1:]
}
