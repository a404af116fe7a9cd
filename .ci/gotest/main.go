// Command gotest runs the tests of every package of kingsnake and says at the
// end, in one line, how many passed, failed and were skipped.
//
// It is a thin reader of "go test -json". Packages run with the race detector
// and side by side unless .ci/packages says otherwise. Every skipped test is
// listed with its reason; with -strict a skip that .ci/skips-allowed does not
// list fails the run, so that a test can not stop running unnoticed.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

func main() {
	strict := flag.Bool("strict", false, "fail on a skipped test that .ci/skips-allowed does not list")
	only := flag.String("only", "", "run only the packages .ci/packages marks with this word")
	flag.Parse()
	ok, err := run(*strict, *only)
	if err != nil {
		fmt.Fprintf(os.Stderr, "gotest: %v\n", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// run tests the module in the current folder and reports whether all is well.
func run(strict bool, only string) (bool, error) {
	marks, err := readMarks(".ci/packages")
	if err != nil {
		return false, err
	}
	allowed, err := readAllowed(".ci/skips-allowed")
	if err != nil {
		return false, err
	}
	list := exec.Command("go", "list", "-e", "./...") // what does not build fails below, with its reason
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return false, fmt.Errorf("go list: %v", err)
	}
	plan := makePlan(strings.Fields(string(out)), marks, only, raceWorks())
	sum := newSummary(os.Stdout)
	broken := false
	for _, g := range plan {
		if err := g.test(sum); err != nil {
			fmt.Printf("gotest: %v\n", err)
			broken = true
		}
	}
	return sum.report(allowed, strict) && !broken, nil
}

// raceWorks reports whether this machine can build with the race detector.
func raceWorks() bool {
	out, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		return false
	}
	cc := strings.Fields(string(out))
	if len(cc) == 0 {
		return false
	}
	if _, err := exec.LookPath(cc[0]); err != nil {
		fmt.Println("no C compiler: the race detector is off")
		return false
	}
	return true
}

// group is one call of go test.
type group struct {
	packages []string
	race     bool
	alone    bool
}

// makePlan sorts packages into groups: those that share the machine first, with
// and without the race detector, then those that want it to themselves.
func makePlan(packages []string, marks []mark, only string, race bool) []group {
	var plan []group
	for _, alone := range []bool{false, true} {
		for _, r := range []bool{true, false} {
			g := group{race: r, alone: alone}
			for _, p := range packages {
				m := markOf(p, marks)
				if only != "" && !m[only] {
					continue
				}
				if m["alone"] == alone && (race && !m["norace"]) == r {
					g.packages = append(g.packages, p)
				}
			}
			if len(g.packages) > 0 {
				plan = append(plan, g)
			}
		}
	}
	return plan
}

// test runs one group and adds its events to sum. An error means that go test
// itself could not be run; failed tests are in sum.
func (g group) test(sum *summary) error {
	args := []string{"test", "-json", "-count=1", "-timeout=30m"}
	title := fmt.Sprintf("%d packages", len(g.packages))
	if g.race {
		args = append(args, "-race")
		title += ", race detector"
	}
	if g.alone {
		args = append(args, "-p=1")
		title += ", one at a time"
	}
	start := time.Now()
	fmt.Printf("== %s\n", title)
	cmd := exec.Command("go", append(args, g.packages...)...)
	if g.race {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := sum.read(out); err != nil {
		return err
	}
	err = cmd.Wait()
	fmt.Printf("== %s: %s\n", title, time.Since(start).Round(time.Second))
	if err != nil && sum.failed == 0 && len(sum.failedPackages) == 0 {
		return fmt.Errorf("go test: %v, yet no test is reported as failed", err)
	}
	return nil
}

// event is one line of go test -json; see "go doc cmd/test2json".
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64
	Output  string
}

// readLines calls f with every line of r, however long.
func readLines(r io.Reader, f func([]byte)) error {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadBytes('\n')
		if len(line) > 0 {
			f(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// decode reads one line of go test -json. A line that is not JSON, which the
// linker or a crashing test may write, comes back as output.
func decode(line []byte) event {
	var e event
	if !bytes.HasPrefix(line, []byte("{")) || json.Unmarshal(line, &e) != nil {
		return event{Action: "output", Output: string(line)}
	}
	return e
}
