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
	timeout := time.After(5 * time.Second)
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
