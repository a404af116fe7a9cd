package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kingsnake/capture"
	"kingsnake/classify"
	"kingsnake/classify/model"
	"kingsnake/classify/serve"
	"kingsnake/finding"
	"kingsnake/normalize"
)

// kindModel returns a model that calls script harmless: the embedded one with
// one byte of its numbers changed.
func kindModel(t *testing.T, script string) []byte {
	t.Helper()
	m, err := model.Default()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	data, text := b.Bytes(), normalize.Normalize([]byte(script))
	if m.Judge(text).Label != classify.Malicious {
		t.Fatal("the embedded model does not call the script malicious")
	}
	for i := range min(len(data), 256) {
		for _, to := range []byte{0xc0, 0x00, 0xbf} {
			was := data[i]
			data[i] = to
			if other, err := classify.Load(bytes.NewReader(data)); err == nil && other.Judge(text).Label == classify.Benign {
				return data
			}
			data[i] = was
		}
	}
	t.Fatal("no byte at the beginning of the model makes it harmless; does its file still begin with its numbers?")
	return nil
}

// kingsnakeSays runs a command that must succeed, and returns what it printed.
func kingsnakeSays(t *testing.T, args ...string) string {
	t.Helper()
	out, err := kingsnake(t.Context(), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kingsnake %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// signedModels are two signed models and the key to trust them with.
type signedModels struct{ file, other, key, private string }

// signModels signs the embedded model, and one that calls script harmless.
func signModels(t *testing.T, script string) signedModels {
	t.Helper()
	dir := t.TempDir()
	s := signedModels{filepath.Join(dir, "m.signed"), filepath.Join(dir, "other.signed"), filepath.Join(dir, "k.pub"), filepath.Join(dir, "k.key")}
	kingsnakeSays(t, "model", "keygen", "--name", "test", "--out", filepath.Join(dir, "k"))
	kingsnakeSays(t, "model", "sign", "--key", s.private, "--out", s.file, "embedded")
	bare := filepath.Join(dir, "other.model")
	if err := os.WriteFile(bare, kindModel(t, script), 0o600); err != nil {
		t.Fatal(err)
	}
	kingsnakeSays(t, "model", "sign", "--key", s.private, "--out", s.other, bare)
	return s
}

func (s signedModels) hash(t *testing.T, file string) string {
	t.Helper()
	return strings.Fields(kingsnakeSays(t, "model", "info", file))[1]
}

// awaitModel waits until the process on data says ok of its models.
func awaitModel(t *testing.T, data, what string, ok func(serve.State) bool) serve.State {
	t.Helper()
	var s serve.State
	await(t, what, func() bool {
		var err error
		s, err = serve.ReadState(filepath.Join(data, folderModels))
		return err == nil && ok(s)
	})
	return s
}

// TestModelsOfARunningProcess changes the model of a real process in every way
// there is.
func TestModelsOfARunningProcess(t *testing.T) {
	t.Parallel()
	s := signModels(t, selftestScript)
	first, second := s.hash(t, s.file), s.hash(t, s.other)
	data := t.TempDir()
	args := []string{"--model", s.file, "--model-key", s.key, "--shadow-model", s.other}
	in := start(t, "up", data, args...)
	using := func(hash string) func(serve.State) bool {
		return func(s serve.State) bool { return s.Current.Hash == hash }
	}
	awaitModel(t, data, "the file's model is in use", using(first))

	// The file is replaced by another: it takes over by itself.
	copyFile(t, s.other, s.file)
	awaitModel(t, data, "the new model is in use", using(second))

	// By one that is not signed: it is refused, and the model stays.
	if err := os.WriteFile(s.file, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	in.cmd.Process.Signal(syscall.SIGHUP)
	st := awaitModel(t, data, "the garbage is refused", func(s serve.State) bool { return s.Refusals == 1 })
	if st.Current.Hash != second || !strings.Contains(st.Problem, "not signed") {
		t.Errorf("in use %s, problem %q", st.Current.Hash, st.Problem)
	}
	await(t, "the log says so", func() bool { return strings.Contains(in.out.String(), "a model file is refused") })

	// Back, and it stays so after a kill.
	if out := kingsnakeSays(t, "model", "rollback", "--data", data); !strings.Contains(out, "in use: "+first) {
		t.Errorf("rollback says %q", out)
	}
	in.kill()
	in = start(t, "up", data, args...)
	awaitModel(t, data, "the model gone back to is in use", using(first))
	if out := kingsnakeSays(t, "model", "status", "--data", data); !strings.Contains(out, first) || !strings.Contains(out, "by hand") || !strings.Contains(out, "refused") {
		t.Errorf("status says %q", out)
	}

	// Forth: the shadow is put into use, then one by the beginning of its hash.
	if out := kingsnakeSays(t, "model", "promote", "--data", data); !strings.Contains(out, "in use: "+second) {
		t.Errorf("promote says %q", out)
	}
	if out := kingsnakeSays(t, "model", "use", "--data", data, first[:8]); !strings.Contains(out, "in use: "+first) {
		t.Errorf("use says %q", out)
	}
	if out := kingsnakeSays(t, "model", "use", "--data", data, "embedded"); !strings.Contains(out, "inside the program") {
		t.Errorf("use embedded says %q", out)
	}

	// The file that is to be followed again is still garbage.
	var exit *exec.ExitError
	out, err := kingsnake(context.WithoutCancel(t.Context()), "model", "use", "--data", data, "file").CombinedOutput()
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "not done: the file") {
		t.Errorf("use file: %v, %s", err, out)
	}
	if err := in.interrupt(); err != nil {
		t.Errorf("the process ends with %v", err)
	}
	if out := kingsnakeSays(t, "model", "use", "--data", data, second[:8]); !strings.Contains(out, "it counts from the next start on") {
		t.Errorf("use says %q", out)
	}
	start(t, "up", data, args...)
	awaitModel(t, data, "what was chosen meanwhile is in use", using(second))
}

// selftestScript is one of those that the self-test runs.
var selftestScript, _ = harmless()

// TestTheShadowAndTheCacheFollowTheModel runs the same script before and after
// another model takes over.
func TestTheShadowAndTheCacheFollowTheModel(t *testing.T) {
	needSensor(t)
	s := signModels(t, selftestScript)
	first, second := s.hash(t, s.file), s.hash(t, s.other)
	digest := capture.Sum([]byte(selftestScript)).String()
	in := start(t, "up", t.TempDir(), "--model", s.file, "--model-key", s.key, "--shadow-model", s.other)
	runIt := func() {
		t.Helper()
		if err := runHarmless(t.Context(), "python3", "file", selftestScript); err != nil {
			t.Fatal(err)
		}
	}
	runIt()
	await(t, "the script is found", func() bool { return in.findings()[digest].Count == 1 })
	if f := in.findings()[digest]; f.Verdict.Model != first {
		t.Errorf("judged by %s, want %s", f.Verdict.Model, first)
	}
	ours := func(s serve.State) int {
		return slices.IndexFunc(s.Differences, func(d serve.Difference) bool { return d.SHA256 == digest })
	}
	st := awaitModel(t, in.data, "the shadow differs", func(s serve.State) bool { return ours(s) >= 0 })
	if d := st.Differences[ours(st)]; d.Kind != "file" || d.Label != classify.Malicious || d.ShadowLabel != classify.Benign || d.Model != first || d.Shadow != second {
		t.Errorf("difference %+v", d)
	}
	if out := kingsnakeSays(t, "model", "diff", "--data", in.data); !strings.Contains(out, digest) {
		t.Errorf("diff says %q", out)
	}
	kingsnakeSays(t, "model", "promote", "--data", in.data)
	before := in.judged()
	runIt() // harmless now
	await(t, "a heartbeat with the script in it", func() bool { return in.judged() > before })
	kingsnakeSays(t, "model", "rollback", "--data", in.data)
	runIt() // and not any more
	await(t, "the script is found again", func() bool { return in.findings()[digest].Count >= 2 })
	if f := in.findings()[digest]; f.Count != 2 {
		t.Errorf("found %d times, want 2: once by each model's verdict that is not harmless", f.Count)
	}
}

// judged is how many scripts the instance's sensor has judged, as of its last
// heartbeat.
func (in *instance) judged() uint64 {
	in.t.Helper()
	var answer struct {
		Sensors []finding.SensorStatus `json:"sensors"`
	}
	if err := in.client.get(in.t.Context(), "/sensors", &answer); err != nil || len(answer.Sensors) != 1 {
		in.t.Fatalf("ask for the sensor: %v, %d of them", err, len(answer.Sensors))
	}
	return answer.Sensors[0].Scripts
}

// copyFile puts a copy of one file in the place of another in one step.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+".tmp", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".tmp", to); err != nil {
		t.Fatal(err)
	}
}
