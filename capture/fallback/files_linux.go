package fallback

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"kingsnake/capture/proc"
)

// files receives what fanotify tells of opened files. It is only told: who opens
// a file never waits for it.
type files struct {
	fd  int
	buf []byte

	mu    sync.Mutex
	marks map[uint64]bool // file systems that are watched, by device
}

const (
	maxMarks = 1024 // file systems that are known to be watched

	metadataLen  = 24 // struct fanotify_event_metadata
	metadataVers = 3

	watched = unix.FAN_OPEN | unix.FAN_OPEN_EXEC
)

// opened is a file that was opened by a process. fd is this process's own.
type opened struct {
	fd   int
	pid  int
	exec bool // to run it: a binary, a script with a shebang, a loader
}

// openFiles begins to watch the file systems of this process. Its queue has the
// kernel's own bound (fs.fanotify.max_queued_events).
func openFiles() (*files, error) {
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK,
		unix.O_RDONLY|unix.O_LARGEFILE|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOATIME)
	switch {
	case errors.Is(err, unix.EPERM):
		return nil, errors.New("fanotify takes CAP_SYS_ADMIN, in the first user namespace")
	case errors.Is(err, unix.ENOSYS):
		return nil, errors.New("this kernel has no fanotify (CONFIG_FANOTIFY)")
	case err != nil:
		return nil, fmt.Errorf("start fanotify: %w", err)
	}
	f := &files{fd: fd, buf: make([]byte, 256*metadataLen), marks: make(map[uint64]bool)}
	if err := f.watch("/"); err != nil {
		return nil, errors.Join(fmt.Errorf("watch the root file system: %w", err), unix.Close(fd))
	}
	return f, nil
}

// watch adds the file system that a path lies on. One that a network or another
// process answers for is left out: to open a file there may never end. One that
// is watched already is added again, which changes nothing: its number may have been
// another's, which is no more.
func (f *files) watch(p string) error {
	if f == nil {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Stat(p, &st); err != nil {
		return err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(p, &fs); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !local(uint64(fs.Type)) {
		return nil
	}
	if err := unix.FanotifyMark(f.fd, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, watched, unix.AT_FDCWD, p); err != nil {
		return err
	}
	if len(f.marks) >= maxMarks {
		clear(f.marks) // the kernel goes on watching; scripts there are delivered by name until they are added again
	}
	f.marks[uint64(st.Dev)] = true
	return nil
}

// watches reports whether it is told when a file of a device is opened.
func (f *files) watches(dev uint64) bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.marks[dev]
}

// local reports whether a file system holds files on this machine's own disks,
// or in its memory.
func local(magic uint64) bool {
	switch magic {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC,
		unix.F2FS_SUPER_MAGIC, unix.SQUASHFS_MAGIC, unix.EROFS_SUPER_MAGIC_V1, unix.RAMFS_MAGIC, proc.ZFSMagic, unix.ISOFS_SUPER_MAGIC, unix.MSDOS_SUPER_MAGIC:
		return true
	}
	return false
}

// receive returns the files that were opened, at most as many as fit one read,
// and whether notices were lost. The caller closes them all.
func (f *files) receive(broken func()) (list []opened, lost bool) {
	n, err := unix.Read(f.fd, f.buf)
	if err != nil {
		return nil, false
	}
	list, lost, ok := parseOpened(f.buf[:n])
	if !ok {
		broken()
	}
	return list, lost
}

// parseOpened reads what fanotify wrote. It reports false when something in it
// makes no sense.
func parseOpened(b []byte) (list []opened, lost, ok bool) {
	order := binary.NativeEndian
	for len(b) >= metadataLen {
		size := int(order.Uint32(b))
		if size < metadataLen || size > len(b) || b[4] != metadataVers {
			return list, lost, false
		}
		mask, fd := order.Uint64(b[8:]), int(int32(order.Uint32(b[16:])))
		switch {
		case mask&unix.FAN_Q_OVERFLOW != 0:
			lost = true
		case fd >= 0:
			list = append(list, opened{fd: fd, pid: int(int32(order.Uint32(b[20:]))), exec: mask&unix.FAN_OPEN_EXEC != 0})
		}
		b = b[size:]
	}
	return list, lost, len(b) == 0
}

func (f *files) close() error { return unix.Close(f.fd) }
