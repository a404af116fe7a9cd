package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kingsnake/capture/sensor/sensortest"
)

// BenchmarkHold runs honest scripts in pairs, one where programs are held until
// they are judged and one where they are not, under the same sensor and in
// changing order. No script is run twice, so that none is known. Reported are
// milliseconds from start to end: the medians of both, the median of what the
// hold adds to a pair, and by how much the 99th percentiles differ.
//
//	sudo -E go test ./cmd/kingsnake -run '^$' -bench Hold -benchtime 1000x
func BenchmarkHold(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root: sudo -E go test ./cmd/kingsnake -run '^$' -bench Hold")
	}
	inside, outside := sensortest.NewCell(b), sensortest.NewCell(b)
	startHolding(b, inside)
	dir := b.TempDir()
	run := func(c *sensortest.Cell, text string, i int) time.Duration {
		path := filepath.Join(dir, fmt.Sprintf("%d.py", i))
		if err := os.WriteFile(path, fmt.Appendf([]byte(text), "\n# %s %d\n", c.ID, i), 0o600); err != nil {
			b.Fatal(err)
		}
		cmd := exec.Command("/usr/bin/python3", "-I", path)
		cmd.SysProcAttr = c.Attr()
		start := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		return time.Since(start)
	}
	for i := range 10 { // the sensor gets to know the interpreter and both cells
		run(inside, "pass", -i)
		run(outside, "pass", -i)
	}
	for _, kib := range []int{1, 4, 16} {
		text := honestScript(kib << 10)
		b.Run(fmt.Sprintf("%dKiB", kib), func(b *testing.B) {
			var held, free, added []time.Duration
			for i := range b.N {
				pair := map[*sensortest.Cell]time.Duration{}
				order := []*sensortest.Cell{inside, outside}
				rand.Shuffle(2, func(i, j int) { order[i], order[j] = order[j], order[i] })
				for _, c := range order {
					pair[c] = run(c, text, i)
				}
				held, free = append(held, pair[inside]), append(free, pair[outside])
				added = append(added, pair[inside]-pair[outside])
			}
			b.ReportMetric(percentile(held, 50), "held-ms")
			b.ReportMetric(percentile(free, 50), "free-ms")
			b.ReportMetric(percentile(added, 50), "added-ms")
			b.ReportMetric(percentile(held, 99)-percentile(free, 99), "added-p99-ms")
		})
	}
}

// percentile returns the p-th percentile in milliseconds.
func percentile(of []time.Duration, p int) float64 {
	of = slices.Sorted(slices.Values(of))
	return float64(of[(len(of)-1)*p/100]) / float64(time.Millisecond)
}

// honestScript returns an ordinary program of about n bytes, of functions that
// are defined and hardly called.
func honestScript(n int) string {
	var s strings.Builder
	s.WriteString("import json\nimport os\nimport sys\n\n")
	for i := 0; s.Len() < n-300; i++ {
		fmt.Fprintf(&s, `
def read_part_%d(path, default=None):
    """Return the settings in one part of the configuration."""
    if not os.path.exists(path):
        return default
    with open(path, encoding="utf-8") as f:
        settings = json.load(f)
    return {key: value for key, value in settings.items() if key.startswith("part%d")}

`, i, i)
	}
	s.WriteString("\nif __name__ == \"__main__\":\n    print(len(sys.argv))\n")
	return s.String()
}
