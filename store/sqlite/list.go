package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"kingsnake/finding"
	"kingsnake/store"
)

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, name string) (finding.Finding, error) {
	var f finding.Finding
	err := s.look(ctx, func(tx *sql.Tx) error {
		var r row
		err := r.scan(tx.QueryRowContext(ctx, "SELECT "+rowColumns+" FROM findings f JOIN bodies b ON b.finding = f.id WHERE f.name = ?", []byte(name)))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("finding %q: %w", name, store.ErrNotFound)
		}
		if err == nil {
			f, err = s.whole(ctx, tx, r)
		}
		return err
	})
	if err != nil {
		return finding.Finding{}, s.explain("read finding", err)
	}
	return f, nil
}

// look runs f on one unchanging state of the database.
func (s *Store) look(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return f(tx)
}

// whole returns the row's finding with its texts.
func (s *Store) whole(ctx context.Context, tx *sql.Tx, r row) (finding.Finding, error) {
	f, err := s.finding(r)
	if err != nil {
		return f, err
	}
	return f, s.readTexts(ctx, tx, r.id, &f)
}

// where is a condition in SQL and the values of its parameters.
type where struct {
	terms  []string
	values []any
}

func (w *where) add(term string, values ...any) {
	w.terms = append(w.terms, term)
	w.values = append(w.values, values...)
}

func (w *where) String() string {
	if len(w.terms) == 0 {
		return "true"
	}
	return strings.Join(w.terms, " AND ")
}

// condition says q in SQL, its cursor and limit left out.
func condition(q store.Query) *where {
	w := &where{}
	for _, c := range []struct{ column, value string }{
		{"severity", string(q.Severity)}, {"state", string(q.State)}, {"kind", q.Kind}, {"namespace", q.Namespace},
		{"image", q.Image}, {"node", q.Node}, {"sha256", q.SHA256},
	} {
		if c.value != "" {
			w.add("f."+c.column+" = ?", []byte(c.value))
		}
	}
	if !q.Since.IsZero() {
		w.add("f.event_time >= ?", store.Nanos(q.Since))
	}
	if !q.Until.IsZero() {
		w.add("f.event_time < ?", store.Nanos(q.Until))
	}
	if q.Text != "" {
		// Unlike LIKE this takes every byte as it is.
		w.add("instr(f.haystack, ?) > 0", []byte(store.Fold(q.Text)))
	}
	return w
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, q store.Query) (store.Page, error) {
	w := condition(q)
	if q.Cursor != "" {
		at, err := store.ParseCursor(q.Cursor)
		if err != nil {
			return store.Page{}, err
		}
		nanos := at.Time.UnixNano()
		w.add("f.event_time <= ? AND (f.event_time < ? OR f.name > ?)", nanos, nanos, []byte(at.Name))
	}
	limit := store.PageSize(q.Limit)
	rows, err := s.read.QueryContext(ctx, "SELECT "+rowColumns+" FROM findings f JOIN bodies b ON b.finding = f.id WHERE "+w.String()+
		" ORDER BY f.event_time DESC, f.name LIMIT ?", append(w.values, limit+1)...)
	if err != nil {
		return store.Page{}, s.explain("list findings", err)
	}
	defer rows.Close()
	var page store.Page
	for rows.Next() {
		if len(page.Findings) == limit {
			last := page.Findings[limit-1]
			page.Next = store.Position{Time: last.EventTime, Name: last.Name}.Cursor()
			break
		}
		var r row
		if err := r.scan(rows); err != nil {
			return store.Page{}, s.explain("list findings", err)
		}
		f, err := s.finding(r)
		if err != nil {
			return store.Page{}, s.explain("read finding", err)
		}
		page.Findings = append(page.Findings, store.Light(f))
	}
	if err := rows.Err(); err != nil {
		return store.Page{}, s.explain("list findings", err)
	}
	return page, nil
}

// Count implements store.Store.
func (s *Store) Count(ctx context.Context, q store.Query) (map[finding.Severity]int, error) {
	w := condition(q)
	rows, err := s.read.QueryContext(ctx, "SELECT f.severity, count(*) FROM findings f WHERE "+w.String()+" GROUP BY f.severity", w.values...)
	if err != nil {
		return nil, s.explain("count findings", err)
	}
	defer rows.Close()
	out := map[finding.Severity]int{}
	for rows.Next() {
		var severity []byte
		var n int
		if err := rows.Scan(&severity, &n); err != nil {
			return nil, s.explain("count findings", err)
		}
		out[finding.Severity(severity)] = n
	}
	return out, s.explain("count findings", rows.Err())
}
