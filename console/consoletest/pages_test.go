package consoletest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/andybalholm/cascadia"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"kingsnake/console/auth"
	"kingsnake/console/consoletest"
	"kingsnake/finding"
	"kingsnake/store"
)

// site is a console and a client of it.
type site struct {
	*httptest.Server
	store  store.Store
	auth   *auth.Auth
	client *http.Client
}

// samples are the findings of every test that does not need others.
func samples() []finding.Finding {
	return append(consoletest.Many(120), consoletest.Shell(), consoletest.Command(), consoletest.Stdin(), consoletest.Program(), consoletest.Hostile())
}

// open starts a console; its client is signed out and follows no redirects.
func open(t *testing.T, findings []finding.Finding) *site {
	t.Helper()
	handler, s, a, err := consoletest.New(t.Context(), t.TempDir(), findings, consoletest.Sensors())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &site{server, s, a, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// signedIn starts a console and signs its client in.
func signedIn(t *testing.T, findings []finding.Finding) *site {
	t.Helper()
	s := open(t, findings)
	if r := s.post(t, "/signin", url.Values{"token": {s.mint(t)}}); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign in: status %d", r.StatusCode)
	}
	return s
}

func (s *site) mint(t *testing.T) string {
	t.Helper()
	token, err := s.auth.Mint()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// reply is an answer, read to its end.
type reply struct {
	*http.Response
	body string
}

func (s *site) do(t *testing.T, r *http.Request) reply {
	t.Helper()
	answer, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{answer, string(body)}
}

func (s *site) request(t *testing.T, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *site) get(t *testing.T, path string) reply {
	t.Helper()
	return s.do(t, s.request(t, http.MethodGet, path, ""))
}

func (s *site) post(t *testing.T, path string, form url.Values) reply {
	t.Helper()
	r := s.request(t, http.MethodPost, path, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(t, r)
}

// page gets a page and parses it.
func (s *site) page(t *testing.T, path string) *html.Node {
	t.Helper()
	r := s.get(t, path)
	if r.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: status %d", path, r.StatusCode)
	}
	return parse(t, r.body)
}

func parse(t *testing.T, body string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func all(doc *html.Node, selector string) []*html.Node {
	return cascadia.QueryAll(doc, cascadia.MustCompile(selector))
}

// text is a node's text with runs of blanks made one.
func text(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return strings.Join(strings.Fields(b.String()), " ")
}

func texts(doc *html.Node, selector string) []string {
	var out []string
	for _, n := range all(doc, selector) {
		out = append(out, text(n))
	}
	return out
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// facts are the labels and values of a section.
func facts(doc *html.Node, section string) map[string]string {
	out := map[string]string{}
	for _, n := range all(doc, "section[aria-labelledby="+section+"] .facts > div") {
		out[text(all(n, "dt")[0])] = text(all(n, "dd")[0])
	}
	return out
}

func TestEveryScreenIsSoundHTML(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	for _, screen := range consoletest.Screens() {
		t.Run(screen.Name, func(t *testing.T) {
			r := s.get(t, screen.Path)
			if want := map[bool]int{true: 404, false: 200}[screen.Name == "nowhere"]; r.StatusCode != want {
				t.Fatalf("status %d, want %d", r.StatusCode, want)
			}
			doc := parse(t, r.body)
			for selector, want := range map[string]int{
				"html[lang=en]": 1, "h1": 1, "main h1": 1, "header": 1, "footer": 1, "title": 1, "script": 1, "script[src^='/assets/'][type=module]": 1,
				"style": 0, "[style]": 0, "iframe": 0, "object": 0, "link[rel=stylesheet]": 1, "base": 0,
				"table:not(:has(caption))": 0, "th:not([scope])": 0, "button:not(form button):not([type=button])": 0,
				"input:not([type=hidden]):not([id]):not(label input)": 0, "a:not([href])": 0,
				"a[target=_blank]:not([rel~=noopener])": 0, "form[method=post]:not([action^='/'])": 0,
			} {
				if got := len(all(doc, selector)); got != want {
					t.Errorf("%d × %s, want %d", got, selector, want)
				}
			}
			checkAttributes(t, doc)
			checkAnchors(t, doc, screen.Path)
		})
	}
}

// checkAttributes looks for event handlers, repeated ids and addresses that are
// not web addresses.
func checkAttributes(t *testing.T, doc *html.Node) {
	t.Helper()
	ids := map[string]bool{}
	for _, n := range all(doc, "*") {
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"):
				t.Errorf("<%s %s>", n.Data, a.Key)
			case a.Key == "id" && ids[a.Val]:
				t.Errorf("id %s is there twice", a.Val)
			case a.Key == "id":
				ids[a.Val] = true
			case a.Key == "href" || a.Key == "src" || a.Key == "action":
				u, err := url.Parse(a.Val)
				if err != nil || u.Scheme != "" && u.Scheme != "https" || u.Scheme == "" && u.Host != "" {
					t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
				}
			}
		}
	}
	for _, n := range all(doc, "label[for]") {
		if !ids[attr(n, "for")] {
			t.Errorf("label for %s, which is not there", attr(n, "for"))
		}
	}
	for _, n := range all(doc, "[aria-labelledby]") {
		if !ids[attr(n, "aria-labelledby")] {
			t.Errorf("named by %s, which is not there", attr(n, "aria-labelledby"))
		}
	}
}

// checkAnchors looks for links within the page that lead nowhere.
func checkAnchors(t *testing.T, doc *html.Node, path string) {
	t.Helper()
	here, err := url.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all(doc, "a[href*='#']") {
		u, err := here.Parse(attr(n, "href"))
		if err != nil {
			t.Fatal(err)
		}
		if u.Path != here.Path || u.RawQuery != here.RawQuery {
			continue
		}
		if len(all(doc, "[id='"+u.Fragment+"']")) != 1 {
			t.Errorf("%s leads nowhere", attr(n, "href"))
		}
	}
}

func TestEveryAnswerHasTheHeadersThatKeepItApart(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	paths := []string{"/assets/nothing", "/findings/" + consoletest.Hostile().Name + "/script", "/findings/x/json/v2"}
	for _, screen := range consoletest.Screens() {
		paths = append(paths, screen.Path)
	}
	for _, path := range paths {
		h := s.get(t, path).Header
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "X-Frame-Options": "DENY",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestTheFindingsPageKeepsItsBudget(t *testing.T) {
	t.Parallel()
	s := signedIn(t, consoletest.Many(5000))
	r := s.get(t, "/findings")
	if n := len(r.body); n >= 60_000 {
		t.Errorf("the findings page has %d bytes, want under 60,000", n)
	}
	doc := parse(t, r.body)
	for selector, limit := range map[string]int{"script[src]": 25_000, "link[rel=stylesheet]": 20_000} {
		n := all(doc, selector)[0]
		path := attr(n, "src") + attr(n, "href")
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		asset := s.get(t, path)
		fmt.Fprint(w, asset.body)
		w.Close()
		got := packed.Len()
		if strings.HasSuffix(path, ".css") {
			got = len(asset.body) // the style sheet's budget is without compression
		}
		if got >= limit {
			t.Errorf("%s has %d bytes, want under %d", path, got, limit)
		}
		if got := asset.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
	}
}

func TestAnEmptyConsoleSaysHowToTryIt(t *testing.T) {
	t.Parallel()
	handler, _, a, err := consoletest.New(t.Context(), t.TempDir(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	jar, _ := cookiejar.New(nil)
	s := &site{server, nil, a, &http.Client{Jar: jar}}
	s.post(t, "/signin", url.Values{"token": {s.mint(t)}})
	for path, want := range map[string]string{"/": "No sensor has reported yet, so nothing is being watched.", "/findings": "Nothing was found so far."} {
		doc := s.page(t, path)
		if body := text(all(doc, "main")[0]); !strings.Contains(body, want) || !strings.Contains(body, "kingsnake selftest") {
			t.Errorf("%s says %q", path, body)
		}
	}
}

func TestTheOverviewSaysWhatCannotBeSeen(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	doc := s.page(t, "/")
	if diff := cmp.Diff([]string{"node-c3 silent for 47 minutes", "node-d4 lossy", "node-b2 degraded", "node-e5 stopped for 3 hours", "node-a1 healthy"}, texts(doc, ".sensor h3")); diff != "" {
		t.Errorf("sensors (-want +got):\n%s", diff)
	}
	if got := texts(doc, ".health"); len(got) != 1 || got[0] != "1 of 5 sensors silent: what runs there is not seen." {
		t.Errorf("health: %q", got)
	}
	counts, err := s.store.Count(t.Context(), store.Query{State: finding.Active})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{fmt.Sprintf("%d", counts[finding.Critical]), "2", fmt.Sprintf("%d", counts[finding.Medium]), "0"}
	if diff := cmp.Diff(want, texts(doc, ".counts .number")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	got := texts(doc, ".say-bad")
	if len(got) != 2 || !strings.Contains(got[0], "not delivered yet") || got[1] != "Losing: 198 lost in the last 4 minutes of its time, 5.5% of what ran." {
		t.Errorf("undelivered and losing: %q", got)
	}
}

func TestTheChartCountsEveryFindingOnce(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	doc := s.page(t, "/?over=month")
	total := 0
	for _, n := range texts(doc, "section[aria-labelledby=over-time] tbody td:last-child") {
		var k int
		fmt.Sscan(n, &k)
		total += k
	}
	inside, err := s.store.Count(t.Context(), store.Query{Since: consoletest.Now.AddDate(0, 0, -29).Truncate(24 * 3600e9)})
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, n := range inside {
		want += n
	}
	if total != want {
		t.Errorf("the chart counts %d findings, want %d", total, want)
	}
}

// snapshot is everything a store tells, as JSON.
func snapshot(t *testing.T, s store.Store) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	page, err := s.List(ctx, store.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := s.Allows(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := s.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal([]any{page, rules, stats})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestGETNeverChangesAnything(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	name := consoletest.Shell().Name
	rule, err := s.store.Allow(t.Context(), store.AllowRule{SHA256: "00", Why: "to have one", By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, s.store)
	token := s.mint(t)
	paths := []string{"/signin?token=" + token, "/signout", "/allows/" + rule.ID + "/end", "/findings/" + name + "/allow", "/findings/" + name + "/allow?scope=here&why=x"}
	for _, screen := range consoletest.Screens() {
		paths = append(paths, screen.Path)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for _, path := range paths {
			s.do(t, s.request(t, method, path, ""))
		}
	}
	if diff := cmp.Diff(before, snapshot(t, s.store)); diff != "" {
		t.Errorf("the store changed (-want +got):\n%s", diff)
	}
	if err := s.auth.Check(token); err != nil {
		t.Errorf("the sign-in link: %v", err)
	}
	if r := s.get(t, "/"); r.StatusCode != http.StatusOK {
		t.Error("a GET signed the browser out")
	}
}
