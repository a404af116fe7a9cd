package sensor

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"strings"
)

// binaryKind is what a binary is, as far as running Python goes.
type binaryKind int

const (
	notLookedAt binaryKind = iota // it could not be read
	noPython                      // nothing of Python in it
	interpreter                   // takes the interpreter's arguments
	embedder                      // has an interpreter in it, and arguments of its own
	loader                        // the dynamic loader: the program is among its arguments
)

// maxStrings is the largest table of names that is read from a binary. The
// names of a whole debug build of CPython take about 1 MB.
const maxStrings = 32 << 20

// readBinary decides what an ELF file is by the names it exports, imports and
// needs. Hostile files end in an error, in bounded time and memory.
func readBinary(r io.ReaderAt) (kind binaryKind, err error) {
	defer func() {
		if p := recover(); p != nil {
			kind, err = notLookedAt, fmt.Errorf("parse binary: %v", p)
		}
	}()
	magic := make([]byte, 4)
	if _, err := r.ReadAt(magic, 0); err != nil {
		return notLookedAt, fmt.Errorf("read binary: %w", err)
	}
	if string(magic) != elf.ELFMAG {
		return noPython, nil // a binfmt_misc format
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return notLookedAt, fmt.Errorf("parse binary: %w", err)
	}
	embeds := false
	for _, name := range []string{".dynstr", ".strtab"} {
		section := f.Section(name)
		if section == nil || section.Type != elf.SHT_STRTAB || section.Size > maxStrings || section.Flags&elf.SHF_COMPRESSED != 0 {
			continue
		}
		names, err := io.ReadAll(io.NewSectionReader(r, int64(section.Offset), int64(section.FileSize)))
		if err != nil {
			return notLookedAt, fmt.Errorf("read names of binary: %w", err)
		}
		for _, main := range []string{"Py_BytesMain", "Py_Main", "Py_UnixMain", "_Py_UnixMain", "Py_RunMain"} {
			if hasName(names, main) {
				return interpreter, nil
			}
		}
		for _, run := range []string{"Py_InitializeEx", "Py_Initialize", "Py_InitializeFromConfig", "PyRun_SimpleStringFlags", "PyEval_EvalCode"} {
			embeds = embeds || hasName(names, run)
		}
	}
	if section := f.Section(".dynamic"); section != nil && section.Size <= maxStrings {
		needed, soname := dynamicNames(f)
		for _, n := range needed {
			embeds = embeds || strings.HasPrefix(n, "libpython") || strings.HasPrefix(n, "libpypy")
		}
		if isLoader(soname) {
			return loader, nil
		}
	}
	if embeds {
		return embedder, nil
	}
	return noPython, nil
}

// dynamicNames returns what a binary needs and its own name, if they can be read.
func dynamicNames(f *elf.File) (needed []string, soname string) {
	if s := f.Section(".dynstr"); s == nil || s.Size > maxStrings {
		return nil, ""
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return nil, ""
	}
	if own, err := f.DynString(elf.DT_SONAME); err == nil && len(own) > 0 {
		soname = own[0]
	}
	return needed, soname
}

func isLoader(soname string) bool {
	for _, prefix := range []string{"ld-linux", "ld-musl", "ld.so", "ld64.so", "libc.musl-"} {
		if strings.HasPrefix(soname, prefix) {
			return true
		}
	}
	return false
}

// hasName reports whether name is one of the NUL-terminated names of a table.
// A table may share tails, so a name may begin inside another.
func hasName(table []byte, name string) bool {
	return bytes.Contains(table, append([]byte(name), 0))
}
