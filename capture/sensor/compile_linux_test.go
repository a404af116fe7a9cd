//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kingsnake/capture"
)

// interpreters are the Pythons of this machine: the system's and those of pyenv.
func interpreters(t *testing.T) []string {
	t.Helper()
	found := []string{python}
	home, _ := os.UserHomeDir()
	more, err := filepath.Glob(filepath.Join(home, ".pyenv/versions/[23].*/bin/python[23].[0-9]*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range more {
		if base := filepath.Base(path); strings.Trim(base, "python0123456789.") == "" {
			found = append(found, path)
		}
	}
	return found
}

func isCompiled(s capture.Script) bool { return s.Kind == capture.Compiled }

// texts returns the compiled texts that a run of cmd gives, until all that are
// wanted are there.
func (r *recorder) texts(t *testing.T, cmd *exec.Cmd, want ...string) []capture.Script {
	t.Helper()
	tag := r.start(t, cmd)
	missing := slices.Clone(want)
	return r.waitUntil(t, tag, func(got []capture.Script) bool {
		missing = slices.DeleteFunc(slices.Clone(want), func(text string) bool {
			return slices.ContainsFunc(got, func(s capture.Script) bool { return isCompiled(s) && string(s.Text) == text })
		})
		return len(missing) == 0
	}, func() string { return "these texts are missing: " + strings.Join(missing, " | ") })
}

// warm runs an interpreter until it has been attached to, by marshal.load, which is
// the last that is: at its first sight it may be done before.
func (r *recorder) warm(t *testing.T, python string) {
	t.Helper()
	const script = `import marshal, sys, tempfile, time
time.sleep(0.1)
f = tempfile.TemporaryFile()
marshal.dump(compile("'%s'" % sys.argv[1], "f", "eval"), f)
f.seek(0)
marshal.load(f)
`
	for try := range 20 {
		nonce := fmt.Sprintf("%s %s %d", t.Name(), python, try) // t may warm others
		cmd := exec.Command(python, "-c", script, nonce)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
		for range 20 {
			time.Sleep(10 * time.Millisecond)
			r.mu.Lock()
			attached := slices.ContainsFunc(r.scripts, func(s capture.Script) bool {
				return isCompiled(s) && len(s.Text) > 0 && s.Text[0]&0x7f == 'c' && bytes.Contains(s.Text, []byte(nonce))
			})
			r.mu.Unlock()
			if attached {
				return
			}
		}
	}
	t.Fatalf("%s is not attached to; lost: %v", python, r.sensor.Stats().Lost)
}

func TestEveryTextCompiledAtRunTimeIsCaptured(t *testing.T) {
	r := record(t)
	script := []byte(`import ast, code, sys
exec("x = 'by exec'")
eval("'by eval'")
exec(compile("x = 'by compile'", "f", "exec"))
ast.parse("x = 'by parse'")
code.InteractiveInterpreter().runsource("x = 'by hand'")
exec(b"x = 'as bytes'")
exec(u"x = u'\xe4\u20ac'")
exec("exec('x = 1 # inside')")
for i in range(3):
    exec("x = 'three times'")
`)
	path := write(t, "script.py", script)
	for _, python := range interpreters(t) {
		t.Run(filepath.Base(python), func(t *testing.T) {
			r.warm(t, python)
			got := r.texts(t, exec.Command(python, path), "x = 'by exec'", "'by eval'", "x = 'by compile'", "x = 'by parse'", "x = 'by hand'",
				"x = 'as bytes'", "x = u'\u00e4\u20ac'", "exec('x = 1 # inside')", "x = 1 # inside", "x = 'three times'")
			count := 0
			for _, s := range got {
				switch {
				case !isCompiled(s):
					continue
				case string(s.Text) == "x = 'three times'":
					count++
				}
				if s.Parent != capture.Sum(script) || s.Digest != capture.Sum(s.Text) || s.Size != int64(len(s.Text)) || s.Lost != "" || s.Truncated {
					t.Errorf("%q: parent %v, size %d, lost %q", s.Text, s.Parent, s.Size, s.Lost)
				}
				if len(s.Process.Args) < 2 || s.Process.Args[1] != path || s.Time.Before(s.Process.Start) {
					t.Errorf("%q: process %q, at %v", s.Text, s.Process.Args, s.Time)
				}
			}
			if count != 1 {
				t.Errorf("a text that is compiled three times came %d times, want once", count)
			}
		})
	}
	r.noLoss(t)
}

func TestCompiledCodeIsCaptured(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte(`import marshal, sys
code = marshal.dumps(compile("x = 'in marshal'", "f", "exec"))
with open(sys.argv[1], "wb") as f:
    f.write(code)
exec(marshal.loads(code))
try:
    marshal.loads(bytearray(code + b"longer"))
except TypeError:
    assert sys.version_info < (3,)
`))
	for _, python := range interpreters(t) {
		t.Run(filepath.Base(python), func(t *testing.T) {
			r.warm(t, python)
			file := filepath.Join(t.TempDir(), "code")
			tag := r.start(t, exec.Command(python, path, file))
			code, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := [][]byte{code}
			if !strings.Contains(python, "python2") {
				want = append(want, append(code, "longer"...))
			}
			r.waitUntil(t, tag, func(got []capture.Script) bool {
				return !slices.ContainsFunc(want, func(text []byte) bool {
					return !slices.ContainsFunc(got, func(s capture.Script) bool { return isCompiled(s) && bytes.Equal(s.Text, text) })
				})
			}, func() string { return "what marshal loaded is missing" })
		})
	}
	r.noLoss(t)
}

// TestModulesOfAnEggAreCapturedAsTheyAreCompiled imports modules from an archive
// in sys.path, whose reading is not seen: one in source, one compiled, one in a
// package.
func TestModulesOfAnEggAreCapturedAsTheyAreCompiled(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte(`import py_compile, sys, zipfile
egg = sys.argv[1]
open(egg + ".py", "w").write("x = 'compiled in the egg'\n")
py_compile.compile(egg + ".py", egg + ".code")  # by this name it is not captured when it is read
z = zipfile.ZipFile(egg, "w")
z.writestr("ofsource.py", "x = 'source in the egg'\n")
z.writestr("package/__init__.py", "from package import inner\n")
z.writestr("package/inner.py", "x = 'package in the egg'\n")
z.write(egg + ".code", "ofcode.pyc")
z.close()
sys.path.insert(0, egg)
import ofsource, package, ofcode
`))
	for _, python := range interpreters(t) {
		t.Run(filepath.Base(python), func(t *testing.T) {
			r.warm(t, python)
			egg := filepath.Join(t.TempDir(), "x.egg")
			tag := r.start(t, exec.Command(python, path, egg))
			code, err := os.ReadFile(egg + ".code")
			if err != nil {
				t.Fatal(err)
			}
			// Before 3.8 one more line ends each source.
			want := []string{"x = 'source in the egg'", "from package import inner", "x = 'package in the egg'"}
			got := r.waitUntil(t, tag, func(got []capture.Script) bool {
				return !slices.ContainsFunc(want, func(text string) bool {
					return !slices.ContainsFunc(got, func(s capture.Script) bool { return isCompiled(s) && strings.TrimRight(string(s.Text), "\n") == text })
				}) && (strings.Contains(python, "python2") || // which reads too much in that way
					slices.ContainsFunc(got, func(s capture.Script) bool {
						return len(s.Text) > 32 && isCompiled(s) && bytes.HasSuffix(code, s.Text)
					}))
			}, func() string { return "modules are missing" })
			main := got[slices.IndexFunc(got, func(s capture.Script) bool { return s.Kind == capture.File })]
			for _, s := range got {
				if isCompiled(s) && s.Parent != main.Digest {
					t.Errorf("%q was not compiled by the script", s.Text)
				}
			}
		})
	}
}

func TestALongTextIsCapturedWhole(t *testing.T) {
	r := record(t)
	for _, n := range []int{4095, 4096, 4097, 32767, 32768, 100_000, 3 << 20} {
		text := string(program(t, n))[:n-1] + "\n"
		path := write(t, "script.py", []byte("exec(open('"+write(t, "text", []byte(text))+"').read())\n"))
		r.texts(t, exec.Command(python, path), text)
	}
}

func TestAProgramThatCompilesTooMuchIsBoundedAndCounted(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte("for i in range(20000):\n    eval('%d' % i)\n"))
	got := r.texts(t, exec.Command(python, path), "0")
	if len(got) > 10000 {
		t.Errorf("%d texts came, which is too many", len(got))
	}
	// What did not come was counted, for whatever reason; some may be on the way.
	deadline := time.Now().Add(5 * time.Second)
	for {
		r.mu.Lock()
		came := len(r.scripts)
		r.mu.Unlock()
		counted := 0
		for reason, n := range r.sensor.Stats().Lost {
			if strings.HasPrefix(reason, "compiled: ") {
				counted += int(n)
			}
		}
		if came+counted >= 20000 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d scripts came and %d were counted, of 20000 texts", came, counted)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestObfuscatedProgramsShowTheirText runs programs that hide what they run, in
// twenty ways: the folder testdata/compiled holds them, and each ends in the
// plain text "plain text of NAME".
func TestObfuscatedProgramsShowTheirText(t *testing.T) {
	r := record(t)
	programs, err := filepath.Glob("testdata/compiled/by_*.py")
	if err != nil || len(programs) != 20 {
		t.Fatalf("want 20 programs, got %d, %v", len(programs), err)
	}
	for _, python := range interpreters(t) {
		t.Run(filepath.Base(python), func(t *testing.T) {
			r.warm(t, python)
			for _, path := range programs {
				r.showsItsText(t, python, path)
			}
		})
	}
	r.noLoss(t)
}

func (r *recorder) showsItsText(t *testing.T, python, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasPrefix(text, []byte("# needs 3\n")) && strings.Contains(python, "python2") {
		return
	}
	plain := []byte("plain text of " + strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "by_"), ".py"))
	if bytes.Contains(text, plain) {
		t.Fatalf("%s does not hide its text", path)
	}
	cmd := exec.Command(python, path)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "KINGSNAKE_TEST=" + t.Name() + path}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	r.waitUntil(t, cmd.Env[1], func(got []capture.Script) bool {
		return slices.ContainsFunc(got, func(s capture.Script) bool {
			return isCompiled(s) && s.Lost == "" && s.Parent == capture.Sum(text) && bytes.Contains(s.Text, plain)
		})
	}, func() string { return "the plain text does not show" })
}

// TestTextsThatAreTooManyAreSaidOfTheirProgram has a program compile far more in a
// second than is taken.
func TestTextsThatAreTooManyAreSaidOfTheirProgram(t *testing.T) {
	r := record(t)
	r.warm(t, python)
	path := write(t, "script.py", []byte("for i in range(4000):\n    compile('x = %d' % i, 'f', 'exec')\n"))
	before := r.sensor.Stats().Lost[capture.CompiledTooMuch]
	tag := r.start(t, exec.Command(python, path))
	isSaid := func(s capture.Script) bool { return isCompiled(s) && s.Lost == capture.CompiledTooMuch }
	got := r.waitUntil(t, tag, func(got []capture.Script) bool { return slices.ContainsFunc(got, isSaid) },
		func() string { return "it is not said that texts are missing" })
	counted, said := r.sensor.Stats().Lost[capture.CompiledTooMuch]-before, 0
	for _, s := range got {
		if isSaid(s) {
			said++
			if len(s.Text) > 0 || s.Parent == (capture.Digest{}) {
				t.Errorf("said with a text of %d bytes, parent %v", len(s.Text), s.Parent)
			}
		}
	}
	if said != 1 || counted == 0 {
		t.Errorf("it was said %d times that texts are missing, want once; %d were counted", said, counted)
	}
}
