package push

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/finding"
)

// server is a fake of console/api inside the process, without a network, so
// that time can be synctest's. Its answer to the n-th request is what plan
// says; the default is to take everything.
type server struct {
	plan func(n int, names []string) *http.Response // nil, or a nil answer: take everything
	err  func(n int) error

	mu    sync.Mutex
	times []time.Time
	got   [][]string // names by request
	heads []http.Header
	paths []string
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var fs []finding.Finding
	var names []string
	if strings.HasSuffix(r.URL.Path, "/findings") {
		if err := json.Unmarshal(body, &fs); err != nil {
			return nil, err
		}
	}
	for _, f := range fs {
		names = append(names, f.Name)
	}
	s.mu.Lock()
	n := len(s.got)
	s.times, s.got = append(s.times, time.Now()), append(s.got, names)
	s.heads, s.paths = append(s.heads, r.Header), append(s.paths, r.URL.Path)
	s.mu.Unlock()
	if s.err != nil {
		if err := s.err(n); err != nil {
			return nil, err
		}
	}
	if s.plan != nil {
		if resp := s.plan(n, names); resp != nil {
			return resp, nil
		}
	}
	return taken(len(names)), nil
}

func answer(status int, body string, header ...string) *http.Response {
	r := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func taken(n int) *http.Response {
	return answer(200, `{"results":[`+strings.TrimSuffix(strings.Repeat(`{"outcome":"created"},`, n), ",")+`]}`)
}

func client(t *testing.T, s http.RoundTripper, change func(*Config)) *Client {
	t.Helper()
	cfg := Config{URL: "https://server.example.com/base", Token: "secret", Transport: s}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put(t *testing.T, c *Client, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := c.Put(t.Context(), finding.Finding{Name: name, Severity: finding.Critical}); err != nil {
			t.Error(err)
		}
	}
}

func check(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// run starts c and returns a function that stops it.
func run(t *testing.T, c *Client) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return func() error { cancel(); return <-ended }
}

func TestFindingsAreSentInOrderAndAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		c := client(t, s, nil)
		put(t, c, "a", "b")
		stop := run(t, c)
		synctest.Wait()
		put(t, c, "c")
		synctest.Wait()
		check(t, "requests", [][]string{{"a", "b"}, {"c"}}, s.got)
		check(t, "path", "/base/api/v1/findings", s.paths[0])
		check(t, "authorization", "Bearer secret", s.heads[0].Get("Authorization"))
		check(t, "queued", 0, c.Queued())
		check(t, "dropped", map[string]uint64{}, c.Dropped())
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestEveryByteOfAFindingArrives(t *testing.T) {
	t.Parallel()
	f := finding.Finding{Name: "a", Script: finding.Script{Path: "/tmp/\xff\x00", Contents: []byte("\xfe")}}
	got := make(chan finding.Finding, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var all []json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&all); err != nil {
			t.Error(err)
		}
		f, err := finding.Unmarshal[finding.Finding](all[0])
		if err != nil {
			t.Error(err)
		}
		got <- f
		fmt.Fprint(w, `{"results":[{"outcome":"created"}]}`)
	}))
	defer web.Close()
	c := client(t, nil, func(cfg *Config) { cfg.URL = web.URL })
	stop := run(t, c)
	if err := c.Put(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	check(t, "finding", f, <-got)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestALargeQueueGoesInBoundedRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		c := client(t, s, nil)
		for i := range 250 {
			put(t, c, fmt.Sprint(i))
		}
		f := finding.Finding{Script: finding.Script{Contents: make([]byte, 2<<20)}} // 2.7 MiB as JSON
		for range 2 {
			if err := c.Put(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		stop := run(t, c)
		synctest.Wait()
		var sizes []int
		for _, names := range s.got {
			sizes = append(sizes, len(names))
		}
		check(t, "sizes", []int{100, 100, 51, 1}, sizes)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAServerThatFailsIsTriedAgainWithGrowingPauses(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]*server{
		"no connection": {err: func(n int) error { return failUntil(n, errors.New("connection refused")) }},
		"500":           {plan: func(n int, _ []string) *http.Response { return answerUntil(n, answer(500, "oops")) }},
		"408":           {plan: func(n int, _ []string) *http.Response { return answerUntil(n, answer(408, "")) }},
		"429":           {plan: func(n int, _ []string) *http.Response { return answerUntil(n, answer(429, "")) }},
		"redirect": {plan: func(n int, _ []string) *http.Response {
			return answerUntil(n, answer(302, "", "Location", "https://evil.example.com"))
		}},
		"another program": {plan: func(n int, _ []string) *http.Response { return answerUntil(n, answer(200, "<html>")) }},
		"too few answers": {plan: func(n int, _ []string) *http.Response { return answerUntil(n, answer(200, `{"results":[]}`)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := client(t, failing, nil)
				put(t, c, "a", "b")
				stop := run(t, c)
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				check(t, "requests", 10, len(failing.got))
				for i := 1; i < len(failing.times); i++ {
					full := min(firstPause<<(i-1), longPause)
					if p := failing.times[i].Sub(failing.times[i-1]); p < full/2 || p > full {
						t.Errorf("pause %d took %v, want %v to %v", i, p, full/2, full)
					}
				}
				check(t, "last request", []string{"a", "b"}, failing.got[9])
				check(t, "queued", 0, c.Queued())
				check(t, "dropped", map[string]uint64{}, c.Dropped())
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// The first nine requests fail.
func failUntil(n int, err error) error {
	if n < 9 {
		return err
	}
	return nil
}

func answerUntil(n int, r *http.Response) *http.Response {
	if n < 9 {
		return r
	}
	return nil
}

func TestRetryAfterIsHeeded(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]time.Duration{
		"17": 17 * time.Second, "600": 10 * time.Minute, "86400": maxAsked, "0": 0, "-5": 0, "soon": 0, "99999999999999999999": 0,
		"Sat, 01 Jan 2000 00:00:30 GMT": 30 * time.Second, "Fri, 31 Dec 1999 00:00:00 GMT": 0,
	} {
		t.Run(asked, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // time begins on 1 January 2000
				s := &server{plan: func(n int, _ []string) *http.Response {
					if n == 0 {
						return answer(503, "", "Retry-After", asked)
					}
					return nil
				}}
				c := client(t, s, nil)
				put(t, c, "a")
				stop := run(t, c)
				time.Sleep(time.Hour)
				synctest.Wait()
				took := s.times[1].Sub(s.times[0])
				if want > 0 && took != want || want == 0 && (took < firstPause/2 || took > firstPause) {
					t.Errorf("asked for %q, waited %v", asked, took)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestARefusedFindingGoesAloneAndIsCounted(t *testing.T) {
	t.Parallel()
	bad := func(_ int, names []string) *http.Response {
		for _, name := range names {
			if name == "bad" {
				return answer(400, `{"error":"no"}`)
			}
		}
		return nil
	}
	perItem := func(_ int, names []string) *http.Response {
		if len(names) == 3 {
			return answer(200, `{"results":[{"outcome":"created"},{"error":"name does not fit"},{"outcome":"repeated"}]}`)
		}
		return nil
	}
	for name, c := range map[string]struct {
		plan func(int, []string) *http.Response
		want [][]string
	}{
		"by the whole batch": {bad, [][]string{{"a", "bad", "b"}, {"a"}, {"bad"}, {"b"}}},
		"in the answer":      {perItem, [][]string{{"a", "bad", "b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{plan: c.plan}
				c2 := client(t, s, nil)
				put(t, c2, "a", "bad", "b")
				stop := run(t, c2)
				time.Sleep(time.Hour)
				synctest.Wait()
				check(t, "requests", c.want, s.got)
				check(t, "dropped", map[string]uint64{dropRefused: 1}, c2.Dropped())
				check(t, "queued", 0, c2.Queued())
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAWrongTokenIsTriedAFewTimesSoThatItCanBeMended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{plan: func(n int, _ []string) *http.Response {
			if n < 7 {
				return answer(401, `{"error":"wrong token"}`)
			}
			return nil
		}}
		c := client(t, s, nil)
		put(t, c, "a", "b")
		stop := run(t, c)
		time.Sleep(time.Hour)
		synctest.Wait()
		check(t, "requests for the first batch", 5, len(s.got))
		check(t, "dropped", map[string]uint64{dropRefused: 2}, c.Dropped())
		put(t, c, "c")
		time.Sleep(time.Hour)
		synctest.Wait()
		check(t, "requests", 8, len(s.got))
		check(t, "dropped", map[string]uint64{dropRefused: 2}, c.Dropped())
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAFullQueueKeepsTheWorst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		c := client(t, s, func(cfg *Config) { cfg.MaxQueued = 3 })
		for _, f := range []finding.Finding{
			{Name: "critical 1", Severity: finding.Critical}, {Name: "medium 1", Severity: finding.Medium}, {Name: "medium 2", Severity: finding.Medium},
			{Name: "low", Severity: finding.Low}, {Name: "critical 2", Severity: finding.Critical}, {Name: "medium 3", Severity: finding.Medium},
		} {
			if err := c.Put(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		check(t, "dropped", map[string]uint64{dropFull: 3}, c.Dropped())
		stop := run(t, c)
		synctest.Wait()
		check(t, "requests", [][]string{{"critical 1", "medium 1", "critical 2"}}, s.got)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAFullQueueSparesWhatIsBeingSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{plan: func(n int, _ []string) *http.Response {
			if n == 0 {
				time.Sleep(5 * time.Second)
			}
			return nil
		}}
		c := client(t, s, func(cfg *Config) { cfg.MaxQueued = 2 })
		if err := c.Put(t.Context(), finding.Finding{Name: "low", Severity: finding.Low}); err != nil {
			t.Fatal(err)
		}
		stop := run(t, c)
		synctest.Wait()
		put(t, c, "a", "b", "c")
		time.Sleep(time.Minute)
		synctest.Wait()
		check(t, "requests", [][]string{{"low"}, {"a"}}, s.got)
		check(t, "dropped", map[string]uint64{dropFull: 2}, c.Dropped())
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAQueueIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	c := client(t, &server{}, func(cfg *Config) { cfg.MaxBytes = 10_000 })
	for range 20 {
		if err := c.Put(t.Context(), finding.Finding{Script: finding.Script{Contents: make([]byte, 1000)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Put(t.Context(), finding.Finding{Script: finding.Script{Contents: make([]byte, 10_000)}}); err != nil {
		t.Fatal(err)
	}
	check(t, "too large", uint64(1), c.Dropped()[dropTooLarge])
	check(t, "all", uint64(21), uint64(c.Queued())+c.Dropped()[dropTooLarge]+c.Dropped()[dropFull])
	if c.bytes > 10_000 || c.Queued() == 0 {
		t.Errorf("%d findings of %d bytes are queued", c.Queued(), c.bytes)
	}
}

func TestStoppingHandsOverWhatIsQueued(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fails   int // requests
		wantErr bool
		want    map[string]uint64
		took    time.Duration // at most
	}{
		"when the server is there":        {0, false, map[string]uint64{}, 0},
		"when the server is back in time": {4, false, map[string]uint64{}, 5 * time.Second},
		"not when it stays away":          {1 << 30, true, map[string]uint64{dropStopped: 2}, 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{err: func(n int) error {
					if n < c.fails {
						return errors.New("connection refused")
					}
					return nil
				}}
				cl := client(t, s, nil)
				put(t, cl, "a", "b")
				stop := run(t, cl)
				synctest.Wait()
				before := time.Now()
				err := stop()
				if (err != nil) != c.wantErr {
					t.Errorf("run: %v", err)
				}
				check(t, "dropped", c.want, cl.Dropped())
				check(t, "queued", 0, cl.Queued())
				if took := time.Since(before); took > c.took {
					t.Errorf("stopping took %v", took)
				}
			})
		})
	}
}

func TestAServerThatHangsDoesNotHoldUpStopping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client(t, hanging{}, nil)
		put(t, c, "a")
		stop := run(t, c)
		synctest.Wait()
		before := time.Now()
		if err := stop(); err == nil {
			t.Error("run ended without an error")
		}
		if took := time.Since(before); took > 9*time.Second {
			t.Errorf("stopping took %v", took)
		}
	})
}

type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestAHeartbeatIsSentOnce(t *testing.T) {
	t.Parallel()
	s := &server{}
	c := client(t, s, nil)
	if err := c.Heartbeat(t.Context(), finding.SensorStatus{Name: "node-a"}); err != nil {
		t.Error(err)
	}
	check(t, "path", []string{"/base/api/v1/sensors"}, s.paths)
	s.plan = func(int, []string) *http.Response { return answer(403, `{"error":"a read token\nmay not push"}`) }
	err := c.Heartbeat(t.Context(), finding.SensorStatus{Name: "node-a"})
	if err == nil || !strings.Contains(err.Error(), `403 Forbidden: a read token\nmay not push`) {
		t.Errorf("heartbeat: %v", err)
	}
	check(t, "requests", 2, len(s.paths))
	lost := finding.Losses{{Reason: strings.Repeat("x", maxHeartbeat)}: 1}
	if err := c.Heartbeat(t.Context(), finding.SensorStatus{Lost: lost}); err == nil {
		t.Error("a heartbeat beyond the bound was sent")
	}
}

func TestASetUpThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]Config{
		"no address":          {Token: "t"},
		"no host":             {Token: "t", URL: "https://"},
		"another scheme":      {Token: "t", URL: "ftp://server.example.com"},
		"a scheme left out":   {Token: "t", URL: "server.example.com:8417"},
		"a password":          {Token: "t", URL: "https://u:p@server.example.com"},
		"a query":             {Token: "t", URL: "https://server.example.com/?x"},
		"no token":            {URL: "https://server.example.com"},
		"a token of lines":    {Token: "a\r\nX-Evil: 1", URL: "https://server.example.com"},
		"no such authorities": {Token: "t", URL: "https://server.example.com", CAFile: "/nonexistent"},
		"no authorities":      {Token: "t", URL: "https://server.example.com", CAFile: notPEM},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAServerIsTrustedThroughTheAuthorityFile(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
	defer web.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	trusting := client(t, nil, func(cfg *Config) { cfg.URL, cfg.CAFile = web.URL, ca })
	if err := trusting.Heartbeat(t.Context(), finding.SensorStatus{Name: "n"}); err != nil {
		t.Error(err)
	}
	other := client(t, nil, func(cfg *Config) { cfg.URL = web.URL })
	if err := other.Heartbeat(t.Context(), finding.SensorStatus{Name: "n"}); err == nil {
		t.Error("a server of an unknown authority was trusted")
	}
}
