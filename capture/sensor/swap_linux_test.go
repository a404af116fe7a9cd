//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"kingsnake/capture"
)

// swapper is a usercustomize module: before an interpreter opens its script it
// looks whether that is an archive, by opening it too. This acts between the two,
// as another process could that waits for the first.
const swapper = `import os, sys
def hook(path):
    if os.path.basename(path) == "script":
        %s
    raise ImportError
sys.path_hooks.insert(1, hook)
`

// TestAScriptThatIsReplacedBeforeItRunsIsCaptured replaces a script after it was
// opened for the first time: what runs is captured too.
func TestAScriptThatIsReplacedBeforeItRunsIsCaptured(t *testing.T) {
	r := record(t)
	sizes := []int{300, 200_000}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for _, size := range sizes {
		for name, c := range map[string]struct {
			act     string // of a file "other" that is to run
			link    bool   // the script is a symbolic link
			settled bool   // and is known already
			options string
		}{
			"renamed over":                 {act: `os.rename("other", "script")`},
			"renamed over, known":          {act: `os.rename("other", "script")`, settled: true},
			"renamed over, with a prompt":  {act: `os.rename("other", "script")`, options: "-i"},
			"written anew":                 {act: `os.system("cat other > script")`},
			"another link":                 {act: `os.unlink("script"); os.symlink("other", "script")`, link: true},
			"another link, known":          {act: `os.unlink("script"); os.symlink("other", "script")`, link: true, settled: true},
			"another link for that moment": {act: `os.unlink("script"); os.symlink("other", "script")`, link: true, options: "back"},
		} {
			t.Run(fmt.Sprintf("%s, %d bytes", name, size), func(t *testing.T) {
				dir := t.TempDir()
				first := append(program(t, size), "# first\n"...)
				other := append(program(t, size), "open('ran', 'w')\n"...)
				if c.options == "back" {
					other = append([]byte("import os; os.unlink('script'); os.symlink('real', 'script')\n"), other...)
				}
				script := "script"
				if c.link {
					script = "real"
				}
				for name, text := range map[string][]byte{script: first, "other": other} {
					if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if c.link {
					if err := os.Symlink(script, filepath.Join(dir, "script")); err != nil {
						t.Fatal(err)
					}
				}
				run := func(act string) *exec.Cmd {
					if err := os.WriteFile(filepath.Join(dir, "usercustomize.py"), fmt.Appendf(nil, swapper, act), 0o600); err != nil {
						t.Fatal(err)
					}
					args := []string{"script"}
					if c.options == "-i" {
						args = []string{"-i", "script"}
					}
					cmd := exec.Command(python, args...)
					cmd.Dir = dir
					cmd.Env = []string{"PATH=/usr/bin:/bin", "PYTHONPATH=" + dir, "HOME=" + dir}
					return cmd
				}
				if c.settled {
					waitUntilSettled(t, filepath.Join(dir, script))
					for range 2 {
						cmd := run("pass")
						cmd.Env = append(cmd.Env, "TAG=")
						r.start(t, cmd)
					}
				}
				tag := r.start(t, run(c.act))
				if _, err := os.Stat(filepath.Join(dir, "ran")); err != nil {
					t.Fatal("the other text did not run: this test shows nothing")
				}
				r.waitUntil(t, tag, func(got []capture.Script) bool {
					return slices.ContainsFunc(got, func(s capture.Script) bool {
						return s.Kind == capture.File && s.Digest == capture.Sum(other) && bytes.Equal(s.Text, other) && s.Lost == ""
					})
				}, func() string { return "the text that ran did not come" })
			})
		}
	}
}
