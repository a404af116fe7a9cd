package eval

import (
	"context"
	"testing"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
	"kingsnake/classify/train"
)

// withLoaders is the own corpus and the imitated loaders.
func withLoaders(t *testing.T) *train.Dataset {
	t.Helper()
	d, err := train.Build(t.Context(), func(ctx context.Context, yield func(corpus.Row) error) error {
		if err := train.Corpus(train.OwnCorpus)(ctx, yield); err != nil {
			return err
		}
		for _, row := range corpus.Loaders() {
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	}, train.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestALoaderIsJudgedByAModelThatNeverSawIt(t *testing.T) {
	t.Parallel()
	d := withLoaders(t)
	learn := func(examples []*train.Example) Judge {
		seen := map[string]bool{}
		for _, e := range examples {
			seen[e.Family] = seen[e.Family] || isLoader(e)
		}
		if len(seen) == 0 {
			t.Error("a model saw no loader at all")
		}
		return plainJudge(func(e *train.Example) float64 {
			if isLoader(e) && seen[e.Family] {
				t.Errorf("%s is judged by a model that has seen it", e.Family)
			}
			// One honest loader is taken for malicious, and one hostile for harmless.
			if e.Malicious != (e.Family == "loader-zipapp") {
				return 9
			}
			return -9
		})
	}
	v, err := CrossValidate(t.Context(), d, learn, ByLoader, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := v.MeasureLoaders()
	if r == nil || len(r.Loaders) != len(corpus.LoaderNames()) || r.Honest != r.Hostile || r.Honest < 100 {
		t.Fatalf("loaders: %+v, want all of them", r)
	}
	honest, hostile := r.Count()
	if honest[2] != 5 || hostile[2] != r.Hostile-5 || len(r.Wrong) != 10 {
		t.Errorf("flagged %v honest and %v hostile rows, %d wrong; want 5, all but 5, and 10", honest, hostile, len(r.Wrong))
	}
	for _, c := range r.Wrong {
		if c.Malicious == (c.Called == classify.Malicious) {
			t.Errorf("%+v is not wrong", c)
		}
	}
	folds := map[int]bool{}
	for _, s := range v.Loaders {
		folds[s.Fold] = true
	}
	if len(folds) != Folds {
		t.Errorf("loaders lie in %d folds, want %d", len(folds), Folds)
	}
}

func TestWithoutLoadersThereIsNothingToSay(t *testing.T) {
	t.Parallel()
	if r := (&Validation{}).MeasureLoaders(); r != nil {
		t.Errorf("got %+v, want nothing", r)
	}
}
