package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/classify"
	"kingsnake/classify/model"
)

func TestResultsComeInTheOrderOfTheWork(t *testing.T) {
	t.Parallel()
	var got, want []int
	err := inOrder(t.Context(), func(yield func(int) error) error {
		for i := range 500 {
			want = append(want, i*i)
			if err := yield(i); err != nil {
				return err
			}
		}
		return nil
	}, func(i int) int { return i * i }, func(r int) error { got = append(got, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestAnErrorOnEitherSideEndsTheWork(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	forever := func(yield func(int) error) error {
		for {
			if err := yield(1); err != nil {
				return err
			}
		}
	}
	same := func(i int) int { return i }
	if err := inOrder(t.Context(), forever, same, func(int) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of the writer comes back as %v", err)
	}
	if err := inOrder(t.Context(), func(func(int) error) error { return stop }, same, func(int) error { return nil }); !errors.Is(err, stop) {
		t.Errorf("an error of the reader comes back as %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := inOrder(ctx, forever, same, func(int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled context comes back as %v", err)
	}
}

func TestVisibleEscapesWhatDoesNotPrint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"plain", "a b/ä.py", "a b/ä.py"},
		{"an escape sequence", "a\x1b[2J", `a\u001b[2J`},
		{"a line end", "a\nb", `a\u000ab`},
		{"a change of direction", "a\u202eyp", `a\u202eyp`},
		{"a byte that is no text", "a\xff", `a\xff`},
		{"a private character", "\U000f0000", `\U000f0000`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := visible(c.in); got != c.want {
				t.Errorf("visible(%q) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestLinesThatAreTooLongAreCountedAndPassed(t *testing.T) {
	t.Parallel()
	in := "first\n" + strings.Repeat("x", maxLine+10) + "\nthird"
	var got []string
	err := eachLine(bufio.NewReader(strings.NewReader(in)), func(l bulkLine) error {
		got = append(got, fmt.Sprintf("%d %t %d", l.number, l.long, len(l.data)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1 false 6", "2 true 0", "3 false 5"}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestWalkTakesWhatIsPython(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a.py", "")
	write("b.PYW", "")
	write("bin/tool", "#!/usr/bin/env python3\n")
	write("bin/shell", "#!/bin/sh\n")
	write("readme.md", "python")
	write("empty", "")
	if err := os.Symlink(filepath.Join(dir, "a.py"), filepath.Join(dir, "link.py")); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := walk([]string{dir, "-"}, strings.NewReader(""), func(s source) error {
		name, err := filepath.Rel(dir, s.path)
		if err != nil {
			name = s.path
		}
		got = append(got, name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.py", "b.PYW", "bin/tool", "stdin"}, got); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

// TestSarifHasWhatItsSchemaRequires checks the parts of SARIF 2.1.0 that
// readers insist on.
func TestSarifHasWhatItsSchemaRequires(t *testing.T) {
	t.Parallel()
	m, err := model.Default()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := newSarifWriter(&out, m)
	v := classify.Verdict{Label: classify.Malicious, Score: 0.99, Reasons: []classify.Reason{
		{Text: "The script a.", Technique: "T1059.006", Weight: 2, Spans: []classify.Span{{Line: 3, EndLine: 4}}},
		{Text: "The script b.", Technique: "T1059.006", Weight: 1},
		{Text: "The script\x1b c.", Weight: 1, Spans: []classify.Span{{}}},
	}}
	for _, j := range []judged{{Path: "a dir/x y.py", Verdict: v}, {Path: "gone.py", Error: "permission denied"}, {Path: "ok.py", Verdict: classify.Verdict{Label: classify.Benign}}} {
		if err := w.write(j); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(tally{}); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(out.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || run.Tool.Driver.Name == "" || len(run.Results) != 3 || len(run.Tool.Driver.Rules) != 2 || run.Invocations[0].ExecutionSuccessful {
		t.Fatalf("log: %s", out.String())
	}
	for _, r := range run.Results {
		if r.Message.Text == "" || strings.ContainsRune(r.Message.Text, 0x1b) || run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || len(r.Locations) == 0 {
			t.Errorf("result %+v", r)
		}
		for _, l := range r.Locations {
			if l.Physical.Artifact.URI != "a%20dir/x%20y.py" {
				t.Errorf("uri %q", l.Physical.Artifact.URI)
			}
			if g := l.Physical.Region; g != nil && (g.StartLine < 1 || g.EndLine < g.StartLine) {
				t.Errorf("region %+v", g)
			}
		}
	}
}
