package main

import (
	"bytes"
	"errors"
	"sync"
	"testing"
)

func TestCompilerCompilesAndRunsNothing(t *testing.T) {
	t.Parallel()
	c := newCompiler(t.Context())
	if c == nil {
		t.Skip("needs python3: apt-get install python3")
	}
	defer c.Close()
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			// Were it run, the Python would end and the next one would fail.
			pyc, err := c.Compile([]byte("import os\nos._exit(1)\n"))
			if err != nil || !bytes.Contains(pyc, []byte("_exit")) {
				t.Errorf("got %d bytes, %v", len(pyc), err)
			}
			if _, err := c.Compile([]byte("print 'old'\n")); !errors.Is(err, errNotCompiled) {
				t.Errorf("Python 2: got %v, want %v", err, errNotCompiled)
			}
			if _, err := c.Compile([]byte("x = " + string(bytes.Repeat([]byte("("), 100000)))); err == nil {
				t.Error("brackets without end are compiled")
			}
		})
	}
	workers.Wait()
}
