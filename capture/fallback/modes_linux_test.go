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
	unnamed uint64                      // scripts of processes that ended just before their environment was read
}

func newHarvest() *harvest { return &harvest{scripts: make(map[string][]capture.Script)} }

func (h *harvest) see(s capture.Script) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(s.Process.Env) == 0 {
		h.unnamed++
	}
	for _, v := range s.Process.Env {
		if strings.HasPrefix(v, generate.Variable+"=") {
			h.scripts[v] = append(h.scripts[v], s)
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

// rounds is how many times the runs of a mode are made before it is said that
// none of them came.
const rounds = 3

// ways are the ways to watch: both, and each alone.
var ways = map[string]fallback.Config{
	"both":                      {},
	"without the connector":     {NoConnector: true},
	"without watching of files": {NoFiles: true},
}

// TestWhatIsSeenWithoutBPF runs Python in every way, with every way to watch, and
// asserts three things of each mode.
//
//   - What comes is right, byte for byte.
//   - A run of which something is missing was counted as lost: nothing is lost in silence.
//   - Where the text is in a file or among the arguments, a run has come whole. Where it is in
//     neither, no text has come, and a script without one said why.
//
// The first two hold of every run. The third cannot: a process is looked at a moment
// after it has started, and on a slow or busy machine it may be gone by then. That is
// what is counted, and it may happen to all runs of a round. But a way to watch that
// is blind to a mode never sees a run of it. So a mode fails only after [rounds]
// rounds of which nothing came; the later ones leave the machine to one run at a time.
func TestWhatIsSeenWithoutBPF(t *testing.T) {
	for name, config := range ways {
		t.Run(name, func(t *testing.T) { testModes(t, config) })
	}
}

// TestEachWayToWatchSeesScripts is the short form of it, for slow machines: the
// modes that matter most, a few times.
func TestEachWayToWatchSeesScripts(t *testing.T) {
	for name, config := range ways {
		t.Run(name, func(t *testing.T) {
			x := newTrial(t, config)
			for _, mode := range x.bench.Modes(true) {
				if !slices.Contains([]string{"-c", "file that deletes itself", "standard input from a file", "-m module"}, mode.Name) {
					continue
				}
				// What deletes itself is often gone before a slow machine has looked, if only its opening was told of.
				enough := func(o outcome) bool {
					return o.whole > 0 || config.NoConnector && mode.Name == "file that deletes itself"
				}
				if o := x.run(t, mode, 4, enough); !enough(o) {
					t.Errorf("%s: none of %d runs came whole", mode.Name, o.runs)
				}
			}
			t.Logf("lost on the whole machine: %v", x.sensor.Stats().Lost)
		})
	}
}

func testModes(t *testing.T, config fallback.Config) {
	x := newTrial(t, config)
	n := runs()
	one := config.NoConnector || config.NoFiles
	if one {
		n = max(n/3, 2) // they are rare, and lose more
	}
	var table strings.Builder
	for _, mode := range x.bench.Modes(true) {
		if slices.Contains(embedded, mode.Name) && one {
			continue // what they open first is not seen, or nothing
		}
		if slices.Contains(bundled, mode.Name) {
			continue
		}
		if err := x.bench.Prepare(mode); err != nil {
			fmt.Fprintf(&table, "%-50s not here: %s\n", mode.Name, strings.SplitN(err.Error(), "\n", 2)[0])
			continue
		}
		t.Run(mode.Name, func(t *testing.T) {
			enough, want := outcome.someWhole, "one to come whole"
			switch {
			case slices.Contains(piped, mode.Name):
				enough, want = outcome.onlyReasons, "no text, and a reason for that"
			case slices.Contains(prompted, mode.Name):
				enough = func(outcome) bool { return true }
			}
			o := x.run(t, mode, n, enough)
			fmt.Fprintf(&table, "%-50s %5d %5d %5d\n", mode.Name, o.runs, o.whole, o.counted)
			if !enough(o) {
				t.Errorf("of %d runs want %s, got %d whole and %d reasons", o.runs, want, o.whole, o.reasoned)
			}
		})
	}
	t.Logf("\n%-50s %5s %5s %5s\n%s", "mode", "runs", "whole", "losses counted meanwhile", table.String())
	t.Logf("lost on the whole machine: %v", x.sensor.Stats().Lost)
}

// trial is a sensor, and a bench whose runs it is to see.
type trial struct {
	sensor    *fallback.Sensor
	bench     *generate.Bench
	harvest   *harvest
	noImports bool // they are not seen
}

func newTrial(t *testing.T, config fallback.Config) *trial {
	t.Helper()
	pythons := generate.Pythons()
	if len(pythons) == 0 {
		t.Skip("python3 is missing: apt-get install python3")
	}
	h := newHarvest()
	x := &trial{sensor: watch(t, config, h.see), bench: generate.NewBench(pythons[0], t.TempDir()), harvest: h, noImports: config.NoFiles}
	t.Cleanup(func() {
		if err := x.bench.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// lost returns how much was lost so far: what was counted, and scripts that cannot
// be told to be of a run.
func (x *trial) lost() (n uint64) {
	x.harvest.mu.Lock()
	defer x.harvest.mu.Unlock()
	n = x.harvest.unnamed
	for _, lost := range x.sensor.Stats().Lost {
		n += lost
	}
	return n
}

// outcome is what came of some runs of a mode.
type outcome struct {
	runs     int
	whole    int      // of the runs
	reasoned int      // how often it was said why a text is missing
	wrong    []string // what else came
	counted  uint64   // losses on the whole machine meanwhile
}

func (o outcome) someWhole() bool   { return o.whole > 0 }
func (o outcome) onlyReasons() bool { return o.whole == 0 && o.reasoned > 0 }

// run makes n runs of a mode, and as many again while what came is not enough, up
// to [rounds] times. What is wrong, or missing and not counted, fails in every
// round. It returns what came of all together.
func (x *trial) run(t *testing.T, mode generate.Mode, n int, enough func(outcome) bool) (sum outcome) {
	t.Helper()
	atOnce := runtime.NumCPU()
	for round := range rounds {
		if round > 0 {
			t.Logf("%s: round %d, since of %d runs %d came whole", mode.Name, round+1, sum.runs, sum.whole)
			atOnce = 1
		}
		before := x.lost()
		o := x.settle(before, runMode(t, x.bench, mode, x.harvest, round*n, n, atOnce))
		for _, w := range o.wrong {
			t.Error(w)
		}
		if missing := o.runs - o.whole; uint64(missing) > o.counted {
			t.Errorf("%s: of %d runs something is missing, and only %d losses are counted", mode.Name, missing, o.counted)
		}
		sum.runs, sum.whole, sum.reasoned, sum.counted = sum.runs+o.runs, sum.whole+o.whole, sum.reasoned+o.reasoned, sum.counted+o.counted
		if enough(sum) {
			break
		}
	}
	return sum
}

// settle waits until each run came whole or was counted since before, for a while:
// what nobody knows the binary of is counted after some seconds, and a slow machine
// tells late.
func (x *trial) settle(before uint64, all []*generate.Run) outcome {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		o := outcome{runs: len(all)}
		for _, r := range all {
			complete, others := check(r.Want, x.harvest.of(r), x.noImports)
			for _, w := range others {
				if strings.HasSuffix(w, withoutText) {
					o.reasoned++
				} else {
					o.wrong = append(o.wrong, r.Tag+": "+w)
				}
			}
			if complete {
				o.whole++
			}
		}
		o.counted = x.lost() - before
		if o.counted >= uint64(o.runs-o.whole) || time.Now().After(deadline) {
			return o
		}
	}
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

// runMode makes n runs of a mode, some at once, waits until what came of them is
// there, and returns them. They have the numbers from first on, so that each has a text and
// a tag of its own.
func runMode(t *testing.T, bench *generate.Bench, mode generate.Mode, h *harvest, first, n, atOnce int) (all []*generate.Run) {
	t.Helper()
	var mu sync.Mutex
	generate.Spread(atOnce, n, func(i int) {
		i += first
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
