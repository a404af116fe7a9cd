//go:build amd64 || arm64

package sensor_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kingsnake/capture"
)

func TestAProcessWithARootOfItsOwnIsDescribedAsItSeesItself(t *testing.T) {
	r := record(t)
	// Upper layers must not lie on an overlay: tests may run on one.
	dir := t.TempDir()
	text := program(t, 6000)
	const setup = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/merged"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/merged"
cat > "$1/merged/inner.py"
cd "$1/merged"
exec unshare --pid --fork /usr/sbin/chroot . /bin/sh -c 'cd /etc; for i in 1 2 3; do python3 ../inner.py "$KINGSNAKE_TEST" $i; done; /usr/bin/python3 -c pass'
`
	cmd := sh(`exec unshare --mount /bin/sh -c "$1" sh "$2"`, setup, dir)
	cmd.Stdin = strings.NewReader(string(text))
	got := r.run(t, 4, cmd)
	if len(got) != 4 {
		t.Fatalf("want 4 scripts, got:%s", describe(got))
	}
	exe, err := filepath.EvalSymlinks(python)
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	files := 0 // texts of two processes may come in either order
	for _, s := range got {
		if s.Kind == capture.Command && string(s.Text) == "pass" {
			continue
		}
		files++
		if s.Kind != capture.File || s.Path != "/inner.py" || s.Digest != capture.Sum(text) || s.Lost != "" ||
			s.Process.Exe != exe || s.Process.Cwd != "/etc" || s.Inode.Filesystem != "overlay" {
			t.Errorf("want /inner.py on an overlay in /etc, got %s in %s by %s:%s", s.Inode.Filesystem, s.Process.Cwd, s.Process.Exe, describe([]capture.Script{s}))
		}
		if s.Process.PIDNamespace == 0 || strings.Contains(own, strconv.Itoa(int(s.Process.PIDNamespace))) {
			t.Errorf("want a pid namespace other than %s, got %d", own, s.Process.PIDNamespace)
		}
	}
	if files != 3 {
		t.Errorf("want three files and one -c, got:%s", describe(got))
	}
	r.noLoss(t)
}
