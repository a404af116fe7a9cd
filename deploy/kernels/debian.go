package kernels

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"kingsnake/deploy/deb"
)

// Kernel is a kernel that is ready to be started.
type Kernel struct {
	Release string   // as uname -r says it
	Image   string   // path of the kernel itself
	Modules []string // paths of modules, in the order they are to be loaded
}

// keyring belongs to the package debian-archive-keyring.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// metapackage depends on the newest kernel of a suite.
const metapackage = "linux-image-cloud-amd64"

// Fetch returns the newest cloud kernel of a Debian release, such as
// "bookworm". What was fetched before is kept under dir; without a network the
// newest that is there serves.
func Fetch(ctx context.Context, dir, suite string) (Kernel, error) {
	a, err := newApt(filepath.Join(dir, suite))
	if err != nil {
		return Kernel{}, err
	}
	if err := a.update(ctx, suite); err != nil {
		old := a.kept()
		if len(old) == 0 {
			return Kernel{}, err
		}
		return openKernel(old[len(old)-1])
	}
	name, version, err := a.newest(ctx)
	if err != nil {
		return Kernel{}, err
	}
	kept := filepath.Join(a.dir, "kernel-"+version)
	if _, err := os.Stat(kept); err == nil {
		return openKernel(kept)
	}
	fresh, err := os.MkdirTemp(a.dir, "new")
	if err != nil {
		return Kernel{}, err
	}
	defer os.RemoveAll(fresh) // finds nothing when all went well
	if _, err := a.run(ctx, fresh, "apt-get", "-q", "download", name+"="+version); err != nil {
		return Kernel{}, err
	}
	archive := filepath.Join(fresh, "package")
	debs, err := filepath.Glob(filepath.Join(fresh, "*.deb"))
	if err != nil || len(debs) != 1 {
		return Kernel{}, fmt.Errorf("apt-get download %s gave %d packages", name, len(debs))
	}
	if err := os.Rename(debs[0], archive); err != nil {
		return Kernel{}, err
	}
	if err := unpack(ctx, archive, fresh); err != nil {
		return Kernel{}, fmt.Errorf("unpack %s %s: %w", name, version, err)
	}
	for _, old := range a.kept() {
		if err := os.RemoveAll(old); err != nil {
			return Kernel{}, err
		}
	}
	if err := errors.Join(os.Remove(archive), os.Rename(fresh, kept)); err != nil {
		return Kernel{}, err
	}
	return openKernel(kept)
}

// openKernel returns the kernel in a folder that unpack filled.
func openKernel(dir string) (Kernel, error) {
	images, err := filepath.Glob(filepath.Join(dir, "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return Kernel{}, fmt.Errorf("%s holds %d kernels; remove it and try again", dir, len(images))
	}
	k := Kernel{Image: images[0], Release: strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")}
	if k.Modules, err = filepath.Glob(filepath.Join(dir, "*.ko*")); err != nil {
		return Kernel{}, err
	}
	return k, nil
}

var wanted = []string{"/boot/vmlinuz-*", "/lib/modules/*/kernel/fs/overlayfs/overlay.ko*", "/usr/lib/modules/*/kernel/fs/overlayfs/overlay.ko*"}

// unpack takes the kernel and the module for overlays out of a package. All
// else that the tests need is part of these kernels.
func unpack(ctx context.Context, archive, dir string) error {
	return deb.Each(ctx, archive, func(h *tar.Header, content io.Reader) error {
		name := path.Clean("/" + h.Name)
		if h.Typeflag != tar.TypeReg || !slices.ContainsFunc(wanted, func(w string) bool { ok, _ := path.Match(w, name); return ok }) {
			return nil
		}
		f, err := os.Create(filepath.Join(dir, path.Base(name)))
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Close())
	})
}

// apt is apt with a state of its own, in dir.
type apt struct{ dir string }

func newApt(dir string) (apt, error) {
	for _, sub := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return apt{}, err
		}
	}
	conf := fmt.Sprintf(`Dir::State %[1]q; Dir::State::status %[2]q; Dir::Cache %[1]q;
Dir::Etc::SourceList %[3]q; Dir::Etc::SourceParts "-"; Dir::Etc::Preferences "-"; Dir::Etc::PreferencesParts "-";
APT::Sandbox::User "root"; APT::Architecture "amd64"; Acquire::Languages "none"; Acquire::Retries "2";
`, dir, filepath.Join(dir, "status"), filepath.Join(dir, "sources.list"))
	return apt{dir}, errors.Join(
		os.WriteFile(filepath.Join(dir, "apt.conf"), []byte(conf), 0o644),
		os.WriteFile(filepath.Join(dir, "status"), nil, 0o644), // nothing is installed
	)
}

func (a apt) run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(a.dir, "apt.conf"), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return string(out), nil
}

// mirrors returns where this machine's own apt gets Debian's security suites.
func mirrors(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return nil, fmt.Errorf("ask apt-get for its mirrors: %w", err)
	}
	var found []string
	for uri := range strings.FieldsSeq(string(out)) {
		if strings.HasSuffix(strings.TrimSuffix(uri, "/"), "/debian-security") && !slices.Contains(found, uri) {
			found = append(found, uri)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("apt-get has no mirror of debian-security among its sources")
	}
	return found, nil
}

// update reads the suite's index from the first mirror that has it. A suite that
// is no longer supported is not signed anew, so its date does not count.
func (a apt) update(ctx context.Context, suite string) error {
	sites, err := mirrors(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, mirror := range sites {
		source := fmt.Sprintf("deb [signed-by=%s check-valid-until=no] %s %s-security main\n", keyring, mirror, suite)
		if err := os.WriteFile(filepath.Join(a.dir, "sources.list"), []byte(source), 0o644); err != nil {
			return err
		}
		_, err := a.run(ctx, "", "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// depends is the one package that the metapackage stands for.
var depends = regexp.MustCompile(`(?m)^Depends: (linux-image-\S+-cloud-amd64) \(= (\S+)\)`)

// newest returns name and version of the newest kernel package.
func (a apt) newest(ctx context.Context) (name, version string, err error) {
	out, err := a.run(ctx, "", "apt-cache", "--no-all-versions", "show", metapackage)
	if err != nil {
		return "", "", err
	}
	found := depends.FindStringSubmatch(out)
	if found == nil {
		return "", "", fmt.Errorf("%s depends on no kernel:\n%s", metapackage, out)
	}
	return found[1], found[2], nil
}

// kept returns the folders of kernels fetched before; there is hardly ever more
// than one.
func (a apt) kept() []string {
	dirs, _ := filepath.Glob(filepath.Join(a.dir, "kernel-*")) // the pattern is well formed
	return dirs
}
