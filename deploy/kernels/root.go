package kernels

import (
	"context"
	"debug/elf"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// initScript is the first process of a machine.
//
//go:embed init.sh
var initScript string

// python is the interpreter the tests run.
const python = "/usr/bin/python3"

// tools are this machine's programs that the tests run by name. All others in a
// machine are busybox's.
var tools = []string{
	"/bin/sh", "/bin/bash", "/bin/cat", "/bin/cp", "/bin/ln", "/bin/mkdir", "/bin/mkfifo", "/bin/mount", "/bin/rm", "/bin/sleep", "/bin/true",
	"/usr/bin/env", "/usr/bin/perl", "/usr/bin/unshare", "/usr/sbin/chroot",
}

// Suite is a test binary, and the folder it is run in.
type Suite struct {
	Binary string // path on this machine
	Folder string // of the package, from the root of the repository
}

// writeRoot writes the file system that all machines have in common.
func writeRoot(ctx context.Context, w io.Writer, repository string, suites []Suite) error {
	r := root{newArchive(w)}
	r.text("/init", 0o755, initScript)
	r.device("/dev/console", 5, 1)
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		r.link("/"+name, "usr/"+name)
		r.folder("/usr/"+name, 0o755)
	}
	for _, name := range []string{"/proc", "/root", "/run", "/sys"} {
		r.folder(name, 0o755)
	}
	r.folder("/tmp", 0o1777)
	r.text("/etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n")
	r.text("/etc/group", 0o644, "root:x:0:\n")
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	if err := r.file("/usr/bin/busybox", busybox); err != nil {
		return err
	}
	for _, tool := range append(tools, python) {
		if err := r.program(tool); err != nil {
			return err
		}
	}
	if err := r.library(ctx); err != nil {
		return fmt.Errorf("copy Python's library: %w", err)
	}
	for _, s := range suites {
		if err := r.suite(repository, s); err != nil {
			return err
		}
	}
	return r.close()
}

// root is an archive that is filled with parts of this machine.
type root struct{ *archive }

// copy copies a file and, if it is a link, what it leads to. The top folders of
// the archive are merged into /usr as Debian's are; path may lie in either.
func (r root) copy(path string) (real string, err error) {
	for {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, filepath.Base(path))
		info, err := os.Lstat(path)
		if err != nil {
			return "", err
		}
		if info.Mode().Type() != fs.ModeSymlink {
			return path, r.file(merged(path), path)
		}
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		r.link(merged(path), target)
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		path = target
	}
}

// program copies a program or library and the libraries it needs.
func (r root) program(path string) error {
	real, err := r.copy(path)
	if err != nil {
		return err
	}
	f, err := elf.Open(real)
	if err != nil {
		return fmt.Errorf("%s: %w", real, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		loader, err := io.ReadAll(io.LimitReader(p.Open(), 4096))
		if err != nil {
			return fmt.Errorf("%s: %w", real, err)
		}
		if _, err := r.copy(strings.TrimRight(string(loader), "\x00")); err != nil {
			return err
		}
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("%s: %w", real, err)
	}
	for _, name := range needed {
		path, err := findLibrary(name)
		if err != nil {
			return fmt.Errorf("%s: %w", real, err)
		}
		if r.have[merged(path)] {
			continue
		}
		if err := r.program(path); err != nil {
			return err
		}
	}
	return nil
}

// libraryFolders are where Debian has shared libraries.
var libraryFolders = []string{"/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib", "/lib"}

func findLibrary(name string) (string, error) {
	for _, dir := range libraryFolders {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no shared library %s: %w", name, fs.ErrNotExist)
}

// unneeded are parts of Python's library that no test imports.
var unneeded = []string{
	"config-*", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtledemo", "*-packages",
	"_codecs_*.so", "_test*.so", "_xx*.so", "xx*.so", "_curses*.so", "_dbm*.so", "_gdbm*.so", "_sqlite3*.so", "_tkinter*.so", "nis*.so", "readline*.so",
}

// library copies Python's standard library and what it keeps compiled.
func (r root) library(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, python, "-Ic", "import sysconfig; print(sysconfig.get_path('stdlib'))").Output()
	if err != nil {
		return err
	}
	return filepath.WalkDir(strings.TrimSpace(string(out)), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.ContainsFunc(unneeded, func(p string) bool { ok, _ := filepath.Match(p, d.Name()); return ok }) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		if strings.HasSuffix(path, ".so") {
			return r.program(path)
		}
		_, err = r.copy(path)
		return err
	})
}

// suite copies a test binary, and its package's test data to where it runs.
func (r root) suite(repository string, s Suite) error {
	folder := "/src/" + s.Folder
	r.folder(folder, 0o755)
	if err := r.file(folder+"/suite.test", s.Binary); err != nil {
		return err
	}
	data := filepath.Join(repository, s.Folder, "testdata")
	if _, err := os.Stat(data); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rest, err := filepath.Rel(data, path)
		if err != nil {
			return err
		}
		return r.file(filepath.Join(folder, "testdata", rest), path)
	})
}

// merged returns where a path lies in the archive.
func merged(path string) string {
	for _, top := range []string{"/bin/", "/sbin/", "/lib/", "/lib64/"} {
		if strings.HasPrefix(path, top) {
			return "/usr" + path
		}
	}
	return path
}
