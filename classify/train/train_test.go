package train_test

import (
	"bytes"
	"math"
	"runtime"
	"testing"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
	"kingsnake/classify/train"
	"kingsnake/normalize"
)

// own is the dataset of the repository's own corpus.
func own(t testing.TB) *train.Dataset {
	t.Helper()
	d, err := train.Build(t.Context(), train.Corpus(train.OwnCorpus), train.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func pointers(d *train.Dataset) []*train.Example {
	var p []*train.Example
	for i := range d.Examples {
		p = append(p, &d.Examples[i])
	}
	return p
}

// trained is a model of a dataset, as bytes.
func trained(t testing.TB, d *train.Dataset) (*classify.Model, []byte) {
	t.Helper()
	s := train.Defaults()
	s.Positive = 1
	m, err := classify.New(train.Pack(train.Fit(pointers(d), train.Weigh(pointers(d), s.Positive), s)),
		classify.Calibration{Slope: 1}, classify.Thresholds{Suspicious: 0.4, Malicious: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := m.Write(&file); err != nil {
		t.Fatal(err)
	}
	return m, file.Bytes()
}

func TestTrainingGivesTheSameBitsOnAnyNumberOfCores(t *testing.T) {
	// Not parallel: it changes the number of cores.
	_, first := trained(t, own(t))
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	_, second := trained(t, own(t))
	if !bytes.Equal(first, second) {
		t.Error("two trainings on the same corpus give different files")
	}
}

func TestAModelLearnsItsOwnCorpus(t *testing.T) {
	t.Parallel()
	m, _ := trained(t, own(t))
	rows, err := corpus.Own()
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for _, row := range rows {
		v := m.Judge(normalize.Normalize([]byte(row.Text)))
		if (v.Label == classify.Malicious) != row.Malicious {
			wrong++
			t.Logf("%s: %s, %.3f", row.Origin, v.Label, v.Score)
		}
	}
	if wrong > len(rows)/50 {
		t.Errorf("%d of %d scripts that it was trained on are judged wrongly", wrong, len(rows))
	}
}

func TestAModelSurvivesItsFile(t *testing.T) {
	t.Parallel()
	m, file := trained(t, own(t))
	again, err := classify.Load(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if again.Hash() != m.Hash() || again.Thresholds() != m.Thresholds() {
		t.Errorf("read back: hash %s, thresholds %v; want %s, %v", again.Hash(), again.Thresholds(), m.Hash(), m.Thresholds())
	}
	for i := range file {
		if i > 100 && i%9973 != 0 || i > 20 && i%7 != 0 {
			continue
		}
		broken := bytes.Clone(file)
		broken[i] ^= 0x41
		if m, err := classify.Load(bytes.NewReader(broken)); err == nil && m.Hash() == again.Hash() {
			t.Fatalf("a file with byte %d changed has the same hash", i)
		}
		if _, err := classify.Load(bytes.NewReader(file[:i])); err == nil {
			t.Fatalf("a file cut at byte %d is taken for a model", i)
		}
	}
}

func TestWeightsCountAClusterOnce(t *testing.T) {
	t.Parallel()
	example := func(malicious bool, cluster, group string, evidence int) *train.Example {
		e := &train.Example{}
		e.Malicious, e.Cluster, e.Group, e.Evidence, e.Kind = malicious, cluster, group, evidence, "file"
		return e
	}
	examples := []*train.Example{
		example(true, "a", "g", 5), example(true, "a", "g", 5), // one cluster of two
		example(true, "b", "repo", 5), example(true, "c", "repo", 5), example(true, "d", "repo", 5), example(true, "e", "repo", 5), // four of one repository
		example(true, "f", "h", 0), // little evidence
		example(false, "x", "p", -1),
	}
	got := train.Weigh(examples, 8)
	want := []float64{4, 4, 4, 4, 4, 4, 4.8, 1}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-9 {
			t.Errorf("weight of example %d = %v, want %v", i, got[i], want[i])
		}
	}
}
