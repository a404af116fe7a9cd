// Package capture holds what ran: the Script type, one executed Python text and
// how it came to run.
//
// A Script is immutable evidence. It is built once by a sensor
// (kingsnake/capture/sensor on Linux) or by a reader of files
// (the scan command) and then only read. The package imports nothing but the
// standard library, so the classifier and the trainer build on any system.
//
// It does not capture anything itself, and knows nothing of containers: that
// is kingsnake/workload.
package capture

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// MaxText is the most bytes of one script that are kept. A longer script is
// cut there, is marked Truncated, and its digest is that of the kept prefix.
const MaxText = 8 << 20

// Kind says by which door a text reached the interpreter.
type Kind string

// The kinds of script. Corpus rows use three more, which only training knows:
// see kingsnake/classify.
const (
	File     Kind = "file"     // python3 script.py, or a shebang line
	Command  Kind = "c"        // python3 -c TEXT
	Stdin    Kind = "stdin"    // text read from standard input
	Module   Kind = "module"   // python3 -m NAME
	Package  Kind = "package"  // a folder, or -m NAME, that ran __main__.py
	Zipapp   Kind = "zipapp"   // a zip archive with __main__.py
	Bytecode Kind = "pyc"      // a compiled file given as the script
	Bundle   Kind = "bundle"   // the scripts in an executable that PyInstaller made
	Import   Kind = "import"   // a module the script imported, but for the interpreter's own library and the packages that came with it
	Compiled Kind = "compiled" // text compiled at run time: exec, eval, compile
)

// Digest is the SHA-256 of a script's kept bytes. The zero Digest means none.
type Digest [sha256.Size]byte

// Sum returns the digest of text.
func Sum(text []byte) Digest { return sha256.Sum256(text) }

// String returns the digest in lower-case hexadecimal, or "" for the zero Digest.
func (d Digest) String() string {
	if d == (Digest{}) {
		return ""
	}
	return hex.EncodeToString(d[:])
}

// Script is one executed text and how it ran. The receiver of a Script must
// not change it.
type Script struct {
	Kind Kind
	Time time.Time // when the interpreter was started or the module was read

	// Text is the exact bytes the interpreter read, at most MaxText of them.
	// For Command it is the argument after -c, byte for byte.
	Text   []byte
	Digest Digest // of Text

	// Size is how many bytes the whole script has. It exceeds len(Text) only
	// when Truncated.
	Size      int64
	Truncated bool // the script is longer than MaxText

	// Lost says why bytes are missing from Text although the script is not too
	// long ("ring full", "exec lost", "process ended early", …); "" when
	// nothing is missing.
	Lost string

	// Indirect says where Text was taken from when it is not what was copied as the
	// interpreter read it, but something beside it that may differ: "the process's
	// arguments", "the file, when it had been opened". "" where BPF captures.
	Indirect string

	// Path is the script's absolute path as its own process sees it; "" for
	// Command, and for Stdin unless standard input was redirected from a file.
	Path  string
	Inode Inode // what lies at Path; the zero Inode when there is no file

	// MaybeData says of an Import that nothing shows it was one: the process did not
	// look for the compiled form first, as imports do, so it may have read the file
	// as data, as a linter or a scanner does. False where that is not known, and of
	// compiled modules. If it then makes code of what it read, the text comes once
	// more, as Compiled; a tree (ast.parse) is not code yet.
	MaybeData bool

	// Parent is the digest of the script that imported or compiled this one;
	// zero for a program's own script.
	Parent Digest

	Process Process

	// Held is since when the process is stopped, and waits for a verdict; zero
	// when it does not wait. Whoever receives such a Script must have the
	// sensor let the process go, or end it.
	Held time.Time
}

// Inode identifies a file's content at the moment it was read.
type Inode struct {
	Device     uint64
	Number     uint64
	Changed    time.Time // ctime: last change of content or metadata
	Filesystem string    // "overlay", "tmpfs", "ext4", "memfd", "pipe", or "0x…" for an unnamed magic
}

// Process is the process that ran a script, as it was just after exec.
type Process struct {
	PID   int
	PPID  int
	Start time.Time // when it was started; with PID this names a process once and for all
	UID   uint32
	GID   uint32

	Comm          string // the kernel's short name, at most 15 bytes
	Exe           string // absolute path of the running binary, as the process sees it
	Cwd           string
	Args          []string // argv, Args[0] included
	ArgsTruncated bool
	Env           []string // "NAME=value"
	EnvTruncated  bool

	// Cgroup is the process's cgroup path, or its last components; "" when it was
	// not read, or its beginning was cut off.
	Cgroup string

	PIDNamespace   uint32 // inode number of the namespace; 0 when not read
	MountNamespace uint32

	// Parents are the process's ancestors, nearest first, as far as they were
	// seen. Only PID, Start, Comm, Exe and Args of a parent are filled in.
	Parents []Process
}

// CompiledTooMuch is the reason in Stats for texts that a program compiled beyond
// what is taken of one program in a second.
const CompiledTooMuch = "compiled: too much in a second"

// Stats counts what a capturing source saw and what it lost since it started.
// It is safe to copy.
type Stats struct {
	Seen uint64            // scripts delivered
	Lost map[string]uint64 // by reason: what was dropped, cut or unreadable
}
