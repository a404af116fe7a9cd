//go:build amd64 || arm64

package sensor_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kingsnake/capture"
	"kingsnake/capture/sensor/generate"
)

// lasting returns a new folder that is not one for temporary files, of which no
// interpreter has a library.
func lasting(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: sudo go test ./capture/sensor/")
	}
	if err := os.MkdirAll("/srv", 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/srv", "kingsnake-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// module writes a module that no other test has.
func module(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".py"), fmt.Appendf(nil, "# %s %s\nx = 1\n", t.Name(), name), 0o644); err != nil {
		t.Fatal(err)
	}
}

// environment makes a virtual environment that has a copy of the interpreter, and
// returns that and its folder for packages.
func environment(t *testing.T, dir string) (binary, packages string) {
	t.Helper()
	out, err := exec.Command(python, "-c", `import sys; print("python%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	binary, packages = filepath.Join(dir, "bin", "python3"), filepath.Join(dir, "lib", strings.TrimSpace(string(out)), "site-packages")
	for _, folder := range []string{filepath.Dir(binary), packages} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(python)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, content, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pyvenv.cfg"), []byte("home = "+filepath.Dir(python)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return binary, packages
}

// imported returns the names of the modules of this test among scripts, and of those
// of an interpreter's library.
func imported(scripts []capture.Script) (own, library []string) {
	for _, s := range scripts {
		switch name := strings.TrimSuffix(filepath.Base(s.Path), ".py"); {
		case s.Kind != capture.Import:
		case strings.HasPrefix(name, "kingsnake_"):
			own = append(own, strings.TrimPrefix(name, "kingsnake_"))
		case !strings.Contains(s.Path, "-packages/"): // which may be younger than this machine
			library = append(library, s.Path)
		}
	}
	return own, library
}

// TestTheLibraryOfAnInterpreterIsNoImport starts each interpreter again and again,
// with a new sensor and with one that has seen all of its library.
func TestTheLibraryOfAnInterpreterIsNoImport(t *testing.T) {
	for _, python := range generate.Pythons() {
		t.Run(python.Name, func(t *testing.T) {
			r := record(t)
			dir := t.TempDir()
			module(t, dir, "kingsnake_last")
			const last = "import sys; sys.path.insert(0, sys.argv[1]); import kingsnake_last"
			for i, text := range []string{
				last, "import json, ssl, unittest, multiprocessing; " + last,
				"import os\nif os.fork(): os.wait()\nelse: import json, ssl, decimal\n" + last,
				last,
			} {
				tag := fmt.Sprintf("TAG=%s/%d", t.Name(), i)
				cmd := exec.Command(python.Path, "-B", "-c", text, dir)
				cmd.Env = []string{tag}
				r.start(t, cmd)
				got := r.wait(t, 2, tag)
				if own, library := imported(got); len(own) != 1 || len(library) > 0 {
					t.Errorf("run %d: want the test's module alone, got %v and of the library %v", i, own, library)
				}
			}
		})
	}
}

func TestACopiedInterpreterHasNoMadeUpLibrary(t *testing.T) {
	r := record(t)
	binary, packages := environment(t, filepath.Join(lasting(t), "app"))
	if err := os.RemoveAll(filepath.Join(filepath.Dir(filepath.Dir(binary)), "pyvenv.cfg")); err != nil {
		t.Fatal(err)
	}
	madeUp := filepath.Dir(packages)
	module(t, madeUp, "kingsnake_evil")
	got := r.run(t, 2, exec.Command(binary, "-B", "-c", "import sys; sys.path.insert(0, sys.argv[1]); import kingsnake_evil", madeUp))
	if own, library := imported(got); len(own) != 1 || len(library) > 0 {
		t.Errorf("want the module of the made-up library alone, got %v and of the library %v", own, library)
	}
}

// TestPackagesThatCameLaterAreImports imports from the site packages of a virtual
// environment: on this machine, and in a container whose image has it.
func TestPackagesThatCameLaterAreImports(t *testing.T) {
	r := record(t)
	binary, packages := environment(t, filepath.Join(lasting(t), "env"))
	module(t, packages, "kingsnake_image")

	t.Run("on the machine", func(t *testing.T) {
		got := r.run(t, 2, exec.Command(binary, "-B", "-c", "import kingsnake_image"))
		if own, library := imported(got); len(own) != 1 || len(library) > 0 {
			t.Errorf("want the package, which is younger than the machine, alone; got %v and of the library %v", own, library)
		}
	})
	// One process space in another does not make what was written in between older.
	for name, inner := range map[string]string{"in a container": "", "in a pid namespace made in it": "sleep 0.3; exec unshare --pid --fork "} {
		t.Run(name, func(t *testing.T) {
			module(t, packages, "kingsnake_touched") // the others of its name were changed long ago
			time.Sleep(300 * time.Millisecond)
			const setup = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/merged"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/merged"
shift
exec unshare --pid --fork /usr/sbin/chroot "$KINGSNAKE_MERGED" /bin/sh -ec "$KINGSNAKE_INNER" sh "$@"
`
			// The time of its content is set back, as that of an unpacked archive is.
			script := `echo x = 2 >"$2/kingsnake_later.py"; echo "# $KINGSNAKE_TEST" >>"$2/kingsnake_later.py"
touch -d 2001-01-01 "$2/kingsnake_later.py" "$2/kingsnake_touched.py"
` + inner + `"$1" -B -c "import kingsnake_image, kingsnake_later, kingsnake_touched"`
			dir := t.TempDir()
			cmd := sh(`exec unshare --mount /bin/sh -c "$@"`, setup, "sh", dir, binary, packages)
			cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "KINGSNAKE_MERGED=" + dir + "/merged", "KINGSNAKE_INNER=" + script}
			got := r.run(t, 3, cmd)
			own, library := imported(got)
			if fmt.Sprint(own) != "[later touched]" || len(library) > 0 {
				t.Errorf("want what was written or touched in the container alone, got %v and of the library %v", own, library)
			}
		})
	}
}
