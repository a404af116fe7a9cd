package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"kingsnake/store"
)

// evictBatch is how many findings go in one transaction, so that writers wait
// milliseconds, not for the whole of an eviction.
const evictBatch = 200

// Evict implements store.Store. It works in several transactions: when it
// fails half way, what went is gone, and counted in Stats.
func (s *Store) Evict(ctx context.Context, l store.Limits, now time.Time) (map[string]int64, error) {
	gone := map[string]int64{}
	for more := true; more; {
		step := map[string]int64{}
		err := s.change(ctx, "evict findings", func(tx *sql.Tx) (err error) {
			if more, err = evictSome(ctx, tx, l, now, step); err != nil || more {
				return errors.Join(err, addEvicted(ctx, tx, step))
			}
			return errors.Join(forget(ctx, tx, l, now, step), addEvicted(ctx, tx, step))
		})
		if err != nil {
			return gone, err
		}
		for why, n := range step {
			gone[why] += n
		}
	}
	// Give the freed pages back to the file system, some at a time.
	if _, err := s.write.ExecContext(ctx, "PRAGMA incremental_vacuum(4096)"); err != nil {
		return gone, s.explain("shrink database", err)
	}
	// Tell the planner, when much has changed, which columns select little.
	if _, err := s.write.ExecContext(ctx, "PRAGMA optimize"); err != nil {
		return gone, s.explain("analyze database", err)
	}
	return gone, nil
}

func addEvicted(ctx context.Context, tx *sql.Tx, step map[string]int64) error {
	for why, n := range step {
		if n == 0 {
			delete(step, why)
		}
		if err := addTotal(ctx, tx, evictedTotal+why, n); err != nil {
			return err
		}
	}
	return nil
}

// evictSome removes up to evictBatch findings and reports whether there may be
// more to remove.
func evictSome(ctx context.Context, tx *sql.Tx, l store.Limits, now time.Time, gone map[string]int64) (bool, error) {
	var count, bytes int64
	if err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM findings),
		coalesce((SELECT value FROM totals WHERE name = ?), 0)`, bytesTotal).Scan(&count, &bytes); err != nil {
		return false, err
	}
	for range evictBatch {
		var id, eventTime int64
		err := tx.QueryRowContext(ctx, "SELECT id, event_time FROM findings ORDER BY event_time, name DESC LIMIT 1").Scan(&id, &eventTime)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		switch {
		case l.Age > 0 && eventTime < store.Nanos(now.Add(-l.Age)):
			gone[store.ByAge]++
		case l.Findings > 0 && count > l.Findings:
			gone[store.ByCount]++
		case l.Bytes > 0 && bytes > l.Bytes:
			gone[store.BySize]++
		default:
			return false, nil
		}
		freed, undelivered, err := remove(ctx, tx, id)
		if err != nil {
			return false, err
		}
		gone[store.Undelivered] += undelivered
		count--
		bytes -= freed
	}
	return true, nil
}

// remove deletes a finding and all that hangs on it.
func remove(ctx context.Context, tx *sql.Tx, id int64) (freed, undelivered int64, err error) {
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM deliveries WHERE finding = ?", id).Scan(&undelivered); err != nil {
		return 0, 0, err
	}
	texts, err := textIDs(ctx, tx, id)
	if err != nil {
		return 0, 0, err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM findings WHERE id = ?", id); err != nil {
		return 0, 0, err
	}
	freed, err = dropUnused(ctx, tx, texts)
	return freed, undelivered, err
}

// forget drops silent sensors and old occurrences.
func forget(ctx context.Context, tx *sql.Tx, l store.Limits, now time.Time, gone map[string]int64) error {
	count := func(r sql.Result, err error) error {
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		gone[store.SilentNode] += n
		return err
	}
	if l.Age > 0 {
		if err := count(tx.ExecContext(ctx, "DELETE FROM sensors WHERE time < ?", store.Nanos(now.Add(-l.Age)))); err != nil {
			return err
		}
	}
	if err := count(tx.ExecContext(ctx, `DELETE FROM sensors WHERE name IN
		(SELECT name FROM sensors ORDER BY time DESC, name LIMIT -1 OFFSET ?)`, store.MaxSensors)); err != nil {
		return err
	}
	// seq rises with time, so the oldest are a run from the first.
	_, err := tx.ExecContext(ctx, `DELETE FROM occurrences WHERE seq < coalesce(
		(SELECT seq FROM occurrences WHERE time >= ?1 ORDER BY seq LIMIT 1), (SELECT max(seq) + 1 FROM occurrences))
		OR seq <= (SELECT max(seq) FROM occurrences) - ?2`, now.Add(-store.OccurrenceAge).UnixNano(), store.MaxOccurrences)
	return err
}
