//go:build amd64 || arm64

package sensor

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// purePython does what programs spend their time with, and compiles nothing.
const purePython = `
import json, re
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
words = re.compile(r"(\w+)@(\w+)\.com")
text = " ".join("user%d@host%d.com some words between" % (i, i) for i in range(300))
record = {"name": "x", "list": list(range(100)), "deep": {str(i): [i] * 5 for i in range(40)}}
class Point:
    def __init__(self, x, y): self.x, self.y = x, y
    def plus(self, o): return Point(self.x + o.x, self.y + o.y)
for _ in range(20):
    fib(19)
    for _ in range(20):
        words.findall(text)
        json.loads(json.dumps(record))
    p = Point(0, 0)
    for i in range(20000):
        p = p.plus(Point(i, 1))
    sorted((i * 7919) % 10007 for i in range(20000))
    for i in range(20000):
        id(i), isinstance(i, int), "%d-%s" % (i, "x")
`

// BenchmarkPurePythonWithUserProbes measures what probes on an interpreter cost
// a program that compiles nothing, and one that only starts: pairs of runs, with
// and without, in turn, and the ratio of their processor time. It reports the
// median of the ratios and the interval that holds it with 95 %.
//
//	go test ./capture/sensor -run '^$' -bench UserProbes -benchtime 60x
func BenchmarkPurePythonWithUserProbes(b *testing.B) {
	for name, script := range map[string]string{"program": purePython, "start": "pass"} {
		b.Run(name, func(b *testing.B) { comparePairs(b, script) })
	}
}

func comparePairs(b *testing.B, script string) {
	if os.Getuid() != 0 {
		b.Skip("needs root: sudo go test ./capture/sensor -run '^$' -bench UserProbes -benchtime 60x")
	}
	k, err := openKernel(Config{})
	if err != nil {
		err = explain(err)
	}
	if errors.Is(err, ErrNotSupported) {
		b.Skipf("needs a kernel that can: kingsnake doctor says why (%v)", err)
	} else if err != nil {
		b.Fatal(err)
	}
	defer k.Close()
	var ratios []float64
	run := func() time.Duration {
		cmd := exec.Command("/usr/bin/python3", "-S", "-c", script)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	run()
	for i := range b.N {
		var with, without time.Duration
		probed := func() {
			h := newHooks(k, func(string) {})
			h.scanOwnRoot()
			defer h.Close()
			with = run()
		}
		if i%2 == 0 {
			probed()
			without = run()
		} else {
			without = run()
			probed()
		}
		ratios = append(ratios, float64(with)/float64(without))
	}
	slices.Sort(ratios)
	n := len(ratios)
	// The order statistics about the median, by the normal approximation.
	off := int(0.98 * math.Sqrt(float64(n)))
	b.ReportMetric(ratios[n/2], "median-ratio")
	b.ReportMetric(ratios[max(0, n/2-off)], "low-ratio")
	b.ReportMetric(ratios[min(n-1, n/2+off)], "high-ratio")
}
