package train_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/classify/corpus"
	"kingsnake/classify/train"
)

func gather(t *testing.T, source train.Source) []corpus.Row {
	t.Helper()
	var rows []corpus.Row
	if err := source(t.Context(), func(row corpus.Row) error {
		rows = append(rows, row)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestAugmentedAddsForms(t *testing.T) {
	t.Parallel()
	own := train.Corpus(train.OwnCorpus)
	source := train.Augmented(own, 2, 30, 5)
	rows := gather(t, source)
	if diff := cmp.Diff(rows, gather(t, source)); diff != "" {
		t.Errorf("read twice, it differs:\n%s", diff)
	}
	var bare []corpus.Row
	bad, good, badForms, goodForms, donated := 0, 0, 0, 0, 0
	groups := map[string]bool{}
	for _, row := range rows {
		if row.Set != "augmented" {
			bare = append(bare, row)
			groups[row.Group] = true
		}
		switch form := row.Set == "augmented"; {
		case form && row.Malicious:
			badForms++
		case form:
			goodForms++
		case row.Malicious:
			bad++
		default:
			good++
		}
		if row.Donor != "" {
			donated++
			if !groups[row.Donor] {
				groups[row.Donor] = false // may come later
			}
		}
	}
	if diff := cmp.Diff(gather(t, own), bare); diff != "" {
		t.Errorf("the rows themselves changed:\n%s", diff)
	}
	if badForms < bad*19/10 || badForms > 2*bad {
		t.Errorf("%d forms of %d malicious rows, want nearly two each", badForms, bad)
	}
	if goodForms < 28 || goodForms > 30 {
		t.Errorf("%d forms of %d benign rows, want nearly 30", goodForms, good)
	}
	if donated == 0 {
		t.Error("no donor was ever used")
	}
	for g, known := range groups {
		if !known {
			t.Errorf("donor %q is no group of the source", g)
		}
	}
}

func TestAMaliciousClusterCountsOnceWithItsForms(t *testing.T) {
	t.Parallel()
	sum := func(source train.Source) map[string]float64 {
		d, err := train.Build(t.Context(), source, train.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var examples []*train.Example
		for i := range d.Examples {
			e := d.Examples[i]
			e.Kind = "file" // kinds that are rare weigh more on purpose
			examples = append(examples, &e)
		}
		total := map[string]float64{}
		for i, w := range train.Weigh(examples, 12) {
			if examples[i].Malicious {
				total[examples[i].Cluster] += w
			}
		}
		return total
	}
	few := func(ctx context.Context, yield func(corpus.Row) error) error {
		n := 0
		return train.Corpus(train.OwnCorpus)(ctx, func(row corpus.Row) error {
			if n++; n%3 != 0 {
				return nil
			}
			row.Cluster = fmt.Sprint("cluster ", n%9)
			return yield(row)
		})
	}
	bare, augmented := sum(few), sum(train.Augmented(few, 3, 5, 1))
	if len(bare) == 0 || len(bare) != len(augmented) {
		t.Fatalf("%d clusters, with forms %d", len(bare), len(augmented))
	}
	for cluster, want := range bare {
		if got := augmented[cluster]; math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s weighs %g, with its forms %g", cluster, want, got)
		}
	}
}
