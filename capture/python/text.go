package python

import (
	"bytes"
	"strings"

	"kingsnake/capture"
)

// EndOfArchive begins the record that a zip archive ends with.
const EndOfArchive = "PK\x05\x06"

// IsArchive reports whether a text ends as a zip archive does: with a record
// of 22 bytes and a comment of at most 64 KiB.
func IsArchive(text []byte) bool {
	return bytes.Contains(text[max(0, len(text)-22-65535):], []byte(EndOfArchive))
}

// KindOf tells a script from the other things that are run by the path of a
// file: a compiled file or an archive.
func KindOf(path string, text []byte) capture.Kind {
	switch {
	case strings.HasSuffix(path, ".pyc"), len(text) > 16 && text[2] == '\r' && text[3] == '\n' && bytes.IndexByte(text[:16], 0) >= 0:
		return capture.Bytecode
	case IsArchive(text):
		return capture.Zipapp
	}
	return capture.File
}
