package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// command is a program built from a module under tools.
type command struct {
	name   string
	module string // folder under deploy/node/tools
	pkg    string
	cgo    string
	flags  []string
}

// commands are what a node runs. containerd's tags leave out what the tests do
// not use; runc enters namespaces in C, before Go's runtime starts.
var commands = []command{
	{
		name: "runc", module: "runc", pkg: "github.com/opencontainers/runc", cgo: "1",
		flags: []string{"-trimpath", "-ldflags=-s -w"},
	},
	{
		name: "containerd", module: "containerd", pkg: "github.com/containerd/containerd/v2/cmd/containerd", cgo: "0",
		flags: []string{"-trimpath", "-ldflags=-s -w", "-tags=no_devmapper,no_rdt,no_tracing,no_zfs"},
	},
	{
		name: "containerd-shim-runc-v2", module: "containerd", pkg: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2", cgo: "0",
		flags: []string{"-trimpath", "-ldflags=-s -w", "-tags=no_devmapper,no_rdt,no_tracing,no_zfs"},
	},
}

// Artifacts are what Prepare made.
type Artifacts struct {
	bin    string           // folder with the commands
	docker string           // folder with Docker, as its packages have it
	podman string           // the same with Podman
	images map[string]image // by name
}

// CacheDir returns the folder where artifacts are kept and nodes run: node in
// $KINGSNAKE_CACHE, which is /var/tmp/kingsnake unless set. It must not lie on
// an overlay file system.
func CacheDir() string {
	cache := os.Getenv("KINGSNAKE_CACHE")
	if cache == "" {
		cache = "/var/tmp/kingsnake"
	}
	return filepath.Join(cache, "node")
}

// Prepare builds what is not in CacheDir yet. It tells log what takes long.
// Several processes may call it at once: one builds, the others wait.
func Prepare(ctx context.Context, log io.Writer) (*Artifacts, error) {
	root, err := repository(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(CacheDir(), 0o755); err != nil {
		return nil, err
	}
	lock, err := os.Create(filepath.Join(CacheDir(), "lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Close() // gives the lock back
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock %s: %v", CacheDir(), err)
	}
	a := &Artifacts{images: make(map[string]image)}
	if a.bin, err = buildCommands(ctx, log, filepath.Join(root, "deploy", "node", "tools")); err != nil {
		return nil, err
	}
	if a.images["pause"], err = buildPause(ctx, root); err != nil {
		return nil, fmt.Errorf("make the pause image: %w", err)
	}
	if a.images["python"], err = buildPython(ctx, log); err != nil {
		return nil, fmt.Errorf("make the Python image: %w", err)
	}
	if a.docker, err = unpack(ctx, log, "docker", []string{"docker.io"}, dockerPackages); err != nil {
		return nil, fmt.Errorf("make Docker: %w", err)
	}
	if a.podman, err = unpack(ctx, log, "podman", []string{"podman", "runc"}, podmanPackages); err != nil {
		return nil, fmt.Errorf("make Podman: %w", err)
	}
	return a, nil
}

// repository returns the root of this repository, in which the working folder
// must lie.
func repository(ctx context.Context) (string, error) {
	mod, err := output(ctx, "", "go", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	if filepath.Base(mod) != "go.mod" {
		return "", errors.New("the working folder is not in the kingsnake repository")
	}
	return filepath.Dir(mod), nil
}

// buildCommands builds the commands one after the other, because two links at
// once need much memory, and returns the folder they are all in.
func buildCommands(ctx context.Context, log io.Writer, tools string) (string, error) {
	key := sha256.New()
	version, err := output(ctx, "", "go", "env", "GOVERSION", "GOARCH")
	if err != nil {
		return "", err
	}
	fmt.Fprintln(key, version)
	for _, c := range commands {
		fmt.Fprintln(key, c.name, c.pkg, c.cgo, c.flags)
		for _, name := range []string{"go.mod", "go.sum"} {
			text, err := os.ReadFile(filepath.Join(tools, c.module, name))
			if err != nil {
				return "", err
			}
			key.Write(text)
		}
	}
	dir := filepath.Join(CacheDir(), "bin", hex.EncodeToString(key.Sum(nil)[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, c := range commands {
		if err := buildCommand(ctx, log, filepath.Join(tools, c.module), filepath.Join(dir, c.name), c); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// buildCommand builds one command at path unless it is there.
func buildCommand(ctx context.Context, log io.Writer, dir, path string, c command) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fmt.Fprintf(log, "building %s\n", c.name)
	unfinished := path + ".new"
	args := append([]string{"go", "build", "-o", unfinished}, c.flags...)
	args = append(args, c.pkg)
	cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", "10"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+c.cgo, "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %v\n%s", c.name, err, text)
	}
	return os.Rename(unfinished, path)
}

// output runs a command and returns what it prints on standard output.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(text)), nil
}
