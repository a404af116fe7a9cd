//go:build amd64 || arm64

package sensor_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A process that may make cgroups must not get out of its container's by nesting.
func TestACgroupThatLiesDeepIsToldOrSaidToBeCut(t *testing.T) {
	for name, tt := range map[string]struct {
		name  string
		depth int
		lost  string
	}{
		"deep":             {"x", 40, ""},
		"with long names":  {strings.Repeat("x", 250), 16, "cgroup path cut"},
		"deeper than that": {"x", 70, "cgroup path cut"},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t)
			top := newCgroup(t)
			dir := top
			for range tt.depth {
				dir = filepath.Join(dir, tt.name)
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				made := dir
				t.Cleanup(func() { _ = os.Remove(made) }) // newCgroup fails if this does
			}
			s := r.run(t, 1, sh(`i=0; cd "$1"; while [ $i -lt $2 ]; do cd "$3"; i=$((i+1)); done; echo $$ > cgroup.procs; cd /; exec python3 -c pass`,
				top, strconv.Itoa(tt.depth), tt.name))[0]
			if s.Lost != tt.lost {
				t.Errorf("want lost %q, got %q", tt.lost, s.Lost)
			}
			if want := "/" + filepath.Base(top) + strings.Repeat("/"+tt.name, tt.depth); tt.lost == "" && s.Process.Cgroup != want {
				t.Errorf("want cgroup %q, got %q", want, s.Process.Cgroup)
			}
		})
	}
}
