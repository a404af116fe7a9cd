//go:build !linux

package fallback

import (
	"context"
	"fmt"
	"runtime"

	"kingsnake/capture"
)

// Sensor captures nothing on this system: there is no way to make one.
type Sensor struct{}

func unsupported() error {
	return fmt.Errorf("%w: it needs Linux, this is %s", ErrNotSupported, runtime.GOOS)
}

// Open always returns an error that wraps [ErrNotSupported].
func Open(Config) (*Sensor, error) { return nil, unsupported() }

// Run returns an error that wraps [ErrNotSupported].
func (*Sensor) Run(context.Context, func(capture.Script)) error { return unsupported() }

// Stats returns the zero value.
func (*Sensor) Stats() capture.Stats { return capture.Stats{} }

// Degraded says what this package never sees.
func (*Sensor) Degraded() string { return Blind }

// Follows reports false.
func (*Sensor) Follows() bool { return false }

// Follow returns an error that wraps [ErrNotSupported].
func (*Sensor) Follow(capture.Process) (capture.Past, error) { return capture.Past{}, unsupported() }

// Close does nothing.
func (*Sensor) Close() error { return nil }

// Check finds nothing on this system.
func Check() []Status { return nil }
