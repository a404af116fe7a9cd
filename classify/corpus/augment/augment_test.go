package augment_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"kingsnake/classify/corpus"
	"kingsnake/classify/corpus/augment"
)

// donors say nothing when they run.
var donors = []corpus.Row{
	{ID: "d1", Group: "g1", Text: "\"\"\"Silent.\"\"\"\nfrom __future__ import annotations\nimport os\nimport sys\n\nLIMIT_D = 10\n\n\ndef measure_d(path_d):\n    # how long\n    if os.path.exists(path_d):\n        return len(path_d)\n    return LIMIT_D\n\n\nclass Holder_d:\n    def __init__(self):\n        self.items = []\n\n    def put(self, item):\n        self.items.append(item)\n\n\nHolder_d().put(measure_d('nowhere'))\n"},
	{ID: "d2", Group: "g2", Text: "import logging as log_d\nlogger_d = log_d.getLogger('x')\ntry:\n\timport json as j_d\nexcept ImportError:\n\tj_d = None\nfor i_d in range(3):\n\tlogger_d.debug('%d', i_d)"},
}

func programs(t testing.TB) []corpus.Row {
	archive, err := txtar.ParseFile("testdata/programs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var rows []corpus.Row
	for _, f := range archive.Files {
		rows = append(rows, corpus.Row{
			ID: f.Name, Group: "g-" + f.Name, Cluster: "c-" + f.Name, Source: "s", Kind: "file", Origin: f.Name,
			Set: "train", Malicious: true, Evidence: 3, Text: string(f.Data),
		})
	}
	return rows
}

func TestFormsDoTheSame(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("to run the rewritten programs, install python3")
	}
	const forms = 10
	for _, row := range programs(t) {
		t.Run(row.Origin, func(t *testing.T) {
			t.Parallel()
			want := run(t, python, row)
			rows := augment.Rows(row, forms, donors, 1)
			if len(rows) < forms/2 {
				t.Errorf("%d forms, want at least %d", len(rows), forms/2)
			}
			for _, form := range rows {
				if diff := cmp.Diff(want, run(t, python, form)); diff != "" {
					t.Errorf("%s:\n%s\n%s", form.Origin, diff, form.Text)
				}
			}
		})
	}
}

// run returns what one of our own harmless programs prints.
func run(t *testing.T, python string, row corpus.Row) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python, "-I", "-S", "-c", row.Text)
	if row.Kind != "c" {
		path := filepath.Join(t.TempDir(), "program.py")
		if err := os.WriteFile(path, []byte(row.Text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd = exec.CommandContext(t.Context(), python, "-I", "-S", path)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = []string{"PYTHONIOENCODING=utf-8", "PYTHONUTF8=1", "PYTHONWARNINGS=ignore"}
	if err := cmd.Run(); err != nil {
		return "program fails: " + err.Error() + "\n" + out.String()
	}
	return out.String()
}

func TestFormsKeepWhatTheRowIs(t *testing.T) {
	t.Parallel()
	steps := map[string]bool{}
	for _, row := range programs(t) {
		again := augment.Rows(row, 20, donors, 7)
		for i, form := range augment.Rows(row, 20, donors, 7) {
			if diff := cmp.Diff(again[i], form); diff != "" {
				t.Errorf("the same seed gives other forms:\n%s", diff)
			}
			if !form.TrainOnly() || form.ID == row.ID || form.Text == row.Text {
				t.Errorf("%s: may be judged, or is the row itself", form.Origin)
			}
			if donated := strings.Contains(form.Origin, "join") || strings.Contains(form.Origin, "dead code"); donated != (form.Donor != "") {
				t.Errorf("%s: donor %q", form.Origin, form.Donor)
			}
			_, how, _ := strings.Cut(form.Origin, " as ")
			for _, s := range strings.Split(how, ", ") {
				steps[s] = true
			}
			want := row
			want.ID, want.Set, want.Text, want.Origin, want.Kind, want.Donor = form.ID, form.Set, form.Text, form.Origin, form.Kind, form.Donor
			if diff := cmp.Diff(want, form); diff != "" {
				t.Errorf("%s: changed:\n%s", form.Origin, diff)
			}
		}
	}
	if len(steps) < 8 {
		t.Errorf("only these steps are ever done: %v", steps)
	}
}

func BenchmarkRows(b *testing.B) {
	var text strings.Builder
	for text.Len() < 10<<10 {
		for _, row := range programs(b) {
			text.WriteString(row.Text)
		}
	}
	row := corpus.Row{ID: "x", Text: text.String()[:10<<10]}
	b.SetBytes(10 << 10)
	for i := range b.N {
		augment.Rows(row, 1, donors, uint64(i))
	}
}

func FuzzRows(f *testing.F) {
	for _, row := range programs(f) {
		f.Add(row.Text, uint64(1))
	}
	for _, text := range []string{"", "\ufeff", "(", "x", "import", "def", "from", "lambda", "print 'a'", "class a:\n b=1;c=2\n", "f'{a=}{f(b=1)}'", ";;", "@\n", "\\\n", "except:\n", "f.\nas", "1,2000", "\t\tx\n\x0cy", "x\r\ry"} {
		f.Add(text, uint64(3))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		row := corpus.Row{ID: "x", Text: text, Malicious: rand.New(rand.NewPCG(seed, 0)).IntN(2) == 0}
		for _, form := range augment.Rows(row, 4, donors, seed) {
			if len(form.Text) > 256<<10 || form.Text == text || form.Malicious != row.Malicious {
				t.Fatalf("%s: bad form of %d bytes", form.Origin, len(form.Text))
			}
		}
	})
}
