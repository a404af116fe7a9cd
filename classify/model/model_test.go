package model_test

import (
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
	"kingsnake/classify/model"
	"kingsnake/normalize"
)

var update = flag.Bool("update", false, "rewrite the golden scores")

func load(t testing.TB) *classify.Model {
	t.Helper()
	m, err := model.Default()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func judge(m *classify.Model, text string) classify.Verdict {
	return m.Judge(normalize.Normalize([]byte(text)))
}

// heldOut reads scripts that no training has seen.
func heldOut(t *testing.T, name string) []corpus.Row {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := corpus.ParseSections(data, "heldout")
	if err != nil {
		t.Fatal(err)
	}
	own, err := corpus.Own()
	if err != nil {
		t.Fatal(err)
	}
	trained := map[string]bool{}
	for _, row := range append(own, corpus.Made()...) {
		trained[row.ID] = true
	}
	for _, row := range rows {
		if trained[row.ID] {
			t.Fatalf("%s is training data", row.Origin)
		}
	}
	return rows
}

func TestHeldOutAttacksAreMalicious(t *testing.T) {
	t.Parallel()
	m := load(t)
	rows := heldOut(t, "heldout_malicious.txtar")
	if len(rows) < 20 {
		t.Fatalf("%d scripts, want at least 20", len(rows))
	}
	for _, row := range rows {
		t.Run(row.Origin, func(t *testing.T) {
			t.Parallel()
			v := judge(m, row.Text)
			if v.Label != classify.Malicious {
				t.Errorf("%s, score %.6f, want malicious (from %.6f)", v.Label, v.Score, m.Thresholds().Malicious)
			}
			if len(v.Reasons) == 0 || len(v.Reasons) > 6 {
				t.Errorf("%d reasons, want one to six", len(v.Reasons))
			}
			for _, r := range v.Reasons {
				if !strings.HasSuffix(r.Text, ".") || r.Weight < 0 {
					t.Errorf("reason %q with weight %v", r.Text, r.Weight)
				}
			}
		})
	}
}

func TestHeldOutLookAlikesAreNotMalicious(t *testing.T) {
	t.Parallel()
	m := load(t)
	rows := heldOut(t, "heldout_benign.txtar")
	if len(rows) < 40 {
		t.Fatalf("%d scripts, want at least 40", len(rows))
	}
	for _, row := range rows {
		t.Run(row.Origin, func(t *testing.T) {
			t.Parallel()
			if v := judge(m, row.Text); v.Label == classify.Malicious {
				t.Errorf("malicious, score %.6f: %+v", v.Score, v.Reasons)
			}
		})
	}
}

func TestNothingOfTheStandardLibraryIsMalicious(t *testing.T) {
	t.Parallel()
	roots, err := filepath.Glob("/usr/lib/python3*")
	if err != nil || len(roots) == 0 {
		t.Skip("no Python library here; install one with: apt-get install python3")
	}
	m := load(t)
	var paths []string
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".py") {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var workers sync.WaitGroup
	for part := range 2 {
		workers.Go(func() {
			for i := part; i < len(paths); i += 2 {
				text, err := os.ReadFile(paths[i])
				if err != nil {
					t.Error(err)
				} else if v := judge(m, string(text)); v.Label == classify.Malicious {
					t.Errorf("%s is malicious, score %.6f: %+v", paths[i], v.Score, v.Reasons)
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%d files", len(paths))
}

// TestScoresAreThoseOfTheGolden pins the embedded model's scores of the
// repository's own corpus, on any machine.
func TestScoresAreThoseOfTheGolden(t *testing.T) {
	t.Parallel()
	m := load(t)
	rows, err := corpus.Own()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "scores.tsv")
	if *update {
		var b strings.Builder
		for _, row := range rows {
			v := judge(m, row.Text)
			fmt.Fprintf(&b, "%s\t%.9f\t%s\n", row.Origin, v.Score, v.Label)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) != len(rows) {
		t.Fatalf("the golden has %d scores for %d scripts; rewrite it with -update", len(lines), len(rows))
	}
	for i, row := range rows {
		field := strings.Split(lines[i], "\t")
		want, err := strconv.ParseFloat(field[1], 64)
		if err != nil || field[0] != row.Origin {
			t.Fatalf("line %d of the golden is about %q, want %q; rewrite it with -update", i+1, field[0], row.Origin)
		}
		if v := judge(m, row.Text); math.Abs(v.Score-want) > 1e-6 || string(v.Label) != field[2] {
			t.Errorf("%s: %.9f %s, want %.9f %s", row.Origin, v.Score, v.Label, want, field[2])
		}
	}
}

func TestTheCardIsThatOfTheModel(t *testing.T) {
	t.Parallel()
	m := load(t)
	for _, want := range []string{m.Hash(), fmt.Sprintf("%.6f", m.Thresholds().Malicious), "| plain token model |", "## Known weaknesses"} {
		if !strings.Contains(model.Card, want) {
			t.Errorf("the card does not say %q", want)
		}
	}
}

// TestFiguresOnTheCorpus judges a part of the big corpus with the embedded
// model, which was trained on it: a check that nothing was mixed up, not a
// measurement.
func TestFiguresOnTheCorpus(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("KINGSNAKE_CORPUS")
	if dir == "" {
		t.Skip("needs the corpus; run: KINGSNAKE_CORPUS=/path/to/corpus go test -run TestFiguresOnTheCorpus ./classify/model")
	}
	m := load(t)
	var mu sync.Mutex
	var benign, alarms, warnings int
	clusters, found := map[string]float64{}, map[string]float64{}
	rows := make(chan corpus.Row, 64)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for row := range rows {
				v := judge(m, row.Text)
				mu.Lock()
				switch {
				case row.Malicious:
					clusters[row.Cluster]++
					if v.Label != classify.Benign {
						found[row.Cluster]++
					}
				default:
					benign++
					if v.Label == classify.Malicious {
						alarms++
					}
					if v.Label != classify.Benign {
						warnings++
					}
				}
				mu.Unlock()
			}
		})
	}
	n := 0
	err := corpus.Read(t.Context(), dir, func(row corpus.Row) error {
		if n++; row.Set == "dev" || row.Malicious && n%3 == 0 || n%10 == 0 {
			rows <- row
		}
		return nil
	})
	close(rows)
	workers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	recall := 0.0
	for c, n := range clusters {
		recall += found[c] / n
	}
	recall /= float64(len(clusters))
	t.Logf("recall at suspicious %.3f of %d clusters; %d of %d benign scripts malicious, %d suspicious or more", recall, len(clusters), alarms, benign, warnings)
	if recall < 0.8 {
		t.Errorf("recall = %.3f, want at least 0.8", recall)
	}
	if alarms > benign/1000+1 || warnings > benign/200+1 {
		t.Errorf("%d malicious and %d suspicious of %d benign scripts are too many", alarms, warnings, benign)
	}
}
