package consoletest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kingsnake/console/auth"
	"kingsnake/console/consoletest"
)

func TestALinkSignsInOnceAfterAClick(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	token := s.mint(t)
	link := strings.TrimPrefix(auth.Link(s.URL, token), s.URL)
	for range 3 { // programs that look at links beforehand
		doc := s.page(t, link)
		if got := attr(all(doc, "input[name=token]")[0], "value"); got != token {
			t.Fatalf("the form holds %q", got)
		}
	}
	r := s.post(t, "/signin", url.Values{"token": {token}, "next": {"/findings?severity=CRITICAL"}})
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/findings?severity=CRITICAL" {
		t.Fatalf("status %d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	cookie := r.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Domain != "" || cookie.Path != "/" || cookie.Expires.IsZero() {
		t.Errorf("cookie %+v", cookie)
	}
	if r := s.get(t, "/"); r.StatusCode != http.StatusOK {
		t.Errorf("signed in, status %d", r.StatusCode)
	}
	if got := text(all(s.page(t, link), ".say-bad")[0]); !strings.HasPrefix(got, "This link was already used") {
		t.Errorf("the used link says %q", got)
	}
	r = s.post(t, "/signin", url.Values{"token": {token}})
	if r.StatusCode != http.StatusForbidden || len(r.Cookies()) != 0 {
		t.Errorf("second use: status %d, cookies %v", r.StatusCode, r.Cookies())
	}
}

func TestATokenOrAWholeLinkCanBePasted(t *testing.T) {
	t.Parallel()
	for _, paste := range []string{"%s", "  %s\n", "http://127.0.0.1:8417/signin?token=%s", "http://127.0.0.1:8417/signin?token=%s&next=%%2F"} {
		s := open(t, nil)
		value := strings.ReplaceAll(strings.Replace(paste, "%s", s.mint(t), 1), "%%", "%")
		if r := s.post(t, "/signin", url.Values{"token": {value}}); r.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: status %d", paste, r.StatusCode)
		}
	}
}

func TestWhoIsSignedOutSeesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, samples())
	name := consoletest.Shell().Name
	for _, screen := range consoletest.Screens() {
		if screen.Name == "signin" {
			continue
		}
		r := s.get(t, screen.Path)
		if r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), "/signin") || strings.Contains(r.body, "finding") && screen.Path == "/" {
			t.Errorf("%s: status %d to %q", screen.Path, r.StatusCode, r.Header.Get("Location"))
		}
	}
	for _, path := range []string{"/findings/" + name + "/script", "/findings/" + name + "/json/v2"} {
		if r := s.get(t, path); r.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: status %d", path, r.StatusCode)
		}
	}
	for _, path := range []string{"/findings/" + name + "/allow", "/allows/1/end"} {
		if r := s.post(t, path, url.Values{"scope": {"everywhere"}, "why": {"x"}}); r.StatusCode != http.StatusForbidden {
			t.Errorf("POST %s: status %d", path, r.StatusCode)
		}
	}
	r := s.request(t, http.MethodGet, "/findings", "")
	r.Header.Set("X-Fragment", "list")
	if got := s.do(t, r); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("fragment: status %d", got.StatusCode)
	}
}

func TestALinkFromElsewhereIsOpenedOnceMoreFromHere(t *testing.T) {
	t.Parallel()
	s := open(t, samples())
	r := s.request(t, http.MethodGet, "/findings?text=a%22b", "")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	doc := parse(t, s.do(t, r).body)
	refresh := all(doc, "meta[http-equiv=refresh]")
	if len(refresh) != 1 || attr(refresh[0], "content") != "0; url=/findings?text=a%22b" {
		t.Errorf("%d refreshes: %v", len(refresh), refresh)
	}
	if len(all(doc, "input")) != 0 {
		t.Error("it asks for a token too")
	}
}

func TestSigningInLeadsOnlyToPagesOfThisConsole(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	for _, next := range []string{"https://example.com/", "//example.com/", `/\example.com`, `\\example.com`, "javascript:alert(1)", "/signin?out", "findings", "/\texample", "http:/x", "/%zz"} {
		r := s.post(t, "/signin", url.Values{"token": {s.mint(t)}, "next": {next}})
		if got := r.Header.Get("Location"); r.StatusCode != http.StatusSeeOther || got != "/" {
			t.Errorf("next %q leads to %q, status %d", next, got, r.StatusCode)
		}
	}
}

func TestOtherOriginsCannotPost(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://example.com"} {
		for _, path := range []string{"/signin", "/signout", "/findings/" + consoletest.Shell().Name + "/allow"} {
			r := s.request(t, http.MethodPost, path, "scope=everywhere&why=x&token="+s.mint(t))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(header, value)
			if got := s.do(t, r); got.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %s %s: status %d", path, header, value, got.StatusCode)
			}
		}
	}
	if r := s.get(t, "/"); r.StatusCode != http.StatusOK {
		t.Error("signed out by another origin")
	}
}

func TestSigningOutEndsTheSession(t *testing.T) {
	t.Parallel()
	s := signedIn(t, nil)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	cookie := s.client.Jar.Cookies(u)[0].Value
	if r := s.post(t, "/signout", nil); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/signin?out" {
		t.Fatalf("status %d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	if _, ok := s.auth.Session(cookie); ok {
		t.Error("the session lives on")
	}
	if r := s.get(t, "/"); r.StatusCode != http.StatusSeeOther {
		t.Errorf("signed out, status %d", r.StatusCode)
	}
	if got := texts(s.page(t, "/signin?out"), "[role=status]"); len(got) != 1 || got[0] != "You are signed out." {
		t.Errorf("it says %q", got)
	}
}

func TestABodyWithoutEndIsRefused(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	r := s.post(t, "/findings/"+consoletest.Shell().Name+"/allow", url.Values{"scope": {"here"}, "why": {strings.Repeat("x", 1<<20)}})
	if r.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d", r.StatusCode)
	}
}
