//go:build linux

package generate

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"kingsnake/capture"
)

// binaryModes run a file with an interpreter that is not where it was installed.
var binaryModes = []Mode{
	{Name: "interpreter copied and renamed", prepare: (*Bench).copyInterpreter, make: func(x *build) error {
		return x.with(x.made["copy"])
	}},
	{Name: "interpreter copied for each run", prepare: (*Bench).copyInterpreter, make: func(x *build) error {
		path, err := x.write("worker", []byte(x.made["binary"]))
		if err != nil {
			return err
		}
		return x.with(path)
	}},
	{Name: "interpreter in memory alone", prepare: (*Bench).copyInterpreter, make: func(x *build) error {
		binary, err := os.Open(x.made["copy"])
		if err != nil {
			return fmt.Errorf("open the interpreter: %w", err)
		}
		defer binary.Close()
		f, err := memory("worker", binary)
		if err != nil {
			return err
		}
		if err := x.with("/proc/self/fd/3"); err != nil {
			return err
		}
		x.run.Cmd.Args[0] = x.Python.Path // where it finds its library
		x.run.give(f)
		return nil
	}},
	{Name: "virtual environment", since: version{3, 3}, prepare: func(b *Bench) error { return b.venv("venv", "--symlinks") }, make: func(x *build) error {
		return x.with(x.made["venv"])
	}},
	{Name: "virtual environment with a copied interpreter", since: version{3, 3}, prepare: func(b *Bench) error { return b.venv("venv-copy", "--copies") }, make: func(x *build) error {
		return x.with(x.made["venv-copy"])
	}},
	{Name: "interpreter embedded in another program", cpython: true, prepare: func(b *Bench) error { return b.embed("linked", embedLinked) }, make: func(x *build) error {
		return x.with(x.made["linked"])
	}},
	{Name: "interpreter loaded by another program", cpython: true, prepare: func(b *Bench) error { return b.embed("loaded", embedLoaded) }, make: func(x *build) error {
		if err := x.with(x.made["loaded"]); err != nil {
			return err
		}
		x.run.Cmd.Args = append(x.run.Cmd.Args, filepath.Join(x.Python.libraries, x.Python.library))
		return nil
	}},
	{Name: "program bundled with its interpreter", cpython: true, prepare: (*Bench).loader, make: func(x *build) error { return x.bundle() }},
	{Name: "bundle that unpacks itself first", cpython: true, prepare: (*Bench).loader, make: func(x *build) error { return x.bundle("unpack") }},
}

// with makes a run of a file, which imports a module, with another interpreter.
func (x *build) with(interpreter string) error {
	x.text = append([]byte("import sys; sys.path.insert(0, '"+x.run.dir+"'); import beside\n"), x.text...)
	path, err := x.write("script.py", x.text)
	if err != nil {
		return err
	}
	own := text(x.id+" beside", 200)
	module, err := x.write("beside.py", own)
	x.run.Cmd = exec.Command(interpreter, path)
	x.want(capture.File, path, x.text)
	x.wantImport(module, own)
	return err
}

func (b *Bench) copyInterpreter() error {
	if b.made["copy"] != "" {
		return nil
	}
	binary, err := os.ReadFile(b.Python.Path)
	if err != nil {
		return fmt.Errorf("copy the interpreter: %w", err)
	}
	path := filepath.Join(b.dir, "updated")
	if err := writeProgram(path, binary); err != nil {
		return fmt.Errorf("copy the interpreter: %w", err)
	}
	// Some find their library beside themselves alone.
	if out, err := exec.Command(path, "-c", "import json").CombinedOutput(); err != nil {
		return fmt.Errorf("needs an interpreter that runs where it is copied: %w\n%s", err, out)
	}
	b.made["copy"], b.made["binary"] = path, string(binary)
	return nil
}

func (b *Bench) venv(name, how string) error {
	dir := filepath.Join(b.dir, name)
	if out, err := exec.Command(b.Python.Path, "-m", "venv", "--without-pip", how, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("needs the module venv: apt-get install python3-venv (%w)\n%s", err, out)
	}
	b.made[name] = filepath.Join(dir, "bin", "python")
	return nil
}

// Programs that run the file named in their first argument: one is linked with
// the interpreter's library, one loads the library named in the second. The third
// one has its scripts behind it.
var (
	//go:embed testdata/linked.c
	embedLinked string
	//go:embed testdata/loaded.c
	embedLoaded string
	//go:embed testdata/bundled.c
	embedBundled string
)

// embed compiles a program that has an interpreter in it.
func (b *Bench) embed(name, source string) error {
	library := filepath.Join(b.Python.libraries, b.Python.library)
	if _, err := os.Stat(filepath.Join(b.Python.include, "Python.h")); err != nil {
		return fmt.Errorf("needs the interpreter's headers: apt-get install python3-dev")
	}
	if _, err := os.Stat(library); err != nil || filepath.Ext(library) == ".a" {
		return fmt.Errorf("needs the interpreter as a shared library: apt-get install libpython3-dev")
	}
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path+".c", []byte(source), 0o644); err != nil {
		return fmt.Errorf("write a program: %w", err)
	}
	args := []string{"-o", path, path + ".c", "-I", b.Python.include}
	if name == "linked" {
		args = append(args, library, "-Wl,-rpath,"+b.Python.libraries)
	} else {
		args = append(args, "-ldl")
	}
	if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("needs a C compiler: apt-get install gcc libc6-dev (%w)\n%s", err, out)
	}
	b.made[name] = path
	return nil
}
