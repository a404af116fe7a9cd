// Package bundle reads the format of a program that PyInstaller made: an
// executable with an archive behind it. It finds the archive and its table, and
// takes the scripts out of a program however large that is. What they say is for
// kingsnake/normalize.
//
// The format is that of bootloader/src/pyi_archive.h and
// PyInstaller/archive/readers.py in github.com/pyinstaller/pyinstaller: entries,
// their table, and a cookie; all numbers are big-endian.
package bundle

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
)

const (
	// CookieSize is how long a cookie is: magic, 4 numbers, 64 bytes of a library's name.
	CookieSize = 88
	// EntrySize is how long a line of a table is without its name.
	EntrySize = 18
	// MaxEntries is how many lines of a table are read.
	MaxEntries = 1 << 14

	tail     = 1 << 16 // bytes at the end in which the cookie is looked for: a signature may follow
	maxTable = 4 << 20
)

// Magic begins a cookie.
var Magic = []byte("MEI\x0c\x0b\x0a\x0b\x0e")

// Cookie says where in a file the archive of a bundle begins, and where in the
// archive its table stands, which ends before the cookie.
type Cookie struct{ Start, Table, TableSize int64 }

// Find looks for the last cookie in data, the end of a file. at is where it stands.
func Find(data []byte) (at int, ok bool) {
	start := max(len(data)-tail, 0)
	end := data[start:]
	if !bytes.Contains(end, Magic) { // much quicker than LastIndex, for most
		return 0, false
	}
	at = bytes.LastIndex(end, Magic)
	return start + at, len(end)-at >= CookieSize
}

// Read reads the cookie that stands at an offset of a file. It reports false for
// one that does not fit there.
func Read(cookie []byte, at int64) (c Cookie, ok bool) {
	size := number(cookie, 8)
	c = Cookie{Start: at + CookieSize - size, Table: number(cookie, 12), TableSize: number(cookie, 16)}
	return c, c.Start >= 0 && c.Table+c.TableSize <= size-CookieSize
}

// Entry is one line of a table.
type Entry struct {
	Offset, Packed int64 // in the archive
	Size           int64 // of what is packed, as the table says
	Zlib           bool
	Kind           byte // 's' for a script that is run, 'm' and 'M' for a module, 'z' for an archive of them
	Name           string
}

// errOutside says that an entry is not in its archive.
var errOutside = errors.New("it lies outside")

// Contents gives at most limit bytes of what an entry of an archive holds. What
// came before an error counts.
func (e Entry) Contents(archive []byte, limit int) ([]byte, error) {
	if e.Offset+e.Packed > int64(len(archive)) {
		return nil, errOutside
	}
	data := archive[e.Offset : e.Offset+e.Packed]
	if e.Zlib {
		r, err := zlib.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		data, err = io.ReadAll(io.LimitReader(r, int64(limit)))
		return data, err
	}
	return data[:min(len(data), limit)], nil
}

// Each calls yield for the scripts of a bundle that Scripts gave, in the order
// they are run in, until they have limit bytes together: the last one may be cut.
func Each(scripts []byte, limit int, yield func(e Entry, text []byte)) {
	at, ok := Find(scripts)
	if !ok {
		return
	}
	c, ok := Read(scripts[at:], int64(at))
	if !ok {
		return
	}
	archive := scripts[c.Start:at]
	for lines := archive[c.Table : c.Table+c.TableSize]; len(lines) > 0; {
		e, rest, ok := Next(lines)
		if !ok {
			return
		}
		lines = rest
		if e.Kind != 's' || limit <= 0 {
			continue
		}
		text, _ := e.Contents(archive, limit)
		limit -= max(len(text), EntrySize)
		yield(e, text)
	}
}

// Module reports whether an entry is a module or an archive of modules.
func (e Entry) Module() bool { return e.Kind == 'z' || e.Kind == 'm' || e.Kind == 'M' }

// Next reads the first line of a table, and gives those after it. It reports
// false for one that is damaged.
func Next(lines []byte) (e Entry, rest []byte, ok bool) {
	if len(lines) < EntrySize {
		return e, nil, false
	}
	n := number(lines, 0)
	if n < EntrySize || n > int64(len(lines)) {
		return e, nil, false
	}
	name, _, _ := bytes.Cut(lines[EntrySize:n], []byte{0})
	return Entry{number(lines, 4), number(lines, 8), number(lines, 12), lines[16] != 0, lines[17], string(name)}, lines[n:], true
}

func number(b []byte, at int) int64 { return int64(binary.BigEndian.Uint32(b[at:])) }

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
	at, ok := Find(end)
	if !ok {
		return nil
	}
	cookie := end[at : at+CookieSize]
	c, ok := Read(cookie, from+int64(at))
	if !ok || c.TableSize > min(maxTable, limit-CookieSize-EntrySize) {
		return nil
	}
	lines := make([]byte, c.TableSize)
	if _, err := r.ReadAt(lines, c.Start+c.Table); err != nil {
		return nil
	}
	body, kept := pick(io.NewSectionReader(r, c.Start, c.Table), lines, limit-c.TableSize-EntrySize-CookieSize)
	return seal(body, kept, cookie)
}

// pick reads the scripts that a table names, at most limit bytes of them, and
// gives the table that fits. Modules stay in it without a byte.
func pick(r *io.SectionReader, lines []byte, limit int64) (body, table []byte) {
	for n := 0; len(lines) > 0; n++ {
		e, rest, ok := Next(lines)
		if !ok || n >= MaxEntries {
			return body, append(table, make([]byte, EntrySize)...)
		}
		line := lines[:len(lines)-len(rest)]
		lines = rest
		switch {
		case e.Kind == 's':
			at := uint32(1<<32 - 1)
			if e.Offset+e.Packed <= r.Size() && int64(len(body))+e.Packed <= limit {
				data := make([]byte, e.Packed)
				if _, err := r.ReadAt(data, e.Offset); err == nil || e.Packed == 0 {
					at, body = uint32(len(body)), append(body, data...)
				}
			}
			binary.BigEndian.PutUint32(line[4:], at)
			table = append(table, line...)
		case e.Module():
			clear(line[4:16])
			table = append(table, line...)
		}
	}
	return body, table
}

// seal makes an archive of entries, its table and the cookie it had.
func seal(body, table, cookie []byte) []byte {
	out := append(append(body[:len(body):len(body)], table...), cookie...)
	c := out[len(out)-CookieSize:]
	binary.BigEndian.PutUint32(c[8:], uint32(len(out)))
	binary.BigEndian.PutUint32(c[12:], uint32(len(body)))
	binary.BigEndian.PutUint32(c[16:], uint32(len(table)))
	return out
}
