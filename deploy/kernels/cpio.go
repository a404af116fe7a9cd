package kernels

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// archive writes a file system that a kernel unpacks into its memory: cpio in
// the format "newc", as in early-userspace/buffer-format.rst of the kernel's
// documentation. Everything belongs to root. The first error is kept for close.
type archive struct {
	w    *bufio.Writer
	have map[string]bool // paths written
	err  error
}

func newArchive(w io.Writer) *archive {
	return &archive{w: bufio.NewWriterSize(w, 1<<20), have: map[string]bool{"/": true}}
}

// entry is one file of an archive.
type entry struct {
	name         string // from the root
	mode         uint32 // type and permissions, as in stat.h
	changed      time.Time
	size         int64
	major, minor int // of a device
}

// Types of file in a mode, from stat.h.
const (
	typeFolder = 0o040000
	typeDevice = 0o020000
	typeFile   = 0o100000
	typeLink   = 0o120000
)

// add writes an entry and the folders it lies in. The second of a path is left
// out.
func (a *archive) add(e entry, body io.Reader) {
	e.name = path.Clean(e.name)
	if a.err != nil || a.have[e.name] {
		return
	}
	if parent := path.Dir(e.name); !a.have[parent] {
		a.folder(parent, 0o755)
	}
	a.have[e.name] = true
	a.header(len(a.have), e)
	n, err := io.Copy(a.w, body)
	if err == nil && n != e.size {
		err = fmt.Errorf("%s changed while it was read", e.name)
	}
	if a.err == nil {
		a.err = err
	}
	a.pad(e.size)
}

func (a *archive) header(ino int, e entry) {
	const links, none = 1, 0
	var mtime int64
	if !e.changed.IsZero() {
		mtime = e.changed.Unix()
	}
	name := strings.TrimPrefix(e.name, "/")
	n, err := fmt.Fprintf(a.w, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		ino, e.mode, none, none, links, mtime, e.size, none, none, e.major, e.minor, len(name)+1, none, name)
	if a.err == nil {
		a.err = err
	}
	a.pad(int64(n))
}

// pad fills up to a multiple of four.
func (a *archive) pad(n int64) {
	if _, err := a.w.Write(make([]byte, -n&3)); a.err == nil {
		a.err = err
	}
}

func (a *archive) folder(name string, perm uint32) {
	a.add(entry{name: name, mode: typeFolder | perm}, strings.NewReader(""))
}

func (a *archive) link(name, target string) {
	a.add(entry{name: name, mode: typeLink | 0o777, size: int64(len(target))}, strings.NewReader(target))
}

func (a *archive) text(name string, perm uint32, text string) {
	a.add(entry{name: name, mode: typeFile | perm, size: int64(len(text))}, strings.NewReader(text))
}

func (a *archive) device(name string, major, minor int) {
	a.add(entry{name: name, mode: typeDevice | 0o600, major: major, minor: minor}, strings.NewReader(""))
}

// file copies a regular file of this machine, with the time of its last change:
// Python compares that with what it keeps compiled.
func (a *archive) file(name, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode().Type() != 0 {
		return &fs.PathError{Op: "copy", Path: from, Err: fs.ErrInvalid}
	}
	a.add(entry{name: name, mode: typeFile | uint32(info.Mode().Perm()), changed: info.ModTime(), size: info.Size()}, f)
	return a.err
}

// close ends the archive. Another one may follow it in the same file.
func (a *archive) close() error {
	a.header(0, entry{name: "TRAILER!!!"})
	if err := a.w.Flush(); a.err == nil {
		a.err = err
	}
	return a.err
}
