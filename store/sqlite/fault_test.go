package sqlite

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// This file reaches inside the package: a disk can be full and a schema newer
// only by asking SQLite itself for it.

func openAt(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some tests close it first
	return s
}

func big(name string) finding.Finding {
	noise := make([]byte, 64<<10)
	_, _ = rand.Read(noise) // never fails
	return finding.Finding{Name: name, EventTime: time.Unix(1, 0), Severity: finding.High, Script: finding.Script{Contents: noise}}
}

func TestAFullDiskIsSaidAndPasses(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "f.db"))
	if _, err := s.write.Exec("PRAGMA max_page_count = 100"); err != nil {
		t.Fatal(err)
	}
	var err error
	stored := int64(0)
	for i := range 50 {
		if _, err = s.Put(t.Context(), big(string(rune('a'+i)))); err != nil {
			break
		}
		stored++
	}
	if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "make room") || !strings.Contains(err.Error(), s.path) {
		t.Fatalf("put on a full disk: %v", err)
	}
	st, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.Findings != stored || st.Undelivered != stored || st.Bytes != stored*64<<10 {
		t.Errorf("after %d findings the failed one left traces: %+v", stored, st)
	}
	if gone, err := s.Evict(t.Context(), store.Limits{Findings: 1}, time.Now()); err != nil || gone[store.ByCount] != stored-1 {
		t.Errorf("evict on a full disk: %v, %v", gone, err)
	}
	if _, err := s.Put(t.Context(), big("room")); err != nil {
		t.Errorf("put after making room: %v", err)
	}
}

func TestADamagedDatabaseIsSaid(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.db")
	s := openAt(t, path)
	for i := range 20 {
		if _, err := s.Put(t.Context(), big(string(rune('a'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	noise := bytes.Repeat([]byte{0xa5}, len(sound))
	for name, damaged := range map[string][]byte{
		"noise from the first page on":  noise,
		"noise from the second page on": append(sound[:4096:4096], noise[4096:]...),
		"cut short":                     sound[:len(sound)/2],
		"text":                          []byte(strings.Repeat("not a database\n", 100)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "f.db")
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(path)
			if err == nil {
				t.Cleanup(func() { _ = s.Close() })
				for i := 0; i < 20 && err == nil; i++ {
					_, err = s.Get(t.Context(), string(rune('a'+i)))
				}
				if err == nil {
					_, err = s.List(t.Context(), store.Query{})
				}
			}
			if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move the file away") {
				t.Errorf("a damaged database says: %v", err)
			}
			left, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(left, damaged) {
				t.Error("the damaged file was changed")
			}
		})
	}
}

func TestADamagedBodyIsSaid(t *testing.T) {
	t.Parallel()
	for _, change := range []string{
		"UPDATE bodies SET body = x'00'",
		"UPDATE texts SET text = x'ffff'",
		"UPDATE finding_texts SET layer = 7",
	} {
		s := openAt(t, filepath.Join(t.TempDir(), "f.db"))
		if _, err := s.Put(t.Context(), big("a")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.write.Exec(change); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), "a"); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("after %q get says: %v", change, err)
		}
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.db")
	s := openAt(t, path)
	if _, err := s.write.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path)
	if err == nil || !strings.Contains(err.Error(), "newer kingsnake") || !strings.Contains(err.Error(), path) {
		t.Errorf("a newer schema says: %v", err)
	}
}

func TestAnotherProgramsDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	for _, change := range []string{"PRAGMA application_id = 7", "PRAGMA application_id = 0"} {
		path := filepath.Join(t.TempDir(), "f.db")
		s := openAt(t, path)
		if _, err := s.write.Exec(change); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "not a kingsnake database") {
			t.Errorf("after %q: %v", change, err)
		}
	}
}

func TestAPlaceThatCannotBeWrittenIsSaid(t *testing.T) {
	t.Parallel()
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing", "f.db")} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("open %s: %v", path, err)
		}
	}
}

func TestTheDatabaseIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.db")
	s := openAt(t, path)
	if _, err := s.Put(t.Context(), big("a")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "f.db"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), big("a")); err == nil {
		t.Error("put after close was accepted")
	}
	if _, err := s.List(t.Context(), store.Query{}); err == nil {
		t.Error("list after close was accepted")
	}
}

func TestEvictionGivesRoomBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.db")
	s := openAt(t, path)
	for i := range 50 {
		if _, err := s.Put(t.Context(), big(string(rune('a'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Evict(t.Context(), store.Limits{Findings: 1}, time.Now()); err != nil {
		t.Fatal(err)
	}
	var pages, free int64
	if err := s.write.QueryRow("SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count").Scan(&pages, &free); err != nil {
		t.Fatal(err)
	}
	if pages > 100 || free > 10 {
		t.Errorf("%d pages are left, %d of them free", pages, free)
	}
}
