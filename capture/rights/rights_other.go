//go:build !linux || !(amd64 || arm64)

package rights

import "errors"

var errNotHere = errors.New("giving up rights is not supported here: it needs Linux on amd64 or arm64")

// Capabilities are those the sensor uses; none on this system.
func Capabilities() []Capability { return nil }

// Reduce fails on this system.
func Reduce() error { return errNotHere }

// Isolate fails on this system.
func Isolate() error { return errNotHere }

// Refuse fails on this system.
func Refuse() error { return errNotHere }
