//go:build !linux || !(amd64 || arm64)

package rights

import "errors"

var errNotHere = errors.New("giving up rights is not supported here: it needs Linux on amd64 or arm64")

// Capabilities are those the sensor uses; none on this system.
func Capabilities(Use) []Capability { return nil }

// Reduce fails on this system.
func Reduce(Use) error { return errNotHere }

// Isolate fails on this system.
func Isolate() error { return errNotHere }

// Refuse fails on this system.
func Refuse() error { return errNotHere }

// Granted fails on this system.
func Granted() (uint64, error) { return 0, errNotHere }
