package corpus_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/classify/corpus"
)

func TestEachLoaderCarriesBothKindsOfPayload(t *testing.T) {
	t.Parallel()
	rows := corpus.Loaders()
	if diff := cmp.Diff(rows, corpus.Loaders()); diff != "" {
		t.Errorf("loaders differ from call to call:\n%s", diff)
	}
	type both struct{ bad, good int }
	count, seen := map[string]both{}, map[string]string{}
	for _, row := range rows {
		name, ok := strings.CutPrefix(row.Family, "loader-")
		if !ok || !row.TrainOnly() {
			t.Errorf("%s: family %q, set %q", row.Origin, row.Family, row.Set)
		}
		if other := seen[row.ID]; other != "" {
			t.Errorf("%s and %s are the same script", other, row.Origin)
		}
		seen[row.ID] = row.Origin
		n := count[name]
		if row.Malicious {
			n.bad++
		} else {
			n.good++
		}
		count[name] = n
	}
	for _, name := range corpus.LoaderNames() {
		if n := count[name]; n.bad < 5 || n.good < 5 {
			t.Errorf("%s: %d malicious and %d benign rows, want five of each", name, n.bad, n.good)
		}
	}
}

func TestAnUnknownLoaderGivesNothing(t *testing.T) {
	t.Parallel()
	if got := corpus.Loader("none", []byte("x"), 1); got != nil {
		t.Errorf("an unknown loader gives %q", got)
	}
}
