//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"kingsnake/capture"
	"kingsnake/capture/sensor/generate"
)

// TestALargeModuleIsCaptured imports modules that are longer than anything that a
// script is read in, before and after the sensor knows that the script runs.
func TestALargeModuleIsCaptured(t *testing.T) {
	r := record(t)
	for _, python := range generate.Pythons() {
		t.Run(python.Name, func(t *testing.T) {
			main := write(t, "main.py", []byte("import module, time\ntime.sleep(.05)\nimport later\n"))
			folder := filepath.Dir(main)
			for _, name := range []string{"module.py", "later.py"} {
				text := bytes.Repeat([]byte("x = 'some text'\n"), 20000)
				if err := os.WriteFile(filepath.Join(folder, name), append(text, "# "+t.Name()+name...), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			n := 0
			for range 5 {
				for range 2 { // the first one compiles
					n += 3
					for _, s := range r.run(t, n, exec.Command(python.Path, main)) {
						if s.Kind == capture.Import && s.Size < 64<<10 {
							t.Errorf("%s has only %d bytes", s.Path, s.Size)
						}
					}
				}
				for _, name := range []string{"__pycache__", "module.pyc", "later.pyc"} {
					if err := os.RemoveAll(filepath.Join(folder, name)); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// TestTheScriptIsTold runs packages and modules, three times each: the first time
// compiles them. What they import must not be taken for the script.
func TestTheScriptIsTold(t *testing.T) {
	r := record(t)
	ways := map[string]struct {
		args []string
		kind capture.Kind
		env  string
	}{
		"package":                 {[]string{"-m", "app"}, capture.Package, ""},
		"package, compiled apart": {[]string{"-m", "app"}, capture.Package, "PYTHONPYCACHEPREFIX="},
		"module, compiled apart":  {[]string{"-m", "app.sub.app"}, capture.Module, "PYTHONPYCACHEPREFIX="},
		"folder":                  {[]string{"app"}, capture.Package, ""},
		"folder, compiled apart":  {[]string{"app"}, capture.Package, "PYTHONPYCACHEPREFIX="},
	}
	for _, python := range generate.Pythons() {
		for name, way := range ways {
			t.Run(python.Name+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				sub := filepath.Join(dir, "app", "sub")
				if err := os.MkdirAll(sub, 0o755); err != nil {
					t.Fatal(err)
				}
				for path, text := range map[string]string{"../__init__.py": "from .sub import app", "__init__.py": "", "app.py": "'it is no script, or is it'", "../__main__.py": "import os\nx = 'the script'"} {
					if err := os.WriteFile(filepath.Join(sub, path), []byte(text+"\n# "+t.Name()+path), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				for run := range 3 {
					cmd := exec.Command(python.Path, way.args...)
					cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin", "RUN=" + strconv.Itoa(run)}
					if way.env != "" {
						cmd.Env = append(cmd.Env, way.env+filepath.Join(dir, "cache"))
					}
					var mine []capture.Script
					isMine := func(s capture.Script) bool { return slices.Contains(s.Process.Env, "RUN="+strconv.Itoa(run)) }
					isScript := func(s capture.Script) bool {
						return isMine(s) && s.Kind != capture.Import && s.Kind != capture.Compiled
					}
					r.waitUntil(t, r.start(t, cmd), func(got []capture.Script) bool {
						mine = slices.DeleteFunc(got, func(s capture.Script) bool { return !isScript(s) })
						return len(mine) > 0
					}, func() string { return "the script is missing" })
					text := "the script"
					if way.kind == capture.Module {
						text = "it is no script"
					}
					if s := mine[0]; len(mine) != 1 || s.Kind != way.kind || !bytes.Contains(s.Text, []byte(text)) {
						t.Errorf("run %d: want a %s with %q, got:%s", run, way.kind, text, describe(mine))
					}
				}
			})
		}
	}
}
