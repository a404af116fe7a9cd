package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kingsnake/capture"
	"kingsnake/finding"
)

// TestWithoutBPFTheSelftestIsFound runs the sensor as it runs where BPF cannot be
// used, and wants a finding that says so.
func TestWithoutBPFTheSelftestIsFound(t *testing.T) {
	t.Parallel()
	needSensor(t)
	dir := t.TempDir()
	text, err := kingsnake(t.Context(), "selftest", "--show").Output()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "script.py")
	if err := os.WriteFile(script, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"told to":                  {"sensor", "--capture", "fallback"},
		"because CAP_BPF is amiss": {"sensor"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := kingsnake(context.WithoutCancel(t.Context()), append(args, "--data", t.TempDir())...)
			if len(args) == 1 {
				cmd = withoutBPF(t, cmd)
			}
			said := &lockedBuffer{}
			cmd.Stderr = said
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Signal(os.Interrupt)
				_ = cmd.Wait() // whatever it says: it was told to stop
			})
			await(t, "the sensor watches", func() bool { return strings.Contains(said.String(), "Note: ") })
			for _, want := range []string{"without BPF", "pipes"} {
				if !strings.Contains(said.String(), want) {
					t.Errorf("it does not say %q, but\n%s", want, said)
				}
			}
			found := make(chan finding.Finding, 1)
			go lookFor(out, capture.Sum(text).String(), found)
			var f finding.Finding
			await(t, "the finding", func() bool {
				if err := exec.CommandContext(t.Context(), "python3", script).Run(); err != nil {
					t.Error(err)
				}
				select {
				case f = <-found:
					return true
				default:
					return false // it may be missed: that is what it is said to do
				}
			})
			if f.Script.Path != script || f.Script.Kind != "file" || !strings.HasPrefix(f.Script.Indirect, "the file") || f.Severity != finding.Critical {
				t.Errorf("got %s %q from %q, %s", f.Script.Kind, f.Script.Path, f.Script.Indirect, f.Severity)
			}
		})
	}
}

// withoutBPF runs a command without the right to use BPF.
func withoutBPF(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("setpriv is missing: apt-get install util-linux")
	}
	// SYS_ADMIN would stand for BPF: the proc connector must do alone.
	return exec.Command(setpriv, append([]string{"--bounding-set=-bpf,-sys_admin", cmd.Path}, cmd.Args[1:]...)...)
}

// lookFor sends the first finding of a script.
func lookFor(lines interface{ Read([]byte) (int, error) }, digest string, found chan<- finding.Finding) {
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		f, err := finding.Unmarshal[finding.Finding](scanner.Bytes())
		if err == nil && f.Script.SHA256 == digest {
			found <- f
			break
		}
	}
	for scanner.Scan() { // so that nobody waits
	}
}

func TestDoctorSaysWhatIsLeftWithoutBPF(t *testing.T) {
	t.Parallel()
	needSensor(t)
	out, err := withoutBPF(t, kingsnake(t.Context(), "doctor", "--data", t.TempDir(), "--metrics", "")).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("want exit code 1, got %v", err)
	}
	for _, want := range []string{
		"FAILS   capability BPF", "refused: CAP_BPF is not granted", "ring buffer, raw tracepoints, system call tracepoints, user probes:\n  run as root, or grant CAP_BPF\n",
		"ok      without BPF: proc connector", "The sensor can run here only without BPF",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not said, but\n%s", want, out)
		}
	}
}

func TestHoldingTakesBPF(t *testing.T) {
	t.Parallel()
	out, err := kingsnake(t.Context(), "sensor", "--capture", "fallback", "--hold", "host").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--hold takes BPF") {
		t.Errorf("%v: %s", err, out)
	}
}
