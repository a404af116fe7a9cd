package scc_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"kingsnake/finding/scc"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want string }{
		"plain":                     {"/tmp/x.py", `"/tmp/x.py"`},
		"nothing":                   {"", `""`},
		"quotes and line ends":      {"a\n\"b\"\t\\", `"a\n\"b\"\t\\"`},
		"control characters":        {"\x00\x1b\x7f", `"\u0000\u001b\u007f"`},
		"letters of any script":     {"café 日本 🐍", `"café 日本 🐍"`},
		"bytes that are not UTF-8":  {"caf\xe9", `"caf\udce9"`},
		"a cut character":           {"\xe6\x97", `"\udce6\udc97"`},
		"an encoded surrogate":      {"\xed\xb2\x80", `"\udced\udcb2\udc80"`},
		"text that looks like ours": {`\udce9`, `"\\udce9"`},
		"markup is left as it is":   {"<b>&", `"<b>&"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := scc.Encode([]byte(tt.in))
			if got != tt.want {
				t.Errorf("Encode = %s, want %s", got, tt.want)
			}
			back, err := scc.Decode(got)
			if err != nil || string(back) != tt.in {
				t.Errorf("Decode = %q, %v; want %q", back, err, tt.in)
			}
		})
	}
}

func TestDecodeReadsAnyJSONString(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want string }{
		"every escape":        {`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		"a pair":              {`"\ud83d\udc0d"`, "🐍"},
		"upper-case digits":   {`"\u00E9"`, "é"},
		"a byte, then a pair": {`"\udcff\ud83d\udc0d"`, "\xff🐍"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := scc.Decode(tt.in)
			if err != nil || string(got) != tt.want {
				t.Errorf("Decode = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestDecodeRefusesWhatIsNoJSONString(t *testing.T) {
	t.Parallel()
	for _, in := range []string{``, `"`, `abc`, `"a`, `"a"b"`, `"\"`, `"\x41"`, `"\u12"`, `"\ud83d"`, `"\udc00"`, "\"\n\"", "\"\xff\""} {
		if got, err := scc.Decode(in); err == nil {
			t.Errorf("Decode(%q) = %q, want an error", in, got)
		}
	}
}

func FuzzEncodeThenDecodeIsTheSame(f *testing.F) {
	f.Add([]byte("caf\xe9 \"x\"\n\xed\xb2\x80🐍"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := scc.Encode(b)
		if !utf8.ValidString(s) || !json.Valid([]byte(s)) {
			t.Fatalf("Encode(%q) = %q is no JSON in UTF-8", b, s)
		}
		got, err := scc.Decode(s)
		if err != nil || !bytes.Equal(got, b) {
			t.Fatalf("Decode(%q) = %q, %v; want %q", s, got, err, b)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(`"\ud83d\udc0d\udcff"`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := scc.Decode(s)
		if err != nil {
			return
		}
		if !json.Valid([]byte(s)) {
			t.Fatalf("Decode took %q, which is no JSON", s)
		}
		if utf8.Valid(got) {
			var want string
			if err := json.Unmarshal([]byte(s), &want); err == nil && !bytes.ContainsRune([]byte(want), utf8.RuneError) && want != string(got) {
				t.Fatalf("Decode(%q) = %q, want %q", s, got, want)
			}
		}
	})
}
