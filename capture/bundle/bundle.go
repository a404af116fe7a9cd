// Package bundle takes the scripts out of a program that PyInstaller made,
// however large that is, and leaves its libraries behind.
package bundle

import (
	"bytes"
	"encoding/binary"
	"io"
)

// The format is that of bootloader/src/pyi_archive.h in
// github.com/pyinstaller/pyinstaller: an archive behind the executable, its
// table, and a cookie; numbers are big-endian.
const (
	cookieSize = 88      // magic, 4 numbers, 64 bytes of a library's name
	entrySize  = 18      // of a line of the table, without the name
	tail       = 1 << 16 // bytes at the end in which the cookie is looked for: a signature may follow
	maxTable   = 4 << 20
	maxEntries = 1 << 14
)

var magic = []byte("MEI\x0c\x0b\x0a\x0b\x0e")

// Scripts returns a bundle of nothing but the scripts of the bundle in r, which
// has size bytes, in the order they are run in. It has at most limit bytes. The
// table names what was left out for that, or could not be read, as lying outside
// of the bundle, and ends damaged where the original does. It returns nil if r
// is no bundle, or is one whose cookie lies.
func Scripts(r io.ReaderAt, size, limit int64) []byte {
	from := max(size-tail, 0)
	end := make([]byte, size-from)
	if _, err := r.ReadAt(end, from); err != nil && err != io.EOF {
		return nil
	}
	at := bytes.LastIndex(end, magic)
	if at < 0 || len(end)-at < cookieSize {
		return nil
	}
	cookie := end[at : at+cookieSize]
	number := func(k int) int64 { return int64(binary.BigEndian.Uint32(cookie[k:])) }
	whole, table, tableSize := number(8), number(12), number(16)
	start := from + int64(at) + cookieSize - whole
	if start < 0 || tableSize > min(maxTable, limit-cookieSize-entrySize) || table+tableSize > whole-cookieSize {
		return nil
	}
	lines := make([]byte, tableSize)
	if _, err := r.ReadAt(lines, start+table); err != nil {
		return nil
	}
	body, kept := pick(io.NewSectionReader(r, start, table), lines, limit-tableSize-entrySize-cookieSize)
	return seal(body, kept, cookie)
}

// pick reads the scripts that a table names, at most limit bytes of them, and
// gives the table that fits. Archives of modules stay in it without a byte.
func pick(r *io.SectionReader, lines []byte, limit int64) (body, table []byte) {
	for n := 0; len(lines) > 0; n++ {
		if len(lines) < entrySize || n >= maxEntries {
			return body, append(table, make([]byte, entrySize)...)
		}
		length := int64(binary.BigEndian.Uint32(lines))
		if length < entrySize || length > int64(len(lines)) {
			return body, append(table, make([]byte, entrySize)...)
		}
		line := lines[:length]
		lines = lines[length:]
		offset, packed := int64(binary.BigEndian.Uint32(line[4:])), int64(binary.BigEndian.Uint32(line[8:]))
		switch line[17] {
		case 's':
			at := uint32(1<<32 - 1)
			if offset+packed <= r.Size() && int64(len(body))+packed <= limit {
				data := make([]byte, packed)
				if _, err := r.ReadAt(data, offset); err == nil || packed == 0 {
					at, body = uint32(len(body)), append(body, data...)
				}
			}
			binary.BigEndian.PutUint32(line[4:], at)
			table = append(table, line...)
		case 'z':
			clear(line[4:16])
			table = append(table, line...)
		}
	}
	return body, table
}

// seal makes an archive of entries, its table and the cookie it had.
func seal(body, table, cookie []byte) []byte {
	out := append(append(body[:len(body):len(body)], table...), cookie...)
	c := out[len(out)-cookieSize:]
	binary.BigEndian.PutUint32(c[8:], uint32(len(out)))
	binary.BigEndian.PutUint32(c[12:], uint32(len(body)))
	binary.BigEndian.PutUint32(c[16:], uint32(len(table)))
	return out
}
