// Package health tells how sensors are, and turns a sensor that is silent or
// lossy into a finding of class SCC_ERROR, as Security Command Center does with
// detectors that cannot do their work. The finding is refreshed while that
// lasts and becomes Inactive when the sensor is well again.
//
//	m := health.New(health.Config{Store: store})
//	go m.Run(ctx)
//
// # What is silent
//
// A sensor whose heartbeat in the store has not changed for Limits.Silent, by
// this process's own clock that nobody sets: neither a clock that jumps, here or
// on the node, nor one that is wrong makes a sensor silent. A server that was
// stopped, or did not get to run for a while, waits that long anew before it
// calls anybody silent. A sensor that said goodbye is stopped and not silent.
//
// # What is lossy
//
// A sensor that lost more than Limits.Loss of what ran, and at least MinLost
// things, in the last Window of its running time. It is well again once it lost
// less than half of that. Containers that could not be named are no such loss.
//
// # What is notified
//
// The finding of a silent sensor has severity HIGH, that of a lossy one MEDIUM,
// or HIGH when it loses more than a tenth. Notifications are few: of one finding
// at most one an hour, and of all of them at most MaxNotified an hour, so that a
// network that fails does not become a thousand messages.
//
// Everything rests in the store: several servers may watch the same one.
package health

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

const (
	// Window is the span of a sensor's time in which losses are looked at.
	Window = 5 * time.Minute
	// MinLost is how many losses within Window are never too many.
	MinLost = 10
	// MaxNotified is how many findings are notified in NotifyEvery.
	MaxNotified = 10
	// NotifyEvery is how long a finding that was notified is not notified again.
	NotifyEvery = time.Hour

	lookEvery    = 10 * time.Second
	refreshEvery = time.Minute // how often a finding that stays open is written anew
	muchLost     = 0.1         // of what ran: severity HIGH
)

// Limits say from when on a sensor is not well.
type Limits struct {
	Silent time.Duration // without a heartbeat; 0 means one minute
	Loss   float64       // share of what ran that was lost; 0 means 0.001
}

// OrDefault returns l with its zero fields filled in.
func (l Limits) OrDefault() Limits {
	if l.Silent <= 0 {
		l.Silent = time.Minute
	}
	if l.Loss <= 0 {
		l.Loss = 0.001
	}
	return l
}

// State is how a sensor is, in one word.
type State string

// The states, the worst first.
const (
	Silent   State = "silent"   // no heartbeat for too long
	Lossy    State = "lossy"    // it loses too much
	Degraded State = "degraded" // it cannot watch all it should; its status says why
	Stopped  State = "stopped"  // it was told to stop
	Healthy  State = "healthy"
)

// Rank orders states, the worst first.
func (s State) Rank() int {
	switch s {
	case Silent:
		return 0
	case Lossy:
		return 1
	case Degraded:
		return 2
	case Stopped:
		return 3
	default:
		return 4
	}
}

// Report is how a sensor is.
type Report struct {
	State State
	Over  time.Duration // the span Recent is of; at most Window
	// Recent is what was counted in that span.
	Recent finding.Sample
	Rate   float64 // share of what ran in it that was lost, 0 to 1
}

// Of tells how a sensor is that was not heard of for so long.
func Of(s finding.Sensor, unheard time.Duration, l Limits) Report {
	l = l.OrDefault()
	recent, over := s.Recent(Window)
	r := Report{State: Healthy, Over: over, Recent: recent}
	lost := recent.Lost.Missed().Total()
	if lost > 0 {
		r.Rate = float64(lost) / (float64(lost) + float64(max(recent.Seen, recent.Scripts)))
	}
	switch {
	case s.Stopped:
		r.State = Stopped
	case unheard > l.Silent:
		r.State = Silent
	case lost >= MinLost && r.Rate > l.Loss:
		r.State = Lossy
	case s.Degraded != "":
		r.State = Degraded
	}
	return r
}

// Config is how a Monitor is set up. Store is required.
type Config struct {
	Store  store.Store
	Limits Limits
	Now    func() time.Time // nil means time.Now; it must carry the monotonic clock
	Log    *slog.Logger     // nil means nobody is told
}

// Monitor watches the sensors of a store. Make one with New. Run may run once.
type Monitor struct {
	Config
	looked   time.Time // when it looked last
	watched  map[string]*watch
	notified []time.Time // within NotifyEvery, oldest first
}

// watch is what the monitor remembers of one sensor.
type watch struct {
	heard    time.Time // of the heartbeat in the store, by whatever clock
	begun    time.Time // since when there was time for another one
	open     map[finding.Category]*incident
	notified map[finding.Category]time.Time
}

// incident is a finding that is open.
type incident struct {
	since   time.Time
	heard   time.Time // the sensor's last heartbeat before it, as the store has it
	written time.Time
}

// New returns a Monitor.
func New(c Config) *Monitor {
	c.Limits = c.Limits.OrDefault()
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Monitor{Config: c, watched: map[string]*watch{}}
}

// Run looks at the sensors until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	tick := time.NewTicker(min(lookEvery, m.Limits.Silent/6))
	defer tick.Stop()
	for {
		if err := m.Look(ctx); err != nil && ctx.Err() == nil {
			m.Log.Error("look at the sensors' health", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Look looks once at every sensor. Run does so every few seconds.
func (m *Monitor) Look(ctx context.Context) error {
	sensors, err := m.Store.Sensors(ctx)
	if err != nil {
		return err // nothing is known: nobody is silent for that
	}
	now := m.Now()
	paused := !m.looked.IsZero() && now.Sub(m.looked) > m.Limits.Silent/2
	m.looked = now
	present := make(map[string]bool, len(sensors))
	var errs []error
	for _, s := range sensors {
		present[s.Name] = true
		w, err := m.watch(ctx, s, now, paused)
		if err == nil {
			err = m.judge(ctx, w, s, now)
		}
		errs = append(errs, err)
	}
	for name, w := range m.watched {
		if present[name] {
			continue
		}
		gone := finding.Sensor{SensorStatus: finding.SensorStatus{Name: name}}
		err := m.closeAll(ctx, w, gone, Report{}, "The sensor was forgotten.", now)
		if err == nil {
			delete(m.watched, name)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// watch returns what is remembered of s, brought up to date.
func (m *Monitor) watch(ctx context.Context, s finding.Sensor, now time.Time, paused bool) (*watch, error) {
	w := m.watched[s.Name]
	if w == nil {
		w = &watch{heard: s.Heard, begun: now, open: map[finding.Category]*incident{}, notified: map[finding.Category]time.Time{}}
		if err := m.recall(ctx, s.Name, w, now); err != nil {
			return nil, err
		}
		m.watched[s.Name] = w
	}
	if paused || !w.heard.Equal(s.Heard) {
		w.heard, w.begun = s.Heard, now
	}
	return w, nil
}

// recall finds what an earlier process, or another one, opened about a sensor.
func (m *Monitor) recall(ctx context.Context, name string, w *watch, now time.Time) error {
	for _, c := range []finding.Category{finding.SensorSilent, finding.SensorLossy} {
		f, err := m.Store.Get(ctx, finding.HealthNameOf(c, name))
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return err
		case f.State == finding.Active:
			w.open[c] = &incident{since: f.Health.Since, heard: f.Health.Heard}
			w.notified[c] = now // it was, or it was one too many
		}
	}
	return nil
}

// judge opens, refreshes and closes the findings about s.
func (m *Monitor) judge(ctx context.Context, w *watch, s finding.Sensor, now time.Time) error {
	r := Of(s, now.Sub(w.begun), m.Limits)
	silent, lossy := w.open[finding.SensorSilent], w.open[finding.SensorLossy]
	switch {
	case r.State == Stopped:
		return m.closeAll(ctx, w, s, r, "The sensor was stopped in an orderly way.", now)
	case r.State == Silent:
		return m.keep(ctx, w, silentFinding(s, r, m.Limits), now)
	case silent != nil && silent.heard.Equal(s.Heard): // since this process began there was too little time
		return nil
	case silent != nil:
		if err := m.close(ctx, w, finding.SensorSilent, s, r, "The sensor is heard again.", now); err != nil {
			return err
		}
	}
	lost := r.Recent.Lost.Missed().Total()
	switch {
	case r.State == Lossy, lossy != nil && 2*lost >= MinLost && 2*r.Rate > m.Limits.Loss:
		return m.keep(ctx, w, lossyFinding(s, r, m.Limits), now)
	case lossy != nil:
		return m.close(ctx, w, finding.SensorLossy, s, r, "The sensor loses little or nothing now.", now)
	}
	return nil
}

// keep opens the finding f, or writes it anew now and then while it is open.
func (m *Monitor) keep(ctx context.Context, w *watch, f finding.Finding, now time.Time) error {
	c := f.Category
	at := w.open[c]
	if at != nil && !at.written.IsZero() && now.Sub(at.written) < refreshEvery {
		return nil
	}
	fresh := at == nil
	if fresh {
		at = &incident{since: now.UTC(), heard: f.Health.Heard}
	}
	f.EventTime, f.Health.Since, f.State = now.UTC(), at.since, finding.Active
	notify := fresh && store.Notified(f.Severity) && m.mayNotify(w.notified[c], now)
	if err := m.Store.PutHealth(ctx, f, notify); err != nil {
		return err
	}
	at.written = now
	w.open[c] = at
	if notify {
		w.notified[c] = now
		m.notified = append(m.notified, now)
	}
	if fresh {
		m.Log.Warn(f.Health.Summary, "sensor", f.Sensor, "notified", notify)
	}
	return nil
}

// mayNotify reports whether a finding that was notified last at that moment may
// be notified now.
func (m *Monitor) mayNotify(last, now time.Time) bool {
	for len(m.notified) > 0 && now.Sub(m.notified[0]) >= NotifyEvery {
		m.notified = m.notified[1:]
	}
	return len(m.notified) < MaxNotified && (last.IsZero() || now.Sub(last) >= NotifyEvery)
}

// closeAll closes every finding that is open about s.
func (m *Monitor) closeAll(ctx context.Context, w *watch, s finding.Sensor, r Report, why string, now time.Time) error {
	var errs []error
	for c := range w.open {
		errs = append(errs, m.close(ctx, w, c, s, r, why, now))
	}
	return errors.Join(errs...)
}

// close makes a finding about s Inactive and says why.
func (m *Monitor) close(ctx context.Context, w *watch, c finding.Category, s finding.Sensor, r Report, why string, now time.Time) error {
	f := silentFinding(s, r, m.Limits)
	if c == finding.SensorLossy {
		f = lossyFinding(s, r, m.Limits)
	}
	f.State, f.EventTime = finding.Inactive, now.UTC()
	f.Health.Summary, f.Health.NextSteps = why, []string{"Nothing needs to be done."}
	f.Health.Since, f.Health.Until = w.open[c].since, now.UTC()
	if err := m.Store.PutHealth(ctx, f, false); err != nil {
		return err
	}
	delete(w.open, c)
	m.Log.Info(why, "sensor", s.Name)
	return nil
}
