package sqlite_test

import (
	"path/filepath"
	"testing"

	"kingsnake/store"
	"kingsnake/store/sqlite"
	"kingsnake/store/storetest"
)

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "a %?#b.db")) })
}

func TestStoreIsTheSameAfterReopening(t *testing.T) {
	t.Parallel()
	storetest.RunReopen(t, func(t *testing.T, place string) store.Store { return open(t, filepath.Join(place, "findings.db")) })
}
