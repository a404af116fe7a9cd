//go:build amd64 || arm64

package sensor_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kingsnake/capture"
)

// told waits for an execution of this test's own processes that has what is
// wanted, and returns all of them.
func (r *recorder) told(t *testing.T, tag string, wanted func(capture.Execution) bool) []capture.Execution {
	t.Helper()
	timeout := time.After(patience)
	for {
		r.mu.Lock()
		var mine []capture.Execution
		for _, x := range r.executions {
			if slices.Contains(x.Process.Env, tag) {
				mine = append(mine, x)
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

// connection returns a connected pair of TCP sockets over loopback: the near end
// as a file to hand to a process, and the address of the far one.
func connection(t *testing.T, network, address string) (near *os.File, far net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("needs %s on loopback: %v", network, err)
	}
	defer l.Close()
	c, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	near, err = c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	return near, far
}

func TestAShellOnAConnectionIsTold(t *testing.T) {
	r := record(t)
	renamed := write(t, "updated", readFile(t, "/bin/dash"))
	for name, tt := range map[string]struct {
		network, address string
		argv             []string
		role             capture.Role
	}{
		"a shell":              {"tcp4", "127.0.0.1:0", []string{"/bin/bash", "--norc", "-i"}, capture.Shell},
		"over IPv6":            {"tcp6", "[::1]:0", []string{"/bin/sh"}, capture.Shell},
		"a renamed shell":      {"tcp4", "127.0.0.1:0", []string{renamed}, capture.Shell},
		"a Python":             {"tcp4", "127.0.0.1:0", []string{python, "-u", "-"}, capture.Interpreter},
		"another language":     {"tcp4", "127.0.0.1:0", []string{"/usr/bin/perl"}, capture.Interpreter},
		"a shell, once known":  {"tcp4", "127.0.0.1:0", []string{"/bin/bash", "--norc"}, capture.Shell},
		"a half-closed socket": {"tcp4", "127.0.0.1:0", []string{"/bin/sh"}, capture.Shell},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(tt.argv[0]); err != nil {
				t.Skipf("needs %s: apt-get install %s", tt.argv[0], filepath.Base(tt.argv[0]))
			}
			near, far := connection(t, tt.network, tt.address)
			if strings.Contains(name, "half-closed") {
				if err := far.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			tag := "KINGSNAKE_TEST=" + t.Name()
			cmd := exec.Command(tt.argv[0], tt.argv[1:]...)
			cmd.Env = []string{"PATH=/usr/bin:/bin", tag}
			cmd.Stdin, cmd.Stdout, cmd.Stderr = near, near, near
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			near.Close()
			defer cmd.Wait() // how it ends is of no interest
			defer far.Close()
			got := r.told(t, tag, func(x capture.Execution) bool { return x.Process.PID == cmd.Process.Pid })[0]
			peer, local := far.LocalAddr().String(), far.RemoteAddr().String()
			if got.Role != tt.role || got.Peer.String() != peer || got.Local.String() != local {
				t.Errorf("want a %s from %s to %s, got a %s from %s to %s", tt.role, local, peer, got.Role, got.Local, got.Peer)
			}
		})
	}
}

func TestOtherStandardInputsAreNotTold(t *testing.T) {
	r := record(t)
	near, _ := connection(t, "tcp4", "127.0.0.1:0")
	tag := "KINGSNAKE_TEST=" + t.Name()
	run := func(stdin *os.File, argv ...string) {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env, cmd.Stdin = []string{"PATH=/usr/bin:/bin", tag}, stdin
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	listening, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer listening.Close()
	run(nil, "/bin/sh", "-c", ":")
	run(near, "/bin/true")               // no shell
	run(listening, "/bin/sh", "-c", ":") // not connected
	run(near, "/bin/sh", "-c", ": last") // this one is told
	if got := r.told(t, tag, func(capture.Execution) bool { return true }); len(got) != 1 || got[0].Process.Args[2] != ": last" {
		t.Errorf("want the last alone, got %+v", got)
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Skipf("needs %s: %v", name, err)
	}
	return b
}

func TestABinaryInMemoryAloneIsTold(t *testing.T) {
	r := record(t)
	tag := "KINGSNAKE_TEST=" + t.Name()
	const outer = `import os, time
fd = os.memfd_create("  kworker\n", 0)
os.write(fd, open("/bin/true", "rb").read())
child = os.fork()
if child == 0:
    os.execve(fd, ["[kworker/0:1]"], {"KINGSNAKE_TEST": os.environ["TAG"]})
os.waitpid(child, 0)
`
	for range 3 { // nothing is remembered of it
		cmd := exec.Command(python, "-c", outer)
		cmd.Env = []string{"TAG=" + t.Name()}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	got := r.told(t, tag, func(capture.Execution) bool { return true })
	for _, x := range got {
		if !x.Memory || x.Upper || x.Process.Exe != "/memfd:  kworker\n" || x.Inode.Filesystem != "memfd" || x.Peer.IsValid() ||
			len(x.Process.Args) != 1 || x.Process.Args[0] != "[kworker/0:1]" || len(x.Process.Parents) == 0 {
			t.Errorf("want a memfd, got %+v", x)
		}
	}
	// The same file by its name in /dev/shm, even deleted, is another matter.
	shm := filepath.Join("/dev/shm", filepath.Base(t.TempDir())+t.Name())
	if err := os.WriteFile(shm, readFile(t, "/bin/true"), 0o755); err != nil {
		t.Skip(err)
	}
	defer os.Remove(shm)
	cmd := exec.Command(shm)
	cmd.Env = []string{tag}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(python, "-c", outer)
	cmd.Env = []string{"TAG=" + t.Name()}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	all := r.told(t, tag, func(x capture.Execution) bool { return x.Process.Start.After(got[len(got)-1].Process.Start) })
	if slices.ContainsFunc(all, func(x capture.Execution) bool { return x.Process.Exe == shm }) {
		t.Error("a file in /dev/shm was told as a memfd")
	}
}

func TestABinaryInAnUpperLayerIsTold(t *testing.T) {
	r := record(t)
	// Upper layers must not lie on an overlay: tests may run on one.
	const setup = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/merged" "$1/low"
cp /bin/true "$1/low/built-in"
cp /bin/true "$1/low/copied-up"
mount -t overlay overlay -o "lowerdir=$1/low,upperdir=$1/upper,workdir=$1/work" "$1/merged"
cp /bin/true "$1/merged/added"
chmod u+s "$1/merged/copied-up"
"$1/merged/built-in"; "$1/merged/copied-up"; "$1/merged/added"; /bin/true
`
	cmd := exec.Command("unshare", "--mount", "/bin/sh", "-c", setup, "sh", t.TempDir())
	tag := "KINGSNAKE_TEST=" + t.Name()
	cmd.Env = []string{"PATH=/usr/bin:/bin", tag}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("needs to mount an overlay on a tmpfs: %v\n%s", err, out)
	}
	isAdded := func(x capture.Execution) bool { return filepath.Base(x.Process.Exe) == "added" }
	var names []string
	for _, x := range r.told(t, tag, isAdded) {
		names = append(names, filepath.Base(x.Process.Exe))
		if !x.Upper || x.Memory || x.Inode.Filesystem != "overlay" || time.Since(x.Inode.Changed) > time.Hour {
			t.Errorf("want a fresh file of an upper layer, got %+v", x)
		}
	}
	if got := strings.Join(names, " "); got != "copied-up added" {
		t.Errorf("told of %q, want of what is in the upper layer", got)
	}
}

func TestAShellThatPythonStartsIsTold(t *testing.T) {
	r := record(t)
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"os.system":             {`import os; os.system("echo 1")`, []string{"sh", "-c", "echo 1"}},
		"subprocess":            {`import subprocess; subprocess.run(["/bin/bash", "--norc"], stdin=subprocess.DEVNULL)`, []string{"/bin/bash", "--norc"}},
		"in place of itself":    {`import os; os.execv("/bin/sh", ["-sh", "-c", ":"])`, []string{"-sh", "-c", ":"}},
		"by a child of its":     {`import os; os.fork() or os.system("echo 2"); os._exit(0)`, []string{"sh", "-c", "echo 2"}},
		"with a shell as pty":   {`import pty, os; os.close(0); os.open("/dev/null", 0); pty.spawn(["/bin/sh", "-c", "exit"])`, []string{"/bin/sh", "-c", "exit"}},
		"and by a thread of it": {`import threading, os; t = threading.Thread(target=lambda: os.system("echo 3")); t.start(); t.join()`, []string{"sh", "-c", "echo 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			script := write(t, "script.py", []byte(tt.text+" # "+t.Name()+"\n"))
			tag := "KINGSNAKE_TEST=" + t.Name()
			for range 2 { // the second time the shell is known
				cmd := exec.Command(python, script)
				cmd.Env = []string{"PATH=/usr/bin:/bin", tag}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				if err := cmd.Wait(); err != nil {
					t.Fatal(err)
				}
				text := readFile(t, script)
				var pid int
				all := r.told(t, tag, func(x capture.Execution) bool { pid = x.Starter.Process.PID; return pid == cmd.Process.Pid })
				got := all[len(all)-1]
				// Others on the machine may have filled the ring the script's bytes go through.
				overrun := got.Starter.Script == (capture.Digest{}) && r.sensor.Stats().Lost["data ring full"] > 0
				if got.Role != capture.Shell || !slices.Equal(got.Process.Args, tt.want) || got.Starter.Path != script || got.Starter.Script != capture.Sum(text) && !overrun {
					t.Errorf("want %q started by %s with %s, got a %s, %q, started by %s with %s; lost %v", tt.want, script, capture.Sum(text),
						got.Role, got.Process.Args, got.Starter.Path, got.Starter.Script, r.sensor.Stats().Lost)
				}
			}
		})
	}
	// No Python: nothing is told.
	tag := "KINGSNAKE_TEST=" + t.Name()
	cmd := sh(`sh -c "sh -c :"; "$1" -c "import os; os.system('exec true')"`, python)
	cmd.Env = []string{"PATH=/usr/bin:/bin", tag}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if got := r.told(t, tag, func(capture.Execution) bool { return true }); len(got) != 1 || got[0].Process.Args[2] != "exec true" {
		t.Errorf("want the shell of Python alone, got %+v", got)
	}
}
