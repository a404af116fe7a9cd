package consoletest_test

import (
	"os"
	"os/exec"
	"testing"
)

func TestTypeScriptIsSound(t *testing.T) {
	t.Parallel()
	const compiler = "node_modules/typescript/bin/tsc"
	if _, err := os.Stat(compiler); err != nil {
		t.Skip("no TypeScript compiler: npm ci --prefix console/consoletest")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no Node: apt-get install nodejs npm, then npm ci --prefix console/consoletest")
	}
	if out, err := exec.CommandContext(t.Context(), node, compiler, "-p", "../ui/tsconfig.json").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
