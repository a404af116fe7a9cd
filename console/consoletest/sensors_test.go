package consoletest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/console/consoletest"
	"kingsnake/store"
)

func TestTheSensorsPageSaysWhatWasLostWhereAndWhen(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	doc := s.page(t, "/sensors")
	want := []string{"node-c3 silent for 47 minutes", "node-d4 lossy", "node-b2 degraded", "node-e5 stopped for 3 hours", "node-a1 healthy"}
	if diff := cmp.Diff(want, texts(doc, ".sensor-card h2")); diff != "" {
		t.Errorf("sensors (-want +got):\n%s", diff)
	}
	var rows []string
	for _, n := range all(doc, "[aria-labelledby=sensor-2] .losses tr") {
		rows = append(rows, strings.Join(append(texts(n, "th"), texts(n, "td")...), " | "))
	}
	want = []string{
		"Stage | Reason | Last 4 minutes | A minute | Since it started",
		"exec ring full | capture | 122 | 30 | 122", "data ring full | capture | 61 | 15 | 61",
		"queue full | detect | 14 | 3.5 | 14", "refused by the server | push | 1 | 0.25 | 1",
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("losses of the lossy one (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Sensor silent", "Sensor lossy"}, texts(doc, ".sensor-card a[href^='/findings/']")); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestASensorThatIsGoneCanBeForgotten(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	var offered []string
	for _, n := range all(s.page(t, "/sensors"), "form[action='/sensors/forget'] input") {
		offered = append(offered, attr(n, "value"))
	}
	if diff := cmp.Diff([]string{"node-c3", "node-e5"}, offered); diff != "" {
		t.Errorf("offered (-want +got):\n%s", diff)
	}
	for range 2 { // twice does no harm
		if r := s.post(t, "/sensors/forget", url.Values{"sensor": {"node-c3"}}); r.StatusCode != http.StatusSeeOther {
			t.Errorf("forget: status %d", r.StatusCode)
		}
	}
	left, err := s.store.Sensors(t.Context())
	if err != nil || len(left) != 4 {
		t.Errorf("%d sensors, %v", len(left), err)
	}
}

func TestAFindingAboutASensorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := signedIn(t, samples())
	f := consoletest.Silent()
	doc := s.page(t, "/findings/"+f.Name)
	if diff := cmp.Diff(f.Health.NextSteps, texts(doc, ".todo li")); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if got := texts(doc, ".badges .state"); len(got) != 1 || got[0] != "Active" {
		t.Errorf("state %q", got)
	}
	if got := texts(doc, ".tabs a"); strings.Join(got, " ") != "Summary JSON" {
		t.Errorf("tabs %q", got)
	}
	if r := s.get(t, "/findings/"+f.Name+"/investigate"); r.Header.Get("Location") != "/findings/"+f.Name {
		t.Errorf("investigate leads to %q", r.Header.Get("Location"))
	}
	page, err := s.store.List(t.Context(), store.Query{Node: "node-c3"})
	if err != nil || len(page.Findings) == 0 {
		t.Errorf("the node's findings do not list it: %v", err)
	}
}
