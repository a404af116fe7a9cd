package known

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"kingsnake/normalize"
)

// Limits on an index.
const (
	maxOrigins = 1 << 14
	maxFiles   = 1 << 18
	maxSums    = 1 << 21
	maxName    = 512 // bytes of an origin or a path
)

// Builder makes an [Index] of files. The zero value is ready to use; it is not
// safe for concurrent use. The order in which files are added makes no
// difference.
type Builder struct {
	sums    map[sum]file
	files   map[file]bool
	from    []string // origins
	origins map[string]uint32
}

// runners are files of Python's library that run what they are told to. Run
// as programs they are what their arguments make of them, so that being known
// should say nothing for them.
var runners = []string{
	"bdb.py", "cProfile.py", "code.py", "codeop.py", "http/server.py", "pdb.py", "profile.py", "pty.py", "runpy.py",
	"smtpd.py", "telnetlib.py", "timeit.py", "trace.py",
}

// Add adds a file. Origin says what it is part of, and path where it lies there,
// with slashes. It returns false for a file that is never known: too small, too
// large, or one that runs what it is told to. A name that is no plain text of
// at most 512 bytes, or one file too many, is an error.
func (b *Builder) Add(origin, path string, text []byte) (bool, error) {
	for _, name := range []string{origin, path} {
		if !printable(name) {
			return false, fmt.Errorf("add known file %q of %q: want names of 1 to %d bytes that can be printed", path, origin, maxName)
		}
	}
	if len(text) < minSize || len(text) > maxText || runs(path) {
		return false, nil
	}
	f, err := b.file(origin, path)
	if err != nil {
		return false, err
	}
	b.add(fingerprint("file", text), f)
	if c, ok := canonical(text, normalize.Lex(text)); ok && len(c.bytes) >= minSize {
		b.add(fingerprint("code", c.bytes), f)
		for _, d := range c.blocks {
			if d.canBeKnown() {
				b.add(fingerprint("block", c.bytes[d.from:d.to]), f)
			}
		}
	}
	return true, b.full()
}

// AddIndex adds everything that an index holds.
func (b *Builder) AddIndex(ix *Index) error {
	for i := range ix.files {
		old := ix.names.at(int(ix.files[i]))
		f, err := b.file(ix.from[old.origin], old.path)
		if err != nil {
			return err
		}
		b.add(sum(ix.at(i)), f)
	}
	return b.full()
}

// file returns the file of these names, a new one if need be.
func (b *Builder) file(origin, path string) (file, error) {
	if b.sums == nil {
		b.sums, b.files, b.origins = map[sum]file{}, map[file]bool{}, map[string]uint32{}
	}
	i, ok := b.origins[origin]
	if !ok {
		if len(b.from) == maxOrigins {
			return file{}, fmt.Errorf("add known file %q: more than %d origins", path, maxOrigins)
		}
		i = uint32(len(b.from))
		b.origins[origin] = i
		b.from = append(b.from, origin)
	}
	f := file{i, path}
	b.files[f] = true
	if len(b.files) > maxFiles {
		return file{}, fmt.Errorf("add known file %q of %q: more than %d files", path, origin, maxFiles)
	}
	return f, nil
}

func (b *Builder) full() error {
	if len(b.sums) > maxSums {
		return fmt.Errorf("add known files: more than %d fingerprints", maxSums)
	}
	return nil
}

// maxText is the largest text that is taken or looked up, in bytes. Larger ones
// are data.
const maxText = 1 << 20

// add keeps a fingerprint. What lies in several files is ascribed to the first
// in the order of their names.
func (b *Builder) add(s sum, f file) {
	if old, ok := b.sums[s]; !ok || b.compare(f, old) < 0 {
		b.sums[s] = f
	}
}

func (b *Builder) compare(x, y file) int {
	return cmp.Or(cmp.Compare(b.from[x.origin], b.from[y.origin]), cmp.Compare(x.path, y.path))
}

// Index returns the index of all files added so far.
func (b *Builder) Index() *Index {
	used := map[file]bool{}
	for _, f := range b.sums {
		used[f] = true
	}
	names := slices.SortedFunc(maps.Keys(used), b.compare)
	ix := &Index{from: slices.Sorted(slices.Values(b.from))}
	place := make(map[file]uint32, len(names))
	for i, f := range names {
		place[f] = uint32(i)
		origin, _ := slices.BinarySearch(ix.from, b.from[f.origin])
		ix.names.add(file{uint32(origin), f.path})
	}
	sums := slices.SortedFunc(maps.Keys(b.sums), func(x, y sum) int { return bytes.Compare(x[:], y[:]) })
	for _, s := range sums {
		ix.sums = append(ix.sums, s[:]...)
		ix.files = append(ix.files, place[b.sums[s]])
	}
	return ix
}

// runs reports whether a path is that of a runner.
func runs(path string) bool {
	return slices.ContainsFunc(runners, func(r string) bool { return path == r || strings.HasSuffix(path, "/"+r) })
}

// printable reports whether a name may stand in an index.
func printable(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}
