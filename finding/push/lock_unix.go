//go:build unix

package push

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// lockFolder takes a folder for this process, until unlock or the process's end.
func lockFolder(dir string) (unlock func() error, err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another sensor uses it; give each its own folder")
		}
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
