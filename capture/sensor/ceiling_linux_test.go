//go:build amd64 || arm64

package sensor_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kingsnake/capture"
	"kingsnake/capture/sensor"
)

// overCeiling is how the kernel half counts what is over its ceiling.
const overCeiling = "too many bytes in a second"

// TestTheCeilingOfBytesHolds starts long scripts without end in one cgroup and
// short ones beside them: no more bytes come than are to, what is left out says
// so, and short scripts come whole. So do scripts of another cgroup, that is quiet.
func TestTheCeilingOfBytesHolds(t *testing.T) {
	const ceiling, long, short, quiet = 16 << 20, 24, 60, 4
	noisy, other := newCgroup(t), newCgroup(t)
	tag := "KINGSNAKE_TEST=" + t.Name() + " "
	f := newFates()
	see := f.see(tag)
	var mu sync.Mutex
	var bytes int64
	began := time.Now()
	r := recordTo(t, sensor.Config{BytesPerSecond: ceiling}, func(s capture.Script) {
		mu.Lock()
		bytes += int64(len(s.Text))
		mu.Unlock()
		see(s)
	})
	run := func(i, size int, cgroup string) {
		path := filepath.Join(t.TempDir(), "script.py")
		if err := os.WriteFile(path, f.text(i, size), 0o600); err != nil {
			t.Error(err)
			return
		}
		cmd := exec.Command("/bin/sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, cgroup, python, path)
		cmd.Env = []string{tag + fmt.Sprint(i)}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	var running sync.WaitGroup
	running.Go(func() {
		for i := range long {
			run(i, 6<<20, noisy)
		}
	})
	running.Go(func() {
		for i := range short {
			run(long+i, 4<<10, noisy)
		}
	})
	running.Go(func() {
		for i := range quiet {
			run(long+short+i, 512<<10, other)
			time.Sleep(1100 * time.Millisecond) // another second: it is still quiet
		}
	})
	running.Wait()
	if err := r.sensor.Detach(); err != nil {
		t.Fatal(err)
	}
	r.settle()
	took := time.Since(began)
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Logf("%d exact, %d say what is missing, %d MiB in %v; lost %v", len(f.exact), len(f.broken), bytes>>20, took, r.sensor.Stats().Lost)
	if len(f.wrong) > 0 {
		t.Errorf("came without bytes and do not say so: %s", strings.Join(f.wrong, "\n"))
	}
	if r.sensor.Stats().Lost[overCeiling] == 0 {
		t.Error("nothing was over the ceiling: this test shows nothing")
	}
	if most := int64(took/time.Second+2) * ceiling; bytes > most {
		t.Errorf("%d bytes came in %v, the ceiling allows %d", bytes, took, most)
	}
	for i := range long {
		if !f.exact[i] && !f.broken[i] {
			t.Errorf("long script %d did not come at all", i)
		}
	}
	// Other programs of the machine have their part of the ceiling.
	whole := func(from, n int) (sum int) {
		for i := range n {
			if f.exact[from+i] {
				sum++
			}
		}
		return sum
	}
	if n := whole(long, short); n < short/2 {
		t.Errorf("%d of %d short scripts are whole", n, short)
	}
	if n := whole(long+short, quiet); n < quiet/2 {
		t.Errorf("%d of %d scripts of the quiet cgroup are whole", n, quiet)
	}
}
