package sensor

import (
	"errors"
	"unsafe"

	"kingsnake/capture/python"
)

// errMalformed is what a record that does not have its own length is answered with.
var errMalformed = errors.New("malformed record")

// event is one record of the kernel half. Its data belongs to the buffer it was
// decoded from.
type event struct {
	probeRecord
	exec   probeExecRecord // of RECORD_EXEC; its Head is empty
	parent probeParent     // of RECORD_PARENT
	data   []byte

	kind   python.Binary // of RECORD_EXEC: what its binary is
	looked bool          // whether kind was found out
	bundle []byte        // of RECORD_EXEC: the scripts in its binary
}

// decode reads one record into e.
func (e *event) decode(raw []byte) error {
	const head = int(unsafe.Sizeof(e.probeRecord))
	if len(raw) < head {
		return errMalformed
	}
	copyOut(&e.probeRecord, raw)
	e.data, e.looked, e.bundle = nil, false, nil
	switch e.Kind {
	case probeRecordKindRECORD_EXEC:
		if len(raw) < int(unsafe.Sizeof(e.exec)) || e.Len != 0 {
			return errMalformed
		}
		copyOut(&e.exec, raw)
		return nil
	case 0:
		return errMalformed
	}
	if e.Kind > probeRecordKindRECORD_OMITTED || e.Len > chunk || len(raw)-head < int(e.Len) {
		return errMalformed
	}
	e.data = raw[head : head+int(e.Len)]
	if e.Kind == probeRecordKindRECORD_PARENT {
		if len(e.data) < int(unsafe.Sizeof(e.parent)) {
			return errMalformed
		}
		copyOut(&e.parent, e.data)
		e.data = e.data[unsafe.Sizeof(e.parent):]
	}
	return nil
}

// chunk is the most bytes of data in one record: CHUNK in record.h.
const chunk = uint32(len(probeScratch{}.Data))

// copyOut copies the bytes of a C structure, whose layout T has. raw must be
// long enough.
func copyOut[T probeRecord | probeExecRecord | probeParent | probeCompiled](to *T, raw []byte) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(to)), unsafe.Sizeof(*to)), raw)
}

// cString returns a fixed-size C string.
func cString(s [16]int8) string {
	b := make([]byte, 0, len(s))
	for _, c := range s {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}
