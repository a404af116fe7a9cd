package sensor

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"

	"kingsnake/capture/python"
)

// door is a kind of function that is handed a text which an interpreter
// compiles at run time. Each has a program of its own in the kernel.
type door int

const (
	doorSource        door = iota // a text in UTF-8 that ends with a NUL, as argument 1
	doorCompile                   // the same, and a pointer to flags as argument 4
	doorMarshal                   // marshal.loads, with an object as argument 2
	doorMarshalArray              // the same with an array of objects
	doorMarshalTuple              // the same with a tuple of them
	doorMarshalMemory             // what marshal wrote: a pointer and a length
	doorLoad                      // marshal.load, with an object as argument 2
	doorLoadArray                 // the same with an array of objects
	doorTree                      // the builtin compile, with an array of objects as argument 2 and their number as argument 3
	doorTreeTuple                 // the same with a tuple of them
	doors
)

// doorFunctions are the exported functions of CPython behind the doors. All are
// cold: they are called once a text. Most builtins end in one of them: exec,
// eval and input of 2.7 in PyRun_StringFlags, compile and ast.parse in
// Py_CompileStringObject.
var doorFunctions = map[string]door{
	"PyRun_StringFlags":              doorSource,
	"PyRun_SimpleStringFlags":        doorSource,  // 3.13 no longer goes on to PyRun_StringFlags
	"Py_CompileStringObject":         doorCompile, // since 3.4
	"Py_CompileStringFlags":          doorCompile, // 2.7; later versions go on to the former
	"PyMarshal_ReadObjectFromString": doorMarshalMemory,
}

// maxSymbols bounds the exported names looked at: CPython has some 2,000.
const maxSymbols = 1 << 19

// entryPoint is where a function begins, as an offset in its file.
type entryPoint struct {
	offset uint64
	// image is how far the part of the file that nobody writes to reaches from
	// there: the bytes before it in the high half, those after it in the low.
	image uint64
}

// findDoors finds where in an ELF file the functions behind each door begin, and
// tells found of them: first of the exported ones, which takes a millisecond,
// for the interpreter may be starting. Hostile files end in an error, in bounded
// time and memory; a file without an interpreter has no doors.
func findDoors(r io.ReaderAt, found func(door, []entryPoint) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("parse binary: %v", p)
		}
	}()
	if ok, err := python.IsELF(r); err != nil || !ok {
		return err
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return fmt.Errorf("parse binary: %w", err)
	}
	functions, err := exportedFunctions(f)
	if err != nil || len(functions) == 0 {
		return err
	}
	var exported [doors][]entryPoint
	for name, address := range functions {
		if e, ok := entryAt(f, address); ok {
			exported[doorFunctions[name]] = append(exported[doorFunctions[name]], e)
		}
	}
	for d, entries := range exported {
		if len(entries) > 0 {
			if err := found(door(d), entries); err != nil {
				return err
			}
		}
	}
	m, err := readTables(f)
	if err != nil {
		return fmt.Errorf("read tables of binary: %w", err)
	}
	addresses, flags := m.methods()
	for i, method := range doorMethods {
		d, known := method.doors[flags[i]]
		if e, ok := entryAt(f, addresses[i]); ok && known {
			if err := found(d, []entryPoint{e}); err != nil {
				return err
			}
		}
	}
	return nil
}

// exportedFunctions returns the addresses of those of doorFunctions that the
// file defines. Of the two that compile, only the last one called is taken.
func exportedFunctions(f *elf.File) (map[string]uint64, error) {
	names, err := python.Section(f, ".dynstr", python.MaxStrings)
	if err != nil {
		return nil, fmt.Errorf("read names of binary: %w", err)
	}
	const size = elf.Sym64Size
	symbols, err := python.Section(f, ".dynsym", maxSymbols*size)
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
	} else {
		// 2.7 reads every compiled file through it, and those are seen being read.
		delete(out, "PyMarshal_ReadObjectFromString")
	}
	return out, nil
}

// entryAt returns the entry of a function by its address.
func entryAt(f *elf.File, address uint64) (entryPoint, bool) {
	var e entryPoint
	var found bool
	first, last := address, address
	for _, s := range f.Progs {
		if s.Type != elf.PT_LOAD || s.Flags&elf.PF_W != 0 {
			continue
		}
		first, last = min(first, s.Vaddr), max(last, s.Vaddr+s.Filesz)
		if s.Flags&elf.PF_X != 0 && address >= s.Vaddr && address-s.Vaddr < s.Filesz {
			e.offset, found = address-s.Vaddr+s.Off, true
		}
	}
	const half = 1<<32 - 1
	e.image = min(address-first, half)<<32 | min(last-address, half)
	return e, found
}
