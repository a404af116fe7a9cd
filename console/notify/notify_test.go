package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/finding"
	"kingsnake/finding/scc"
	"kingsnake/store"
	"kingsnake/store/mem"
	"kingsnake/store/sqlite"
)

var secret = []byte("shared secret")

func example(n int) finding.Finding {
	return finding.Finding{
		Name: fmt.Sprintf("%032x", n), Category: finding.MaliciousPython, Severity: finding.Critical,
		EventTime: time.Date(2026, 3, 1, 12, n, 0, 0, time.UTC),
		Script:    finding.Script{Kind: "c", SHA256: fmt.Sprintf("%064x", n), Contents: []byte("import os")},
	}
}

func fill(t *testing.T, s store.Store, n int) {
	t.Helper()
	for i := range n {
		if _, err := s.Put(t.Context(), example(i)); err != nil {
			t.Fatal(err)
		}
	}
}

func check(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func waiting(t *testing.T, s store.Store) int64 {
	t.Helper()
	st, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.Undelivered
}

// receiver is a webhook inside the process, so that time can be synctest's.
type receiver struct {
	answer func(n int) (*http.Response, error)

	mu    sync.Mutex
	times []time.Time
	heads []http.Header
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	if err := Verify(secret, req.Header.Get(signatureHeader), body, time.Now(), time.Minute); err != nil {
		return nil, err
	}
	r.mu.Lock()
	n := len(r.times)
	r.times, r.heads = append(r.times, time.Now()), append(r.heads, req.Header)
	r.mu.Unlock()
	return r.answer(n)
}

func reply(status int, header ...string) (*http.Response, error) {
	r := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("said\n"))}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r, nil
}

func notifier(t *testing.T, q Queue, tr http.RoundTripper, change func(*Config)) *Notifier {
	t.Helper()
	cfg := Config{Queue: q, URL: "https://hooks.example.com/x?key=hidden", Secret: secret, Transport: tr}
	if change != nil {
		change(&cfg)
	}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// run starts n and returns a function that stops it.
func run(t *testing.T, n *Notifier) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { n.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

// after lets time pass in a synctest bubble.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestEveryDeliveryArrivesOnceSignedAndInSCCsForm(t *testing.T) {
	t.Parallel()
	s := mem.New()
	fill(t, s, 20)
	var mu sync.Mutex
	got := map[string]string{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if err := Verify(secret, r.Header.Get("Kingsnake-Signature"), body, time.Now(), time.Minute); err != nil {
			t.Error(err)
		}
		check(t, "method and type", "POST application/json 1", r.Method+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("Kingsnake-Attempt"))
		mu.Lock()
		defer mu.Unlock()
		id := r.Header.Get("Kingsnake-Delivery")
		if got[id] != "" {
			t.Errorf("delivery %s came twice", id)
		}
		got[id] = string(body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer web.Close()
	cfg := scc.Config{Project: "demo"}
	n := notifier(t, s, nil, func(c *Config) { c.URL, c.SCC = web.URL, cfg })
	want := map[string]string{}
	due, err := s.Due(t.Context(), time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range due {
		body, err := scc.NotificationJSON(d.Finding, cfg)
		if err != nil {
			t.Fatal(err)
		}
		want[fmt.Sprintf("%s-%d", d.Finding.Name, d.ID)] = string(body)
	}
	for waiting(t, s) > 0 {
		if _, _, err := n.deliverDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check(t, "deliveries", want, got)
	check(t, "counts", Counts{Delivered: 20}, n.Counts())
}

func TestAReceiverThatFailsAndRecoversGetsEverything(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() (*http.Response, error){
		"down":         func() (*http.Response, error) { return nil, errors.New("connection refused") },
		"500":          func() (*http.Response, error) { return reply(500) },
		"429":          func() (*http.Response, error) { return reply(429) },
		"a redirect":   func() (*http.Response, error) { return reply(307, "Location", "https://evil.example.com") },
		"unauthorized": func() (*http.Response, error) { return reply(401) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := mem.New()
				fill(t, s, 3)
				r := &receiver{answer: func(n int) (*http.Response, error) {
					if n < 12 {
						return fail()
					}
					return reply(200)
				}}
				n := notifier(t, s, r, nil)
				stop := run(t, n)
				after(time.Hour)
				stop()
				check(t, "waiting", int64(0), waiting(t, s))
				check(t, "counts", Counts{Delivered: 3, Failed: 12}, n.Counts())
				ids := map[string]int{}
				for _, h := range r.heads {
					ids[h.Get(deliveryHeader)]++
				}
				check(t, "distinct deliveries", 3, len(ids))
			})
		})
	}
}

func TestPausesGrowToAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		fill(t, s, 1)
		r := &receiver{answer: func(int) (*http.Response, error) { return reply(503) }}
		n := notifier(t, s, r, nil)
		stop := run(t, n)
		after(200 * time.Hour)
		stop()
		for i := 1; i < len(r.times); i++ {
			full := longDelay
			if i <= 10 {
				full = min(firstDelay<<(i-1), longDelay)
			}
			if p := r.times[i].Sub(r.times[i-1]); p < full*3/4 || p > full+longestRest {
				t.Errorf("pause %d took %v, want about %v", i, p, full)
			}
		}
		if got := len(r.times); got < 200 {
			t.Errorf("after %d attempts it was given up", got)
		}
		check(t, "waiting", int64(1), waiting(t, s))
		check(t, "last error", `the receiver answered 503 Service Unavailable: said\n`, n.Counts().LastError)
	})
}

func TestRetryAfterIsHeeded(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]time.Duration{
		"600": 10 * time.Minute, "999999": longDelay, "Sat, 01 Jan 2000 00:20:00 GMT": 20 * time.Minute, "x": firstDelay, "0": firstDelay,
	} {
		t.Run(asked, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // time begins on 1 January 2000
				s := mem.New()
				fill(t, s, 1)
				r := &receiver{answer: func(n int) (*http.Response, error) {
					if n == 0 {
						return reply(503, "Retry-After", asked)
					}
					return reply(200)
				}}
				stop := run(t, notifier(t, s, r, nil))
				after(2 * time.Hour)
				stop()
				if took := r.times[1].Sub(r.times[0]); took < want*3/4 || took > want+2*pollEvery {
					t.Errorf("asked for %s, waited %v", asked, took)
				}
			})
		})
	}
}

func TestAReceiverThatRefusesIsBelievedInTheEnd(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{400: maxRefusals, 401: maxRefusals, 404: maxRefusals, 410: 1} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := mem.New()
				fill(t, s, 1)
				r := &receiver{answer: func(int) (*http.Response, error) { return reply(status) }}
				n := notifier(t, s, r, nil)
				stop := run(t, n)
				after(100 * time.Hour)
				stop()
				check(t, "attempts", want, len(r.times))
				check(t, "waiting", int64(0), waiting(t, s))
				check(t, "given up", uint64(1), n.Counts().GivenUp)
				if got := r.heads[want-1].Get(attemptHeader); got != fmt.Sprint(want) {
					t.Errorf("the last attempt says it is number %s", got)
				}
			})
		})
	}
}

func TestASlowReceiverIsBrokenOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		fill(t, s, 1)
		n := notifier(t, s, slow{}, nil)
		stop := run(t, n)
		after(sendTime + pollEvery)
		check(t, "failed", uint64(1), n.Counts().Failed)
		check(t, "waiting", int64(1), waiting(t, s))
		stop()
	})
}

type slow struct{}

func (slow) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestStoppingBreaksOffAndCountsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		fill(t, s, 1)
		n := notifier(t, s, slow{}, nil)
		stop := run(t, n)
		after(time.Second)
		before := time.Now()
		stop()
		if took := time.Since(before); took > 0 {
			t.Errorf("stopping took %v", took)
		}
		check(t, "counts", Counts{}, n.Counts())
		due, err := s.Due(t.Context(), time.Now(), 0)
		if err != nil || len(due) != 1 || due[0].Attempts != 0 {
			t.Errorf("after stopping %+v waits, %v", due, err)
		}
	})
}

func TestAnAnswerWithoutEndIsNotRead(t *testing.T) {
	t.Parallel()
	s := mem.New()
	fill(t, s, 1)
	r := &receiver{answer: func(int) (*http.Response, error) {
		return &http.Response{StatusCode: 500, Header: http.Header{}, Body: io.NopCloser(endless{})}, nil
	}}
	n := notifier(t, s, r, nil)
	if _, failed, err := n.deliverDue(t.Context()); failed != 1 || err != nil {
		t.Errorf("%d failed, %v", failed, err)
	}
	if got := n.Counts().LastError; len(got) > 1000 {
		t.Errorf("the error has %d bytes", len(got))
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

func TestWhatWaitsSurvivesARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.db")
	open := func() *sqlite.Store {
		s, err := sqlite.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	up := false
	var got []string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		got = append(got, r.Header.Get("Kingsnake-Delivery")+" "+r.Header.Get("Kingsnake-Attempt"))
	}))
	defer web.Close()
	round := func(s *sqlite.Store) {
		n := notifier(t, s, nil, func(c *Config) { c.URL, c.Now = web.URL, func() time.Time { return now } })
		if _, _, err := n.deliverDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	s := open()
	fill(t, s, 1)
	round(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	up = true
	round(s) // not yet due
	check(t, "too early", 0, len(got))
	now = now.Add(time.Minute)
	round(s)
	round(s)
	check(t, "deliveries", []string{example(0).Name + "-1 2"}, got)
	check(t, "waiting", int64(0), waiting(t, s))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// forgetful does not write down that a delivery was made, as when the process
// is killed just before.
type forgetful struct{ store.Store }

func (forgetful) Delivered(context.Context, int64) error { return errors.New("killed") }

func TestADeliveryThatWasNotWrittenDownIsMadeAgainUnderItsName(t *testing.T) {
	t.Parallel()
	s := mem.New()
	fill(t, s, 1)
	r := &receiver{answer: func(int) (*http.Response, error) { return reply(204) }}
	for _, q := range []Queue{forgetful{s}, s} {
		if _, _, err := notifier(t, q, r, nil).deliverDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check(t, "requests", 2, len(r.heads))
	check(t, "delivery", r.heads[0].Get(deliveryHeader), r.heads[1].Get(deliveryHeader))
	check(t, "waiting", int64(0), waiting(t, s))
}

func TestWithoutAReceiverWhatWaitsIsDiscarded(t *testing.T) {
	t.Parallel()
	s := mem.New()
	fill(t, s, 20)
	got, err := Discard(t.Context(), s, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	check(t, "discarded", 20, got)
	check(t, "waiting", int64(0), waiting(t, s))
}

func TestASetUpThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "hooks.example.com", "ftp://hooks.example.com", "file:///etc/passwd", "https://", "https://a b", "http://[::1"} {
		if _, err := New(Config{Queue: mem.New(), URL: address}); err == nil {
			t.Errorf("%q was accepted", address)
		}
	}
	if _, err := New(Config{URL: "https://hooks.example.com"}); err == nil {
		t.Error("no queue was accepted")
	}
}

func TestTheAddressIsNotInErrors(t *testing.T) {
	t.Parallel()
	s := mem.New()
	fill(t, s, 1)
	n := notifier(t, s, nil, func(c *Config) { c.URL = "http://127.0.0.1:1/services/hidden" })
	if _, _, err := n.deliverDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := n.Counts().LastError; got == "" || strings.Contains(got, "hidden") {
		t.Errorf("the error says %q", got)
	}
}

func TestVerifyRefusesWhatWasNotSigned(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_772_366_400, 0)
	body := []byte(`{"a":1}`)
	good := sign(secret, at, body)
	check(t, "header", "t=1772366400,v1=", good[:16])
	if err := Verify(secret, good, body, at.Add(time.Minute), 5*time.Minute); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"another body":   Verify(secret, good, []byte("{}"), at, time.Minute),
		"another secret": Verify([]byte("x"), good, body, at, time.Minute),
		"another time":   Verify(secret, strings.Replace(good, "t=1772366400", "t=1772366401", 1), body, at, time.Minute),
		"long ago":       Verify(secret, good, body, at.Add(time.Hour), time.Minute),
		"yet to come":    Verify(secret, good, body, at.Add(-time.Hour), time.Minute),
		"nothing":        Verify(secret, "", body, at, time.Minute),
		"no signature":   Verify(secret, "t=1772366400", body, at, time.Minute),
		"no hexadecimal": Verify(secret, "t=1772366400,v1=zz", body, at, time.Minute),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
