package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// daemon is a program that keeps containers, in namespaces of its own.
type daemon struct {
	name    string // of the program
	socket  string // where it is to listen
	dir     string // holds all of its state
	cgroup  string // name of the cgroup above those of all containers
	process *os.Process
	ended   chan struct{} // closed when it has ended
	cause   error         // what became of it, once it has ended
}

// startLimit is how long a daemon may take until it answers.
const startLimit = time.Minute

// cgroupPrefix begins the name of every daemon's cgroup; the rest is the number
// of the process that started it.
const cgroupPrefix = "kingsnake-node-"

// newDaemon makes a place for a daemon's state, after it has removed what earlier
// ones left.
func newDaemon(name string) (*daemon, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a node needs root")
	}
	if err := sweep(); err != nil {
		return nil, err
	}
	run := filepath.Join(CacheDir(), "run")
	if err := os.MkdirAll(run, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(run, fmt.Sprintf("%d-", os.Getpid()))
	if err != nil {
		return nil, err
	}
	return &daemon{
		name: name, socket: filepath.Join(dir, name+".sock"), dir: dir, cgroup: cgroupPrefix + filepath.Base(dir),
		ended: make(chan struct{}),
	}, nil
}

// launch starts the program that lies in the folder bin, with a registry that it
// can reach.
func (d *daemon) launch(registry http.Handler, bin string, command ...string) error {
	started := make(chan error, 1)
	go d.hold(registry, bin, command, started)
	return <-started
}

// hold is the goroutine of a daemon: it keeps the thread that the program belongs
// to until it has ended. A child whose parent thread dies is killed, and
// this thread, being in other namespaces, must not run other goroutines: it ends
// with this one, which never unlocks it.
func (d *daemon) hold(registry http.Handler, bin string, command []string, started chan<- error) {
	runtime.LockOSThread()
	cmd, server, err := d.spawn(registry, bin, command)
	if err != nil {
		started <- err
		return
	}
	d.process = cmd.Process
	started <- nil
	err = cmd.Wait()
	d.cause = errors.Join(err, server.Close())
	close(d.ended)
}

// spawn starts the program, and the registry it pulls from, in new namespaces,
// into which it also moves the calling thread.
func (d *daemon) spawn(registry http.Handler, bin string, command []string) (*exec.Cmd, *http.Server, error) {
	if err := enterNamespaces(); err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", strings.Replace(registryAddress, "localhost", "127.0.0.1", 1))
	if err != nil {
		return nil, nil, err
	}
	server := &http.Server{Handler: registry, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // until hold closes it

	log, err := os.Create(filepath.Join(d.dir, "log"))
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", keeper, d.away(), filepath.Join(bin, command[0])}, command[1:]...)...)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // Ctrl-C is for the process that started the node
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	return cmd, server, nil
}

// await waits until the daemon answers, which ask asks it to: one that is beginning
// may refuse to.
func (d *daemon) await(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		err := ask(ctx)
		for err != nil && ctx.Err() == nil {
			time.Sleep(50 * time.Millisecond)
			err = ask(ctx)
		}
		answered <- err
	}()
	select {
	case err := <-answered:
		if err != nil {
			return fmt.Errorf("%s does not answer: %v\n%s", d.name, err, d.log())
		}
		return nil
	case <-d.ended:
		return fmt.Errorf("%s ended: %v\n%s", d.name, d.cause, d.log())
	}
}

// enterNamespaces moves the calling thread into a mount namespace in which /run
// is empty, and into a network namespace with nothing but a loopback device.
func enterNamespaces() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make namespaces: %v", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %v", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %v", err)
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	loopback.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, loopback); err != nil {
		return fmt.Errorf("set the loopback device up: %v", err)
	}
	return nil
}

// log returns the end of what it wrote.
func (d *daemon) log() string {
	text, err := os.ReadFile(filepath.Join(d.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4096):])
}

// stop kills all that runs in it, and removes what it left. It must be called
// once.
func (d *daemon) stop() error {
	var errs []error
	if d.process != nil {
		// The first process of a PID namespace is gone only when all others are.
		errs = append(errs, d.process.Kill())
		<-d.ended
	}
	return errors.Join(append(errs, removeCgroups(d.cgroup), os.RemoveAll(d.dir))...)
}

// sweep removes what daemons left whose starting process was killed.
func sweep() error {
	run := filepath.Join(CacheDir(), "run")
	left, err := os.ReadDir(run)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range left {
		pid, _, _ := strings.Cut(entry.Name(), "-")
		if _, err := os.Stat(filepath.Join("/proc", pid)); err == nil {
			continue
		}
		if err := errors.Join(removeCgroups(cgroupPrefix+entry.Name()), os.RemoveAll(filepath.Join(run, entry.Name()))); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes a cgroup and those below it, in every hierarchy.
func removeCgroups(name string) error {
	var errs []error
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		tops, err := filepath.Glob(pattern + name)
		errs = append(errs, err)
		for _, top := range tops {
			errs = append(errs, removeTree(top))
		}
	}
	return errors.Join(errs...)
}

// removeTree removes a folder that holds folders and the kernel's own files.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return unix.Rmdir(dir)
}
