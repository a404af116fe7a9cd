package python

import (
	"path"
	"regexp"
	"strings"
)

// Absolute makes a path among a program's arguments absolute.
func Absolute(cwd, p string) string {
	if !strings.HasPrefix(p, "/") {
		p = cwd + "/" + p
	}
	return path.Clean(p)
}

var descriptorPath = regexp.MustCompile(`^/(?:dev|proc/self|proc/thread-self|proc/[0-9]+)/fd/([0-9]{1,9})$`)

// Descriptor returns which descriptor of the program a path names: "3" for
// /dev/fd/3 and its like, "" for any other path.
func Descriptor(p string) string {
	if p == "/dev/stdin" {
		return "0"
	}
	if m := descriptorPath.FindStringSubmatch(p); m != nil {
		return m[1]
	}
	return ""
}

// SplitStrings cuts an argument list or an environment at its NULs. The last
// string is left out when it is cut.
func SplitStrings(list []byte, cut bool) []string {
	if len(list) == 0 {
		return nil
	}
	whole := list[len(list)-1] == 0
	if whole {
		list = list[:len(list)-1]
	}
	out := strings.Split(string(list), "\x00")
	if cut && !whole {
		out = out[:len(out)-1]
	}
	return out
}

// IsModule reports whether a file is named like a Python module.
func IsModule(p string) bool {
	switch strings.ToLower(path.Ext(p)) {
	case ".py", ".pyc", ".pyw":
		return true
	}
	return false
}

// InLibrary reports whether a file lies in a standard library: in its folder,
// which LibraryFolder found, but not in the site packages there.
func InLibrary(library, p string) bool {
	rest, ok := strings.CutPrefix(p, library+"/")
	return ok && library != "" && !isSite(rest)
}

// InSitePackages reports whether a file lies in the site packages of the
// interpreter exe, whose standard library is the folder library: below the prefix
// of either, or below /usr/local of what the system itself has in /usr. It is for
// the caller to find out who put it there, and when.
func InSitePackages(exe, library, p string) bool {
	if library == "" {
		return false
	}
	prefix := path.Dir(path.Dir(library))
	prefixes := []string{prefix}
	if prefix == "/usr" {
		prefixes = append(prefixes, "/usr/local")
	}
	if own := path.Dir(path.Dir(exe)); own != "/" && own != "." && !temporary(own) {
		prefixes = append(prefixes, own) // a virtual environment that has a copy of the binary
	}
	for _, prefix := range prefixes {
		rest, ok := strings.CutPrefix(p, prefix+"/lib")
		if !ok {
			continue
		}
		rest, ok = strings.CutPrefix(strings.TrimPrefix(rest, "64"), "/")
		if name, rest, _ := strings.Cut(rest, "/"); ok && isLibraryName(name) && isSite(rest) {
			return true
		}
	}
	return false
}

// MayBeLibrary reports whether a file lies where standard libraries do: in a folder
// lib/pythonX.Y, and not in the site packages there.
func MayBeLibrary(p string) bool {
	for _, lib := range []string{"/lib/", "/lib64/"} {
		dir, rest, ok := strings.Cut(p, lib)
		if !ok || temporary(dir+"/") {
			continue
		}
		if name, rest, ok := strings.Cut(rest, "/"); ok && isLibraryName(name) && !isSite(rest) {
			return true
		}
	}
	return false
}

// isSite reports whether a path in a library's folder leads to site packages.
func isSite(rest string) bool {
	name, _, ok := strings.Cut(rest, "/")
	return ok && (name == "site-packages" || name == "dist-packages")
}

// LibraryFolder returns the folder of the standard library that a file tells of:
// every interpreter reads its encodings package from there, CPython 3 before
// anything else. It returns "" when the file tells of none: a library under a
// folder for temporary files is nobody's own.
func LibraryFolder(p string) string {
	dir, ok := strings.CutSuffix(Stem(p), "/encodings/__init__")
	if !ok || !IsModule(p) || !isLibraryName(path.Base(dir)) || temporary(dir) {
		return ""
	}
	if parent := path.Base(path.Dir(dir)); parent != "lib" && parent != "lib64" {
		return ""
	}
	return dir
}

// IsLibraryArchive reports whether a file is named like a standard library that is
// a zip archive: python311.zip.
func IsLibraryArchive(p string) bool {
	name, ok := strings.CutSuffix(path.Base(p), ".zip")
	return ok && isLibraryName(name)
}

func isLibraryName(name string) bool {
	for _, prefix := range []string{"python", "pypy"} {
		if v, ok := strings.CutPrefix(name, prefix); ok {
			return strings.Trim(v, "0123456789.t") == ""
		}
	}
	return false
}

func temporary(dir string) bool {
	for _, root := range []string{"/tmp", "/var/tmp", "/dev", "/proc", "/run"} {
		if dir == root || strings.HasPrefix(dir, root+"/") {
			return true
		}
	}
	return false
}

// LooksLikeLibrary reports whether a path could only be read by an interpreter
// that starts: it always reads its encodings package.
func LooksLikeLibrary(p string) bool {
	return strings.Contains(p, "/encodings/") && IsModule(p)
}

// Stem is what a module's source and its compiled forms have in common:
// "/a/mod" of /a/mod.py, /a/mod.pyc and /a/__pycache__/mod.cpython-311.pyc.
func Stem(p string) string {
	p = strings.TrimSuffix(p, path.Ext(p))
	if dir, base := path.Split(p); path.Base(dir) == "__pycache__" {
		base, _, _ = strings.Cut(base, ".")
		p = path.Join(path.Dir(path.Clean(dir)), base)
	}
	return p
}

// sourceStem is Stem, also of what PYTHONPYCACHEPREFIX leads to: "/cache/a/mod" of
// /cache/a/mod.cpython-311.pyc. Only what is looked for may be found in such a place:
// a cache is nobody's library, and mod.evil.pyc need not be what mod.py was compiled to.
func sourceStem(p string) string {
	stem := Stem(p)
	if path.Ext(p) != ".pyc" {
		return stem
	}
	dir, base := path.Split(stem)
	base, _, _ = strings.Cut(base, ".")
	return dir + base
}

// IsMainOf reports whether a file is what python folder runs: the __main__ in
// there, or what it was compiled to, which lies in any folder below which the
// path of the folder is repeated if PYTHONPYCACHEPREFIX says so.
func IsMainOf(p, folder string) bool {
	dir, ok := strings.CutSuffix(sourceStem(p), "/__main__")
	return ok && folder != "" && IsModule(p) && (dir == folder || path.Ext(p) == ".pyc" && strings.HasPrefix(folder, "/") && strings.HasSuffix(dir, folder))
}

// IsMain reports whether a file is what python -m name runs: the module's
// own file or, of a package, its __main__.
func IsMain(p, name string) (main, isPackage bool) {
	p = sourceStem(p)
	tail := "/" + strings.ReplaceAll(name, ".", "/")
	switch {
	case strings.HasSuffix(p, tail+"/__main__"):
		return true, true
	case strings.HasSuffix(p, tail):
		return true, false
	}
	return false, false
}
