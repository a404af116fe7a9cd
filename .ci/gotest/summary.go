package main

import (
	"fmt"
	"io"
	"path"
	"sort"
	"strings"
	"time"
)

// slow is how long a test may take before the summary names it.
const slow = 60 * time.Second

// summary counts test events and writes what a reader wants to see as it
// happens: one line a package, and the whole output of what failed.
type summary struct {
	w                      io.Writer
	passed, failed         int
	skips                  []skip
	slow                   []string
	failedTests            []string
	failedPackages         []string
	output                 map[[2]string]*strings.Builder // by package and test
	packagesOK, packagesNo int
}

// skip is one skipped test.
type skip struct{ pkg, test, reason string }

func newSummary(w io.Writer) *summary {
	return &summary{w: w, output: map[[2]string]*strings.Builder{}}
}

// read takes the whole output of one go test -json.
func (s *summary) read(r io.Reader) error {
	return readLines(r, func(line []byte) { s.add(decode(line)) })
}

func (s *summary) add(e event) {
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "output":
		if e.Package == "" {
			fmt.Fprint(s.w, e.Output)
			return
		}
		b := s.output[key]
		if b == nil {
			b = &strings.Builder{}
			s.output[key] = b
		}
		b.WriteString(e.Output)
		return
	case "build-output":
		fmt.Fprint(s.w, e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	if e.Test == "" {
		s.endPackage(e)
	} else {
		s.endTest(e)
	}
	delete(s.output, key)
}

func (s *summary) text(pkg, test string) string {
	if b := s.output[[2]string{pkg, test}]; b != nil {
		return b.String()
	}
	return ""
}

func (s *summary) endTest(e event) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "pass":
		s.passed++
	case "skip":
		if isFuzzInput(e.Test) {
			break // the input is outside the property, which is no test left out
		}
		s.skips = append(s.skips, skip{e.Package, e.Test, skipReason(s.text(e.Package, e.Test))})
	case "fail":
		s.failed++
		s.failedTests = append(s.failedTests, name)
		fmt.Fprint(s.w, s.text(e.Package, e.Test))
	}
	if d := time.Duration(e.Elapsed * float64(time.Second)); d > slow {
		s.slow = append(s.slow, fmt.Sprintf("%s took %s", name, d.Round(time.Second)))
	}
}

func (s *summary) endPackage(e event) {
	switch {
	case e.Action == "fail":
		s.packagesNo++
		s.failedPackages = append(s.failedPackages, e.Package)
		for line := range strings.Lines(s.text(e.Package, "")) {
			if !strings.HasPrefix(line, "FAIL") {
				fmt.Fprint(s.w, line)
			}
		}
		fmt.Fprintf(s.w, "FAIL\t%s\t%.1fs\n", e.Package, e.Elapsed)
	case e.Action == "pass" && !strings.Contains(s.text(e.Package, ""), "[no test files]"):
		s.packagesOK++
		fmt.Fprintf(s.w, "ok  \t%s\t%.1fs\n", e.Package, e.Elapsed)
	}
	// A test that was running when its package died has no end of its own.
	var open []string
	for key := range s.output {
		if key[0] == e.Package && key[1] != "" {
			if e.Action == "fail" {
				open = append(open, s.output[key].String())
			}
			delete(s.output, key)
		}
	}
	sort.Strings(open)
	for _, text := range open {
		fmt.Fprint(s.w, text)
	}
}

// isFuzzInput reports whether a test is one input of a fuzz target.
func isFuzzInput(test string) bool {
	return strings.HasPrefix(test, "Fuzz") && strings.Contains(test, "/")
}

// skipReason takes the sentence given to t.Skip out of a test's output.
func skipReason(output string) string {
	var reason string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if file, rest, ok := strings.Cut(line, ": "); ok && strings.Contains(file, ".go:") {
			line = rest
		}
		reason = line
	}
	return reason
}

// report writes the closing summary and reports whether the run is good.
func (s *summary) report(allowed []allow, strict bool) bool {
	good := s.failed == 0 && len(s.failedPackages) == 0
	fmt.Fprintln(s.w)
	for _, line := range s.slow {
		fmt.Fprintf(s.w, "slow: %s\n", line)
	}
	for _, sk := range s.skips {
		word := "skipped"
		if reason := allowReason(sk, allowed); reason != "" {
			word = "skipped, as allowed"
		} else if strict {
			word = "skipped, NOT ALLOWED"
			good = false
		}
		fmt.Fprintf(s.w, "%s: %s %s: %s\n", word, sk.pkg, sk.test, sk.reason)
	}
	for _, name := range s.failedTests {
		fmt.Fprintf(s.w, "failed: %s\n", name)
	}
	for _, name := range s.failedPackages {
		fmt.Fprintf(s.w, "failed package: %s\n", name)
	}
	fmt.Fprintf(s.w, "%d packages ok, %d not\n", s.packagesOK, s.packagesNo)
	fmt.Fprintf(s.w, "%d passed, %d failed, %d skipped\n", s.passed, s.failed, len(s.skips))
	return good
}

// allowReason returns why a skip is allowed, or "".
func allowReason(s skip, allowed []allow) string {
	for _, a := range allowed {
		if matches(a.pkg, s.pkg) {
			if ok, _ := path.Match(a.test, s.test); ok || a.test == s.test || strings.HasPrefix(s.test, a.test+"/") {
				return a.reason
			}
		}
	}
	return ""
}
