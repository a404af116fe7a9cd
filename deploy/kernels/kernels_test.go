package kernels

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	only = flag.String("tests", "", "run the tests in the machines that match, in every layout of cgroups")
	long = flag.Bool("long", false, "run all tests, for up to an hour; else those that show that every program loads, attaches and tells what it should")
)

// suites are the packages whose tests run in a machine.
var suites = []string{"capture/sensor", "capture/fallback"}

// matrix is what runs where. Cgroups of version 1 are what 5.10 is found with.
var matrix = []struct {
	series string
	suite  string // Debian's
	passes []string
}{
	{"5.10", "bullseye", []string{"v1", "v2"}},
	{"6.1", "bookworm", []string{"v2", "v1"}},
	{"6.12", "trixie", []string{"v2"}},
}

// inGate are the tests that run where nobody asks for more: every program is
// loaded and attached, and each ring and map used.
const inGate = "^(TestCheckSaysWhatToDoAboutEachThingThatIsMissing|TestAShellOnAConnectionIsTold|TestOtherStandardInputsAreNotTold|TestTheCgroupOfTheProcessIsTold|TestTimesAreRightAfterTheClockWasSet|TestEachWayToWatchSeesScripts|TestNoticesThatDoNotFitAreCounted)$"

// tooMuch are the tests that need more speed than a processor in software has:
// they lose data, as they should, when the reader is much slower than the writer.
const tooMuch = "^(TestATextThatIsTooLongIsCutAndSaysSo|TestManyAtOnceAreAllCapturedExactly|TestLongScriptsDoNotPushOutShortOnes)$"

// TestKernels runs the suites on every kernel, one machine at a time. Each test
// in a machine is a test here.
func TestKernels(t *testing.T) {
	if os.Getenv("KINGSNAKE_E2E") != "1" {
		t.Skip("starts virtual machines for minutes: make kernels, or KINGSNAKE_E2E=1 go test ./deploy/kernels")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("needs qemu: apt-get install --no-install-recommends qemu-system-x86")
	}
	root := buildRoot(t)
	for _, m := range matrix {
		t.Run(m.series, func(t *testing.T) {
			start := time.Now()
			k, err := Fetch(t.Context(), filepath.Join(cacheDir(), "kernels"), m.suite)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(k.Release, m.series+".") {
				t.Fatalf("want %s, Debian's %s has %s", m.series, m.suite, k.Release)
			}
			fetched := time.Since(start)
			limit := 20 * time.Minute
			if *long {
				limit = time.Hour
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			machine, err := Run(ctx, k, root, plan(m.passes))
			keep(t, m.series, machine)
			if err != nil {
				t.Errorf("%v\nthe kernel's last words:\n%s", err, tail(machine.Console))
			}
			t.Logf("%s: %s, of it %s to fetch", k.Release, time.Since(start).Round(time.Second), fetched.Round(time.Second))
			results, err := Results(t.Context(), machine.Output)
			if err != nil {
				t.Errorf("%v\nthe kernel's last words:\n%s", err, tail(machine.Console))
			}
			for _, r := range results {
				t.Run(fmt.Sprintf("%s/%s", r.Layout, r.Test), func(t *testing.T) { report(t, r) })
			}
		})
	}
}

// plan returns the passes of a machine: in the gate everything in the first
// layout, and what depends on the layout in the others.
func plan(layouts []string) []Pass {
	var passes []Pass
	for i, layout := range layouts {
		run := inGate
		switch {
		case *only != "":
			run = *only
		case *long:
			run = "^Test"
		case i > 0:
			run = "Cgroup"
		}
		for _, folder := range suites {
			p := Pass{Layout: layout, Folder: folder, Arguments: []string{"-test.run=" + run}}
			p.Arguments = append(p.Arguments, "-test.short", "-test.skip="+tooMuch)
			passes = append(passes, p)
		}
	}
	return passes
}

// report makes a result in a machine one of the test t.
func report(t *testing.T, r Result) {
	switch r.Action {
	case "pass":
	case "skip":
		t.Skip(strings.TrimSpace(r.Output))
	case "":
		t.Errorf("did not end\n%s", r.Output)
	default:
		t.Error(r.Output)
	}
}

// buildRoot builds the suites and the file system of all machines, and returns
// its path.
func buildRoot(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var built []Suite
	for _, folder := range suites {
		s := Suite{Binary: filepath.Join(dir, strings.ReplaceAll(folder, "/", "-")), Folder: folder}
		cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-trimpath", "-ldflags=-s -w", "-o", s.Binary, "./"+folder)
		cmd.Dir = repository
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build the tests of %s: %v\n%s", folder, err, out)
		}
		built = append(built, s)
	}
	path := filepath.Join(dir, "root")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := writeRoot(t.Context(), f, repository, built); err != nil {
		t.Fatal(err)
	}
	size, err := f.Seek(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the machines' file system has %d MB", size>>20)
	return path
}

func cacheDir() string {
	if dir := os.Getenv("KINGSNAKE_CACHE"); dir != "" {
		return dir
	}
	return "/var/tmp/kingsnake"
}

// keep writes down what a machine said, where a person may look.
func keep(t *testing.T, series string, m Machine) {
	dir := filepath.Join(cacheDir(), "kernels", "last")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"console": m.Console, "output": m.Output} {
		if err := os.WriteFile(filepath.Join(dir, series+"-"+name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// tail returns the last lines of what a kernel said.
func tail(console []byte) string {
	const most = 4000
	return string(console[max(0, len(console)-most):])
}
