//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"kingsnake/capture"
	"kingsnake/capture/sensor/generate"
)

// TestALargeModuleIsCaptured imports modules that are longer than anything that a
// script is read in, before and after the sensor knows that the script runs.
func TestALargeModuleIsCaptured(t *testing.T) {
	r := record(t)
	for _, python := range generate.Pythons() {
		t.Run(python.Name, func(t *testing.T) {
			main := write(t, "main.py", []byte("import module, time\ntime.sleep(.05)\nimport later\n"))
			folder := filepath.Dir(main)
			for _, name := range []string{"module.py", "later.py"} {
				text := bytes.Repeat([]byte("x = 'some text'\n"), 20000)
				if err := os.WriteFile(filepath.Join(folder, name), append(text, "# "+t.Name()+name...), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			n := 0
			for range 5 {
				for range 2 { // the first one compiles
					n += 3
					for _, s := range r.run(t, n, exec.Command(python.Path, main)) {
						if s.Kind == capture.Import && s.Size < 64<<10 {
							t.Errorf("%s has only %d bytes", s.Path, s.Size)
						}
					}
				}
				for _, name := range []string{"__pycache__", "module.pyc", "later.pyc"} {
					if err := os.RemoveAll(filepath.Join(folder, name)); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}
