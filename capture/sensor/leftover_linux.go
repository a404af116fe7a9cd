//go:build amd64 || arm64

package sensor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"kingsnake/capture/proc"
)

// defaultPins is where the BPF file system is mounted, as a rule.
const defaultPins = "/sys/fs/bpf"

// pinPrefix begins the name of a pinned map of holds. The sensor's number and
// the ticks of its start follow.
const pinPrefix = "kingsnake-holds-"

// pin keeps the map of holds beyond this process and its guard, where there is
// a BPF file system, and lets go what a former sensor has left in its own.
func (h *holder) pin() error {
	dir := h.config.Pins
	if dir == "" {
		dir = defaultPins
	}
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil || fs.Type != unix.BPF_FS_MAGIC {
		return nil // Only the end of both processes at once leaves something then.
	}
	if err := h.releaseLeft(dir); err != nil {
		return err
	}
	start, err := proc.StartTicks("/proc/self")
	if err != nil {
		return fmt.Errorf("read own start: %w", err)
	}
	h.pinned = filepath.Join(dir, fmt.Sprintf("%s%d-%d", pinPrefix, os.Getpid(), start))
	if err := h.holds.Pin(h.pinned); err != nil {
		return fmt.Errorf("pin the holds: %w", err)
	}
	return nil
}

// releaseLeft lets go what sensors hold that are no more.
func (h *holder) releaseLeft(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for former holds: %w", err)
	}
	var errs []error
	for _, f := range files {
		name, ours := strings.CutPrefix(f.Name(), pinPrefix)
		var pid int
		var start uint64
		if _, err := fmt.Sscanf(name, "%d-%d", &pid, &start); !ours || err != nil {
			continue
		}
		if now, err := proc.StartTicks(fmt.Sprintf("/proc/%d", pid)); err == nil && now == start {
			continue
		}
		errs = append(errs, h.releasePinned(filepath.Join(dir, f.Name())))
	}
	return errors.Join(errs...)
}

func (h *holder) releasePinned(path string) error {
	m, err := ebpf.LoadPinnedMap(path, nil)
	if err != nil {
		return fmt.Errorf("open former holds: %w", err)
	}
	defer func() { _ = m.Close() }() // nothing is written to it
	left := &holder{holds: m, count: h.count}
	for end := time.Now().Add(2 * holdSettles); time.Now().Before(end); time.Sleep(sweepEvery) {
		if _, n := left.sweep(0); n == 0 {
			break
		}
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("forget former holds: %w", err)
	}
	return nil
}

// unpin forgets the pinned map: nothing is held any more.
func (h *holder) unpin() error {
	if h.pinned == "" {
		return nil
	}
	return h.holds.Unpin()
}
