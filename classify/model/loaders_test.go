package model_test

import (
	"strings"
	"testing"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
)

// TestLoadersAreJudgedByTheirPayload puts honest and hostile programs into each
// well-known loader. The model knows these rows; a model that was trained
// without a loader is judged by kingsnake eval.
func TestLoadersAreJudgedByTheirPayload(t *testing.T) {
	t.Parallel()
	m := load(t)
	rows := map[string][]corpus.Row{}
	for _, row := range corpus.Loaders() {
		name := strings.TrimPrefix(row.Family, "loader-")
		rows[name] = append(rows[name], row)
	}
	for _, name := range corpus.LoaderNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, row := range rows[name] {
				v := judge(m, row.Text)
				if (v.Label == classify.Malicious) != row.Malicious {
					t.Errorf("%s: %s, score %.6f, from %.6f on it is malicious", row.Origin, v.Label, v.Score, m.Thresholds().Malicious)
				}
			}
		})
	}
}
