//go:build linux

package generate

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Python is an interpreter on this machine.
type Python struct {
	Path    string // absolute
	Name    string // "CPython 3.11.2", "PyPy 3.9.16"
	Shared  bool   // whether it lies in a shared library
	version version

	include, libraries, library string // to link a program with it: folders, and the library's file name
}

// CPython reports whether it is CPython and not another implementation.
func (p Python) CPython() bool { return strings.HasPrefix(p.Name, "CPython") }

// version is the first two numbers of a version of Python.
type version [2]int

func (v version) less(w version) bool { return slices.Compare(v[:], w[:]) < 0 }

// probe asks an interpreter for the fields of Python, one a line.
const probe = `import sys, platform, sysconfig
v = sysconfig.get_config_var
print("\n".join(map(str, [platform.python_implementation(), platform.python_version(), sys.version_info[0], sys.version_info[1],
    v("Py_ENABLE_SHARED") or 0, sysconfig.get_path("include"), v("LIBDIR") or "", v("LDLIBRARY") or "", v("INSTSONAME") or ""])))`

// Pythons returns the interpreters of this machine, Debian's own first: those
// named in the variable KINGSNAKE_PYTHONS (paths with colons between them), in
// PATH, in the usual folders, and those of pyenv. Each counts once, whatever
// the names that lead to it.
func Pythons() []Python {
	patterns := filepath.SplitList(os.Getenv("KINGSNAKE_PYTHONS"))
	patterns = append(patterns, "/usr/bin/python3")
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin", "/usr/local/bin", "/opt/*/bin") {
		patterns = append(patterns, dir+"/python[23]", dir+"/python[23].[0-9]", dir+"/python3.[0-9][0-9]", dir+"/pypy", dir+"/pypy3")
	}
	if home, err := os.UserHomeDir(); err == nil {
		patterns = append(patterns, home+"/.pyenv/versions/*/bin/python")
	}
	var out []Python
	seen := make(map[string]bool)
	for _, pattern := range patterns {
		paths, _ := filepath.Glob(pattern) // a pattern that is none names nothing
		for _, path := range paths {
			real, err := filepath.EvalSymlinks(path)
			if err != nil || seen[real] {
				continue
			}
			seen[real] = true
			if !binary(real) {
				continue // a script that starts one of the others
			}
			if p, err := ask(path); err == nil {
				out = append(out, p)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Python) int {
		first := func(p Python) int {
			if p.Path == "/usr/bin/python3" {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(first(a), first(b)), slices.Compare(a.version[:], b.version[:]))
	})
	return out
}

// binary reports whether a file is an ELF binary.
func binary(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	_, err = io.ReadFull(f, magic)
	return err == nil && string(magic) == "\x7fELF"
}

// ask asks an interpreter what it is. What is no interpreter but, say, a script
// that starts one, is an error.
func ask(path string) (Python, error) {
	out, err := exec.Command(path, "-c", probe).Output()
	if err != nil {
		return Python{}, fmt.Errorf("ask %s: %w", path, err)
	}
	f := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(f) != 9 {
		return Python{}, fmt.Errorf("ask %s: %d lines", path, len(f))
	}
	p := Python{Path: path, Name: f[0] + " " + f[1], Shared: f[4] == "1", include: f[5], libraries: f[6], library: f[7]}
	if strings.Contains(f[8], ".so") {
		p.library = f[8]
	}
	if _, err := fmt.Sscan(f[2]+" "+f[3], &p.version[0], &p.version[1]); err != nil {
		return Python{}, fmt.Errorf("ask %s: %w", path, err)
	}
	return p, nil
}
