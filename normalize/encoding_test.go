package normalize

import (
	"testing"
	"unicode/utf16"
)

func TestEncodingCookies(t *testing.T) {
	t.Parallel()
	const want = "import os; os.getcwd()"
	wide := func(s string, big bool) string {
		var b []byte
		for _, c := range utf16.Encode([]rune("\ufeff" + s)) {
			if big {
				b = append(b, byte(c>>8), byte(c))
			} else {
				b = append(b, byte(c), byte(c>>8))
			}
		}
		return string(b)
	}
	tests := []struct{ name, script, transform, want string }{
		{"UTF-16, low byte first", wide(want, false), "utf16", want},
		{"UTF-16, high byte first", wide(want, true), "utf16", want},
		{"UTF-7", "# coding: utf-7\n+AGkAbQBwAG8AcgB0- os+ADs- os.getcwd()", "utf7", "# coding: utf-7\n" + want},
		{"rot13, in the second line", "#!/usr/bin/python\n# -*- coding: rot13 -*-\nvzcbeg bf; bf.trgpjq()", "rot13",
			"#!/hfe/ova/clguba\n# -*- pbqvat: ebg13 -*-\n" + want},
		{"escapes", "# coding=unicode_escape\n\\x69mport os; os.getcwd()", "escape", "# coding=unicode_escape\n" + want},
		{"a cookie in the third line", "\n\n# coding: rot13\nvzcbeg bf", "", ""},
		{"a cookie behind code", "import os # nothing\n# coding: rot13\n", "", ""},
		{"an ordinary cookie", "# -*- coding: utf-8 -*-\n" + want, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := Normalize([]byte(test.script))
			checkText(t, []byte(test.script), text)
			got, transform := "", ""
			if len(text.Layers) > 1 {
				got, transform = string(text.Layers[1].Text), text.Layers[1].Transform
			}
			if got != test.want || transform != test.transform {
				t.Errorf("got %q by %q, want %q by %q", got, transform, test.want, test.transform)
			}
		})
	}
}
