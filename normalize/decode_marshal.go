package normalize

import (
	"kingsnake/normalize/bytecode"
)

// decodeMarshal writes the source of compiled code that marshal.loads reads:
// that of the code object, as far as it can be read. A comment at the end says
// what could not.
func decodeMarshal(in []byte, _ []int64, limit int) ([]byte, bool) {
	text, wrong, ok := compiled(in, limit)
	if wrong != "" && len(text)+len(wrong)+3 <= limit {
		text = append(append(append(text, "# "...), wrong...), '\n')
	}
	return text, ok
}

// compiled writes the source of compiled code, at most limit bytes of it.
// wrong says what was cut or could not be read. It is not ok when data is no
// compiled code at all.
func compiled(data []byte, limit int) (source []byte, wrong string, ok bool) {
	if !bytecode.IsCode(data) {
		return nil, "", false
	}
	file, err := bytecode.Read(data)
	source, wrong = bytecode.Render(file, limit)
	if err != nil {
		wrong = err.Error()
	}
	return source, wrong, file.Code != nil
}
