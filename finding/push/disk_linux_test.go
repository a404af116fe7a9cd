package push

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"kingsnake/finding"
)

func TestARealFullDiskLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small disk needs root (%v): run sudo go test ./finding/push -run %s", err, t.Name())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	c := spooling(t, &server{}, dir, nil)
	for i := range 60 {
		f := finding.Finding{Name: fmt.Sprint(i), Severity: finding.Critical, Script: finding.Script{Contents: make([]byte, 20<<10)}}
		if err := c.Put(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	if c.held == 0 || c.held == 60 || !strings.Contains(c.Trouble(), "no space left on device") {
		t.Errorf("%d of 60 in memory, %q", c.held, c.Trouble())
	}
	spooled := 60 - c.held
	shut(t, c) // what is in memory is gone now, as if the process was killed
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		c := spooling(t, s, dir, nil)
		stop := run(t, c)
		synctest.Wait()
		n := 0
		for _, names := range s.got {
			n += len(names)
		}
		check(t, "arrived", spooled, n)
		check(t, "dropped", map[string]uint64{}, c.Dropped())
		put(t, c, "and there is room again")
		check(t, "trouble", "", c.Trouble())
		if err := stop(); err != nil {
			t.Error(err)
		}
		shut(t, c)
	})
}
