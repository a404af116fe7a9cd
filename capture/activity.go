package capture

import (
	"errors"
	"time"
)

// Why a process is not followed, although nothing is wrong.
var (
	ErrEnded    = errors.New("the process has ended")
	ErrFollowed = errors.New("the process is followed already, or another one for it")
)

// ErrTooMany says that as many processes are followed as can be.
var ErrTooMany = errors.New("too many processes are followed already")

// Act is a kind of activity.
type Act string

// The acts of a followed process.
const (
	Forked    Act = "forked"    // it started the process that Target numbers
	Executed  Act = "executed"  // it executed Target, with Args
	Connected Act = "connected" // it asked to be connected with Target
	Wrote     Act = "wrote"     // it opened the file Target for writing

	// Uncaptured: it compiled code at run time that was not captured. Target says
	// why, as a Script's Lost does.
	Uncaptured Act = "uncaptured"
)

// Past is what a process, and those that came of it, did shortly before it was
// followed.
type Past struct {
	Acts    []Activity // in the order of time
	Omitted int        // how many more there were, as far as is known
}

// Activity is one thing that a process did while it was followed or shortly
// before, see kingsnake/capture/sensor.Sensor.Follow. Like a Script it is immutable
// evidence.
type Activity struct {
	Time time.Time

	// PID and Start name the process that Follow was called with.
	PID   int
	Start time.Time

	By  int // the process that did it: the first one, or one that came of it
	Act Act

	// Target is a process's number, a binary's or file's absolute path as the
	// process sees it, "ADDRESS:PORT", or "unix:PATH" for a local socket ("@" in
	// the place of a first NUL).
	Target string
	Args   []string // of Executed
}
