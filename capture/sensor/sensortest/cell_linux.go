package sensortest

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Cell is a cgroup of version 2 that is named like a container's.
type Cell struct {
	ID  string // 64 hexadecimal digits, made anew for each cell
	Dir string // where it lies

	dir *os.File
}

// NewCell makes a cell that is removed when the test ends; by then nothing may
// run in it. The test is skipped where there can be none.
func NewCell(t testing.TB) *Cell {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to make a cgroup: sudo -E go test")
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	top := ""
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			top = f[1]
		}
	}
	if top == "" {
		t.Skip("needs cgroups of version 2: mount -t cgroup2 none /mnt")
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id) // it never fails
	c := &Cell{ID: hex.EncodeToString(id)}
	c.Dir = filepath.Join(top, c.ID)
	if err := os.Mkdir(c.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if c.dir, err = os.Open(c.Dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.dir.Close() // it was only used to start processes in
		if err := os.Remove(c.Dir); err != nil {
			t.Errorf("something is left in the cgroup: %v", err)
		}
	})
	return c
}

// Attr returns attributes with which a process is started in the cell. It is
// killed when the thread ends that started it.
func (c *Cell) Attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(c.dir.Fd()), Pdeathsig: syscall.SIGKILL}
}
