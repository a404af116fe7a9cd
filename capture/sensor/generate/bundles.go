//go:build linux

package generate

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"kingsnake/capture"
)

// loader prepares what bundles are made of.
func (b *Bench) loader() error {
	if err := b.embed("bundled", embedBundled); err != nil {
		return err
	}
	return b.compile()
}

// bundle makes a run of a program with two scripts behind it, in the format of
// PyInstaller: see kingsnake/normalize/bundle.
func (x *build) bundle(args ...string) error {
	program, err := os.ReadFile(x.made["bundled"])
	if err != nil {
		return fmt.Errorf("read the loader: %w", err)
	}
	code := x.compiled()
	header := 8 // of a compiled file, before the code: magic and time; then size, then flags
	for _, v := range []version{{3, 3}, {3, 7}} {
		if !x.Python.version.less(v) {
			header += 4
		}
	}
	code = code[header:]
	var archive, table []byte
	for _, name := range []string{"hook", "main"} {
		for _, n := range []int{18 + len(name) + 1, len(archive), len(code), len(code)} {
			table = append(table, bigEndian(n)...)
		}
		table = append(append(table, 0, 's'), name+"\x00"...)
		archive = append(archive, code...)
	}
	at := len(archive)
	archive = append(append(archive, table...), "MEI\x0c\x0b\x0a\x0b\x0e"...)
	for _, n := range []int{len(archive) - 8 + 88, at, len(table), 311} {
		archive = append(archive, bigEndian(n)...)
	}
	archive = append(archive, make([]byte, 64)...)
	path, err := x.write("program", append(program, archive...))
	x.run.Cmd = exec.Command(path, append([]string{filepath.Join(x.Python.libraries, x.Python.library)}, args...)...)
	x.want(capture.Bundle, path, archive)
	return err
}

func bigEndian(n int) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }
