package normalize

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"sync"
)

// decodeZlib decompresses as zlib.decompress does: the first option is the
// window size, which is negative for data without a header and above 15 for
// gzip data. Checksums are not insisted on, and of data that is cut off the
// part that is there is given.
func decodeZlib(in []byte, options []int64, limit int) ([]byte, bool) {
	if len(options) > 0 {
		switch bits := options[0]; {
		case bits < 0:
			return inflate(in, limit)
		case bits > 15 && bytes.HasPrefix(in, []byte{0x1f, 0x8b}):
			return decodeGzip(in, nil, limit)
		}
	}
	r := inflaters.Get().(*inflater)
	defer inflaters.Put(r)
	defer r.src.Reset(nil)
	r.src.Reset(in)
	var err error
	if r.zlib == nil {
		r.zlib, err = zlib.NewReader(&r.src)
	} else {
		err = r.zlib.(zlib.Resetter).Reset(&r.src, nil)
	}
	if err != nil {
		return nil, false
	}
	return readUpTo(r.zlib, limit)
}

// inflater is a reader of zlib data, with a window and tables of some 80 KiB,
// that is used again: guesses are many, and most come to nothing.
type inflater struct {
	src  bytes.Reader
	zlib io.ReadCloser
}

var inflaters = sync.Pool{New: func() any { return &inflater{} }}

// inflate decompresses data without a header.
func inflate(in []byte, limit int) ([]byte, bool) {
	return readUpTo(flate.NewReader(bytes.NewReader(in)), limit)
}

// decodeGzip decompresses gzip data.
func decodeGzip(in []byte, _ []int64, limit int) ([]byte, bool) {
	r, err := gzip.NewReader(bytes.NewReader(in))
	if err != nil {
		return nil, false
	}
	return readUpTo(r, limit)
}

// readUpTo reads at most limit bytes. What came before an error counts.
func readUpTo(r io.Reader, limit int) ([]byte, bool) {
	var out bytes.Buffer
	_, err := io.Copy(&out, io.LimitReader(r, int64(limit)))
	return out.Bytes(), out.Len() > 0 || err == nil
}
