package normalize

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"hash/maphash"
	"os"
	"strings"
	"testing"
)

// pyc is the compiled sample of package bytecode.
func pyc(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("bytecode/testdata/3.11.pyc")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// file is a member of a made archive.
type file struct{ name, data string }

// zipped makes an archive.
func zipped(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		m, err := w.Create(f.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Write([]byte(f.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// show writes the layers in short: how each came about, its name, and "!" if
// it is executed.
func show(text Text) string {
	var all []string
	for _, l := range text.Layers[1:] {
		s := l.Transform
		if l.Name != "" {
			s += ":" + l.Name
		}
		if l.Executed {
			s += "!"
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func TestCompiledAndArchives(t *testing.T) {
	t.Parallel()
	code := pyc(t)
	bare := code[16:]
	old, err := os.ReadFile("bytecode/testdata/3.7.pyc")
	if err != nil {
		t.Fatal(err)
	}
	coded := base64.StdEncoding.EncodeToString
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, _ = w.Write(bare)
	_ = w.Close()
	program := file{"__main__.py", "import os\nos.system('id')\n"}
	app := zipped(t, file{"lib/__init__.py", "x = 1\n"}, file{"lib/other.py", "other = 2\n"}, program, file{"data.bin", "PK"})
	var many []file
	for i := range 40 {
		many = append(many, file{fmt.Sprintf("m%d.py", i), fmt.Sprintf("number = %d\n", i)})
	}
	encrypted := zipped(t, program)
	for _, mark := range [][]byte{zipMember, zipDirectory} {
		at := bytes.Index(encrypted, mark) + 6
		if mark[2] == 1 {
			at += 2
		}
		encrypted[at] |= 1
	}
	for _, test := range []struct {
		name   string
		script []byte
		want   string // layers
		text   string // in the first of them
		note   string // in the notes
	}{
		{"pyc", code, "pyc!", "os.system('echo ' + b)", ""},
		{"marshal", bare, "marshal!", "os.system('echo ' + b)", ""},
		{"truncated pyc", code[:len(code)-100], "pyc!", "import os", "read the script in part: compiled code of Python 3.11: behind the header, byte"},
		{"pyc of 3.2", append([]byte("\x6c\x0c\r\n\x00\x00\x00\x00"), old[16:]...), "pyc!", "b64decode", "no instructions of Python 3.2 are known"},
		{"loads", []byte("import marshal as m, base64\nexec(m.loads(base64.b64decode('" + coded(bare) + "')))"), "base64+marshal!", "import os", ""},
		{"packed loads", []byte("import marshal, zlib, base64\nexec(marshal.loads(zlib.decompress(base64.b64decode('" + coded(packed.Bytes()) + "'))))"),
			"base64+zlib+marshal!", "import os", ""},
		{"pyc in a constant", []byte("import base64\nopen('x.pyc', 'wb').write(base64.b64decode('" + coded(code) + "'))"), "base64+guess+marshal", "import os", ""},
		{"zipapp", app, "zip:__main__.py! zip:lib/__init__.py! zip:lib/other.py", "os.system('id')", ""},
		{"zipapp behind a line", append([]byte("#!/usr/bin/env python3\n"), app...), "zip:__main__.py! zip:lib/__init__.py! zip:lib/other.py", "os.system('id')", ""},
		{"zip of pyc", zipped(t, file{"__main__.pyc", string(code)}), "zip+pyc:__main__.pyc!", "import os", ""},
		{"zip in a constant", []byte("import base64\nopen('x.zip', 'wb').write(base64.b64decode('" + coded(app) + "'))"),
			"base64+zip:__main__.py base64+zip:lib/__init__.py base64+zip:lib/other.py", "os.system('id')", ""},
		{"bomb", zipped(t, file{"__main__.py", strings.Repeat("\n", 3<<20)}), "", "", `left "__main__.py" in a zip archive out: it would grow more than 200 times`},
		{"encrypted", encrypted, "", "", `left "__main__.py" in a zip archive out: it is encrypted`},
		{"many", zipped(t, many...), "", "", "left 16 of 40 Python files in a zip archive out"},
		{"no archive", []byte("x = 1\n# PK\x05\x06" + strings.Repeat("z", 40)), "", "", "left a zip archive closed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := Normalize(test.script)
			checkText(t, test.script, text)
			if got := show(text); got != test.want && test.name != "many" {
				t.Errorf("want layers %q, got %q", test.want, got)
			}
			if test.text != "" && (len(text.Layers) < 2 || !bytes.Contains(text.Layers[1].Text, []byte(test.text))) {
				t.Errorf("no %q in the first layer", test.text)
			}
			if notes := strings.Join(text.Notes, "; "); !strings.Contains(notes, test.note) || test.note == "" && notes != "" {
				t.Errorf("want the note %q, got %q", test.note, notes)
			}
		})
	}
}

// The line before a zipapp is read as text, its bytes are not.
func TestTextBeforeAnArchive(t *testing.T) {
	t.Parallel()
	script := append([]byte("import os\n"), zipped(t, file{"__main__.py", "x = 1\n"})...)
	text := Normalize(script)
	if n := len(text.Layers[0].Tokens); n != 3 {
		t.Errorf("want the 3 tokens of the line, got %d", n)
	}
	if text := Normalize(pyc(t)); len(text.Layers[0].Tokens) != 0 {
		t.Errorf("compiled code has %d tokens", len(text.Layers[0].Tokens))
	}
}

// Hidden text inside what an archive holds is found as elsewhere.
func TestLayersInAnArchive(t *testing.T) {
	t.Parallel()
	inner := base64.StdEncoding.EncodeToString([]byte("import socket\nsocket.socket()\n"))
	text := Normalize(zipped(t, file{"__main__.py", "import base64\nexec(base64.b64decode('" + inner + "'))"}))
	if got, want := show(text), "zip:__main__.py! base64!"; got != want {
		t.Fatalf("want layers %q, got %q", want, got)
	}
	if where := text.Origin(2, Span{0, 4}); where != (Span{0, len(text.Layers[0].Text)}) {
		t.Errorf("a member comes from the whole file, got %v", where)
	}
}

// Layers written from compiled code know the lines that were compiled, however
// they were reached.
func TestSourceLine(t *testing.T) {
	t.Parallel()
	code := pyc(t)
	coded := base64.StdEncoding.EncodeToString(code[16:])
	const statement = "s.connect(('192.0.2.1', 4444))" // on line 47 of the sample
	for _, test := range []struct {
		name string
		data []byte
		want int
	}{
		{"a .pyc", code, 47},
		{"marshal data", code[16:], 47},
		{"in an archive", zipped(t, file{"pkg/__main__.pyc", string(code)}), 47},
		{"executed", []byte("import marshal, base64\nexec(marshal.loads(base64.b64decode('" + coded + "')))\n"), 47},
		{"through names", []byte("import marshal, base64\na = base64.b64decode('" + coded + "')\nb = marshal.loads(a)\nexec(b)\n"), 47},
		{"guessed", []byte("import base64\ndata = base64.b64decode('" + coded + "')\n"), 47},
		{"plain text", []byte("import base64\nexec(base64.b64decode('" +
			base64.StdEncoding.EncodeToString([]byte("import socket\n"+statement+"\n")) + "'))\n"), 0},
	} {
		text := Normalize(test.data)
		got := -1
		for i := range text.Layers {
			if at := bytes.Index(text.Layers[i].Text, []byte(statement)); at >= 0 {
				got = text.Layers[i].SourceLine(at)
			}
		}
		if got != test.want {
			t.Errorf("%s: want line %d, got %d", test.name, test.want, got)
		}
		if text.Layers[0].SourceLine(0) != 0 {
			t.Errorf("%s: the script itself was compiled", test.name)
		}
	}
}

// What is kept of lines is bounded over all layers.
func TestKeptLinesAreBounded(t *testing.T) {
	t.Parallel()
	_, lines, _, ok := compiled(pyc(t), 1<<20)
	u := unpacker{lines: maxLines - lines.Size()}
	if !ok || u.keep(lines) == nil || u.keep(lines) != nil || u.keep(nil) != nil {
		t.Errorf("more is kept than the bound, or less, of %d bytes", lines.Size())
	}
}

// What cannot be read of marshal data is said in the text it becomes.
func TestMarshalSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	code := pyc(t)[16:]
	text, _, ok := decodeMarshal(code[:len(code)-100], 1<<16)
	if !ok || !bytes.Contains(text, []byte("import os")) || !bytes.Contains(text, []byte("# marshal data: byte ")) {
		t.Errorf("ok %t, text:\n%s", ok, text)
	}
	if _, _, ok := decodeMarshal([]byte("\xe3\x00"), 1<<16); ok {
		t.Error("two bytes are taken for code")
	}
}

var fuzzSeed = maphash.MakeSeed()

func FuzzArchive(f *testing.F) {
	code := string(pyc(f))
	f.Add(zipped(f, file{"__main__.py", "import os"}, file{"a/__init__.pyc", code}))
	f.Add(zipped(f, file{"setup.py", strings.Repeat("x = 1\n", 100)}, file{"b.txt", "b"}))
	f.Add(append([]byte("#!/usr/bin/python3\n"), zipped(f, file{"__main__.py", "1"})...))
	f.Fuzz(func(t *testing.T, data []byte) {
		u := unpacker{seen: map[uint64][]int{}, seed: fuzzSeed}
		u.add(Layer{Transform: "original", Text: data, Parent: -1})
		if before := u.container(); before < 0 || before > len(data) {
			t.Errorf("%d of %d bytes are text", before, len(data))
		}
		total := 0
		for _, l := range u.layers[1:] {
			total += len(l.Text)
		}
		if total > maxMembersBytes+maxMembers*maxOutput || len(u.layers) > maxLayers {
			t.Errorf("%d layers of %d bytes", len(u.layers), total)
		}
		for _, note := range u.allNotes() {
			if strings.Contains(note, "internal error") {
				t.Error(note)
			}
		}
	})
}
