//go:build !linux || !(amd64 || arm64)

package sensor

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"kingsnake/capture"
)

// Sensor captures nothing on this system: there is no way to make one.
type Sensor struct{}

func unsupported() error {
	return fmt.Errorf("%w: it needs Linux on amd64 or arm64, this is %s/%s", ErrNotSupported, runtime.GOOS, runtime.GOARCH)
}

// Open always returns an error that wraps [ErrNotSupported].
func Open(Config) (*Sensor, error) { return nil, unsupported() }

// Run returns an error that wraps [ErrNotSupported].
func (*Sensor) Run(context.Context, func(capture.Script)) error { return unsupported() }

// Follow returns an error that wraps [ErrNotSupported].
func (*Sensor) Follow(capture.Process) (capture.Past, error) { return capture.Past{}, unsupported() }

// Stats returns the zero value.
func (*Sensor) Stats() capture.Stats { return capture.Stats{} }

// Degraded says nothing: all of it is left out here.
func (*Sensor) Degraded() string { return "" }

// Close does nothing.
func (*Sensor) Close() error { return nil }

// Release reports false: nothing is held.
func (*Sensor) Release(capture.Script) bool { return false }

// Kill reports false: nothing is held.
func (*Sensor) Kill(capture.Script) bool { return false }

// Leave does nothing: nothing is held.
func (*Sensor) Leave(capture.Script) {}

// GuardFiles is how many files a guard is given.
const GuardFiles = 4

// Guard returns an error that wraps [ErrNotSupported].
func Guard([]*os.File) error { return unsupported() }

// Check says that this system is not supported.
func Check() []Capability {
	return []Capability{{
		Name:   "operating system",
		Detail: runtime.GOOS + "/" + runtime.GOARCH,
		Fix:    "run the sensor on Linux, amd64 or arm64; scan works everywhere",
	}}
}
