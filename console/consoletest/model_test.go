package consoletest_test

import (
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/console"
	"kingsnake/console/auth"
	"kingsnake/console/consoletest"
	"kingsnake/finding"
	"kingsnake/store/mem"
)

// withModels starts a console whose process judges with models, or judges
// nothing when models is nil, and signs in.
func withModels(t *testing.T, models func() console.Models, sensors ...finding.SensorStatus) *site {
	t.Helper()
	st := mem.New()
	for _, s := range sensors {
		if err := st.PutSensor(t.Context(), s, s.Time); err != nil {
			t.Fatal(err)
		}
	}
	a, err := auth.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(console.New(console.Config{
		Store: st, Auth: a, Models: models, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return consoletest.Now },
	}))
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{server, st, a, &http.Client{Jar: jar}}
	s.post(t, "/signin", url.Values{"token": {s.mint(t)}})
	return s
}

func TestTheModelPageSaysWhatJudges(t *testing.T) {
	t.Parallel()
	doc := signedIn(t, samples()).page(t, "/model")
	m := consoletest.Models()
	in := facts(doc, "in-use")
	for label, want := range map[string]string{
		"Model": m.Current.Hash, "From": "signed by detection 2026 (key 5c1de8a9b0f32d47)", "Signer's note": "our own code",
		"Suspicious": "from a score of 0.8125 Set so that 1 in 1,000", "Malicious": "from a score of 0.999912",
	} {
		if !strings.Contains(in[label], want) {
			t.Errorf("%s: %q, want %q in it", label, in[label], want)
		}
	}
	if got := texts(doc, ".say-bad"); len(got) != 1 || !strings.Contains(got[0], "cannot be taken: not trusted") {
		t.Errorf("the problem is told as %q", got)
	}
	if got := facts(doc, "shadow")["Compared"]; got != "41,207 distinct scripts, of which it calls 2 higher and 1 lower" {
		t.Errorf("compared: %q", got)
	}
	want := []string{
		"The model in use says benign 0.0712by 9f1c3a5e7b2d", "The shadow says malicious 0.999981by 77aa01c2d3e4",
		"The model in use says suspicious 0.9by 9f1c3a5e7b2d", "The shadow says benign 0.3by 77aa01c2d3e4",
		"The model in use says benign 0.5by 9f1c3a5e7b2d", "The shadow says suspicious 0.82by 77aa01c2d3e4",
	}
	if diff := cmp.Diff(want, texts(doc, "section[aria-labelledby=shadow] td:nth-child(3), section[aria-labelledby=shadow] td:nth-child(4)")); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	want = []string{"kingsnake model use f00df00df00d", "no longer kept", "kingsnake model use embedded"}
	if diff := cmp.Diff(want, texts(doc, "section[aria-labelledby=before] td:last-child")); diff != "" {
		t.Errorf("ways back (-want +got):\n%s", diff)
	}
	if got := texts(doc, "section[aria-labelledby=refused] .note"); len(got) != 1 || got[0] != "3 earlier ones not listed." {
		t.Errorf("refused: %q", got)
	}
	want = []string{"9f1c3a5e7b2dthe model above", "77aa01c2d3e4another model", "9f1c3a5e7b2dthe model above", "9f1c3a5e7b2dthe model above", "9f1c3a5e7b2dthe model above"}
	if diff := cmp.Diff(want, texts(doc, "section[aria-labelledby=sensors] td:nth-child(2)")); diff != "" {
		t.Errorf("sensors (-want +got):\n%s", diff)
	}
}

func TestTheModelPageOfAServerListsItsSensors(t *testing.T) {
	t.Parallel()
	s := withModels(t, nil, consoletest.Sensors()...)
	doc := s.page(t, "/model")
	if body := text(all(doc, "main")[0]); !strings.Contains(body, "This server judges nothing itself") || strings.Contains(body, "In use") {
		t.Errorf("the page says %q", body)
	}
	if got := texts(doc, "section[aria-labelledby=sensors] tbody th"); len(got) != 5 {
		t.Errorf("sensors %q", got)
	}
	empty := withModels(t, nil).page(t, "/model")
	if got := texts(empty, "section[aria-labelledby=sensors] .none"); len(got) != 1 || got[0] != "No sensor has reported yet." {
		t.Errorf("without sensors: %q", got)
	}
}

func TestTheModelPageWithTheEmbeddedModelAlone(t *testing.T) {
	t.Parallel()
	s := withModels(t, func() console.Models {
		return console.Models{Current: console.Model{Hash: strings.Repeat("a", 64), Embedded: true, Suspicious: 0.5, Malicious: 0.9}}
	})
	doc := s.page(t, "/model")
	want := []string{"None. Start with --shadow-model to see what another model would say before it decides anything.", "No other model was in use here.", "None.", "No sensor has reported yet."}
	if diff := cmp.Diff(want, texts(doc, "section > .none")); diff != "" {
		t.Errorf("what is empty (-want +got):\n%s", diff)
	}
	if got := facts(doc, "in-use")["From"]; got != "inside the program" {
		t.Errorf("from %q", got)
	}
	if n := len(all(doc, ".command")); n != 0 {
		t.Errorf("%d commands for a model that cannot be changed", n)
	}
}

func TestHostileWordsOfAModelStayWords(t *testing.T) {
	t.Parallel()
	evil := "<script>alert(1)</script>\u202e\x1b[2J"
	s := withModels(t, func() console.Models {
		m := console.Model{Hash: evil, File: evil, Signer: evil, Key: evil, Note: evil}
		return console.Models{
			File: evil, Problem: evil, Current: m, History: []console.Model{m}, ShadowFile: evil, ShadowProblem: evil, Shadow: &m,
			Differences: []console.Difference{{SHA256: evil, Kind: evil, Label: evil, Model: evil, ShadowLabel: evil, Shadow: evil}},
			Refused:     []console.Refusal{{File: evil, Why: evil}},
		}
	}, finding.SensorStatus{Name: evil, Model: evil, ModelFrom: evil, ModelProblem: evil, Shadow: evil, Time: consoletest.Now})
	r := s.get(t, "/model")
	if r.StatusCode != http.StatusOK || strings.Contains(r.body, "<script>alert") || strings.ContainsAny(r.body, "\u202e\x1b") {
		t.Errorf("status %d; hostile text reached the page as it is", r.StatusCode)
	}
}
