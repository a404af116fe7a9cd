package sensor

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
)

// door is a kind of function that is handed a text which an interpreter
// compiles at run time. Each has a program of its own in the kernel.
type door int

const (
	doorSource door = iota // a text in UTF-8 that ends with a NUL, as argument 1
	doors
)

// doorFunctions are the exported functions of CPython behind each door. All are
// cold: they are called once a text. Most builtins end in one of them: exec,
// eval and input of 2.7 in PyRun_StringFlags, compile and ast.parse in
// Py_CompileStringObject.
var doorFunctions = map[string]door{
	"PyRun_StringFlags":       doorSource,
	"PyRun_SimpleStringFlags": doorSource, // 3.13 no longer goes on to PyRun_StringFlags
	"Py_CompileStringObject":  doorSource, // since 3.4
	"Py_CompileStringFlags":   doorSource, // 2.7; later versions go on to the former
}

// maxSymbols bounds the exported names looked at: CPython has some 2,000.
const maxSymbols = 1 << 20

// findDoors returns where in an ELF file the functions behind each door begin,
// as offsets in the file. Hostile files end in an error, in bounded time and
// memory; a file without an interpreter has no doors.
func findDoors(r io.ReaderAt) (found [doors][]uint64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("parse binary: %v", p)
		}
	}()
	if ok, err := checkHeader(r); err != nil || !ok {
		return found, err
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return found, fmt.Errorf("parse binary: %w", err)
	}
	functions, err := exportedFunctions(f)
	if err != nil {
		return found, fmt.Errorf("read symbols of binary: %w", err)
	}
	for name, address := range functions {
		if offset, ok := fileOffset(f, address); ok {
			found[doorFunctions[name]] = append(found[doorFunctions[name]], offset)
		}
	}
	return found, nil
}

// exportedFunctions returns the addresses of those of doorFunctions that the
// file defines. Of the two that compile, only the last one called is taken.
func exportedFunctions(f *elf.File) (map[string]uint64, error) {
	names, err := sectionBytes(f, ".dynstr", maxStrings)
	if err != nil {
		return nil, err
	}
	const size = elf.Sym64Size
	symbols, err := sectionBytes(f, ".dynsym", maxSymbols*size)
	if err != nil || f.Class != elf.ELFCLASS64 {
		return nil, err
	}
	out := make(map[string]uint64)
	for ; len(symbols) >= size; symbols = symbols[size:] {
		at, info, section := f.ByteOrder.Uint32(symbols), symbols[4], f.ByteOrder.Uint16(symbols[6:])
		if elf.ST_TYPE(info) != elf.STT_FUNC || section == uint16(elf.SHN_UNDEF) || uint64(at) >= uint64(len(names)) {
			continue
		}
		name, _, ok := bytes.Cut(names[at:min(len(names), int(at)+64)], []byte{0})
		if _, wanted := doorFunctions[string(name)]; ok && wanted {
			out[string(name)] = f.ByteOrder.Uint64(symbols[8:])
		}
	}
	if _, ok := out["Py_CompileStringObject"]; ok {
		delete(out, "Py_CompileStringFlags")
	}
	return out, nil
}

// fileOffset returns where in the file an address of code lies.
func fileOffset(f *elf.File, address uint64) (uint64, bool) {
	for _, s := range f.Progs {
		if s.Type == elf.PT_LOAD && s.Flags&elf.PF_X != 0 && address >= s.Vaddr && address-s.Vaddr < s.Filesz {
			return address - s.Vaddr + s.Off, true
		}
	}
	return 0, false
}
