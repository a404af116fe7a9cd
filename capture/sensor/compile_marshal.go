package sensor

import (
	"bytes"
	"debug/elf"
	"encoding/binary"

	"kingsnake/capture/python"
)

// marshal.loads calls nothing that is exported and cold, and is not exported
// itself; nor is the builtin compile, which makes code of trees. But they must
// stand in the tables of their modules' methods, which are arrays of
//
//	struct PyMethodDef { const char *name; PyCFunction method; int flags; const char *doc; }

// tableMethod is a method by its name and that of the entry beside it.
type tableMethod struct {
	name, beside string // each with its NUL
	after        bool   // whether that entry comes after it, not before
	doors        map[uint32]door
}

// Flags of a method, from CPython's methodobject.h, and how it is then called.
const (
	methVarargs  = 0x01
	methKeywords = 0x02
	methO        = 0x08
	methFastcall = 0x80
)

var doorMethods = [...]tableMethod{
	{"loads\x00", "dumps\x00", false, map[uint32]door{ // in the like table of pickle "load" comes before
		methO: doorMarshal, methFastcall | methKeywords: doorMarshalArray, methVarargs: doorMarshalTuple,
	}},
	{"compile\x00", "delattr\x00", true, map[uint32]door{
		methFastcall | methKeywords: doorTree, methFastcall: doorTree, // the latter in 3.6
		methVarargs | methKeywords: doorTreeTuple,
	}},
	{"load\x00", "dumps\x00", true, map[uint32]door{methO: doorLoad, methFastcall | methKeywords: doorLoadArray}},
}

const (
	methodSize  = 32
	methodCode  = 8
	methodFlags = 16
)

// Bounds of what is looked at; a static CPython has 3 MB of texts.
const (
	maxTable        = 16 << 20
	maxStringsFound = 64
	maxTables       = 256
)

// methods returns the addresses of doorMethods, and the flags of their entries; 0
// of those that are not found.
func (m *tables) methods() (addresses [len(doorMethods)]uint64, flags [len(doorMethods)]uint32) {
	names, candidates := make(map[uint64]int), 0
	for i, method := range doorMethods {
		for _, at := range m.strings(method.name) {
			names[at] = i
		}
	}
	m.eachPointer(func(at, to uint64) bool {
		i, ok := names[to]
		if !ok || addresses[i] != 0 {
			return true
		}
		beside := at - methodSize
		if doorMethods[i].after {
			beside = at + methodSize
		}
		if m.isString(m.pointer(beside), doorMethods[i].beside) {
			addresses[i], flags[i] = m.pointer(at+methodCode), uint32(m.word(at+methodFlags))
		}
		candidates++
		return candidates < maxTables
	})
	return addresses, flags
}

// tables are the parts of a binary with texts and with pointers to them.
type tables struct {
	order       binary.ByteOrder
	texts       part
	data        []part
	relocations []byte
	relative    elf.R_X86_64 // the type of those that only add where it is loaded
}

type part struct {
	address uint64
	bytes   []byte
}

func readTables(f *elf.File) (*tables, error) {
	m := &tables{order: f.ByteOrder, relative: elf.R_X86_64_RELATIVE}
	if f.Machine == elf.EM_AARCH64 {
		m.relative = elf.R_X86_64(elf.R_AARCH64_RELATIVE)
	}
	read := func(name string) (part, error) {
		b, err := python.Section(f, name, maxTable)
		if err != nil || b == nil {
			return part{}, err
		}
		return part{f.Section(name).Addr, b}, nil
	}
	var err error
	if m.texts, err = read(".rodata"); err != nil {
		return nil, err
	}
	for _, name := range []string{".data.rel.ro", ".data"} {
		p, err := read(name)
		if err != nil {
			return nil, err
		}
		m.data = append(m.data, p)
	}
	relocations, err := read(".rela.dyn")
	m.relocations = relocations.bytes
	return m, err
}

// strings returns the addresses at which a NUL-terminated text lies, also as
// the end of a longer one.
func (m *tables) strings(text string) (out []uint64) {
	for at := 0; len(out) < maxStringsFound; {
		i := bytes.Index(m.texts.bytes[at:], []byte(text))
		if i < 0 {
			break
		}
		out = append(out, m.texts.address+uint64(at+i))
		at += i + 1
	}
	return out
}

func (m *tables) isString(address uint64, text string) bool {
	at := address - m.texts.address
	return at < uint64(len(m.texts.bytes)) && bytes.HasPrefix(m.texts.bytes[at:], []byte(text))
}

// eachPointer calls f for what may be a pointer to a text, as the file has it or as
// the loader writes it, until f returns false.
func (m *tables) eachPointer(f func(at, to uint64) bool) {
	size := uint64(len(m.texts.bytes))
	for _, p := range m.data {
		for at := 0; at+8 <= len(p.bytes); at += 8 {
			if to := m.order.Uint64(p.bytes[at:]); to-m.texts.address < size && !f(p.address+uint64(at), to) {
				return
			}
		}
	}
	m.eachRelocation(func(at, to uint64) bool { return to-m.texts.address >= size || f(at, to) })
}

// pointer returns the pointer at an address, 0 if there is none.
func (m *tables) pointer(address uint64) (target uint64) {
	m.eachRelocation(func(at, to uint64) bool {
		if at == address {
			target = to
		}
		return at != address
	})
	if target != 0 {
		return target
	}
	return m.word(address)
}

// word returns the eight bytes that the file has at an address.
func (m *tables) word(address uint64) uint64 {
	for _, p := range m.data {
		if at := address - p.address; address >= p.address && at+8 <= uint64(len(p.bytes)) {
			return m.order.Uint64(p.bytes[at:])
		}
	}
	return 0
}

func (m *tables) eachRelocation(f func(at, target uint64) bool) {
	const size = 24
	for r := m.relocations; len(r) >= size; r = r[size:] {
		if uint32(m.order.Uint64(r[8:])) == uint32(m.relative) && !f(m.order.Uint64(r), m.order.Uint64(r[16:])) {
			return
		}
	}
}
