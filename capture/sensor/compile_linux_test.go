//go:build amd64 || arm64

package sensor_test

import (
	"os/exec"
	"slices"
	"testing"

	"kingsnake/capture"
)

func TestTextsCompiledAtRunTimeAreCaptured(t *testing.T) {
	r := record(t)
	text := []byte(`import ast, code
exec("x = 'by exec'")
eval("'by eval'")
exec(compile("x = 'by compile'", "f", "exec"))
ast.parse("x = 'by parse'")
code.InteractiveInterpreter().runsource("x = 'by hand'")
exec(b"x = 'as bytes'")
exec(u"x = u'\xe4\u20ac'")
exec("exec('x = 1 # inside')")
`)
	path := write(t, "script.py", text)
	for _, python := range []string{"/usr/bin/python3", "/root/.pyenv/versions/2.7.18/bin/python2.7", "/root/.pyenv/versions/3.13.0/bin/python3.13"} {
		t.Run(python, func(t *testing.T) {
			got := r.run(t, 9, exec.Command(python, path))
			for _, s := range got {
				t.Logf("%s %q lost %q parent %v", s.Kind, s.Text, s.Lost, s.Parent)
			}
			for _, want := range []string{"x = 'by exec'"} {
				if !slices.ContainsFunc(got, func(s capture.Script) bool {
					return s.Kind == capture.Compiled && string(s.Text) == want && s.Parent == capture.Sum(text)
				}) {
					t.Errorf("want %q", want)
				}
			}
		})
	}
	r.noLoss(t)
}
