//go:build amd64 || arm64

package sensor_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const randomHead = `import sys, os
try: import builtins
except ImportError: import __builtin__ as builtins
def ran(name): os.write(1, (name + "\n").encode("ascii"))
builtins.ran = ran
`

const randomTools = `import threading, time, shutil, importlib
try: from importlib import reload
except ImportError: pass
def read(path, n=-1):
    with open(path, "rb") as f: f.read(n)
def together(*todo):
    all = [threading.Thread(target=f) for f in todo]
    for t in all: t.start()
    for t in all: t.join()
def child(wait, f):
    pid = os.fork()
    if pid == 0:
        try: f()
        except BaseException:
            import traceback
            os.write(1, ("ERROR " + traceback.format_exc().replace("\n", "|") + "\n").encode())
        finally: os._exit(0)
    if wait: os.waitpid(pid, 0)
def process(f):
    import multiprocessing
    try: multiprocessing = multiprocessing.get_context("fork")
    except AttributeError: pass
    p = multiprocessing.Process(target=f)
    p.start()
    p.join()
def remove(path):
    for p in (path, path + "c"):
        if os.path.exists(p): os.remove(p)
def fresh():
    try: importlib.invalidate_caches()
    except AttributeError: pass
def source(name, path):
    fresh()
    try:
        import importlib.util as u
        spec = u.spec_from_file_location(name, path)
        spec.loader.exec_module(u.module_from_spec(spec))
    except ImportError:
        import imp
        imp.load_source(name, path)
def run(path):
    with open(path, "rb") as f: exec(f.read(), {})
`

// A randomStep makes lines of a random program's script.
type randomStep func(p *randomProgram, t *testing.T) []string

// pureSteps change no file.
var pureSteps = []randomStep{
	imports, imports, imports,
	func(p *randomProgram, t *testing.T) []string {
		return []string{fmt.Sprintf("time.sleep(%v)", some(p, []float64{0, .001, .01, .03}))}
	},
	func(p *randomProgram, t *testing.T) []string { // read, all or in part, then imported
		m := some(p, p.modules)
		if m.bare {
			return []string{p.call(m)}
		}
		if text := p.textOf(t, m); text != nil {
			text.data = true
		}
		return []string{fmt.Sprintf("read(%q, %d)", m.path, some(p, []int{-1, -1, 10, 4096, 70000})), p.call(m)}
	},
}

func imports(p *randomProgram, _ *testing.T) []string { return []string{p.call(some(p, p.modules))} }

// changingSteps bring new modules.
var changingSteps = []randomStep{
	func(p *randomProgram, t *testing.T) []string { // loaded again
		m := some(p, p.modules)
		if m.bare {
			return []string{p.call(m)}
		}
		from, _ := p.stage(t, 0)
		return []string{p.call(m), p.bring(from, m.path), "fresh()", fmt.Sprintf("reload(sys.modules[%q])", m.name)}
	},
	func(p *randomProgram, t *testing.T) []string { // another was there, and read in part
		path := p.place("part")
		before, text := p.stage(t, 0)
		text.data = true
		after, _ := p.stage(t, 0)
		return []string{
			fmt.Sprintf("shutil.copyfile(%q, %q)", before, path), fmt.Sprintf("read(%q, %d)", path, some(p, []int{1, 100, 5000, 70000})),
			p.bring(after, path), fmt.Sprintf("source('part', %q)", path),
		}
	},
	func(p *randomProgram, t *testing.T) []string { // one after the other in the same place, often of the same length
		lines, path, size := []string{"sys.dont_write_bytecode = True"}, p.place("same"), 300
		for range 2 + p.IntN(3) {
			from, text := p.stage(t, size)
			size = len(text.text)
			lines = append(lines, p.bring(from, path), fmt.Sprintf("source('same', %q)", path))
			if p.chance(50) {
				lines = append(lines, fmt.Sprintf("remove(%q)", path))
			}
		}
		return append(lines, "sys.dont_write_bytecode = False")
	},
	func(p *randomProgram, t *testing.T) []string { // a link, perhaps to what is not named like a module
		from, text := p.stage(t, 0)
		link := p.place("link")
		lines := []string{fmt.Sprintf("os.symlink(%q, %q)", from, link), fmt.Sprintf("source('link', %q)", link)}
		if p.old || p.chance(50) {
			path := p.place("target")
			return []string{p.bring(from, path), fmt.Sprintf("os.symlink(%q, %q)", path, link), lines[1]}
		}
		text.run = true
		return lines
	},
	func(p *randomProgram, t *testing.T) []string { // deleted at once
		path := p.place("gone")
		from, _ := p.stage(t, 0)
		return []string{p.bring(from, path), fmt.Sprintf("source('gone', %q)", path), fmt.Sprintf("remove(%q)", path)}
	},
	func(p *randomProgram, t *testing.T) []string { // read and run
		path := p.place("run")
		from, text := p.stage(t, 0)
		text.run = true
		return []string{p.bring(from, path), fmt.Sprintf(some(p, []string{"run(%q)", "import runpy; runpy.run_path(%q)"}), path)}
	},
	func(p *randomProgram, t *testing.T) []string { // the same under two names
		from, _ := p.stage(t, 0)
		one, two := p.place("one"), p.place("two")
		return []string{
			fmt.Sprintf("shutil.copyfile(%q, %q); shutil.copyfile(%q, %q)", from, one, from, two),
			fmt.Sprintf("source('one', %q); source('two', %q)", one, two),
		}
	},
	func(p *randomProgram, t *testing.T) []string { // a long name
		from, _ := p.stage(t, 0)
		path := p.place(strings.Repeat("long_", 23+p.IntN(20)))
		return []string{p.bring(from, path), fmt.Sprintf("source('long', %q)", path)}
	},
}

// step returns lines of the script.
func (p *randomProgram) step(t *testing.T) []string {
	if p.pure || p.chance(40) {
		return some(p, pureSteps)(p, t)
	}
	return some(p, changingSteps)(p, t)
}

// outerStep returns lines of the script that are in no function: such may be done
// by threads or children.
func (p *randomProgram) outerStep(t *testing.T) []string {
	switch p.IntN(12) {
	case 0:
		p.threads = true
		return append(p.functions(t, 3), "together(f0, f1, f2)")
	case 1:
		return append(p.functions(t, 1), "child(True, f0)")
	case 2:
		return append(p.functions(t, 1), "child(False, f0)")
	case 3:
		return append(p.functions(t, 1), "process(f0)")
	}
	return p.step(t)
}

// functions makes functions of random steps, named f0 and so on.
func (p *randomProgram) functions(t *testing.T, n int) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf("def f%d():", i))
		for range 1 + p.IntN(3) {
			for _, line := range p.step(t) {
				lines = append(lines, "    "+line)
			}
		}
	}
	return lines
}

// script makes the script. What it begins with, and at times all, are bare imports.
func (p *randomProgram) script(t *testing.T) {
	lines := []string{fmt.Sprintf("import sys; sys.path[:0] = ['%s']", strings.Join(p.roots, "', '")), randomHead}
	for range p.IntN(4) {
		lines = append(lines, "import "+some(p, p.modules).name)
	}
	if p.chance(80) {
		lines = append(lines, randomTools)
		for range 1 + p.IntN(8) {
			lines = append(lines, p.outerStep(t)...)
		}
		if !p.pure && p.chance(25) {
			lines = append(lines, p.last(t)...)
		}
	}
	p.main = []byte(strings.Join(lines, "\n") + "\nran('end." + p.id + "')\n")
}

// last returns lines that import at the same time, and go on when the script has ended.
func (p *randomProgram) last(t *testing.T) (lines []string) {
	p.threads = true
	var loads []string
	for range 2 + p.IntN(7) {
		from, _ := p.stage(t, some(p, []int{0, 0, 300_000}))
		path := p.place("last")
		lines = append(lines, p.bring(from, path))
		loads = append(loads, fmt.Sprintf("lambda: __import__(%q)", strings.TrimSuffix(filepath.Base(path), ".py")))
	}
	lines = append(lines, "fresh()")
	for _, load := range loads[1:] {
		lines = append(lines, "child(False, "+load+")")
	}
	return append(lines, "together("+strings.Join(loads, ", ")+")")
}
