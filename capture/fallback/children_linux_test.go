package fallback_test

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"kingsnake/capture"
)

// TestImportsOfForkedChildren has a child import a module, and then its parent
// another: of whom nobody tells that they were forked, the imports are not seen.
func TestImportsOfForkedChildren(t *testing.T) {
	for name, config := range ways {
		if config.NoFiles {
			continue // no import is seen
		}
		t.Run(name, func(t *testing.T) {
			nonce := rand.Text()
			scripts := make(chan capture.Script, 16)
			watch(t, config, func(s capture.Script) {
				if strings.Contains(string(s.Text), nonce) {
					scripts <- s
				}
			})
			dir := t.TempDir()
			for _, module := range []string{"inchild", "inparent"} {
				if err := os.WriteFile(filepath.Join(dir, module+".py"), []byte("# "+module+nonce), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			// It waits until it has been looked at, on the slowest machine too.
			cmd := exec.Command("python3", "-c", `import os, sys
sys.stdin.readline()
if os.fork() == 0:
    import inchild
    os._exit(0)
os.wait()
import inparent
sys.stdin.readline()
# `+nonce)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Skipf("%v: apt-get install python3", err)
			}
			t.Cleanup(func() {
				in.Close()
				_ = cmd.Wait() // its end is of no interest
			})
			main := wait(t, scripts, "the script")
			if _, err := in.Write([]byte("\n")); err != nil {
				t.Fatal(err)
			}
			want := []string{"inchild.py", "inparent.py"}
			if config.NoConnector {
				want = want[1:]
			}
			for _, w := range want {
				if s := wait(t, scripts, w); path.Base(s.Path) != w || s.Kind != capture.Import || s.Parent != main.Digest {
					t.Errorf("want %s imported, got %s %q of %s", w, s.Kind, s.Path, s.Parent)
				}
			}
		})
	}
}
