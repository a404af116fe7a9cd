package consoletest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"kingsnake/console/auth"
	"kingsnake/console/consoletest"
	"kingsnake/finding"
)

// patience is how long a browser may take for one test.
const patience = 8 * time.Minute

// tab is a browser tab that notes what a page should never do.
type tab struct {
	context.Context
	t    *testing.T
	site *site

	mu      sync.Mutex
	trouble []string
}

// browse opens a tab of its own browser profile on a console, signed in, or
// skips the test when there is no browser.
func browse(t *testing.T, s *site) *tab {
	t.Helper()
	if _, err := consoletest.FindBrowser(); err != nil {
		t.Skip(err)
	}
	browser, stop, err := consoletest.NewBrowser(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(browser, patience)
	t.Cleanup(cancel)
	b := &tab{Context: ctx, t: t, site: s}
	if err := chromedp.Listen(ctx, b.watch); err != nil {
		t.Fatal(err)
	}
	if err := consoletest.Look(ctx, 1280, 900, false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.expectNoTrouble)
	return b
}

// browseSignedIn is browse with a session.
func browseSignedIn(t *testing.T, s *site) *tab {
	t.Helper()
	b := browse(t, s)
	if err := consoletest.SignIn(b, s.Server, s.auth); err != nil {
		t.Fatal(err)
	}
	return b
}

// watch notes dialogs, requests that leave the console, errors and violations
// of the content policy.
func (b *tab) watch(ev any) {
	note := func(format string, args ...any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.trouble = append(b.trouble, fmt.Sprintf(format, args...))
	}
	switch ev := ev.(type) {
	case *page.EventJavascriptDialogOpening:
		note("a dialog: %s", ev.Message)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(ev.Request.URL, b.site.URL+"/") {
			note("a request to %s", ev.Request.URL)
		}
	case *cdplog.EventEntryAdded:
		if ev.Entry.Level == cdplog.EntryLevelError && ev.Entry.Source != cdplog.EntrySourceNetwork {
			note("the console says: %s", ev.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		note("an exception: %s", ev.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		note("the page writes to the console: %s", ev.Type)
	}
}

func (b *tab) expectNoTrouble() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.trouble {
		b.t.Error(s)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.site.URL + path))
}

// click clicks and waits for the page it leads to.
func (b *tab) click(selector string) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b, chromedp.Click(chromedp.CSS(selector))); err != nil {
		b.t.Fatalf("click %s: %v", selector, err)
	}
}

// until waits for a JavaScript expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b, chromedp.Poll[bool](expression)); err != nil {
		b.t.Fatalf("wait for %s: %v", expression, err)
	}
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	s, err := chromedp.Run(b, chromedp.TextContent(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatalf("text of %s: %v", selector, err)
	}
	return strings.Join(strings.Fields(s), " ")
}

func (b *tab) expectText(selector, want string) {
	b.t.Helper()
	if got := b.text(selector); !strings.Contains(got, want) {
		b.t.Errorf("%s says %q, want %q", selector, got, want)
	}
}

func (b *tab) expectPath(want string) {
	b.t.Helper()
	got, err := chromedp.Run(b, chromedp.Location())
	if err != nil {
		b.t.Fatal(err)
	}
	if got != b.site.URL+want {
		b.t.Errorf("at %s, want %s", strings.TrimPrefix(got, b.site.URL), want)
	}
}

func evaluate[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *tab) withoutScripts() {
	b.t.Helper()
	if _, err := chromedp.Call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		b.t.Fatal(err)
	}
}

func TestBrowserSignsInAndOut(t *testing.T) {
	s := open(t, samples())
	b := browse(t, s)
	path := "/findings/" + consoletest.Shell().Name
	b.open(path) // signed out: leads to the sign-in page, which remembers
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), auth.Link(s.URL, s.mint(t))))
	b.click("button.main")
	b.expectPath(path)
	b.click(".out button")
	b.expectPath("/signin?out")
	b.expectText("[role=status]", "You are signed out.")
	b.open(strings.TrimPrefix(auth.Link(s.URL, s.mint(t)), s.URL))
	b.until(`document.activeElement.matches("button.main")`) // a browser moves the focus when it first paints
	b.click("button.main")
	b.expectPath("/")
	if got := evaluate[string](b, "document.cookie"); got != "" {
		t.Errorf("scripts can read the cookie %q", got)
	}
}

func TestBrowserFiltersAndSharesTheAddress(t *testing.T) {
	s := open(t, samples())
	b := browseSignedIn(t, s)
	b.open("/findings")
	b.until(`document.documentElement.dataset.script === "ready"`)
	b.do(chromedp.SetValue(chromedp.CSS("#f-severity"), "CRITICAL"))
	evaluate[bool](b, `document.querySelector("#f-severity").dispatchEvent(new Event("change", {bubbles: true}))`)
	b.until(`location.search === "?severity=CRITICAL" && document.querySelectorAll(".sev-medium").length === 0`)
	b.do(chromedp.SendKeys(chromedp.CSS("#f-text"), "session.py"))
	b.until(`location.search === "?text=session.py&severity=CRITICAL" && document.querySelectorAll("tr[data-key]").length === 1`)
	b.expectText("[data-news]", "1 critical finding")
	shared, err := chromedp.Run(b, chromedp.Location())
	if err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(shared))
	b.expectText("[data-summary]", "1 critical finding")
	if got := evaluate[string](b, `document.querySelector("#f-text").value`); got != "session.py" {
		t.Errorf("the form holds %q", got)
	}
}

func TestBrowserShowsArrivingFindings(t *testing.T) {
	s := open(t, []finding.Finding{consoletest.Command(), consoletest.Stdin()})
	b := browseSignedIn(t, s)
	b.open("/findings")
	b.until(`document.documentElement.dataset.script === "ready"`)
	b.do(chromedp.Focus(chromedp.CSS("tbody a")))
	focused := evaluate[string](b, "document.activeElement.href")
	if _, err := s.store.Put(t.Context(), consoletest.Shell()); err != nil {
		t.Fatal(err)
	}
	b.until(`document.querySelectorAll("tr[data-key]").length === 6`)
	b.expectText("[data-news]", "1 finding arrived")
	if got := evaluate[string](b, "document.activeElement.href"); got != focused {
		t.Errorf("the focus went from %s to %q", focused, got)
	}
	b.do(chromedp.Click(chromedp.CSS("[data-pause]")))
	if got := evaluate[string](b, `document.querySelector("[data-pause]").ariaPressed`); got != "true" {
		t.Errorf("paused, aria-pressed is %q", got)
	}
}

func TestBrowserFollowsAReasonToItsLines(t *testing.T) {
	s := open(t, samples())
	b := browseSignedIn(t, s)
	b.open("/findings?text=session.py")
	b.click("tbody th a")
	b.do(chromedp.Click(chromedp.CSS("#reason-2 .places a")))
	b.until(`location.hash === "#L20" && document.querySelector("tr:target").textContent.includes("base64.b64decode")`)
	b.until(`(r => r.top >= 40 && r.bottom <= innerHeight)(document.querySelector("tr:target").getBoundingClientRect())`) // in sight
	b.do(chromedp.Click(chromedp.CSS("tr:target .why a")))
	b.until(`location.hash === "#reason-2"`)
	b.click("#reason-3 .places a")
	b.until(`location.search === "?layer=1" && location.hash === "#M3" && document.querySelector("tr:target mark").textContent.includes("urlretrieve")`)
}

func TestBrowserAllowsAndUndoes(t *testing.T) {
	s := open(t, samples())
	b := browseSignedIn(t, s)
	b.open("/findings/" + consoletest.Shell().Name)
	b.do(chromedp.Click(chromedp.CSS(".decide summary")), chromedp.SendKeys(chromedp.CSS("#why"), "It is our own job."))
	b.click(".decide button")
	b.expectText(".say-good", "this script is not reported any more.“It is our own job.”")
	b.expectText(".badges", "Allowed")
	b.click(".say-good button")
	b.expectText(".badges", "Active")
}

func TestBrowserCopiesJSON(t *testing.T) {
	s := open(t, samples())
	b := browseSignedIn(t, s)
	b.open("/findings/" + consoletest.Hostile().Name)
	b.click(".tabs li:nth-child(2) a")
	b.expectText(".json", `"category": "Execution: Malicious Python executed"`)
	b.click(".pick li:nth-child(2) a")
	b.expectText(".json", `"sourceProperties"`)
	b.until(`document.documentElement.dataset.script === "ready"`)
	evaluate[bool](b, `(() => { Object.defineProperty(navigator.clipboard, "writeText", {value: async (s) => { globalThis.copied = s }}); return true })()`)
	b.do(chromedp.Click(chromedp.CSS("button[data-url]")))
	b.until(`document.querySelector("button[data-url]").textContent === "Copied"`)
	if got := evaluate[string](b, "globalThis.copied"); !json.Valid([]byte(got)) || !strings.Contains(got, "Container_Image_Uri") {
		t.Errorf("copied %.80q", got)
	}
}

func TestBrowserNeedsNoScripts(t *testing.T) {
	s := open(t, samples())
	b := browse(t, s)
	b.withoutScripts()
	b.open(strings.TrimPrefix(auth.Link(s.URL, s.mint(t)), s.URL))
	b.click("button.main")
	b.click(".nav li:nth-child(2) a")
	b.do(chromedp.SendKeys(chromedp.CSS("#f-text"), "session.py"))
	b.click("button.go")
	b.expectPath("/findings?text=session.py")
	b.expectText("[data-summary]", "1 critical finding")
	b.click("tbody th a")
	b.expectText("h1", "Execution: Malicious Python executed")
	b.click(".layers a")
	b.expectText("#M4", "os.chmod")
	b.do(chromedp.Click(chromedp.CSS(".decide summary")), chromedp.SendKeys(chromedp.CSS("#why"), "Ours."))
	b.click(".decide button")
	b.click(".say-good button")
	b.click(".tabs li:nth-child(3) a")
	b.expectText("#respond", "Respond")
	b.click(".tabs li:nth-child(2) a")
	b.expectText(".json", "Malicious Python")
	b.click(".nav li:nth-child(3) a")
	b.expectText("h1", "Sensors")
	b.click(".sensor-card a[href^='/findings/']")
	b.expectText("h1", "Sensor silent")
	b.click(".nav li:nth-child(4) a")
	b.expectText("h1", "Model")
	b.click(".nav li:nth-child(5) a")
	b.expectText("h1", "Settings")
	b.click(".out button")
	b.expectPath("/signin?out")
}

func TestBrowserIsNotMovedByHostileEvidence(t *testing.T) {
	s := open(t, samples())
	b := browseSignedIn(t, s)
	base := "/findings/" + consoletest.Hostile().Name
	for _, path := range []string{"/", "/findings", base, base + "?layer=1", base + "?layer=2", base + "?lines=all", base + "/json", base + "/json?form=legacy", base + "/investigate"} {
		b.open(path)
		if got := evaluate[int](b, `document.scripts.length + document.querySelectorAll("main img").length`); got != 1 {
			t.Errorf("%s has %d scripts and images, want 1", path, got)
		}
		if evaluate[bool](b, `/[\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff\u0000-\u0008]/.test(document.body.innerText)`) {
			t.Errorf("%s shows characters that hide or reorder", path)
		}
	}
}

// looks are the sizes and color schemes in which every screen is checked.
var looks = []struct {
	name          string
	width, height int64
	dark          bool
}{{"wide and light", 1280, 900, false}, {"wide and dark", 1280, 900, true}, {"narrow and light", 390, 844, false}}

func TestBrowserShowsNothingWiderThanTheScreen(t *testing.T) {
	s := open(t, samples())
	b := browseSignedIn(t, s)
	for _, width := range []int64{1280, 800, 390, 320} {
		if err := consoletest.Look(b, width, 844, false); err != nil {
			t.Fatal(err)
		}
		for _, screen := range consoletest.Screens() {
			b.open(screen.Path)
			wide := evaluate[[]string](b, fmt.Sprintf(`document.documentElement.scrollWidth <= %[1]d ? [] :
				[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > %[1]d && !e.closest(".vh, .skip")).slice(0, 5)
					.map(e => e.tagName + "." + e.className + " " + Math.round(e.getBoundingClientRect().right))`, width))
			if len(wide) > 0 {
				t.Errorf("%s at %d pixels: %q", screen.Name, width, wide)
			}
		}
	}
}

// violation is what axe-core reports.
type violation struct {
	ID     string `json:"id"`
	Impact string `json:"impact"`
	Help   string `json:"help"`
	Nodes  []struct {
		HTML string `json:"html"`
	} `json:"nodes"`
}

func TestBrowserFindsNoBarrier(t *testing.T) {
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Skip("no axe-core: npm ci --prefix console/consoletest")
	}
	s := open(t, samples())
	b := browseSignedIn(t, s)
	if _, err := chromedp.Call(b, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true}); err != nil {
		t.Fatal(err) // axe-core builds markup of its own
	}
	for _, look := range looks {
		if err := consoletest.Look(b, look.width, look.height, look.dark); err != nil {
			t.Fatal(err)
		}
		for _, screen := range consoletest.Screens() {
			b.open(screen.Path)
			if _, err := chromedp.Run(b, chromedp.Evaluate[any](string(axe)+";0")); err != nil {
				t.Fatal(err)
			}
			report := evaluate[string](b, `axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.map(v => ({...v, nodes: v.nodes.slice(0, 3).map(n => ({html: n.html.slice(0, 200)}))}))))`)
			var violations []violation
			if err := json.Unmarshal([]byte(report), &violations); err != nil {
				t.Fatal(err)
			}
			for _, v := range violations {
				t.Errorf("%s, %s: %s (%s): %s: %+v", screen.Name, look.name, v.ID, v.Impact, v.Help, v.Nodes)
			}
		}
	}
}

func TestBrowserReachesEverythingByKeyboard(t *testing.T) {
	s := open(t, samples())
	b := browseSignedIn(t, s)
	b.open("/findings/" + consoletest.Shell().Name)
	b.do(chromedp.KeyEvent("\t"))
	if got := b.text(":focus"); got != "Skip to the content" {
		t.Errorf("the first stop is %q", got)
	}
	seen := map[string]bool{}
	for range 120 {
		b.do(chromedp.KeyEvent("\t"))
		stop := evaluate[[]string](b, `(e => [e.outerHTML.slice(0, 120), e === document.body ? "none" : getComputedStyle(e).outlineStyle])(document.activeElement)`)
		if stop[1] == "none" && !strings.HasPrefix(stop[0], "<body") {
			t.Errorf("the focus cannot be seen on %s", stop[0])
		}
		for _, part := range []string{`href="#reason-1"`, `href="#L14"`, "/json", "/investigate", "<summary"} {
			seen[part] = seen[part] || strings.Contains(stop[0], part)
		}
		if strings.HasPrefix(stop[0], "<body") {
			break
		}
	}
	for part, ok := range seen {
		if !ok {
			t.Errorf("%s is not reached", part)
		}
	}
}
