package proc

import (
	"testing"
	"time"
)

func TestAClockThatIsSetKeepsWhatItTold(t *testing.T) {
	at := func(s string) time.Time {
		t, err := time.Parse(time.DateTime, s)
		if err != nil {
			panic(err)
		}
		return t
	}
	second := uint64(time.Second)
	c := new(Clock)
	c.check(at("2000-01-01 00:00:10"), 10*second) // wrong, as without a battery
	before := c.Wall(5 * second)
	c.check(at("2000-01-01 00:00:20").Add(clockSlack/2), 20*second) // slewed
	c.check(at("2026-05-01 12:00:30"), 30*second)                   // corrected
	c.check(at("2026-05-01 11:00:40"), 40*second)                   // set back

	for _, tt := range []struct {
		name string
		ns   uint64
		want string
	}{
		{"before it was set", 5 * second, "2000-01-01 00:00:05"},
		{"slewing is no new time", 25 * second, "2000-01-01 00:00:25"},
		{"after it was corrected", 31 * second, "2026-05-01 12:00:31"}, // which is still to come again
		{"after it was set back", 41 * second, "2026-05-01 11:00:41"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wall := c.Wall(tt.ns)
			if !wall.Equal(at(tt.want)) {
				t.Errorf("want %s, got %s", tt.want, wall)
			}
			if got := c.nanos(wall, 50*second); got != tt.ns {
				t.Errorf("want back %v, got %v", time.Duration(tt.ns), time.Duration(got))
			}
		})
	}
	if !before.Equal(c.Wall(5 * second)) {
		t.Errorf("what was told as %s is %s now", before, c.Wall(5*second))
	}
}

// TestWhatIsOlderIsToldOfAClockThatIsSet asks what bears a time from before a moment.
func TestWhatIsOlderIsToldOfAClockThatIsSet(t *testing.T) {
	const day = 24 * time.Hour
	start := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC) // by the first wall clock
	ns := func(d time.Duration) uint64 { return uint64(d) }
	forward, back := new(Clock), new(Clock)
	for _, c := range []*Clock{forward, back} {
		c.check(start.Add(10*time.Second), ns(10*time.Second))
		c.check(start.Add(20*time.Second), ns(20*time.Second))
	}
	forward.check(start.Add(30*time.Second+day), ns(30*time.Second)) // set after 20 seconds
	back.check(start.Add(30*time.Second-day), ns(30*time.Second))
	for _, tt := range []struct {
		name  string
		clock *Clock
		since time.Duration // after boot
		want  time.Time
	}{
		{"nobody set it since", forward, 40 * time.Second, start.Add(40*time.Second + day)},
		{"it was set forward since", forward, 5 * time.Second, start.Add(5 * time.Second)},
		{"it was set back since", back, 5 * time.Second, start.Add(20*time.Second - day)}, // perhaps right after the look before
		{"it was set back just before", back, 25 * time.Second, start.Add(25*time.Second - day)},
		{"it was set back before", back, 40 * time.Second, start.Add(40*time.Second - day)},
		{"since boot", back, 0, start.Add(20*time.Second - day)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.clock.Earliest(ns(tt.since))
			if d := tt.want.Sub(got); d < 0 || d > time.Second {
				t.Errorf("want a moment before %s, got %s", tt.want, got)
			}
		})
	}
}

func TestAClockThatIsSetAgainAndAgainIsBounded(t *testing.T) {
	c := new(Clock)
	for i := range 10 * maxEras {
		c.check(time.Unix(int64(3600*i), 0), uint64(i)*uint64(time.Second))
	}
	if len(c.eras) != maxEras {
		t.Errorf("want %d eras, got %d", maxEras, len(c.eras))
	}
	last := uint64(10*maxEras-1) * uint64(time.Second)
	if want, got := time.Unix(3600*(10*maxEras-1), 0), c.Wall(last); !got.Equal(want) {
		t.Errorf("want %s, got %s", want, got)
	}
}
