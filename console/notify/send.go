package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kingsnake/finding/scc"
	"kingsnake/store"
)

// The headers of a request beside the usual ones.
const (
	deliveryHeader  = "Kingsnake-Delivery"
	attemptHeader   = "Kingsnake-Attempt"
	signatureHeader = "Kingsnake-Signature"
)

const maxAnswer = 4 << 10 // bytes of an answer that are read

// send makes one request. The error is a *refusal when the receiver answered.
func (n *Notifier) send(ctx context.Context, d store.Delivery) error {
	body, err := scc.NotificationJSON(d.Finding, n.cfg.SCC)
	if err != nil {
		return &unsayable{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return &unsayable{err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "kingsnake")
	req.Header.Set(deliveryHeader, fmt.Sprintf("%s-%d", headerWord(d.Finding.Name), d.ID))
	req.Header.Set(attemptHeader, strconv.Itoa(d.Attempts+1))
	if len(n.cfg.Secret) > 0 {
		req.Header.Set(signatureHeader, sign(n.cfg.Secret, n.cfg.Now(), body))
	}
	resp, err := n.http.Do(req)
	if err != nil {
		// Without the address, in which a receiver's own secret often is.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return fmt.Errorf("reach the receiver: %v", err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // words for the log; the status decides
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	return &refusal{status: resp.StatusCode, after: resp.Header.Get("Retry-After"), said: string(said)}
}

// headerWord returns s when it is plain, as finding names are; it cannot break
// out of a header.
func headerWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r <= '~' {
			return r
		}
		return '_'
	}, s)
}

// unsayable is a failure no receiver can mend.
type unsayable struct{ err error }

func (u *unsayable) Error() string { return fmt.Sprintf("make the request: %v", u.err) }

func hopeless(err error) bool {
	var u *unsayable
	return errors.As(err, &u)
}

// refusal is an answer other than 2xx. A nil refusal is no answer at all.
type refusal struct {
	status int
	after  string // Retry-After
	said   string
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("the receiver answered %d %s", r.status, http.StatusText(r.status))
	if r.said != "" {
		text += ": " + strings.Trim(strconv.QuoteToASCII(r.said[:min(len(r.said), 200)]), `"`)
	}
	return text
}

// final reports whether the receiver, after so many attempts, is believed.
func (r *refusal) final(attempts int) bool {
	switch {
	case r == nil || r.status < 400 || r.status >= 500:
		return false
	case r.status == http.StatusRequestTimeout || r.status == http.StatusTooEarly || r.status == http.StatusTooManyRequests:
		return false
	default:
		return r.status == http.StatusGone || attempts >= maxRefusals
	}
}

// asked returns the pause the receiver asked for; 0 for none.
func (r *refusal) asked(now time.Time) time.Duration {
	if r == nil {
		return 0
	}
	if n, err := strconv.ParseUint(r.after, 10, 32); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(r.after); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// sign returns the value of the signature header.
func sign(secret []byte, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(secret, t, body))
}

func mac(secret []byte, t string, body []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(t + "."))
	h.Write(body)
	return h.Sum(nil)
}

// Verify checks, for a receiver, the Kingsnake-Signature header of a request
// with this body: that it was made with the secret, no longer than tolerance
// away from now.
func Verify(secret []byte, header string, body []byte, now time.Time, tolerance time.Duration) error {
	stamp, signature, ok := strings.Cut(header, ",v1=")
	t, hasTime := strings.CutPrefix(stamp, "t=")
	seconds, err := strconv.ParseInt(t, 10, 64)
	got, hexErr := hex.DecodeString(signature)
	switch {
	case !ok || !hasTime || err != nil || hexErr != nil:
		return errors.New("verify webhook: the signature header cannot be read")
	case !hmac.Equal(got, mac(secret, t, body)):
		return errors.New("verify webhook: the signature is not that of this body under this secret")
	case now.Sub(time.Unix(seconds, 0)).Abs() > tolerance:
		return fmt.Errorf("verify webhook: the signature was made at %v, too far from now", time.Unix(seconds, 0).UTC())
	}
	return nil
}
