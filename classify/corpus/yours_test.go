package corpus_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/classify/corpus"
)

func file(folder, path, text string) corpus.File {
	return corpus.File{Folder: folder, Path: path, Origin: folder + "/" + path, Malicious: folder == "bad", Text: text}
}

func TestLabelMakesAGroupOfEachProject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		paths []string
		want  []string // groups
	}{
		{"folders at the top are projects", []string{"a/x.py", "a/deep/y.py", "b/z.py"}, []string{"a", "a", "b"}},
		{"files at the top are projects of their own", []string{"x.py", "y.py", "a/z.py"}, []string{"x.py", "y.py", "a"}},
		{"folders that hold everything are passed", []string{"src/lib/a/x.py", "src/lib/b/y.py", "src/lib/c.py"}, []string{"a", "b", "c.py"}},
		{"names that begin alike are two", []string{"src/app/x.py", "src/apple/y.py"}, []string{"app", "apple"}},
		{"a single file", []string{"src/app/x.py"}, []string{"x.py"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var files []corpus.File
			for _, p := range c.paths {
				files = append(files, file("good", p, p))
			}
			rows, _, err := corpus.Label(files, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, row := range rows {
				got = append(got, strings.TrimPrefix(row.Group, "yours:good/"))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLabelKeepsOneOfEachText(t *testing.T) {
	t.Parallel()
	others, _, err := corpus.Label([]corpus.File{file("ours", "o.py", "ours")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, copies, err := corpus.Label([]corpus.File{
		file("good", "a/setup.py", "one"), file("good", "b/copy.py", "one"), file("good", "b/__init__.py", "two"),
		file("good", "c/ours.py", "ours"), file("bad", "c/m.py", "three"),
	}, others)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rows {
		got = append(got, row.Origin+" "+row.Kind)
		if row.TrainOnly() || row.Set != corpus.Yours {
			t.Errorf("%s may not be judged", row.Origin)
		}
	}
	if diff := cmp.Diff([]string{"good/a/setup.py setup_py", "good/b/__init__.py init", "bad/c/m.py file"}, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if copies != 2 {
		t.Errorf("copies = %d, want 2", copies)
	}
}

func TestLabelRefusesATextWithBothLabels(t *testing.T) {
	t.Parallel()
	attack, _, err := corpus.Label([]corpus.File{file("bad", "o.py", "ours")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var files []corpus.File
	for _, name := range strings.Fields("a b c d e f") {
		files = append(files, file("good", name, name), file("bad", name, name))
	}
	_, _, err = corpus.Label(append(files, file("good", "o.py", "ours")), attack)
	var conflict *corpus.ConflictError
	if !errors.As(err, &conflict) {
		t.Fatalf("error %v, want a ConflictError", err)
	}
	if len(conflict.Pairs) != 7 || conflict.Pairs[6][1] != "good/o.py" {
		t.Errorf("pairs %v", conflict.Pairs)
	}
	if msg := err.Error(); !strings.Contains(msg, "\n  good/a and bad/a\n") || !strings.Contains(msg, "… and 2 more") {
		t.Errorf("message %q", msg)
	}
}
