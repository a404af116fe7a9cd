//go:build amd64 || arm64

package sensor_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTimesAreRightAfterTheClockWasSet sets the machine's clock forward and back
// again, with one program running meanwhile: it keeps its name, and what starts
// afterwards has the new time.
func TestTimesAreRightAfterTheClockWasSet(t *testing.T) {
	if os.Getenv("KINGSNAKE_SET_CLOCK") != "1" {
		t.Skip("sets the machine's clock: make kernels runs it in virtual machines")
	}
	r := record(t)
	for _, by := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			cmd := exec.Command(python, "-c", "input()")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			tag := "KINGSNAKE_TEST=before, " + t.Name()
			cmd.Env = []string{tag}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = in.Close()
				_ = cmd.Wait()
			}()
			before := r.wait(t, 1, tag)[0]
			setClock(t, by)
			time.Sleep(time.Second) // it is looked at now and then
			after := r.run(t, 1, exec.Command(python, "-c", "pass"))[0]
			for name, at := range map[string]time.Time{"script": after.Time, "process": after.Process.Start} {
				if off := time.Since(at.Round(0)); off.Abs() > time.Hour {
					t.Errorf("the clock was set by %v, and the %s that came then is of %v ago", by, name, off)
				}
			}
			if _, err := r.sensor.Follow(before.Process); err != nil {
				t.Errorf("follow a process from before the clock was set: %v", err)
			}
		})
	}
}

func setClock(t *testing.T, by time.Duration) {
	t.Helper()
	now := unix.NsecToTimespec(time.Now().Add(by).UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
		t.Fatal(err)
	}
}
