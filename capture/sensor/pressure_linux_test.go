//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kingsnake/capture"
	"kingsnake/capture/sensor"
	"kingsnake/capture/sensor/generate"
)

// fates keeps what became of the scripts whose text names the test: by the number
// behind "run" in it.
type fates struct {
	mu     sync.Mutex
	exact  map[int]bool
	broken map[int]bool // came, and say what is missing
	wrong  []string     // came without bytes, and do not say so
	want   map[int]capture.Digest
}

func newFates() *fates {
	return &fates{exact: make(map[int]bool), broken: make(map[int]bool), want: make(map[int]capture.Digest)}
}

// text makes the text of a run and expects it.
func (f *fates) text(i, size int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# run %d\n", i)
	b.Write(bytes.Repeat([]byte("# a long line of a long text, which is here to be long\n"), size/55))
	f.mu.Lock()
	f.want[i] = capture.Sum(b.Bytes())
	f.mu.Unlock()
	return b.Bytes()
}

func (f *fates) see(tag string) func(capture.Script) {
	return func(s capture.Script) {
		if s.Kind == capture.Compiled {
			return // the interpreter's own
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		i := -1 // of another test or program
		for _, v := range s.Process.Env {
			if n, ok := strings.CutPrefix(v, tag); ok && s.Kind != capture.Import {
				_, _ = fmt.Sscan(n, &i) // our own
			}
		}
		if _, ok := f.want[i]; !ok {
			return
		}
		switch {
		case s.Lost != "" || s.Truncated:
			f.broken[i] = true
		case s.Digest == f.want[i]:
			f.exact[i] = true
		default:
			f.wrong = append(f.wrong, describe([]capture.Script{s}))
		}
	}
}

// missing returns how many did not come at all.
func (f *fates) missing() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for i := range f.want {
		if !f.exact[i] && !f.broken[i] {
			n++
		}
	}
	return n
}

func TestWhatTheRingsCannotHoldIsCounted(t *testing.T) {
	const runs = 120
	tag := "KINGSNAKE_TEST=" + t.Name() + " "
	f := newFates()
	see := f.see(tag)
	open := make(chan struct{}) // until it is closed, nobody takes what was captured
	r := recordTo(t, sensor.Config{ExecRing: 256 << 10, DataRing: 256 << 10}, func(s capture.Script) {
		<-open
		see(s)
	})
	var released sync.Once
	release := func() { released.Do(func() { close(open) }) }
	t.Cleanup(release)
	runEach(t, runs, func(i int) *exec.Cmd {
		text := f.text(i, 40_000)
		cmd := exec.Command(python)
		switch i % 3 {
		case 0:
			cmd.Args = append(cmd.Args, "-c", string(text))
		case 1:
			cmd.Stdin = bytes.NewReader(text)
		case 2:
			cmd.Args = append(cmd.Args, write(t, "script.py", text))
		}
		cmd.Env = []string{tag + fmt.Sprint(i)}
		return cmd
	})
	if err := r.sensor.Detach(); err != nil {
		t.Fatal(err)
	}
	release()
	sent, received := r.settle()
	if sent != received {
		t.Errorf("want every record that fitted the rings to be read: %v were sent, %v received", sent, received)
	}
	lost := r.sensor.Stats().Lost
	missing, counted := f.missing(), uint64(0)
	for _, reason := range []string{"process not seen", "exec ring full", "exec lost", "data ring full", "too many programs"} {
		counted += lost[reason]
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Logf("%d runs: %d exact, %d say what is missing, %d missing; lost %v", runs, len(f.exact), len(f.broken), missing, lost)
	if len(f.wrong) > 0 {
		t.Errorf("came without bytes and do not say so: %s", strings.Join(f.wrong, "\n"))
	}
	if len(f.exact) == runs {
		t.Error("nothing was lost: the rings are not too small, and this test shows nothing")
	}
	if uint64(missing) > counted {
		t.Errorf("%d scripts are missing, but only %d losses are counted: %v", missing, counted, lost)
	}
}

func TestLongScriptsDoNotPushOutShortOnes(t *testing.T) {
	const runs, long = 60, 5 << 20
	tag := "KINGSNAKE_TEST=" + t.Name() + " "
	f := newFates()
	see := f.see(tag)
	var mu sync.Mutex
	brokenModules := 0
	r := recordTo(t, sensor.Config{DataRing: 2 << 20}, func(s capture.Script) {
		if s.Kind == capture.Import && s.Lost != "" && strings.HasSuffix(s.Path, "/very_long_module.py") {
			mu.Lock()
			brokenModules++
			mu.Unlock()
		}
		see(s)
	})
	// One read of the module is several times what the ring holds.
	dir := t.TempDir()
	module := bytes.Repeat([]byte("# a long line of a long text, which is here to be long\n"), long/55)
	if err := os.WriteFile(filepath.Join(dir, "very_long_module.py"), module, 0o644); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var flood sync.WaitGroup
	floods := 0
	flood.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			cmd := exec.Command(python, "-B", "-c", "import sys; sys.path.insert(0, sys.argv[1]); import very_long_module", dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
				return
			}
			floods++
		}
	})
	runEach(t, runs, func(i int) *exec.Cmd {
		cmd := exec.Command(python, write(t, "script.py", append([]byte("import os; os.unlink(__file__)\n"), f.text(i, 3000)...)))
		f.mu.Lock()
		text, err := os.ReadFile(cmd.Args[1])
		f.want[i] = capture.Sum(text)
		f.mu.Unlock()
		if err != nil {
			t.Error(err)
		}
		cmd.Env = []string{tag + fmt.Sprint(i)}
		return cmd
	})
	close(stop)
	flood.Wait()
	r.settle()
	lost := r.sensor.Stats().Lost
	mu.Lock()
	defer mu.Unlock()
	t.Logf("%d floods, of which %d say what is missing; lost %v", floods, brokenModules, lost)
	if lost["data ring nearly full"] == 0 || brokenModules == 0 {
		t.Errorf("want the losses of the flood to be counted and said, got %v, said %d times", lost, brokenModules)
	}
	if missing := f.missing(); missing > 0 || len(f.broken) > 0 || len(f.wrong) > 0 {
		t.Errorf("of %d short scripts %d are missing, %d broken, wrong: %s", runs, missing, len(f.broken), strings.Join(f.wrong, ""))
	}
}

// runEach runs n commands, a few at a time.
func runEach(t *testing.T, n int, command func(i int) *exec.Cmd) {
	t.Helper()
	generate.Spread(4, n, func(i int) {
		if out, err := command(i + 1).CombinedOutput(); err != nil {
			t.Errorf("run %d: %v\n%s", i+1, err, out)
		}
	})
}

// settle waits until what was sent was received, and what waits for more records
// was given up.
func (r *recorder) settle() (sent, received [2]uint64) {
	deadline := time.After(10 * time.Second)
	seen := uint64(0)
	for {
		sent, received = r.sensor.Records()
		now := r.sensor.Stats().Seen
		select {
		case <-deadline:
			return sent, received
		case <-time.After(4 * time.Second): // longer than the sensor waits for anything
		}
		if sent == received && now == seen {
			return sent, received
		}
		seen = now
	}
}
