package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"kingsnake/finding"
	"kingsnake/finding/scc"
	"kingsnake/store"
)

func (a *api) listFindings(w http.ResponseWriter, r *http.Request) {
	q, err := query(r.URL.RawQuery)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	page, err := a.Store.List(r.Context(), q)
	if err != nil {
		a.storeFailed(w, r, err)
		return
	}
	list, err := array(page.Findings)
	if err == nil {
		list, err = json.Marshal(struct {
			Findings json.RawMessage `json:"findings"`
			Next     string          `json:"next"`
		}{list, page.Next})
	}
	a.send(w, list, err)
}

// send replies with a body that was made, or says that it could not be.
func (a *api) send(w http.ResponseWriter, body []byte, err error) {
	if err != nil {
		a.Log.Error("write answer", "error", err)
		fail(w, http.StatusInternalServerError, "the server could not write the answer; see its log")
		return
	}
	reply(w, http.StatusOK, body)
}

func (a *api) getFinding(w http.ResponseWriter, r *http.Request) {
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		fail(w, http.StatusBadRequest, "the parameters cannot be read: "+err.Error())
		return
	}
	forms := map[string]func(finding.Finding) ([]byte, error){
		"":                 finding.Marshal[finding.Finding],
		"scc-v2":           func(f finding.Finding) ([]byte, error) { return scc.V2JSON(f, a.SCC) },
		"scc-notification": func(f finding.Finding) ([]byte, error) { return scc.NotificationJSON(f, a.SCC) },
		"legacy":           func(f finding.Finding) ([]byte, error) { return scc.LegacyJSON(f, a.SCC) },
	}
	form, ok := forms[params.Get("view")]
	if !ok {
		fail(w, http.StatusBadRequest, "view is scc-v2, scc-notification or legacy; leave it out for kingsnake's own form")
		return
	}
	f, err := a.Store.Get(r.Context(), r.PathValue("name"))
	if err != nil {
		a.storeFailed(w, r, err)
		return
	}
	body, err := form(f)
	a.send(w, body, err)
}

func (a *api) listSensors(w http.ResponseWriter, r *http.Request) {
	all, err := a.Store.Sensors(r.Context())
	if err != nil {
		a.storeFailed(w, r, err)
		return
	}
	list, err := array(all)
	if err == nil {
		list, err = json.Marshal(map[string]json.RawMessage{"sensors": list})
	}
	a.send(w, list, err)
}

// query reads the parameters of a list. A parameter it does not know is an
// error: a filter that is misspelled must not select everything.
func query(raw string) (store.Query, error) {
	var q store.Query
	params, err := url.ParseQuery(raw)
	if err != nil {
		return q, fmt.Errorf("the parameters cannot be read: %v", err)
	}
	for name, values := range params {
		if len(values) > 1 {
			return q, fmt.Errorf("parameter %s is there more than once", name)
		}
		value, err := values[0], error(nil)
		switch name {
		case "severity":
			q.Severity, err = oneOf(value, finding.Low, finding.Medium, finding.High, finding.Critical)
		case "state":
			q.State, err = oneOf(value, finding.Active, finding.Inactive)
		case "kind":
			q.Kind = value
		case "namespace":
			q.Namespace = value
		case "image":
			q.Image = value
		case "node":
			q.Node = value
		case "sha256":
			q.SHA256 = value
		case "text":
			q.Text = value
		case "cursor":
			q.Cursor = value
		case "since":
			q.Since, err = moment(value)
		case "until":
			q.Until, err = moment(value)
		case "limit":
			if q.Limit, err = strconv.Atoi(value); err != nil || q.Limit < 1 || q.Limit > store.MaxLimit {
				err = fmt.Errorf("want a number from 1 to %d", store.MaxLimit)
			}
		default:
			return q, fmt.Errorf("there is no parameter %.40q; there are severity, state, kind, namespace, image, node, sha256, text, since, until, limit and cursor", name)
		}
		if err != nil {
			return q, fmt.Errorf("parameter %s: %v", name, err)
		}
	}
	return q, nil
}

// oneOf returns value when it is empty or among the known ones.
func oneOf[T ~string](value string, known ...T) (T, error) {
	for _, k := range known {
		if value == "" || T(value) == k {
			return T(value), nil
		}
	}
	return "", fmt.Errorf("want one of %v", known)
}

func moment(value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return t, fmt.Errorf("want a time like 2026-03-01T12:00:00Z")
	}
	return t, nil
}
