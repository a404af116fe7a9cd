package known

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"kingsnake/normalize"
)

// seal puts a right checksum under a file.
func seal(body []byte) []byte {
	s := sha256.Sum256(body)
	return append(bytes.Clone(body), s[:]...)
}

func TestLoadRefusesBrokenFiles(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := build(t, library).Write(&out); err != nil {
		t.Fatal(err)
	}
	good := out.Bytes()
	body := good[:len(good)-sha256.Size]
	const head = len(magic)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(body)
		b[at] = to
		return seal(b)
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "not an index"},
		{"something else", []byte("#!/usr/bin/python3\n"), "not an index"},
		{"only the magic", good[:head], "cut off"},
		{"cut in the fingerprints", good[:head+16+20], "cut off"},
		{"cut at the end", good[:len(good)-1], "checksum"},
		{"a flipped bit", append([]byte(magic), append([]byte{1, 0, 0, 0, 1, 0, 0, 0, 9}, good[head+9:]...)...), "checksum"},
		{"another version", change(head, 9), "version 9"},
		{"too many fingerprints", change(head+15, 0x7f), "too large"},
		{"more fingerprints than there are", change(head+12, 0xff), "cut off"},
		{"more files than there are", change(head+8, 0xff), "names"},
		{"more origins than there are", change(head+4, 0xff), "name"},
		{"fingerprints out of order", change(head+16, 0xff), "out of order"},
		{"a broken end", seal(body[:len(body)-4]), "do not end"},
		{"something behind the end", seal(append(bytes.Clone(body), 0)), "do not end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(bytes.NewReader(c.data))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want an error with %q, got %v", c.want, err)
			}
		})
	}
}

// FuzzLoad checks that a file is refused or written again as it was read.
func FuzzLoad(f *testing.F) {
	var out bytes.Buffer
	if err := build(f, library, library+"x = 1\n").Write(&out); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes()[:out.Len()-sha256.Size])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, body []byte) {
		ix, err := parse(seal(body))
		if err != nil {
			return
		}
		var first, second bytes.Buffer
		if err := ix.Write(&first); err != nil {
			t.Fatal(err)
		}
		again, err := Load(&first)
		if err != nil {
			t.Fatalf("what was written does not load: %v", err)
		}
		if err := again.Write(&second); err != nil {
			t.Fatal(err)
		}
		if again.Len() != ix.Len() || again.names.len() != ix.names.len() {
			t.Error("an index lost something on its way")
		}
	})
}

// FuzzCanonical checks that code is bounded and in order, and that comments,
// and only comments, can be added without a trace.
func FuzzCanonical(f *testing.F) {
	f.Add([]byte(library))
	f.Add([]byte("if a:\n  b\n c\n"))
	f.Add([]byte("@d\n\ndef f(): return f'{x!r:>{w}}'\nelse: pass\nx = '''a\r\nb'''\r"))
	f.Add([]byte("(\n# coding: utf-8\n)\\\n + 1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, ok := canonical(text, normalize.Lex(text))
		if !ok {
			return
		}
		if len(c.bytes) > 5*len(text) {
			t.Errorf("%d bytes of code from %d of text", len(c.bytes), len(text))
		}
		end, to := 0, 0
		for _, b := range c.blocks {
			if b.start < end || b.end < b.start || b.end > len(text) || b.from < to || b.to < b.from || b.to > len(c.bytes) {
				t.Fatalf("block %+v behind %d, %d", b, end, to)
			}
			end, to = b.end, b.to
		}
		if len(text) > 0 && text[len(text)-1] != '\\' {
			more := append(bytes.Clone(text), "\n# coding behind the second line\n"...)
			again, ok := canonical(more, normalize.Lex(more))
			if ok && !bytes.Equal(again.bytes, c.bytes) {
				t.Errorf("a comment changes the code to %q", again.bytes)
			}
		}
		more := append(bytes.Clone(text), "\nevil()\n"...)
		if again, ok := canonical(more, normalize.Lex(more)); ok && bytes.Equal(again.bytes, c.bytes) {
			t.Error("a statement leaves no trace")
		}
	})
}
