package capture

import (
	"net/netip"
	"time"
)

// Role says what a program does with what it reads.
type Role string

// The roles.
const (
	Shell       Role = "shell"       // it runs the commands it reads
	Interpreter Role = "interpreter" // it runs the program it reads
	Other       Role = ""            // anything else, and what nobody could look at
)

// Execution is one start of a program that may be worth telling although no
// script is: what is odd about it is said by its fields, not judged. Like a
// Script it is immutable evidence.
type Execution struct {
	Time    time.Time
	Process Process
	Role    Role

	// Memory says that the binary lies in memory alone: it was executed from a
	// memfd, and has no name in any folder.
	Memory bool

	// Upper says that the binary lies in the upper layer of an overlay: in a
	// container it did not come with the image, or was changed since.
	Upper bool
	Inode Inode // of the binary

	// Peer and Local are the ends of the connection that was the process's
	// standard input at its start; invalid when it was none. A connected UDP
	// socket counts.
	Peer, Local netip.AddrPort

	// Starter is the Python that started the program, or was replaced by it; nil
	// when it was no Python that the sensor followed.
	Starter *Starter

	Lost string // why something of Process is missing; "" when nothing is
}

// Starter is the Python program that another program was started by.
type Starter struct {
	Process Process // Parents left out
	Script  Digest  // of its script; zero when it was not captured, or not yet
	Path    string  // of its script; "" for one without
}
