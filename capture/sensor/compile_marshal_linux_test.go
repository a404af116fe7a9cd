//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kingsnake/capture"
)

func isPython2(python string) bool { return strings.Contains(filepath.Base(python), "python2") }

// loaded runs a script that writes each text it has loaded to a file of its own in
// the folder that is its argument, and wants them all as compiled texts of it.
func (r *recorder) loaded(t *testing.T, python, path string) []capture.Script {
	t.Helper()
	r.warm(t, python)
	dir := t.TempDir()
	tag := r.start(t, exec.Command(python, path, dir))
	names, err := filepath.Glob(filepath.Join(dir, "*.code"))
	if err != nil || len(names) == 0 {
		t.Fatalf("the script has written nothing: %v", err)
	}
	var missing string
	return r.waitUntil(t, tag, func(got []capture.Script) bool {
		for _, name := range names {
			code, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			count := 0
			for _, s := range got {
				if isCompiled(s) && bytes.Equal(s.Text, code) && s.Parent != (capture.Digest{}) && s.Lost == "" {
					count++
				}
			}
			if missing = filepath.Base(name); count != 1 {
				return false
			}
		}
		return true
	}, func() string { return "not exactly once: " + missing })
}

// TestCompiledCodeInAnyBufferIsCaptured hands marshal.loads everything in the
// standard library that has memory of its own, and classes that look like another.
func TestCompiledCodeInAnyBufferIsCaptured(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte(`import array, ctypes, io, marshal, mmap, os, sys
v2 = sys.version_info < (3,)

def code(name, size=1):
    text = marshal.dumps(compile("x = 'in %s'" % name, "f", "exec"))
    text += b"\0" * (-len(text) % size)
    with open(os.path.join(sys.argv[1], name + ".code"), "wb") as f:
        f.write(text)
    return text

def mapped(name):
    text = code(name)
    m = mmap.mmap(-1, len(text))
    m.write(text)
    return m

def filled(kind, name, size):
    a = kind("I")
    (a.fromstring if v2 else a.frombytes)(code(name, size))
    return a

class bytearray(array.array):
    pass

class memoryview_(array.array):
    pass

for size in "bB":
    marshal.loads(array.array(size, code("array_" + size)))
marshal.loads(filled(array.array, "array_of_words", 4))
marshal.loads(filled(bytearray, "array_named_bytearray", 4))
memoryview_.__name__ = "memoryview"
marshal.loads(filled(memoryview_, "array_named_view", 4))
marshal.loads(mapped("mmap"))
text = code("ctypes")
marshal.loads((ctypes.c_char * len(text)).from_buffer_copy(text))
if v2:
    marshal.loads(array.array("c", code("letters")))
    marshal.loads(buffer(code("buffer")))
    marshal.loads(buffer(b"x" + code("part_of_buffer"), 1))
else:
    import builtins, pickle
    marshal.loads(memoryview(code("view")))
    marshal.loads(memoryview(builtins.bytearray(code("view_of_bytearray"))))
    marshal.loads(memoryview(b"0123" + code("part_of_view") + b"4567")[4:-4])
    marshal.loads(memoryview(filled(array.array, "view_of_words", 4)))
    marshal.loads(io.BytesIO(code("getbuffer")).getbuffer())
    for i in range(2000):  # some of whose hashes look like code
        view = memoryview(b"x%d" % i)
        if hash(view) & 0x7f == ord("c"):
            break
    text = code("hashed_view")
    view = memoryview(text)
    hash(view)
    marshal.loads(view)
    if hasattr(pickle, "PickleBuffer"):
        marshal.loads(pickle.PickleBuffer(code("pickle")))
`))
	for _, python := range interpreters(t) {
		t.Run(filepath.Base(python), func(t *testing.T) { r.loaded(t, python, path) })
	}
	r.noLoss(t)
}

// TestCompiledFilesOfAnyNameAreCaptured has the importer load compiled files that
// are not named like any.
func TestCompiledFilesOfAnyNameAreCaptured(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte(`import importlib.machinery, importlib.util, os, py_compile, sys
folder = sys.argv[1]

def payload(name, text):
    source = os.path.join(folder, name)
    with open(source + ".txt", "w") as f:
        f.write(text)
    py_compile.compile(source + ".txt", cfile=source, doraise=True)
    with open(source, "rb") as f:
        code = f.read()[16 if sys.version_info >= (3, 7) else 12:]
    with open(source + ".code", "wb") as f:
        f.write(code)
    return source

loader = importlib.machinery.SourcelessFileLoader("one", payload("one.dat", "x = 'short'\n"))
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("one", loader))
loader.exec_module(module)
assert module.x == "short"

text = "x = [\n%s]\n" % "".join("    'a text with number %d',\n" % i for i in range(6000))
loader = importlib.machinery.SourcelessFileLoader("two", payload("two.jpg", text))
code = loader.get_code("two")
exec(code)
`))
	for _, python := range interpreters(t) {
		if isPython2(python) {
			continue
		}
		t.Run(filepath.Base(python), func(t *testing.T) { r.loaded(t, python, path) })
	}
	r.noLoss(t)
}

// TestWhatIsImportedDoesNotComeAsCompiledToo imports modules of the library, and
// compiled ones of its own that are seen being read.
func TestWhatIsImportedDoesNotComeAsCompiledToo(t *testing.T) {
	r := record(t)
	for _, python := range interpreters(t) {
		t.Run(filepath.Base(python), func(t *testing.T) {
			r.warm(t, python)
			path := write(t, "script.py", []byte("import json, decimal, email.message, xml.dom.minidom, mine, mine.inner, alone\n"))
			dir := filepath.Dir(path)
			for name, text := range map[string]string{"mine/__init__.py": "x = 1\n", "mine/inner.py": "x = 2\n", "alone.py": "eval(\"'the end'\")\n"} {
				name = filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, args := range [][]string{{path}, {path}, {"-m", "script"}, {"-m", "alone"}} { // the first one compiles
				cmd := exec.Command(python, args...)
				cmd.Dir = dir
				tag := r.start(t, cmd)
				isEnd := func(s capture.Script) bool { return isCompiled(s) && string(s.Text) == "'the end'" }
				got := r.waitUntil(t, tag, func(got []capture.Script) bool { return slices.ContainsFunc(got, isEnd) },
					func() string { return "the end is missing" })
				for _, s := range got {
					if isCompiled(s) && bytes.IndexByte(s.Text, 0) >= 0 {
						t.Errorf("%q: also came as compiled: %q", args, s.Text[:min(len(s.Text), 80)])
					}
				}
			}
		})
	}
}

// TestChangedCodeOfTheLibraryIsCaptured reads a module of the library and loads
// its code with one letter changed, as long as before.
func TestChangedCodeOfTheLibraryIsCaptured(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte(`import marshal, os, sys, json.decoder, decimal
for module in "json.decoder", "argparse":
    path = __import__("importlib").import_module(module).__spec__.cached
    with open(path, "rb") as f:
        text = f.read()
    header = 16 if sys.version_info >= (3, 7) else 12
    marshal.loads(memoryview(text)[header:])
    at = text.rindex(b"e")
    text = text[:at] + b"f" + text[at + 1:]
    with open(os.path.join(sys.argv[1], module + ".code"), "wb") as f:
        f.write(text[header:])
    marshal.loads(memoryview(text)[header:])
`))
	for _, python := range interpreters(t) {
		if isPython2(python) {
			continue
		}
		t.Run(filepath.Base(python), func(t *testing.T) {
			for _, s := range r.loaded(t, python, path) {
				if isCompiled(s) && bytes.IndexByte(s.Text, 0) >= 0 && !bytes.Contains(s.Text, []byte("json")) && !bytes.Contains(s.Text, []byte("argparse")) {
					t.Errorf("came as well: %q", s.Text[:min(len(s.Text), 80)])
				}
			}
		})
	}
}

// TestAnUnknownBufferIsSaid also has the program import an empty module, which has
// no text either.
func TestAnUnknownBufferIsSaid(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", []byte(`import empty, marshal
code = marshal.dumps(compile("x = 'unseen'", "f", "exec"))
class Buffer:
    def __buffer__(self, flags):
        return memoryview(code)
for i in range(3):
    try:
        exec(marshal.loads(Buffer()))
    except TypeError:
        pass  # before 3.12
`))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "empty.py"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, python := range interpreters(t) {
		if isPython2(python) {
			continue
		}
		t.Run(filepath.Base(python), func(t *testing.T) {
			r.warm(t, python)
			tag := r.start(t, exec.Command(python, path))
			r.waitUntil(t, tag, func(got []capture.Script) bool {
				return slices.ContainsFunc(got, func(s capture.Script) bool {
					return isCompiled(s) && s.Parent != (capture.Digest{}) && strings.Contains(s.Lost, "not known")
				})
			}, func() string { return "nothing is said to be lost" })
		})
	}
}
