//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kingsnake/capture"
	"kingsnake/capture/sensor/generate"
)

// loadHead has what the scripts of these tests begin with. code makes code of some
// size and writes it to where the test looks for it, stored to a file as well.
const loadHead = `import io, marshal, os, sys
folder = sys.argv[1]
def code(name, lines=1):
    text = marshal.dumps(compile("x = [\n%s]\n" % "".join("    'number %d of %s',\n" % (i, name) for i in range(lines)), "f", "exec"))
    with open(os.path.join(folder, name + ".code"), "wb") as f: f.write(text)
    return text
def stored(name, lines=1, head=b"", suffix=".dat"):
    path = os.path.join(folder, name + suffix)
    with open(path, "wb") as f: f.write(head + code(name, lines))
    return path
`

// TestWhatMarshalLoadsFromAFileIsCaptured loads code from files of any name, from
// their beginning and from behind what was read before.
func TestWhatMarshalLoadsFromAFileIsCaptured(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte(loadHead+`
import pickle
MANY = 4000
v2 = sys.version_info < (3,)
for name, lines in ("small", 1), ("large", MANY):
    with open(stored(name, lines), "rb") as f: exec(marshal.load(f))
    with open(stored(name + "_behind", lines, b"x" * 16), "rb") as f:
        f.read(16)
        exec(marshal.load(f))
    with open(stored(name + "_sought", lines, b"x" * 160000), "rb") as f:
        f.read(1)
        f.seek(160000)
        exec(marshal.load(f))
    with open(stored(name + "_unbuffered", lines, b"x" * 16), "rb", 0) as f:
        f.read(16)
        exec(marshal.load(f))
    with open(stored(name + "_pickled", lines, pickle.dumps("checksum", 2)), "rb") as f:
        assert pickle.load(f) == "checksum"  # as jinja2 has it
        exec(marshal.load(f))
    path = stored(name + "_gone", lines)
    with open(path, "rb") as f:
        os.unlink(path)
        exec(marshal.load(f))
    for suffix in ".py", ".pyc":
        with open(stored(name + suffix[1:], lines, b"x" * 16, suffix), "rb") as f:
            f.read(16)
            exec(marshal.load(f))
    if not v2:
        exec(marshal.load(io.BytesIO(code(name + "_memory", lines))))
        f = io.BytesIO(b"x" * 100 + code(name + "_memory_behind", lines))
        f.read(100)
        exec(marshal.load(f))
        with open(stored(name + "_random", lines, b"x" * 16), "r+b") as f:
            f.read(16)
            exec(marshal.load(f))
with open(stored("last", MANY), "rb") as f: exec(marshal.load(f))
os._exit(0)
`))
	for _, python := range generate.Pythons() {
		t.Run(python.Name, func(t *testing.T) { r.loaded(t, python.Path, path) })
	}
	r.noLoss(t)
}

// TestWhatLiesBehindLoadedCodeMayComeToo loads code before which and behind which
// something else lies.
func TestWhatLiesBehindLoadedCodeMayComeToo(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte(loadHead+`
import time
for name, lines in ("small", 1), ("large", 8000):
    path = stored(name, lines)
    with open(path, "ab") as f: f.write(b"y" * 1000000)
    with open(path, "rb") as f: exec(marshal.load(f))
    with open(path + ".two", "wb") as f:
        for x in {"no": "code"}, 2, compile("x = 'not " + name + "'", "f", "exec"), 4, [5], compile("x = 'in " + name + "'", "f", "exec"):
            marshal.dump(x, f)
        f.write(b"y" * 1000000)
    with open(path + ".two", "rb") as f:
        for i in range(6): marshal.load(f)
`))
	for _, python := range generate.Pythons() {
		t.Run(python.Name, func(t *testing.T) {
			r.warm(t, python.Path)
			dir := t.TempDir()
			tag := r.start(t, exec.Command(python.Path, path, dir))
			for _, name := range []string{"small", "large"} {
				code := readFile(t, filepath.Join(dir, name+".code"))
				r.waitUntil(t, tag, func(got []capture.Script) bool {
					inTwo := slices.ContainsFunc(got, func(s capture.Script) bool { return isCompiled(s) && bytes.Contains(s.Text, []byte("in "+name)) })
					return inTwo && slices.ContainsFunc(got, func(s capture.Script) bool {
						return isCompiled(s) && bytes.HasPrefix(s.Text, code) && s.Lost == ""
					})
				}, func() string { return "code is missing: " + name })
			}
		})
	}
	r.noLoss(t)
}

// TestALoadedModuleComesOnce loads compiled files as pkgutil does.
func TestALoadedModuleComesOnce(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte(loadHead+`
import pkgutil, py_compile
for name, lines in ("small", 1), ("large", 8000):
    source = stored(name, lines) + ".txt"
    with open(source, "w") as f: f.write("x = [%s]\n" % ", ".join("'%d of %s'" % (i, source) for i in range(lines)))
    py_compile.compile(source, cfile=source + ".pyc", doraise=True)
    with open(source + ".pyc", "rb") as f: exec(pkgutil.read_code(f))
eval("'the end'")
`))
	for _, python := range generate.Pythons() {
		t.Run(python.Name, func(t *testing.T) {
			r.warm(t, python.Path)
			dir := t.TempDir()
			tag := r.start(t, exec.Command(python.Path, path, dir))
			isEnd := func(s capture.Script) bool { return string(s.Text) == "'the end'" }
			got := r.waitUntil(t, tag, func(got []capture.Script) bool { return slices.ContainsFunc(got, isEnd) }, func() string { return "the end is missing" })
			for _, name := range []string{"small", "large"} {
				file := readFile(t, filepath.Join(dir, name+".dat.txt.pyc"))
				imports, others := 0, 0
				for _, s := range got {
					switch {
					case s.Kind == capture.Import && bytes.Equal(s.Text, file) && !s.MaybeData:
						imports++
					case len(s.Text) > 32 && bytes.HasSuffix(file, s.Text):
						others++
					}
				}
				if imports != 1 || others != 0 {
					t.Errorf("%s: came %d times as an import, want once, and %d times as something else", name, imports, others)
				}
			}
		})
	}
	r.noLoss(t)
}

// TestALoadThatIsNotFollowedIsSaid loads code from what may be anything.
func TestALoadThatIsNotFollowedIsSaid(t *testing.T) {
	r := record(t)
	ways := map[string]string{
		"class":     "class File:\n  def read(self, n): return f.read(n)\n  def readinto(self, b): return f.readinto(b)\nmarshal.load(File())",
		"derived":   "class File(io.BytesIO): pass\nmarshal.load(File(text))",
		"method":    "real = io.BytesIO(text)\nf.readinto = real.readinto\nmarshal.load(f)",
		"decoy":     "real = io.BytesIO(text)\nraw = f.raw\ndel raw.name\nraw.readinto = lambda b: real.readinto(b) if os.read(raw.fileno(), len(b)) else 0\nmarshal.load(f)",
		"raw":       "real = io.BytesIO(text)\nf.raw.readinto = real.readinto\nmarshal.load(f)",
		"two files": "marshal.load(io.BufferedRWPair(f.detach(), io.BytesIO()))",
		"pipe":      "a, b = os.pipe()\nos.write(b, text)\nmarshal.load(os.fdopen(a, 'rb'))",
	}
	for _, python := range generate.Pythons() {
		if strings.HasPrefix(python.Name, "CPython 2") {
			continue // it takes files alone
		}
		r.warm(t, python.Path)
		for name, way := range ways {
			t.Run(python.Name+"/"+name, func(t *testing.T) {
				path := write(t, "script.py", fmt.Appendf(nil, "%s\n# %s\ntext = code('x')\nf = open(stored('y'), 'rb')\n%s\n", loadHead, t.Name(), way))
				tag := r.start(t, exec.Command(python.Path, path, t.TempDir()))
				r.waitUntil(t, tag, func(got []capture.Script) bool {
					return slices.ContainsFunc(got, func(s capture.Script) bool {
						return isCompiled(s) && s.Parent != (capture.Digest{}) && strings.Contains(s.Lost, "marshal.load of what is not followed")
					})
				}, func() string { return "nothing is said to be lost" })
			})
		}
	}
}

// TestALoadInTwoThreadsIsFollowed has two threads load at once.
func TestALoadInTwoThreadsIsFollowed(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte(loadHead+`
import threading
paths = [stored("thread_%d" % i, 5000) for i in range(8)]
def load(path):
    with open(path, "rb") as f: exec(marshal.load(f))
threads = [threading.Thread(target=load, args=(path,)) for path in paths]
for thread in threads: thread.start()
for thread in threads: thread.join()
`))
	for _, python := range generate.Pythons() {
		t.Run(python.Name, func(t *testing.T) { r.loaded(t, python.Path, path) })
	}
	r.noLoss(t)
}

// TestWhereverLoadedCodeLiesItIsCaptured loads code from far behind in a file, from
// two places of one file at once, from memory as a file, by way of what was read ahead
// and then from elsewhere, and with a pause in the middle.
func TestWhereverLoadedCodeLiesItIsCaptured(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte(loadHead+`
import gc, threading, time
MANY = 4000
path = os.path.join(folder, "places")
far = 9 << 20
first, second = code("first", 10 * MANY), code("second", MANY)
with open(path, "wb") as f:
    f.write(first)
    f.seek(far)
    f.write(second)
def load(at):
    with open(path, "rb") as f:
        f.seek(at)
        exec(marshal.load(f))
threads = [threading.Thread(target=load, args=(at,)) for at in (0, far)]
for thread in threads: thread.start()
for thread in threads: thread.join()
text = code("memory", MANY)
with open("/proc/self/mem", "rb", 0) as f:
    f.seek(id(text) + sys.getsizeof(b"") - 1)
    exec(marshal.load(f))
text = code("back", MANY)
with open(os.path.join(folder, "back"), "wb+") as f: f.write(text[4080:] + b"z" * len(text) + b"y" * 16 + text[:4080])
with open(os.path.join(folder, "back"), "rb", 4096) as f:
    f.seek(2 * len(text) - 4080)
    f.read(16)
    os.lseek(f.fileno(), 0, 0)
    if sys.version_info > (3,): exec(marshal.load(f))  # else what was read ahead is less
    else: os.unlink(os.path.join(folder, "back.code"))
if sys.version_info[:2] == (3, 11):  # later ones collect no garbage meanwhile, and one is enough for what takes long
    name = stored("object", MANY, b"\x7fELF" + b"x" * 12, ".pyc")
    time.sleep(2.5)  # until its content is trusted
    with open(name, "rb") as f: f.read(4)
    time.sleep(.5)
    with open(name, "rb") as f:
        f.seek(16)
        exec(marshal.load(f))
    name = stored("paused", MANY)
    text = marshal.dumps(compile("\n".join("def f%d(): return 'a pause', %d" % (i, i) for i in range(MANY)), "f", "exec"))
    for suffix in "code", "dat":
        with open(os.path.join(folder, "paused." + suffix), "wb") as f: f.write(text)
    def pause(*_):
        if not paused and f.tell() > 100000:
            paused.append(1)
            time.sleep(2.5)  # until it is taken for all there is
    paused = []
    gc.callbacks.append(pause)
    gc.set_threshold(1)
    with open(name, "rb") as f: marshal.load(f)
    gc.callbacks.clear()
    assert paused
`))
	for _, python := range generate.Pythons() {
		t.Run(python.Name, func(t *testing.T) {
			r.warm(t, python.Path)
			dir := t.TempDir()
			tag := r.start(t, exec.Command(python.Path, path, dir))
			names, err := filepath.Glob(filepath.Join(dir, "*.code"))
			if err != nil || len(names) == 0 {
				t.Fatalf("the script has written nothing: %v", err)
			}
			for _, name := range names {
				code := readFile(t, name)
				r.waitUntil(t, tag, func(got []capture.Script) bool {
					return slices.ContainsFunc(got, func(s capture.Script) bool { return isCompiled(s) && bytes.HasPrefix(s.Text, code) && s.Lost == "" })
				}, func() string { return "code is missing: " + filepath.Base(name) })
			}
		})
	}
	r.noLoss(t)
}

// TestALoadIsNotForgottenForOthers has many threads load while one is in the middle.
func TestALoadIsNotForgottenForOthers(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte(loadHead+`
import gc, threading, time
text = marshal.dumps(compile("\n".join("def f%d(): return 'long', %d" % (i, i) for i in range(4000)), "f", "exec"))
name = stored("long")
for suffix in "code", "dat":
    with open(os.path.join(folder, "long." + suffix), "wb") as f: f.write(text)
other = stored("other")
def load():
    with open(other, "rb", 0) as g: marshal.load(g)
    did.release()
    end.wait()
def others(*_):
    if not loaded and f.tell() > 100000:
        loaded.append(1)
        for _ in range(3):  # a program may load some 500 times a second
            for _ in range(400):
                threading.Thread(target=load).start()
                did.acquire()
            time.sleep(1.1)
loaded, did, end = [], threading.Semaphore(0), threading.Event()
threading.stack_size(1 << 18)
gc.callbacks.append(others)
gc.set_threshold(1)
with open(name, "rb") as f: marshal.load(f)
gc.callbacks.clear()
end.set()
assert loaded
`))
	for _, python := range generate.Pythons() {
		if strings.HasPrefix(python.Name, "CPython 3.11") { // later ones collect no garbage while they load
			r.loaded(t, python.Path, path)
			return
		}
	}
	t.Skip("needs CPython 3.11: apt-get install python3")
}
