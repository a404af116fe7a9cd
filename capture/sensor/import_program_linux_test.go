//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kingsnake/capture/sensor/generate"
)

// A randomProgram is a program made up of random imports. Each text that it may
// run calls ran with a name of its own first, so that it is the program itself
// that says what it ran, and what must have been captured.
type randomProgram struct {
	*rand.Rand
	python generate.Python
	old    bool   // Python 2
	id     string // of the program
	dir    string // of its script and its modules
	roots  []string
	cmd    *exec.Cmd

	main    []byte
	modules []*randomModule
	texts   map[string]*randomText // by the name that it calls ran with
	compile []string               // sources, each followed by the place of its compiled form
	places  int                    // how many were named
	pure    bool                   // it changes nothing, and can be run again
	threads bool                   // it imports in several at once
}

// A randomModule is a module of such a program.
type randomModule struct {
	name  string // as it is imported
	path  string // of its source
	bare  bool   // only its compiled form is there
	isPkg bool
}

// A randomText is one content of a module.
type randomText struct {
	text []byte
	name string
	data bool // it may be read as data
	run  bool // it may be run by exec and the like
}

// randomSizes are what modules have: small, and around the lengths at which reads and
// records are cut.
var randomSizes = []int{0, 0, 1, 200, 1000, 3000, 4096, 8192, 32 << 10, 64 << 10, 128 << 10, 300 << 10, 1 << 20}

func newRandomProgram(t *testing.T, python generate.Python, seed uint64, dir string) *randomProgram {
	p := &randomProgram{
		Rand: rand.New(rand.NewPCG(seed, 0)), python: python, id: fmt.Sprintf("s%dx%d", seed, os.Getpid()), dir: dir,
		old: strings.HasPrefix(python.Name, "CPython 2"), texts: make(map[string]*randomText),
	}
	p.pure = p.chance(40)
	for _, root := range []string{"a", "b"} {
		p.roots = append(p.roots, filepath.Join(dir, root))
	}
	if p.IntN(3) == 0 {
		shm := filepath.Join("/dev/shm", p.id)
		t.Cleanup(func() { os.RemoveAll(shm) })
		p.roots = append(p.roots, shm)
	}
	must(t, os.RemoveAll(dir))
	for _, root := range p.roots {
		must(t, os.MkdirAll(root, 0o755))
	}
	p.plant(t)
	p.script(t)
	p.command(t)
	p.prepare(t)
	return p
}

// save writes a file, and the folders on the way.
func save(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place returns a new path for a module.
func (p *randomProgram) place(name string) string {
	p.places++
	return filepath.Join(p.roots[0], fmt.Sprintf("%s%d.py", name, p.places))
}

func (p *randomProgram) chance(percent int) bool { return p.IntN(100) < percent }

// some returns one of a list.
func some[T any](p *randomProgram, list []T) T { return list[p.IntN(len(list))] }

// text makes a new text; body are lines that it has beside.
func (p *randomProgram) text(body ...string) *randomText {
	name := fmt.Sprintf("%s.%d", p.id, len(p.texts))
	end := "\n"
	if p.chance(10) {
		end = "\r\n"
	}
	var b bytes.Buffer
	switch p.IntN(12) {
	case 0:
		b.WriteString("\xef\xbb\xbf")
	case 1:
		b.WriteString("# -*- coding: latin-1 -*-" + end + "# \xe9\xff" + end)
	}
	lines := append([]string{fmt.Sprintf("ran(%q)", name)}, body...)
	if p.chance(30) {
		lines = append(body, lines[0])
	}
	b.WriteString(strings.Join(lines, end) + end)
	size := some(p, randomSizes)
	if size >= 4096 {
		size += p.IntN(5) - 2
	}
	if size > 40000 && p.chance(60) {
		size /= 50
	}
	for i := 0; b.Len() < size-40; i++ {
		if i%8 == 0 {
			fmt.Fprintf(&b, "x = 'a text %d'%s", i, end)
		} else {
			fmt.Fprintf(&b, "# a line of many %d%s", i, end)
		}
	}
	if n := size - b.Len(); n > 2 {
		b.WriteString(strings.Repeat("#", n-1) + "\n")
	}
	text := &randomText{text: b.Bytes(), name: name}
	p.texts[name] = text
	return text
}

// plant writes a tree of modules.
func (p *randomProgram) plant(t *testing.T) {
	folders := make(map[string]string) // package, "" for a root
	n := 2 + p.IntN(8)
	taken := make(map[string]bool)
	for i := 0; i < n; i++ {
		root := some(p, p.roots)
		pkg, dir := "", root
		if len(folders) > 0 && p.chance(60) {
			pkg = some(p, slices.Sorted(maps.Keys(folders)))
			dir = folders[pkg]
		}
		name := fmt.Sprintf("%s%d", some(p, []string{"mod", "util", "x"}), i)
		if p.chance(8) && pkg != "" && !taken[pkg+".main"] {
			name = "main"
			taken[pkg+".main"] = true
		}
		if p.chance(3) {
			name += strings.Repeat("_long", 22+p.IntN(16))
		}
		full := strings.TrimPrefix(pkg+"."+name, ".")
		if p.chance(35) {
			m := &randomModule{name: full, path: filepath.Join(dir, name, "__init__.py"), isPkg: true}
			must(t, os.MkdirAll(filepath.Dir(m.path), 0o755))
			folders[full] = filepath.Dir(m.path)
			switch {
			case !p.old && p.chance(25): // a namespace
			case p.chance(40):
				must(t, os.WriteFile(m.path, nil, 0o644))
				p.modules = append(p.modules, m)
			default:
				p.write(t, m, pkg)
			}
			continue
		}
		p.write(t, &randomModule{name: full, path: filepath.Join(dir, name+".py")}, pkg)
	}
	if len(p.modules) == 0 {
		p.write(t, &randomModule{name: "only", path: filepath.Join(p.roots[0], "only.py")}, "")
	}
	if p.chance(20) {
		link := filepath.Join(p.dir, "link")
		must(t, os.Symlink(p.roots[0], link))
		p.roots[0] = link
	}
}

// write writes a module, compiled or not.
func (p *randomProgram) write(t *testing.T, m *randomModule, pkg string) {
	var body []string
	if len(p.modules) > 0 && p.chance(30) {
		other := some(p, p.modules)
		body = append(body, "import "+other.name)
		if i := strings.LastIndexByte(other.name, '.'); pkg != "" && !m.isPkg && p.chance(60) && i > 0 && other.name[:i] == pkg {
			body[0] = "from . import " + other.name[i+1:]
		}
	}
	must(t, os.WriteFile(m.path, p.text(body...).text, 0o644))
	p.modules = append(p.modules, m)
	switch p.IntN(6) {
	case 0: // only compiled
		m.bare = true
		p.compile = append(p.compile, m.path, m.path+"c", "1")
	case 1, 2:
		p.compile = append(p.compile, m.path, "", "")
	}
}

// call returns a line that imports a module.
func (p *randomProgram) call(m *randomModule) string {
	switch p.IntN(5) {
	case 0:
		return fmt.Sprintf("importlib.import_module(%q)", m.name)
	case 1:
		return fmt.Sprintf("__import__(%q)", m.name)
	case 2:
		return fmt.Sprintf("__import__(%q, fromlist=['x'])", m.name)
	}
	return "import " + m.name
}

// textOf returns the text of a module; nil if it has none.
func (p *randomProgram) textOf(t *testing.T, m *randomModule) *randomText {
	b, err := os.ReadFile(m.path)
	must(t, err)
	for _, text := range p.texts {
		if bytes.Equal(b, text.text) {
			return text
		}
	}
	return nil
}

// stage writes a new text, of size bytes at least, to a file from which the program
// takes it.
func (p *randomProgram) stage(t *testing.T, size int) (string, *randomText) {
	text := p.text()
	if size > len(text.text) {
		text.text = append(text.text, bytes.Repeat([]byte("#"), size-len(text.text))...)
	}
	path := filepath.Join(p.dir, "staged", text.name)
	must(t, save(path, text.text))
	return path, text
}

// bring returns a line that brings a staged file to a path.
func (p *randomProgram) bring(from, to string) string {
	way := p.IntN(3)
	if strings.HasPrefix(to, "/dev/shm") {
		way = 2
	}
	switch way {
	case 0:
		return fmt.Sprintf("os.rename(%q, %q)", from, to)
	case 1:
		return fmt.Sprintf("os.link(%q, %q + '~'); os.rename(%q + '~', %q)", from, to, to, to)
	}
	return fmt.Sprintf("shutil.copyfile(%q, %q)", from, to)
}

// command writes the script and makes the command that runs it.
func (p *randomProgram) command(t *testing.T) {
	flags := []string{"-B", "-S", "-E"}
	if !p.old { // which reads other compiled files with -O
		flags = append(flags, "-O", "-OO", "-I", "-Ximporttime")
	}
	var args []string
	for range p.IntN(3) {
		args = append(args, some(p, flags))
	}
	file, stdin := filepath.Join(p.dir, "main.py"), false
	ways := []func(){
		func() { args = append(args, file) },
		func() { args = append(args, "-c", string(p.main)) },
		func() { stdin = true },
		func() { args, stdin = append(args, "-"), true },
		func() {
			file = filepath.Join(p.dir, "app", "__main__.py")
			args = append(args, filepath.Dir(file))
		},
		func() {
			file = filepath.Join(p.dir, "script")
			args = append(args, file)
		},
	}
	if !slices.Contains(args, "-I") {
		ways = append(ways, func() { args = append(args, "-m", "main") }, func() {
			file = filepath.Join(p.dir, "app", "__main__.py")
			args = append(args, "-m", "app")
			for name, text := range map[string]string{"__init__.py": "from .sub import app", "sub/__init__.py": "", "sub/app.py": "# " + p.id} {
				must(t, save(filepath.Join(p.dir, "app", name), []byte(text+"\n")))
			}
		})
	}
	some(p, ways)()
	must(t, save(file, p.main))
	binary := p.python.Path
	if p.chance(15) && !p.python.Shared {
		binary = filepath.Join(p.dir, "python")
		b, err := os.ReadFile(p.python.Path)
		must(t, err)
		must(t, os.WriteFile(binary, b, 0o755))
	}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Dir = p.dir
	p.cmd.Env = []string{"PATH=/usr/bin:/bin"}
	if p.chance(20) && !p.old {
		p.cmd.Env = append(p.cmd.Env, "PYTHONPYCACHEPREFIX="+filepath.Join(p.dir, "cache"))
	}
	if stdin {
		p.cmd.Stdin = bytes.NewReader(p.main)
		if p.chance(50) {
			f, err := os.Open(file)
			must(t, err)
			t.Cleanup(func() { f.Close() })
			p.cmd.Stdin = f
		}
	}
}

// prepare compiles what is to be there compiled.
func (p *randomProgram) prepare(t *testing.T) {
	if len(p.compile) == 0 {
		return
	}
	const compile = `import sys, os, py_compile
a = sys.argv[1:]
for i in range(0, len(a), 3):
    py_compile.compile(a[i], a[i+1] or None, doraise=True)
    if a[i+2]: os.remove(a[i])
`
	cmd := exec.Command(p.python.Path, append([]string{"-c", compile}, p.compile...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
