package normalize

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"strings"

	"kingsnake/normalize/bytecode"
)

// A bundle of PyInstaller is an executable with an archive behind it, whose end
// is a cookie. The format is that of bootloader/src/pyi_archive.h and
// PyInstaller/archive/readers.py in github.com/pyinstaller/pyinstaller; all
// numbers are big-endian.
const (
	cookieSize      = 88 // magic, 4 numbers, 64 bytes of a library's name
	bundleEntrySize = 18 // of a line of its table, without the name
	cookieTail      = 1 << 16
)

var bundleCookie = []byte("MEI\x0c\x0b\x0a\x0b\x0e")

// bundleCookieAt gives where the cookie of a bundle stands in data. Behind it
// may stand a signature.
func bundleCookieAt(data []byte) (at int, ok bool) {
	start := max(len(data)-cookieTail, 0)
	end := data[start:]
	if !bytes.Contains(end, bundleCookie) { // much quicker than LastIndex, for most
		return 0, false
	}
	at = bytes.LastIndex(end, bundleCookie)
	return start + at, len(end)-at >= cookieSize
}

// bundle adds a layer for each entry script of a bundle whose cookie stands at
// an offset of data, and reports how many it added. like is what those layers
// have in common.
func (u *unpacker) bundle(data []byte, cookie int, like Layer) (added int) {
	number := func(at int) int64 { return int64(binary.BigEndian.Uint32(data[cookie+at:])) }
	size, table, tableSize := number(8), number(12), number(16)
	start := int64(cookie) + cookieSize - size
	if start < 0 || size < cookieSize || table+tableSize > size-cookieSize {
		u.note("left a PyInstaller bundle closed: its cookie does not fit")
		return 0
	}
	archive := data[start:cookie]
	left, modules, total, entries := 0, 0, 0, 0
	for lines := archive[table : table+tableSize]; len(lines) > 0; entries++ {
		entry, rest, ok := nextEntry(lines)
		if !ok || entries >= maxEntries {
			u.note("read a PyInstaller bundle in part: its table is damaged or longer than %d entries", maxEntries)
			break
		}
		lines = rest
		switch {
		case entry.kind == 'z' || entry.kind == 'm' || entry.kind == 'M':
			modules++
		case entry.kind != 's':
		case added >= maxMembers || total >= maxMembersBytes:
			left++
		default:
			text, lines, step := u.bundled(archive, entry, min(maxMember, maxMembersBytes-total))
			if total += len(text); len(text) == 0 {
				continue
			}
			like.Transform, like.Text, like.lines, like.Name, like.Executed = step, text, lines, entry.name, true
			if u.add(like) > 0 {
				added++
			}
		}
	}
	if left > 0 {
		u.note("left %d scripts in a PyInstaller bundle out", left)
	}
	if modules > 0 {
		u.note("left the modules of a PyInstaller bundle out")
	}
	return added
}

// bundleEntry is one line of a bundle's table.
type bundleEntry struct {
	offset, packed int64 // in the archive
	size           int64 // of what is packed, as the table says
	zlib           bool
	kind           byte // 's' for a script that is run, 'm' and 'M' for a module, 'z' for an archive of them
	name           string
}

// nextEntry reads the first line of a bundle's table.
func nextEntry(lines []byte) (e bundleEntry, rest []byte, ok bool) {
	if len(lines) < bundleEntrySize {
		return e, nil, false
	}
	n := int64(binary.BigEndian.Uint32(lines))
	if n < bundleEntrySize || n > int64(len(lines)) {
		return e, nil, false
	}
	number := func(at int) int64 { return int64(binary.BigEndian.Uint32(lines[at:])) }
	name, _, _ := bytes.Cut(lines[bundleEntrySize:n], []byte{0})
	return bundleEntry{number(4), number(8), number(12), lines[16] != 0, lines[17], string(name)}, lines[n:], true
}

// bundled reads one script of a bundle, and the step that made it a text.
func (u *unpacker) bundled(archive []byte, e bundleEntry, limit int) (text []byte, lines *bytecode.Lines, step string) {
	if e.offset+e.packed > int64(len(archive)) {
		u.note("left %.80q in a PyInstaller bundle out: it lies outside", e.name)
		return nil, nil, ""
	}
	text = archive[e.offset : e.offset+e.packed]
	limit = min(limit, u.left())
	if e.zlib {
		r, err := zlib.NewReader(bytes.NewReader(text))
		if err != nil {
			u.note("left %.80q in a PyInstaller bundle out: %s", e.name, strings.TrimPrefix(err.Error(), "zlib: "))
			return nil, nil, ""
		}
		text, _ = readUpTo(r, limit) // what came before an error counts
	}
	text = text[:min(len(text), limit)]
	if int64(len(text)) < e.size {
		u.note("read %d bytes of %.80q in a PyInstaller bundle", len(text), e.name)
	}
	if !u.spend(len(text)) {
		return nil, nil, ""
	}
	if !bytecode.IsCode(text) { // before PyInstaller 4, scripts were text
		return text, nil, "pyinstaller"
	}
	source, lines, wrong, _ := compiled(text, min(maxOutput, u.left()))
	if wrong != "" {
		u.note("read %.80q in a PyInstaller bundle in part: %s", e.name, wrong)
	}
	if !u.spend(len(source)) {
		return nil, nil, ""
	}
	return source, u.keep(lines), "pyinstaller+marshal"
}
