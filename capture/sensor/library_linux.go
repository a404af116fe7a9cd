//go:build amd64 || arm64

package sensor

import (
	"path"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/python"
)

// library is where a program has its standard library.
type library struct {
	folder string // which it has read its encodings from; "" as long as it has not
	device uint32 // that the folder lies on
	waited bool   // for the folder: something may lie in it
	given  bool   // waiting was given up
}

// learnFolder learns from the first encodings that a program reads where its
// library lies. The kernel half tells them every time. A child has what its parent
// had when it was forked, so what it reads tells nothing.
func (t *tracker) learnFolder(p *program, r *reading) {
	if p.library.folder != "" || !r.own {
		return
	}
	if p.library.folder = python.LibraryFolder(r.path); p.library.folder == "" {
		return
	}
	p.library.device = r.key.dev
	if p.library.waited {
		t.considerAll(p)
	}
}

// awaitsLibrary reports whether it is not known yet if a file lies in the library of its
// program: Python 2.7 reads others of it before its encodings.
func (p *program) awaitsLibrary(r *reading) bool {
	if p.library.folder != "" || p.library.given || !r.own || !python.MayBeLibrary(r.path) {
		return false
	}
	p.library.waited = true
	return true
}

// giveUp waits no longer for a program to tell where its library lies: it has none
// in a folder.
func (t *tracker) giveUp(p *program) {
	if p.library.folder == "" && !p.library.given {
		p.library.given = true
		if p.library.waited {
			t.considerAll(p)
		}
	}
}

// inLibrary reports whether a file belongs to the interpreter of a program and not
// to what it runs: it lies in the standard library, or in the site packages beside
// it and was there before.
func (t *tracker) inLibrary(p *program, r *reading) bool {
	return python.InLibrary(p.library.folder, r.path) ||
		python.InSitePackages(p.exec.process.Exe, p.library.folder, r.path) && t.wasThere(p, r)
}

// wasThere reports whether a file beside a program's library came with it: it lies
// on the same file system, not in an overlay's upper layer, and was last changed
// before the machine was started or, on an overlay, the container. That is said by
// its ctime, which nobody sets. Elsewhere than on overlays the start of a container
// does not count: anybody may make a pid namespace that is younger than a file.
func (t *tracker) wasThere(p *program, r *reading) bool {
	if r.upper || r.key.dev != p.library.device || !faithful(r.magic) {
		return false
	}
	start := uint64(0)
	if r.magic == unix.OVERLAYFS_SUPER_MAGIC {
		start = p.exec.outer
	}
	return time.Unix(0, r.file.Ctime).Before(t.clock.Earliest(start))
}

// learnModule remembers a module of an interpreter's library, for it is compiled
// or loaded when it has been read.
func (t *tracker) learnModule(name string, text []byte) {
	switch path.Ext(name) {
	case ".py":
		t.library.put(capture.Sum(text), struct{}{})
	case ".pyc":
		if code := python.Code(text); code != nil {
			t.library.put(capture.Sum(code), struct{}{})
			t.teacher.learnCode(code)
		}
	}
}
