//go:build amd64 || arm64

package sensor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kingsnake/capture/proc"
)

// Attaching takes some 20 ms, of which most is the kernel's: a script of an
// interpreter that nobody has seen may be done by then. So what lies in the usual
// places of this machine's root, and of the root of each container that runs when the
// sensor starts, is attached to before it is used.
var usualPlaces = []string{
	"usr/bin/python[23]*", "usr/local/bin/python[23]*", "opt/*/bin/python[23]*", "home/*/*conda*/bin/python[23]*",
	"usr/lib/libpython*.so*", "usr/lib64/libpython*.so*", "usr/lib/*/libpython*.so*", "usr/local/lib/libpython*.so*",
	"opt/*/lib/libpython*.so*", "home/*/.pyenv/versions/*/lib/libpython*.so*",
}

// Bounds of looking for interpreters that do not run.
const (
	maxScanned = 1024 // roots
	maxFound   = 64   // in one root
	maxListed  = 8192 // names read of one folder
)

// scanOwnRoot attaches to the interpreters in the usual places of this machine.
func (h *hooks) scanOwnRoot() {
	if names, err := findUsual("/"); err == nil {
		h.attachUsual(os.Getpid(), names)
	}
}

// scanRoot attaches to those in the usual places of a process's root.
func (h *hooks) scanRoot(pid int) {
	names, err := proc.Look(&h.looks, func() ([]string, error) { return findUsual(proc.Root(pid)) })
	if err == nil { // else it is gone or does not answer: they are attached to when they run
		h.attachUsual(pid, names)
	}
}

// attachUsual attaches to interpreters by their names in a process's root, while
// there is room for as many again that run.
func (h *hooks) attachUsual(pid int, names []string) {
	for _, name := range names {
		if h.crowded() {
			return
		}
		h.lookAt(func() (*os.File, error) { return proc.OpenIn(pid, name) }, isPythonLibrary(name))
	}
}

// crowded reports whether half of the places for interpreters are taken.
func (h *hooks) crowded() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hooked.order.Len() >= maxHooked/2
}

// findUsual returns what lies in the usual places of a root, as paths from it.
func findUsual(dir string) (found []string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for _, pattern := range usualPlaces {
		names, _ := fs.Glob(folders{root.FS(), root}, pattern) // only a malformed pattern fails
		for _, name := range names[:min(len(names), maxFound-len(found))] {
			found = append(found, "/"+name)
		}
	}
	return found, nil
}

// folders lists the folders of a root for fs.Glob: bounded, and nothing that is no
// folder is opened.
type folders struct {
	fs.FS
	root *os.Root
}

// ReadDir implements [fs.ReadDirFS].
func (f folders) ReadDir(name string) ([]fs.DirEntry, error) {
	dir, err := f.root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	list, err := dir.ReadDir(maxListed)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return list, err
}

// folderKey tells a folder from others.
type folderKey struct {
	major, minor uint32
	ino          uint64
}

// rootKey returns the root of the process that a folder of /proc is about.
func rootKey(dir string) (folderKey, error) {
	st, err := statx(unix.AT_FDCWD, dir+"/root")
	return folderKey{st.Dev_major, st.Dev_minor, st.Ino}, err
}

// scanProcesses attaches to the interpreters that already run, and to those in the
// roots of what runs.
func (h *hooks) scanProcesses(stop <-chan struct{}) {
	if h == nil {
		return
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	done := make(map[string]bool)
	roots := make(map[folderKey]bool)
	if own, err := rootKey("/proc/self"); err == nil {
		roots[own] = true // scanned before
	}
	for _, dir := range processes {
		pid, err := strconv.Atoi(path.Base(dir))
		if err != nil {
			continue
		}
		select {
		case <-stop:
			return
		default:
			h.scanProcess(pid, done)
		}
		if key, err := rootKey(dir); err == nil && !roots[key] && len(roots) < maxScanned {
			roots[key] = true
			h.scanRoot(pid)
		}
	}
}

// scanProcess looks at the binary of a running process and the Python libraries
// it has mapped. done holds the mappings that were looked at.
func (h *hooks) scanProcess(pid int, done map[string]bool) {
	dir := fmt.Sprintf("/proc/%d", pid)
	first := true
	_ = eachCode(dir, func(file string, _ uint64, name string) {
		library := !first
		first = false // the first code in memory is the binary's own, or its library is named so
		if done[file] || library && !isPythonLibrary(name) {
			return
		}
		done[file] = true
		h.lookAt(func() (*os.File, error) {
			if library {
				return proc.OpenIn(pid, name)
			}
			return os.Open(dir + "/exe")
		}, library)
	})
}

// eachCode calls f for each part of a file that a process has mapped as code: with
// what tells the file from others, its inode number, and the beginning of its path.
func eachCode(dir string, f func(file string, ino uint64, name string)) error {
	maps, err := os.Open(dir + "/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	bounded := &io.LimitedReader{R: maps, N: maxMaps}
	lines := bufio.NewScanner(bounded)
	for lines.Scan() {
		// Address, permissions, offset, device, inode, path.
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || !strings.Contains(fields[1], "x") || !strings.HasPrefix(fields[5], "/") {
			continue
		}
		if ino, err := strconv.ParseUint(fields[4], 10, 64); err == nil {
			f(fields[3]+" "+fields[4], ino, fields[5])
		}
	}
	if bounded.N <= 0 {
		return errors.New("too many mappings")
	}
	return lines.Err()
}

// lookAt looks at a file now.
func (h *hooks) lookAt(open func() (*os.File, error), library bool) {
	f, err := open()
	if err != nil {
		return
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) == nil {
		if key := (hookKey{st.Ino, st.Ctim.Nano(), uint64(st.Size)}); h.claim(key) {
			h.attach(key, f, library)
			return
		}
	}
	f.Close()
}

// isPythonLibrary reports whether a path is named like CPython as a library.
func isPythonLibrary(name string) bool {
	return strings.HasPrefix(path.Base(name), "libpython")
}
