package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run as go test -json writes it, times and lines that do not matter left out.
const sample = `{"Action":"start","Package":"kingsnake/a"}
{"Action":"output","Package":"kingsnake/a","Test":"TestPass","Output":"--- PASS: TestPass (0.00s)\n"}
{"Action":"pass","Package":"kingsnake/a","Test":"TestPass","Elapsed":61.2}
{"Action":"output","Package":"kingsnake/a","Test":"TestRoot","Output":"=== RUN   TestRoot\n"}
{"Action":"output","Package":"kingsnake/a","Test":"TestRoot","Output":"    a_test.go:9: needs root: sudo go test ./a\n"}
{"Action":"output","Package":"kingsnake/a","Test":"TestRoot","Output":"--- SKIP: TestRoot (0.00s)\n"}
{"Action":"skip","Package":"kingsnake/a","Test":"TestRoot"}
{"Action":"output","Package":"kingsnake/a","Output":"ok  \tkingsnake/a\t61.3s\n"}
{"Action":"pass","Package":"kingsnake/a","Elapsed":61.3}
{"Action":"output","Package":"kingsnake/none","Output":"?   \tkingsnake/none\t[no test files]\n"}
{"Action":"skip","Package":"kingsnake/none"}
`

const failing = `{"Action":"output","Package":"kingsnake/b","Test":"TestBad","Output":"    b_test.go:3: want 1, got 2\n"}
{"Action":"fail","Package":"kingsnake/b","Test":"TestBad"}
{"Action":"fail","Package":"kingsnake/b","Elapsed":0.1}
`

const crashing = `{"Action":"output","Package":"kingsnake/c","Test":"TestDies","Output":"panic: oh\n"}
{"Action":"fail","Package":"kingsnake/c","Elapsed":0.1}
`

func TestReport(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		input   string
		allowed []allow
		strict  bool
		good    bool
		want    []string
	}{
		"a skip is listed and does not fail a run that is not strict": {
			input: sample, good: true,
			want: []string{"1 passed, 0 failed, 1 skipped", "skipped: kingsnake/a TestRoot: needs root: sudo go test ./a", "slow: kingsnake/a TestPass took 1m1s", "1 packages ok, 0 not"},
		},
		"a skip that is not allowed fails a strict run": {
			input: sample, strict: true,
			want: []string{"NOT ALLOWED: kingsnake/a TestRoot"},
		},
		"a skip that is allowed does not": {
			input: sample, strict: true, good: true, allowed: []allow{{"a", "TestRoot", "why"}},
			want: []string{"skipped, as allowed: kingsnake/a TestRoot"},
		},
		"a skip allowed in another package does not count": {
			input: sample, strict: true, allowed: []allow{{"ab", "TestRoot", "why"}},
			want: []string{"NOT ALLOWED"},
		},
		"a failed test is shown with its output": {
			input: sample + failing,
			want:  []string{"want 1, got 2", "failed: kingsnake/b TestBad", "1 passed, 1 failed, 1 skipped"},
		},
		"a package that dies in a test fails and shows the panic": {
			input: crashing,
			want:  []string{"panic: oh", "failed package: kingsnake/c"},
		},
		"a fuzz input outside the property is no skipped test": {
			input: `{"Action":"skip","Package":"kingsnake/a","Test":"FuzzLex/seed#1"}` + "\n", strict: true, good: true,
			want: []string{"0 passed, 0 failed, 0 skipped"},
		},
		"a skipped fuzz target is": {
			input: `{"Action":"skip","Package":"kingsnake/a","Test":"FuzzLex"}` + "\n", strict: true,
			want: []string{"0 passed, 0 failed, 1 skipped"},
		},
		"a line that is not JSON is shown": {
			input: "go: downloading x\n", good: true,
			want: []string{"go: downloading x"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			s := newSummary(&out)
			if err := s.read(strings.NewReader(test.input)); err != nil {
				t.Fatal(err)
			}
			if got := s.report(test.allowed, test.strict); got != test.good {
				t.Errorf("good: want %t, got %t", test.good, got)
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("want %q in:\n%s", want, out.String())
				}
			}
		})
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	marks := []mark{
		{pkg: "kernel", words: map[string]bool{"alone": true}},
		{pkg: "big/...", words: map[string]bool{"norace": true}},
	}
	packages := []string{"m/a", "m/big/x", "m/kernel", "m/kernel/sub"}
	describe := func(plan []group) string {
		var b strings.Builder
		for _, g := range plan {
			b.WriteString(strings.Join(g.packages, " "))
			if g.race {
				b.WriteString(" race")
			}
			if g.alone {
				b.WriteString(" alone")
			}
			b.WriteString("; ")
		}
		return b.String()
	}
	for _, test := range []struct{ name, only, want string }{
		{"every package is in exactly one group", "", "m/a m/kernel/sub race; m/big/x; m/kernel race alone; "},
		{"only the marked packages", "alone", "m/kernel race alone; "},
	} {
		if got := describe(makePlan(packages, marks, test.only, true)); got != test.want {
			t.Errorf("%s: want %q, got %q", test.name, test.want, got)
		}
	}
	if got := describe(makePlan(packages, marks, "", false)); strings.Contains(got, "race") {
		t.Errorf("without a C compiler nothing runs with the race detector: got %q", got)
	}
}

func TestTablesWantAReason(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "skips")
	if err := os.WriteFile(file, []byte("# comment\n\na TestX # no such kernel\nb TestY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readAllowed(file); err == nil || !strings.Contains(err.Error(), ":4:") {
		t.Errorf("want an error that names line 4, got %v", err)
	}
}
