package proc

import (
	"runtime"
	"strings"
	"testing"

	"kingsnake/capture"
)

// What is kept of a process with long arguments does not keep all of them.
func TestWhatIsKeptOfLongArgumentsIsLight(t *testing.T) {
	const processes, long = 64, 1 << 20
	args := func() []string {
		return strings.Split("python3\x00-c\x00"+strings.Repeat("x", long), "\x00")
	}
	for name, keep := range map[string]func() []string{
		"Lighter": func() []string { return Lighter(capture.Process{Args: args()}).Args },
		"Shorten": func() []string { return Shorten(args()) },
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			var kept [][]string
			for range processes {
				kept = append(kept, keep())
			}
			if grown := heap() - before; grown > processes*long/4 {
				t.Errorf("%d processes keep %d KiB", processes, grown>>10)
			}
			if len(kept[0]) < 2 || kept[0][0] != "python3" || kept[0][1] != "-c" {
				t.Errorf("kept %.40q", kept[0])
			}
			runtime.KeepAlive(kept)
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
