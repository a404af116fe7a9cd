package bytecode

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Version is a version of Python. The zero value is one that is not known.
type Version struct{ Major, Minor int }

func (v Version) String() string {
	if v.Major == 0 {
		return "an unknown version"
	}
	return fmt.Sprintf("%d.%d", v.Major, v.Minor)
}

// File is what compiled code was read from.
type File struct {
	Version Version // for bare marshal data, the one that fits best
	Code    *Code   // nil when there is none
}

// magics are the numbers that .pyc files start with, from the first to the
// last of each version. The list stands in a comment of CPython's
// importlib/_bootstrap_external.py, from 3.14 on of pycore_magic_number.h.
var magics = []struct {
	version     Version
	first, last int
}{
	{Version{2, 7}, 62171, 62211},
	{Version{3, 0}, 3000, 3131},
	{Version{3, 1}, 3141, 3151},
	{Version{3, 2}, 3160, 3180},
	{Version{3, 3}, 3190, 3230},
	{Version{3, 4}, 3250, 3310},
	{Version{3, 5}, 3320, 3351},
	{Version{3, 6}, 3360, 3379},
	{Version{3, 7}, 3390, 3399},
	{Version{3, 8}, 3400, 3419},
	{Version{3, 9}, 3420, 3429},
	{Version{3, 10}, 3430, 3449},
	{Version{3, 11}, 3450, 3499},
	{Version{3, 12}, 3500, 3549},
	{Version{3, 13}, 3550, 3599},
	{Version{3, 14}, 3600, 3649},
}

// headerSize is how many bytes stand before the code object.
func (v Version) headerSize() int {
	switch {
	case v.Major == 2 || v.Minor < 3:
		return 8
	case v.Minor < 7:
		return 12
	}
	return 16
}

func (v Version) layout() layout {
	switch {
	case v.Major == 2:
		return layout27
	case v.Minor < 8:
		return layout30
	case v.Minor < 11:
		return layout38
	}
	return layout311
}

// header reads the beginning of a .pyc file.
func header(data []byte) (v Version, ok bool) {
	if len(data) < 4 || data[2] != '\r' || data[3] != '\n' {
		return v, false
	}
	magic := int(binary.LittleEndian.Uint16(data))
	for _, m := range magics {
		if magic >= m.first && magic <= m.last {
			return m.version, true
		}
	}
	return v, false
}

// IsCode reports whether data starts as a .pyc file or as a marshaled code
// object does. Text never does.
func IsCode(data []byte) bool {
	if v, ok := header(data); ok {
		n := v.headerSize()
		return len(data) > n && data[n]&0x7f == 'c'
	}
	return len(layouts(data)) > 0
}

// layouts are those that a bare code object may be written in: behind its
// numbers stands its code, which is a bytes.
func layouts(data []byte) []layout {
	if len(data) < 32 || data[0]&0x7f != 'c' {
		return nil
	}
	for at := 1; at < 17; at += 4 { // the first four numbers are small
		if n := binary.LittleEndian.Uint32(data[at:]); n > 1<<24 {
			return nil
		}
	}
	switch {
	case data[17]&0x7f == 's':
		return []layout{layout27}
	case data[21]&0x7f == 's':
		return []layout{layout311, layout30}
	case data[25]&0x7f == 's':
		return []layout{layout38}
	}
	return nil
}

// Read reads a .pyc file, or marshal data that is a code object. The error
// says what was wrong; the file then holds what could be read before.
func Read(data []byte) (File, error) {
	if v, ok := header(data); ok {
		if n := v.headerSize(); len(data) > n {
			code, err := readCode(data[n:], v.layout())
			if err != nil {
				err = fmt.Errorf("compiled code of Python %s: behind the header, %w", v, err)
			}
			return File{v, code}, err
		}
		return File{Version: v}, fmt.Errorf("compiled code of Python %s: the file ends in its header", v)
	}
	var best File
	var bestErr error
	for i, l := range layouts(data) {
		code, err := readCode(data, l)
		if i == 0 || err == nil {
			best, bestErr = File{fit(code, l), code}, err
		}
		if err == nil {
			break
		}
	}
	switch {
	case bestErr != nil:
		bestErr = fmt.Errorf("marshal data: %w", bestErr)
	case best.Code == nil:
		bestErr = errNoCode
	}
	return best, bestErr
}

// readCode reads one code object.
func readCode(data []byte, l layout) (*Code, error) {
	r := reader{data: data, layout: l}
	o := r.object()
	if r.err != nil && (o == nil || o.Kind != CodeObject) {
		return nil, r.err
	}
	if o == nil || o.Kind != CodeObject {
		return nil, errNoCode
	}
	return o.Code, r.err
}

// fit is the version of a layout whose instructions a code object is made of,
// the latest if there are several.
func fit(code *Code, l layout) Version {
	var best Version
	least := -1
	for _, v := range versions() {
		if code == nil || v.layout() != l {
			continue
		}
		if wrong := misfits(code, v, 0); least < 0 || wrong <= least {
			best, least = v, wrong
		}
	}
	return best
}

// misfits counts the instructions that a version does not have, or whose
// argument is out of range.
func misfits(code *Code, v Version, depth int) int {
	const maxSample = 1 << 14 // bytes of code
	wrong := 0
	for _, in := range decode(code.Code[:min(len(code.Code), maxSample)], v) {
		switch {
		case in.op == "", in.op == "CACHE",
			in.op == "LOAD_CONST" && in.arg >= len(code.Consts),
			in.op == "STORE_NAME" && in.arg >= len(code.Names),
			in.target > len(code.Code), in.jumps && in.target < 0,
			v.layout() == layout311 && in.at == 0 && (in.op != "RESUME" && in.op != "MAKE_CELL" &&
				in.op != "COPY_FREE_VARS" && in.op != "RETURN_GENERATOR"):
			wrong++
		}
	}
	if depth < 2 {
		for _, c := range code.Consts[:min(len(code.Consts), 16)] {
			if c.Kind == CodeObject {
				wrong += misfits(c.Code, v, depth+1)
			}
		}
	}
	return wrong
}

// clean gives text without bytes that cannot be in a name.
func clean(b []byte) []byte {
	if len(b) > 256 {
		b = b[:256]
	}
	if bytes.IndexFunc(b, func(r rune) bool {
		return r != '_' && r != '.' && r < 0x80 && (r < '0' || r > '9' && r < 'A' || r > 'Z' && r < 'a' || r > 'z') || r == 0xfffd
	}) >= 0 || len(b) == 0 {
		return []byte("_")
	}
	return b
}
