// Package python tells what belongs to Python from what does not, without
// running any of it: what a binary is, what an interpreter's arguments ask it to
// run, which files are its own library. Those who capture scripts rest on it, however they
// watch.
//
// Nothing here touches a process. What it reads may be hostile: it is bounded,
// and ends in an error.
package python

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
)

// Binary is what a binary is, as far as running Python goes.
type Binary int

// What a binary can be.
const (
	NotLookedAt Binary = iota // it could not be read
	NoPython                  // nothing of Python in it
	Interpreter               // takes the interpreter's arguments
	Embedder                  // has an interpreter in it, and arguments of its own
	Loader                    // the dynamic loader: the program is among its arguments

	// The others have nothing of Python in them either.
	Shell     // runs the commands it reads
	Multicall // is a shell when it is called like one
	Scripter  // another language's interpreter
)

// Python reports whether a binary may run Python.
func (k Binary) Python() bool { return k != NoPython && k < Shell }

// Bounds of what is read of a binary: the kernel executes files whose section
// headers say anything. The names of a debug build of CPython take about 1 MB.
const (
	MaxStrings  = 16 << 20 // bytes of a table of names
	maxSections = 4096
	maxSegments = 1024
	maxDynamic  = 64 << 10

	maxConstants = 32 << 20
	pieceLen     = 64 << 10
)

// ReadBinary decides what an ELF file is by the names it exports, imports and
// needs. Hostile files end in an error, in bounded time and memory.
func ReadBinary(r io.ReaderAt) (kind Binary, err error) {
	defer func() {
		if p := recover(); p != nil {
			kind, err = NotLookedAt, fmt.Errorf("parse binary: %v", p)
		}
	}()
	elfFile, err := IsELF(r)
	if err != nil {
		return NotLookedAt, err
	}
	if !elfFile {
		return NoPython, nil // a format of binfmt_misc
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return NotLookedAt, fmt.Errorf("parse binary: %w", err)
	}
	embeds, looksUp := false, false
	for _, name := range []string{".dynstr", ".strtab"} {
		names, err := Section(f, name, MaxStrings)
		if err != nil {
			return NotLookedAt, fmt.Errorf("read names of binary: %w", err)
		}
		for _, main := range []string{"Py_BytesMain", "Py_Main", "Py_UnixMain", "_Py_UnixMain", "Py_RunMain", "pypy_main_startup"} {
			if hasName(names, main) {
				return Interpreter, nil
			}
		}
		for _, run := range embedding {
			embeds = embeds || hasName(names, run)
		}
		if name == ".dynstr" {
			dynamic, err := Section(f, ".dynamic", maxDynamic)
			if err != nil {
				return NotLookedAt, fmt.Errorf("read needs of binary: %w", err)
			}
			needs, isLoader := readDynamic(f, dynamic, names)
			if isLoader {
				return Loader, nil
			}
			embeds = embeds || needs
			looksUp = hasName(names, "dlsym")
		}
	}
	if !embeds && looksUp {
		// Loaders of bundled applications load the library while they run, and
		// look these functions up by name.
		embeds, err = holdsString(f, ".rodata", embedding)
		if err != nil {
			return NotLookedAt, fmt.Errorf("read constants of binary: %w", err)
		}
	}
	if embeds {
		return Embedder, nil
	}
	return NoPython, nil
}

// embedding are functions of CPython that only a program that runs Python
// itself has a use for.
var embedding = []string{"Py_InitializeEx", "Py_Initialize", "Py_InitializeFromConfig", "PyRun_SimpleStringFlags", "PyEval_EvalCode"}

// holdsString reports whether a section has one of the names as a string of C
// of its own: whatever writes of these functions in longer texts, or in another
// language, has not. It reads at most maxConstants bytes, a piece at a time.
func holdsString(f *elf.File, section string, names []string) (bool, error) {
	s := f.Section(section)
	if s == nil || s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_COMPRESSED != 0 {
		return false, nil
	}
	size := min(s.FileSize, maxConstants)
	const longest = 64                             // of the names, with a NUL on both sides
	buf := make([]byte, longest, longest+pieceLen) // begins with the end of the piece before
	r := io.NewSectionReader(s.ReaderAt, 0, int64(size))
	for {
		n, err := io.ReadFull(r, buf[longest:longest+pieceLen])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return false, err
		}
		piece := buf[:longest+n]
		for _, name := range names {
			if bytes.Contains(piece, []byte("\x00"+name+"\x00")) {
				return true, nil
			}
		}
		if err != nil {
			return false, nil
		}
		copy(buf, piece[n:])
	}
}

// IsELF reports whether a file is ELF. It is an error if it claims more
// headers than are read.
func IsELF(r io.ReaderAt) (bool, error) {
	var h [64]byte // the longer of the two headers
	n, err := r.ReadAt(h[:], 0)
	if n < 4 && err != nil {
		return false, fmt.Errorf("read binary: %w", err)
	}
	if string(h[:4]) != elf.ELFMAG {
		return false, nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	if h[elf.EI_DATA] == byte(elf.ELFDATA2MSB) {
		order = binary.BigEndian
	}
	counts, offset := h[44:], uint64(order.Uint32(h[32:]))
	if h[elf.EI_CLASS] == byte(elf.ELFCLASS64) {
		counts, offset = h[56:], order.Uint64(h[40:])
	}
	segments, sections := order.Uint16(counts), order.Uint16(counts[4:])
	// With no sections but an offset, their number stands elsewhere.
	if segments > maxSegments || sections > maxSections || sections == 0 && offset != 0 {
		return false, fmt.Errorf("parse binary: %d segments, %d sections", segments, sections)
	}
	return true, nil
}

// Section returns the bytes of a section; none if there is no such section
// or it is too large.
func Section(f *elf.File, name string, limit uint64) ([]byte, error) {
	s := f.Section(name)
	if s == nil || s.Type == elf.SHT_NOBITS || s.FileSize > limit || s.Flags&elf.SHF_COMPRESSED != 0 {
		return nil, nil
	}
	b := make([]byte, s.FileSize)
	if _, err := io.ReadFull(io.NewSectionReader(s.ReaderAt, 0, int64(s.FileSize)), b); err != nil {
		return nil, err
	}
	return b, nil
}

// readDynamic reports whether a binary needs a library of Python, and whether
// it is the dynamic loader by its own name.
func readDynamic(f *elf.File, dynamic, names []byte) (needs, isLoader bool) {
	name := func(at uint64) []byte {
		if at >= uint64(len(names)) {
			return nil
		}
		return names[at:]
	}
	word, size := f.ByteOrder.Uint64, 8
	if f.Class == elf.ELFCLASS32 {
		word, size = func(b []byte) uint64 { return uint64(f.ByteOrder.Uint32(b)) }, 4
	}
	for ; len(dynamic) >= 2*size; dynamic = dynamic[2*size:] {
		value := name(word(dynamic[size:]))
		switch elf.DynTag(word(dynamic)) {
		case elf.DT_NEEDED:
			needs = needs || hasPrefix(value, "libpython", "libpypy")
		case elf.DT_SONAME:
			isLoader = hasPrefix(value, "ld-linux", "ld-musl", "ld.so", "ld64.so", "libc.musl-")
		}
	}
	return needs, isLoader
}

func hasPrefix(b []byte, prefixes ...string) bool {
	for _, p := range prefixes {
		if bytes.HasPrefix(b, []byte(p)) {
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
