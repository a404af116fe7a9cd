//go:build !unix

package push

// lockFolder cannot take a folder here: sensors run on Linux.
func lockFolder(string) (unlock func() error, err error) {
	return func() error { return nil }, nil
}
