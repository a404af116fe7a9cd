package normalize

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden layers in testdata")

// describe writes all that Normalize found as the files of an archive.
func describe(text Text) []txtar.File {
	var files []txtar.File
	for i, l := range text.Layers {
		if i > 0 {
			from := text.Origin(i, Span{0, len(l.Text)})
			name := fmt.Sprintf("layer %d: %s of %d, lines %d-%d", i, l.Transform, l.Parent,
				text.Line(from.Start), text.Line(max(from.End-1, from.Start)))
			if l.Executed {
				name += ", executed"
			}
			data := l.Text
			if !bytes.HasSuffix(data, []byte("\n")) {
				data = append(bytes.Clone(data), '\n')
			}
			files = append(files, txtar.File{Name: name, Data: data})
		}
		var b strings.Builder
		for _, c := range l.Constants {
			fmt.Fprintf(&b, "%s = %q\n", l.Text[c.Span.Start:c.Span.End], c.Value)
		}
		if b.Len() > 0 {
			files = append(files, txtar.File{Name: fmt.Sprintf("constants of %d", i), Data: []byte(b.String())})
		}
	}
	if len(text.Notes) > 0 {
		files = append(files, txtar.File{Name: "notes", Data: []byte(strings.Join(text.Notes, "\n") + "\n")})
	}
	return files
}

func TestNormalizeGolden(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("find golden layers: %d, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text := Normalize(archive.Files[0].Data)
			checkText(t, archive.Files[0].Data, text)
			got := &txtar.Archive{Comment: archive.Comment, Files: append(archive.Files[:1:1], describe(text)...)}
			if *update {
				if err := os.WriteFile(path, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(archive)), string(txtar.Format(got))); diff != "" {
				t.Errorf("layers (-want +got):\n%s", diff)
			}
		})
	}
}

// checkText checks what holds for every Text.
func checkText(t *testing.T, src []byte, text Text) {
	t.Helper()
	if len(text.Layers) == 0 || len(text.Layers) > maxLayers {
		t.Fatalf("got %d layers, want 1 to %d", len(text.Layers), maxLayers)
	}
	if !bytes.Equal(text.Layers[0].Text, src) {
		t.Error("layer 0 is not the script")
	}
	total, tokens := 0, 0
	for i, l := range text.Layers {
		checkTokens(t, l.Text, l.Tokens)
		tokens += len(l.Tokens)
		if i > 0 {
			total += len(l.Text)
			checkParent(t, text, i)
		}
		for _, c := range l.Constants {
			if c.Span.Start < 0 || c.Span.End > len(l.Text) || c.Span.Start >= c.Span.End {
				t.Errorf("constant %q of layer %d has the span %v of %d bytes", c.Value, i, c.Span, len(l.Text))
			}
		}
		checkOrigins(t, text, i)
	}
	// What was never copied is not counted as made: parts of the script itself.
	if total > maxMade+maxLayers*len(src) {
		t.Errorf("layers hold %d bytes", total)
	}
	if tokens > maxAllTokens+maxLayers {
		t.Errorf("layers hold %d tokens", tokens)
	}
}

// checkParent checks how layer i hangs on its parent.
func checkParent(t *testing.T, text Text, i int) {
	t.Helper()
	l := text.Layers[i]
	if l.Parent < 0 || l.Parent >= i {
		t.Fatalf("layer %d has the parent %d", i, l.Parent)
	}
	if want := text.Layers[l.Parent].Depth + 1; l.Depth != want || l.Depth > maxDepth {
		t.Errorf("layer %d has the depth %d, want %d", i, l.Depth, want)
	}
	size := len(text.Layers[l.Parent].Text)
	if l.Site.Start < 0 || l.Site.End > size || l.Site.Start >= l.Site.End {
		t.Errorf("layer %d has the site %v in %d bytes", i, l.Site, size)
	}
}

// checkOrigins checks that spans of layer i map inside the script, and that
// the span of a part lies within that of the whole.
func checkOrigins(t *testing.T, text Text, i int) {
	t.Helper()
	n, size := len(text.Layers[i].Text), len(text.Layers[0].Text)
	whole := text.Origin(i, Span{0, n})
	if line := text.Line(whole.Start); text.LineSpan(line).Start > whole.Start {
		t.Fatalf("line %d starts behind byte %d", line, whole.Start)
	}
	step := max(n/64, 1)
	for at := 0; at < n; at += step {
		for _, length := range []int{0, 1, 7} {
			s := Span{at, min(at+length, n)}
			o := text.Origin(i, s)
			if o.Start < 0 || o.End > size || o.Start > o.End || (o.Start == o.End && length > 0) {
				t.Fatalf("span %v of layer %d comes from %v of %d bytes", s, i, o, size)
			}
			if length > 0 && (o.Start < whole.Start || o.End > whole.End) {
				t.Fatalf("span %v of layer %d comes from %v, outside %v", s, i, o, whole)
			}
		}
	}
}
