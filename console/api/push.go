package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// result is what became of one pushed finding.
type result struct {
	Name    string        `json:"name,omitempty"`
	Outcome store.Outcome `json:"outcome,omitempty"`
	Error   string        `json:"error,omitempty"`
}

func (a *api) pushFindings(w http.ResponseWriter, r *http.Request) {
	leave, ok := a.enter(w, r)
	if !ok {
		return
	}
	defer leave()
	body, ok := read(w, r, maxBody)
	if !ok {
		return
	}
	items, err := split(body)
	switch {
	case errors.Is(err, errTooMany):
		fail(w, http.StatusRequestEntityTooLarge, err.Error())
		return
	case err != nil:
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	results := make([]result, 0, len(items))
	for _, item := range items {
		f, err := decode(item, a.Now())
		if err != nil {
			results = append(results, result{Name: short(f.Name), Error: err.Error()})
			continue
		}
		outcome, err := a.Store.Put(r.Context(), f)
		switch {
		case errors.Is(err, store.ErrInvalid):
			results = append(results, result{Name: f.Name, Error: err.Error()})
		case err != nil:
			a.storeFailed(w, r, err)
			return
		default:
			results = append(results, result{Name: f.Name, Outcome: outcome})
		}
	}
	answer, err := json.Marshal(map[string][]result{"results": results})
	a.send(w, answer, err)
}

func (a *api) pushSensor(w http.ResponseWriter, r *http.Request) {
	body, ok := read(w, r, maxHeartbeat)
	if !ok {
		return
	}
	s, err := finding.Unmarshal[finding.SensorStatus](body)
	if err != nil {
		fail(w, http.StatusBadRequest, "the heartbeat is not JSON as a sensor writes it: "+short(err.Error()))
		return
	}
	if err := checkSensor(s, a.Now()); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if err := a.Store.PutSensor(r.Context(), s, a.Now()); err != nil {
		a.storeFailed(w, r, err)
		return
	}
	reply(w, http.StatusOK, []byte("{}"))
}

// enter waits for a turn to read a push, so that many at a time do not fill
// the memory.
func (a *api) enter(w http.ResponseWriter, r *http.Request) (leave func(), ok bool) {
	wait := time.NewTimer(maxWait)
	defer wait.Stop()
	select {
	case a.pushes <- struct{}{}:
		return func() { <-a.pushes }, true
	case <-r.Context().Done():
	case <-wait.C:
	}
	w.Header().Set("Retry-After", "2")
	fail(w, http.StatusTooManyRequests, "the server is busy with other pushes; try again")
	return nil, false
}

// read returns the request's body, or answers why not.
func read(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d bytes; send less at a time", limit))
		return nil, false
	case err != nil:
		fail(w, http.StatusRequestTimeout, "the request ended early; try again")
		return nil, false
	}
	return body, true
}

var errTooMany = fmt.Errorf("more than %d findings in one request; send fewer at a time", maxBatch)

// split returns the elements of a JSON array.
func split(body []byte) ([]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if first, err := d.Token(); err != nil || first != json.Delim('[') {
		return nil, errors.New("want a JSON array of findings: [{…}, {…}]")
	}
	var items []json.RawMessage
	for d.More() {
		var item json.RawMessage
		if err := d.Decode(&item); err != nil {
			return nil, fmt.Errorf("the JSON array of findings cannot be read: %s", short(err.Error()))
		}
		if len(items) == maxBatch {
			return nil, errTooMany
		}
		items = append(items, item)
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("the JSON array of findings is cut short")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON array of findings")
	}
	return items, nil
}

// decode reads one finding and checks it. The finding is returned with the
// error, as far as it was read.
func decode(item []byte, now time.Time) (finding.Finding, error) {
	if len(item) > maxFinding {
		return finding.Finding{}, fmt.Errorf("the finding has %d bytes of JSON, more than %d", len(item), maxFinding)
	}
	// A short text can stand for a large value: [{},{},…]. Every value but the
	// first of a list follows a comma.
	if n := bytes.Count(item, []byte(",")); n > maxCommas {
		return finding.Finding{}, fmt.Errorf("the finding has %d commas, more than the %d of any real one", n, maxCommas)
	}
	f, err := finding.Unmarshal[finding.Finding](item)
	if err != nil {
		return f, fmt.Errorf("the finding is not JSON as a sensor writes it: %s", short(err.Error()))
	}
	return f, check(f, now)
}

// short returns s cut to a length fit for an answer.
func short(s string) string { return s[:min(len(s), 200)] }
