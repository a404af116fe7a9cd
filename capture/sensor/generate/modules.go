//go:build linux

package generate

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"kingsnake/capture"
)

var moduleModes = []Mode{
	{Name: "-m module", make: func(x *build) error {
		path, err := x.write("a_module.py", x.text)
		x.command("-m", "a_module")
		x.want(capture.Module, path, x.text)
		return err
	}},
	{Name: "-m package", make: func(x *build) error {
		path, err := x.write("a_package/__main__.py", x.text)
		if err != nil {
			return err
		}
		own := text(x.id+" of the package", 50)
		module, err := x.write("a_package/__init__.py", own)
		x.command("-m", "a_package")
		x.want(capture.Package, path, x.text)
		x.wantImport(module, own)
		return err
	}, since: version{2, 7}},
	{Name: "folder with __main__.py", make: func(x *build) error {
		path, err := x.write("app/__main__.py", x.text)
		x.command(filepath.Dir(path))
		x.want(capture.Package, path, x.text)
		return err
	}},
	{Name: "file that imports modules", make: func(x *build) error {
		// Two names for one content count once.
		x.text = append([]byte("import first, second, again, json, sub.third\n"), x.text...)
		path, err := x.write("script.py", x.text)
		if err != nil {
			return err
		}
		x.command(path)
		x.want(capture.File, path, x.text)
		for _, name := range []string{"first.py", "second.py", "sub/__init__.py", "sub/third.py"} {
			own := text(x.id+" "+name, 300)
			path, err := x.write(name, own)
			if err != nil {
				return err
			}
			x.wantImport(path, own)
			if name == "second.py" {
				if _, err := x.write("again.py", own); err != nil {
					return err
				}
				x.run.Want[len(x.run.Want)-1].Path = x.run.dir + "/*.py"
			}
		}
		return nil
	}},
	{Name: "file that imports a deleted module", make: func(x *build) error {
		x.text = append([]byte("import gone\n"), x.text...)
		path, err := x.write("script.py", x.text)
		if err != nil {
			return err
		}
		own := append([]byte("import os; os.unlink(__file__)\n"), text(x.id+" gone", 300)...)
		module, err := x.write("gone.py", own)
		x.command("-B", path)
		x.want(capture.File, path, x.text)
		x.wantImport(module, own)
		return err
	}},
	{Name: "zip archive, stored", make: func(x *build) error { return x.archive("app.pyz", "", zip.Store, false) }},
	{Name: "zip archive, deflated, with a shebang", make: func(x *build) error {
		return x.archive("app", "#!"+x.Python.Path+"\n", zip.Deflate, false)
	}},
	{Name: "egg", make: func(x *build) error { return x.archive("app-1.0-py3.egg", "", zip.Deflate, false) }},
	{Name: "zip archive that deletes itself", make: func(x *build) error { return x.archive("app.pyz", "", zip.Deflate, true) }},
}

// archive makes a run of a zip archive with a main module and another, which it
// imports.
func (x *build) archive(name, shebang string, method uint16, deletes bool) error {
	main := append([]byte("import inner\n"), x.text...)
	if deletes {
		main = append([]byte("import os, sys; os.unlink(sys.argv[0])\n"), x.text...)
	}
	inner := text(x.id+" inner", 60_000) // longer than what one read of the directory takes
	var b bytes.Buffer
	b.WriteString(shebang)
	z := zip.NewWriter(&b)
	z.SetOffset(int64(b.Len()))
	for _, m := range []struct {
		name string
		text []byte
	}{
		{"__main__.py", main},
		{"inner.py", inner},
		{"data.txt", text(x.id+" data", 3000)}, // never read
	} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: m.name, Method: method})
		if err != nil {
			return fmt.Errorf("write archive: %w", err)
		}
		if _, err := w.Write(m.text); err != nil {
			return fmt.Errorf("write archive: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	path, err := x.write(name, b.Bytes())
	if shebang == "" {
		x.command(path)
	} else {
		x.run.Cmd = exec.Command(path)
	}
	x.want(capture.Zipapp, path, b.Bytes())
	x.run.Want[0].Members = map[string]capture.Digest{"__main__.py": capture.Sum(main)}
	if !deletes {
		x.run.Want[0].Members["inner.py"] = capture.Sum(inner)
	}
	return err
}

// placeholder stands in a compiled text where each run has its own.
const placeholder = "0123456789012345678901234567890123456789012345678901234567890123"

// compile compiles a text that all runs of a compiled file share, but for the
// placeholder.
func (b *Bench) compile() error {
	if b.made["compiled"] != "" {
		return nil
	}
	source := filepath.Join(b.dir, "compiled.py")
	if err := os.WriteFile(source, []byte("x = \""+placeholder+"\"\ndef f():\n    return x\neval(repr(f()))\n"), 0o644); err != nil {
		return fmt.Errorf("write a text to compile: %w", err)
	}
	path := source + "c"
	out, err := exec.Command(b.Python.Path, "-c", "import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[2])", source, path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("compile a text: %w\n%s", err, out)
	}
	code, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read what was compiled: %w", err)
	}
	if !bytes.Contains(code, []byte(placeholder)) {
		return fmt.Errorf("what %s compiled does not hold its text", b.Python.Name)
	}
	b.made["compiled"] = string(code)
	return nil
}

// compiled is the compiled text of the run.
func (x *build) compiled() []byte {
	own := fmt.Appendf(nil, "%-*s", len(placeholder), x.id)[:len(placeholder)]
	return bytes.ReplaceAll([]byte(x.made["compiled"]), []byte(placeholder), own)
}
