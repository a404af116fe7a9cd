package normalize

import (
	"strings"

	"kingsnake/normalize/bundle"
	"kingsnake/normalize/bytecode"
)

// bundle adds a layer for each entry script of a bundle whose cookie stands at
// an offset of data, and reports how many it added. like is what those layers
// have in common.
func (u *unpacker) bundle(data []byte, cookie int, like Layer) (added int) {
	c, ok := bundle.Read(data[cookie:], int64(cookie))
	if !ok {
		u.note("left a PyInstaller bundle closed: its cookie does not fit")
		return 0
	}
	archive := data[c.Start:cookie]
	left, modules, total, entries := 0, 0, 0, 0
	for lines := archive[c.Table : c.Table+c.TableSize]; len(lines) > 0; entries++ {
		entry, rest, ok := bundle.Next(lines)
		if !ok || entries >= bundle.MaxEntries {
			u.note("read a PyInstaller bundle in part: its table is damaged or longer than %d entries", bundle.MaxEntries)
			break
		}
		lines = rest
		switch {
		case entry.Module():
			modules++
		case entry.Kind != 's':
		case added >= maxMembers || total >= maxMembersBytes:
			left++
		default:
			text, lines, step := u.bundled(archive, entry, min(maxMember, maxMembersBytes-total))
			if total += len(text); len(text) == 0 {
				continue
			}
			like.Transform, like.Text, like.lines, like.Name, like.Executed = step, text, lines, entry.Name, true
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

// bundled reads one script of a bundle, and the step that made it a text.
func (u *unpacker) bundled(archive []byte, e bundle.Entry, limit int) (text []byte, lines *bytecode.Lines, step string) {
	text, err := e.Contents(archive, min(limit, u.left()))
	if err != nil && len(text) == 0 {
		u.note("left %.80q in a PyInstaller bundle out: %s", e.Name, strings.TrimPrefix(err.Error(), "zlib: "))
		return nil, nil, ""
	}
	if int64(len(text)) < e.Size {
		u.note("read %d bytes of %.80q in a PyInstaller bundle", len(text), e.Name)
	}
	// Before PyInstaller 4, scripts were text.
	return u.source(text, e.Name, "a PyInstaller bundle", "pyinstaller", "marshal")
}
