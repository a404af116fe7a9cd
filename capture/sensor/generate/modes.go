//go:build linux

package generate

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
)

// modes lists every mode. The order is that of the documentation.
func modes() []Mode {
	return slices.Concat(fileModes, commandModes, streamModes, moduleModes, placeModes, binaryModes)
}

// largestArgument is the most bytes that the kernel takes as one argument:
// MAX_ARG_STRLEN less its NUL.
const largestArgument = 32*4096 - 1

var fileModes = []Mode{
	{Name: "file", make: func(x *build) error {
		path, err := x.write("script.py", x.text)
		x.command(path, "a", "b c")
		x.want(capture.File, path, x.text)
		return err
	}},
	{Name: "file that deletes itself", make: func(x *build) error {
		x.text = append([]byte("import os; os.unlink(__file__)\n"), x.text...)
		path, err := x.write("script.py", x.text)
		x.command(path)
		x.want(capture.File, path, x.text)
		return err
	}},
	{Name: "file deleted by its shell", make: func(x *build) error {
		path, err := x.write("script.py", x.text)
		x.shell(`"$1" "$2" & rm -f "$2.none"; wait; rm "$2"`, path)
		x.want(capture.File, path, x.text)
		return err
	}},
	{Name: "file by a relative path", make: func(x *build) error {
		path, err := x.write("script", x.text)
		x.command("./script")
		x.want(capture.File, path, x.text)
		return err
	}},
	{Name: "file through a symbolic link", make: func(x *build) error {
		path, err := x.write("real.txt", x.text)
		link := filepath.Join(x.run.dir, "link.py")
		x.command(link)
		x.want(capture.File, link, x.text)
		if err != nil {
			return err
		}
		return os.Symlink(path, link)
	}},
	{Name: "shebang without a suffix", make: func(x *build) error {
		x.text = append([]byte("#!"+x.Python.Path+" -B\n"), x.text...)
		path, err := x.write("tool", x.text)
		x.run.Cmd = exec.Command(path, "arg")
		x.want(capture.File, path, x.text)
		return err
	}},
	{Name: "file of 1 MB", make: func(x *build) error {
		x.text = append(x.text, bytes.Repeat([]byte("# a long line of a long text, which is here to be long\n"), 1<<20/55)...)
		path, err := x.write("script.py", x.text)
		x.command(path)
		x.want(capture.File, path, x.text)
		return err
	}},
	{Name: "compiled file", make: func(x *build) error {
		code := x.compiled()
		path, err := x.write("script.pyc", code)
		x.command(path)
		x.want(capture.Bytecode, path, code)
		return err
	}, prepare: (*Bench).compile},
}

var commandModes = []Mode{
	{Name: "-c", make: func(x *build) error {
		x.command("-c", string(x.text), "-x")
		x.want(capture.Command, "", x.text)
		return nil
	}},
	{Name: "-c joined with other letters", make: func(x *build) error {
		x.command("-uBc"+string(x.text), "-x")
		x.want(capture.Command, "", x.text)
		return nil
	}},
	{Name: "-c of the most bytes an argument has", make: func(x *build) error {
		x.text = append(x.text, bytes.Repeat([]byte("#"), largestArgument-len(x.text))...)
		x.command("-c", string(x.text))
		x.want(capture.Command, "", x.text)
		return nil
	}},
}

var streamModes = []Mode{
	{Name: "standard input from a pipe", make: func(x *build) error {
		x.command()
		x.run.Cmd.Stdin = bytes.NewReader(x.text)
		x.want(capture.Stdin, "", x.text)
		return nil
	}},
	{Name: "standard input by a dash", make: func(x *build) error {
		x.command("-", "arg")
		x.run.Cmd.Stdin = bytes.NewReader(x.text)
		x.want(capture.Stdin, "", x.text)
		return nil
	}},
	{Name: "standard input after -c, with -i", make: func(x *build) error {
		x.command("-ic", "pass")
		x.run.Cmd.Stdin = bytes.NewReader(x.text)
		x.want(capture.Command, "", []byte("pass"))
		x.want(capture.Stdin, "", x.text)
		return nil
	}},
	{Name: "standard input after a file, with -i", make: func(x *build) error {
		path, err := x.write("script.py", []byte("pass\n"))
		x.command("-i", path)
		x.run.Cmd.Stdin = bytes.NewReader(x.text)
		x.want(capture.File, path, []byte("pass\n"))
		x.want(capture.Stdin, "", x.text)
		return err
	}},
	{Name: "PYTHONSTARTUP without a suffix", make: func(x *build) error {
		path, err := x.write("startup", x.text)
		x.command("-i")
		x.run.Cmd.Env = append(os.Environ(), "PYTHONSTARTUP="+path)
		x.want(capture.Stdin, "", nil)
		x.wantImport(path, x.text)
		return err
	}},
	{Name: "standard input, unbuffered, fed byte by byte", make: func(x *build) error {
		x.text = x.text[:min(len(x.text), 80+bytes.IndexByte(x.text[80:], '\n')+1)]
		x.command("-u")
		x.run.Cmd.Stdin = iotest.OneByteReader(bytes.NewReader(x.text))
		x.want(capture.Stdin, "", x.text)
		return nil
	}},
	{Name: "standard input, unbuffered", make: func(x *build) error {
		x.command("-u", "-")
		x.run.Cmd.Stdin = bytes.NewReader(x.text)
		x.want(capture.Stdin, "", x.text)
		return nil
	}},
	{Name: "standard input from a file", make: func(x *build) error {
		path, err := x.write("script.txt", x.text)
		x.shell(`"$1" < "$2"`, path)
		x.want(capture.Stdin, path, x.text)
		return err
	}},
	{Name: "here-document in a pipe", make: func(x *build) error {
		x.text = x.text[:bytes.LastIndexByte(x.text[:min(len(x.text), 2000)], '\n')+1]
		x.shell("\"$1\" <<'END'\n" + string(x.text) + "END\n")
		x.want(capture.Stdin, "", x.text)
		return nil
	}},
	{Name: "here-document in a deleted file", make: func(x *build) error {
		x.text = append(x.text, text(x.id, 70_000)...) // more than a pipe holds
		x.run.Cmd = exec.Command("/bin/bash", "-c", "TMPDIR="+x.run.dir+"; \"$1\" <<'END'\n"+string(x.text)+"END\n", "bash", x.Python.Path)
		x.want(capture.Stdin, x.run.dir+"/sh-thd.*", x.text)
		return nil
	}, prepare: needs("/bin/bash", "bash")},
	{Name: "process substitution", make: func(x *build) error {
		path, err := x.write("text", x.text)
		x.run.Cmd = exec.Command("/bin/bash", "-c", `"$1" <(cat "$2"); :`, "bash", x.Python.Path, path)
		x.want(capture.File, "/dev/fd/[0-9]*", x.text)
		return err
	}, prepare: needs("/bin/bash", "bash")},
	{Name: "FIFO", make: func(x *build) error {
		path, err := x.write("text", x.text)
		x.shell(`mkfifo "$2.fifo" && { cat "$2" > "$2.fifo" & exec "$1" "$2.fifo"; }`, path)
		x.want(capture.File, path+".fifo", x.text)
		return err
	}},
	{Name: "/dev/fd/N", make: func(x *build) error {
		path, err := x.write("text", x.text)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		x.command("/dev/fd/3")
		x.run.give(f)
		x.want(capture.File, "/dev/fd/3", x.text)
		return err
	}},
	{Name: "/proc/self/fd/N of a memfd", make: func(x *build) error {
		f, err := memory("script", bytes.NewReader(x.text))
		x.command("/proc/self/fd/3")
		x.run.give(f)
		x.want(capture.File, "/proc/self/fd/3", x.text)
		return err
	}},
}

// give hands an open file to the run as descriptor 3.
func (r *Run) give(f *os.File) {
	if f == nil {
		return
	}
	r.Cmd.ExtraFiles = append(r.Cmd.ExtraFiles, f)
	r.cleanup = append(r.cleanup, func() { f.Close() })
}

// memory makes a file that lies in memory alone.
func memory(name string, content io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := io.Copy(f, content); err != nil {
		f.Close()
		return nil, fmt.Errorf("write a file in memory: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		f.Close()
		return nil, fmt.Errorf("rewind a file in memory: %w", err)
	}
	return f, nil
}

// needs makes a mode ready that needs nothing but a program.
func needs(path, pkg string) func(*Bench) error {
	return func(*Bench) error {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("needs %s: apt-get install %s", path, pkg)
		}
		return nil
	}
}
