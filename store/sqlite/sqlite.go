// Package sqlite keeps findings in one SQLite file, for one machine: the
// default store. It is safe to use the file from several processes, though
// only one of them writes at a time.
//
// # What survives
//
// The database runs with a write-ahead log and synchronous=NORMAL. A commit is
// then one write to the log, which the kernel holds from the moment the writing
// method returns: killing the process, with -9 too, loses nothing that was
// acknowledged. When the machine itself loses power the last moments may be
// gone, never the rest. synchronous=FULL would save those moments at the price
// of a disk flush a finding; a storm of findings would then back up into the
// sensor and cost scripts nobody judged, which is the worse loss.
//
// # What is kept how
//
// What queries look at is in columns, the rest of a finding is compressed JSON
// beside them. Script and layer texts are addressed by their content: a script
// seen in a thousand workloads is stored once.
//
// A disk without room gives store.ErrFull, and a damaged file
// store.ErrDamaged; both errors say what to do.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver

	"kingsnake/finding"
	"kingsnake/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks a database file as ours: "king" in ASCII.
const applicationID = 0x6b696e67

// Store is a store.Store in a SQLite file. Make one with Open.
type Store struct {
	path  string
	write *sql.DB // one connection, whose transactions take the write lock at once
	read  *sql.DB

	pack   *zstd.Encoder
	unpack *zstd.Decoder
}

var _ store.Store = (*Store)(nil)

// Open opens the database at path, and makes it, readable by its owner alone,
// when there is none. An older schema is brought up to date; a newer one, and
// a file that is no kingsnake database, is refused and left as it is.
func Open(path string) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	file, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{path: abs}
	if err := s.open(); err != nil {
		return nil, errors.Join(s.explain("open database", err), s.Close())
	}
	return s, nil
}

func (s *Store) open() (err error) {
	if s.pack, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(256<<10)); err != nil {
		return err
	}
	if s.unpack, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(4), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(64<<20)); err != nil {
		return err
	}
	if s.write, err = sql.Open("sqlite", s.dsn("_txlock=immediate")); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if err := s.migrate(context.Background()); err != nil {
		return err
	}
	if s.read, err = sql.Open("sqlite", s.dsn("_pragma=query_only(1)")); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(4)
	s.read.SetMaxIdleConns(2)
	return s.read.Ping()
}

// dsn names the file to the driver. As a URI its path may hold any character.
func (s *Store) dsn(more string) string {
	u := url.URL{Scheme: "file", Path: s.path}
	return u.String() + "?" + strings.Join([]string{
		"_pragma=busy_timeout(10000)",
		"_pragma=auto_vacuum(incremental)", // heeded by a database that is still empty
		"_pragma=journal_mode(wal)",
		"_pragma=synchronous(normal)",
		"_pragma=foreign_keys(1)",
		"_pragma=journal_size_limit(67108864)",
		"_pragma=cache_size(-4096)", // KiB, a connection
		"_pragma=trusted_schema(0)",
		more,
	}, "&")
}

// migrate brings the schema up to date.
func (s *Store) migrate(ctx context.Context) error {
	var id, tables int64
	if err := s.write.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := s.write.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if id != applicationID && (id != 0 || tables > 0) {
		return fmt.Errorf("%s is not a kingsnake database; choose another file", s.path)
	}
	if _, err := s.write.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	goer, err := goose.NewProvider(goose.DialectSQLite3, s.write, files)
	if err != nil {
		return err
	}
	has, knows, err := goer.GetVersions(ctx)
	if err != nil {
		return err
	}
	if has > knows {
		return fmt.Errorf("%s has schema %d and this kingsnake knows schemas up to %d; "+
			"it was written by a newer kingsnake: use that one, or another file", s.path, has, knows)
	}
	_, err = goer.Up(ctx)
	return err
}

// Close implements store.Store. Every method fails afterwards.
func (s *Store) Close() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	return errors.Join(errs...)
}

// change runs f in a transaction that holds the write lock.
func (s *Store) change(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.explain(what, err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the error of f says more
		return s.explain(what, err)
	}
	return s.explain(what, tx.Commit())
}

// Stats implements store.Store.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	out := store.Stats{Evicted: map[string]int64{}}
	err := s.read.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM findings), (SELECT count(*) FROM deliveries)").
		Scan(&out.Findings, &out.Undelivered)
	if err != nil {
		return store.Stats{}, s.explain("count findings", err)
	}
	rows, err := s.read.QueryContext(ctx, "SELECT name, value FROM totals")
	if err != nil {
		return store.Stats{}, s.explain("read totals", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var value int64
		if err := rows.Scan(&name, &value); err != nil {
			return store.Stats{}, s.explain("read totals", err)
		}
		if why, ok := strings.CutPrefix(name, evictedTotal); ok {
			out.Evicted[why] = value
		} else if name == bytesTotal {
			out.Bytes = value
		}
	}
	return out, s.explain("read totals", rows.Err())
}

// The names in totals.
const (
	bytesTotal   = "bytes"
	evictedTotal = "evicted "
)

func addTotal(ctx context.Context, tx *sql.Tx, name string, n int64) error {
	if n == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO totals (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2", name, n)
	return err
}

// unpack reads compressed JSON.
func unpack[T finding.Finding | finding.Sensor](s *Store, body []byte) (T, error) {
	b, err := s.unpack.DecodeAll(body, nil)
	if err != nil {
		var none T
		return none, fmt.Errorf("%w: %v", store.ErrDamaged, err)
	}
	v, err := finding.Unmarshal[T](b)
	if err != nil {
		return v, fmt.Errorf("%w: %v", store.ErrDamaged, err)
	}
	return v, nil
}

func instant(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }
