package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
	"kingsnake/store/sqlite"
)

// writerEnv names the database and the run of a process that is to be killed.
const (
	writerEnv = "KINGSNAKE_TEST_WRITER"
	runEnv    = "KINGSNAKE_TEST_RUN"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		if err := writeForever(path, os.Getenv(runEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// writeForever puts one finding after another, each twice, and prints the
// name of each after Put returned.
func writeForever(path, run string) error {
	s, err := sqlite.Open(path)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		f := sample(fmt.Sprintf("run-%s-%06d", run, i))
		for _, want := range []store.Outcome{store.Created, store.Duplicate} {
			got, err := s.Put(context.Background(), f)
			if err != nil || got != want {
				return fmt.Errorf("put gave %q, %w", got, err)
			}
			fmt.Println(f.Name)
		}
	}
}

func sample(name string) finding.Finding {
	return finding.Finding{
		Name: name, Occurrence: name, Severity: finding.Critical, EventTime: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Script: finding.Script{Kind: "c", SHA256: name, Contents: []byte(strings.Repeat(name, 50))},
	}
}

func TestKillingTheProcessLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "findings.db")
	acknowledged := map[string]bool{}
	for run := range 5 {
		for _, name := range killedAfter(t, path, run, 200+137*run) {
			acknowledged[name] = true
		}

		s := open(t, path)
		seen := map[string]bool{}
		for q := (store.Query{Limit: 1000}); ; {
			page, err := s.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range page.Findings {
				if seen[f.Name] || f.Count != 1 {
					t.Errorf("%s is there twice, or was counted %d times", f.Name, f.Count)
				}
				seen[f.Name] = true
				if whole, err := s.Get(t.Context(), f.Name); err != nil || len(whole.Script.Contents) != 50*len(f.Name) {
					t.Errorf("%s came back with %d bytes of script, %v", f.Name, len(whole.Script.Contents), err)
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		for name := range acknowledged {
			if !seen[name] {
				t.Errorf("%s was acknowledged and is lost", name)
			}
		}
		st, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := int64(len(seen)); st.Undelivered != n || st.Findings != n || len(acknowledged) > len(seen) {
			t.Errorf("run %d: %d acknowledged, %d stored, counted as %d with %d deliveries", run, len(acknowledged), n, st.Findings, st.Undelivered)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// killedAfter starts a writer, kills it -9 when it has acknowledged so many
// findings, and returns all it did acknowledge.
func killedAfter(t *testing.T, path string, run, lines int) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), writerEnv+"="+path, fmt.Sprintf("%s=%d", runEnv, run))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var names []string
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil { // a line cut short by the kill was acknowledged too, but not read
			if err != io.EOF {
				t.Error(err)
			}
			break
		}
		names = append(names, strings.TrimSpace(line))
		if len(names) == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if len(names) < lines {
		t.Fatalf("the writer ended after %d lines: %s", len(names), &complaint)
	}
	return names
}
