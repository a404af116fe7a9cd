// Package api is the HTTP interface of a server for programs: sensors push
// findings and heartbeats, scripts and tools read findings. People use
// kingsnake/console.
//
//	POST /api/v1/findings          sensor token   a JSON array of findings, as finding.Marshal writes them
//	POST /api/v1/sensors           sensor token   one heartbeat, a finding.SensorStatus
//	GET  /api/v1/findings          read token     a page of findings; see below
//	GET  /api/v1/findings/{name}   read token     one finding, whole
//	GET  /api/v1/sensors           read token     the latest heartbeat of each sensor
//	GET  /api/v1/healthz           no token       200 when the store answers, else 503
//
// A token travels as "Authorization: Bearer TOKEN". A sensor token may push and
// nothing else, a read token read and nothing else. There are no CORS headers:
// no page of another site may use this interface.
//
// # Pushing
//
// The answer to pushed findings is 200 with one result for each, in order:
//
//	{"results": [{"name": "…", "outcome": "created"}, {"name": "…", "error": "what is wrong with it"}]}
//
// An outcome is a store.Outcome. A result with an error will be the same when
// the finding is sent again. When the store fails the answer is 503 or 507 with
// Retry-After for all of them; sending all of them again is harmless, because
// an occurrence is counted once. Fields nobody knows are ignored.
//
// # Reading
//
// GET findings takes the fields of store.Query as parameters: severity, state,
// kind, namespace, image, node, sha256, text, since and until (RFC 3339), limit
// and cursor. It answers {"findings": […], "next": "cursor of the next page"}.
// GET findings/{name} takes view: our own JSON when it is left out, and the
// forms of kingsnake/finding/scc for "scc-v2", "scc-notification" and "legacy".
// Our own JSON keeps bytes that are not UTF-8 as finding.Marshal says.
//
// # Limits
//
// A request holds at most 16 MiB and 500 findings of at most 8 MiB of JSON
// each, a heartbeat 64 KiB; beyond that the answer is 413. Four pushes are read
// at a time; others wait two seconds for their turn and then get 429 with
// Retry-After. Errors are {"error": "one sentence"}.
package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"kingsnake/finding"
	"kingsnake/finding/scc"
	"kingsnake/store"
)

// The limits the package comment states.
const (
	maxBody      = 16 << 20
	maxFinding   = 8 << 20
	maxBatch     = 500
	maxCommas    = 1 << 19 // in one finding
	maxHeartbeat = 64 << 10
	maxPushes    = 4
	maxWait      = 2 * time.Second
)

// Config is what the interface works on. Store is required.
type Config struct {
	Store store.Store

	// SensorToken lets push, ReadToken lets read. An empty token lets nobody.
	// They must differ.
	SensorToken string
	ReadToken   string

	SCC scc.Config       // for the forms of Security Command Center
	Log *slog.Logger     // nil means nobody is told
	Now func() time.Time // nil means time.Now
}

// New returns the handler of all paths below /api/v1/. It is safe for
// concurrent use.
func New(cfg Config) http.Handler {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &api{Config: cfg, pushes: make(chan struct{}, maxPushes)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/findings", a.as(sensorRole, a.pushFindings))
	mux.HandleFunc("POST /api/v1/sensors", a.as(sensorRole, a.pushSensor))
	mux.HandleFunc("GET /api/v1/findings", a.as(readRole, a.listFindings))
	mux.HandleFunc("GET /api/v1/findings/{name}", a.as(readRole, a.getFinding))
	mux.HandleFunc("GET /api/v1/sensors", a.as(readRole, a.listSensors))
	mux.HandleFunc("GET /api/v1/healthz", a.healthz)
	for path, allow := range map[string]string{
		"/api/v1/findings": "GET, POST", "/api/v1/sensors": "GET, POST", "/api/v1/findings/{name}": "GET", "/api/v1/healthz": "GET",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allow)
			fail(w, http.StatusMethodNotAllowed, "this address takes "+allow)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "there is nothing at this address; the interface has /api/v1/findings, /api/v1/sensors and /api/v1/healthz")
	})
	return mux
}

type api struct {
	Config
	pushes chan struct{} // one value a push being read
}

// role is what a token lets do.
type role string

const (
	sensorRole role = "sensor"
	readRole   role = "read"
)

// as lets only requests through that carry the token of want.
func (a *api) as(want role, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer realm="kingsnake"`)
			fail(w, http.StatusUnauthorized, fmt.Sprintf("send the %s token as Authorization: Bearer TOKEN", want))
			return
		}
		// Both are compared, whichever is asked for, so that time tells nothing.
		isSensor, isRead := same(token, a.SensorToken), same(token, a.ReadToken)
		switch {
		case want == sensorRole && isSensor || want == readRole && isRead:
			next(w, r)
		case isSensor:
			fail(w, http.StatusForbidden, "a sensor token may push findings and heartbeats, not read; use the read token")
		case isRead:
			fail(w, http.StatusForbidden, "a read token may read, not push; use the sensor token")
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="kingsnake", error="invalid_token"`)
			fail(w, http.StatusUnauthorized, fmt.Sprintf("this is not a token of this server; use its %s token", want))
		}
	}
}

// same compares in a time that depends on neither. An empty token is nobody's.
func same(got, want string) bool {
	g, w := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(g[:], w[:]) == 1 && want != ""
}

func (a *api) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	// Cheap, for anybody may ask.
	if _, err := a.Store.Get(ctx, "health"); err != nil && !errors.Is(err, store.ErrNotFound) {
		a.Log.Error("health check", "error", err)
		fail(w, http.StatusServiceUnavailable, "the store does not answer; see the server's log")
		return
	}
	reply(w, http.StatusOK, []byte(`{"status":"ok"}`))
}

// storeFailed answers for an error of the store. Its words are for the log:
// they may name files.
func (a *api) storeFailed(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		fail(w, http.StatusNotFound, "there is no such finding")
	case errors.Is(err, store.ErrInvalid):
		fail(w, http.StatusBadRequest, err.Error())
	case r.Context().Err() != nil: // the client went away; nobody reads the answer
		fail(w, http.StatusServiceUnavailable, "the request was canceled")
	case errors.Is(err, store.ErrFull):
		a.Log.Error("store", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "30")
		fail(w, http.StatusInsufficientStorage, "the server has no space left to store findings; make room there, or keep less")
	default:
		a.Log.Error("store", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "5")
		fail(w, http.StatusServiceUnavailable, "the server's store failed; try again, and see the server's log")
	}
}

// reply sends JSON.
func reply(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone
}

func fail(w http.ResponseWriter, status int, why string) {
	body, err := json.Marshal(map[string]string{"error": why})
	if err != nil { // a string always has a JSON form
		body = []byte(`{"error":"unknown"}`)
	}
	reply(w, status, body)
}

// array joins the JSON forms of vs.
func array[T finding.Finding | finding.Sensor](vs []T) (json.RawMessage, error) {
	out := []byte{'['}
	for i, v := range vs {
		if i > 0 {
			out = append(out, ',')
		}
		b, err := finding.Marshal(v)
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return append(out, ']'), nil
}
