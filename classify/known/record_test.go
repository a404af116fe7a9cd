package known

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func recordHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256=" + base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestReadRecord(t *testing.T) {
	t.Parallel()
	h := recordHash("x")
	for _, c := range []struct {
		name, record string
		want         []string // paths
		err          string
	}{
		{"as pip writes it", "six.py," + h + ",10\nsix-1.dist-info/RECORD,,\n__pycache__/six.cpython-311.pyc,,\n", []string{"six.py"}, ""},
		{"quoted names", "\"a,b.py\"," + h + ",10\r\n\"with \"\"quotes\"\".py\"," + h + ",1\r\n", []string{"a,b.py", `with "quotes".py`}, ""},
		{"padded hashes", "a.py," + h + "=,1\n", []string{"a.py"}, ""},
		{"other hashes are no proof", "a.py,md5=abc,1\nb.py,sha256=short,1\nc.py,sha256=!!!,1\n", nil, ""},
		{"what lies outside is left out", "../../../bin/tool," + h + ",1\n/etc/x.py," + h + ",1\na/../../x.py," + h + ",1\na\\b.py," + h + ",1\n", nil, ""},
		{"what only looks outside", "a/../b.py," + h + ",1\n..c.py," + h + ",1\n", []string{"b.py", "..c.py"}, ""},
		{"empty", "", nil, ""},
		{"too few fields", "a.py\n", nil, "line 1 has 1 fields, want 3"},
		{"an open quote", "\"a.py," + h, nil, "read RECORD"},
		{"too large", strings.Repeat("a", maxRecord+1), nil, "larger than 16 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files, err := ReadRecord(strings.NewReader(c.record))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range files {
				got = append(got, f.Path)
				if f.Sum != sha256.Sum256([]byte("x")) {
					t.Errorf("%s has another hash", f.Path)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzReadRecord: no panic, and no path that leads out of the folder.
func FuzzReadRecord(f *testing.F) {
	for _, seed := range []string{"six.py," + recordHash("x") + ",10\n", "\"a,b\"," + recordHash("") + ",\n../x," + recordHash("") + ",1", "a,b", "\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, record string) {
		files, err := ReadRecord(strings.NewReader(record))
		if err != nil && files != nil {
			t.Error("files beside an error")
		}
		for _, file := range files {
			for i, part := range strings.Split(file.Path, "/") {
				if part == ".." || part == "" && i == 0 {
					t.Errorf("path %q", file.Path)
				}
			}
		}
	})
}
