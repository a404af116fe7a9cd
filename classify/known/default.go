package known

import (
	_ "embed" // for the index below
	"fmt"
	"sync"
	"unsafe"
)

// The index that the program brings along is built by "make known" and must not
// be edited. It is a string because those lie where nobody can write, and need
// not stay in memory once they were read.
//
//go:embed debian.index
var debian string

var load = sync.OnceValues(func() (*Index, error) {
	ix, err := parse(unsafe.Slice(unsafe.StringData(debian), len(debian))) // which only reads
	if err != nil {
		return nil, fmt.Errorf("read the embedded index of known files: %w", err)
	}
	return ix, nil
})

// Default returns the index that the program brings along: files of Debian. It
// is read once; the result is shared.
func Default() (*Index, error) { return load() }
