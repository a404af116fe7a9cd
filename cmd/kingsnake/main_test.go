package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the transcripts in testdata, and tests that need a process to
// kill, run this test binary under the name kingsnake.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kingsnake": main})
}

// TestTranscripts runs the sessions in testdata: what a person types, and what
// they see.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("KINGSNAKE_DATA", e.WorkDir+"/data")
			e.Setenv("PATH", os.Getenv("PATH"))
			return nil
		},
	})
}
