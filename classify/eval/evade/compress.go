package evade

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"sort"
)

// zlibOf compresses as Python's zlib.compress does.
func zlibOf(src []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write(src) //nolint:errcheck // a buffer takes everything
	w.Close()
	return out.Bytes()
}

func gzipOf(src []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(src) //nolint:errcheck // a buffer takes everything
	w.Close()
	return out.Bytes()
}

// xzOf writes the .xz container that Python's lzma reads, with chunks that are
// stored, not compressed: the format allows it, and a reader sees no difference.
func xzOf(src []byte) []byte {
	le := binary.LittleEndian
	sum := func(b []byte) []byte { return le.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	flags := []byte{0, 1} // the check is a CRC-32
	out := append([]byte("\xfd7zXZ\x00"), sum(flags)...)
	block := sum([]byte{2, 0, 0x21, 1, 20, 0, 0, 0}) // LZMA2, a dictionary of 4 MiB
	start := len(out)
	out = append(out, block...)
	for at, control := 0, byte(1); at < len(src); control = 2 {
		n := min(len(src)-at, 1<<16)
		out = append(out, control, byte((n-1)>>8), byte(n-1))
		out = append(out, src[at:at+n]...)
		at += n
	}
	out = append(out, 0)
	size := len(out) - start + 4
	for (len(out)-start)%4 != 0 {
		out = append(out, 0)
	}
	out = le.AppendUint32(out, crc32.ChecksumIEEE(src))
	index := []byte{0, 1}
	index = binary.AppendUvarint(index, uint64(size))
	index = binary.AppendUvarint(index, uint64(len(src)))
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = sum(index)
	out = append(out, index...)
	footer := append(le.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	out = le.AppendUint32(out, crc32.ChecksumIEEE(footer))
	return append(append(out, footer...), "YZ"...)
}

// bitWriter writes bits, the highest first.
type bitWriter struct {
	out  []byte
	free uint // bits left in the last byte
}

func (w *bitWriter) write(value uint64, n uint) {
	for ; n > 0; n-- {
		if w.free == 0 {
			w.out, w.free = append(w.out, 0), 8
		}
		w.free--
		w.out[len(w.out)-1] |= byte(value>>(n-1)&1) << w.free
	}
}

// bzip2Of writes a .bz2 file of one block, whose codes are all of about the
// same length: the file is longer than need be, and this is shorter.
func bzip2Of(src []byte) []byte {
	var w bitWriter
	for _, c := range []byte("BZh9") {
		w.write(uint64(c), 8)
	}
	crc := uint64(crcMSB(src))
	if len(src) > 0 {
		w.write(0x314159265359, 48)
		w.write(crc, 32)
		w.write(0, 1)
		w.block(runLengths(src))
	}
	w.write(0x177245385090, 48)
	w.write(crc, 32)
	return w.out
}

// crcMSB is the CRC-32 of bzip2, which takes the highest bit of a byte first.
func crcMSB(src []byte) uint32 {
	turned := make([]byte, len(src))
	for i, c := range src {
		turned[i] = bits.Reverse8(c)
	}
	return bits.Reverse32(crc32.ChecksumIEEE(turned))
}

// runLengths shortens runs of four and more equal bytes.
func runLengths(src []byte) []byte {
	var out []byte
	for i := 0; i < len(src); {
		n := 1
		for i+n < len(src) && src[i+n] == src[i] && n < 255 {
			n++
		}
		out = append(out, src[i:i+min(n, 4)]...)
		if n >= 4 {
			out = append(out, byte(n-4))
		}
		i += n
	}
	return out
}

func (w *bitWriter) block(src []byte) {
	n := len(src)
	twice := append(bytes.Clone(src), src...)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(a, b int) bool {
		return bytes.Compare(twice[order[a]:order[a]+n], twice[order[b]:order[b]+n]) < 0
	})
	last := make([]byte, n) // of each rotation, in order
	for k, i := range order {
		last[k] = twice[i+n-1]
		if i == 0 {
			w.write(uint64(k), 24)
		}
	}
	var used [256]bool
	for _, c := range src {
		used[c] = true
	}
	var front []byte
	var rows uint64
	for c := range 256 {
		if used[c] {
			front = append(front, byte(c))
			rows |= 1 << (15 - c/16)
		}
	}
	w.write(rows, 16)
	for row := range 16 {
		var row16 uint64
		for c := range 16 {
			if used[row*16+c] {
				row16 |= 1 << (15 - c)
			}
		}
		if row16 != 0 {
			w.write(row16, 16)
		}
	}
	end := len(front) + 1
	symbols := append(moveToFront(last, front), end)
	// A complete code: the first symbols are one bit shorter than the others.
	count := end + 1
	short := uint(bits.Len(uint(count)) - 1)
	nShort := 1<<(short+1) - count
	selectors := (len(symbols) + 49) / 50
	w.write(2, 3)
	w.write(uint64(selectors), 15)
	for range selectors {
		w.write(0, 1)
	}
	for range 2 {
		w.write(uint64(short), 5)
		for s := range count {
			if s == nShort {
				w.write(0b10, 2)
			}
			w.write(0, 1)
		}
	}
	for _, s := range symbols {
		if s < nShort {
			w.write(uint64(s), short)
		} else {
			w.write(uint64(s+nShort), short+1)
		}
	}
}

// moveToFront replaces each byte by how long ago it was last seen, and runs of
// zeros by their length.
func moveToFront(src, front []byte) []int {
	var out []int
	zeros := 0
	flush := func() {
		for ; zeros > 0; zeros = (zeros - 1) / 2 {
			out = append(out, (zeros-1)%2)
		}
	}
	for _, c := range src {
		k := bytes.IndexByte(front, c)
		if k == 0 {
			zeros++
			continue
		}
		flush()
		out = append(out, k+1)
		copy(front[1:k+1], front[:k])
		front[0] = c
	}
	flush()
	return out
}
