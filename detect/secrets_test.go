package detect_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"kingsnake/capture"
	"kingsnake/capture/binary"
	"kingsnake/detect"
	"kingsnake/finding"
	"kingsnake/normalize"
)

// token is an invented secret of a known form.
const token = "ghp_" + "Zq7Rk2Vw9Xb4Nc6Md8Lf1Hs3Jt5Gp0YaQeWu"

// spread writes a path with a secret in it into every string there is in what v
// points to.
func spread(v reflect.Value) {
	const place = "/srv/" + token + "/x.py"
	switch v.Kind() {
	case reflect.String:
		if v.Type() != reflect.TypeFor[capture.Kind]() && v.Type() != reflect.TypeFor[capture.Role]() && v.Type() != reflect.TypeFor[capture.Act]() {
			v.SetString(place)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				spread(v.Field(i))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			spread(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			spread(v.Index(i))
		}
	}
}

// TestNoSecretInAnyPathIsReported writes a secret into every string of what is
// captured, so that a field that comes later is looked at too.
func TestNoSecretInAnyPathIsReported(t *testing.T) {
	t.Parallel()
	process := capture.Process{Args: []string{""}, Env: []string{""}, Parents: []capture.Process{{Args: []string{""}, Env: []string{""}}}}
	s := script(1, capture.File, "# evil https://user:"+token+"@files.example.com/x\nopen('/srv/"+token+"/y')\n")
	s.Process = process
	by := s
	x := capture.Execution{Process: process, Starter: &capture.Starter{Process: process}, Memory: true, Upper: true, Role: capture.Shell}
	a := capture.Activity{Act: capture.Wrote, Args: []string{""}}
	bin := binary.File{}
	for _, v := range []any{&s, &by, &x, &a, &bin} {
		spread(reflect.ValueOf(v).Elem())
	}
	s.Lost, s.Indirect, by.Lost, by.Indirect, x.Lost, bin.SHA256 = "", "", "", "", "", "" // our own words, a digest
	r := judged(t, s, inPod)
	r.CompiledBy = &by
	r.Text.Layers = append(r.Text.Layers, normalize.Layer{Transform: "zip: " + s.Path, Text: s.Text})
	findings := []finding.Finding{detect.Report(r, bin, "node-1")}
	for _, c := range detect.Companions(x, inPod, nil) {
		findings = append(findings, detect.ReportExecution(x, inPod, c, bin, "node-1"))
	}
	findings = append(findings, grown(t, s, a))
	if len(findings) < 4 {
		t.Fatalf("only %d findings, want a script, executions and a timeline", len(findings))
	}
	for _, f := range findings {
		b, err := finding.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range append([][]byte{b, f.Script.Contents}, layerTexts(f)...) {
			if at := bytes.Index(text, []byte(token)); at >= 0 {
				t.Errorf("%s: a secret is left: …%s", f.Category, text[max(0, at-60):at+8])
			}
		}
		if !strings.Contains(f.Process.Exe, "/srv/[redacted:github-token:") {
			t.Errorf("%s: the path around the secret is gone: %q", f.Category, f.Process.Exe)
		}
	}
}

func layerTexts(f finding.Finding) (out [][]byte) {
	for _, l := range f.Script.Layers {
		out = append(out, l.Text)
	}
	return out
}

// grown is a finding with a timeline.
func grown(t *testing.T, s capture.Script, a capture.Activity) finding.Finding {
	t.Helper()
	var sink shelf
	p := pipeline(scripts{s}, &words{}, &sink)
	child := a
	child.Act, child.Target, child.By = capture.Executed, a.Target, s.Process.PID
	p.Follower = &follower{past: map[int]capture.Past{s.Process.PID: {Acts: []capture.Activity{a, child, a}}}}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := sink.kept[len(sink.kept)-1]
	if len(f.Timeline) < 2 {
		t.Fatalf("no timeline: %+v", f.Timeline)
	}
	return f
}
