//go:build amd64 || arm64

package rights_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kingsnake/capture/rights"
)

// role is the variable that makes this test binary give up rights and try what
// it may still do, one line a try.
const role = "KINGSNAKE_RIGHTS_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "reduce":
		tell("Reduce", rights.Reduce(rights.WithBPF))
		tell("Refuse", rights.Refuse())
		fmt.Println(capabilities())
		tryAll()
	case "isolate":
		tell("Isolate", rights.Isolate())
		tryAll()
		_, err := os.ReadFile("/proc/self/status")
		tell("open", err)
		_, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		tell("socket", err)
		tell("execute", unix.Exec("/bin/true", []string{"true"}, nil))
		tell("kill", unix.Kill(1, 0))
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		fmt.Printf("read %q\n", line)
		tell("read", err)
		grow()
	default:
		os.Exit(m.Run())
	}
}

func tell(what string, err error) { fmt.Println(what+":", err) }

// tryAll tries what only an intruder wants, in threads that were there before.
func tryAll() {
	tell("ptrace", unix.PtraceAttach(1))
	tell("mount", unix.Mount("none", "/tmp", "tmpfs", 0, ""))
	tell("unshare", unix.Unshare(unix.CLONE_NEWUTS))
	_, err := unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(0, nil), 0)
	tell("open by handle", err)
}

// capabilities is the effective set of every thread, one after another, each
// said once.
func capabilities() string {
	seen := map[string]bool{}
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, task := range tasks {
		status, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "CapEff:") {
				seen[strings.Fields(line)[1]] = true
			}
		}
	}
	var out []string
	for set := range seen {
		out = append(out, set)
	}
	return "sets " + strings.Join(out, " ")
}

// grow uses memory until it is refused.
func grow() {
	var all [][]byte
	for range 64 {
		b := make([]byte, 64<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
	}
	fmt.Println("grew to", len(all)*64, "MiB")
}

// run runs this test binary in a role, as root.
func run(t *testing.T, how string) (string, error) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip(`not root, so there are no rights to give up: run "sudo -E go test ./capture/rights"`)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), role+"="+how)
	c.Stdin = strings.NewReader("a line\n")
	out, err := c.Output()
	return string(out), err
}

func TestReduce(t *testing.T) {
	t.Parallel()
	out, err := run(t, "reduce")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var kept uint64
	for _, c := range rights.Capabilities(rights.WithBPF) {
		if c.Kept {
			kept |= 1 << c.Bit
		}
	}
	// The process may have had less than everything to begin with.
	var got uint64
	if _, err := fmt.Sscanf(out[strings.Index(out, "sets"):], "sets %x\n", &got); err != nil {
		t.Fatalf("not all threads have the same capabilities: %v\n%s", err, out)
	}
	if got&^kept != 0 || got == 0 {
		t.Errorf("capabilities %x are left, want no others than %x", got, kept)
	}
	expect(t, out, "Reduce: <nil>", "Refuse: <nil>", "ptrace: operation not permitted", "mount: operation not permitted", "unshare: operation not permitted",
		"open by handle: operation not permitted")
}

// TestTheDocumentationSaysTheSame holds docs/rights.md to the list.
func TestTheDocumentationSaysTheSame(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/rights.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, use := range []rights.Use{rights.WithBPF, rights.WithoutBPF} {
		for _, c := range rights.Capabilities(use) {
			kept := map[bool]string{true: "yes", false: "no"}[c.Kept]
			if c.Bit == unix.CAP_SYS_ADMIN && use == rights.WithBPF {
				kept = "before 6.6"
			}
			row := fmt.Sprintf("| `CAP_%s` | %s | %s | %s |", c.Name, c.For, c.Without, kept)
			if !strings.Contains(string(doc), "\n"+row+"\n") {
				t.Errorf("docs/rights.md has not the row\n%s", row)
			}
			rows++
		}
	}
	if got := strings.Count(string(doc), "\n| `CAP_"); got != rows {
		t.Errorf("docs/rights.md has %d rows of capabilities, want %d", got, rows)
	}
}

func TestIsolate(t *testing.T) {
	t.Parallel()
	out, err := run(t, "isolate")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(exit.Stderr), "out of memory") {
		t.Errorf("it grew without an end: %v", err)
	}
	expect(t, out, "Isolate: <nil>", "ptrace: operation not permitted", "mount: operation not permitted",
		"open: open /proc/self/status: operation not permitted", "socket: operation not permitted", "execute: operation not permitted", "kill: operation not permitted",
		`read "a line\n"`, "read: <nil>")
}

func expect(t *testing.T, out string, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("%q was not said, but\n%s", want, out)
		}
	}
}
