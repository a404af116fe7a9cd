package mem_test

import (
	"testing"

	"kingsnake/store"
	"kingsnake/store/mem"
	"kingsnake/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) store.Store { return mem.New() })
}
