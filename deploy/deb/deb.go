// Package deb reads Debian's packages, without running any of their scripts. What
// fetches them, and what is taken of them, is their users' business.
package deb

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// Each calls f with each entry of a package, and what reads its content, until f
// fails. It needs dpkg-deb.
func Each(ctx context.Context, archive string, f func(h *tar.Header, content io.Reader) error) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", archive)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	failed := EachIn(tar.NewReader(pipe), f)
	if failed != nil {
		pipe.Close()
	}
	if err := cmd.Wait(); err != nil && failed == nil {
		return fmt.Errorf("dpkg-deb: %v\n%s", err, stderr.String())
	}
	return failed
}

// EachIn is Each for a tree of files that lies in no package.
func EachIn(r *tar.Reader, f func(h *tar.Header, content io.Reader) error) error {
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(h, r); err != nil {
			return err
		}
	}
}
