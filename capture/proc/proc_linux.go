package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrOther says that what was found is not what was looked for: another file,
// another process of the same number, or no regular file.
var ErrOther = errors.New("another file")

// Root is where the root of a process is found.
func Root(pid int) string { return fmt.Sprintf("/proc/%d/root", pid) }

// OpenIn opens a regular file for reading by its path in a process's root, which
// no symbolic link leads out of. What is no regular file is ErrOther, and is not
// opened: to open a pipe would take from it.
func OpenIn(pid int, p string) (*os.File, error) {
	if p == "" {
		return nil, ErrOther
	}
	root, err := unix.Open(Root(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(root)
	// What it is, is seen before it is opened.
	fd, err := unix.Openat2(root, p, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return Reopen(fd)
}

// Reopen opens for reading what a descriptor of O_PATH names, if it is a regular
// file; else the error is ErrOther.
func Reopen(fd int) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, ErrOther
	}
	return os.OpenFile("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
}

// ReadBounded reads at most limit bytes of a file, and says whether there is more.
func ReadBounded(name string, limit int) (b []byte, cut bool, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	b, err = io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if len(b) > limit {
		return b[:limit], true, err
	}
	return b, false, err
}

// Gone reports whether an error says that a process is no more.
func Gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) }

// Tick is a hundredth of a second in nanoseconds: USER_HZ is 100 on every
// architecture that is of interest.
const Tick = 1e9 / 100

// StartTicks reads when the process of a folder of /proc was started, in ticks
// since boot. With its number this names a process once and for all.
func StartTicks(dir string) (uint64, error) {
	stat, err := os.ReadFile(path.Join(dir, "stat"))
	if err != nil {
		return 0, err
	}
	// The second field may hold anything, parentheses included.
	rest := stat[bytes.LastIndexByte(stat, ')')+1:]
	fields := strings.Fields(string(rest))
	const startField = 22 - 3
	if len(fields) <= startField {
		return 0, fmt.Errorf("parse %s/stat: too few fields", dir)
	}
	return strconv.ParseUint(fields[startField], 10, 64)
}

// Magic numbers that unix lacks.
const (
	ZFSMagic    = 0x2fc12fc1
	pipeMagic   = 0x50495045
	socketMagic = 0x534f434b
)

// Filesystem names the file system of a file by its magic number, as in
// capture.Inode.
func Filesystem(magic uint64, path string, mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return "pipe"
	case unix.S_IFSOCK:
		return "socket"
	}
	switch magic {
	case unix.TMPFS_MAGIC:
		if strings.HasPrefix(path, "/memfd:") {
			return "memfd"
		}
		return "tmpfs"
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	case unix.PROC_SUPER_MAGIC:
		return "proc"
	case unix.DEVPTS_SUPER_MAGIC:
		return "devpts"
	case unix.FUSE_SUPER_MAGIC:
		return "fuse"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.SQUASHFS_MAGIC:
		return "squashfs"
	case ZFSMagic:
		return "zfs"
	case pipeMagic:
		return "pipe"
	case socketMagic:
		return "socket"
	}
	return fmt.Sprintf("0x%x", magic)
}

// firstPIDNamespace is PROC_PID_INIT_INO in the kernel's proc_ns.h.
const firstPIDNamespace = "pid:[4026531836]"

// FirstPIDNamespace returns an error when this process is in another pid
// namespace than the kernel's first: it sees other process numbers then than the
// kernel tells.
func FirstPIDNamespace() error {
	got, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return fmt.Errorf("read pid namespace: %w", err)
	}
	if got != firstPIDNamespace {
		return fmt.Errorf("this process is in the pid namespace %s: it sees other process numbers than the kernel tells", got)
	}
	return nil
}
