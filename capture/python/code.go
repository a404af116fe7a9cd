package python

import "encoding/binary"

// Numbers that .pyc files start with, by what stands before the code in them:
// from importlib/_bootstrap_external.py of CPython.
const (
	firstOfV2    = 62000 // to 65535: 2.x
	firstOfV3_3  = 3190  // one more word than before: the size of the source
	firstOfV3_7  = 3390  // one more word again: flags
	lastOfMagics = 8000  // no version 3.x is as far as that
)

// Code returns what marshal wrote in a .pyc file, which an import hands to
// marshal.loads; nil if it is no such file. It shares memory with the file.
func Code(pyc []byte) []byte {
	if len(pyc) < 4 || pyc[2] != '\r' || pyc[3] != '\n' {
		return nil
	}
	header := 8
	switch magic := binary.LittleEndian.Uint16(pyc); {
	case magic >= firstOfV2:
	case magic >= lastOfMagics:
		return nil
	case magic >= firstOfV3_7:
		header = 16
	case magic >= firstOfV3_3:
		header = 12
	}
	if len(pyc) <= header {
		return nil
	}
	return pyc[header:]
}
