//go:build linux

package generate

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
)

// placeModes run a file from other file systems than the one tests lie on.
var placeModes = []Mode{
	{Name: "file on tmpfs", once: true, prepare: func(b *Bench) error { return b.mountTmpfs("tmpfs") }, make: func(x *build) error {
		return x.at(filepath.Join(x.made["tmpfs"], fmt.Sprint(x.number, ".py")), "")
	}},
	{Name: "file on an overlay", once: true, prepare: (*Bench).mountOverlay, make: func(x *build) error {
		return x.at(filepath.Join(x.made["overlay"], fmt.Sprint("tmp/", x.number, ".py")), "")
	}},
	{Name: "file in a root of its own", once: true, prepare: (*Bench).mountOverlay, make: func(x *build) error {
		return x.at(fmt.Sprint("/tmp/root", x.number, ".py"), x.made["overlay"])
	}},
}

// at makes a run of a file at a path below another root.
func (x *build) at(path, root string) error {
	x.command(path)
	if root != "" {
		x.run.Cmd.Dir = "/tmp"
		x.run.Cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	}
	x.run.cleanup = append(x.run.cleanup, func() { os.Remove(root + path) })
	x.want(capture.File, path, x.text)
	return writeProgram(root+path, x.text)
}

// mount mounts a file system and remembers to unmount it.
func (b *Bench) mount(kind, target, options string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return fmt.Errorf("make a mount point: %w", err)
	}
	if err := unix.Mount(kind, target, kind, 0, options); err != nil {
		return fmt.Errorf("needs the right to mount %s: sudo (%w)", kind, err)
	}
	b.cleanup = append(b.cleanup, func() error {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", target, err)
		}
		return nil
	})
	return nil
}

func (b *Bench) mountTmpfs(name string) error {
	if b.made[name] != "" {
		return nil
	}
	b.made[name] = filepath.Join(b.dir, name)
	return b.mount("tmpfs", b.made[name], "mode=0755")
}

// mountOverlay lays an empty, writable layer over the machine's root, as
// container runtimes do over an image. The layer lies on tmpfs, since tests may
// run on an overlay themselves.
func (b *Bench) mountOverlay() error {
	if b.made["overlay"] != "" {
		return nil
	}
	if err := b.mountTmpfs("layers"); err != nil {
		return err
	}
	layers, merged := b.made["layers"], filepath.Join(b.dir, "overlay")
	for _, dir := range []string{"upper", "work"} {
		if err := os.Mkdir(filepath.Join(layers, dir), 0o755); err != nil {
			return fmt.Errorf("make a layer: %w", err)
		}
	}
	if err := b.mount("overlay", merged, fmt.Sprintf("lowerdir=/,upperdir=%s/upper,workdir=%s/work", layers, layers)); err != nil {
		return err
	}
	b.made["overlay"] = merged
	return nil
}
