//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"slices"
	"testing"

	"kingsnake/capture"
	"kingsnake/capture/sensor/generate"
)

// TestTheScriptsOfABundleAreCapturedOnce runs bundles until one is seen to
// compile something, which shows that its compiled scripts were seen being
// handed to the interpreter as well: of those nothing may come a second time.
func TestTheScriptsOfABundleAreCapturedOnce(t *testing.T) {
	pythons := generate.Pythons()
	if len(pythons) == 0 {
		t.Skip("needs a Python: apt-get install python3")
	}
	r := record(t)
	bench := generate.NewBench(pythons[0], t.TempDir())
	defer bench.Close()
	for _, mode := range bench.Modes(false) {
		if mode.Name != "bundle that unpacks itself first" {
			continue
		}
		if err := bench.Prepare(mode); err != nil {
			t.Skip(err)
		}
		for i := range 20 {
			run, err := bench.Run(mode, i)
			if err != nil {
				t.Fatal(err)
			}
			defer run.Close()
			if err := run.Do(); err != nil {
				t.Fatal(err)
			}
			main := r.wait(t, 1, run.Tag)[0]
			// The next one's bundle comes after all that this one compiled.
			r.warm(t, pythons[0].Path)
			all := r.waitUntil(t, run.Tag, func([]capture.Script) bool { return true }, nil)
			if n := len(slices.DeleteFunc(slices.Clone(all), func(s capture.Script) bool { return s.Kind != capture.Bundle })); n != 1 {
				t.Fatalf("want one bundle, got:%s", describe(all))
			}
			evaluated := false
			for _, s := range all {
				if !isCompiled(s) {
					continue
				}
				evaluated = evaluated || bytes.HasPrefix(s.Text, []byte("'"))
				if bytes.Contains(main.Text, s.Text) && len(s.Text) > 100 {
					t.Errorf("what is in the bundle came once more: %.80q", s.Text)
				}
				if s.Parent != main.Digest {
					t.Errorf("%.80q was not compiled by the bundle", s.Text)
				}
			}
			if evaluated {
				return
			}
		}
		t.Fatal("nothing that a bundle compiled was seen")
	}
	t.Fatal("there is no such mode")
}
