package normalize

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"kingsnake/normalize/bytecode"
)

// TestBinaryForm sends the golden texts through their binary form: nothing of
// them changes.
func TestBinaryForm(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		src := txtar.Parse(data).Files[0].Data
		want := Normalize(src)
		bin, err := want.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(bin, src)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all := cmp.AllowUnexported(Text{}, Layer{}, Token{}, piece{}, lineIndex{}, bytecode.Lines{})
		empty := cmp.FilterValues(func(a, b []byte) bool { return len(a) == 0 && len(b) == 0 }, cmp.Comparer(func(a, b []byte) bool { return true }))
		if diff := cmp.Diff(want, got, all, empty, cmp.Comparer(func(a, b *bytecode.Lines) bool {
			return string(a.AppendBinary(nil)) == string(b.AppendBinary(nil))
		})); diff != "" {
			t.Errorf("%s changed (-want +got):\n%s", path, diff)
		}
	}
}

// FuzzDecode gives Decode what a process that was taken over might send. What
// it takes keeps every promise of a Text.
func FuzzDecode(f *testing.F) {
	for _, src := range []string{
		"", "print(1)", "exec('o'+'s'+' '*9)", "import base64\nexec(base64.b64decode('cHJpbnQoMSkKcHJpbnQoMikK'))",
		"x='a'+'b'\nexec('exec(\"\"\"exec(1)\"\"\")')", "# coding: utf-7\n+AGkAbQ-",
	} {
		data, err := Normalize([]byte(src)).AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, []byte(src))
	}
	f.Fuzz(func(t *testing.T, data, src []byte) {
		text, err := Decode(data, src)
		if err != nil {
			return
		}
		checkText(t, src, text)
		again, err := text.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(again, src); err != nil {
			t.Errorf("what was taken is refused when it is sent on: %v", err)
		}
	})
}
