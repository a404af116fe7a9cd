package normalize

import (
	"strings"
	"testing"
)

func TestChainsOfLayersAreOpened(t *testing.T) {
	t.Parallel()
	const depth = 55
	text := Normalize([]byte(packed(depth)))
	last := text.Layers[len(text.Layers)-1]
	if last.Depth != depth || string(last.Text) != "import os" {
		t.Errorf("the deepest layer is %q at depth %d, want %q at depth %d; notes %q", last.Text, last.Depth, "import os", depth,
			strings.Join(text.Notes, "; "))
	}
}

func TestKnownValues(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, script string }{
		{"a counter in a while loop", "i=0\ns=''\nwhile i<9:\n s+=chr(ord('os.getcwd'[i]))\n i+=1\nexec('import os;'+s)"},
		{"a condition over an element", "exec(''.join(chr(c) if c else ';' for c in [105,109,112,111,114,116,32,111,115,0,111,115,46,103,101,116,99,119,100]))"},
		{"two loops and a condition", "exec(''.join(c for w in ['import os','!;os.getcwd'] for c in w if c!='!'))"},
		{"a chained comparison", "exec('import os;os.getcwd' if 1 < 2 <= 2 else '')"},
		{"both branches", "import sys\nif sys.argv:\n x='import os;'\nelse:\n x=input()\nexec(x+'os.getcwd')"},
		{"a list that is appended to", "a=[]\na.append('import os;')\na.extend(['os.','getcwd'])\nexec(''.join(a))"},
		{"a dictionary", "d={'a':'import os;','b':'os.getcwd'}\nexec(d['a']+d.get('b'))"},
		{"an attribute of a class", "class A:\n x='import os;'\n def f(self): exec(self.x+'os.getcwd')\n"},
		{"a function without arguments", "def f():\n a='import os;'\n return ''.join([a,'os.getcwd'])\nexec(f())"},
		{"a bytearray that is changed", "b=bytearray(b'jmport os;os.getcwd')\nfor i in range(1):\n b[i]=b[i]-1; chr(1)\nexec(bytes(b))"},
		{"a translation", "exec('1mport os;os.getcwd'.translate(str.maketrans({'1':'i'})))"},
		{"a packed number", "import struct\nexec(struct.pack('>I', 0x696d706f)+b'rt os;os.getcwd')"},
		{"a name from globals", "x='import os;os.getcwd'\nexec(globals()['x'])"},
		{"a digest", "import hashlib\nexec('import os;os.getcwd' if hashlib.md5(b'a').hexdigest()[:4]=='0cc1' else '')"},
		{"an unpacked tuple", "(a, b), c = ('import ', 'os;'), 'os.getcwd'\nexec(a+b+c)"},
		{"a negated truth", "exec('import os;os.getcwd'[not True:])"},
		{"a nested function", "def f(a):\n def g(b):\n  return b.replace('_','')\n return g(a)\nexec(f('imp_ort os;os.getc_wd'))"},
		{"a global name", "k=''\ndef f(a):\n global k\n k=a.replace('_','')\nf('imp_ort os;os.getc_wd')\nexec(k)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := Normalize([]byte(test.script))
			checkText(t, []byte(test.script), text)
			for _, l := range text.Layers[1:] {
				if l.Executed && string(l.Text) == "import os;os.getcwd" {
					return
				}
			}
			for _, l := range text.Layers[1:] {
				t.Logf("layer %q by %s", l.Text, l.Transform)
			}
			t.Error("the executed text was not found")
		})
	}
}
