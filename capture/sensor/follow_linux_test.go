//go:build amd64 || arm64

package sensor_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
)

// acts waits until what is wanted was told of a followed process, and returns
// all that was.
func (r *recorder) acts(t *testing.T, root int, wanted func(capture.Activity) bool) []capture.Activity {
	t.Helper()
	timeout := time.After(patience)
	for {
		r.mu.Lock()
		var mine []capture.Activity
		for _, a := range r.activities {
			if a.PID == root {
				mine = append(mine, a)
			}
		}
		r.mu.Unlock()
		if slices.ContainsFunc(mine, wanted) {
			return mine
		}
		select {
		case <-r.arrived:
		case <-timeout:
			t.Fatalf("waited in vain; told of %+v", mine)
		}
	}
}

// converse starts a program and returns its script, once it has said something,
// and its standard input, which ends with the test.
func (r *recorder) converse(t *testing.T, cmd *exec.Cmd) (capture.Script, io.Writer) {
	t.Helper()
	tag := "KINGSNAKE_TEST=" + t.Name()
	cmd.Env = []string{"PATH=/usr/bin:/bin", tag}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	script := r.wait(t, 1, tag)[0]
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	return script, in
}

func TestWhatAFollowedProgramDoesIsTold(t *testing.T) {
	r := record(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	// A child of before, an orphan of before, and then everything else.
	text := fmt.Sprintf(`import os, socket, subprocess, sys
os.chdir(%q)
r, w = os.pipe()
def child(name):
    os.close(w); os.read(r, 1); open(name, "w").close(); os._exit(0)
if os.fork() == 0:
    if os.fork() == 0:
        child("orphan")
    os._exit(0)
os.wait()
kid = os.fork()
if kid == 0:
    child("child")
print("ready", flush=True)
sys.stdin.readline()
socket.create_connection(("127.0.0.1", %s)).close()
u = socket.socket(socket.AF_UNIX); u.connect_ex("absent.sock")
open("dropped", "w").write("x")
open("dropped").read()
subprocess.run(["/bin/cp", "dropped", "copied"])
os.close(w)
os.waitpid(kid, 0)
os.system("echo 1 > by-shell")
open("last", "a").close()
sys.stdin.readline()
`, dir, portOf(l))
	cmd := exec.Command(python, "-c", text)
	script, in := r.converse(t, cmd)
	if _, err := r.sensor.Follow(script.Process); err != nil {
		t.Fatal(err)
	}
	if _, err := r.sensor.Follow(script.Process); !errors.Is(err, capture.ErrFollowed) {
		t.Errorf("followed twice: %v", err)
	}
	fmt.Fprintln(in)
	isLast := func(a capture.Activity) bool { return a.Target == filepath.Join(dir, "last") }
	r.acts(t, cmd.Process.Pid, isLast)
	all := r.acts(t, cmd.Process.Pid, func(a capture.Activity) bool { return a.Target == filepath.Join(dir, "orphan") })
	got := map[string]bool{}
	for _, a := range all {
		if !a.Start.Equal(script.Process.Start) || a.Time.Before(script.Process.Start) {
			t.Errorf("not of the process that is followed, or too early: %+v", a)
		}
		own := "another"
		if a.By == cmd.Process.Pid {
			own = "itself"
		}
		target := strings.ReplaceAll(a.Target, dir, "DIR")
		if a.Act == capture.Forked {
			if _, err := strconv.Atoi(a.Target); err != nil {
				t.Errorf("no process number: %+v", a)
			}
			target = "PID"
		}
		got[strings.Join(append([]string{own, string(a.Act), target}, a.Args...), " ")] = true
	}
	want := map[string]bool{
		"itself connected " + l.Addr().String(): true, "itself connected unix:absent.sock": true,
		"itself wrote DIR/dropped": true, "itself wrote DIR/last": true, "another wrote DIR/copied": true,
		"another wrote DIR/child": true, "another wrote DIR/orphan": true, "another wrote DIR/by-shell": true,
		"itself forked PID": true, "another executed /usr/bin/cp /bin/cp dropped copied": true,
		"another executed /usr/bin/dash sh -c echo 1 > by-shell": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told of (-want +got):\n%s", diff)
	}
}

func TestWhoHasEndedIsNotFollowed(t *testing.T) {
	r := record(t)
	s := r.run(t, 1, exec.Command(python, "-c", "pass # "+t.Name()))[0]
	if _, err := r.sensor.Follow(s.Process); !errors.Is(err, capture.ErrEnded) {
		t.Errorf("want %v, got %v", capture.ErrEnded, err)
	}
	self := s.Process
	self.PID = 1 // of another start
	if _, err := r.sensor.Follow(self); !errors.Is(err, capture.ErrEnded) {
		t.Errorf("want %v, got %v", capture.ErrEnded, err)
	}
}

func TestOnlySoManyAreFollowed(t *testing.T) {
	r := record(t)
	tag := "KINGSNAKE_TEST=" + t.Name()
	const n = 17
	for range n {
		cmd := exec.Command(python, "-c", "import sys; sys.stdin.read()")
		cmd.Env = []string{tag}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer in.Close()
	}
	refused := 0
	for _, s := range r.wait(t, n, tag) {
		switch _, err := r.sensor.Follow(s.Process); {
		case errors.Is(err, capture.ErrTooMany):
			refused++
		case err != nil:
			t.Error(err)
		}
	}
	if refused != 1 {
		t.Errorf("%d of %d were refused, want 1", refused, n)
	}
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
