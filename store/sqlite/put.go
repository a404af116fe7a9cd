package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, f finding.Finding) (store.Outcome, error) {
	if err := store.CheckFinding(f); err != nil {
		return "", err
	}
	now := time.Now().UTC()
	f.State, f.Count, f.CreateTime = finding.Active, 1, now
	f.EventTime = f.EventTime.UTC()
	f.FirstTime = f.EventTime
	body, err := s.body(f)
	if err != nil {
		return "", err
	}
	var outcome store.Outcome
	err = s.change(ctx, "store finding", func(tx *sql.Tx) error {
		outcome, err = s.put(ctx, tx, f, body, now)
		return err
	})
	if err != nil {
		return "", err
	}
	return outcome, nil
}

func (s *Store) put(ctx context.Context, tx *sql.Tx, f finding.Finding, body []byte, now time.Time) (store.Outcome, error) {
	stored, allowed := occurrenceKey("stored", f), occurrenceKey("allowed", f)
	if seen, err := remembered(ctx, tx, stored); err != nil {
		return "", err
	} else if seen {
		return store.Duplicate, s.extend(ctx, tx, f)
	}
	if silenced, err := silence(ctx, tx, f, allowed, now); silenced || err != nil {
		return store.Allowed, err
	}
	if err := remember(ctx, tx, stored, now); err != nil {
		return "", err
	}
	id, old, err := seenBefore(ctx, tx, f.Name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		id, err := s.insert(ctx, tx, f, body)
		if err == nil && store.Notified(f.Severity) {
			err = queue(ctx, tx, id)
		}
		return store.Created, err
	case err != nil:
		return "", err
	}
	merged, notify := store.Raise(old, f)
	if merged.Severity == old.Severity {
		_, err := tx.ExecContext(ctx, "UPDATE findings SET event_time = ?, first_time = ?, count = ? WHERE id = ?",
			store.Nanos(merged.EventTime), store.Nanos(merged.FirstTime), merged.Count, id)
		return store.Repeated, err
	}
	if err := s.replace(ctx, tx, id, merged, body); err != nil || !notify {
		return store.Repeated, err
	}
	return store.Repeated, queue(ctx, tx, id)
}

// extend gives the stored finding of f's name the timeline of f, if that says
// more.
func (s *Store) extend(ctx context.Context, tx *sql.Tx, f finding.Finding) error {
	if f.Followed() == 0 {
		return nil
	}
	var id int64
	var body []byte
	err := tx.QueryRowContext(ctx, "SELECT f.id, b.body FROM findings f JOIN bodies b ON b.finding = f.id WHERE f.name = ?", []byte(f.Name)).Scan(&id, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // evicted, but remembered
	}
	if err != nil {
		return err
	}
	old, err := unpack[finding.Finding](s, body)
	if err != nil {
		return err
	}
	longer, ok := store.Extend(old, f)
	if !ok {
		return nil
	}
	if body, err = s.body(longer); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE bodies SET body = ? WHERE finding = ?", body, id)
	return err
}

// seenBefore returns what is counted of the finding of that name.
func seenBefore(ctx context.Context, tx *sql.Tx, name string) (id int64, f finding.Finding, err error) {
	var severity, state []byte
	var eventTime, firstTime, create int64
	err = tx.QueryRowContext(ctx, "SELECT id, severity, state, event_time, first_time, create_time, count FROM findings WHERE name = ?",
		[]byte(name)).Scan(&id, &severity, &state, &eventTime, &firstTime, &create, &f.Count)
	f.Name, f.Severity, f.State = name, finding.Severity(severity), finding.State(state)
	f.EventTime, f.FirstTime, f.CreateTime = instant(eventTime), instant(firstTime), instant(create)
	return id, f, err
}

// queue adds a delivery that is due at once.
func queue(ctx context.Context, tx *sql.Tx, id int64) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO deliveries (finding, due, attempts, last_err) VALUES (?, ?, 0, x'')", id, store.Nanos(time.Time{}))
	return err
}

// silence counts f on every standing rule that covers it, and reports whether
// there was one.
func silence(ctx context.Context, tx *sql.Tx, f finding.Finding, key []byte, now time.Time) (bool, error) {
	const covering = "sha256 = ? AND ended IS NULL AND (workload = x'' OR workload = ?)"
	digest, workload := []byte(f.Script.SHA256), []byte(f.Workload.Key(f.Process.Exe))
	var rules int
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM allow_rules WHERE "+covering, digest, workload).Scan(&rules)
	if rules == 0 || err != nil {
		return false, err
	}
	if seen, err := remembered(ctx, tx, key); seen || err != nil {
		return true, err
	}
	if err := remember(ctx, tx, key, now); err != nil {
		return true, err
	}
	_, err = tx.ExecContext(ctx, "UPDATE allow_rules SET hits = hits + 1 WHERE "+covering, digest, workload)
	return true, err
}

// occurrenceKey is what an occurrence is remembered by; nil for a finding
// without one.
func occurrenceKey(fate string, f finding.Finding) []byte {
	if f.Occurrence == "" {
		return nil
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %q %q", fate, f.Name, f.Occurrence))
	return sum[:16]
}

func remembered(ctx context.Context, tx *sql.Tx, key []byte) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM occurrences WHERE key = ?", key).Scan(&n)
	return n > 0, err
}

func remember(ctx context.Context, tx *sql.Tx, key []byte, now time.Time) error {
	if key == nil {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO occurrences (key, time) VALUES (?, ?)", key, now.UnixNano())
	return err
}
