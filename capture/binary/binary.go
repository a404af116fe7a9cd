// Package binary describes a process's executable: its size and SHA-256, as a
// finding shows them and as VirusTotal knows them.
//
// A process may be gone when it is asked about. Then the file is looked up by
// its path under the root of an ancestor that shares the process's mount
// namespace. Nothing is ever followed out of that root, and only regular files
// are read.
package binary

// MaxSize is the largest executable that is hashed.
const MaxSize = 256 << 20

// File is a description of an executable. SHA256 is empty, and Unread says why,
// when it could not be read.
type File struct {
	SHA256 string
	Size   int64
	Unread string
}
