package normalize

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"
)

// addGoldens seeds a fuzz target with the scripts of the golden layers.
func addGoldens(f *testing.F) {
	f.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(txtar.Parse(data).Files[0].Data)
	}
}

func FuzzNormalize(f *testing.F) {
	addGoldens(f)
	for _, src := range []string{
		"x='a';x+='b'\nexec(x*9)", "[[[", "f(x for x in [1,2])", "(lambda f: f(f))(lambda f: f(f))",
		"def f(x): return f(x+'a')\nf('b')", "exec('exec(\"\"\"exec(1)\"\"\")')", "'%s%c' % ('a', 98)", "a if b else",
		"''.join(map(lambda c: chr(c), range(90, 60, -3)))", "'{}{0}'.format('a')", "x: int = 'a' 'b'", "[1,2,3][::-1][0]",
		"for c in [97,98]:\n s+=chr(c)\n", "s=''\nwhile len(s)<9:\n s+=chr(97)\nexec(s)", "def f(a,b='c'):\n for i,c in enumerate(a): b+=c\n return b\nexec(f('de'))",
		"d={'a':'b',1:[2]}\nd['c']=d['a']\nd[1][0]=3\nx=[k for k,v in d.items() if v]", "class A:\n x='a'\n def f(self): self.x+='b'; exec(self.x*9)\n",
		"b=bytearray(b'ab')\nb[0]^=1\nb.append(7)\nfor i in range(2): b[i]=b[i]^9; chr(1)\n", "x=eval('eval(\"1+1\")')\nexec('y=x')\nf'{x}{y!r}{x:>3}'",
		"# coding: utf-7\n+AGkAbQ-", "\xff\xfea\x00", "a,(b,*c)=1,(2,3)\nx='a'<'b'<'c' is not None", "''.join(chr(a^b) for a,b in zip(b'abc',itertools.cycle(b'k')))",
		"(12345678901234567890123).to_bytes(12,'big')\nstruct.pack('<IB',1,2)\n'ab'.translate(str.maketrans('a','b'))",
		"'''aGVsbG8='''\nfrom base64 import *\nexec(b64decode(__doc__))", "a=[1,2]\nfor i in range(2): a[0],a[1]=a[1],a[0]; chr(a[i])\n",
		"def f(x):\n yield from x\n yield chr(1),2\nexec(''.join(f('ab')))\nsetattr(__builtins__,'p',eval)\nglobals()['q']=p\nq('1')",
		"import random\nrandom.seed('s')\nx=[random.choice('abc') for i in range(9)]\nrandom.shuffle(x)\nexec(''.join(x)*9)",
		"''.join([y[0] for x in 'hello'*99 for y in [[b,a] for a,b in {'h':'i'}.items()] if x==y[1]])",
		"struct.unpack('<2sBh',b'abcde')\nreduce(lambda a,b:a+b,'ab')\nsorted('ba')+list(filter(None,[1,0]))\n'a-b'.rpartition('-')",
		"os.system('python -c \"a\\\"b\"')", "'é😀'[::-1].encode('latin-1')", "b'\\xff'.decode('latin-1')[::2]",
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(checkScript)
}
