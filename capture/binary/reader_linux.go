package binary

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
)

// remembered is how many executables' hashes are kept.
const remembered = 512

// Reader describes executables and remembers them by inode and change time, so
// that each is read once. The zero Reader is ready; it is safe for concurrent
// use.
type Reader struct {
	mu   sync.Mutex
	seen map[inode]File
}

type inode struct {
	dev, ino uint64
	changed  time.Time
	size     int64
}

// Describe returns the size and hash of p's executable.
func (r *Reader) Describe(p capture.Process) File {
	f, err := open(p)
	if err != nil {
		return File{Unread: err.Error()}
	}
	defer f.Close()
	key, err := identify(f)
	if err != nil {
		return File{Unread: err.Error()}
	}
	r.mu.Lock()
	got, ok := r.seen[key]
	r.mu.Unlock()
	if ok {
		return got
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(f, key.size)); err != nil {
		return File{Size: key.size, Unread: err.Error()}
	}
	got = File{SHA256: hex.EncodeToString(sum.Sum(nil)), Size: key.size}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil || len(r.seen) >= remembered {
		r.seen = map[inode]File{}
	}
	r.seen[key] = got
	return got
}

func identify(f *os.File) (inode, error) {
	fi, err := f.Stat()
	if err != nil {
		return inode{}, err
	}
	if !fi.Mode().IsRegular() {
		return inode{}, errors.New("not a regular file")
	}
	if fi.Size() > MaxSize {
		return inode{}, fmt.Errorf("larger than %d MiB", MaxSize>>20)
	}
	st := fi.Sys().(*syscall.Stat_t)
	return inode{st.Dev, st.Ino, time.Unix(st.Ctim.Unix()), fi.Size()}, nil
}

// open finds p's executable through p itself, or through the nearest ancestor
// with the same mount namespace.
func open(p capture.Process) (*os.File, error) {
	if f, err := os.Open(fmt.Sprintf("/proc/%d/exe", p.PID)); err == nil {
		if link, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.PID)); link == p.Exe {
			return f, nil
		}
		f.Close() // the process id names another program by now
	}
	if p.Exe == "" {
		return nil, errors.New("the process had ended and its executable's path is not known")
	}
	pids := []int{p.PPID}
	for _, a := range p.Parents {
		pids = append(pids, a.PID)
	}
	for _, pid := range append(pids, os.Getpid()) {
		if pid > 0 && mountNamespace(pid) == p.MountNamespace {
			if f, err := openUnder(fmt.Sprintf("/proc/%d/root", pid), p.Exe); err == nil {
				return f, nil
			}
		}
	}
	return nil, errors.New("the process had ended before its executable was read")
}

// mountNamespace returns the inode number of a process's mount namespace, or 0.
func mountNamespace(pid int) uint32 {
	var st unix.Stat_t
	if unix.Stat(fmt.Sprintf("/proc/%d/ns/mnt", pid), &st) != nil {
		return 0
	}
	return uint32(st.Ino)
}

// openUnder opens path inside root. Symbolic links are resolved inside root
// (openat2, Linux 5.6).
func openUnder(root, path string) (*os.File, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, path, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}
