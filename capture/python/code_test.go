package python

import "testing"

func TestCodeOfACompiledFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, want string }{
		"2.7":            {"\x03\xf3\r\nTIMEcode", "code"},
		"3.2":            {"\x6c\x0c\r\nTIMEcode", "code"},
		"3.6":            {"\x33\x0d\r\nTIMESIZEcode", "code"},
		"3.7":            {"\x42\x0d\r\nFLAGTIMESIZEcode", "code"},
		"3.14":           {"\x2b\x0e\r\nFLAGTIMESIZEcode", "code"},
		"nothing behind": {"\x42\x0d\r\nFLAGTIMESIZE", ""},
		"cut":            {"\x42\x0d\r\nFLAG", ""},
		"unknown number": {"\x42\x8d\r\nFLAGTIMESIZEcode", ""},
		"source":         {"import os\n", ""},
		"empty":          {"", ""},
		"two bytes":      {"\x42\x0d", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := string(Code([]byte(c.file))); got != c.want {
				t.Errorf("want %q, got %q", c.want, got)
			}
		})
	}
}
