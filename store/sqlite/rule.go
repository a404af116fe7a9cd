package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

const ruleColumns = "id, sha256, workload, why, by, created, ended, ended_by, hits"

func scanRule(from scanner) (store.AllowRule, error) {
	var id, created, hits int64
	var digest, workload, why, by, endedBy []byte
	var ended sql.NullInt64
	if err := from.Scan(&id, &digest, &workload, &why, &by, &created, &ended, &endedBy, &hits); err != nil {
		return store.AllowRule{}, err
	}
	r := store.AllowRule{
		ID: strconv.FormatInt(id, 10), SHA256: string(digest), Workload: string(workload), Why: string(why), By: string(by),
		Created: instant(created), EndedBy: string(endedBy), Hits: hits,
	}
	if ended.Valid {
		r.Ended = instant(ended.Int64)
	}
	return r, nil
}

// Allow implements store.Store.
func (s *Store) Allow(ctx context.Context, r store.AllowRule) (store.AllowRule, error) {
	if err := store.CheckRule(r); err != nil {
		return store.AllowRule{}, err
	}
	var out store.AllowRule
	err := s.change(ctx, "store allow rule", func(tx *sql.Tx) error {
		digest, workload := []byte(r.SHA256), []byte(r.Workload)
		standing, err := scanRule(tx.QueryRowContext(ctx, "SELECT "+ruleColumns+
			" FROM allow_rules WHERE sha256 = ? AND workload = ? AND ended IS NULL", digest, workload))
		if !errors.Is(err, sql.ErrNoRows) {
			out = standing
			return err
		}
		out = store.NewRule(r, time.Now())
		done, err := tx.ExecContext(ctx, `INSERT INTO allow_rules (sha256, workload, why, by, created, ended_by, hits)
			VALUES (?, ?, ?, ?, ?, x'', 0)`, digest, workload, []byte(r.Why), []byte(r.By), store.Nanos(out.Created))
		if err != nil {
			return err
		}
		id, err := done.LastInsertId()
		if err != nil {
			return err
		}
		out.ID = strconv.FormatInt(id, 10)
		_, err = tx.ExecContext(ctx, "UPDATE findings SET state = ? WHERE sha256 = ? AND (?3 = x'' OR workload = ?3)",
			[]byte(finding.Inactive), digest, workload)
		return err
	})
	if err != nil {
		return store.AllowRule{}, err
	}
	return out, nil
}

// Disallow implements store.Store.
func (s *Store) Disallow(ctx context.Context, id, by string, at time.Time) error {
	return s.change(ctx, "end allow rule", func(tx *sql.Tx) error {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != id {
			return fmt.Errorf("allow rule %q: %w", id, store.ErrNotFound)
		}
		r, err := scanRule(tx.QueryRowContext(ctx, "SELECT "+ruleColumns+" FROM allow_rules WHERE id = ?", n))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("allow rule %q: %w", id, store.ErrNotFound)
		case err != nil || !r.Ended.IsZero():
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE allow_rules SET ended = ?, ended_by = ? WHERE id = ?",
			store.Nanos(store.EndTime(at)), []byte(by), n); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE findings SET state = ? WHERE sha256 = ? AND (?3 = x'' OR workload = ?3)
			AND NOT EXISTS (SELECT 1 FROM allow_rules a WHERE a.sha256 = findings.sha256 AND a.ended IS NULL
				AND (a.workload = x'' OR a.workload = findings.workload))`,
			[]byte(finding.Active), []byte(r.SHA256), []byte(r.Workload))
		return err
	})
}

// Allows implements store.Store.
func (s *Store) Allows(ctx context.Context) ([]store.AllowRule, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+ruleColumns+" FROM allow_rules ORDER BY id DESC")
	if err != nil {
		return nil, s.explain("list allow rules", err)
	}
	defer rows.Close()
	var out []store.AllowRule
	for rows.Next() {
		r, err := scanRule(rows)
		if err != nil {
			return nil, s.explain("list allow rules", err)
		}
		out = append(out, r)
	}
	return out, s.explain("list allow rules", rows.Err())
}
