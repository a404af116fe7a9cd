// Package push is the client half of the way from a sensor to a server: it
// takes findings into a bounded queue and hands them over HTTP to
// kingsnake/console/api, in order, until the server has said what became of
// each.
//
//	client, err := push.New(push.Config{URL: "https://kingsnake.example.com", Token: token})
//	go client.Run(ctx) // sends until ctx ends, then drains for a while
//	err = client.Put(ctx, f)
//
// # What is sent again
//
// A finding leaves the queue when the server has answered for it. Until then
// its batch is sent again, after a pause that doubles from one second to one
// minute, half of it at random, or after what the server asks for in
// Retry-After. Sending twice is harmless: a server counts an occurrence once.
//
// An answer 400 or another 4xx, 408 and 429 apart, concerns what was sent: the
// findings of that batch are sent once more one by one, and the one that is
// refused alone is given up and counted. 401, 403 and 404 concern the set-up (a
// wrong token or address): they are tried five times a batch before it is given
// up, so that a token can be mended without loss. Redirects are not followed,
// for the token would go with them.
//
// The queue is in memory: what the server has not acknowledged is lost when the
// process is killed. Everything lost is counted by reason in Dropped.
package push

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"kingsnake/finding"
)

// Config is how a Client is set up. URL and Token are required; a zero field
// else takes its default.
type Config struct {
	URL   string // of the server, http or https; a path in it is kept
	Token string // the server's sensor token

	// CAFile is a PEM file with the authorities that may have signed the
	// server's certificate; "" means the system's.
	CAFile string

	MaxQueued int           // findings in the queue; 0 means 2000
	MaxBytes  int           // of JSON in the queue; 0 means 16 MiB
	Drain     time.Duration // how long Run sends after its context ended; 0 means 8 s

	Transport http.RoundTripper // for tests; nil means HTTP with CAFile's authorities
	Log       *slog.Logger      // told when the server goes and comes; nil means nobody
}

// The bounds of one request. They lie within those of kingsnake/console/api.
const (
	maxFinding    = 8 << 20 // bytes of JSON of one finding
	maxBatch      = 100     // findings in a request
	maxBatchBytes = 4 << 20 // of JSON in a request of more than one finding
	maxAnswer     = 1 << 20 // bytes of an answer that are read
	maxHeartbeat  = 64 << 10
	requestTime   = 30 * time.Second
)

// The reasons Dropped counts by.
const (
	dropFull     = "queue full"
	dropTooLarge = "finding too large"
	dropNoJSON   = "finding has no JSON form"
	dropRefused  = "refused by the server"
	dropStopped  = "server not reached before stopping"
)

// Client hands findings to a server. Make one with New. Its methods are safe
// for concurrent use, but Run may run once only.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
	wake chan struct{} // has a value when there may be something to send

	mu      sync.Mutex
	queue   []item // oldest first
	sending int    // of the queue's head are being sent
	bytes   int
	dropped map[string]uint64
	down    bool // the last request failed
}

// item is a finding in the queue.
type item struct {
	name string
	rank int // of its severity, higher is worse
	json []byte
}

// New returns a Client, or says what is wrong with cfg. It does not connect.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("server address %q: %w", cfg.URL, err)
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, fmt.Errorf("server address %q: want https://HOST or http://HOST", cfg.URL)
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("server address %q: a name, a query or a fragment has no place in it", base.Redacted())
	case strings.TrimSpace(cfg.Token) == "" || strings.ContainsFunc(cfg.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("sensor token: it is empty or has characters a token cannot have")
	}
	if cfg.Transport == nil {
		if cfg.Transport, err = transport(cfg.CAFile); err != nil {
			return nil, err
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	orDefault(&cfg.MaxQueued, 2000)
	orDefault(&cfg.MaxBytes, 16<<20)
	orDefault(&cfg.Drain, 8*time.Second)
	return &Client{
		cfg:  cfg,
		base: base,
		http: &http.Client{
			Transport:     cfg.Transport,
			Timeout:       requestTime,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		wake:    make(chan struct{}, 1),
		dropped: map[string]uint64{},
	}, nil
}

func orDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// transport returns the standard one that trusts the authorities in caFile.
func transport(caFile string) (http.RoundTripper, error) {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("the process replaced HTTP's default transport")
	}
	t := standard.Clone()
	t.MaxResponseHeaderBytes = 64 << 10
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate authorities: %w", err)
	}
	t.TLSClientConfig.RootCAs = x509.NewCertPool()
	if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read certificate authorities: %s holds no certificate in PEM form", caFile)
	}
	return t, nil
}

// Put takes f into the queue and returns at once. When there is no room the
// least severe finding gives way, the newest of them, be it f itself; that is
// counted, and no error: Put fails only when ctx has ended.
func (c *Client) Put(ctx context.Context, f finding.Finding) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b, err := finding.Marshal(f)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.drop(dropNoJSON, 1)
		c.cfg.Log.Error("drop a finding", "name", f.Name, "error", err)
		return nil
	case len(b) > maxFinding || len(b) > c.cfg.MaxBytes:
		c.drop(dropTooLarge, 1)
		return nil
	}
	c.queue = append(c.queue, item{name: f.Name, rank: f.Severity.Rank(), json: b})
	c.bytes += len(b)
	for len(c.queue) > c.cfg.MaxQueued || c.bytes > c.cfg.MaxBytes {
		c.remove(c.least())
		c.drop(dropFull, 1)
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// least returns the place of the newest of the least severe findings that are
// not being sent. The caller holds the lock, and knows that there is one: the
// finding it just appended.
func (c *Client) least() int {
	at := len(c.queue) - 1
	for i := at - 1; i >= c.sending; i-- {
		if c.queue[i].rank < c.queue[at].rank {
			at = i
		}
	}
	return at
}

func (c *Client) remove(at int) {
	c.bytes -= len(c.queue[at].json)
	c.queue = append(c.queue[:at], c.queue[at+1:]...)
}

func (c *Client) drop(why string, n int) { c.dropped[why] += uint64(n) }

// Queued returns how many findings the server has not yet answered for.
func (c *Client) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}

// Dropped returns how many findings were given up, by reason. The caller may
// change the map.
func (c *Client) Dropped() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.dropped)
}
