package classify

import (
	"slices"
	"strings"
	"testing"

	"kingsnake/normalize"
)

func TestWhatStandsFurtherDownIsKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script, behavior string
		want                   bool
	}{
		{"import below", "def f():\n    os.dup2(3, 0)\n\nimport os\nf()\n", "fd.dup", true},
		{"import of a name below", "def f():\n    copy(3, 0)\n\nfrom os import (\n    # two\n    dup2 as copy)\nf()\n", "fd.dup", true},
		{"import behind a semicolon", "if x: y = 1; z()\ndef f(): g.dup2(3, 0)\ntry: import os as g; f()\nexcept ImportError: pass\n", "fd.dup", true},
		{"import with a star below", "def f():\n    dup2(3, 0)\n\nfrom os import *\n", "fd.dup", true},
		{"value below", "def f():\n    exec(page)\n\nimport requests\npage = requests.get(url).text\nf()\n", "code.fetched", true},
		{"value in a function", "def f(page):\n    exec(page)\n\nimport requests\ndef g():\n    page = requests.get(url).text\n", "code.fetched", false},
		{"value of an attribute", "class C:\n    def f(self):\n        exec(self.page)\n    def g(self):\n        self.page = requests.get(self.url).text\nimport requests\n", "code.fetched", true},
		{"value in a function of a class", "class C:\n    def f(self, page):\n        exec(page)\n    def g(self):\n        page = requests.get(self.url).text\nimport requests\n", "code.fetched", false},
		{"value that is called", "def f():\n    exec(page)\n\nimport urllib.request as u\npage = u.urlopen(url).read()\nf()\n", "code.fetched", true},
		{"value of another value", "def f():\n    exec(page.read())\n\nimport urllib.request as u\nask = u.urlopen\npage = ask(url)\nf()\n", "code.fetched", true},
		{"value that is more than a call", "def f():\n    exec(page)\n\nimport requests\npage = requests.get(url).text + more\nf()\n", "code.fetched", false},
		{"function of the name of an import", "from os import dup2\ndef dup2(a, b):\n    return a\ndup2(3, 0)\n", "fd.dup", false},
		{"last import counts", "def f(): run(3, 0)\nfrom os import dup2 as run\nfrom other import run\n", "fd.dup", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := Extract(normalize.Normalize([]byte(c.script))).Behaviors()
			if slices.Contains(got, c.behavior) != c.want {
				t.Errorf("behaviors of\n%s\nare %s; want %s among them: %v", c.script, strings.Join(got, ", "), c.behavior, c.want)
			}
		})
	}
}
