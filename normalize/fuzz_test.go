package normalize

import (
	"bytes"
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
		"os.system('python -c \"a\\\"b\"')", "'é😀'[::-1].encode('latin-1')", "b'\\xff'.decode('latin-1')[::2]",
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		text := Normalize(src)
		checkText(t, src, text)
		for _, note := range text.Notes {
			if bytes.Contains([]byte(note), []byte("internal error")) {
				t.Error(note)
			}
		}
		again := Normalize(src)
		if len(again.Layers) != len(text.Layers) {
			t.Fatalf("got %d layers, then %d", len(text.Layers), len(again.Layers))
		}
		for i := range text.Layers {
			if !bytes.Equal(text.Layers[i].Text, again.Layers[i].Text) || text.Layers[i].Transform != again.Layers[i].Transform {
				t.Fatalf("layer %d differs between two runs", i)
			}
		}
	})
}

func FuzzDecoders(f *testing.F) {
	f.Add([]byte("aGVsbG8="), int64(0))
	f.Add([]byte("68 65 6c6C6f"), int64(0))
	f.Add([]byte("x\x9c\xcbH\xcd\xc9\xc9\x07\x00\x06,\x02\x15"), int64(15))
	f.Add([]byte("\xcbH\xcd\xc9\xc9\x07\x00"), int64(-15))
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\x00\x00\x00"), int64(31))
	for _, text := range []string{"nbswy3dp", "Xk~0{Zv", "<~87cURDZ~>", "begin 666 <data>\n%:&5L;&\\ \n \nend\n", "xK#0@zYbuD", "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
		"cos\nsystem\n(S'true'\ntR.", "\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85\x94R\x8c\x01a\x8c\x01b\x86h\x00\x87l."} {
		f.Add([]byte(text), int64(1))
	}
	for _, packed := range []string{
		"QlpoOTFBWSZTWQQIDY4AAAGRAEAAAkSgACEgBmg1HKYOLuSKcKEgCBAbHA==",
		"/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AAQAAtdADQZSe6N6U9+FeAAAABLiObaRIAHdgABJxG8J/OQH7bzfQEAAAAABFla",
		"XQAAgAD//////////wA0GUnujelDkiyit//+39AA",
	} {
		data, _ := decodeBase64([]byte(packed), nil, 1000)
		f.Add(data, int64(2))
	}
	f.Fuzz(func(t *testing.T, in []byte, option int64) {
		for _, d := range decoders {
			const limit = 1000
			before := bytes.Clone(in)
			key := in[:min(len(in), 44)]
			out, ok := d.run(in, [][]byte{key, in}, []int64{option}, limit)
			if len(out) > limit {
				t.Errorf("%s made %d bytes of at most %d", d.name, len(out), limit)
			}
			if !bytes.Equal(in, before) {
				t.Errorf("%s changed its input", d.name)
			}
			again, okAgain := d.run(in, [][]byte{key, in}, []int64{option}, limit)
			if ok != okAgain || !bytes.Equal(out, again) {
				t.Errorf("%s gave %q, then %q", d.name, out, again)
			}
		}
	})
}
