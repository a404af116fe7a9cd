package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/console/api"
	"kingsnake/finding"
	"kingsnake/finding/push"
	"kingsnake/finding/scc"
	"kingsnake/store"
	"kingsnake/store/mem"
)

const sensorToken, readToken = "sensor-secret", "read-secret"

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// serve returns a handler over s.
func serve(s store.Store) http.Handler {
	return api.New(api.Config{
		Store: s, SensorToken: sensorToken, ReadToken: readToken, SCC: scc.Config{Project: "demo"}, Now: func() time.Time { return now },
	})
}

func ask(t *testing.T, h http.Handler, method, target, token, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Header().Get("Content-Type") != "application/json" || w.Header().Get("X-Content-Type-Options") != "nosniff" ||
		w.Header().Get("Access-Control-Allow-Origin") != "" || !json.Valid(w.Body.Bytes()) {
		t.Errorf("%s %s answers with %v: %s", method, target, w.Header(), w.Body)
	}
	return w.Code, w.Body.String()
}

// example returns the n-th finding as a sensor would push it.
func example(n int) finding.Finding {
	contents := fmt.Appendf(nil, "import os # %d\xff\n", n)
	sum := sha256.Sum256(contents)
	f := finding.Finding{
		Category: finding.MaliciousPython, Severity: finding.Critical, State: finding.Active, EventTime: now.Add(time.Duration(n) * time.Second),
		Script: finding.Script{
			Kind: "file", Path: fmt.Sprintf("/srv/%d\xff.py", n), Contents: contents, ContentsSHA256: hex.EncodeToString(sum[:]),
			SHA256: hex.EncodeToString(sum[:]), Size: int64(len(contents)),
		},
		Verdict:  finding.Verdict{Label: "malicious", Score: 0.99, Model: "m", Reasons: []finding.Reason{{Text: "opens a shell", Weight: 1}}},
		Process:  finding.Process{PID: n, Start: now, Exe: "/usr/bin/python\xff3", Args: []string{"python3", "\xfe"}},
		Workload: finding.Workload{Node: "node-a"},
		Sensor:   "node-a",
	}
	return seal(f)
}

func seal(f finding.Finding) finding.Finding {
	f.Name = finding.NameOf(f.Category, f.Script.Kind, f.Script.SHA256, f.Workload.Key(f.Process.Exe))
	f.Occurrence = finding.OccurrenceOf(f.Workload.Node, f.Process.PID, f.Process.Start, f.Script.Kind, f.Script.SHA256)
	return f
}

func marshal(t *testing.T, fs ...finding.Finding) string {
	t.Helper()
	var all []string
	for _, f := range fs {
		b, err := finding.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	return "[" + strings.Join(all, ",") + "]"
}

func check(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

type result struct{ Name, Outcome, Error string }

func pushAll(t *testing.T, h http.Handler, body string) []result {
	t.Helper()
	status, answer := ask(t, h, "POST", "/api/v1/findings", sensorToken, body)
	if status != 200 {
		t.Fatalf("push answers %d: %s", status, answer)
	}
	var got struct{ Results []result }
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		t.Fatal(err)
	}
	return got.Results
}

func TestTokensOpenOnlyTheirOwnDoor(t *testing.T) {
	t.Parallel()
	h := serve(mem.New())
	for _, c := range []struct {
		method, target string
		sensor, read   int
	}{
		{"POST", "/api/v1/findings", 200, 403},
		{"POST", "/api/v1/sensors", 400, 403},
		{"GET", "/api/v1/findings", 403, 200},
		{"GET", "/api/v1/findings/x", 403, 404},
		{"GET", "/api/v1/sensors", 403, 200},
		{"HEAD", "/api/v1/sensors", 403, 200},
		{"GET", "/api/v1/healthz", 200, 200},
	} {
		for token, want := range map[string]int{sensorToken: c.sensor, readToken: c.read, "": 401, "wrong": 401, sensorToken + "x": 401} {
			if strings.HasSuffix(c.target, "healthz") {
				want = 200
			}
			if got, body := ask(t, h, c.method, c.target, token, "[]"); got != want {
				t.Errorf("%s %s with token %q: %d, want %d: %s", c.method, c.target, token, got, want, body)
			}
		}
	}
}

func TestAnEmptyTokenOpensNothing(t *testing.T) {
	t.Parallel()
	h := api.New(api.Config{Store: mem.New()})
	for _, header := range []string{"", "Bearer ", "Bearer", "bearer x", "Basic eDp4"} {
		for _, method := range []string{"GET", "POST"} {
			r := httptest.NewRequestWithContext(t.Context(), method, "/api/v1/findings", strings.NewReader("[]"))
			r.Header.Set("Authorization", header)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %q: %d", method, header, w.Code)
			}
		}
	}
}

func TestOtherAddressesAndMethodsAreSaid(t *testing.T) {
	t.Parallel()
	h := serve(mem.New())
	for _, c := range []struct {
		method, target string
		want           int
	}{
		{"GET", "/api/v1/nothing", 404}, {"GET", "/api/v2/findings", 404}, {"PUT", "/api/v1/findings", 405}, {"DELETE", "/api/v1/findings/x", 405},
		{"OPTIONS", "/api/v1/findings", 405}, {"POST", "/api/v1/healthz", 405},
	} {
		if got, _ := ask(t, h, c.method, c.target, readToken, ""); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.target, got, c.want)
		}
	}
}

func TestPushedFindingsAreStoredByteForByte(t *testing.T) {
	t.Parallel()
	s := mem.New()
	h := serve(s)
	one, two := example(1), example(2)
	want := []result{{Name: one.Name, Outcome: "created"}, {Name: two.Name, Outcome: "created"}, {Name: one.Name, Outcome: "duplicate"}}
	check(t, "results", want, pushAll(t, h, marshal(t, one, two, one)))
	got, err := s.Get(t.Context(), one.Name)
	if err != nil {
		t.Fatal(err)
	}
	one.Count, one.FirstTime, one.CreateTime = 1, one.EventTime, got.CreateTime
	check(t, "finding", one, got)

	status, answer := ask(t, h, "GET", "/api/v1/findings/"+one.Name, readToken, "")
	check(t, "status", 200, status)
	read, err := finding.Unmarshal[finding.Finding]([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	check(t, "finding read", got, read)
}

func TestABadFindingIsSaidAndTheOthersAreTaken(t *testing.T) {
	t.Parallel()
	text := func(n int) string { return strings.Repeat("x", n) }
	edit := func(change func(*finding.Finding)) string {
		f := example(1)
		change(&f)
		return strings.Trim(marshal(t, f), "[]")
	}
	resealed := func(change func(*finding.Finding)) string {
		return edit(func(f *finding.Finding) { change(f); *f = seal(*f) })
	}
	for name, c := range map[string]struct{ item, want string }{
		"a number":                   {"7", "not JSON as a sensor writes it"},
		"a text where a time is":     {`{"event_time":"yesterday"}`, "not JSON as a sensor writes it"},
		"an empty object":            {"{}", `category "" is not known here`},
		"null":                       {"null", `category "" is not known here`},
		"another category":           {edit(func(f *finding.Finding) { f.Category = "Other" }), `category "Other"`},
		"another severity":           {edit(func(f *finding.Finding) { f.Severity = "AWFUL" }), `severity "AWFUL"`},
		"another kind":               {edit(func(f *finding.Finding) { f.Script.Kind = "tape" }), `script.kind "tape"`},
		"a program that is a script": {edit(func(f *finding.Finding) { f.Script.Kind = finding.Program }), "does not belong"},
		"a script that is a program": {edit(func(f *finding.Finding) { f.Category = finding.ReverseShell }), "does not belong"},
		"too many connections":       {edit(func(f *finding.Finding) { f.Connections = make([]finding.Connection, 33) }), "connections: 33"},
		"too long a connection":      {edit(func(f *finding.Finding) { f.Connections = []finding.Connection{{Peer: text(9000)}} }), "connections: 9000"},
		"a digest in capitals":       {edit(func(f *finding.Finding) { f.Script.SHA256 = strings.ToUpper(f.Script.SHA256) }), "script.sha256"},
		"no occurrence":              {edit(func(f *finding.Finding) { f.Occurrence = "" }), "occurrence"},
		"another's name":             {edit(func(f *finding.Finding) { f.Name = example(2).Name }), "is not that of this script"},
		"another's workload":         {edit(func(f *finding.Finding) { f.Workload.Image = "x" }), "is not that of this script"},
		"a name as a path":           {edit(func(f *finding.Finding) { f.Name = "../../etc" }), "is not that of this script"},
		"damaged contents":           {edit(func(f *finding.Finding) { f.Script.Contents[0] = '#' }), "contents_sha256"},
		"too much script":            {edit(func(f *finding.Finding) { f.Script.Contents = make([]byte, finding.MaxContents+1) }), "script.contents: 262145"},
		"too many layers":            {edit(func(f *finding.Finding) { f.Script.Layers = make([]finding.Layer, finding.MaxLayers+1) }), "script.layers: 33"},
		"a layer too long": {edit(func(f *finding.Finding) {
			f.Script.Layers = []finding.Layer{{Text: make([]byte, finding.MaxLayerText+1)}}
		}), "script.layers[0].text"},
		"a negative size":            {edit(func(f *finding.Finding) { f.Script.Size = -1 }), "cannot be negative"},
		"a parent that is no digest": {edit(func(f *finding.Finding) { f.Script.Parent = "x" }), "script.parent"},
		"a benign label":             {edit(func(f *finding.Finding) { f.Verdict.Label = "benign" }), `verdict.label "benign"`},
		"a score above one":          {edit(func(f *finding.Finding) { f.Verdict.Score = 1.5 }), "verdict.score"},
		"too many reasons":           {edit(func(f *finding.Finding) { f.Verdict.Reasons = make([]finding.Reason, 17) }), "verdict.reasons: 17"},
		"a span that ends early":     {edit(func(f *finding.Finding) { f.Verdict.Reasons[0].Spans = []finding.Span{{Start: 5, End: 1}} }), "a span"},
		"too many addresses":         {edit(func(f *finding.Finding) { f.Indicators.IPs = make([]string, 65) }), "indicators: 65"},
		"too long arguments":         {edit(func(f *finding.Finding) { f.Process.Args = []string{text(finding.MaxArgs), "x"} }), "process.args: 65537"},
		"too long an environment":    {edit(func(f *finding.Finding) { f.Process.Env = []string{text(finding.MaxEnv + 1)} }), "process.env: 65537"},
		"too many parents":           {edit(func(f *finding.Finding) { f.Process.Parents = make([]finding.Process, 17) }), "process.parents: 17"},
		"parents of parents":         {edit(func(f *finding.Finding) { f.Process.Parents = []finding.Process{{Parents: make([]finding.Process, 1)}} }), "no parents of its own"},
		"a negative pid":             {edit(func(f *finding.Finding) { f.Process.PID = -1 }), "cannot be negative"},
		"too long a path":            {edit(func(f *finding.Finding) { f.Script.Path = text(9000) }), "script.path: 9000"},
		"too long a node":            {resealed(func(f *finding.Finding) { f.Workload.Node = text(9000) }), "workload: 9000"},
		"too long a sensor":          {edit(func(f *finding.Finding) { f.Sensor = text(257) }), "sensor: 257"},
		"too many labels":            {edit(func(f *finding.Finding) { f.Workload.PodLabels = many(1025) }), "workload.pod_labels: 1025"},
		"an event never":             {edit(func(f *finding.Finding) { f.EventTime = time.Time{} }), "event_time"},
		"an event in two days":       {edit(func(f *finding.Finding) { f.EventTime = now.Add(48 * time.Hour) }), "set the node's clock"},
		"a bomb of empty layers":     {`{"script":{"layers":[` + strings.Repeat("{},", 1<<20) + `{}]}}`, "commas"},
		"more than a finding holds":  {`{"new_field":"` + text(8<<20) + `"}`, "bytes of JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := example(9)
			body := strings.TrimSuffix(marshal(t, good), "]") + "," + c.item + "," + strings.Trim(marshal(t, example(8)), "[]") + "]"
			s := mem.New()
			got := pushAll(t, serve(s), body)
			if len(got) != 3 || got[0].Outcome != "created" || got[2].Outcome != "created" || got[1].Outcome != "" || !strings.Contains(got[1].Error, c.want) {
				t.Errorf("want an error with %q, got %+v", c.want, got)
			}
			if len(got) > 1 && len(got[1].Error)+len(got[1].Name) > 1000 {
				t.Errorf("the answer repeats %d bytes", len(got[1].Error))
			}
			st, err := s.Stats(t.Context())
			if err != nil || st.Findings != 2 {
				t.Errorf("%d findings are stored, %v", st.Findings, err)
			}
		})
	}
}

func many(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprint(i)] = ""
	}
	return m
}

func TestUnknownFieldsAreTolerated(t *testing.T) {
	t.Parallel()
	item := strings.Replace(marshal(t, example(1)), "{", `{"from_the_future":{"a":[1,2]},`, 1)
	check(t, "results", []result{{Name: example(1).Name, Outcome: "created"}}, pushAll(t, serve(mem.New()), item))
}

func TestAsLargeAFindingAsThereMayBeIsTaken(t *testing.T) {
	t.Parallel()
	f := example(1)
	f.Script.Contents = bytes.Repeat([]byte{0xff}, finding.MaxContents)
	sum := sha256.Sum256(f.Script.Contents)
	f.Script.ContentsSHA256 = hex.EncodeToString(sum[:])
	for range finding.MaxLayers {
		f.Script.Layers = append(f.Script.Layers, finding.Layer{Text: bytes.Repeat([]byte{0xff}, finding.MaxLayerText)})
	}
	f.Process.Args = []string{strings.Repeat("\xff", finding.MaxArgs)}
	f.Process.Env = []string{strings.Repeat("\x01", finding.MaxEnv)}
	for range finding.MaxParents {
		f.Process.Parents = append(f.Process.Parents, finding.Process{Args: []string{strings.Repeat("\xff", finding.MaxArgs/finding.MaxParents)}})
	}
	check(t, "results", []result{{Name: f.Name, Outcome: "created"}}, pushAll(t, serve(mem.New()), marshal(t, f)))
}

func TestABodyThatIsNoArrayOfFindingsIsSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"nothing":            {"", 400},
		"an object":          {"{}", 400},
		"null":               {"null", 400},
		"cut short":          {`[{"name":`, 400},
		"something after":    {"[] []", 400},
		"deeply nested":      {strings.Repeat("[", 1<<20), 400},
		"too much":           {"[" + strings.Repeat(" ", 16<<20) + "]", 413},
		"too many":           {"[" + strings.Repeat("{},", 500) + "{}]", 413},
		"an array of arrays": {"[[]]", 200},
	} {
		if got, body := ask(t, serve(mem.New()), "POST", "/api/v1/findings", sensorToken, c.body); got != c.want {
			t.Errorf("%s: %d, want %d: %s", name, got, c.want, body)
		}
	}
}

// broken is a store whose every Put fails.
type broken struct {
	store.Store
	err error
}

func (b broken) Put(context.Context, finding.Finding) (store.Outcome, error) { return "", b.err }
func (b broken) Get(context.Context, string) (finding.Finding, error) {
	return finding.Finding{}, b.err
}

func TestAStoreThatFailsAsksForAnotherTry(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("database /srv/secret.db: %w", store.ErrFull), 507}, {fmt.Errorf("database /srv/secret.db: %w", store.ErrDamaged), 503},
		{errors.New("/srv/secret.db busy"), 503},
	} {
		h := serve(broken{mem.New(), c.err})
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/findings", strings.NewReader(marshal(t, example(1))))
		r.Header.Set("Authorization", "Bearer "+sensorToken)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "secret.db") {
			t.Errorf("%v answers %d with %v: %s", c.err, w.Code, w.Header(), w.Body)
		}
		if got, body := ask(t, h, "GET", "/api/v1/healthz", "", ""); got != 503 || strings.Contains(body, "secret.db") {
			t.Errorf("healthz answers %d: %s", got, body)
		}
	}
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	h := serve(mem.New())
	beat := func(s finding.SensorStatus) (int, string) {
		b, err := finding.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return ask(t, h, "POST", "/api/v1/sensors", sensorToken, string(b))
	}
	good := finding.SensorStatus{Name: "node-a\xff", Time: now, Started: now, Scripts: 5, Lost: finding.Losses{{Stage: "push", Reason: "queue full"}: 2}}
	if got, body := beat(good); got != 200 {
		t.Errorf("heartbeat: %d %s", got, body)
	}
	for name, s := range map[string]finding.SensorStatus{
		"no name": {Time: now}, "a long name": {Name: strings.Repeat("n", 257), Time: now}, "no time": {Name: "n"},
		"a time to come": {Name: "n", Time: now.Add(48 * time.Hour)}, "a negative queue": {Name: "n", Time: now, QueuedOut: -1},
	} {
		if got, body := beat(s); got != 400 {
			t.Errorf("%s: %d %s", name, got, body)
		}
	}
	if got, _ := beat(finding.SensorStatus{Name: "n", Time: now, Degraded: strings.Repeat("x", 64<<10)}); got != 413 {
		t.Errorf("a large heartbeat: %d", got)
	}
	for _, body := range []string{"", "[]", "7", `{"time":7}`} {
		if got, _ := ask(t, h, "POST", "/api/v1/sensors", sensorToken, body); got != 400 {
			t.Errorf("heartbeat %q: %d", body, got)
		}
	}
	_, body := ask(t, h, "GET", "/api/v1/sensors", readToken, "")
	var got struct{ Sensors []json.RawMessage }
	if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Sensors) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	s, err := finding.Unmarshal[finding.SensorStatus](got.Sensors[0])
	if err != nil {
		t.Fatal(err)
	}
	check(t, "sensor", good, s)
}

type page struct {
	Findings []finding.Finding
	Next     string
}

func TestListsTakeEveryFieldOfAQuery(t *testing.T) {
	t.Parallel()
	h := serve(mem.New())
	odd := example(5)
	odd.Severity, odd.Script.Kind, odd.Script.Path = finding.Medium, "stdin", "/ODD & more/100%"
	odd.Workload = finding.Workload{PodNamespace: "shop", PodName: "p", Image: "registry.example.com/i:1", Node: "node-b", ContainerID: "c"}
	odd = seal(odd)
	pushAll(t, h, marshal(t, example(1), example(2), odd, example(9)))
	at := func(n int) string { return now.Add(time.Duration(n) * time.Second).Format(time.RFC3339) }
	for name, v := range map[string]url.Values{
		"severity": {"severity": {"MEDIUM"}}, "kind": {"kind": {"stdin"}}, "namespace": {"namespace": {"shop"}},
		"image": {"image": {odd.Workload.Image}}, "node": {"node": {"node-b"}}, "sha256": {"sha256": {odd.Script.SHA256}},
		"text": {"text": {"odd & MORE/100%"}}, "times": {"since": {at(5)}, "until": {at(6)}},
		"all": {"severity": {"MEDIUM"}, "state": {"ACTIVE"}, "kind": {"stdin"}, "limit": {"3"}, "cursor": {""}, "since": {""}},
	} {
		status, body := ask(t, h, "GET", "/api/v1/findings?"+v.Encode(), readToken, "")
		var got page
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
			t.Fatalf("%s: %d %v", name, status, err)
		}
		if len(got.Findings) != 1 || got.Findings[0].Name != odd.Name || got.Next != "" {
			t.Errorf("%s: %s", name, body)
		}
	}
	_, none := ask(t, h, "GET", "/api/v1/findings?state=INACTIVE", readToken, "")
	check(t, "an empty page", `{"findings":[],"next":""}`, none)
}

func TestListsArePaged(t *testing.T) {
	t.Parallel()
	h := serve(mem.New())
	pushAll(t, h, marshal(t, example(1), example(2), example(3)))
	want, got := []string{example(3).Name, example(2).Name, example(1).Name}, []string{}
	for next := ""; ; {
		_, body := ask(t, h, "GET", "/api/v1/findings?limit=2&cursor="+url.QueryEscape(next), readToken, "")
		var p page
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err)
		}
		for _, f := range p.Findings {
			got = append(got, f.Name)
		}
		if next = p.Next; next == "" {
			break
		}
	}
	check(t, "names", want, got)
}

func TestABadQueryIsSaid(t *testing.T) {
	t.Parallel()
	h := serve(mem.New())
	for _, q := range []string{
		"severity=AWFUL", "state=active", "limit=0", "limit=1001", "limit=x", "since=yesterday", "until=1", "cursor=nonsense", "sevrity=HIGH",
		"node=a&node=b", "text=%zz", "a;b",
	} {
		if got, body := ask(t, h, "GET", "/api/v1/findings?"+q, readToken, ""); got != 400 {
			t.Errorf("%s: %d %s", q, got, body)
		}
	}
}

func TestAFindingHasTheFormsOfSecurityCommandCenter(t *testing.T) {
	t.Parallel()
	s := mem.New()
	h := serve(s)
	pushAll(t, h, marshal(t, example(1)))
	f, err := s.Get(t.Context(), example(1).Name)
	if err != nil {
		t.Fatal(err)
	}
	for view, form := range map[string]func(finding.Finding, scc.Config) ([]byte, error){
		"scc-v2": scc.V2JSON, "scc-notification": scc.NotificationJSON, "legacy": scc.LegacyJSON,
	} {
		want, err := form(f, scc.Config{Project: "demo"})
		if err != nil {
			t.Fatal(err)
		}
		status, got := ask(t, h, "GET", "/api/v1/findings/"+f.Name+"?view="+view, readToken, "")
		check(t, view, string(want), got)
		check(t, "status", 200, status)
	}
	if got, _ := ask(t, h, "GET", "/api/v1/findings/"+f.Name+"?view=xml", readToken, ""); got != 400 {
		t.Errorf("an unknown view: %d", got)
	}
	if got, _ := ask(t, h, "GET", "/api/v1/findings/..%2f..%2fetc", readToken, ""); got != 404 {
		t.Errorf("a hostile name: %d", got)
	}
}

func TestManyPushesAtATimeAreHeldBack(t *testing.T) {
	t.Parallel()
	h := serve(mem.New())
	var blocked []*io.PipeWriter
	done := make(chan int, 4)
	for range 4 { // four bodies that do not end
		r, w := io.Pipe()
		blocked = append(blocked, w)
		req := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/findings", r)
		req.Header.Set("Authorization", "Bearer "+sensorToken)
		go func() {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, req)
			done <- rec.Code
		}()
		if _, err := w.Write([]byte("[")); err != nil { // returns when the handler reads
			t.Fatal(err)
		}
	}
	if got, body := ask(t, h, "POST", "/api/v1/findings", sensorToken, "[]"); got != 429 {
		t.Errorf("the fifth push: %d %s", got, body)
	}
	for _, w := range blocked {
		if _, err := w.Write([]byte("]")); err != nil {
			t.Error(err)
		}
		w.Close()
		check(t, "a push that was held", 200, <-done)
	}
	if got, _ := ask(t, h, "POST", "/api/v1/findings", sensorToken, "[]"); got != 200 {
		t.Errorf("a push when there is room: %d", got)
	}
}

func TestTheSensorsClientAndTheServerAgree(t *testing.T) {
	t.Parallel()
	s := mem.New()
	web := httptest.NewServer(serve(s))
	defer web.Close()
	client, err := push.New(push.Config{URL: web.URL, Token: sensorToken})
	if err != nil {
		t.Fatal(err)
	}
	bad := example(3)
	bad.Name = strings.Repeat("0", 32)
	for _, f := range []finding.Finding{example(1), bad, example(2), example(1)} {
		if err := client.Put(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Heartbeat(t.Context(), finding.SensorStatus{Name: "node-a", Time: now}); err != nil {
		t.Error(err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client.Run(stopped); err != nil { // hands over what is queued
		t.Error(err)
	}
	check(t, "dropped", map[string]uint64{"refused by the server": 1}, client.Dropped())
	st, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check(t, "stored", int64(2), st.Findings)
	got, err := s.Get(t.Context(), example(1).Name)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "count", int64(1), got.Count)
}

func FuzzPush(f *testing.F) {
	one := example(1)
	b, err := finding.Marshal(one)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("[" + string(b) + "]"))
	f.Add([]byte("[{},null,7,[]]"))
	f.Add([]byte(`[{"process":{"parents":[{"parents":[{}]}]}}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := mem.New()
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/findings", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+sensorToken)
		w := httptest.NewRecorder()
		serve(s).ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("the answer is no JSON: %s", w.Body)
		}
		st, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch w.Code {
		case 400, 413:
			if st.Findings != 0 {
				t.Error("a refused request stored findings")
			}
		case 200:
			// Whatever was stored can be shown in every form.
			list, err := s.List(t.Context(), store.Query{})
			if err != nil {
				t.Fatal(err)
			}
			for _, stored := range list.Findings {
				for _, view := range []string{"", "?view=scc-v2", "?view=legacy", "?view=scc-notification"} {
					if got, body := ask(t, serve(s), "GET", "/api/v1/findings/"+stored.Name+view, readToken, ""); got != 200 {
						t.Errorf("view %q: %d %s", view, got, body)
					}
				}
			}
		default:
			t.Errorf("the answer is %d: %s", w.Code, w.Body)
		}
	})
}
