package sqlite

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"kingsnake/store"
)

// explain says what went wrong in doing what, and what to do about it where
// something can be done.
func (s *Store) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		if errors.Is(err, store.ErrDamaged) {
			return fmt.Errorf("%s: database %s is %w; move the file away and start again with a new one or a saved copy", what, s.path, err)
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	switch e.Code() & 0xff { // the rest are details of the first byte
	case codes.SQLITE_FULL:
		return fmt.Errorf("%s: %w on the disk of %s; make room, or keep less: %v", what, store.ErrFull, s.path, err)
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		return fmt.Errorf("%s: database %s is %w; move the file away and start again with a new one or a saved copy: %v",
			what, s.path, store.ErrDamaged, err)
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		return fmt.Errorf("%s: database %s is held by another process for too long; is another kingsnake using it? %v", what, s.path, err)
	case codes.SQLITE_READONLY, codes.SQLITE_PERM, codes.SQLITE_CANTOPEN, codes.SQLITE_AUTH:
		return fmt.Errorf("%s: database %s may not be written; check the rights of the file and its folder: %v", what, s.path, err)
	default:
		return fmt.Errorf("%s: database %s: %w", what, s.path, err)
	}
}
