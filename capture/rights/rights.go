// Package rights gives up what a process of kingsnake may do and does not need.
//
// The sensor is powerful while it loads its programs into the kernel. When it
// is attached it keeps only the capabilities that what it does later needs
// ([Reduce]), and may no longer make the system calls that an intruder would
// want first ([Refuse]). The process that takes hostile scripts apart keeps
// nothing: it reads from one pipe, writes to another, and can open, connect and
// start nothing ([Isolate]).
//
// All of it is for the whole process and cannot be taken back; processes it
// starts later inherit it. The lists say for each right which feature needs it;
// docs/rights.md has the same for those who run the sensor.
//
// What a container runtime or systemd forbids on top is theirs. The package
// grants nothing.
package rights

// Use is what rights are needed for.
type Use int

// The two ways to capture.
const (
	WithBPF    Use = iota // kingsnake/capture/sensor
	WithoutBPF            // kingsnake/capture/fallback
)

// Capability is a right of Linux, and what the sensor needs it for.
type Capability struct {
	Name    string // without CAP_
	Bit     uint   // its number
	For     string // the feature, for people
	Without string // what is lost without it, for people
	Kept    bool   // it is needed after the sensor is attached, too
	Must    bool   // without it nothing is captured
}

// nothing is what there is without a capability that must be had.
const nothing = "nothing is captured"
