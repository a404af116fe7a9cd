package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"kingsnake/finding"
)

const (
	firstPause = time.Second
	longPause  = time.Minute
	maxAsked   = 10 * time.Minute // of a server's Retry-After that is heeded
	setupTries = 5                // answers 401, 403 or 404 to one batch
)

// Run sends what is queued until ctx ends, and goes on for Config.Drain after
// that as long as something is queued and the server takes it. What then
// remains is counted as dropped, and the error says how much. The goroutine
// ends with Run.
func (c *Client) Run(ctx context.Context) error {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if !sleep(sending, c.cfg.Drain) {
			return
		}
		cancel()
	})
	defer stop()
	var pause pauser
	for {
		batch := c.take()
		if len(batch) == 0 {
			select {
			case <-c.wake:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		wait := c.offer(sending, batch, &pause)
		if wait > 0 && ctx.Err() == nil {
			sleep(ctx, wait) // cut short by the end of ctx: then one more try, at once
		} else if wait > 0 {
			sleep(sending, min(wait, firstPause))
		}
		if sending.Err() != nil {
			return c.giveUp()
		}
	}
}

// take returns the head of the queue that makes the next request, and marks it
// as being sent.
func (c *Client) take() []item {
	c.mu.Lock()
	defer c.mu.Unlock()
	var batch []item
	size := 0
	for len(batch) < min(len(c.queue), maxBatch) {
		it := c.queue[len(batch)]
		if size += it.size; len(batch) > 0 && size > maxBatchBytes {
			break
		}
		if it.spooled != nil {
			var err error
			if it.json, err = c.spool.read(it.spooled); err != nil {
				c.cfg.Log.Error("lose a finding", "name", it.name, "error", err)
				c.drop(dropUnread, 1)
				c.remove(len(batch))
				size -= it.size
				continue
			}
		}
		batch = append(batch, it)
	}
	c.sending = len(batch)
	return batch
}

// done takes n findings off the head of the queue, of which so many were
// refused.
func (c *Client) done(n, refused int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range c.queue[:n] {
		c.release(it)
	}
	clear(c.queue[:n])
	c.queue = c.queue[n:]
	c.sending -= n
	if refused > 0 {
		c.drop(dropRefused, refused)
	}
}

// giveUp ends Run: what is in memory is lost, what is in the spool stays.
func (c *Client) giveUp() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sending = 0
	n := c.held
	for i := len(c.queue) - 1; i >= 0 && c.held > 0; i-- {
		if c.queue[i].spooled == nil {
			c.remove(i)
		}
	}
	if len(c.queue) > 0 {
		c.cfg.Log.Info("findings wait in the spool for the next start", "count", len(c.queue))
	}
	if n == 0 {
		return nil
	}
	c.drop(dropStopped, n)
	return fmt.Errorf("%d findings could not be handed to the server at %s before stopping", n, c.base.Redacted())
}

// offer sends batch and returns how long to wait before the queue's head, which
// may be the same batch, is sent.
func (c *Client) offer(ctx context.Context, batch []item, pause *pauser) time.Duration {
	refused, err := c.sendBatch(ctx, batch)
	var no *refusal
	switch {
	case err == nil:
		c.tell(nil)
		pause.reset()
		c.done(len(batch), refused)
		return 0
	case ctx.Err() != nil:
		return 0
	case !errors.As(err, &no) || no.temporary():
		c.tell(err)
		return pause.next(no)
	case no.setup() && pause.refusals < setupTries-1:
		c.tell(err)
		pause.refusals++
		return pause.next(no)
	case no.setup() || len(batch) == 1:
		c.cfg.Log.Error("the server refused findings", "count", len(batch), "first", batch[0].name, "error", err)
		pause.reset()
		c.done(len(batch), len(batch))
		return 0
	default:
		return c.offerEach(ctx, batch, pause)
	}
}

// offerEach sends the findings of a refused batch one by one, so that one bad
// finding does not take the others with it.
func (c *Client) offerEach(ctx context.Context, batch []item, pause *pauser) time.Duration {
	for i := range batch {
		if wait := c.offer(ctx, batch[i:i+1], pause); wait > 0 || ctx.Err() != nil {
			return wait
		}
	}
	return 0
}

// tell logs when the server goes and when it is back, not each failure.
func (c *Client) tell(err error) {
	c.mu.Lock()
	was := c.down
	c.down = err != nil
	queued := len(c.queue)
	c.mu.Unlock()
	switch {
	case err != nil && !was:
		c.cfg.Log.Warn("the server does not take findings; they wait", "queued", queued, "error", err)
	case err == nil && was:
		c.cfg.Log.Info("the server takes findings again", "queued", queued)
	}
}

// sendBatch makes one request and returns how many findings the server refused.
func (c *Client) sendBatch(ctx context.Context, batch []item) (refused int, err error) {
	var body bytes.Buffer
	for i, it := range batch {
		body.WriteByte("[,"[min(i, 1)])
		body.Write(it.json)
	}
	body.WriteByte(']')
	answer, err := c.post(ctx, "findings", body.Bytes())
	if err != nil {
		return 0, err
	}
	var said struct {
		Results []struct {
			Error string `json:"error"`
		} `json:"results"`
	}
	if err := json.Unmarshal(answer, &said); err != nil || len(said.Results) != len(batch) {
		return 0, errors.New("the answer does not say what became of the findings; is this a kingsnake server?")
	}
	for i, r := range said.Results {
		if r.Error != "" {
			refused++
			c.cfg.Log.Error("the server refused a finding", "name", batch[i].name, "error", r.Error)
		}
	}
	return refused, nil
}

// Heartbeat sends s once; the next heartbeat says the same and more, so it is
// not sent again.
func (c *Client) Heartbeat(ctx context.Context, s finding.SensorStatus) error {
	b, err := finding.Marshal(s)
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	if len(b) > maxHeartbeat {
		return fmt.Errorf("heartbeat: %d bytes, more than %d", len(b), maxHeartbeat)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := c.post(ctx, "sensors", b); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	return nil
}

// post sends a body and returns the answer to it, or a *refusal for a status
// other than 200.
func (c *Client) post(ctx context.Context, what string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	to := c.base.JoinPath("api", "v1", what).String()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "kingsnake-sensor")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode != http.StatusOK {
		return nil, &refusal{status: resp.StatusCode, said: excerpt(answer), after: resp.Header.Get("Retry-After")}
	}
	return answer, err
}

// excerpt returns what a server said as one short printable line.
func excerpt(b []byte) string {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(b, &said) == nil && said.Error != "" {
		b = []byte(said.Error)
	}
	return strings.Trim(strconv.QuoteToASCII(string(b[:min(len(b), 300)])), `"`)
}

// refusal is an answer other than 200.
type refusal struct {
	status int
	said   string
	after  string // Retry-After
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("the server answered %d %s", r.status, http.StatusText(r.status))
	if r.said != "" {
		text += ": " + r.said
	}
	return text
}

// temporary reports whether the same request may be taken later.
func (r *refusal) temporary() bool {
	return r.status < 400 || r.status >= 500 || r.status == http.StatusRequestTimeout || r.status == http.StatusTooManyRequests
}

// setup reports whether the client's set-up is at fault, not what it sent.
func (r *refusal) setup() bool {
	return r.status == http.StatusUnauthorized || r.status == http.StatusForbidden || r.status == http.StatusNotFound
}

// pauser grows the pause between tries.
type pauser struct {
	last     time.Duration
	refusals int // of the set-up, in a row
}

func (p *pauser) reset() { *p = pauser{} }

// next returns the pause after one more failure: what the server asked for,
// else twice the last, half of it at random so that many sensors come back one
// by one.
func (p *pauser) next(no *refusal) time.Duration {
	p.last = min(max(2*p.last, firstPause), longPause)
	if no != nil {
		if asked := retryAfter(no.after); asked > 0 {
			return min(asked, maxAsked)
		}
	}
	return p.last/2 + rand.N(p.last/2)
}

// retryAfter reads a Retry-After header: seconds or a date. It returns 0 for
// anything else.
func retryAfter(s string) time.Duration {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// sleep waits and reports whether ctx lasted as long.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
