package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// Due implements store.Store.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]store.Delivery, error) {
	var out []store.Delivery
	err := s.look(ctx, func(tx *sql.Tx) error {
		var found []row
		var err error
		if out, found, err = due(ctx, tx, now, store.PageSize(limit)); err != nil {
			return err
		}
		for i, r := range found {
			if out[i].Finding, err = s.whole(ctx, tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, s.explain("read deliveries", err)
	}
	return out, nil
}

// due returns the deliveries without their findings, and the findings' rows.
func due(ctx context.Context, tx *sql.Tx, now time.Time, limit int) ([]store.Delivery, []row, error) {
	rows, err := tx.QueryContext(ctx, "SELECT d.id, d.attempts, d.last_err, "+rowColumns+` FROM deliveries d
		JOIN findings f ON f.id = d.finding JOIN bodies b ON b.finding = f.id
		WHERE d.due <= ? AND f.state = ? ORDER BY d.id LIMIT ?`, store.Nanos(now), []byte(finding.Active), limit)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	var out []store.Delivery
	var found []row
	for rows.Next() {
		var d store.Delivery
		var r row
		var lastErr []byte
		if err := rows.Scan(&d.ID, &d.Attempts, &lastErr, &r.id, &r.name, &r.severity, &r.state,
			&r.eventTime, &r.firstTime, &r.create, &r.count, &r.body); err != nil {
			return nil, nil, err
		}
		d.LastErr = string(lastErr)
		out, found = append(out, d), append(found, r)
	}
	return out, found, rows.Err()
}

// Delivered implements store.Store.
func (s *Store) Delivered(ctx context.Context, id int64) error {
	return s.change(ctx, "end delivery", func(tx *sql.Tx) error {
		return one(id)(tx.ExecContext(ctx, "DELETE FROM deliveries WHERE id = ?", id))
	})
}

// Defer implements store.Store.
func (s *Store) Defer(ctx context.Context, id int64, until time.Time, why string) error {
	return s.change(ctx, "put delivery off", func(tx *sql.Tx) error {
		return one(id)(tx.ExecContext(ctx, "UPDATE deliveries SET due = ?, last_err = ?, attempts = attempts + 1 WHERE id = ?",
			store.Nanos(until), []byte(why[:min(len(why), store.MaxLastErr)]), id))
	})
}

// one returns ErrNotFound for a statement that touched no delivery.
func one(id int64) func(sql.Result, error) error {
	return func(r sql.Result, err error) error {
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); n > 0 || err != nil {
			return err
		}
		return fmt.Errorf("delivery %d: %w", id, store.ErrNotFound)
	}
}
