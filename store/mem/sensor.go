package mem

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// PutSensor implements store.Store.
func (s *Store) PutSensor(ctx context.Context, st finding.SensorStatus, at time.Time) error {
	if err := store.CheckSensor(st); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	var known finding.Sensor
	if old, ok := s.sensors[st.Name]; ok {
		known = decodeSensor(old)
	}
	heard, later := known.Hear(st, at.UTC())
	if !later {
		return nil
	}
	b, err := finding.Marshal(heard)
	if err != nil {
		return fmt.Errorf("%w heartbeat of sensor %q: %v", store.ErrInvalid, st.Name, err)
	}
	s.sensors[st.Name] = b
	return nil
}

func decodeSensor(b []byte) finding.Sensor {
	st, err := finding.Unmarshal[finding.Sensor](b)
	if err != nil {
		panic(fmt.Sprintf("heartbeat lost its JSON form: %v", err))
	}
	return st
}

// Sensors implements store.Store.
func (s *Store) Sensors(ctx context.Context) ([]finding.Sensor, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []finding.Sensor
	for _, name := range slices.Sorted(maps.Keys(s.sensors)) {
		out = append(out, decodeSensor(s.sensors[name]))
	}
	return out, nil
}

// Forget implements store.Store.
func (s *Store) Forget(ctx context.Context, name string) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.sensors[name] == nil {
		return fmt.Errorf("sensor %q: %w", name, store.ErrNotFound)
	}
	delete(s.sensors, name)
	return nil
}

func (s *Store) forgetSensors(l store.Limits, now time.Time, gone map[string]int64) {
	var all []finding.Sensor
	for _, b := range s.sensors {
		all = append(all, decodeSensor(b))
	}
	slices.SortFunc(all, func(a, b finding.Sensor) int {
		return cmp.Or(b.Heard.Compare(a.Heard), cmp.Compare(a.Name, b.Name))
	})
	for i, st := range all {
		if i >= store.MaxSensors || l.Age > 0 && st.Heard.Before(now.Add(-l.Age)) {
			delete(s.sensors, st.Name)
			gone[store.SilentNode]++
		}
	}
}

// PutHealth implements store.Store.
func (s *Store) PutHealth(ctx context.Context, f finding.Finding, notify bool) error {
	if err := store.CheckHealth(f); err != nil {
		return err
	}
	f.Count, f.CreateTime = 1, time.Now().UTC()
	f.EventTime = f.EventTime.UTC()
	f.FirstTime = f.EventTime
	if _, err := finding.Marshal(f); err != nil {
		return fmt.Errorf("%w finding %q: %v", store.ErrInvalid, f.Name, err)
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	old, known := s.findings[f.Name]
	switch {
	case known:
		f = store.Follow(old.decode(old.whole), f)
	case f.State == finding.Inactive:
		return nil
	}
	s.write(f)
	waiting := slices.ContainsFunc(s.deliveries, func(d *delivery) bool { return d.name == f.Name })
	if notify && f.State == finding.Active && !waiting {
		s.queue(f.Name)
	}
	return nil
}
