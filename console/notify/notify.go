// Package notify sends each new critical or high finding to one webhook, as
// the notification message Security Command Center would publish for it.
//
//	n, err := notify.New(notify.Config{Queue: store, URL: "https://hooks.example.com/x", Secret: secret})
//	go n.Run(ctx)
//
// # The request
//
// A POST with the JSON of kingsnake/finding/scc.NotificationJSON and the
// headers
//
//	Content-Type: application/json
//	Kingsnake-Delivery: 3f…-17    names the delivery, the same in every attempt
//	Kingsnake-Attempt: 1
//	Kingsnake-Signature: t=1772366400,v1=5257a8…
//
// The signature is there when there is a secret: v1 is the HMAC-SHA256, in
// lower-case hexadecimal, of the digits of t (the time of the attempt in
// seconds since 1970), a full stop, and the body, under the secret. Verify
// checks it; a receiver should refuse a t that is more than some minutes old.
//
// # Delivery
//
// A delivery is made at least once: when the process is killed between the
// answer and its being written down, the same delivery is made again. A
// receiver that must not act twice remembers Kingsnake-Delivery. Deliveries
// are begun in the order of the findings, up to four at a time, and may
// overtake each other.
//
// An answer 200 to 299 within ten seconds ends a delivery. Any other outcome
// puts it off, by 5 seconds at first, then twice as long each time up to an
// hour, a quarter of it at random, or by what Retry-After asks for, an hour at
// most:
//
//   - no connection, no answer in time, a redirect (none is followed), 408, 425,
//     429 or 5xx: until it succeeds, or its finding is evicted from the store;
//   - another 4xx, which time seldom mends: at most twenty attempts, about ten
//     hours;
//   - 410 Gone: not again.
//
// What waits is in the store and survives a restart. While a receiver takes
// nothing at all the pauses between rounds grow to a minute, so that a long
// queue does not knock a second time before the first answer is in.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"kingsnake/finding/scc"
	"kingsnake/store"
)

const (
	pollEvery   = time.Second // how soon a new finding is seen
	longestRest = time.Minute // between rounds in which nothing was taken
	atOnce      = 4           // deliveries under way
	round       = 8           // deliveries taken from the queue at a time

	sendTime    = 10 * time.Second
	firstDelay  = 5 * time.Second
	longDelay   = time.Hour
	maxRefusals = 20 // attempts before an answer 4xx is believed
)

// Queue is where deliveries wait; every store.Store is one. See there for what
// its methods must do.
type Queue interface {
	Due(ctx context.Context, now time.Time, limit int) ([]store.Delivery, error)
	Delivered(ctx context.Context, id int64) error
	Defer(ctx context.Context, id int64, until time.Time, why string) error
}

// Config is how a Notifier is set up. Queue and URL are required.
type Config struct {
	Queue  Queue
	URL    string     // of the receiver, http or https
	Secret []byte     // signs requests; empty: they are not signed
	SCC    scc.Config // for the notification's names and links

	Transport http.RoundTripper // nil means HTTP as usual
	Now       func() time.Time  // nil means time.Now
	Log       *slog.Logger      // nil means nobody is told
}

// Counts are totals since the Notifier was made.
type Counts struct {
	Delivered uint64 // deliveries that ended well
	Failed    uint64 // attempts that did not
	GivenUp   uint64 // deliveries nobody will make again
	LastError string // of the latest failed attempt; "" when a later one succeeded
}

// Notifier makes deliveries. Make one with New. Run may run once at a time;
// Counts is safe for concurrent use.
type Notifier struct {
	cfg  Config
	http *http.Client

	mu     sync.Mutex
	counts Counts
}

// New returns a Notifier, or says what is wrong with cfg. It does not connect.
func New(cfg Config) (*Notifier, error) {
	to, err := url.Parse(cfg.URL)
	switch {
	case cfg.Queue == nil:
		return nil, errors.New("webhook: there is no queue")
	case err != nil: // its text repeats the address, which may hold a secret
		return nil, errors.New("webhook: the address cannot be read as a URL")
	case to.Scheme != "http" && to.Scheme != "https" || to.Host == "":
		return nil, fmt.Errorf("webhook %s: want https://HOST/… or http://HOST/…", to.Redacted())
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Notifier{cfg: cfg, http: &http.Client{
		Transport:     cfg.Transport,
		Timeout:       sendTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Discard ends every delivery that is due without making it, and returns how
// many those were. It is for a server that has no webhook: else one that is set
// up later would be told all of the past.
func Discard(ctx context.Context, q Queue, now time.Time) (int, error) {
	n := 0
	for {
		due, err := q.Due(ctx, now, round)
		if err != nil || len(due) == 0 {
			return n, err
		}
		for _, d := range due {
			if err := q.Delivered(ctx, d.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
				return n, err
			}
			n++
		}
	}
}

// Counts returns the totals so far.
func (n *Notifier) Counts() Counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts
}

func (n *Notifier) count(change func(c *Counts)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(&n.counts)
}

// Run makes deliveries as they fall due, until ctx ends and those under way
// have been answered or broken off.
func (n *Notifier) Run(ctx context.Context) {
	rest := pollEvery
	for ctx.Err() == nil {
		taken, failed, err := n.deliverDue(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			n.cfg.Log.Error("read deliveries", "error", err)
			rest = longestRest
		case failed > 0 && taken == 0:
			rest = min(2*rest, longestRest)
		default:
			rest = pollEvery
		}
		if taken+failed == round && taken > 0 {
			continue // there may be more
		}
		t := time.NewTimer(rest)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// deliverDue makes one round of deliveries and returns how many the receiver
// took and how many failed.
func (n *Notifier) deliverDue(ctx context.Context) (taken, failed int, err error) {
	due, err := n.cfg.Queue.Due(ctx, n.cfg.Now(), round)
	if err != nil {
		return 0, 0, err
	}
	var under sync.WaitGroup
	var mu sync.Mutex
	turns := make(chan struct{}, atOnce)
	for _, d := range due {
		turns <- struct{}{}
		under.Go(func() {
			defer func() { <-turns }()
			ok := n.deliver(ctx, d)
			mu.Lock()
			defer mu.Unlock()
			if ok {
				taken++
			} else {
				failed++
			}
		})
	}
	under.Wait()
	return taken, failed, nil
}

// deliver makes one attempt, writes down what came of it, and reports whether
// the receiver took it.
func (n *Notifier) deliver(ctx context.Context, d store.Delivery) bool {
	err := n.send(ctx, d)
	if ctx.Err() != nil && err != nil {
		return false // stopped: not the receiver's fault, and due again at the next start
	}
	if err == nil {
		n.count(func(c *Counts) { c.Delivered++; c.LastError = "" })
		n.written(d, n.cfg.Queue.Delivered(ctx, d.ID))
		return true
	}
	n.count(func(c *Counts) { c.Failed++; c.LastError = err.Error() })
	var no *refusal
	errors.As(err, &no)
	if hopeless(err) || no.final(d.Attempts+1) {
		n.count(func(c *Counts) { c.GivenUp++ })
		n.cfg.Log.Error("give up a notification", "finding", d.Finding.Name, "attempts", d.Attempts+1, "error", err)
		n.written(d, n.cfg.Queue.Delivered(ctx, d.ID))
		return false
	}
	if d.Attempts == 0 {
		n.cfg.Log.Warn("put a notification off", "finding", d.Finding.Name, "error", err)
	}
	n.written(d, n.cfg.Queue.Defer(ctx, d.ID, n.cfg.Now().Add(n.delay(d.Attempts, no)), err.Error()))
	return false
}

// written tells when the outcome of an attempt could not be written down. A
// delivery that is gone was evicted with its finding.
func (n *Notifier) written(d store.Delivery, err error) {
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		n.cfg.Log.Error("write down a notification's outcome; it may be sent again", "finding", d.Finding.Name, "error", err)
	}
}

// delay returns how long to wait after one more failed attempt.
func (n *Notifier) delay(attempts int, no *refusal) time.Duration {
	if asked := no.asked(n.cfg.Now()); asked > 0 {
		return min(asked, longDelay)
	}
	d := longDelay
	if attempts < 10 {
		d = min(firstDelay<<attempts, longDelay)
	}
	return d - d/4 + rand.N(d/4)
}
