// Package fallback captures the Python that runs on a Linux machine where BPF
// cannot be used: by what the kernel tells of processes and opened files, and by looking at
// them afterwards. It sees less than kingsnake/capture/sensor, and says so.
//
// # How it captures
//
//   - The proc connector (netlink) tells that a process forked, executed a
//     binary, or ended.
//   - fanotify tells that a file was opened, to be run or to be read, and hands
//     over the file itself: one that deletes itself is still had.
//   - /proc says the rest: the binary, arguments, environment, folder, cgroup,
//     ancestors and open files of a process that is still there.
//
// Either of the first two suffices. Without the proc connector what is forked is
// not followed; without fanotify neither imports nor modules outside of the
// working folder are seen, and files are found by their names.
//
// Which text runs is decided as everywhere (kingsnake/capture/python). A -c text is
// the argument; a script is delivered when it is opened, or else as it lay at its path when the process
// started; [capture.Script].Indirect says which. Modules that are opened outside of the
// interpreter's own library, as kingsnake/capture/sensor has it but for what only
// the kernel knows, are delivered with kind [capture.Import].
//
// # What it cannot see
//
// Text that comes through a pipe, a FIFO, a socket or a terminal; a memfd that
// is not open as a descriptor when it is named; text compiled at run time; members of
// archives that are read later; what lies on network file systems and on FUSE, which could make it hang;
// what ran before it started. It holds nothing; of a process that is followed it sees what
// that starts and executes, not what it connects to and writes; of other programs it tells only of those
// that are executed from memory alone. A process that ends before it is looked at is counted; so are
// notices that the kernel had no room for. Whether a module was imported or only
// read is not known.
//
// # Safety
//
// It only takes notices: no permission events, so nothing ever waits for it. No
// pipe is opened, because to open one is to change it. Queues, texts and tables are
// bounded, and everything that is dropped is counted by reason ([Sensor.Stats]).
package fallback

import (
	"errors"

	"kingsnake/capture"
)

// ErrNotSupported is wrapped by the error of [Open] when nothing can be watched
// here. The message says why, and what to do.
var ErrNotSupported = errors.New("watching without BPF is not supported here")

// Config sets the bounds of a sensor. The zero value is what most want.
type Config struct {
	// Memory is how many bytes of texts may be held while they wait to be
	// opened. Zero means 64 MiB.
	Memory int

	// Executed is called for each execution of a binary that lies in memory alone;
	// nil: nobody is told. It must not block.
	Executed func(capture.Execution)

	// Acted is called for what processes do that Follow follows; nil: nobody is
	// told. It must not block either.
	Acted func(capture.Activity)

	// No* leave a way to watch out, for tests.
	NoConnector, NoFiles bool
}

// Blind says in plain words what a sensor of this package never sees.
const Blind = "scripts in pipes, FIFOs and terminals, texts compiled at run time, members of archives, and files on FUSE and network file systems are not seen; " +
	"nothing is held; of a followed process only what it starts and executes is seen, and of other programs only those that lie in memory alone"

// Status is what Check found of one way to watch.
type Status struct {
	Name   string // short, for a table
	OK     bool
	Detail string // what it gives, or why it cannot be had
}
