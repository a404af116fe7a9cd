package normalize

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// spell writes tokens as "kind:text" words, for comparing.
func spell(src string, tokens []Token) string {
	var words []string
	for _, t := range tokens {
		word := fmt.Sprintf("%s:%s", t.Kind, t.Bytes([]byte(src)))
		if t.Kind == Newline {
			word = "newline"
		}
		if t.Flags&Open != 0 {
			word += ":open"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestLex(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, src, want string }{
		{"nothing has no tokens", "", ""},
		{"a statement ends with its line", "x = 1\n", "name:x op:= number:1 newline"},
		{"the last line needs no end", "x", "name:x"},
		{"blank lines and comments end nothing", "\n# c\n\nx\n", "comment:# c name:x newline"},
		{"a carriage return alone ends a line", "x\ry\r\nz", "name:x newline name:y newline name:z"},
		{"lines go on inside brackets", "f(\n1)\n", "name:f op:( number:1 op:) newline"},
		{"a backslash continues a line", "x = \\\r\n 1\n", "name:x op:= number:1 newline"},
		{"a bracket that is never closed ends at the next statement", "f(\nimport os\n",
			"name:f op:( keyword:import name:os newline"},
		{"a byte order mark is skipped", "\xef\xbb\xbfx", "name:x"},
		{"form feeds are white space", "\fx\f=\f1", "name:x op:= number:1"},
		{"NUL and control bytes are one garbage token", "a\x00\x01\x00b", "name:a other:\x00\x01\x00 name:b"},
		{"print and exec are names", "print exec match", "name:print name:exec name:match"},
		{"Latin-1 bytes are letters", "caf\xe9 = 1", "name:caf\xe9 op:= number:1"},
		{"numbers come in every form", "0777 10L 1_000 0xFFl 0b1 0o7 1.5e-3 .5 1. 2j 1e5J",
			"number:0777 number:10L number:1_000 number:0xFFl number:0b1 number:0o7 number:1.5e-3 number:.5 number:1. number:2j number:1e5J"},
		{"a keyword may follow a number at once", "1if x else 2", "number:1 keyword:if name:x keyword:else number:2"},
		{"operators are the longest that fit", "a**=b//c->d:=e...<>!=<<=", "name:a op:**= name:b op:// name:c op:-> name:d op::= name:e op:... op:<> op:!= op:<<="},
		{"strings have every prefix", `r'a' b"b" Rb'c' u'd' br"e"`, `string:r'a' string:b"b" string:Rb'c' string:u'd' string:br"e"`},
		{"a name before a quote is no prefix", `foo'a'`, `name:foo string:'a'`},
		{"a backslash hides a quote", `'a\'b' r'\'c'`, `string:'a\'b' string:r'\'c'`},
		{"a string that is not closed ends with its line", "'abc\nx", "string:'abc:open newline name:x"},
		{"a backslash carries a string over the line", "'ab\\\nc'", "string:'ab\\\nc'"},
		{"triple quotes span lines", "'''a\n'b''c\n'''x", "string:'''a\n'b''c\n''' name:x"},
		{"triple quotes that are not closed take the rest", "\"\"\"a\nb", "string:\"\"\"a\nb:open"},
		{"an f-string may hold its own quotes", `f"{x["a"]}" y`, `string:f"{x["a"]}" name:y`},
		{"an f-string may hold an f-string", `f'{f'{1}'}'+1`, `string:f'{f'{1}'}' op:+ number:1`},
		{"doubled braces are no field", `f"{{" "}"`, `string:f"{{" string:"}"`},
		{"an f-string with an open field ends as a plain one", "f'{'\nx", "string:f'{' newline name:x"},
		{"a brace behind a backslash opens a field", `f'\{x['a']}'`, `string:f'\{x['a']}'`},
		{"a format may hold fields", `f"{x!r:>{w["n"]}}"+y`, `string:f"{x!r:>{w["n"]}}" op:+ name:y`},
		{"stray backslashes and signs are garbage", `\ ? $x !`, `other:\ other:? other:$ name:x other:!`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, spell(test.src, Lex([]byte(test.src)))); diff != "" {
				t.Errorf("tokens of %q (-want +got):\n%s", test.src, diff)
			}
		})
	}
}

func TestLexBoundsTokensAndReadsBothEnds(t *testing.T) {
	t.Parallel()
	src := []byte("first\n" + strings.Repeat("a;b\n", 1000) + "last\n")
	const limit = 100
	tokens := lexUpTo(src, limit)
	if len(tokens) > limit+1 {
		t.Errorf("got %d tokens, want at most %d", len(tokens), limit+1)
	}
	checkTokens(t, src, tokens)
	skipped := 0
	for _, tok := range tokens {
		if tok.Kind == Skipped {
			skipped++
		}
	}
	if skipped != 1 {
		t.Errorf("got %d skipped stretches, want 1", skipped)
	}
	if got := string(tokens[0].Bytes(src)); got != "first" {
		t.Errorf("first token is %q, want %q", got, "first")
	}
	if got := string(tokens[len(tokens)-2].Bytes(src)); got != "last" {
		t.Errorf("last name is %q, want %q", got, "last")
	}
}

// checkTokens reports tokens that are empty, outside src or out of order.
func checkTokens(t *testing.T, src []byte, tokens []Token) {
	t.Helper()
	end := int32(0)
	for i, tok := range tokens {
		if tok.Start < end || tok.End <= tok.Start || int(tok.End) > len(src) {
			t.Fatalf("token %d is [%d, %d), behind %d, in %d bytes", i, tok.Start, tok.End, end, len(src))
		}
		end = tok.End
	}
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, src string
		want      []string
	}{
		{"expressions come in order", `f"{a} and {b + 1}"`, []string{"a", "b + 1"}},
		{"conversions and formats are left out", `f"{a!r:>{b}}"`, []string{"a", "b"}},
		{"doubled braces are text", `f"{{a}}{b}"`, []string{"b"}},
		{"an inner f-string is part of its expression", `f"{f'{a}'}"`, []string{"f'{a}'"}},
		{"plain strings embed nothing", `"{a}"`, nil},
		{"what is not closed is not listed", `f"{a} {b"`, []string{"a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			src := []byte(test.src)
			var got []string
			for _, s := range Embedded(src, Lex(src)[0]) {
				got = append(got, string(src[s.Start:s.End]))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("expressions (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzLex(f *testing.F) {
	for _, src := range []string{
		"x = 1\n", "f(\nimport os", `f"{x["a"]:>{w}}"`, "'''", "f'{f'{", "\\\r\n", "0x 1e+ 1_", "\xef\xbb\xbf\x00",
		`b'\x41\N{SPACE}\u12'`, "rb'''a\\'''", "\xf0\x9d\x93\xae = 1", string(sample(700)),
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		tokens := Lex(src)
		checkTokens(t, src, tokens)
		for _, tok := range tokens {
			if tok.Kind == Skipped {
				t.Skip("not all of it was read")
			}
			checkLiteral(t, src, tok)
			// Newlines depend on what stood before and a byte order mark on
			// where it stands, all others on themselves.
			if tok.Kind == Newline || tok.Kind == Other || tok.Flags&Open != 0 ||
				bytes.HasPrefix(tok.Bytes(src), []byte("\xef\xbb\xbf")) {
				continue
			}
			again := Lex(tok.Bytes(src))
			if len(again) != 1 || again[0].Kind != tok.Kind || again[0].Span() != (Span{0, len(tok.Bytes(src))}) {
				t.Errorf("token %q of kind %s lexes again as %s", tok.Bytes(src), tok.Kind, spell(string(tok.Bytes(src)), again))
			}
		}
	})
}

// checkLiteral checks what is said about a string or name token.
func checkLiteral(t *testing.T, src []byte, tok Token) {
	t.Helper()
	NameValue(src, tok)
	value, ok := StringValue(src, tok)
	if ok != (tok.Kind == String) {
		t.Errorf("value of a %s: ok is %v", tok.Kind, ok)
	}
	if !ok {
		return
	}
	for _, s := range Embedded(src, tok) {
		if s.Start < int(tok.Start) || s.End > int(tok.End) || s.Start > s.End {
			t.Errorf("expression %v lies outside its string %v", s, tok.Span())
		}
	}
	l := Layer{Text: value, pieces: stringPieces(src, tok, 0, nil)}
	if len(value) > len(src)*2 {
		t.Errorf("a literal of %d bytes grew to %d", len(src), len(value))
	}
	for i := range value {
		s := l.up(Span{i, i + 1})
		if s.Start < int(tok.Start) || s.End > int(tok.End) || s.Start >= s.End {
			t.Fatalf("byte %d of the value of %q maps to %v, outside %v", i, tok.Bytes(src), s, tok.Span())
		}
	}
}
