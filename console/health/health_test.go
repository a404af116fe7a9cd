package health_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/console/health"
	"kingsnake/finding"
	"kingsnake/store"
	"kingsnake/store/mem"
)

// server is a store, a monitor of it, and their clocks: the monitor's, which
// only goes on, and the wall's, which is as wrong as a test wants.
type server struct {
	t       *testing.T
	store   store.Store
	monitor *health.Monitor
	now     time.Time
	wall    time.Duration // how far the wall's clock is off
	nodes   map[string]*node
}

type node struct {
	status finding.SensorStatus
	clock  time.Duration // how far its clock is off
	off    bool
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newServer(t *testing.T, nodes ...string) *server {
	s := &server{t: t, store: mem.New(), now: start, nodes: map[string]*node{}}
	s.restart()
	for _, name := range nodes {
		s.nodes[name] = &node{status: finding.SensorStatus{Name: name, Started: start, Watching: "all"}}
	}
	return s
}

func (s *server) restart() {
	s.monitor = health.New(health.Config{Store: s.store, Now: func() time.Time { return s.now }})
}

// run lets time pass: heartbeats are sent, and the monitor looks.
func (s *server) run(d time.Duration) {
	s.t.Helper()
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(10 * time.Second)
		s.beat(10 * time.Second)
		s.look()
	}
}

func (s *server) look() {
	s.t.Helper()
	if err := s.monitor.Look(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) beat(step time.Duration) {
	s.t.Helper()
	for _, n := range s.nodes {
		if n.off {
			continue
		}
		n.status.Beat++
		n.status.Uptime += step
		n.status.Seen += 1000
		n.status.Time = s.now.Add(n.clock)
		if err := s.store.PutSensor(s.t.Context(), n.status, s.now.Add(s.wall)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// findings are those in the store, as "CATEGORY sensor STATE ×count".
func (s *server) findings() []string {
	s.t.Helper()
	page, err := s.store.List(s.t.Context(), store.Query{Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, f := range page.Findings {
		out = append(out, fmt.Sprintf("%s %s %s ×%d", f.Category, f.Sensor, f.State, f.Count))
	}
	return out
}

func (s *server) want(when string, want ...string) {
	s.t.Helper()
	if d := cmp.Diff(want, s.findings()); d != "" {
		s.t.Errorf("%s (-want +got):\n%s", when, d)
	}
}

// notified takes what is to be delivered and returns how many there were.
func (s *server) notified() int {
	s.t.Helper()
	due, err := s.store.Due(s.t.Context(), time.Now().Add(time.Hour), store.MaxLimit)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range due {
		if err := s.store.Delivered(s.t.Context(), d.ID); err != nil {
			s.t.Fatal(err)
		}
	}
	return len(due)
}

func TestASilentSensorIsAFindingUntilItIsHeardAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a", "b")
	s.run(5 * time.Minute)
	s.want("while both beat")
	s.nodes["b"].off = true
	s.run(50 * time.Second)
	s.want("when there may still come one")
	s.run(time.Minute)
	s.want("then", "SENSOR_SILENT b ACTIVE ×1")
	s.run(10 * time.Minute)
	s.want("as long as it lasts", "SENSOR_SILENT b ACTIVE ×1")
	f, err := s.store.Get(t.Context(), finding.HealthNameOf(finding.SensorSilent, "b"))
	if err != nil || f.Severity != finding.High || f.Workload.Node != "b" || len(f.Health.NextSteps) == 0 || f.EventTime.Before(s.now.Add(-2*time.Minute)) {
		t.Errorf("%+v, %v", f, err)
	}
	if n := s.notified(); n != 1 {
		t.Errorf("notified %d times, want once", n)
	}
	s.nodes["b"].off = false
	s.run(20 * time.Second)
	s.want("heard again", "SENSOR_SILENT b INACTIVE ×1")
	s.nodes["b"].off = true
	s.run(2 * time.Minute)
	s.want("silent again", "SENSOR_SILENT b ACTIVE ×2")
	if n := s.notified(); n != 0 {
		t.Errorf("notified %d times more within the hour", n)
	}
	if err := s.store.Forget(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	s.run(20 * time.Second)
	s.want("forgotten", "SENSOR_SILENT b INACTIVE ×2")
}

func TestASensorThatSaysGoodbyeIsNotSilent(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	s.run(time.Minute)
	s.nodes["a"].status.Stopped = true
	s.beat(0)
	s.nodes["a"].off = true
	s.run(time.Hour)
	s.want("stopped")
	s.nodes["a"].off, s.nodes["a"].status.Stopped = false, false
	s.nodes["a"].status.Started, s.nodes["a"].status.Beat, s.nodes["a"].status.Uptime = s.now, 0, 0
	s.run(time.Minute)
	s.nodes["a"].off = true // and now it is killed
	s.run(2 * time.Minute)
	s.want("killed", "SENSOR_SILENT a ACTIVE ×1")
}

func TestAServerThatWasAwayCallsNobodySilent(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(*server){
		"restarted": func(s *server) { s.restart() },
		"stopped":   func(*server) {}, // SIGSTOP, or a machine that slept
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, "a", "b")
			s.run(time.Minute)
			s.nodes["b"].off = true
			s.run(2 * time.Minute)
			s.want("before", "SENSOR_SILENT b ACTIVE ×1")
			s.now = s.now.Add(time.Hour)
			away(s)
			s.look()
			s.want("at once after it", "SENSOR_SILENT b ACTIVE ×1")
			s.run(30 * time.Second)
			s.want("soon after it", "SENSOR_SILENT b ACTIVE ×1")
			s.nodes["b"].off = false
			s.run(20 * time.Second)
			s.want("when it is heard", "SENSOR_SILENT b INACTIVE ×1")
			s.nodes["a"].off = true
			s.run(2 * time.Minute)
			s.want("and it still sees", "SENSOR_SILENT a ACTIVE ×1", "SENSOR_SILENT b INACTIVE ×1")
		})
	}
}

func TestClocksThatJumpChangeNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	s.run(time.Minute)
	for _, jump := range []time.Duration{-3 * time.Hour, 5 * time.Hour, -24 * time.Hour, 0} {
		s.nodes["a"].clock = jump
		s.run(2 * time.Minute)
		s.wall = -jump
		s.run(2 * time.Minute)
		s.want(fmt.Sprint("after a jump to ", jump))
		all, err := s.store.Sensors(t.Context())
		if err != nil || all[0].Beat != s.nodes["a"].status.Beat {
			t.Errorf("after a jump to %v the store has heartbeat %d, want %d", jump, all[0].Beat, s.nodes["a"].status.Beat)
		}
		recent, over := all[0].Recent(health.Window)
		if want := recent.Seen * 10; over <= 0 || time.Duration(want/1000)*time.Second != over {
			t.Errorf("after a jump to %v: %d seen in %v", jump, recent.Seen, over)
		}
	}
	s.nodes["a"].off = true
	s.run(2 * time.Minute)
	s.want("and silence is seen", "SENSOR_SILENT a ACTIVE ×1")
}

func TestALossySensorIsAFindingUntilItLosesLittle(t *testing.T) {
	t.Parallel()
	ring := finding.Loss{Stage: finding.StageCapture, Reason: "data ring full"}
	miss := finding.Loss{Stage: finding.StageWorkload, Reason: "gone"}
	s := newServer(t, "a")
	lost := finding.Losses{}
	lose := func(why finding.Loss, each uint64, d time.Duration) {
		for end := s.now.Add(d); s.now.Before(end); {
			lost[why] += each
			s.nodes["a"].status.Lost = finding.Losses{ring: lost[ring], miss: lost[miss]}
			s.run(10 * time.Second)
		}
	}
	lose(miss, 500, 6*time.Minute)
	s.want("containers without a name")
	lose(ring, 1, 10*time.Minute)
	s.want("one in a thousand, not more")
	lose(ring, 5, 3*time.Minute)
	s.want("more", "SENSOR_LOSSY a ACTIVE ×1")
	f, err := s.store.Get(t.Context(), finding.HealthNameOf(finding.SensorLossy, "a"))
	if err != nil || f.Severity != finding.Medium || f.Health.Lost[ring] == 0 || !strings.Contains(f.Health.NextSteps[0], "captured") {
		t.Errorf("%+v, %v", f.Health, err)
	}
	lose(ring, 300, 6*time.Minute)
	f, err = s.store.Get(t.Context(), finding.HealthNameOf(finding.SensorLossy, "a"))
	if err != nil || f.Severity != finding.High {
		t.Errorf("severity %s, %v; a quarter is lost", f.Severity, err)
	}
	lose(ring, 0, 4*time.Minute)
	s.want("not at once", "SENSOR_LOSSY a ACTIVE ×1")
	lose(ring, 0, 3*time.Minute)
	s.want("when it ended", "SENSOR_LOSSY a INACTIVE ×1")
}

func TestAStormOfSilenceIsNotAStormOfMessages(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("node-%02d", i))
	}
	s := newServer(t, names...)
	s.run(time.Minute)
	for _, n := range s.nodes {
		n.off = true
	}
	s.run(5 * time.Minute)
	if got := len(s.findings()); got != 100 {
		t.Errorf("%d findings, want one of each sensor", got)
	}
	if n := s.notified(); n != health.MaxNotified {
		t.Errorf("%d notified, want %d", n, health.MaxNotified)
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	ring := finding.Losses{{Stage: finding.StageCapture, Reason: "data ring full"}: 20}
	for name, c := range map[string]struct {
		status  finding.SensorStatus
		unheard time.Duration
		want    health.State
	}{
		"well":                         {finding.SensorStatus{Seen: 9, Uptime: 60e9}, 0, health.Healthy},
		"degraded":                     {finding.SensorStatus{Degraded: "no CRI"}, 0, health.Degraded},
		"lossy goes before degraded":   {finding.SensorStatus{Degraded: "no CRI", Lost: ring, Uptime: 60e9}, 0, health.Lossy},
		"silent goes before lossy":     {finding.SensorStatus{Lost: ring, Uptime: 60e9}, 61e9, health.Silent},
		"stopped is not silent":        {finding.SensorStatus{Stopped: true}, time.Hour, health.Stopped},
		"losses long ago do not count": {finding.SensorStatus{Lost: ring, Uptime: time.Hour}, 0, health.Healthy},
		"a sensor of before":           {finding.SensorStatus{Lost: ring, Started: start, Time: start.Add(time.Minute)}, 0, health.Lossy},
	} {
		if got := health.Of(finding.Sensor{SensorStatus: c.status}, c.unheard, health.Limits{}); got.State != c.want {
			t.Errorf("%s: %s, want %s", name, got.State, c.want)
		}
	}
}

func BenchmarkLook(b *testing.B) {
	st := mem.New()
	now := start
	for i := range 10_000 {
		s := finding.SensorStatus{Name: fmt.Sprintf("node-%05d", i), Started: start, Watching: strings.Repeat("w", 120)}
		for beat := range 20 {
			s.Beat, s.Uptime, s.Lost = uint64(beat), time.Duration(beat)*30*time.Second, finding.Losses{{Stage: finding.StageCapture, Reason: "data ring full"}: uint64(beat)}
			if err := st.PutSensor(b.Context(), s, now); err != nil {
				b.Fatal(err)
			}
		}
	}
	m := health.New(health.Config{Store: st, Now: func() time.Time { return now }})
	for b.Loop() {
		if err := m.Look(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
