package normalize

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOrigin(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, src string
		find      string // in layer 1
		want      string // in the script
	}{
		{"a literal without escapes maps byte by byte", `exec("import os; os.getcwd()")`, "getcwd", "getcwd"},
		{"runs between escapes map byte by byte", `exec("import os\nos.getcwd()\n")`, "getcwd", "getcwd"},
		{"an escape maps as a whole", `exec("import o\x73\nos.getcwd()\n")`, "s\nos", `\x73\nos`},
		{"a text in base64 maps to its literal", `exec(__import__("base64").b64decode("aW1wb3J0IG9zICMgaW5lcnQ="))`, "os",
			"aW1wb3J0IG9zICMgaW5lcnQ="},
		{"parts of a sum map to their literals", `exec("import os\n" + "os.getcwd()")`, "getcwd", "getcwd"},
		{"a span over two parts maps to all between", `exec("import os;" + "os.getcwd()")`, ";os", `;" + "os`},
		{"a text bound to a name maps to where it stands", "x = 'import os; os.getcwd()'\nexec(x)", "getcwd", "getcwd"},
		{"a slice maps byte by byte", `exec("XXimport os; os.getcwd()"[2:])`, "import", "import"},
		{"layers in layers map through all of them", `exec("exec('import os; os.getcwd()')")`, "getcwd", "getcwd"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			src := []byte(test.src)
			text := Normalize(src)
			last := len(text.Layers) - 1
			at := bytes.Index(text.Layers[last].Text, []byte(test.find))
			if last < 1 || at < 0 {
				t.Fatalf("%q is not in the last of %d layers", test.find, last+1)
			}
			o := text.Origin(last, Span{at, at + len(test.find)})
			if diff := cmp.Diff(test.want, string(src[o.Start:o.End])); diff != "" {
				t.Errorf("origin (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	// Every kind of line end falls on every place of a block's border.
	unit := "a\nbb\r\nccc\rd\r\n\n"
	src := strings.Repeat("x", lineBlock-len(unit)) + strings.Repeat(unit, 2*lineBlock/len(unit)+40)
	text := Normalize([]byte(src))
	line, start := 1, 0
	for i := 0; i <= len(src); i++ {
		if got := text.Line(i); got != line {
			t.Fatalf("byte %d is on line %d, want %d", i, got, line)
		}
		if i == len(src) {
			break
		}
		if src[i] == '\n' || src[i] == '\r' && (i+1 == len(src) || src[i+1] != '\n') {
			end := i
			if src[i] == '\n' && i > start && src[i-1] == '\r' {
				end--
			}
			if got := text.LineSpan(line); got != (Span{start, end}) {
				t.Fatalf("line %d is %v, want [%d, %d)", line, got, start, end)
			}
			line, start = line+1, i+1
		}
	}
	for _, none := range []int{-1, 0, line + 1, 1 << 40} {
		if s := text.LineSpan(none); s.Start != s.End {
			t.Errorf("line %d is %v, want nothing", none, s)
		}
	}
	var zero Text
	if got := zero.Line(5); got != 1 {
		t.Errorf("line of a zero Text is %d, want 1", got)
	}
}
