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
