package fallback_test

import (
	"context"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kingsnake/capture"
	"kingsnake/capture/fallback"
	"kingsnake/capture/sensor/generate"
)

// piped are the modes whose text is never in a file: of them a script without a
// text must come, with the reason.
var piped = []string{
	"standard input from a pipe", "standard input by a dash", "standard input, unbuffered, fed byte by byte", "standard input, unbuffered",
	"here-document in a pipe", "process substitution", "FIFO",
}

// embedded are those of programs with an interpreter inside: only what they open
// tells of them.
var embedded = []string{"interpreter embedded in another program", "interpreter loaded by another program"}

// bundled are those whose scripts lie in the program's own binary, which is not
// looked into.
var bundled = []string{"program bundled with its interpreter", "bundle that unpacks itself first"}

// prompted are those that run more after their script: that is counted only.
var prompted = []string{"standard input after -c, with -i", "standard input after a file, with -i", "PYTHONSTARTUP without a suffix"}

// harvest keeps the scripts of this test's runs.
type harvest struct {
	mu      sync.Mutex
	scripts map[string][]capture.Script // by what is in their environment alone
}

func (h *harvest) see(s capture.Script) {
	for _, v := range s.Process.Env {
		if strings.HasPrefix(v, generate.Variable+"=") {
			h.mu.Lock()
			h.scripts[v] = append(h.scripts[v], s)
			h.mu.Unlock()
		}
	}
}

func (h *harvest) of(r *generate.Run) []capture.Script {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.scripts[r.Tag])
}

// watch runs a sensor until the test ends.
func watch(t *testing.T, config fallback.Config, handle func(capture.Script)) *fallback.Sensor {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip(`watching takes root: run "sudo -E go test ./capture/fallback"`)
	}
	s, err := fallback.Open(config)
	if err != nil {
		t.Skipf("%v: run it outside of containers, as root", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, handle) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// runs returns how often each mode is run.
func runs() int {
	if n, err := strconv.Atoi(os.Getenv("KINGSNAKE_RUNS")); err == nil && n > 0 {
		return n
	}
	if testing.Short() {
		return 3
	}
	return 10
}

// TestWhatIsSeenWithoutBPF runs Python in every way. What comes must be right,
// byte for byte; a run of which something is missing must have been counted; and some
// must come, wherever the text is in a file or among the arguments.
func TestWhatIsSeenWithoutBPF(t *testing.T) {
	for name, config := range map[string]fallback.Config{
		"both":                      {},
		"without the connector":     {NoConnector: true},
		"without watching of files": {NoFiles: true},
	} {
		t.Run(name, func(t *testing.T) { testModes(t, config) })
	}
}

// TestEachWayToWatchSeesScripts is the short form of it, for slow machines: the
// modes that matter most, a few times.
func TestEachWayToWatchSeesScripts(t *testing.T) {
	pythons := generate.Pythons()
	if len(pythons) == 0 {
		t.Skip("python3 is missing: apt-get install python3")
	}
	for name, config := range map[string]fallback.Config{"both": {}, "without the connector": {NoConnector: true}, "without watching of files": {NoFiles: true}} {
		t.Run(name, func(t *testing.T) {
			h := &harvest{scripts: make(map[string][]capture.Script)}
			s := watch(t, config, h.see)
			bench := generate.NewBench(pythons[0], t.TempDir())
			for _, mode := range bench.Modes(true) {
				if !slices.Contains([]string{"-c", "file that deletes itself", "standard input from a file", "-m module"}, mode.Name) {
					continue
				}
				before, all := total(s), runMode(t, bench, mode, h, 4)
				whole, _, _, counted := settle(s, before, all, h, config.NoFiles)
				// What deletes itself is often gone before a slow machine has looked, if only its opening was told of.
				some := whole > 0 || config.NoConnector && mode.Name == "file that deletes itself"
				if missing := len(all) - whole; !some || uint64(missing) > counted {
					t.Errorf("%s: of %d runs %d came whole, and %d losses were counted", mode.Name, len(all), whole, counted)
				}
			}
			t.Logf("lost on the whole machine: %v", s.Stats().Lost)
		})
	}
}

func testModes(t *testing.T, config fallback.Config) {
	pythons := generate.Pythons()
	if len(pythons) == 0 {
		t.Skip("python3 is missing: apt-get install python3")
	}
	h := &harvest{scripts: make(map[string][]capture.Script)}
	s := watch(t, config, h.see)
	bench := generate.NewBench(pythons[0], t.TempDir())
	t.Cleanup(func() {
		if err := bench.Close(); err != nil {
			t.Error(err)
		}
	})
	n := runs()
	one := config.NoConnector || config.NoFiles
	if one {
		n = max(n/3, 2) // they are rare, and lose more
	}
	var table strings.Builder
	var never []string // modes of which no run came whole
	for _, mode := range bench.Modes(true) {
		if slices.Contains(embedded, mode.Name) && one {
			continue // what they open first is not seen, or nothing
		}
		if slices.Contains(bundled, mode.Name) {
			continue
		}
		if err := bench.Prepare(mode); err != nil {
			fmt.Fprintf(&table, "%-50s not here: %s\n", mode.Name, strings.SplitN(err.Error(), "\n", 2)[0])
			continue
		}
		t.Run(mode.Name, func(t *testing.T) {
			before, all := total(s), runMode(t, bench, mode, h, n)
			whole, reasoned, wrong, counted := settle(s, before, all, h, config.NoFiles)
			for _, w := range wrong {
				t.Error(w)
			}
			fmt.Fprintf(&table, "%-50s %5d %5d %5d\n", mode.Name, n, whole, counted)
			if missing := n - whole; uint64(missing) > counted {
				t.Errorf("of %d runs something is missing, and only %d losses are counted", missing, counted)
			}
			if slices.Contains(piped, mode.Name) {
				if whole > 0 || reasoned == 0 {
					t.Errorf("want no text and %d reasons, got %d and %d", n, whole, reasoned)
				}
			} else if whole == 0 && !slices.Contains(prompted, mode.Name) {
				if never = append(never, mode.Name); !one {
					t.Errorf("none of %d runs came whole", n)
				}
			}
		})
	}
	if len(never) > 3 { // now and then a process is looked at too late, three times in a row
		t.Errorf("none came whole of %q", never)
	}
	t.Logf("\n%-50s %5s %5s %5s\n%s", "mode", "runs", "whole", "losses counted meanwhile", table.String())
	t.Logf("lost on the whole machine: %v", s.Stats().Lost)
}

// settle waits until each run came whole or was counted since before, for a while:
// what nobody knows the binary of is counted after some seconds, and a slow machine
// tells late. It returns how many came whole, how often it was said why a text is
// missing, what else came, and the losses counted.
func settle(s *fallback.Sensor, before uint64, all []*generate.Run, h *harvest, noImports bool) (whole, reasoned int, wrong []string, counted uint64) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		whole, reasoned, wrong = 0, 0, nil
		for _, r := range all {
			complete, others := check(r.Want, h.of(r), noImports)
			for _, w := range others {
				if strings.HasSuffix(w, withoutText) {
					reasoned++
				} else {
					wrong = append(wrong, r.Tag+": "+w)
				}
			}
			if complete {
				whole++
			}
		}
		counted = total(s) - before
		if counted >= uint64(len(all)-whole) || time.Now().After(deadline) {
			return whole, reasoned, wrong, counted
		}
	}
}

func total(s *fallback.Sensor) (n uint64) {
	for _, lost := range s.Stats().Lost {
		n += lost
	}
	return n
}

// check compares what came of a run with what was to come, imports left out
// where they are not seen. wrong is what came and was not to.
func check(want []generate.Want, got []capture.Script, noImports bool) (complete bool, wrong []string) {
	complete = true
	for _, w := range want {
		if noImports && w.Kind == capture.Import {
			continue
		}
		i := slices.IndexFunc(got, func(s capture.Script) bool {
			ok, _ := path.Match(w.Path, s.Path)
			return ok && s.Kind == w.Kind && s.Digest == w.Digest && s.Size == w.Size && s.Parent == w.Parent && s.Lost == "" && s.Indirect != ""
		})
		if i < 0 {
			complete = false
			continue
		}
		got = slices.Delete(got, i, i+1)
	}
	for _, s := range got {
		what := fmt.Sprintf("got %s %q of %d bytes, lost %q", s.Kind, s.Path, s.Size, s.Lost)
		if s.Lost != "" && len(s.Text) == 0 {
			what += withoutText
		}
		wrong = append(wrong, what)
	}
	return complete, wrong
}

const withoutText = ", without a text"

// runMode makes all runs of a mode, several at once, waits until what came of
// them is there, and returns them.
func runMode(t *testing.T, bench *generate.Bench, mode generate.Mode, h *harvest, n int) (all []*generate.Run) {
	var mu sync.Mutex
	generate.Spread(runtime.NumCPU(), n, func(i int) {
		run, err := bench.Run(mode, i)
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		all = append(all, run)
		mu.Unlock()
		if err := run.Do(); err != nil {
			t.Errorf("run %d of %s: %v", i, mode.Name, err)
		}
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	})
	// What comes late comes within two rounds: ends that nobody told of are noticed then.
	for deadline := time.Now().Add(700 * time.Millisecond); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if !slices.ContainsFunc(all, func(r *generate.Run) bool { return len(h.of(r)) < len(r.Want) }) {
			break
		}
	}
	return all
}
