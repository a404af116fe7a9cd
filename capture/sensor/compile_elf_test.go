package sensor

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// pythons are files with an interpreter in them, as far as this system has any.
func pythons(t *testing.T) []string {
	t.Helper()
	var out []string
	home, _ := os.UserHomeDir()
	for _, pattern := range []string{"/usr/bin/python3", "/usr/lib/*/libpython*.so.1.0", home + "/.pyenv/versions/*/lib/libpython[23].*.so.1.0"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found...)
	}
	if len(out) == 0 {
		t.Skip("needs a Python: apt-get install python3")
	}
	return out
}

func TestAnInterpreterHasEveryDoor(t *testing.T) {
	t.Parallel()
	for _, path := range pythons(t) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got := map[door][]entryPoint{}
		if err := findDoors(f, func(d door, entries []entryPoint) error { got[d] = append(got[d], entries...); return nil }); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		marshal := len(got[doorMarshal]) + len(got[doorMarshalArray]) + len(got[doorMarshalTuple])
		trees := len(got[doorTree]) + len(got[doorTreeTuple])
		load := len(got[doorLoad]) + len(got[doorLoadArray])
		if len(got[doorSource]) != 2 || len(got[doorCompile]) != 1 || marshal != 1 || load != 1 || trees != 1 {
			t.Errorf("%s: want 3 functions that take a text, 1 marshal.loads, 1 marshal.load and 1 that takes trees, got %v", path, got)
		}
		for d, entries := range got {
			for _, e := range entries {
				if e.offset == 0 || d == doorMarshalMemory && e.image>>32 == 0 {
					t.Errorf("%s: door %d: entry %+v", path, d, e)
				}
			}
		}
	}
}

// TestMethodsAreFoundWhereTheyAre compares what the method tables say with the
// symbols of builds that were not stripped.
func TestMethodsAreFoundWhereTheyAre(t *testing.T) {
	t.Parallel()
	nm, err := exec.LookPath("nm")
	if err != nil {
		t.Skip("needs nm: apt-get install binutils")
	}
	symbols := map[string][]door{
		"marshal_loads":   {doorMarshal, doorMarshalArray, doorMarshalTuple},
		"marshal_load":    {doorLoad, doorLoadArray},
		"builtin_compile": {doorTree, doorTreeTuple},
	}
	compared := 0
	for _, path := range pythons(t) {
		out, err := exec.Command(nm, path).Output()
		for name, doors := range symbols {
			if err != nil || !bytes.Contains(out, []byte(" t "+name+"\n")) {
				continue
			}
			compared++
			if want, got := symbolOffset(t, path, name), doorOffset(t, path, doors); want != got {
				t.Errorf("%s: %s: want %#x, got %#x", path, name, want, got)
			}
		}
	}
	if compared == 0 {
		t.Skip("needs a Python that was not stripped, such as one of pyenv's")
	}
}

// symbolOffset is where in the file a function of the symbol table begins.
func symbolOffset(t *testing.T, path, name string) uint64 {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == name {
			e, _ := entryAt(f, s.Value)
			return e.offset
		}
	}
	return 0
}

// doorOffset is where findDoors says that the function behind one of the doors begins.
func doorOffset(t *testing.T, path string, doors []door) (offset uint64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = findDoors(f, func(d door, entries []entryPoint) error {
		if slices.Contains(doors, d) {
			offset = entries[0].offset
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return offset
}

func TestABinaryWithoutAnInterpreterHasNoDoors(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/bin/sh", "/bin/cat"} {
		f, err := os.Open(path)
		if err != nil {
			continue // not on this system
		}
		defer f.Close()
		if err := findDoors(f, func(d door, _ []entryPoint) error { t.Errorf("%s: door %d", path, d); return nil }); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzFindDoors(f *testing.F) {
	f.Add(append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 121)...))
	f.Add([]byte("#!/bin/sh\n"))
	if small, err := os.ReadFile("/bin/true"); err == nil {
		f.Add(small)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 64<<10 {
			return
		}
		found := 0
		err := findDoors(bytes.NewReader(in), func(_ door, entries []entryPoint) error { found += len(entries); return nil })
		if err == nil && found > len(doorFunctions)+len(doorMethods) {
			t.Errorf("%d entries", found)
		}
	})
}
