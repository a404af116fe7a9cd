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
// # Where findings wait
//
// With Config.Spool, in a folder: what Put took survives the process being
// killed at any point, and is sent by the next one. It is flushed to the disk
// within a second, so a machine that loses power loses the last second at most.
// The spool is bounded; findings below HIGH may fill half of it, so that a flood
// of them leaves room for what matters. What does not fit, or cannot be written
// because the disk is full, waits in memory, where the least severe gives way;
// Trouble says so.
//
// Without, in memory: what the server has not acknowledged is lost when the
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
	"slices"
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

	MaxQueued int           // findings that wait in memory; 0 means 2000
	MaxBytes  int           // of their JSON; 0 means 16 MiB
	Spool     string        // folder where findings wait instead; "" means in memory
	MaxSpool  int64         // bytes in it; 0 means 64 MiB
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
	dropUnread   = "spool unreadable" // read back from the spool, or in part
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
	held    int    // of the queue are in memory
	bytes   int    // of their JSON
	spool   *spool // nil when there is none
	trouble error  // why the last finding is not in the spool
	dropped map[string]uint64
	down    bool // the last request failed
}

// item is a finding in the queue: in memory or in the spool.
type item struct {
	name    string // "" for one that an earlier process left
	rank    int    // of its severity, higher is worse
	size    int    // of its JSON
	json    []byte
	spooled *spooled
}

// New returns a Client, or says what is wrong with cfg. It does not connect. The
// caller closes it after Run.
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
	orDefault(&cfg.MaxSpool, 64<<20)
	c := &Client{
		cfg:  cfg,
		base: base,
		http: &http.Client{
			Transport:     cfg.Transport,
			Timeout:       requestTime,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		wake:    make(chan struct{}, 1),
		dropped: map[string]uint64{},
	}
	return c, c.openSpool()
}

// openSpool opens the spool and queues what an earlier process left in it.
func (c *Client) openSpool() error {
	if c.cfg.Spool == "" {
		return nil
	}
	s, left, damaged, err := openSpool(c.cfg.Spool, c.cfg.MaxSpool)
	if err != nil {
		return err
	}
	c.spool, c.queue = s, left
	if damaged > 0 {
		c.drop(dropUnread, damaged)
		c.cfg.Log.Error("the spool is damaged; what follows the damage in these files is lost", "files", damaged)
	}
	if len(left) > 0 {
		c.cfg.Log.Info("findings of an earlier run wait in the spool", "count", len(left))
	}
	return nil
}

// Close gives the spool back. What waits in it stays for the next process. Run
// must have returned.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spool == nil {
		return nil
	}
	err := c.spool.close()
	c.spool, c.queue, c.held, c.bytes = nil, nil, 0, 0
	return err
}

func orDefault[T int | int64 | time.Duration](field *T, value T) {
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
	c.push(item{name: f.Name, rank: f.Severity.Rank(), size: len(b), json: b})
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// push appends it to the queue, in the spool when that takes it. The caller
// holds the lock.
func (c *Client) push(it item) {
	if c.spool != nil {
		at, err := c.spool.put(it.rank, it.json)
		if err == nil {
			it.json, it.spooled = nil, at
		}
		if (err == nil) != (c.trouble == nil) {
			c.cfg.Log.Warn("the spool takes findings: "+yesNo(err == nil), "error", err)
		}
		c.trouble = err
	}
	c.queue = append(c.queue, it)
	if it.spooled != nil {
		return
	}
	c.held++
	c.bytes += it.size
	for c.held > c.cfg.MaxQueued || c.bytes > c.cfg.MaxBytes {
		c.remove(c.least())
		c.drop(dropFull, 1)
	}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no, they wait in memory"
}

// least returns the place of the newest of the least severe findings in memory
// that are not being sent. The caller holds the lock, and knows that there is
// one: the finding it just appended.
func (c *Client) least() int {
	at := len(c.queue) - 1
	for i := at - 1; i >= c.sending; i-- {
		if c.queue[i].spooled == nil && c.queue[i].rank < c.queue[at].rank {
			at = i
		}
	}
	return at
}

// remove takes a finding off the queue for good.
func (c *Client) remove(at int) {
	c.release(c.queue[at])
	c.queue = slices.Delete(c.queue, at, at+1)
}

// release gives back the room of a finding that leaves the queue.
func (c *Client) release(it item) {
	if it.spooled != nil {
		c.spool.done(it.spooled)
		return
	}
	c.held--
	c.bytes -= it.size
}

func (c *Client) drop(why string, n int) { c.dropped[why] += uint64(n) }

// Queued returns how many findings the server has not yet answered for.
func (c *Client) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}

// Trouble says in plain words why findings wait in memory although there is a
// spool, or "".
func (c *Client) Trouble() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spool == nil || c.trouble == nil && c.held == 0 {
		return ""
	}
	why := ""
	if c.trouble != nil {
		why = ": " + c.trouble.Error()
	}
	return fmt.Sprintf("%d findings wait in memory only, where a killed process loses them%s", c.held, why)
}

// Dropped returns how many findings were given up, by reason. The caller may
// change the map.
func (c *Client) Dropped() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.dropped)
}
