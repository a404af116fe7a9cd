//go:build amd64 || arm64

package sensor

import (
	"bytes"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"kingsnake/capture/proc"
	"kingsnake/capture/python"
)

// settled is how old a file's last change must be before its content is taken
// as known: a change within one tick of the kernel's clock leaves ctime as it is.
const settled = 2 * time.Second

// maxContent is the largest file whose content is kept.
const maxContent = 1 << 20

// teacher tells the kernel half what to leave out, and keeps the content of
// files that it then only mentions.
type teacher struct {
	modes, known, binaries, code *ebpf.Map
	hash                         textHash

	contents *lru[probeFileKey, []byte]
	held     int // bytes in contents
	limit    int
}

func newTeacher(k *kernel, limit int) *teacher {
	t := &teacher{limit: limit}
	if k != nil {
		t.modes, t.known, t.binaries, t.code = k.objects.Modes, k.objects.Known, k.objects.Binaries, k.objects.LibraryCode
		t.hash = k.probes.hash
	}
	t.contents = newLRU(16384, func(file probeFileKey, content []byte) {
		t.held -= len(content)
		t.forget(file)
	})
	return t
}

// An update that fails is a lesson not given: what it would have left out is
// captured, and nothing is lost. So the errors below are of no interest.

func (t *teacher) setMode(id probeProgram, mode probeProgramMode) {
	if t.modes != nil {
		_ = t.modes.Put(id, mode)
	}
}

func (t *teacher) learnBinary(file probeFileKey, class probeBinaryClass) {
	if t.binaries != nil {
		_ = t.binaries.Put(file, class)
	}
}

func (t *teacher) learnFile(file probeFileKey, state probeFileState) {
	if t.known != nil {
		_ = t.known.Put(file, state)
	}
}

// learnCode teaches compiled code of an interpreter's library.
func (t *teacher) learnCode(code []byte) {
	if t.code != nil {
		_ = t.code.Put(probeCodeKey{Hash: t.hash.sum(code), Len: uint64(len(code))}, uint32(1))
	}
}

// forget makes the kernel half send a file's bytes again.
func (t *teacher) forget(file probeFileKey) {
	if t.known != nil {
		_ = t.known.Delete(file)
	}
}

// keep keeps a file's content and has it only mentioned from now on.
func (t *teacher) keep(file probeFileKey, content []byte) {
	if len(content) > maxContent {
		return
	}
	if old, ok := t.contents.get(file); ok {
		t.held -= len(old)
	}
	for t.held+len(content) > t.limit {
		if !t.contents.dropOldest() {
			return
		}
	}
	t.held += len(content)
	t.contents.put(file, bytes.Clone(content))
	t.learnFile(file, probeFileStateFILE_HAVE)
}

func (t *teacher) content(file probeFileKey) ([]byte, bool) { return t.contents.get(file) }

// dropOldest frees the content used least recently.
func (t *teacher) dropOldest() bool { return t.contents.dropOldest() }

// learn teaches what a whole reading showed.
func (t *tracker) learn(p *program, r *reading) {
	if r.stream || r.file.Size == 0 || !r.text.whole() || r.text.truncated || !t.trusted(r.file, r.magic, r.readAt, p.exec.reaper, r.writers) {
		return
	}
	if t.leftOut(p, r) {
		t.teacher.leaveOut(r)
		return
	}
	t.teacher.keep(r.file, r.text.bytes)
}

// leftOut reports whether a file is a compiled module of a program's library.
func (t *tracker) leftOut(p *program, r *reading) bool {
	return strings.HasSuffix(r.path, ".pyc") && strings.Contains(r.path, "/__pycache__/") && t.inLibrary(p, r)
}

// leaveOut teaches that a compiled module of a library is left out.
func (t *teacher) leaveOut(r *reading) {
	state := probeFileState(probeFileStateFILE_IGNORE)
	if python.LibraryFolder(r.path) != "" {
		state = probeFileStateFILE_LIBRARY
	}
	t.learnFile(r.file, state)
}

// learnKept has a file left out that is of the program's library, and was kept
// because it was not of the library of who read it before.
func (t *tracker) learnKept(p *program, r *reading) {
	if content, ok := t.teacher.content(r.file); ok && r.have == probeFileStateFILE_HAVE && t.leftOut(p, r) {
		t.learnModule(r.path, content)
		t.teacher.leaveOut(r)
	}
}

// learnLibrary teaches that a shared object is left out: the dynamic loader
// reads only its beginning, so it is never whole. One with an interpreter in it
// is told each time: it may not have been attached to yet. One that is named like a
// module may be loaded as one, from behind what makes it look like an object.
func (t *tracker) learnLibrary(p *program, r *reading) {
	if r.finished || !p.certain {
		return
	}
	r.finished = true
	t.drop(r)
	if !isPythonLibrary(r.path) && !python.IsModule(r.path) && t.trusted(r.file, r.magic, r.readAt, p.exec.reaper, r.writers) {
		t.teacher.learnFile(r.file, probeFileStateFILE_IGNORE)
	}
}

// trusted reports whether a file that was looked at at readAt cannot have had
// another content with the same key.
func (t *tracker) trusted(file probeFileKey, magic, readAt, reaper uint64, writers bool) bool {
	if writers || !faithful(magic) {
		return false
	}
	at := time.Now().Add(-time.Duration(proc.SinceBoot() - readAt))
	changed := time.Unix(0, file.Ctime)
	if at.Sub(changed) < settled {
		return false
	}
	// Whoever maps a file through an overlay may change it without a new ctime,
	// but only in the upper layer, which is younger than the container.
	return magic != unix.OVERLAYFS_SUPER_MAGIC || changed.Before(t.clock.Wall(reaper))
}

// faithful reports whether a file system is a local one that keeps ctime.
func faithful(magic uint64) bool {
	switch magic {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC,
		unix.F2FS_SUPER_MAGIC, unix.SQUASHFS_MAGIC, unix.EROFS_SUPER_MAGIC_V1, proc.ZFSMagic:
		return true
	}
	return false
}

// ask returns a function that looks at the binary of an exec for classify, and at
// the scripts in it; nil if that is not needed. It may be called without holding the tracker, so that what
// is read meanwhile is not held up.
func (t *tracker) ask(e *event) func() {
	x, ok := t.pending.get(e.Program)
	if !ok || !faithful(e.Magic) {
		return nil
	}
	trusted := t.trustedBinary(e)
	kind, known := t.looker.kinds.get(e.File)
	if known = known && trusted; known && kind != python.Embedder {
		return nil
	}
	pids, exe := x.pids(e), x.exe
	return func() {
		if !known {
			kind = t.looker.kindOf(pids, exe, e, trusted)
			e.kind, e.looked = kind, true
		}
		if kind == python.Embedder {
			e.bundle = t.looker.scripts(pids, exe, e.File)
		}
	}
}

// trustedBinary reports whether what is found out of a binary may be remembered.
func (t *tracker) trustedBinary(e *event) bool {
	// A memfd may be written to again.
	return t.trusted(e.File, e.Magic, e.Time, e.exec.Reaper, false) && e.exec.Signs&probeSignSIGN_MEMORY == 0
}

// kindOf looks at the binary of an exec. What is remembered is worth more looking.
func (l *looker) kindOf(pids []int, exe string, e *event, remembered bool) python.Binary {
	kind := l.classify(pids, exe, e)
	if kind == python.NoPython && l.scripts(pids, exe, e.File) != nil {
		return python.Embedder // packed, or made not to look like one
	}
	if kind == python.NoPython {
		kind = l.shellKind(pids, exe, e, remembered)
	}
	return kind
}

// classify decides what a binary that was executed is, and teaches it.
func (t *tracker) classify(e *event, x *pieces) python.Binary {
	trusted := t.trustedBinary(e)
	if trusted {
		if kind, ok := t.looker.kinds.get(e.File); ok {
			return kind
		}
	}
	if !faithful(e.Magic) {
		return python.NotLookedAt // It may be one that answers when it likes.
	}
	if !e.looked {
		e.kind = t.looker.kindOf(x.pids(e), x.exe, e, trusted)
	}
	kind := e.kind
	if trusted && kind != python.NotLookedAt {
		t.looker.kinds.put(e.File, kind)
		switch kind {
		case python.NoPython:
			t.teacher.learnBinary(e.File, probeBinaryClassBINARY_OTHER)
		case python.Shell, python.Multicall, python.Scripter:
			t.teacher.learnBinary(e.File, probeBinaryClassBINARY_SHELL)
		case python.Interpreter, python.Embedder:
			t.teacher.learnBinary(e.File, probeBinaryClassBINARY_PYTHON)
		}
	}
	return kind
}
