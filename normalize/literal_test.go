package normalize

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStringValue(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, src, want string }{
		{"a plain literal is its body", `'abc'`, "abc"},
		{"the usual escapes are resolved", `'a\n\t\\\'\"\0'`, "a\n\t\\'\"\x00"},
		{"hexadecimal and octal numbers are characters", `'\x41\102\u0043\U00000044'`, "ABCD"},
		{"a character above 127 is UTF-8 in a str", `'\xe9'`, "é"},
		{"and a byte in bytes", `b'\xe9'`, "\xe9"},
		{"bytes know no escapes by code point", `b'\u0041'`, `\u0041`},
		{"raw literals keep their backslashes", `r'\x41\n'`, `\x41\n`},
		{"a backslash at the end of a line joins it with the next", "'a\\\nb\\\r\nc'", "abc"},
		{"characters have names", `'\N{LATIN SMALL LETTER E}\N{Full Stop}\N{DIGIT ONE}'`, "e.1"},
		{"a name that is not known gives a replacement", `'\N{SNOWMAN}'`, "\ufffd"},
		{"escapes that mean nothing stay", `'\q\xg1\N{'`, `\q\xg1\N{`},
		{"triple quotes are left out", `"""a"b"""`, `a"b`},
		{"a literal that is not closed has its whole body", `'abc`, "abc"},
		{"an f-string gives its template", `f'{a}b'`, "{a}b"},
		{"a lone backslash at the very end stays", `'\`, `\`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			src := []byte(test.src)
			got, ok := StringValue(src, Lex(src)[0])
			if !ok {
				t.Fatalf("%s is no string", test.src)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("value of %s (-want +got):\n%s", test.src, diff)
			}
		})
	}
}

func TestNameValue(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, src, want string }{
		{"plain letters stay", "exec", "exec"},
		{"mathematical letters are folded", "𝓮𝔁𝓮𝓬", "exec"},
		{"letters that stand elsewhere are folded", "ℯ𝓍ℯ𝒸", "exec"},
		{"full width letters and digits are folded", "ｅｘｅｃ２", "exec2"},
		{"mathematical digits are folded", "x𝟙𝟘", "x10"},
		{"ligatures, superscripts and numerals are folded", "eˣﬁⅸ", "exfiix"},
		{"other alphabets stay", "имя", "имя"},
		{"bytes that are no UTF-8 stay", "caf\xe9", "caf\xe9"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			src := []byte(test.src)
			if diff := cmp.Diff(test.want, string(NameValue(src, Lex(src)[0]))); diff != "" {
				t.Errorf("name %s (-want +got):\n%s", test.src, diff)
			}
		})
	}
}
