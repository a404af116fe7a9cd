//go:build amd64 || arm64

package sensor_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
)

// past waits until a process that has ended is known to have done what is
// wanted last, by what Follow returns.
func (r *recorder) past(t *testing.T, p capture.Process, last string) capture.Past {
	t.Helper()
	timeout := time.After(patience)
	for {
		past, err := r.sensor.Follow(p)
		if !errors.Is(err, capture.ErrEnded) {
			t.Fatalf("want %v, got %v", capture.ErrEnded, err)
		}
		if slices.ContainsFunc(past.Acts, func(a capture.Activity) bool { return a.Target == last }) {
			return past
		}
		select {
		case <-time.After(10 * time.Millisecond): // the exec ring is behind
		case <-timeout:
			t.Fatalf("waited in vain; known are %+v", past)
		}
	}
}

// TestWhatAFastScriptDoesIsKnownBeforeItsVerdict runs an imitation of a dropper
// that is over before anybody can have judged it.
func TestWhatAFastScriptDoesIsKnownBeforeItsVerdict(t *testing.T) {
	r := record(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	text := fmt.Sprintf(`import os, socket, subprocess, sys
socket.create_connection(("127.0.0.1", %s)).close()
with open("dropped", "wb") as f:
    f.write(open("/bin/cp", "rb").read())
os.chmod("dropped", 0o700)
subprocess.run(["./dropped", "dropped", "copied"])
subprocess.run([sys.executable, "-S", "-c", "open('by-child', 'w')"])
os.system(": > last")
`, portOf(l))
	for name, exe := range map[string]string{"an interpreter that is known": python, "a copied interpreter": copyOf(t, python, "interpreter")} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			real, err := filepath.EvalSymlinks(exe)
			if err != nil {
				t.Fatal(err)
			}
			script := filepath.Join(dir, "script.py")
			if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(exe, "-S", script)
			cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin", "KINGSNAKE_TEST=" + t.Name(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONHOME=/usr"}
			all := r.run(t, 2, cmd)
			s := all[slices.IndexFunc(all, func(s capture.Script) bool { return s.Kind == capture.File })]
			past := r.past(t, s.Process, filepath.Join(dir, "last"))
			got := shape(past, dir)
			want := []string{
				"itself connected " + l.Addr().String(), "itself wrote DIR/dropped",
				"itself forked PID", "another executed DIR/dropped ./dropped dropped copied", "another wrote DIR/copied",
				"itself forked PID", "another executed " + real + " " + exe + " -S -c open('by-child', 'w')", "another wrote DIR/by-child",
				"itself forked PID", "another executed /usr/bin/dash sh -c : > last", "another wrote DIR/last",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("known (-want +got):\n%s", diff)
			}
			if past.Omitted != 0 {
				t.Errorf("%d acts were omitted", past.Omitted)
			}
			for _, a := range past.Acts {
				if a.PID != s.Process.PID || !a.Start.Equal(s.Process.Start) || a.Time.Before(s.Process.Start) {
					t.Errorf("of another process, or too early: %+v", a)
				}
			}
		})
	}
}

// shape writes down what was done without what differs from run to run.
func shape(past capture.Past, dir string) (out []string) {
	for _, a := range past.Acts {
		own, target := "another", strings.ReplaceAll(a.Target, dir, "DIR")
		if a.By == a.PID {
			own = "itself"
		}
		if a.Act == capture.Forked {
			target = "PID"
		}
		out = append(out, strings.Join(append([]string{own, string(a.Act), target}, a.Args...), " "))
	}
	return out
}

// TestWhatIsTooMuchBeforeAVerdictIsCounted has a script do more than is kept: by
// itself, and spread over its children, which outlive it.
func TestWhatIsTooMuchBeforeAVerdictIsCounted(t *testing.T) {
	r := record(t)
	for name, text := range map[string]string{
		"by itself":      "for i in range(300): open('file%03d' % i, 'w').close()\nopen('last', 'w').close()",
		"by descendants": "import os\nfor i in range(100):\n    if not os.fork():\n        open('file%03d' % i, 'w').close(); os.system(':'); os._exit(0)\n    os.wait()\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(python, "-S", "-c", text)
			cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin", "KINGSNAKE_TEST=" + t.Name()}
			s := r.run(t, 1, cmd)[0]
			past := r.past(t, s.Process, filepath.Join(dir, "file020"))
			all := 301
			if name == "by descendants" {
				all = 4 * 100 // each child is forked, writes, forks a shell that is executed
			}
			// On a slow machine a new period may begin meanwhile, with room of its own.
			n := len(past.Acts) + past.Omitted
			if len(past.Acts) > 2*128 || n > all || len(past.Acts) <= 128 && (n != all || past.Omitted == 0) {
				t.Errorf("%d acts kept and %d omitted, want %d together", len(past.Acts), past.Omitted, all)
			}
		})
	}
}

// TestThePastAndWhatFollowsAreOne has a process do something before and after it
// is followed: nothing is told twice, and nothing is missing.
func TestThePastAndWhatFollowsAreOne(t *testing.T) {
	r := record(t)
	dir := t.TempDir()
	cmd := exec.Command(python, "-S", "-c", `import sys
open("before", "w"); print("ready", flush=True); sys.stdin.readline(); open("after", "w"); sys.stdin.readline()`)
	cmd.Dir = dir
	s, in := r.converse(t, cmd)
	past, err := r.sensor.Follow(s.Process)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in)
	after := filepath.Join(dir, "after")
	past.Acts = append(past.Acts, r.acts(t, s.Process.PID, func(a capture.Activity) bool { return a.Target == after })...)
	if diff := cmp.Diff([]string{"itself wrote DIR/before", "itself wrote DIR/after"}, shape(past, dir)); diff != "" {
		t.Errorf("known and told of (-want +got):\n%s", diff)
	}
}
