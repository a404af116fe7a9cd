package classify

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/normalize"
)

// seen lists the ids of the behaviors in a script.
func seen(src string) []string {
	x := extract(normalize.Normalize([]byte(src)))
	defer x.release()
	var buffer [behaviorMax]uint8
	ids := []string{}
	var all behaviorSet
	for i := range x.blocks {
		all.union(x.blocks[i].does)
	}
	for _, b := range all.members(buffer[:0]) {
		ids = append(ids, behaviors[b].id)
	}
	return ids
}

func TestBehaviorsAreSeenThroughNamesImportsAndAssignments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, src string
		want      []string // among others
	}{
		{"plain calls", "import os\nos.dup2(a, 0)", []string{"fd.dup"}},
		{"an import under another name", "import os as _0\n_0.dup2(a, 0)", []string{"fd.dup"}},
		{"a name imported from a module", "from os import system as s\ns('id')", []string{"proc.shell"}},
		{"a star import", "from socket import *\nk = socket()\nk.connect(('192.0.2.1', 1))", []string{"net.socket", "net.connect"}},
		{"a method of what a call returned", "import socket\ns = socket.socket()\ns.connect(h)\ns.recv(1)", []string{"net.connect", "net.recv"}},
		{"an attribute of self", "import socket\nclass A:\n  def f(self):\n    self.s = socket.socket()\n    self.s.connect(self.h)", []string{"net.connect"}},
		{"several names assigned at once", "import socket\nc, a = s.accept()\nimport asyncio\nr, w = await asyncio.open_connection(h, p)\nw.write(x)", []string{"net.connect", "net.listen"}},
		{"a with statement", "import socket\nwith socket.socket() as s:\n  s.connect(h)", []string{"net.connect"}},
		{"a module imported by a call", "__import__('os').system('id')", []string{"proc.shell", "exec.import"}},
		{"a module imported by a call and kept", "o = __import__('subprocess')\no.Popen('x')", []string{"proc.run"}},
		{"getattr with a plain name", "import os\ngetattr(os, 'system')('id')", []string{"proc.shell"}},
		{"a function kept in a variable", "import os\nf = os.system\nf('id')", []string{"proc.shell"}},
		{"a call inside an f-string", "import os\nx = f'{os.popen(\"id\").read()}'", []string{"proc.shell"}},
		{"executing what was fetched", "import requests\nexec(requests.get(u).text)", []string{"exec.code", "http.get", "code.fetched"}},
		{"texts in any case and with any slashes", `p = "C:\\Users\\x\\AppData\\Roaming\\Discord\\Local Storage\\LevelDB"`, []string{"steal.wallet", "steal.chat"}},
		{"an address in a string", "u = 'http://192.0.2.9/x'", []string{"net.ipurl"}},
		{"an address that is one number", "u = 'http://3405803783:8080/x'", []string{"net.ipurl"}},
		{"an address with hexadecimal parts", "u = 'http://0xcb.0.0x71.7'", []string{"net.ipurl"}},
		{"all of the environment", "import os\nd = dict(os.environ)", []string{"env.all"}},
		{"Python 2 exec of a decoded text", "import base64\nexec base64.b64decode('eA==')", []string{"exec.code", "dec.base64"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := seen(c.src)
			for _, want := range c.want {
				if !slices.Contains(got, want) {
					t.Errorf("%q shows %v, want %s among them", c.src, got, want)
				}
			}
		})
	}
}

func TestNoBehaviorIsSeenWhereThereIsNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, src, not string }{
		{"a comment", "# os.system('id')\nx = 1", "proc.shell"},
		{"documentation", "\"\"\"Runs /bin/sh -i over 192.0.2.1.\"\"\"", "text.shell"},
		{"a database's connect", "db.connect(dsn)", "net.connect"},
		{"loopback", "u = 'http://127.0.0.1:80/'", "net.ipurl"},
		{"a version number", "v = '1.2.3.4.5'", "net.ipurl"},
		{"a number that is an id", "u = 'http://1234/x'", "net.ipurl"},
		{"a path that is a number", "u = 'https://example.com/3405803783'", "net.ipurl"},
		{"a function of the script's own", "def system(x):\n  pass\nsystem(1)", "proc.shell"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := seen(c.src); slices.Contains(got, c.not) {
				t.Errorf("%q shows %v, want no %s", c.src, got, c.not)
			}
		})
	}
}

func TestFeaturesDoNotDependOnWhatWasReadBefore(t *testing.T) {
	t.Parallel()
	a := normalize.Normalize([]byte("import os\nfor i in range(9):\n    os.system('echo %d' % i)\n"))
	b := normalize.Normalize([]byte(strings.Repeat("x = f(y, 'text') + z.attr[3]\n", 3000)))
	same := cmp.AllowUnexported(Features{}, block{}, shape{})
	first := Extract(a)
	for range 3 {
		Extract(b)
		if diff := cmp.Diff(first, Extract(a), same); diff != "" {
			t.Fatalf("features differ after another script was read:\n%s", diff)
		}
	}
}

func TestEveryFeatureIsListedOnceABlock(t *testing.T) {
	t.Parallel()
	f := Extract(normalize.Normalize([]byte(strings.Repeat("import os; os.system('a b c'); x = 1\n", 200))))
	for i := range f.blocks {
		block := slices.Clone(f.Block(i))
		slices.Sort(block)
		if n := len(slices.Compact(slices.Clone(block))); n != len(block) {
			t.Errorf("block %d lists %d features, %d of them different", i, len(block), n)
		}
	}
}

func TestWindowsCoverEveryBlockAndStayInTheirLayer(t *testing.T) {
	t.Parallel()
	f := &Features{blocks: make([]block, 11)}
	f.blocks[0].first, f.blocks[6].first, f.blocks[9].first = true, true, true
	covered := make([]bool, 11)
	for from, to := range f.Windows {
		if to-from > windowBlocks || to <= from {
			t.Errorf("window [%d, %d)", from, to)
		}
		for i := from; i < to; i++ {
			covered[i] = true
			if i > from && f.blocks[i].first {
				t.Errorf("window [%d, %d) reaches into another layer", from, to)
			}
		}
	}
	if slices.Contains(covered, false) {
		t.Errorf("covered: %v", covered)
	}
}

func TestMatcherFindsAllPatterns(t *testing.T) {
	t.Parallel()
	m := newMatcher([]pattern{{"he", 0}, {"she", 1}, {"hers", 2}, {"/bin/sh", 3}})
	find := func(text string) []int {
		found := []int{}
		m.each([]byte(text), func(b int) { found = append(found, b) })
		slices.Sort(found)
		return slices.Compact(found)
	}
	for _, c := range []struct {
		name, text string
		want       []int
	}{
		{"one inside another", "ushers", []int{0, 1, 2}},
		{"capitals", "USHERS", []int{0, 1, 2}},
		{"doubled slashes", "//bin///sh", []int{3}},
		{"backslashes", `\\bin\sh`, []int{3}},
		{"nothing", "xyz", []int{}},
		{"empty", "", []int{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, find(c.text)); diff != "" {
				t.Errorf("in %q (-want +got):\n%s", c.text, diff)
			}
		})
	}
}

func TestTheBehaviorTableIsSound(t *testing.T) {
	t.Parallel()
	if len(behaviors) > behaviorMax {
		t.Fatalf("%d behaviors, room for %d", len(behaviors), behaviorMax)
	}
	ids := map[string]bool{}
	for _, b := range behaviors {
		if ids[b.id] {
			t.Errorf("%s is there twice", b.id)
		}
		ids[b.id] = true
		if b.says == "" || strings.HasSuffix(b.says, ".") {
			t.Errorf("%s says %q, want a predicate", b.id, b.says)
		}
		for _, text := range b.texts {
			if folded := strings.Map(func(r rune) rune { return rune(fold(byte(r))) }, text); folded != text {
				t.Errorf("%s: text %q is not in lower case with plain slashes", b.id, text)
			}
			if strings.Contains(text, "//") {
				t.Errorf("%s: text %q has a double slash, which is never seen", b.id, text)
			}
		}
	}
	for _, j := range joints {
		for _, part := range j.parts {
			for _, id := range part {
				if _, ok := words().byID[id]; !ok {
					t.Errorf("%q joins the unknown behavior %s", j.says, id)
				}
			}
		}
	}
}

func TestQuoteMakesHostileTextHarmless(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"line ends and tabs", "a\n\tb", "a  b"},
		{"an escape sequence", "\x1b[31m", `\u001b[31m`},
		{"a change of direction", "a\u202eb", `a\u202eb`},
		{"bytes that are no text", "a\xffb", `a\ufffdb`},
		{"a backquote", "`", "'"},
		{"a long text", strings.Repeat("x", 200), strings.Repeat("x", 80) + "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := Quote([]byte(c.text)); got != c.want {
				t.Errorf("Quote(%q) = %q, want %q", c.text, got, c.want)
			}
		})
	}
}

func TestLoadRefusesWhatIsNoModel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, data string }{
		{"nothing", ""},
		{"another file", "#!/usr/bin/python\n"},
		{"only the magic", magic},
		{"zeros", magic + strings.Repeat("\x00", 4096)},
		{"too much", magic + strings.Repeat("x", maxFile)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if m, err := Load(strings.NewReader(c.data)); err == nil {
				t.Errorf("Load gives a model %s", m.Hash())
			}
		})
	}
}

// FuzzJudge holds any text against the promises of a verdict: no panic, a
// score that is a probability, and reasons that point into the text.
func FuzzJudge(f *testing.F) {
	for _, seed := range []string{
		"import os\nos.system('id')", "exec(__import__('base64').b64decode('cHJpbnQoMSk='))", "f'{a!r:>{b}}'", "((((((((", "x = \"",
		"from . import *", "getattr(", "a.b.c.d = e.f = g", "lambda: (yield)", "import a.b as c, d.\n", "\xff\xfe\x00", "exec \"a\"", "with a as b, c as d: pass",
	} {
		f.Add([]byte(seed))
	}
	t := NewTables[int8]()
	for i := range t.Core {
		t.Core[i], t.Window[i] = int8(i%7)-2, int8(i%5)-1
	}
	for i := range t.CoreMark {
		t.CoreMark[i], t.WindowMark[i] = float32(i%3)-0.5, float32(i%4)-1
	}
	m, err := New(t, Calibration{Slope: 1}, Thresholds{Suspicious: 1e-300, Malicious: 0.5})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		text := normalize.Normalize(bytes.Clone(src))
		v := m.Judge(text)
		if !(v.Score >= 0 && v.Score <= 1) || len(v.Reasons) > maxReasons {
			t.Fatalf("score %v, %d reasons", v.Score, len(v.Reasons))
		}
		for _, r := range v.Reasons {
			if len(r.Spans) > maxSpans || r.Text == "" {
				t.Fatalf("reason %q with %d spans", r.Text, len(r.Spans))
			}
			for _, s := range r.Spans {
				if s.Layer < 0 || s.Layer >= len(text.Layers) || s.Start < 0 || s.End < s.Start || s.End > len(text.Layers[s.Layer].Text) || s.Line < 1 || s.EndLine < s.Line {
					t.Fatalf("span %+v of %q", s, r.Text)
				}
			}
		}
	})
}
