package python

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestABinaryIsToldByItsNames(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]Binary{
		"/usr/bin/python3":            Interpreter,
		"/bin/sh":                     NoPython,
		"/bin/cat":                    NoPython,
		"/lib64/ld-linux-x86-64.so.2": Loader,
	} {
		f, err := os.Open(path)
		if err != nil {
			continue // not on this system
		}
		got, err := ReadBinary(f)
		if err != nil || got != want {
			t.Errorf("%s: want %v, got %v, %v", path, want, got, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	// This test names what it looks for, but as strings of Go.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := ReadBinary(f); err != nil || got != NoPython {
		t.Errorf("a program that writes of Python: want %v, got %v, %v", NoPython, got, err)
	}
	if got, err := ReadBinary(bytes.NewReader([]byte("#!/bin/sh\n"))); err != nil || got != NoPython {
		t.Errorf("a script: want %v, got %v, %v", NoPython, got, err)
	}
}

func TestABinaryThatClaimsTooManySectionsIsNotLookedAt(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "hostile")
	header := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 57)...)
	header[40] = 64                   // section headers follow
	header[58] = 64                   // the length of one
	section := make([]byte, 64)       // the first says how many there are
	section[32+3], section[62] = 1, 0 // 16 million
	if err := os.WriteFile(name, append(header, section...), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 2<<30); err != nil { // sparse
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := ReadBinary(f); err == nil || got != NotLookedAt {
		t.Errorf("want an error, got %v", got)
	}
}

func FuzzReadBinary(f *testing.F) {
	header := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 121)...)
	f.Add(header)
	f.Add([]byte("#!/bin/sh\n"))
	if small, err := os.ReadFile("/bin/true"); err == nil {
		f.Add(small)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 64<<10 {
			return
		}
		if kind, err := ReadBinary(bytes.NewReader(in)); err != nil && kind != NotLookedAt {
			t.Errorf("want nothing known of a broken binary, got %v", kind)
		}
	})
}
