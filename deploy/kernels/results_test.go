package kernels

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResultsAreReadFromWhatAMachinePrints(t *testing.T) {
	t.Parallel()
	const begin, end = "kingsnake: begin v2 capture\n", "\nkingsnake: end 0\n"
	const good = "\x16=== RUN   TestA\n\x16--- PASS: TestA (0.01s)\n\x16PASS\n"
	for name, test := range map[string]struct {
		output string
		want   []string // test and action
		ok     bool
	}{
		"all is well":            {begin + good + end + "kingsnake: done\n", []string{"TestA pass"}, true},
		"the machine ends early": {begin + good + end, []string{"TestA pass"}, false},
		"a test does not end":    {begin + "\x16=== RUN   TestA\n", []string{"TestA "}, false},
		"a suite runs no test":   {begin + "PASS\n" + end + "kingsnake: done\n", nil, false},
		"nothing at all":         {"", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results, err := Results(t.Context(), []byte(test.output))
			var got []string
			for _, r := range results {
				got = append(got, r.Test+" "+r.Action)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || (err == nil) != test.ok {
				t.Errorf("want ok %v, got %v (-want +got):\n%s", test.ok, err, diff)
			}
		})
	}
}
