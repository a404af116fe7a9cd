package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unicode"

	"kingsnake/capture"
	"kingsnake/normalize/bundle"
)

// source is a file to be read later.
type source struct {
	path string
	read func() ([]byte, error)
}

// walk calls yield for each file that paths name, and for each Python file in
// the folders that they name, in lexical order. Links in folders are not
// followed. A path that does not exist is an error; what cannot be read inside a
// folder is a source whose read fails.
func walk(paths []string, stdin io.Reader, yield func(source) error) error {
	for _, path := range paths {
		if path == "-" {
			if err := yield(source{"stdin", func() ([]byte, error) { return readAtMost(stdin) }}); err != nil {
				return err
			}
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			err = yield(source{path, func() ([]byte, error) { return readFile(path) }})
		} else {
			err = walkFolder(path, yield)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func walkFolder(root string, yield func(source) error) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			failed := err
			if err := yield(source{path, func() ([]byte, error) { return nil, failed }}); err != nil {
				return err
			}
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		if isPython(path) {
			return yield(source{path, func() ([]byte, error) { return readFile(path) }})
		}
		return nil
	})
}

// isPython reports whether a file is Python by its name or its first line.
func isPython(path string) bool {
	name := strings.ToLower(path)
	return strings.HasSuffix(name, ".py") || strings.HasSuffix(name, ".pyw") || runsPython(path)
}

// runsPython reports whether a file's first line names a Python interpreter.
func runsPython(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 128)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	line, _, _ := bytes.Cut(head[:n], []byte{'\n'})
	return bytes.HasPrefix(line, []byte("#!")) && bytes.Contains(line, []byte("python"))
}

// readFile reads a regular file. Anything else, such as a named pipe, might never
// end, or never begin. Of a bundled program too large to be read whole, it gives
// the scripts.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !fi.Mode().IsRegular():
		return nil, &fs.PathError{Op: "scan", Path: path, Err: errors.New("not a regular file; give its text on standard input, with - as the path")}
	case fi.Size() > capture.MaxText:
		if scripts := bundle.Scripts(f, fi.Size(), capture.MaxText); scripts != nil {
			return scripts, nil
		}
	}
	return readAtMost(f)
}

// visible writes hostile text so that a terminal can show it: what does not
// print is escaped.
func visible(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar:
			b.WriteString(`\x`)
			b.WriteByte("0123456789abcdef"[s[i]>>4])
			b.WriteByte("0123456789abcdef"[s[i]&15])
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x10000:
			b.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				b.WriteByte("0123456789abcdef"[r>>shift&15])
			}
		default:
			b.WriteString(`\U`)
			for shift := 28; shift >= 0; shift -= 4 {
				b.WriteByte("0123456789abcdef"[r>>shift&15])
			}
		}
	}
	return b.String()
}

// inOrder applies work to what each gives, on all cores, and calls done with the
// results in the same order. At most twice as many are under way as there are
// cores.
func inOrder[T, R any](ctx context.Context, each func(yield func(T) error) error, work func(T) R, done func(R) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cores := runtime.GOMAXPROCS(0)
	results := make(chan chan R, cores)
	slots := make(chan struct{}, cores)
	failed := make(chan error, 1)
	go func() {
		defer close(results)
		failed <- each(func(t T) error {
			result := make(chan R, 1)
			select {
			case results <- result:
			case <-ctx.Done():
				return ctx.Err()
			}
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				result <- work(t)
			}()
			return nil
		})
	}()
	for result := range results {
		if err := done(<-result); err != nil {
			return err
		}
	}
	return <-failed
}
