//go:build linux

// Package generate runs Python in every way Python can be run, and knows of each
// run what a sensor must capture of it.
//
// A [Mode] is one way: a file, a text after -c, a pipe, an archive, a renamed
// interpreter. Each run of it has a text that no other run on the machine has,
// and a variable of its own in its environment, so that a test can tell its runs
// from all else and say of every single one whether it was captured. A [Tally]
// does the counting.
//
// The texts are harmless: comments, assignments and, where a mode is about it,
// the removal of the script itself. Everything is written below one folder.
//
// The package is for tests; nothing that is shipped imports it.
package generate

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"kingsnake/capture"
)

// Variable is the environment variable that tells a run from all others.
const Variable = "KINGSNAKE_RUN"

// Want is one script that must be captured of a run.
type Want struct {
	Kind   capture.Kind
	Path   string // as [path.Match] takes it, since some names are made up by a shell
	Digest capture.Digest
	Size   int64
	Parent capture.Digest // of the script that imports it; zero for the run's own

	// Members are what runs of an archive. One that is gone before anybody could
	// read it whole is right when these are in it, and it says that the rest, which
	// the interpreter never read, is missing.
	Members map[string]capture.Digest
}

// Run is one execution of Python.
type Run struct {
	Tag  string // Variable=value; only the Python of this run has it in its environment
	Cmd  *exec.Cmd
	Want []Want

	dir     string
	cleanup []func()
}

// Close removes what the run left. The run must have ended.
func (r *Run) Close() error {
	for _, f := range r.cleanup {
		f()
	}
	if err := os.RemoveAll(r.dir); err != nil {
		return fmt.Errorf("remove what a run left: %w", err)
	}
	return nil
}

// Mode is one way to run Python on one [Bench].
type Mode struct {
	Name string

	since, before version // the versions of Python that have it; zero for all
	cpython       bool    // whether only CPython has it
	once          bool    // whether it needs to be tried with one interpreter only
	prepare       func(b *Bench) error
	make          func(x *build) error
}

// Bench is where an interpreter's modes are run. Its methods may be called
// concurrently.
type Bench struct {
	Python Python

	dir   string
	nonce string

	mu      sync.Mutex
	ready   map[string]error // what was prepared, by mode
	cleanup []func() error
	made    map[string]string // what modes prepare, for their runs
}

// NewBench returns a bench whose files lie below dir, an existing folder that
// the caller removes after Close.
func NewBench(p Python, dir string) *Bench {
	return &Bench{Python: p, dir: dir, nonce: rand.Text(), ready: make(map[string]error), made: make(map[string]string)}
}

// Close undoes what was prepared: mounts and the like.
func (b *Bench) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var first error
	for i := len(b.cleanup) - 1; i >= 0; i-- {
		if err := b.cleanup[i](); err != nil && first == nil {
			first = err
		}
	}
	b.cleanup = nil
	return first
}

// Modes returns the modes that the bench's interpreter has. With all, also those
// that are the same for every interpreter and need to be tried with one alone.
func (b *Bench) Modes(all bool) []Mode {
	var out []Mode
	for _, m := range modes() {
		v := b.Python.version
		if (m.once && !all) || (m.cpython && !b.Python.CPython()) || v.less(m.since) || (m.before != version{} && !v.less(m.before)) {
			continue
		}
		out = append(out, m)
	}
	return out
}

// Prepare makes ready what all runs of a mode share. Its error says what this
// machine lacks for the mode.
func (b *Bench) Prepare(m Mode) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err, ok := b.ready[m.Name]
	if !ok && m.prepare != nil {
		err = m.prepare(b)
	}
	b.ready[m.Name] = err
	return err
}

// Run makes the run of a mode with number i, which must be used once only.
// Prepare must have succeeded. The caller starts its command, waits for it and
// closes the run.
func (b *Bench) Run(m Mode, i int) (*Run, error) {
	id := fmt.Sprintf("%s-%s-%d", b.nonce, filepath.Base(b.folder(m)), i)
	x := &build{Bench: b, id: id, number: i, run: &Run{Tag: Variable + "=" + id, dir: filepath.Join(b.folder(m), fmt.Sprint(i))}}
	x.text = text(id, 80+i*977%9000)
	if err := os.MkdirAll(x.run.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the run's folder: %w", err)
	}
	if err := m.make(x); err != nil {
		return nil, fmt.Errorf("make run %d of %s: %w", i, m.Name, err)
	}
	cmd := x.run.Cmd
	cmd.Env = append(cmd.Env, "PATH=/usr/bin:/bin", "HOME="+x.run.dir, x.run.Tag)
	if cmd.Dir == "" && (cmd.SysProcAttr == nil || cmd.SysProcAttr.Chroot == "") {
		cmd.Dir = x.run.dir
	}
	return x.run, nil
}

// folder is where the runs of a mode lie: a name without spaces.
func (b *Bench) folder(m Mode) string {
	clean := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}
	return filepath.Join(b.dir, string(bytes.Map(clean, []byte(m.Name))))
}

// build is a run that is being made.
type build struct {
	*Bench
	id     string
	number int
	text   []byte // what this run executes
	run    *Run
}

// command sets the run's command: the bench's interpreter with arguments.
func (x *build) command(args ...string) { x.run.Cmd = exec.Command(x.Python.Path, args...) }

// shell sets the run's command: a script for sh, which finds the interpreter in
// $1 and the rest of args behind it.
func (x *build) shell(script string, args ...string) {
	x.run.Cmd = exec.Command("/bin/sh", append([]string{"-c", script, "sh", x.Python.Path}, args...)...)
}

// want adds a script that must be captured.
func (x *build) want(kind capture.Kind, path string, text []byte) {
	x.run.Want = append(x.run.Want, Want{Kind: kind, Path: path, Digest: capture.Sum(text), Size: int64(len(text))})
}

// wantImport adds a module that must be captured as one of the run's own script,
// which was added before.
func (x *build) wantImport(path string, text []byte) {
	x.want(capture.Import, path, text)
	x.run.Want[len(x.run.Want)-1].Parent = x.run.Want[0].Digest
}

// write writes a file below the run's folder and returns its path.
func (x *build) write(name string, text []byte) (string, error) {
	path := filepath.Join(x.run.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return path, writeProgram(path, text)
}

// writeProgram writes a file that may be executed. It is closed before any
// process is forked here, so that none inherits it and keeps it busy.
func writeProgram(path string, text []byte) error {
	forking.RLock()
	defer forking.RUnlock()
	return os.WriteFile(path, text, 0o755)
}

// forking is held for writing while a command is started.
var forking sync.RWMutex

// start starts the run's command.
func (r *Run) start() error {
	forking.Lock()
	defer forking.Unlock()
	return r.Cmd.Start()
}

// Do starts the run and waits for its end. The error has what it printed.
func (r *Run) Do() error {
	var out strings.Builder
	r.Cmd.Stdout, r.Cmd.Stderr = &out, &out
	if err := r.start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if err := r.Cmd.Wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, out.String())
	}
	return nil
}

// Spread calls run with each number below n, on so many goroutines, and returns
// when all calls have.
func Spread(goroutines, n int, run func(i int)) {
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range goroutines {
		workers.Go(func() {
			for i := range numbers {
				run(i)
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	workers.Wait()
}

// text makes a harmless Python text of about n bytes.
func text(id string, n int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\nx = 1\n", id)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "y = %d  # a line of a text that is only long\n", i)
	}
	return b.Bytes()
}
