package normalize

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// fuzzDecoder checks the contract of a decoder, and the layers of a script that
// decodes the same with it: spans map back, and two runs agree.
func fuzzDecoder(f *testing.F, name string, seeds ...string) {
	f.Helper()
	var d *decoder
	for i := range decoders {
		if decoders[i].name == name {
			d = &decoders[i]
		}
	}
	if d == nil {
		f.Fatalf("there is no decoder %q", name)
	}
	for _, seed := range seeds {
		f.Add([]byte(seed), int64(0))
	}
	f.Fuzz(func(t *testing.T, in []byte, option int64) {
		const limit = 1000
		before := bytes.Clone(in)
		keys := [][]byte{in[:min(len(in), 44)], in}
		out, _, ok := d.run(in, keys, []int64{option}, limit)
		if len(out) > limit {
			t.Errorf("%s made %d bytes of at most %d", d.name, len(out), limit)
		}
		if !bytes.Equal(in, before) {
			t.Errorf("%s changed its input", d.name)
		}
		again, _, okAgain := d.run(in, keys, []int64{option}, limit)
		if ok != okAgain || !bytes.Equal(out, again) {
			t.Errorf("%s gave %q, then %q", d.name, out, again)
		}
		checkScript(t, []byte("exec("+decoding(d, in, option)+")\n"))
	})
}

// decoding is an expression that decodes in.
func decoding(d *decoder, in []byte, option int64) string {
	literal := bytesLiteral(in)
	switch {
	case len(d.calls) == 0:
		return fmt.Sprintf("%s.decode(%q)", literal, d.codecs[0])
	case d.keyed != nil:
		key := bytesLiteral(in[:min(len(in), 44)])
		return strings.Replace(d.calls[0], "()", "("+key+")", 1) + "(" + literal + ")"
	}
	return fmt.Sprintf("%s(%s, %d)", d.calls[0], literal, option)
}

// bytesLiteral spells bytes in Python.
func bytesLiteral(in []byte) string {
	var b strings.Builder
	b.WriteString(`b"`)
	for _, c := range in {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	b.WriteString(`"`)
	return b.String()
}

// checkScript normalizes a script twice, the second time as if in another
// process.
func checkScript(t *testing.T, src []byte) {
	t.Helper()
	text := Normalize(src)
	checkText(t, src, text)
	for _, note := range text.Notes {
		if strings.Contains(note, "internal error") {
			t.Error(note)
		}
	}
	data, err := Normalize(src).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(data, src)
	if err != nil {
		t.Fatal(err)
	}
	checkText(t, src, again)
	if len(again.Layers) != len(text.Layers) {
		t.Fatalf("got %d layers, then %d", len(text.Layers), len(again.Layers))
	}
	for i, l := range text.Layers {
		if !bytes.Equal(l.Text, again.Layers[i].Text) || l.Transform != again.Layers[i].Transform {
			t.Fatalf("layer %d differs between two runs", i)
		}
	}
}

// binarySeed decodes the base64 of a seed that is no text.
func binarySeed(s string) string {
	data, _ := decodeBase64([]byte(s), nil, 1000)
	return string(data)
}

func FuzzBase64(f *testing.F)  { fuzzDecoder(f, "base64", "aGVsbG8=", "aGVs\nbG8", "_-8=") }
func FuzzHex(f *testing.F)     { fuzzDecoder(f, "hex", "68 65 6c6C6f", "6") }
func FuzzBase32(f *testing.F)  { fuzzDecoder(f, "base32", "nbswy3dp", "NBSWY3DPEE======") }
func FuzzBase85(f *testing.F)  { fuzzDecoder(f, "base85", "Xk~0{Zv", "Xk~0{ZvX%") }
func FuzzASCII85(f *testing.F) { fuzzDecoder(f, "ascii85", "<~87cURDZ~>", "z!!") }
func FuzzUU(f *testing.F) {
	fuzzDecoder(f, "uu", "begin 666 <data>\n%:&5L;&\\ \n \nend\n", "%:&5L;&\\ ")
}
func FuzzZ85(f *testing.F)   { fuzzDecoder(f, "z85", "xK#0@zYbuD") }
func FuzzRot13(f *testing.F) { fuzzDecoder(f, "rot13", "uryyb", "\xff") }
func FuzzZlib(f *testing.F) {
	fuzzDecoder(f, "zlib", "x\x9c\xcbH\xcd\xc9\xc9\x07\x00\x06,\x02\x15", "\xcbH\xcd\xc9\xc9\x07\x00")
}
func FuzzGzip(f *testing.F) {
	fuzzDecoder(f, "gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\x00\x00\x00")
}
func FuzzBz2(f *testing.F) {
	fuzzDecoder(f, "bz2", binarySeed("QlpoOTFBWSZTWQQIDY4AAAGRAEAAAkSgACEgBmg1HKYOLuSKcKEgCBAbHA=="))
}
func FuzzLzma(f *testing.F) {
	fuzzDecoder(f, "lzma", binarySeed("/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AAQAAtdADQZSe6N6U9+FeAAAABLiObaRIAHdgABJxG8J/OQH7bzfQEAAAAABFla"),
		binarySeed("XQAAgAD//////////wA0GUnujelDkiyit//+39AA"))
}
func FuzzFernet(f *testing.F) {
	fuzzDecoder(f, "fernet", "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")
}
func FuzzAES(f *testing.F) { fuzzDecoder(f, "aes", "0123456789abcdef0123456789abcdef") }
func FuzzMarshal(f *testing.F) {
	fuzzDecoder(f, "marshal", "c\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00@\x00\x00\x00s\x04\x00\x00\x00d\x00\x00S(\x01\x00\x00\x00N")
}
func FuzzPickle(f *testing.F) {
	fuzzDecoder(f, "pickle", "cos\nsystem\n(S'true'\ntR.",
		"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85\x94R\x8c\x01a\x8c\x01b\x86h\x00\x87l.",
		"(I1\nL2L\nF3.5\nV\\u0041\nK\x01M\x01\x02J\x01\x00\x00\x00tp0\n0g0\n.", "(ios\nsystem\n.", "(cos\nsystem\nS'a'\no.")
}

// FuzzScripts reads scripts that hide text by means that are no decoders: a
// cookie as in PEP 263, escapes, exclusive or, and numbers from a seed.
func FuzzScripts(f *testing.F) {
	f.Add([]byte("uryyb"), byte(0))
	f.Add([]byte("+AGkAbQ-"), byte(1))
	f.Add([]byte(`\x69\151\N{LATIN SMALL LETTER I}\u0069`), byte(2))
	f.Add([]byte("hello hello hello hello"), byte(3))
	f.Add([]byte("hello hello hello hello"), byte(4))
	f.Add([]byte("979810 1451856 701556"), byte(5))
	f.Add([]byte("print(1)"), byte(6))
	f.Fuzz(func(t *testing.T, in []byte, form byte) {
		literal := bytesLiteral(in)
		forms := [...]string{
			"# coding: rot13\n" + string(in),
			"# coding: utf-7\n" + string(in),
			"exec('" + string(in) + "')",
			"exec(bytes(c ^ b'key'[i % 3] for i, c in enumerate(" + literal + ")))",
			"def f(d, k):\n  out = bytearray()\n  for i in range(len(d)):\n    out.append(d[i] ^ k[i % len(k)])\n  return bytes(out)\nexec(f(" + literal + ", b'key'))",
			"import random\nrandom.seed(" + literal + ")\nexec(''.join(chr(c ^ random.randint(0, 255)) for c in " + literal + "))",
			"def g(d):\n  for c in d: yield chr(c)\nexec(''.join(g(" + literal + ")))",
		}
		checkScript(t, []byte(forms[int(form)%len(forms)]))
	})
}
