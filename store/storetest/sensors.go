package storetest

import (
	"errors"
	"testing"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

func status(name string, at time.Time) finding.SensorStatus {
	return finding.SensorStatus{
		Name: name, Version: "v1", Model: "m", Started: start, Time: at, Watching: "all containers", Degraded: "no CRI", Scripts: 1 << 63,
		Findings: 2, Lost: finding.Losses{{Stage: finding.StageCapture, Reason: "ring full"}: 3}, QueuedOut: 4,
	}
}

// known is what the store tells of its sensors.
func known(t *testing.T, s store.Store) []finding.Sensor {
	t.Helper()
	all, err := s.Sensors(t.Context())
	must(t, err)
	return all
}

// heard are the latest heartbeats.
func heard(t *testing.T, s store.Store) []finding.SensorStatus {
	t.Helper()
	var out []finding.SensorStatus
	for _, k := range known(t, s) {
		out = append(out, k.SensorStatus)
	}
	return out
}

func beat(t *testing.T, s store.Store, st finding.SensorStatus) {
	t.Helper()
	must(t, s.PutSensor(t.Context(), st, st.Time))
}

var sensors = map[string]func(*testing.T, store.Store){
	"the latest heartbeat of each sensor is kept, by name": func(t *testing.T, s store.Store) {
		check(t, "none", 0, len(heard(t, s)))
		for _, st := range []finding.SensorStatus{
			status("node-b", minute(1)), status("node-a", minute(5)), status("node-a", minute(3)), status("node-b", minute(2)),
		} {
			beat(t, s, st)
		}
		check(t, "sensors", []finding.SensorStatus{status("node-a", minute(5)), status("node-b", minute(2))}, heard(t, s))
	},
	"a heartbeat of the same moment replaces": func(t *testing.T, s store.Store) {
		st := status("node-a", minute(1))
		beat(t, s, st)
		st.Scripts = 9
		beat(t, s, st)
		check(t, "sensors", []finding.SensorStatus{st}, heard(t, s))
	},
	"a heartbeat without a name is refused": func(t *testing.T, s store.Store) {
		for _, name := range []string{"", string(make([]byte, store.MaxName+1))} {
			if err := s.PutSensor(t.Context(), status(name, start), start); err == nil {
				t.Errorf("name of %d bytes: accepted", len(name))
			}
		}
	},
	"what a sensor counted before is kept, and when it was heard": func(t *testing.T, s store.Store) {
		first := status("node-a", minute(1))
		first.Beat, first.Uptime = 1, time.Minute
		second := first
		second.Beat, second.Uptime, second.Time = 2, 2*time.Minute, minute(-60) // its clock was set back
		second.Lost = finding.Losses{{Stage: finding.StageCapture, Reason: "ring full"}: 8}
		must(t, s.PutSensor(t.Context(), first, minute(1)))
		must(t, s.PutSensor(t.Context(), second, minute(2)))
		must(t, s.PutSensor(t.Context(), first, minute(3))) // overtaken
		check(t, "sensors", []finding.Sensor{{
			SensorStatus: second, Heard: minute(2), Past: []finding.Sample{first.Sample(), second.Sample()},
		}}, known(t, s))
	},
	"a sensor is forgotten": func(t *testing.T, s store.Store) {
		beat(t, s, status("node-a", minute(1)))
		beat(t, s, status("node-b", minute(1)))
		must(t, s.Forget(t.Context(), "node-a"))
		if err := s.Forget(t.Context(), "node-a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("forgotten twice: %v", err)
		}
		check(t, "sensors", []finding.SensorStatus{status("node-b", minute(1))}, heard(t, s))
	},
	"silent sensors go with age": func(t *testing.T, s store.Store) {
		beat(t, s, status("old", minute(1)))
		beat(t, s, status("new", minute(20)))
		check(t, "evicted", map[string]int64{store.SilentNode: 1}, evict(t, s, store.Limits{Age: 10 * time.Minute}, minute(21)))
		check(t, "sensors", []finding.SensorStatus{status("new", minute(20))}, heard(t, s))
	},
}

// silent is a finding about a sensor, as it is written at that minute.
func silent(n int, state finding.State) finding.Finding {
	return finding.Finding{
		Name: finding.HealthNameOf(finding.SensorSilent, "node-a"), Category: finding.SensorSilent, Severity: finding.High, State: state,
		EventTime: minute(n), Workload: finding.Workload{Node: "node-a"}, Sensor: "node-a",
		Health: finding.Health{
			Summary: "nothing was heard", NextSteps: []string{"look \xff"}, Since: minute(n), Heard: minute(n - 1), Over: time.Minute, Seen: 4,
			Lost: finding.Losses{{Stage: finding.StagePush, Reason: "odd \xff"}: 2}, Status: status("node-a", minute(n-1)),
		},
	}
}

var healths = map[string]func(*testing.T, store.Store){
	"a finding about a sensor follows it": func(t *testing.T, s store.Store) {
		want := silent(1, finding.Active)
		must(t, s.PutHealth(t.Context(), want, false))
		got := get(t, s, want.Name)
		check(t, "opened", expect(want, got), got)
		created := got.CreateTime
		for _, step := range []struct {
			f     finding.Finding
			count int64
		}{
			{silent(2, finding.Active), 1}, {silent(3, finding.Inactive), 1}, {silent(4, finding.Inactive), 1}, {silent(5, finding.Active), 2},
		} {
			must(t, s.PutHealth(t.Context(), step.f, false))
			step.f.FirstTime, step.f.CreateTime, step.f.Count = minute(1), created, step.count
			check(t, "then", step.f, get(t, s, want.Name))
		}
		check(t, "listed", 1, len(list(t, s, store.Query{State: finding.Active, Node: "node-a"}).Findings))
		check(t, "deliveries", 0, len(due(t, s, minute(9), 0)))
	},
	"nothing is closed that was never opened": func(t *testing.T, s store.Store) {
		must(t, s.PutHealth(t.Context(), silent(1, finding.Inactive), true))
		check(t, "listed", 0, len(list(t, s, store.Query{}).Findings))
	},
	"one delivery waits at a time": func(t *testing.T, s store.Store) {
		for n := range 3 {
			must(t, s.PutHealth(t.Context(), silent(n, finding.Active), true))
		}
		all := due(t, s, minute(9), 0)
		check(t, "deliveries", []string{silent(0, "").Name}, waiting(all))
		must(t, s.PutHealth(t.Context(), silent(4, finding.Inactive), true))
		check(t, "while it is closed", 0, len(due(t, s, minute(9), 0)))
		must(t, s.PutHealth(t.Context(), silent(5, finding.Active), false))
		must(t, s.Delivered(t.Context(), all[0].ID))
		must(t, s.PutHealth(t.Context(), silent(6, finding.Active), false))
		check(t, "unasked", 0, len(due(t, s, minute(9), 0)))
		must(t, s.PutHealth(t.Context(), silent(7, finding.Active), true))
		check(t, "asked again", 1, len(due(t, s, minute(9), 0)))
	},
	"only findings about sensors are taken": func(t *testing.T, s store.Store) {
		stray := silent(1, "RESTING")
		for _, f := range []finding.Finding{example(1), stray, {Category: finding.SensorLossy, State: finding.Active}} {
			if err := s.PutHealth(t.Context(), f, true); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%s %s: %v", f.Category, f.State, err)
			}
		}
	},
}
