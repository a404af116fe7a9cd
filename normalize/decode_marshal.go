package normalize

import (
	"kingsnake/normalize/bytecode"
)

// decodeMarshal writes the source of compiled code that marshal.loads reads:
// that of the code object, as far as it can be read. A comment at the end says
// what could not.
func decodeMarshal(in []byte, limit int) ([]byte, *bytecode.Lines, bool) {
	text, lines, wrong, ok := compiled(in, limit)
	if wrong != "" && len(text)+len(wrong)+3 <= limit {
		text = append(append(append(text, "# "...), wrong...), '\n')
	}
	return text, lines, ok
}

// compiled writes the source of compiled code, at most limit bytes of it.
// lines says which lines were compiled, wrong what was cut or could not be read.
// It is not ok when data is no compiled code at all.
func compiled(data []byte, limit int) (source []byte, lines *bytecode.Lines, wrong string, ok bool) {
	if !bytecode.IsCode(data) {
		return nil, nil, "", false
	}
	file, err := bytecode.Read(data)
	source, lines, wrong = bytecode.Render(file, limit)
	if err != nil {
		wrong = err.Error()
	}
	return source, lines, wrong, file.Code != nil
}

// maxLines bounds what is kept of where compiled code came from, in bytes.
const maxLines = 1 << 20

// keep gives lines, or nil when too much of the kind was kept.
func (u *unpacker) keep(lines *bytecode.Lines) *bytecode.Lines {
	if u.lines += lines.Size(); u.lines > maxLines {
		return nil
	}
	return lines
}
