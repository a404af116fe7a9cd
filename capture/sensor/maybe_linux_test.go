//go:build amd64 || arm64

package sensor_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kingsnake/capture"
	"kingsnake/capture/sensor/generate"
)

// TestWhatIsReadAsDataMayBeData reads modules as linters and scanners do, and
// imports others: with every interpreter, and whether or not they are compiled.
func TestWhatIsReadAsDataMayBeData(t *testing.T) {
	r := record(t)
	for _, python := range generate.Pythons() {
		t.Run(python.Name, func(t *testing.T) {
			dir := t.TempDir()
			const script = `import io, sys
sys.path.insert(0, sys.argv[1])
import imported_first
for name in ("data_a", "data_b"):
    with open(sys.argv[1] + "/" + name + ".py") as f: f.read()
import imported_last
with open(sys.argv[1] + "/data_c.py", "rb") as f: f.read()
with io.open(sys.argv[1] + "/data_d.py") as f:
    for line in f: pass
`
			want := make(map[string]bool)
			for _, name := range []string{"imported_first", "imported_last", "data_a", "data_b", "data_c", "data_d"} {
				if err := os.WriteFile(filepath.Join(dir, name+".py"), fmt.Appendf(nil, "# %s %s\nx = 1\n", t.Name(), name), 0o644); err != nil {
					t.Fatal(err)
				}
				want[name] = strings.HasPrefix(name, "data")
			}
			main := write(t, "main.py", []byte(script))
			got := make(map[string]bool)
			for _, s := range r.run(t, 1+len(want), exec.Command(python.Path, main, dir)) {
				if s.Kind == capture.Import {
					got[strings.TrimSuffix(filepath.Base(s.Path), ".py")] = s.MaybeData
				}
			}
			certain := strings.HasPrefix(python.Name, "CPython 3")
			for name, data := range want {
				// An import that is taken for data would be a loss; the other way it is a doubt less.
				if maybe, ok := got[name]; !ok || maybe && !data || !maybe && data && certain {
					t.Errorf("%s: want it captured and marked as possible data: %v; got captured %v, marked %v", name, data, ok, maybe)
				}
			}
		})
	}
}

// TestACompiledModuleIsNoData imports a module twice: only the first time its
// source is read.
func TestACompiledModuleIsNoData(t *testing.T) {
	r := record(t)
	for _, python := range generate.Pythons() {
		t.Run(python.Name, func(t *testing.T) {
			main := write(t, "main.py", []byte("import module\nopen('/dev/null').close()\n"))
			module := filepath.Join(filepath.Dir(main), "module.py")
			if err := os.WriteFile(module, fmt.Appendf(nil, "# %s\nx = 1\n", t.Name()), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(module, time.Time{}, time.Now().Add(-time.Hour)); err != nil { // what is compiled now is newer
				t.Fatal(err)
			}
			for _, args := range [][]string{{main}, {main}, {"-m", "main"}} {
				cmd := exec.Command(python.Path, args...)
				cmd.Dir = filepath.Dir(main)
				for _, s := range r.run(t, 2, cmd) {
					t.Logf("%q: %s %s", args, s.Kind, s.Path)
					if s.MaybeData {
						t.Errorf("%q: %s is marked as possible data", args, s.Path)
					}
				}
			}
		})
	}
}

// TestWhatIsReadAndRunIsNoData reads modules as data, and runs what it read.
func TestWhatIsReadAndRunIsNoData(t *testing.T) {
	r := record(t)
	ways := map[string]string{
		"exec":    "exec(text)",
		"compile": "exec(compile(text, path, 'exec'))",
		"both":    "ast.parse(text); exec(compile(text, path, 'exec'))",
		"twice":   "exec(compile(open(path).read(), path, 'exec')); exec(open(path).read())",
	}
	for _, python := range generate.Pythons() {
		r.warm(t, python.Path)
		for name, way := range ways {
			t.Run(python.Name+"/"+name, func(t *testing.T) {
				main := write(t, "main.py", []byte("import ast, sys\npath = sys.argv[1]\nwith open(path) as f: text = f.read()\n"+way+"\neval(\"'the end'\")\n"))
				text := fmt.Sprintf("# %s\nx = 1\n", t.Name())
				tag := r.start(t, exec.Command(python.Path, main, write(t, "module.py", []byte(text))))
				isEnd := func(s capture.Script) bool { return string(s.Text) == "'the end'" }
				got := r.waitUntil(t, tag, func(got []capture.Script) bool { return slices.ContainsFunc(got, isEnd) },
					func() string { return "the end is missing" })
				certain := 0
				for _, s := range got {
					if string(s.Text) == text && !s.MaybeData {
						certain++
					}
				}
				if certain != 1 {
					t.Errorf("the text came %d times as one that ran", certain)
				}
			})
		}
	}
}

// TestAnImportIsNoData imports a module in ways that hide what tells an import from
// mere reading.
func TestAnImportIsNoData(t *testing.T) {
	r := record(t)
	ways := map[string]struct{ module, script string }{
		"a long name":                          {strings.Repeat("long", 55), "import " + strings.Repeat("long", 55)},
		"read before":                          {"module", "open('module.py').read(); import module"},
		"read in part before":                  {"module", "open('module.py', 'rb', 0).read(5); import module"},
		"a child that imported nothing before": {"module", "if not os.fork(): import module; os._exit(0)\nos.wait()"},
	}
	for _, python := range generate.Pythons() {
		for name, way := range ways {
			t.Run(python.Name+"/"+name, func(t *testing.T) {
				main := write(t, "main.py", []byte("import os\n"+way.script+"\n"))
				module := fmt.Sprintf("# %s\nx = 1\n", t.Name())
				if err := os.WriteFile(filepath.Join(filepath.Dir(main), way.module+".py"), []byte(module), 0o644); err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(python.Path, "-B", main)
				cmd.Dir = filepath.Dir(main)
				isImport := func(s capture.Script) bool {
					return s.Kind == capture.Import && string(s.Text) == module && !s.MaybeData
				}
				r.waitUntil(t, r.start(t, cmd), func(got []capture.Script) bool { return slices.ContainsFunc(got, isImport) },
					func() string { return "the import is missing" })
			})
		}
	}
}

// TestImportsAtOnceAreNoData has threads import modules at the same time: as many
// as the kernel half tells from each other, which it does by the end of their numbers.
func TestImportsAtOnceAreNoData(t *testing.T) {
	r := record(t)
	const threads = 8
	const script = `import os, sys, threading
sys.setcheckinterval(1) if sys.version_info < (3,) else sys.setswitchinterval(1e-6)
taken, all, go = {}, [], threading.Event()
def load():
    n = int(os.readlink("/proc/thread-self").rsplit("/", 1)[1]) % 8
    me = threading.current_thread()
    if taken.setdefault(n, me) is me:
        go.wait()
        __import__("module%d" % n)
while len(taken) < 8:
    all.append(threading.Thread(target=load))
    all[-1].start()
go.set()
for t in all: t.join()
`
	for _, python := range generate.Pythons() {
		t.Run(python.Name, func(t *testing.T) {
			main := write(t, "main.py", []byte(script))
			for i := range threads {
				if err := os.WriteFile(filepath.Join(filepath.Dir(main), fmt.Sprintf("module%d.py", i)), fmt.Appendf(nil, "# %s %d\n", t.Name(), i), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for run := range 5 {
				for _, s := range r.run(t, (run+1)*(1+threads), exec.Command(python.Path, "-B", main)) {
					if s.MaybeData {
						t.Errorf("%s is marked as possible data", s.Path)
					}
				}
			}
		})
	}
}

// TestWhatOfTreesRunsIsNoData has modules read and made trees of. They are data
// until code is made of any tree.
func TestWhatOfTreesRunsIsNoData(t *testing.T) {
	r := record(t)
	ways := map[string]struct {
		script string
		runs   map[string]bool // modules, and whether they came as what ran, once
	}{
		"at once":     {"run(tree('a'))", map[string]bool{"a": true}},
		"later":       {"tree('a'); b = tree('b'); time.sleep(0.3); run(b); time.sleep(0.3); tree('c')", map[string]bool{"a": true, "b": true, "c": true}},
		"both":        {"a = tree('a'); time.sleep(0.1); run(text('a')); run(a); tree('a')", map[string]bool{"a": true}},
		"twice":       {"a = tree('a'); time.sleep(0.1); run(a); time.sleep(0.1); run(text('a'))", map[string]bool{"a": true}},
		"derived":     {"class bytearray(ast.Module): pass\nrun(ast.fix_missing_locations(bytearray(**vars(tree('a')))))", map[string]bool{"a": true}},
		"a child":     {"a = tree('a'); time.sleep(0.1)\nif os.fork(): os.wait()\nelse: run(a); os._exit(0)", map[string]bool{"a": true}},
		"by keyword":  {"a = tree('a')\nif sys.version_info >= (3,): exec(compile(filename='x', mode='exec', source=a))\nelse: run(a)", map[string]bool{"a": true}},
		"linter":      {"tree('a'); tree('b'); compile(u'1', 'x', 'eval'); compile(memoryview(b'2'), 'x', 'eval'); compile(bytearray(b'3'), 'x', 'eval')", map[string]bool{"a": false, "b": false}},
		"linter of 2": {"tree('a'); tree('b'); compile(u'1', 'x', 'eval'); compile(b'2', 'x', 'eval')", map[string]bool{"a": false, "b": false}},
	}
	const head = `import ast, os, sys, time
def text(name):
    with open(os.path.join(sys.argv[1], name + ".py")) as f: return f.read()
def tree(name): return ast.parse(text(name))
def run(x): exec(compile(x, "x", "exec"), {})
`
	for _, python := range generate.Pythons() {
		r.warm(t, python.Path)
		for name, way := range ways {
			if name == "linter" && strings.HasPrefix(python.Name, "CPython 2") {
				continue // it compiles no views
			}
			t.Run(python.Name+"/"+name, func(t *testing.T) {
				main := write(t, "main.py", []byte(head+way.script+"\neval(\"'the end'\")\n"))
				dir := t.TempDir()
				for module := range way.runs {
					if err := os.WriteFile(filepath.Join(dir, module+".py"), fmt.Appendf(nil, "# %s %s\nx = 1\n", t.Name(), module), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				tag := r.start(t, exec.Command(python.Path, main, dir))
				isEnd := func(s capture.Script) bool { return string(s.Text) == "'the end'" }
				got := r.waitUntil(t, tag, func(got []capture.Script) bool { return slices.ContainsFunc(got, isEnd) },
					func() string { return "the end is missing" })
				for module, runs := range way.runs {
					data, ran := 0, 0
					for _, s := range got {
						switch {
						case !strings.HasPrefix(string(s.Text), fmt.Sprintf("# %s %s\n", t.Name(), module)):
						case s.MaybeData:
							data++
						default:
							ran++
						}
					}
					if data != 1 || (ran == 1) != runs || ran > 1 {
						t.Errorf("%s: came %d times as data, want once, and %d times as what ran; it runs: %v", module, data, ran, runs)
					}
				}
			})
		}
	}
	r.noLoss(t)
}

// TestTooManyTextsOfTreesAreCounted has more trees made than texts are kept, and
// code of the last one.
func TestTooManyTextsOfTreesAreCounted(t *testing.T) {
	r := record(t)
	r.warm(t, python)
	main := write(t, "main.py", []byte(`import ast, os, sys, time
for i in range(300):
    path = os.path.join(sys.argv[1], "module%d.py" % i)
    with open(path, "w") as f: f.write("# %s\nx = %d\n" % (path, i))
    with open(path) as f: tree = ast.parse(f.read())
time.sleep(0.2)
exec(compile(tree, "x", "exec"))
`))
	const most, reason = 256, "compiled: too many texts of trees"
	before := r.sensor.Stats().Lost[reason]
	tag := r.start(t, exec.Command(python, main, t.TempDir()))
	ran := func(got []capture.Script) (n int) {
		for _, s := range got {
			if isCompiled(s) && !s.MaybeData && strings.HasPrefix(string(s.Text), "# ") {
				n++
			}
		}
		return n
	}
	r.waitUntil(t, tag, func(got []capture.Script) bool { return ran(got) == most }, func() string { return "not the last 256 came" })
	if counted := r.sensor.Stats().Lost[reason] - before; counted != 300-most {
		t.Errorf("%d texts were counted, want %d", counted, 300-most)
	}
}
