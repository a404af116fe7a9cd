package finding_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/finding"
)

var ring = finding.Loss{Stage: finding.StageCapture, Reason: "data ring full"}

// beats returns what a server knows of a sensor after a heartbeat every ten
// seconds, that loses so much in each.
func beats(k finding.Sensor, started time.Time, lose ...uint64) finding.Sensor {
	s := finding.SensorStatus{Name: "n", Started: started}
	if k.Started.Equal(started) {
		s = k.SensorStatus
	}
	for _, n := range lose {
		s.Beat++
		s.Uptime += 10 * time.Second
		s.Seen += 100
		s.Time = started.Add(s.Uptime)
		s.Lost = finding.Losses{ring: s.Lost[ring] + n}
		var later bool
		if k, later = k.Hear(s, s.Time); !later {
			panic("a heartbeat was not taken")
		}
	}
	return k
}

func TestRecentIsWhatWasCountedInTheSpan(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	quiet, loud := make([]uint64, 60), make([]uint64, 60)
	for i := range loud {
		loud[i] = 7
	}
	late := finding.SensorStatus{Name: "n", Started: start, Beat: 900, Uptime: 9000 * time.Second, Seen: 5000, Lost: finding.Losses{ring: 40}}
	first, _ := finding.Sensor{}.Hear(late, start)
	for name, c := range map[string]struct {
		known      finding.Sensor
		seen, lost uint64
		over       time.Duration
	}{
		"a sensor that runs for less than the span": {beats(finding.Sensor{}, start, 1, 2, 3), 300, 6, 30 * time.Second},
		"losses of long ago are left out":           {beats(beats(finding.Sensor{}, start, loud...), start, quiet...), 3500, 0, 350 * time.Second},
		"losses of now are not":                     {beats(beats(finding.Sensor{}, start, quiet...), start, loud...), 3500, 245, 350 * time.Second},
		"a sensor that started anew":                {beats(beats(finding.Sensor{}, start, loud...), start.Add(-time.Hour), 1, 1), 200, 2, 20 * time.Second},
		"a sensor of which nothing was known":       {first, 0, 0, 0},
		"and was heard twice":                       {beats(first, start, 3, 3), 200, 6, 20 * time.Second},
	} {
		recent, over := c.known.Recent(5 * time.Minute)
		if recent.Seen != c.seen || recent.Lost[ring] != c.lost || over != c.over {
			t.Errorf("%s: seen %d, lost %d in %v; want %d, %d in %v", name, recent.Seen, recent.Lost[ring], over, c.seen, c.lost, c.over)
		}
	}
}

func TestHeartbeatsAreOrderedByTheirNumber(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	known := finding.Sensor{SensorStatus: finding.SensorStatus{Name: "n", Started: start, Beat: 5, Time: start.Add(time.Hour), Uptime: time.Minute}}
	for name, c := range map[string]struct {
		next finding.SensorStatus
		want bool
	}{
		"the next one":                          {finding.SensorStatus{Started: start, Beat: 6, Time: start.Add(2 * time.Hour)}, true},
		"the next one, its clock set back":      {finding.SensorStatus{Started: start, Beat: 6, Time: start.Add(-2 * time.Hour)}, true},
		"one that was overtaken":                {finding.SensorStatus{Started: start, Beat: 4, Time: start.Add(2 * time.Hour)}, false},
		"the first of a sensor started anew":    {finding.SensorStatus{Started: start.Add(time.Hour), Beat: 1}, true},
		"the same, its clock set back":          {finding.SensorStatus{Started: start.Add(-time.Hour), Beat: 1}, true},
		"an older sensor's, that has no number": {finding.SensorStatus{Started: start.Add(time.Hour), Time: start.Add(2 * time.Hour)}, true},
	} {
		c.next.Name = "n"
		got, later := known.Hear(c.next, start)
		if later != c.want || later && cmp.Diff(c.next, got.SensorStatus) != "" || !later && got.Beat != 5 {
			t.Errorf("%s: taken %t, want %t", name, later, c.want)
		}
	}
}

// FuzzHear holds what is known of a sensor to its bounds, whatever it sends.
func FuzzHear(f *testing.F) {
	f.Add(uint64(1), int64(10e9), int64(0), uint64(3), uint8(40))
	f.Add(uint64(0), int64(-1), int64(1<<62), ^uint64(0), uint8(255))
	f.Add(^uint64(0), int64(1<<62), int64(-1<<62), uint64(0), uint8(2))
	f.Fuzz(func(t *testing.T, beat uint64, uptime, clock int64, lost uint64, times uint8) {
		var k finding.Sensor
		for i := range uint64(times) {
			s := finding.SensorStatus{Name: "n", Beat: beat * i, Uptime: time.Duration(uptime) * time.Duration(i), Time: time.Unix(0, clock).Add(time.Duration(i)),
				Seen: lost * i, Lost: finding.Losses{ring: lost * i, {Reason: string(make([]byte, i*8))}: 1}}
			k, _ = k.Hear(s, time.Unix(0, clock))
			if len(k.Past) > int(2*finding.SampleSpan/finding.SampleEvery) {
				t.Fatalf("%d samples", len(k.Past))
			}
			for j := 1; j < len(k.Past); j++ {
				if k.Past[j].Uptime-k.Past[j-1].Uptime < finding.SampleEvery {
					t.Fatalf("samples at %v and %v", k.Past[j-1].Uptime, k.Past[j].Uptime)
				}
			}
			recent, over := k.Recent(5 * time.Minute)
			if over < 0 || recent.Seen > k.Seen || recent.Lost[ring] > k.Lost[ring] {
				t.Fatalf("%+v in %v of %+v", recent, over, k.SensorStatus)
			}
		}
	})
}

// TestTwoSensorsOfOneNameAreSeen has two sensors send heartbeats under one name,
// and sensors that only start anew.
func TestTwoSensorsOfOneNameAreSeen(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hear := func(runs string) finding.Sensor {
		var k finding.Sensor
		beats := map[rune]uint64{}
		for i, run := range runs {
			beats[run]++
			s := finding.SensorStatus{Name: "n", Started: start.Add(time.Duration(run) * time.Hour), Beat: beats[run], Degraded: "no names"}
			if later, ok := k.Hear(s, start.Add(time.Duration(i)*time.Second)); ok {
				k = later
			}
		}
		return k
	}
	const twins = "no names; two sensors have this name: give one of them another with --node"
	for runs, want := range map[string]string{
		"aaaa":              "no names",
		"aaaabbbb":          "no names",
		"aaabab":            "no names", // the last heartbeat of a came late
		"abcdef":            "no names", // it starts anew all the time
		"abababa":           twins,
		"aabaabbabab":       twins,
		"ababababababbbbbb": "no names", // a is gone, or has another name now
	} {
		if got := hear(runs).Degraded; got != want {
			t.Errorf("%s: %q, want %q", runs, got, want)
		}
	}
}

func TestTheTimeWithoutASensorIsKnown(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	first := finding.SensorStatus{Name: "n", Started: at(0), Beat: 3, Uptime: 30 * time.Second}
	stopped := first
	stopped.Stopped = true
	// The node's clock was set back an hour meanwhile: it does not count.
	next := finding.SensorStatus{Name: "n", Started: at(-3600), Beat: 1, Uptime: 10 * time.Second}
	for name, c := range map[string]struct {
		before finding.SensorStatus
		heard  int // when the next run was heard first
		want   finding.Absence
	}{
		"killed":               {first, 100, finding.Absence{From: at(30), To: at(90)}},
		"stopped":              {stopped, 100, finding.Absence{From: at(30), To: at(90), Stopped: true}},
		"there before it went": {first, 35, finding.Absence{}},
	} {
		k, _ := finding.Sensor{}.Hear(c.before, at(30))
		k, _ = k.Hear(next, at(c.heard))
		later := next
		later.Beat, later.Uptime = 2, 20*time.Second
		k, _ = k.Hear(later, at(c.heard+10))
		if diff := cmp.Diff(c.want, k.Away); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
