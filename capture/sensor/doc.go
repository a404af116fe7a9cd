// Package sensor captures the Python that runs on a Linux machine: the bytes
// that each interpreter read, and the process that ran them.
//
// # How capture works
//
// Small eBPF programs (in the folder bpf) run in the kernel at these places.
//
//   - When a binary is executed, its arguments, environment, paths, cgroup,
//     namespaces and ancestors are copied out, before the process does anything.
//   - When a read or pread64 system call of an interpreter returns, the bytes it
//     returned are copied out, with the file they came from. The text of a script
//     is therefore what the interpreter was given, not what a path holds later:
//     a script that deletes itself, a pipe and a memfd are all the same.
//   - When an interpreter forks, its child is followed too; when a process ends,
//     what is left of it is delivered.
//
// Where the kernel allows user probes, interpreters are attached to as well, at
// a handful of functions that are called once a text: what exec, eval, compile,
// ast.parse, marshal.loads and marshal.load get is copied out, after what hid it
// was undone, and delivered with kind [capture.Compiled] and the digest of the
// program's own script as its Parent. Each distinct text of a program comes
// once. Without user probes everything else works: see [Sensor.Degraded].
//
// In user space a program's arguments are parsed as CPython parses them, and
// reads are put together by offset. A script is delivered as soon as it is
// whole: at once for -c, when the file is covered, when standard input ends.
// After its script only files named like modules (.py, .pyc, .pyw) are
// followed; those outside the interpreter's own library are delivered with kind
// [capture.Import]. The library is the folder that the program has read its
// encodings from, and the packages beside it that came with the image or the
// machine: docs/capture.md has the rule.
//
// # What is unknown is captured
//
// The kernel half follows everything it knows nothing about: binaries whose
// class is unknown, files never read before. User space teaches it what to
// leave out: binaries that are no interpreter (decided by looking at their
// symbols, never at their name), the compiled library but for the file that tells
// where it lies, and files whose content it already has. A lesson that comes late, or was forgotten, costs
// time and never a script.
//
// A file or binary is only taught as known when its content cannot change
// without a sign: on file systems that keep ctime faithfully, when ctime is at
// least two seconds old, when nobody has the file open for writing, and on
// overlays only when the file is older than the container.
//
// # What is told beside scripts
//
// Executions with something odd about them are told to Config.Executed: of a
// binary in memory alone or in an overlay's upper layer, of a shell or an
// interpreter whose standard input is a connection, and of a shell that a Python
// started. [Sensor.Follow] follows a process for a minute and tells Config.Acted
// what it and those that come of it do. What that costs, and what it cannot see,
// is in docs/adr/0017-companions.md.
//
// # What it may lose
//
// Everything that is dropped or cut is counted by reason ([Sensor.Stats]), and
// said in the Lost field of the script it touches. The rings in the kernel are
// bounded: when they are full, records are dropped. So are the memory for texts
// being put together, the number of programs followed, and the bytes read of
// one file. Scripts longer than [capture.MaxText] are cut.
//
// What it does not see: interpreters that were started before it; files that
// are mapped or read by other system calls than read and pread64 (CPython uses
// no other for source); 32-bit interpreters on a 64-bit kernel; static
// interpreters without any symbol; bytecode imported from archives after the
// script has begun. Texts compiled at run time are missed until an interpreter
// that was never seen before is attached to, which takes some milliseconds; so
// are syntax trees put together by hand, and what a program compiles beyond 512
// texts or 16 MiB a second, which is counted and said of the program.
//
// # Holding
//
// With [Config.Hold] a process is stopped when its script has been read, until
// the receiver of the script says what becomes of it ([Sensor.Release],
// [Sensor.Kill], [Sensor.Leave]); the Held field of the script tells. Whatever
// happens to the receiver, the sensor or its process, nothing stays stopped for
// long: see [Hold]. docs/adr/0016 has the races and their limits.
//
// # Kernels and rights
//
// Where BPF cannot be used kingsnake/capture/fallback captures, and sees less.
//
// Linux 5.10 or later with BTF (/sys/kernel/btf/vmlinux), on amd64 and arm64.
// Root is enough; otherwise CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE (to look at
// binaries and ancestors through /proc) and, where tracefs is not mounted,
// CAP_SYS_ADMIN, as for user probes before Linux 6.6. No kprobe, fentry or LSM hook is used, so lockdown in
// integrity mode does not matter. It must run in the machine's first pid
// namespace. [Check] says what is missing, in plain words.
//
// Probes are host-wide: processes on the host appear beside those in
// containers. This package does not know containers (kingsnake/workload does),
// judges nothing and stores nothing.
package sensor

import (
	"errors"
	"os"
	"time"

	"kingsnake/capture"
)

// ErrNotSupported is wrapped by the error of [Open] when this machine cannot
// run the sensor: another system, too old a kernel, missing rights. The message
// says which, and what to do.
var ErrNotSupported = errors.New("capturing is not supported here")

// Config sets the bounds of a sensor. The zero value is what most want.
type Config struct {
	// Memory is how many bytes of texts may be held while they are put together
	// or kept because they are read again and again. Zero means 48 MiB.
	Memory int

	// ExecRing and DataRing are the sizes, in bytes, of the kernel's rings of
	// executions and of what is read. They are rounded up to a power of two. Zero
	// means one MiB and four for each processor, at least two processors and at most four.
	ExecRing, DataRing int

	// BytesPerSecond is how many bytes of files, arguments and compiled texts are
	// taken in a second, of the whole machine. A cgroup may take four times what
	// is left of them, so that one that reads without end leaves a fifth for others;
	// the first 64 KiB of a file only have to fit the whole. What is over is counted.
	// Zero means 128 MiB.
	BytesPerSecond int

	// Executed is called for each execution that is worth telling; nil: nobody
	// is told. It must not block: what waits in the kernel is lost.
	Executed func(capture.Execution)

	// Acted is called for what processes do that Follow follows; nil: nobody is
	// told. It must not block either.
	Acted func(capture.Activity)

	// Hold, when it is not nil, has processes held until their script is judged.
	Hold *Hold
}

// Hold says how processes are held until their script is judged. Which ones
// is for the receiver of the scripts to say: a process in a container that
// nothing is known of is held once, and [Sensor.Leave] ends that.
type Hold struct {
	// Wait is the longest that a process is held. Zero means 500 milliseconds.
	// It is let go some 20 milliseconds after it, at the latest.
	Wait time.Duration

	Host bool // hold outside of containers too
	Jobs bool // hold what runs at a terminal or as a shell's job too; the shell sees it stop

	// Guard starts another process that calls [Guard] with the same files, as
	// its descriptors from 3 on. It lets everything go on when this process is
	// no more. It is called again when the guard has ended.
	Guard func(files []*os.File) error

	// Pins is a folder on a BPF file system, where what is held is remembered in
	// case this process and the guard are killed at once: the next sensor lets it
	// go. "" means /sys/fs/bpf, if that is one.
	Pins string

	known bool // only hold in cgroups that were named; for tests
}

const defaultBytes = 128 << 20 // of Config.BytesPerSecond

// Capability is one thing the sensor needs of a machine, and whether it is there.
type Capability struct {
	Name     string // short, for a table
	OK       bool
	Optional bool   // the sensor captures without it, but less
	Detail   string // what was found, and the cause as far as it can be told
	Fix      string // what to do; "" when OK
}
