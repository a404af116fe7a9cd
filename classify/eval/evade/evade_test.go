package evade

import (
	"bytes"
	"compress/bzip2"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// programs are harmless and print what they do.
func programs(t testing.TB) []txtar.File {
	t.Helper()
	a, err := txtar.ParseFile("testdata/programs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	return a.Files
}

// random is a generator of its own for each case.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 3)) }

// driver compiles or runs the programs that it is given, each by itself, and
// prints what each does. All of them are ours.
const driver = `
import base64, contextlib, io, json, marshal, sys, importlib.util, warnings
warnings.simplefilter('ignore')
for line in sys.stdin:
    job = json.loads(line)
    src = base64.b64decode(job['src'])
    answer = {}
    try:
        if job['compile']:
            code = compile(src, 'program', 'exec', dont_inherit=True)
            answer['out'] = base64.b64encode(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)).decode()
        else:
            if src[:4] == importlib.util.MAGIC_NUMBER:
                code = marshal.loads(src[16:])
            else:
                code = compile(src, 'program', 'exec', dont_inherit=True)
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                names = {'__name__': '__main__', '__builtins__': __builtins__, '__file__': 'program'}
                exec(code, names)
            answer['out'] = out.getvalue()
    except BaseException as e:
        answer['error'] = '%s: %s' % (type(e).__name__, e)
    print(json.dumps(answer), flush=True)
`

// python is a running driver.
type python struct {
	in  io.Writer
	out *json.Decoder
}

func startPython(t testing.TB) *python {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("needs python3: apt-get install python3")
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-I", "-c", driver)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &python{in, json.NewDecoder(out)}
}

func (p *python) ask(src []byte, compile bool) (string, error) {
	job, err := json.Marshal(map[string]any{"src": base64.StdEncoding.EncodeToString(src), "compile": compile})
	if err != nil {
		return "", err
	}
	if _, err := p.in.Write(append(job, '\n')); err != nil {
		return "", err
	}
	var answer struct{ Out, Error string }
	if err := p.out.Decode(&answer); err != nil {
		return "", err
	}
	if answer.Error != "" {
		return answer.Out, fmt.Errorf("python: %s", answer.Error)
	}
	return answer.Out, nil
}

// help gives transforms what they need, with the programs as harmless scripts
// of others.
func (p *python) help(host []byte) Help {
	return Help{
		Benign: func(*rand.Rand) []byte { return host },
		Compile: func(src []byte) ([]byte, error) {
			out, err := p.ask(src, true)
			if err != nil {
				return nil, err
			}
			return base64.StdEncoding.DecodeString(out)
		},
	}
}

// host is a harmless script of somebody else's.
const host = "\"\"\"A host.\"\"\"\nfrom __future__ import annotations\nimport string\n\nLETTERS = string.ascii_letters\n\n\ndef only_letters(text):\n    return ''.join(c for c in text if c in LETTERS)\n\n\nkept = only_letters('a1b2')\nif kept != 'ab':\n    raise SystemExit(1)\n"

func TestProgramsDoTheSameAfterEveryTransform(t *testing.T) {
	t.Parallel()
	p := startPython(t)
	applied := map[string]int{}
	all := upTo(8<<10, p.help([]byte(host)))
	for k, program := range programs(t) {
		want, err := p.ask(program.Data, false)
		if err != nil {
			t.Fatalf("%s: %v", program.Name, err)
		}
		for _, transform := range all {
			if transform.Opaque {
				continue
			}
			seed := uint64(k)
			out, ok := transform.Apply(program.Data, random(seed))
			if !ok {
				continue
			}
			if transform.Name == "dialect: Python 2" { // there is no Python 2: take it back
				s, ok := read(out)
				if !ok {
					t.Errorf("%s, %s: can not be read:\n%s", program.Name, transform.Name, out)
					continue
				}
				if s.py2 {
					if out, ok = s.toPython3(); !ok {
						t.Errorf("%s, %s: no way back:\n%s", program.Name, transform.Name, s.src)
						continue
					}
				} else {
					continue
				}
			}
			applied[transform.Name]++
			got, err := p.ask(out, false)
			if err != nil || got != want {
				t.Errorf("%s, %s, seed %d: %v\ngot:  %q\nwant: %q\nof:\n%.1500s", program.Name, transform.Name, seed, err, got, want, out)
			}
		}
	}
	for _, transform := range all {
		if applied[transform.Name] == 0 && !transform.Opaque && transform.Name != "dialect: Python 3" {
			t.Errorf("%s applies to none of the programs", transform.Name)
		}
	}
}

func TestATransformDependsOnItsSeedAlone(t *testing.T) {
	t.Parallel()
	h := Help{Benign: func(*rand.Rand) []byte { return []byte(host) }}
	for _, program := range programs(t) {
		for _, transform := range upTo(8<<10, h) {
			before := bytes.Clone(program.Data)
			first, ok := transform.Apply(program.Data, random(9))
			again, ok2 := transform.Apply(program.Data, random(9))
			if ok != ok2 || !bytes.Equal(first, again) {
				t.Errorf("%s, %s: not the same twice", program.Name, transform.Name)
			}
			if !bytes.Equal(before, program.Data) {
				t.Fatalf("%s, %s: the script itself was changed", program.Name, transform.Name)
			}
		}
	}
}

func TestOldPythonBecomesNew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, want string }{
		{"print", "print 'a', b\n", "print('a', b)\n"},
		{"print with nothing", "if x:\n    print\nprint 1\n", "if x:\n    print()\nprint(1)\n"},
		{"print that goes on", "print x,\n", "print(x, end=' ')\n"},
		{"print to a file", "print >>f, x, y\n", "print(x, y, file=f)\n"},
		{"exec", "exec code in g, l\n", "exec(code , g, l)\n"},
		{"except", "try:\n    f()\nexcept (A, B), e:\n    pass\n", "try:\n    f()\nexcept (A, B) as e:\n    pass\n"},
		{"raise", "raise ValueError, 'x'\n", "raise ValueError('x')\n"},
		{"operators and numbers", "print `a` <> 0777, 10L\n", "print(repr(a) != 0o777, 10)\n"},
		{"modules", "import urllib2\nprint urllib2.urlopen(u).read()\n", "import urllib.request\nprint(urllib.request.urlopen(u).read())\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, ok := read([]byte(c.old))
			if !ok || !s.py2 {
				t.Fatalf("read: ok %t, Python 2 %t", ok, ok && s.py2)
			}
			got, ok := s.toPython3()
			if !ok || string(got) != c.want {
				t.Errorf("got %q, %t; want %q", got, ok, c.want)
			}
		})
	}
}

func TestAddressesAreWrittenInOtherWays(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for seed := range uint64(40) {
		seen[number("192.0.2.1", random(seed))] = true
	}
	for _, want := range []string{"3221225985", "0xc0000201", "0300.00.02.01", "0xc0.0x0.0x2.0x1"} {
		if !seen[want] {
			t.Errorf("never wrote %s, only %v", want, seen)
		}
	}
}

func TestBzip2IsRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", "aaaaaaaaaaaaaaaaaaaa", "banana bandana", strings.Repeat("import os\n", 300), strings.Repeat("z", 900), string(programs(t)[0].Data)} {
		got, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(bzip2Of([]byte(text)))))
		if err != nil || string(got) != text {
			t.Errorf("%.20q: got %.20q, %v", text, got, err)
		}
	}
}

func FuzzTransforms(f *testing.F) {
	for _, program := range programs(f) {
		f.Add(program.Data, uint64(1))
	}
	f.Add([]byte("print 'x' if y else `z`\nraise E, 'a'\nexec c in d\n"), uint64(2))
	f.Add([]byte("\xef\xbb\xbf#\r\nimport os, sys; os.system(f'{x}')\r\n"), uint64(3))
	all := upTo(8<<10, Help{Benign: func(*rand.Rand) []byte { return []byte(host) }})
	f.Fuzz(func(t *testing.T, src []byte, seed uint64) {
		transform := all[seed%uint64(len(all))]
		if len(src) > 1<<14 {
			return
		}
		out, ok := transform.Apply(src, random(seed))
		if ok && len(out) > 1<<16+200*len(src) {
			t.Errorf("%s: %d bytes of %d", transform.Name, len(out), len(src))
		}
	})
}
