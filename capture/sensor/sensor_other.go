//go:build !linux || !(amd64 || arm64)

package sensor

import (
	"context"
	"fmt"
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

// Stats returns the zero value.
func (*Sensor) Stats() capture.Stats { return capture.Stats{} }

// Degraded says nothing: all of it is left out here.
func (*Sensor) Degraded() string { return "" }

// Close does nothing.
func (*Sensor) Close() error { return nil }

// Check says that this system is not supported.
func Check() []Capability {
	return []Capability{{
		Name:   "operating system",
		Detail: runtime.GOOS + "/" + runtime.GOARCH,
		Fix:    "run the sensor on Linux, amd64 or arm64; scan works everywhere",
	}}
}
