package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"

	"kingsnake/finding"
	"kingsnake/store"
)

// row is a finding as the tables hold it.
type row struct {
	id                           int64
	name, severity, state        []byte
	eventTime, firstTime, create int64
	count                        int64
	body                         []byte
}

// rowColumns are the columns scan reads, of findings f joined with bodies b.
const rowColumns = "f.id, f.name, f.severity, f.state, f.event_time, f.first_time, f.create_time, f.count, b.body"

type scanner interface{ Scan(dest ...any) error }

func (r *row) scan(from scanner) error {
	return from.Scan(&r.id, &r.name, &r.severity, &r.state, &r.eventTime, &r.firstTime, &r.create, &r.count, &r.body)
}

// finding returns the row's finding without its texts.
func (s *Store) finding(r row) (finding.Finding, error) {
	f, err := unpack[finding.Finding](s, r.body)
	if err != nil {
		return f, err
	}
	f.Name = string(r.name)
	f.Severity = finding.Severity(r.severity)
	f.State = finding.State(r.state)
	f.EventTime, f.FirstTime, f.CreateTime = instant(r.eventTime), instant(r.firstTime), instant(r.create)
	f.Count = r.count
	return f, nil
}

// body returns the JSON of f, its texts left out.
func (s *Store) body(f finding.Finding) ([]byte, error) {
	if len(f.Script.Contents) > 0 {
		f.Script.Contents = nil
	}
	layers := make([]finding.Layer, len(f.Script.Layers))
	copy(layers, f.Script.Layers)
	for i := range layers {
		if len(layers[i].Text) > 0 {
			layers[i].Text = nil
		}
	}
	f.Script.Layers = layers
	b, err := finding.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("%w finding %q: %v", store.ErrInvalid, f.Name, err)
	}
	return s.pack.EncodeAll(b, nil), nil
}

// insert writes a new finding.
func (s *Store) insert(ctx context.Context, tx *sql.Tx, f finding.Finding, body []byte) (id int64, err error) {
	done, err := tx.ExecContext(ctx, `INSERT INTO findings (name, severity, state, kind, namespace, image, node, sha256,
		workload, event_time, first_time, create_time, count, haystack)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, columns(f)...)
	if err != nil {
		return 0, err
	}
	if id, err = done.LastInsertId(); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO bodies (finding, body) VALUES (?, ?)", id, body); err != nil {
		return 0, err
	}
	return id, s.insertTexts(ctx, tx, id, f)
}

// replace writes f, whose evidence changed, over the finding of that id.
func (s *Store) replace(ctx context.Context, tx *sql.Tx, id int64, f finding.Finding, body []byte) error {
	if _, err := tx.ExecContext(ctx, `UPDATE findings SET (name, severity, state, kind, namespace, image, node, sha256,
		workload, event_time, first_time, create_time, count, haystack) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		WHERE id = ?`, append(columns(f), id)...); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE bodies SET body = ? WHERE finding = ?", body, id); err != nil {
		return err
	}
	old, err := textIDs(ctx, tx, id)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM finding_texts WHERE finding = ?", id); err != nil {
		return err
	}
	if err := s.insertTexts(ctx, tx, id, f); err != nil {
		return err
	}
	_, err = dropUnused(ctx, tx, old)
	return err
}

// columns are the values of the columns of findings after id.
func columns(f finding.Finding) []any {
	return []any{
		[]byte(f.Name), []byte(f.Severity), []byte(f.State), []byte(f.Script.Kind), []byte(f.Workload.PodNamespace),
		[]byte(f.Workload.Image), []byte(f.Workload.Node), []byte(f.Script.SHA256), []byte(f.Workload.Key(f.Process.Exe)),
		store.Nanos(f.EventTime), store.Nanos(f.FirstTime), store.Nanos(f.CreateTime), f.Count, []byte(store.Haystack(f)),
	}
}

// insertTexts links the finding to its texts, and stores those that are new.
func (s *Store) insertTexts(ctx context.Context, tx *sql.Tx, id int64, f finding.Finding) error {
	if err := s.insertText(ctx, tx, id, 0, f.Script.Contents); err != nil {
		return err
	}
	for i, l := range f.Script.Layers {
		if err := s.insertText(ctx, tx, id, i+1, l.Text); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) insertText(ctx context.Context, tx *sql.Tx, id int64, layer int, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	digest := sha256.Sum256(text)
	var textID int64
	switch err := tx.QueryRowContext(ctx, "SELECT id FROM texts WHERE sha256 = ?", digest[:]).Scan(&textID); err {
	case nil:
	case sql.ErrNoRows:
		done, err := tx.ExecContext(ctx, "INSERT INTO texts (sha256, size, text) VALUES (?, ?, ?)",
			digest[:], len(text), s.pack.EncodeAll(text, nil))
		if err != nil {
			return err
		}
		if textID, err = done.LastInsertId(); err != nil {
			return err
		}
		if err := addTotal(ctx, tx, bytesTotal, int64(len(text))); err != nil {
			return err
		}
	default:
		return err
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO finding_texts (finding, layer, text) VALUES (?, ?, ?)", id, layer, textID)
	return err
}

// readTexts puts the texts of the finding of that id back into f.
func (s *Store) readTexts(ctx context.Context, tx *sql.Tx, id int64, f *finding.Finding) error {
	rows, err := tx.QueryContext(ctx, `SELECT l.layer, t.text FROM finding_texts l JOIN texts t ON t.id = l.text
		WHERE l.finding = ? ORDER BY l.layer`, id)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var layer int
		var packed sql.RawBytes
		if err := rows.Scan(&layer, &packed); err != nil {
			return err
		}
		text, err := s.unpack.DecodeAll(packed, nil)
		if err != nil {
			return fmt.Errorf("%w: text of layer %d: %v", store.ErrDamaged, layer, err)
		}
		switch {
		case layer == 0:
			f.Script.Contents = text
		case layer <= len(f.Script.Layers):
			f.Script.Layers[layer-1].Text = text
		default:
			return fmt.Errorf("%w: text of layer %d of %d", store.ErrDamaged, layer, len(f.Script.Layers))
		}
	}
	return rows.Err()
}

func textIDs(ctx context.Context, tx *sql.Tx, id int64) ([]int64, error) {
	rows, err := tx.QueryContext(ctx, "SELECT text FROM finding_texts WHERE finding = ?", id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var text int64
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, rows.Err()
}

// dropUnused deletes those of the texts no finding has any more and returns
// how many bytes that freed.
func dropUnused(ctx context.Context, tx *sql.Tx, texts []int64) (freed int64, err error) {
	for _, id := range texts {
		var size int64
		switch err := tx.QueryRowContext(ctx, `DELETE FROM texts WHERE id = ?1
			AND NOT EXISTS (SELECT 1 FROM finding_texts WHERE text = ?1) RETURNING size`, id).Scan(&size); err {
		case nil:
			freed += size
		case sql.ErrNoRows:
		default:
			return 0, err
		}
	}
	return freed, addTotal(ctx, tx, bytesTotal, -freed)
}
