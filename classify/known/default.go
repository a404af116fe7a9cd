package known

import (
	_ "embed" // for the index below
	"fmt"
	"sync"
)

// The index that the program brings along is built by "make known" and must not
// be edited.
//
//go:embed debian.index
var debian []byte

var load = sync.OnceValues(func() (*Index, error) {
	ix, err := parse(debian)
	if err != nil {
		return nil, fmt.Errorf("read the embedded index of known files: %w", err)
	}
	return ix, nil
})

// Default returns the index that the program brings along: files of Debian. It
// is read once; the result is shared.
func Default() (*Index, error) { return load() }
