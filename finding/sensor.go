package finding

import (
	"strings"
	"time"
)

// SensorStatus is a sensor's heartbeat: what it saw and lost since it started.
type SensorStatus struct {
	Name    string    `json:"name"` // unique among sensors: the node's name
	Version string    `json:"version"`
	Model   string    `json:"model"` // hash of the model in use
	Started time.Time `json:"started"`
	Time    time.Time `json:"time"` // of this heartbeat

	// Beat numbers the heartbeats since Started, from 1. Uptime is how long the
	// sensor runs, by a clock that nobody sets. Order and rates rest on these
	// two: the node's clock may jump. Older sensors send neither.
	Beat   uint64        `json:"beat,omitempty"`
	Uptime time.Duration `json:"uptime,omitempty"`

	// Stopped says that this is the last heartbeat: the sensor was told to stop.
	Stopped bool `json:"stopped,omitempty"`

	// In plain words.
	ModelFrom    string `json:"model_from,omitempty"`    // where the model came from
	ModelProblem string `json:"model_problem,omitempty"` // why another one, that was to be used, is not
	Shadow       string `json:"shadow,omitempty"`        // which model judges beside it, and what it says otherwise

	Watching string `json:"watching"`           // in plain words what is watched
	Degraded string `json:"degraded,omitempty"` // in plain words what is not, and why

	Seen      uint64 `json:"seen,omitempty"` // scripts captured
	Scripts   uint64 `json:"scripts"`        // judged
	Findings  uint64 `json:"findings"`
	Lost      Losses `json:"lost,omitempty"`
	QueuedOut int    `json:"queued_out"` // findings not yet accepted by the server
}

// Running is how long the sensor had been running when it sent s.
func (s SensorStatus) Running() time.Duration {
	if s.Uptime > 0 {
		return s.Uptime
	}
	return max(0, s.Time.Sub(s.Started))
}

// Sensor is what a server knows of a sensor: its last heartbeat, and what it
// had counted before.
type Sensor struct {
	SensorStatus

	// Heard is when the server took the last heartbeat, by the server's clock.
	Heard time.Time `json:"heard,omitzero"`

	// Past is what the sensor had counted at some earlier heartbeats of the same
	// run, oldest first. See Recent.
	Past []Sample `json:"past,omitempty"`

	// Before is the run that was heard before this one, and Turns grows while
	// both are heard by turns: then two sensors have one name. See Hear.
	Before Run `json:"before,omitzero"`
	Turns  int `json:"turns,omitempty"`

	// Away is when it did not run last, before its present run began.
	Away Absence `json:"away,omitzero"`
}

// Run is one run of a sensor, and its last heartbeat.
type Run struct {
	Started time.Time `json:"started"`
	Beat    uint64    `json:"beat"`
}

// Absence is a time without a sensor, by the server's clock: from the last
// heartbeat that came until the next run began.
type Absence struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Stopped bool      `json:"stopped,omitempty"` // the sensor had said that it stops
}

// Sample is what a sensor had counted when it had been running for Uptime.
type Sample struct {
	Uptime   time.Duration `json:"uptime"`
	Seen     uint64        `json:"seen,omitempty"`
	Scripts  uint64        `json:"scripts,omitempty"`
	Findings uint64        `json:"findings,omitempty"`
	Lost     Losses        `json:"lost,omitempty"`
}

// Bounds on Sensor.Past.
const (
	SampleEvery = time.Minute
	SampleSpan  = 6 * time.Minute // that Past reaches back
	maxSamples  = 2 * int(SampleSpan/SampleEvery)
	twinTurns   = 3   // turns that are no restart whose last heartbeat came late
	maxSampled  = 64  // losses in a sample, the largest
	maxReason   = 200 // bytes of one in it; no sensor of ours has longer ones
)

// Sample returns what s has counted.
func (s SensorStatus) Sample() Sample {
	lost := Losses{}
	for _, why := range s.Lost.Sorted() {
		if len(lost) < maxSampled && len(why.Stage)+len(why.Reason) <= maxReason {
			lost[why] = s.Lost[why]
		}
	}
	return Sample{Uptime: s.Running(), Seen: s.Seen, Scripts: s.Scripts, Findings: s.Findings, Lost: lost}
}

// Hear returns what is known of a sensor after its heartbeat s was taken at
// that moment. It reports false for a heartbeat that overtook a later one:
// nothing is to be changed then.
//
// Which is later is told by their numbers, so that a clock may be set. A sensor
// that started anew is believed whatever its clock says. When a run goes on
// after another of the same name began, and that one too, again and again, two
// sensors have one name: Degraded says so until one of them is silent.
func (k Sensor) Hear(s SensorStatus, at time.Time) (Sensor, bool) {
	out := Sensor{SensorStatus: s, Heard: at, Away: k.Away}
	sameRun := k.Name != "" && k.Started.Equal(s.Started)
	switch {
	case k.Name == "":
	case sameRun && s.Beat < k.Beat, (sameRun || s.Beat == 0) && s.Beat == k.Beat && s.Time.Before(k.Time):
		return k, false
	case sameRun:
		out.Past, out.Before, out.Turns = k.Past, k.Before, max(0, k.Turns-1)
	default:
		if began := at.Add(-s.Running()); !k.Heard.IsZero() && began.After(k.Heard) {
			out.Away = Absence{From: k.Heard, To: began, Stopped: k.Stopped}
		}
		out.Before = Run{k.Started, k.Beat}
		if k.Before.Started.Equal(s.Started) && s.Beat > k.Before.Beat {
			out.Turns = min(k.Turns+1, 2*twinTurns)
		}
	}
	if out.Turns >= twinTurns {
		out.Degraded = strings.TrimPrefix(out.Degraded+"; two sensors have this name: give one of them another with --node", "; ")
	}
	now := s.Sample()
	if n := len(out.Past); n > 0 && out.Past[n-1].Uptime > now.Uptime {
		out.Past = nil // it counts anew
	}
	if n := len(out.Past); n == 0 || now.Uptime-out.Past[n-1].Uptime >= SampleEvery {
		out.Past = append(out.Past[:n:n], now)
	}
	for len(out.Past) > maxSamples || len(out.Past) > 1 && now.Uptime-out.Past[1].Uptime >= SampleSpan {
		out.Past = out.Past[1:]
	}
	return out, true
}

// Recent returns what the sensor counted in its last span, and in how long: a
// sensor that is known for a shorter time, or runs for a shorter time, has that.
// Times are the sensor's own, by a clock nobody sets.
func (k Sensor) Recent(span time.Duration) (Sample, time.Duration) {
	now := k.SensorStatus.Sample()
	var base Sample
	if now.Uptime > span && len(k.Past) > 0 {
		base = k.Past[0]
		for _, s := range k.Past {
			if now.Uptime-s.Uptime >= span {
				base = s
			}
		}
	} else if now.Uptime > span {
		return Sample{}, 0
	}
	return Sample{
		Uptime: now.Uptime - base.Uptime, Seen: more(now.Seen, base.Seen), Scripts: more(now.Scripts, base.Scripts),
		Findings: more(now.Findings, base.Findings), Lost: now.Lost.Since(base.Lost),
	}, now.Uptime - base.Uptime
}

func more(now, before uint64) uint64 { return now - min(now, before) }
