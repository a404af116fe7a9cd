package known

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"kingsnake/classify"
	"kingsnake/normalize"
)

// library is a file as a distribution has it.
const library = `# A small client. Copyright of nobody.
"""Talk to a server, and remember what it said."""
import os
import socket

DEFAULT = "https://files.example.com/index"


class Client:
    """One connection."""

    retries = 3

    def __init__(self, host, port=4700):
        self.host, self.port = host, port
        self.answers = []

    def ask(self, question):
        s = socket.create_connection((self.host, self.port))
        s.sendall(question.encode() + b"\n")
        self.answers.append(s.recv(4096))  # one answer
        if not self.answers[-1]:
            self.answers.pop()
            raise OSError('no answer')
        return self.answers[-1]


def remember(client, path=os.path.join("var", "answers")):
    with open(path, "ab") as f:
        for answer in client.answers:
            f.write(answer)
            f.write(b"\n")
    return len(client.answers)
`

const origin, path = "a library 1.0", "lib/client.py"

func build(t testing.TB, texts ...string) *Index {
	t.Helper()
	var b Builder
	for i, text := range texts {
		name := path
		if i > 0 {
			name = fmt.Sprintf("lib/other%d.py", i)
		}
		if ok, err := b.Add(origin, name, []byte(text)); err != nil || !ok {
			t.Fatalf("add file %d: %t, %v", i, ok, err)
		}
	}
	return b.Index()
}

func TestFind(t *testing.T) {
	t.Parallel()
	swap := func(old, new string) string {
		if !strings.Contains(library, old) {
			panic("the library has no " + old)
		}
		return strings.Replace(library, old, new, 1)
	}
	ix := build(t, library)
	for _, c := range []struct {
		name, text string
		want       Likeness // "" for not known
	}{
		{"the same bytes", library, Exact},
		{"other comments", swap("# one answer", "# the answer, or none"), Code},
		{"a comment more", "#!/usr/bin/python3\n# -*- coding: utf-8 -*-\n" + library, Code},
		{"other line ends", strings.ReplaceAll(library, "\n", "\r\n"), Code},
		{"no line end at the end", strings.TrimSuffix(library, "\n"), Code},
		{"other quotes", swap("'no answer'", `"no answer"`), Code},
		{"more space in a line", swap("retries = 3", "retries   =   3"), Code},
		{"wider indentation", strings.ReplaceAll(library, "    ", "  "), Code},
		{"tabs for indentation", strings.ReplaceAll(library, "    ", "\t"), Code},
		{"a line broken in brackets", swap("def ask(self, question):", "def ask(self,\n        question):"), Code},
		{"a byte order mark", "\xef\xbb\xbf" + library, Code},

		{"a line at the top level", library + "os.system('id')\n", ""},
		{"a line before everything", "import evil\n" + library, ""},
		{"a line in a function", swap("            f.write(answer)\n", "            f.write(answer)\n            os.system(answer)\n"), ""},
		{"a line in a class", swap("    retries = 3\n", "    retries = os.system('id')\n"), ""},
		{"a decorator", swap("def remember", "@os.system\ndef remember"), ""},
		{"a default argument", swap("port=4700", "port=os.system('id')"), ""},
		{"another address", swap("files.example.com", "files.example.org"), ""},
		{"another number", swap("4700", "4701"), ""},
		{"another docstring", swap("One connection.", "import os"), ""},
		{"another case", swap("question.encode", "question.Encode"), ""},
		{"another prefix", swap(`"var"`, `b"var"`), ""},
		{"a space in a string", swap(`"var"`, `"var "`), ""},
		{"a string made of two", swap(`"var"`, `"v" "ar"`), ""},
		{"a statement moved out", swap("            raise OSError", "        raise OSError"), ""},
		{"a statement moved in", swap("    return len(client", "            return len(client"), ""},
		{"two names joined", swap("import os\n", "importos\n"), ""},
		{"two statements in a line", swap("import os\nimport socket", "import os;import socket"), ""},
		{"cut off", library[:len(library)-40], ""},
		{"twice", library + library, ""},

		{"an encoding that could make code of comments", "# coding: utf-7\n" + library, ""},
		{"the same in the second line", "#!/usr/bin/python\n# vim: set fileencoding=utf-16 :\n" + library, ""},
		{"the same behind carriage returns", "#\r# coding=unicode_escape\r" + library, ""},
		{"a NUL in a comment", swap("# one answer", "# one\x00answer"), ""},
		{"a form feed before a statement", swap("import socket", "\fimport socket"), ""},
		{"a vertical tab in a comment", swap("# one answer", "# one\vos.system('id')"), ""},
		{"a line separator in a comment", swap("# one answer", "# one\u2028os.system('id')"), ""},
		{"a next line in a comment", swap("# one answer", "# one\u0085os.system('id')"), ""},
		{"bytes that are no text", swap("# one answer", "# one \xff answer"), ""},
		{"a second byte order mark", swap("# one answer", "# \ufeff"), ""},
		{"tabs among spaces", swap("        self.answers = []", "\tself.answers = []"), ""},
		{"a continued line before a statement", swap("import socket", "\\\nimport socket"), ""},
		{"a string that is not closed", library + "x = 'abc\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, ok := ix.Find(normalize.Normalize([]byte(c.text)))
			if ok != (c.want != "") || m.Likeness != c.want {
				t.Errorf("want %q, got %q", c.want, m.Likeness)
			}
			if ok && (m.Origin != origin || m.Path != path) {
				t.Errorf("found in %q, %q", m.Origin, m.Path)
			}
		})
	}
}

func TestWhatIsNeverKnown(t *testing.T) {
	t.Parallel()
	small := "import os\nimport socket\n"
	for _, c := range []struct{ name, path, text string }{
		{"too small", "a.py", small},
		{"empty", "a.py", ""},
		{"too large", "a.py", library + strings.Repeat("#", maxText)},
		{"a runner of code", "usr/lib/python3.11/pty.py", library},
		{"a runner in a folder", "usr/lib/python3.11/http/server.py", library},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b Builder
			if ok, err := b.Add(origin, c.path, []byte(c.text)); ok || err != nil {
				t.Errorf("added: %t, %v", ok, err)
			}
			if ix := b.Index(); ix.Len() != 0 {
				t.Errorf("%d fingerprints", ix.Len())
			}
		})
	}
	// A file that is small but for its comments is known by its bytes alone.
	padded := "# " + strings.Repeat("a license ", 30) + "\n" + small
	ix := build(t, padded)
	if _, ok := ix.Find(normalize.Normalize([]byte(padded))); !ok {
		t.Error("the padded file is not known")
	}
	for _, text := range []string{small, strings.ToUpper(padded[:300]) + padded[300:], "# " + strings.Repeat("x", 300) + "\n" + small} {
		if m, ok := ix.Find(normalize.Normalize([]byte(text))); ok {
			t.Errorf("%.20q… is known by its %s", text, m.Likeness)
		}
	}
}

// TestCodeThatReadsItselfIsKnownByItsBytes keeps payloads in comments from
// being passed over.
func TestCodeThatReadsItselfIsKnownByItsBytes(t *testing.T) {
	t.Parallel()
	for _, reads := range []string{
		"text = open(__file__).read()", "text = open(sys.argv[0]).read()", "text = inspect.getsource(Client)",
		"text = linecache.getlines(name)", "text = __loader__.get_data(name)",
	} {
		text := library + reads + "\nexec(text.split('#=')[1])\n"
		ix := build(t, text)
		if m, ok := ix.Find(normalize.Normalize([]byte(text))); !ok || m.Likeness != Exact {
			t.Errorf("%s: the file itself is not known", reads)
		}
		if _, ok := ix.Find(normalize.Normalize([]byte(text + "#=import os\n"))); ok {
			t.Errorf("%s: another comment makes no difference", reads)
		}
	}
}

// model calls malicious what holds a word, and scores the rest 0.01.
type model struct{ word string }

func (m model) Hash() string { return "a model" }

func (m model) Judge(text normalize.Text) classify.Verdict {
	v := classify.Verdict{Label: classify.Benign, Score: 0.01, Layers: len(text.Layers), Model: m.Hash(), Reasons: []classify.Reason{}}
	for _, l := range text.Layers {
		if bytes.Contains(l.Text, []byte(m.word)) {
			v.Label, v.Score = classify.Malicious, 0.99
			v.Reasons = []classify.Reason{{Text: "It holds the word.", Weight: 4, Spans: []classify.Span{}}}
		}
	}
	return v
}

func TestAKnownFileIsBenignAndSaysSo(t *testing.T) {
	t.Parallel()
	j := NewJudge(model{"socket"}, build(t, "pass\n"+library), build(t, library))
	v := j.Judge(normalize.Normalize([]byte(library)))
	if v.Label != classify.Benign || v.Score > Score || v.Model != "a model" || len(v.Reasons) != 1 {
		t.Fatalf("verdict %+v", v)
	}
	r := v.Reasons[0]
	want := "This exact file is part of a library 1.0 (lib/client.py); its code alone would be called malicious, with a score of 0.9900."
	if r.Text != want || r.Weight >= 0 || r.Spans == nil {
		t.Errorf("reason %+v", r)
	}
	v = j.Judge(normalize.Normalize([]byte("# a comment\n" + library)))
	if v.Label != classify.Benign || !strings.HasPrefix(v.Reasons[0].Text, "But for comments") {
		t.Errorf("verdict %+v", v)
	}
	// What the model calls benign is left alone.
	v = NewJudge(model{"nowhere"}, build(t, library)).Judge(normalize.Normalize([]byte(library)))
	if v.Score != 0.01 || len(v.Reasons) != 0 {
		t.Errorf("verdict on a benign script %+v", v)
	}
}

// TestATrojanisedCopyKeepsItsVerdict adds one hostile line to a known file in
// every place where a line can stand.
func TestATrojanisedCopyKeepsItsVerdict(t *testing.T) {
	t.Parallel()
	const hostile = "__import__('os').system('id')"
	m := model{"__import__"}
	j := NewJudge(m, build(t, library))
	lines := strings.SplitAfter(library, "\n")
	for i, line := range lines {
		body := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(body)]
		for _, text := range []string{
			strings.Join(lines[:i], "") + indent + hostile + "\n" + strings.Join(lines[i:], ""),
			strings.Join(lines[:i], "") + strings.TrimSuffix(line, "\n") + "; " + hostile + "\n" + strings.Join(lines[i+min(1, len(lines)-i):], ""),
		} {
			script := normalize.Normalize([]byte(text))
			want, got := m.Judge(script), j.Judge(script)
			if strings.Contains(line, "#") && strings.Contains(text, line[:len(line)-1]+"; ") {
				continue // the hostile text is part of a comment
			}
			if got.Label != want.Label || got.Score != want.Score {
				t.Errorf("line %d: want %s %g, got %s %g", i+1, want.Label, want.Score, got.Label, got.Score)
			}
		}
	}
}

func TestWhatDiffersFromAKnownFileIsPointedAt(t *testing.T) {
	t.Parallel()
	trojan := strings.Replace(library, "import socket\n", "import socket\nos.system('id')\n", 1)
	v := NewJudge(model{"socket"}, build(t, library)).Judge(normalize.Normalize([]byte(trojan)))
	if v.Label != classify.Malicious || v.Score != 0.99 || len(v.Reasons) != 2 {
		t.Fatalf("verdict %+v", v)
	}
	r := v.Reasons[1]
	if !strings.Contains(r.Text, "foremost of a library 1.0 (lib/client.py)") || r.Weight != 0 {
		t.Errorf("reason %+v", r)
	}
	if len(r.Spans) != 1 || r.Spans[0].Line != 2 || r.Spans[0].EndLine != 7 {
		t.Errorf("spans %+v", r.Spans)
	}
	if got := trojan[r.Spans[0].Start:r.Spans[0].End]; !strings.Contains(got, "os.system('id')") || strings.Contains(got, "class") {
		t.Errorf("it points at %q", got)
	}
}

func TestAnIndexDoesNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	add := func(reverse bool) []byte {
		var b Builder
		files := []string{"b.py", "a.py", "c/a.py"}
		if reverse {
			files = []string{"c/a.py", "a.py", "b.py"}
		}
		for _, f := range files {
			for _, from := range []string{"two", "one"} {
				text := library
				if f == "b.py" {
					text += "x = 1\n"
				}
				if _, err := b.Add(from, f, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
		}
		var out bytes.Buffer
		if err := b.Index().Write(&out); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	if !bytes.Equal(add(false), add(true)) {
		t.Error("two orders give two indexes")
	}
	ix, err := Load(bytes.NewReader(add(false)))
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := ix.Find(normalize.Normalize([]byte(library))); !ok || m.Origin != "one" || m.Path != "a.py" {
		t.Errorf("ascribed to %+v", m)
	}
}

func TestAddIndexKeepsEverything(t *testing.T) {
	t.Parallel()
	old := build(t, library, library+"x = 1\n")
	var b Builder
	if err := b.AddIndex(old); err != nil {
		t.Fatal(err)
	}
	var want, got bytes.Buffer
	if err := old.Write(&want); err != nil {
		t.Fatal(err)
	}
	if err := b.Index().Write(&got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Error("an index that is read and written again differs")
	}
}

func TestNamesThatDoNotPrintAreRefused(t *testing.T) {
	t.Parallel()
	var b Builder
	for _, name := range []string{"", "a\nb", "a\x1b[2J", "a\xff", strings.Repeat("a", maxName+1)} {
		if _, err := b.Add(name, "a.py", []byte(library)); err == nil {
			t.Errorf("origin %q was taken", name)
		}
		if _, err := b.Add("a", name, []byte(library)); err == nil {
			t.Errorf("path %q was taken", name)
		}
	}
}

func TestTheEmbeddedIndexLoads(t *testing.T) {
	t.Parallel()
	ix, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	if len(debian) > 3<<20 {
		t.Errorf("%d bytes are embedded, want at most 3 MiB", len(debian))
	}
	if n := len(ix.Files()); n < 400 {
		t.Errorf("%d packages, want at least 400", n)
	}
}
