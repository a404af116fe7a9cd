package sqlite_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/store"
)

func TestARealFullDiskLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small disk needs root (%v): run sudo go test ./store/sqlite -run %s", err, t.Name())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "f.db")
	s := open(t, path)
	var stored []string
	var err error
	for i := range 500 {
		f := sample(fmt.Sprintf("finding-%03d", i))
		f.Script.Contents = make([]byte, 50<<10)
		_, _ = rand.Read(f.Script.Contents) // never fails
		f.EventTime = f.EventTime.Add(time.Duration(i) * time.Second)
		if _, err = s.Put(t.Context(), f); err != nil {
			break
		}
		stored = append(stored, f.Name)
	}
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("put on a full disk: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close on a full disk: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	for _, name := range stored {
		if f, err := s.Get(t.Context(), name); err != nil || f.Count != 1 || len(f.Script.Contents) != 50<<10 {
			t.Errorf("%s is lost: %v", name, err)
		}
	}
}
