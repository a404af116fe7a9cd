package detect

import (
	"testing"
	"time"
)

// TestPace has scripts judged that take a second each, as fast as the pace lets
// them, on a clock of its own.
func TestPace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		share    float64
		least    int // of scripts in 100 seconds
		most     int
		restedAt int // the script before which nothing happens for an hour
	}{
		{"half a processor", 0.5, 50, 53, -1},
		{"two processors", 2, 98, 100, -1}, // no more than one at a time here
		{"no limit", 0, 98, 100, -1},
		{"a rest is no credit but for the burst", 0.5, 50, 56, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			now, used := time.Unix(0, 0), 7*time.Hour
			p := newPace(test.share, func() time.Duration { return used })
			p.now = func() time.Time { return now }
			p.sleep = func(d time.Duration) { now = now.Add(d) }
			judged, end := 0, now.Add(100*time.Second)
			for now.Before(end) {
				if judged == test.restedAt {
					now, end = now.Add(time.Hour), end.Add(time.Hour)
				}
				for p.wait() {
				}
				now, used = now.Add(time.Second), used+time.Second
				judged++
			}
			if judged < test.least || judged > test.most {
				t.Errorf("%d scripts were judged, want %d to %d", judged, test.least, test.most)
			}
		})
	}
}
