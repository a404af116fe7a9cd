package node

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"kingsnake/deploy/deb"
)

// pythonPackages are the Debian packages of the Python image; apt adds what they
// depend on. The pure Python ones are there to have many real, harmless scripts.
var pythonPackages = []string{
	"python3", "busybox-static",
	"python3-docutils", "python3-jinja2", "python3-mako", "python3-pygments", "python3-requests", "python3-setuptools", "python3-yaml",
}

// recipe changes whenever the same packages would give another image.
const recipe = "2"

// buildPython makes an image of Debian packages, without running any of their
// scripts.
func buildPython(ctx context.Context, log io.Writer) (image, error) {
	packages, err := resolvePackages(ctx, pythonPackages)
	if err != nil {
		return image{}, err
	}
	key := sha256.Sum256([]byte(recipe + "\n" + strings.Join(packages, "\n")))
	dir := filepath.Join(CacheDir(), "images", fmt.Sprintf("python-%x", key[:8]))
	return makeImage(dir, []string{"python3"}, func(l *layer) error {
		fmt.Fprintf(log, "making the Python image of %d Debian packages\n", len(packages))
		temp, err := os.MkdirTemp("", "debs")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		args := append([]string{"-q", "-o", "APT::Sandbox::User=root", "download"}, packages...)
		if _, err := output(ctx, temp, "apt-get", args...); err != nil {
			return err
		}
		return fillDebian(ctx, l, temp)
	})
}

// installed is one line of what apt would install: "Inst name (version …".
var installed = regexp.MustCompile(`(?m)^Inst (\S+) \((\S+) `)

// resolvePackages returns these packages and all they depend on, as if nothing
// was installed, each as "name=version" and in alphabetical order.
func resolvePackages(ctx context.Context, names []string) ([]string, error) {
	status, err := os.CreateTemp("", "status") // a package database with nothing in it
	if err != nil {
		return nil, err
	}
	defer os.Remove(status.Name())
	if err := status.Close(); err != nil {
		return nil, err
	}
	args := append([]string{
		"--simulate", "-o", "Dir::State::status=" + status.Name(), "-o", "APT::Install-Recommends=false", "install",
	}, names...)
	plan, err := output(ctx, "", "apt-get", args...)
	if err != nil {
		// A fresh machine has no package lists yet.
		if _, err := output(ctx, "", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "update"); err != nil {
			return nil, err
		}
		if plan, err = output(ctx, "", "apt-get", args...); err != nil {
			return nil, err
		}
	}
	var packages []string
	for _, match := range installed.FindAllStringSubmatch(plan, -1) {
		packages = append(packages, match[1]+"="+match[2])
	}
	if len(packages) < len(names) {
		return nil, fmt.Errorf("apt-get would install %d packages, which cannot be all:\n%s", len(packages), plan)
	}
	slices.Sort(packages)
	return packages, nil
}

// unpack unpacks Debian packages, without running any of their scripts, and returns
// the folder they are in: of those that would be installed with some, the ones that
// are named.
func unpack(ctx context.Context, log io.Writer, name string, with, packages []string) (string, error) {
	all, err := resolvePackages(ctx, with)
	if err != nil {
		return "", err
	}
	wanted := slices.DeleteFunc(all, func(p string) bool {
		name, _, _ := strings.Cut(p, "=")
		return !slices.Contains(packages, name)
	})
	key := sha256.Sum256([]byte(strings.Join(wanted, "\n")))
	dir := filepath.Join(CacheDir(), fmt.Sprintf("%s-%x", name, key[:8]))
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	fmt.Fprintf(log, "unpacking %s\n", name)
	temp, err := os.MkdirTemp(CacheDir(), name+".new")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if _, err := output(ctx, temp, "apt-get", append([]string{"-q", "-o", "APT::Sandbox::User=root", "download"}, wanted...)...); err != nil {
		return "", err
	}
	archives, err := filepath.Glob(filepath.Join(temp, "*.deb"))
	if err != nil {
		return "", err
	}
	tree := filepath.Join(temp, "tree")
	for _, archive := range archives {
		if _, err := output(ctx, temp, "dpkg-deb", "-x", archive, tree); err != nil {
			return "", err
		}
	}
	return dir, os.Rename(tree, dir)
}

// fillDebian unpacks every package in dir into l.
func fillDebian(ctx context.Context, l *layer, dir string) error {
	for _, name := range merged {
		if err := errors.Join(l.folder("usr/"+name, 0o755), l.link(name, "usr/"+name)); err != nil {
			return err
		}
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := deb.Each(ctx, archive, l.addDebian); err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(archive), err)
		}
	}
	for _, name := range []string{"dev", "etc", "proc", "root", "run", "sys", "var"} {
		if err := l.folder(name, 0o755); err != nil {
			return err
		}
	}
	for _, applet := range []string{"cat", "chmod", "cp", "find", "ls", "mkdir", "sh", "sha256sum", "sleep", "sort", "timeout", "true", "xargs"} {
		if err := l.link("usr/bin/"+applet, "busybox"); err != nil {
			return err
		}
	}
	return errors.Join(
		l.folder("tmp", 0o1777),
		l.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\n")),
		l.file("etc/group", 0o644, []byte("root:x:0:\n")),
	)
}

// merged are the folders that are links into /usr on Debian; its packages still
// have files in both places.
var merged = []string{"bin", "lib", "lib64", "sbin"}

// unneeded begin the paths that only make an image large.
var unneeded = []string{"usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/lintian"}

// addDebian adds one entry of a Debian package to l, where it belongs.
func (l *layer) addDebian(h *tar.Header, content io.Reader) error {
	h.Name = place(h.Name)
	if h.Typeflag == tar.TypeLink {
		h.Linkname = place(h.Linkname)
	}
	skip := h.Name == "" || slices.ContainsFunc(unneeded, func(prefix string) bool {
		return h.Name == prefix || strings.HasPrefix(h.Name, prefix+"/")
	})
	if skip {
		return nil
	}
	return l.add(h, content)
}

// place returns where a path of a package lies on a file system whose top
// folders are merged into /usr.
func place(name string) string {
	name = path.Clean("/" + name)[1:]
	top, _, _ := strings.Cut(name, "/")
	if slices.Contains(merged, top) {
		return "usr/" + name
	}
	return name
}
