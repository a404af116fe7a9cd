package normalize

import (
	"bytes"
	"compress/bzip2"
)

// decodeBz2 decompresses as bz2.decompress does. Of data that is cut off or
// damaged, the blocks before that are given.
func decodeBz2(in []byte, _ []int64, limit int) ([]byte, bool) {
	if len(in) < 4 || string(in[:3]) != "BZh" {
		return nil, false
	}
	return readUpTo(bzip2.NewReader(bytes.NewReader(in)), limit)
}
