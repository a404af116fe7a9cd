package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// The body of a row of sensors is a finding.Sensor; those written before there
// was one are a heartbeat alone, which reads as a Sensor that was not heard.

// PutSensor implements store.Store.
func (s *Store) PutSensor(ctx context.Context, st finding.SensorStatus, at time.Time) error {
	if err := store.CheckSensor(st); err != nil {
		return err
	}
	return s.change(ctx, "store heartbeat", func(tx *sql.Tx) error {
		var known finding.Sensor
		var body []byte
		err := tx.QueryRowContext(ctx, "SELECT body FROM sensors WHERE name = ?", []byte(st.Name)).Scan(&body)
		if err == nil {
			known, err = unpack[finding.Sensor](s, body)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		heard, later := known.Hear(st, at.UTC())
		if !later {
			return nil
		}
		b, err := finding.Marshal(heard)
		if err != nil {
			return fmt.Errorf("%w heartbeat of sensor %q: %v", store.ErrInvalid, st.Name, err)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO sensors (name, time, body) VALUES (?1, ?2, ?3)
			ON CONFLICT (name) DO UPDATE SET time = ?2, body = ?3`,
			[]byte(st.Name), store.Nanos(heard.Heard), s.pack.EncodeAll(b, nil))
		return err
	})
}

// Sensors implements store.Store.
func (s *Store) Sensors(ctx context.Context) ([]finding.Sensor, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT body FROM sensors ORDER BY name")
	if err != nil {
		return nil, s.explain("list sensors", err)
	}
	defer rows.Close()
	var out []finding.Sensor
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, s.explain("list sensors", err)
		}
		st, err := unpack[finding.Sensor](s, body)
		if err != nil {
			return nil, s.explain("read heartbeat", err)
		}
		out = append(out, st)
	}
	return out, s.explain("list sensors", rows.Err())
}

// Forget implements store.Store.
func (s *Store) Forget(ctx context.Context, name string) error {
	return s.change(ctx, "forget sensor", func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "DELETE FROM sensors WHERE name = ?", []byte(name))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return fmt.Errorf("sensor %q: %w", name, store.ErrNotFound)
	})
}

// PutHealth implements store.Store.
func (s *Store) PutHealth(ctx context.Context, f finding.Finding, notify bool) error {
	if err := store.CheckHealth(f); err != nil {
		return err
	}
	f.Count, f.CreateTime = 1, time.Now().UTC()
	f.EventTime = f.EventTime.UTC()
	f.FirstTime = f.EventTime
	body, err := s.body(f)
	if err != nil {
		return err
	}
	return s.change(ctx, "store finding", func(tx *sql.Tx) error {
		id, old, err := seenBefore(ctx, tx, f.Name)
		switch {
		case errors.Is(err, sql.ErrNoRows) && f.State == finding.Inactive:
			return nil
		case errors.Is(err, sql.ErrNoRows):
			id, err = s.insert(ctx, tx, f, body)
		case err == nil:
			f = store.Follow(old, f)
			err = s.replace(ctx, tx, id, f, body)
		}
		if err != nil || !notify || f.State != finding.Active {
			return err
		}
		return queueOnce(ctx, tx, id)
	})
}

// queueOnce adds a delivery that is due at once, unless one is waiting.
func queueOnce(ctx context.Context, tx *sql.Tx, id int64) error {
	var waiting int
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM deliveries WHERE finding = ?", id).Scan(&waiting)
	if err != nil || waiting > 0 {
		return err
	}
	return queue(ctx, tx, id)
}
