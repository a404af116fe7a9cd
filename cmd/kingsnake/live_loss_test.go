package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kingsnake/finding"
)

// startSensor starts a sensor that pushes to in with its spool in dir, and
// serves metrics at address.
func startSensor(t *testing.T, in *instance, url, node, dir, address string) (*exec.Cmd, *lockedBuffer) {
	t.Helper()
	cmd := kingsnake(context.WithoutCancel(t.Context()), "sensor", "--node", node, "--spool", dir, "--metrics", address,
		"--server", url, "--token-file", filepath.Join(in.data, fileSensorToken))
	said := &lockedBuffer{}
	cmd.Stderr = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		if t.Failed() {
			t.Logf("the sensor said:\n%s", said)
		}
	})
	await(t, "the sensor serves metrics", func() bool { return strings.Contains(metricsOf(t, address), `sensor_info{sensor="`+node) })
	return cmd, said
}

// metricsOf is what is served at address, or "".
func metricsOf(t *testing.T, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

// freeAddress is an address on the loopback nobody listened at a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestFindingsOutlastAKilledSensorAndAServerThatIsAway runs a script that must
// be found while the server is away, and kills the sensor -9.
func TestFindingsOutlastAKilledSensorAndAServerThatIsAway(t *testing.T) {
	needSensor(t)
	data, spool, listen, metrics := t.TempDir(), filepath.Join(t.TempDir(), "spool"), freeAddress(t), freeAddress(t)
	in := start(t, "server", data, "--listen", listen)
	sensor, _ := startSensor(t, in, "http://"+listen, "node-8", spool, metrics)
	in.kill()

	script, digest := harmless()
	if out, err := exec.Command("python3", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	await(t, "the finding is in the spool", func() bool {
		files, err := filepath.Glob(filepath.Join(spool, "*.spool"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if b, err := os.ReadFile(file); err == nil && strings.Contains(string(b), digest) {
				return true
			}
		}
		return false
	})
	if got := metricsOf(t, metrics); !strings.Contains(got, `kingsnake_sensor_findings_queued{sensor="node-8"} `) || strings.Contains(got, `findings_queued{sensor="node-8"} 0`) {
		t.Errorf("metrics while the server is away:\n%s", got)
	}
	sensor.Process.Kill()
	sensor.Wait()

	in = start(t, "server", data, "--listen", listen)
	sensor, said := startSensor(t, in, "http://"+listen, "node-8", spool, metrics)
	f, err := in.client.await(t.Context(), digest, patience)
	if err != nil {
		t.Fatal(err)
	}
	if f.Count != 1 || f.Sensor != "node-8" {
		t.Errorf("the finding of sensor %q counts %d, but its script ran once", f.Sensor, f.Count)
	}
	out, err := kingsnake(t.Context(), "doctor", "--data", t.TempDir(), "--metrics", metrics).CombinedOutput()
	if !strings.Contains(string(out), "sensor node-8") || !strings.Contains(string(out), "captured ") {
		t.Errorf("doctor says %v:\n%s", err, out)
	}
	sensor.Process.Signal(os.Interrupt)
	if err := sensor.Wait(); err != nil {
		t.Errorf("the sensor ended with %v\n%s", err, said)
	}
	known := sensorsOf(t, in)
	if len(known) != 1 || !known[0].Stopped {
		t.Errorf("a sensor that was told to stop did not say goodbye: %+v", known)
	}
}

// sensorsOf are the sensors an instance knows.
func sensorsOf(t *testing.T, in *instance) []finding.Sensor {
	t.Helper()
	all, from, err := running(t.Context(), in.data, "")
	if err != nil || from == "" {
		t.Fatalf("%q, %v", from, err)
	}
	return all
}

func TestDoctorSaysThatNothingRuns(t *testing.T) {
	t.Parallel()
	out, _ := kingsnake(t.Context(), "doctor", "--data", t.TempDir(), "--metrics", freeAddress(t)).CombinedOutput() // it exits 1 where no sensor can run
	if !strings.Contains(string(out), "No sensor that can be asked runs here") {
		t.Errorf("doctor says:\n%s", out)
	}
}
