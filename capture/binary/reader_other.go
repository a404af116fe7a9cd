//go:build !linux

package binary

import "kingsnake/capture"

// Reader describes executables; on this system it can not.
type Reader struct{}

// Describe says that executables are read on Linux only.
func (*Reader) Describe(capture.Process) File {
	return File{Unread: "executables are read on Linux only"}
}
