package train_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/classify/corpus"
	"kingsnake/classify/train"
)

// script is a text of some length whose names and strings come from a word.
func script(word string) string {
	var b strings.Builder
	for i := range 12 {
		fmt.Fprintf(&b, "def %s_%d(first, second=%d):\n    with open(%q) as %s:\n        return %s.read() + first * %d\n\n", word, i, i, word+fmt.Sprint(i)+".txt", word, word, i)
	}
	return b.String()
}

func TestNearDuplicatesAreJoined(t *testing.T) {
	t.Parallel()
	other := "import json\nimport sys\n\nclass Table:\n    rows = []\n\n    def load(self, stream):\n        self.rows = [json.loads(line) for line in stream if line.strip()]\n\nif __name__ == '__main__':\n    table = Table()\n    table.load(sys.stdin)\n    print(len(table.rows), 'rows')\n"
	files := []corpus.File{
		{Folder: "good", Path: "a/one.py", Origin: "one", Text: script("reader")},
		{Folder: "good", Path: "a/other.py", Text: other},
		{Folder: "good", Path: "b/changed.py", Origin: "changed", Text: script("reader") + "print('loaded')\n"},
		{Folder: "bad", Path: "c/trojan.py", Origin: "trojan", Text: "import os\n" + script("reader") + "os.system('id')\n", Malicious: true},
	}
	rows, _, err := corpus.Label(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	form := rows[2]
	form.Set, form.ID, form.Text = "augmented", "form", strings.ToUpper(form.Text)
	d, err := train.Build(t.Context(), train.Rows(append(rows, form)), train.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, disputed := train.JoinAlike(d, corpus.Yours)
	one, other2, changed, trojan, coat := &d.Examples[0], &d.Examples[1], &d.Examples[2], &d.Examples[3], &d.Examples[4]
	if n != 2 {
		t.Errorf("%d follow another, want 2", n)
	}
	if diff := cmp.Diff([][2]string{{"one", "trojan"}, {"changed", "trojan"}, {"trojan", "one"}}, disputed); diff != "" {
		t.Errorf("alike to one of the other label (-want +got):\n%s", diff)
	}
	if changed.Group != one.Group || changed.Cluster != one.Cluster {
		t.Errorf("a near-duplicate of the same label is in group %q and cluster %q, want %q and %q", changed.Group, changed.Cluster, one.Group, one.Cluster)
	}
	if trojan.Group != one.Group || trojan.Cluster == one.Cluster {
		t.Errorf("a near-duplicate of the other label is in group %q and cluster %q, want group %q and another cluster than %q", trojan.Group, trojan.Cluster, one.Group, one.Cluster)
	}
	if other2.Cluster == one.Cluster || other2.Group != one.Group {
		t.Errorf("another script of the project is in cluster %q and group %q", other2.Cluster, other2.Group)
	}
	if coat.Group != changed.Group || coat.Cluster != changed.Cluster {
		t.Errorf("a form is in group %q and cluster %q, want those of its script, %q and %q", coat.Group, coat.Cluster, changed.Group, changed.Cluster)
	}
}
