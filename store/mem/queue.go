package mem

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// Due implements store.Store.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]store.Delivery, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []store.Delivery
	for _, d := range s.deliveries {
		if len(out) == store.PageSize(limit) {
			break
		}
		st := s.findings[d.name]
		if d.due.After(now) || st.State != finding.Active {
			continue
		}
		out = append(out, store.Delivery{ID: d.id, Finding: st.decode(st.whole), Attempts: d.attempts, LastErr: d.lastErr})
	}
	return out, nil
}

// Delivered implements store.Store.
func (s *Store) Delivered(ctx context.Context, id int64) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	i, err := s.delivery(id)
	if err != nil {
		return err
	}
	s.deliveries = slices.Delete(s.deliveries, i, i+1)
	return nil
}

// Defer implements store.Store.
func (s *Store) Defer(ctx context.Context, id int64, until time.Time, why string) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	i, err := s.delivery(id)
	if err != nil {
		return err
	}
	d := s.deliveries[i]
	d.due, d.lastErr = until, why[:min(len(why), store.MaxLastErr)]
	d.attempts++
	return nil
}

func (s *Store) delivery(id int64) (int, error) {
	i := slices.IndexFunc(s.deliveries, func(d *delivery) bool { return d.id == id })
	if i < 0 {
		return 0, fmt.Errorf("delivery %d: %w", id, store.ErrNotFound)
	}
	return i, nil
}

// Evict implements store.Store.
func (s *Store) Evict(ctx context.Context, l store.Limits, now time.Time) (map[string]int64, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	gone := map[string]int64{}
	oldest := slices.SortedFunc(maps.Values(s.findings), func(a, b *stored) int { return newestFirst(b, a) })
	for _, st := range oldest {
		switch {
		case l.Age > 0 && st.EventTime.Before(now.Add(-l.Age)):
			gone[store.ByAge]++
		case l.Findings > 0 && int64(len(s.findings)) > l.Findings:
			gone[store.ByCount]++
		case l.Bytes > 0 && s.bytes > l.Bytes:
			gone[store.BySize]++
		default:
			continue
		}
		gone[store.Undelivered] += s.remove(st)
	}
	s.forgetSensors(l, now, gone)
	s.forgetOccurrences(now)
	maps.DeleteFunc(gone, func(_ string, n int64) bool { return n == 0 })
	for why, n := range gone {
		s.evicted[why] += n
	}
	return gone, nil
}

// remove deletes a finding and returns how many deliveries went with it.
func (s *Store) remove(st *stored) int64 {
	delete(s.findings, st.Name)
	s.release(st)
	before := len(s.deliveries)
	s.deliveries = slices.DeleteFunc(s.deliveries, func(d *delivery) bool { return d.name == st.Name })
	return int64(before - len(s.deliveries))
}

func (s *Store) forgetOccurrences(now time.Time) {
	n := max(0, len(s.order)-store.MaxOccurrences)
	for n < len(s.order) && s.occurrences[s.order[n]].Before(now.Add(-store.OccurrenceAge)) {
		n++
	}
	for _, key := range s.order[:n] {
		delete(s.occurrences, key)
	}
	s.order = slices.Clone(s.order[n:])
}
