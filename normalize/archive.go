package normalize

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"io"
	"path"
	"slices"
	"strings"

	"kingsnake/normalize/bundle"
	"kingsnake/normalize/bytecode"
)

// The bounds of what is read of one archive.
const (
	maxEntries      = 1 << 14 // in its directory
	maxMembers      = 24      // that become layers
	maxMember       = 1 << 20 // bytes of one
	maxMembersBytes = 3 << 20
	maxRatio        = 200 // of a member to its compressed form, from 1 MiB on
)

// The marks that a zip archive has: at its end, in its directory, and at its
// start if nothing stands before it.
var (
	zipEnd       = []byte("PK\x05\x06")
	zipDirectory = []byte("PK\x01\x02")
	zipMember    = []byte("PK\x03\x04")
)

// isArchive reports whether Python would read data as a zip archive: what
// counts is the end of it, and anything may stand before.
func isArchive(data []byte) bool {
	const tail = 1<<16 + 22
	end := data[max(len(data)-tail, 0):]
	if !bytes.Contains(end, zipEnd) { // much quicker than LastIndex, for most
		return false
	}
	return len(end)-bytes.LastIndex(end, zipEnd) >= 22
}

// container takes the script apart when it is no text: compiled code, or an
// archive with a program in it. It gives how many bytes of text stand before.
func (u *unpacker) container() (before int) {
	data := u.layers[0].Text
	defer func() {
		if r := recover(); r != nil {
			u.note("gave up what the script holds: internal error: %v", r)
			before = len(data)
		}
	}()
	whole := Layer{Parent: 0, Depth: 1, Executed: true, Site: Span{0, len(data)}}
	cookie, bundled := bundle.Find(data)
	switch {
	case bundled && u.bundle(data, cookie, whole) > 0:
		return 0
	case isArchive(data):
		start := bytes.Index(data, zipMember)
		if u.members(data, whole) == 0 || start < 0 {
			return len(data)
		}
		return start
	case bytecode.IsCode(data):
		whole.Transform = "pyc"
		if data[0]&0x7f == 'c' {
			whole.Transform = "marshal"
		}
		source, lines, wrong, ok := compiled(data, min(maxOutput, u.left()))
		if wrong != "" {
			u.note("read the script in part: %s", wrong)
		}
		if !ok || !u.spend(len(source)) {
			return len(data)
		}
		whole.Text, whole.lines = source, u.keep(lines)
		u.add(whole)
		return 0
	}
	return len(data)
}

// members adds a layer for each Python file in an archive, what is run first
// before the others, and gives how many it added. like is what those layers
// have in common.
func (u *unpacker) members(data []byte, like Layer) int {
	if bytes.Count(data, zipDirectory) > maxEntries {
		u.note("left a zip archive closed: more than %d members", maxEntries)
		return 0
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil && archive == nil {
		u.note("left a zip archive closed: %s", strings.TrimPrefix(err.Error(), "zip: "))
		return 0
	}
	archive.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	files := pythonFiles(archive.File)
	added, total := 0, 0
	for k, file := range files {
		if added >= maxMembers || total >= maxMembersBytes {
			u.note("left %d of %d Python files in a zip archive out", len(files)-k, len(files))
			break
		}
		text, lines, step := u.member(file, min(maxMember, maxMembersBytes-total))
		total += len(text)
		if len(text) == 0 {
			continue
		}
		like.Transform, like.Text, like.lines, like.Name = step, text, lines, file.Name
		like.Executed = priority(file.Name) < priorityOther
		if u.add(like) > 0 {
			added++
		}
	}
	return added
}

// member reads one file of an archive, and the step that made it a text. lines
// says which lines of its source a compiled one came from.
func (u *unpacker) member(file *zip.File, limit int) (text []byte, lines *bytecode.Lines, step string) {
	switch {
	case file.Flags&1 != 0:
		u.note("left %.80q in a zip archive out: it is encrypted", file.Name)
		return nil, nil, ""
	case file.UncompressedSize64 > 1<<20 && file.UncompressedSize64/max(file.CompressedSize64, 1) > maxRatio:
		u.note("left %.80q in a zip archive out: it would grow more than %d times", file.Name, maxRatio)
		return nil, nil, ""
	}
	limit = min(limit, u.left())
	r, err := file.Open()
	if err != nil {
		u.note("left %.80q in a zip archive out: %s", file.Name, strings.TrimPrefix(err.Error(), "zip: "))
		return nil, nil, ""
	}
	text, _ = readUpTo(r, limit) // what came before an error counts
	if uint64(len(text)) < file.UncompressedSize64 {
		u.note("read %d bytes of %.80q in a zip archive", len(text), file.Name)
	}
	return u.source(text, file.Name, "a zip archive", "zip", "pyc")
}

// source gives what a member of an archive says, and the step that made it a
// text: compiled code, which has that form, is written as source.
func (u *unpacker) source(text []byte, name, archive, step, form string) (source []byte, lines *bytecode.Lines, made string) {
	if !u.spend(len(text)) {
		return nil, nil, ""
	}
	if !bytecode.IsCode(text) {
		return text, nil, step
	}
	source, lines, wrong, _ := compiled(text, min(maxOutput, u.left()))
	if wrong != "" {
		u.note("read %.80q in %s in part: %s", name, archive, wrong)
	}
	if !u.spend(len(source)) {
		return nil, nil, ""
	}
	return source, u.keep(lines), step + "+" + form
}

// The order in which the files of an archive are read.
const (
	priorityMain = iota
	prioritySetup
	priorityTop
	priorityOther
)

// priority says how soon a file of an archive is run.
func priority(name string) int {
	base := strings.TrimSuffix(strings.TrimSuffix(path.Base(name), "c"), ".py")
	depth := strings.Count(path.Clean(name), "/")
	switch {
	case base == "__main__" && depth == 0:
		return priorityMain
	case base == "setup" && depth <= 1:
		return prioritySetup
	case (base == "__main__" || base == "__init__") && depth == 1:
		return priorityTop
	}
	return priorityOther
}

// pythonFiles are those of an archive, in the order in which they are read.
func pythonFiles(all []*zip.File) []*zip.File {
	var files []*zip.File
	for _, f := range all {
		switch path.Ext(f.Name) {
		case ".py", ".pyc", ".pyw":
			files = append(files, f)
		}
	}
	slices.SortStableFunc(files, func(a, b *zip.File) int { return cmp.Compare(priority(a.Name), priority(b.Name)) })
	return files
}

// unpackArchive adds the layers of an archive that a script holds, and reports
// whether v was one.
func (p *peeler) unpackArchive(v value) bool {
	if !bytes.HasPrefix(v.data, zipMember) || !isArchive(v.data) {
		return false
	}
	like := Layer{Parent: p.layer, Depth: p.u.layers[p.layer].Depth + 1, Site: site(v)}
	before := len(p.u.layers)
	if p.u.members(v.data, like) == 0 {
		return false
	}
	for k := before; k < len(p.u.layers); k++ {
		l := &p.u.layers[k]
		l.Transform = addStep(v.steps(), l.Transform)
		l.Executed = false
	}
	p.spendLiterals(v)
	return true
}
