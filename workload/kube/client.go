package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxAnswer = 32 << 20         // bytes of one answer
	maxEvent  = 8 << 20          // bytes of one event of a watch; etcd keeps an object under 2 MiB
	maxCause  = 200              // bytes of an error's message that are kept
	pageSize  = 100              // pods of one answer
	watchTime = 5 * time.Minute  // after which the API is to end a watch
	silence   = 30 * time.Second // of a connection, before it is probed
)

// Errors of the API that mean something here.
var (
	errGone      = errors.New("the API has forgotten where the watch was")   // 410: list again
	errNotFound  = errors.New("the API knows no such object")                // 404
	errForbidden = errors.New("the API does not let this sensor see it")     // 403
	errAway      = errors.New("the Kubernetes API cannot be asked")          // everything that may pass
	errRefused   = errors.New("the API does not accept this sensor's token") // 401
)

// client asks a Kubernetes API, which only reads. It is safe for concurrent use.
type client struct {
	server  *url.URL
	http    *http.Client
	token   func() (string, error) // nil when a certificate is enough
	timeout time.Duration          // of one question, watches left out
}

// Accept headers: objects whole, and objects without all but their metadata, so
// that a sensor need never see what a Deployment or a Job has in it.
const (
	wholeObjects = "application/json"
	metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)

// get asks for one object and decodes it into v.
func (c *client) get(ctx context.Context, accept, path string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	body, err := c.open(ctx, accept, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s", errAway, cause(err))
	case len(text) > maxAnswer:
		return fmt.Errorf("%w: its answer is longer than %d bytes", errAway, maxAnswer)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%w: its answer is unreadable", errAway)
	}
	return nil
}

// open asks, and returns the body of a good answer. The error wraps one of those
// above.
func (c *client) open(ctx context.Context, accept, path string, query url.Values) (io.ReadCloser, error) {
	u := *c.server
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	u.RawQuery = query.Encode()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errAway, cause(err))
	}
	q.Header.Set("Accept", accept)
	q.Header.Set("User-Agent", "kingsnake")
	if c.token != nil {
		token, err := c.token()
		if err != nil {
			return nil, fmt.Errorf("%w: read the token: %s", errAway, cause(err))
		}
		q.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := c.http.Do(q)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errAway, cause(err))
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	return nil, refusal(answer)
}

// refusal is what an answer that is not 200 means.
func refusal(answer *http.Response) error {
	switch answer.StatusCode {
	case http.StatusGone:
		return errGone
	case http.StatusNotFound:
		return errNotFound
	case http.StatusForbidden:
		return errForbidden
	case http.StatusUnauthorized:
		return errRefused
	}
	return fmt.Errorf("%w: it answered %s", errAway, shorten(answer.Status))
}

// pods lists the pods of a node, page by page, and returns the version at which a
// watch may go on.
func (c *client) pods(ctx context.Context, node string, each func(podObject)) (version string, err error) {
	query := url.Values{"fieldSelector": {"spec.nodeName=" + node}, "limit": {fmt.Sprint(pageSize)}}
	for {
		page, err := c.page(ctx, query)
		if err != nil {
			return "", err
		}
		for _, pod := range page.Items {
			each(pod)
		}
		if page.Metadata.Continue == "" {
			return page.Metadata.ResourceVersion, nil
		}
		query.Set("continue", page.Metadata.Continue)
	}
}

type podPage struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
		Continue        string `json:"continue"`
	} `json:"metadata"`
	Items []podObject `json:"items"`
}

func (c *client) page(ctx context.Context, query url.Values) (page podPage, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*c.timeout) // a long answer, and nobody waits for it
	defer cancel()
	body, err := c.open(ctx, wholeObjects, "/api/v1/pods", query)
	if err != nil {
		return page, err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(&page); err != nil {
		return page, fmt.Errorf("%w: %s", errAway, cause(err))
	}
	return page, nil
}

// watch tells of every change to the pods of a node after version, until the API
// ends the watch, which it does now and then: then the error is nil, and the
// watch may go on at the version that is returned.
func (c *client) watch(ctx context.Context, node, version string, each func(kind string, pod podObject)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, watchTime+silence)
	defer cancel()
	body, err := c.open(ctx, wholeObjects, "/api/v1/pods", url.Values{
		"fieldSelector": {"spec.nodeName=" + node}, "watch": {"1"}, "allowWatchBookmarks": {"1"},
		"resourceVersion": {version}, "timeoutSeconds": {fmt.Sprint(int(watchTime.Seconds()))},
	})
	if err != nil {
		return version, err
	}
	defer body.Close()
	limited := &io.LimitedReader{R: body}
	decoder := json.NewDecoder(limited)
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		limited.N = maxEvent
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) && limited.N > 0 {
			return version, nil
		} else if err != nil {
			return version, fmt.Errorf("%w: the watch broke: %s", errAway, cause(err))
		}
		if event.Type == "ERROR" {
			return version, watchError(event.Object)
		}
		pod, err := decode[podObject](event.Object)
		if err != nil {
			return version, fmt.Errorf("%w: the watch sent something unreadable", errAway)
		}
		if v := pod.Metadata.ResourceVersion; v != "" {
			version = v
		}
		if event.Type != "BOOKMARK" {
			each(event.Type, pod)
		}
	}
}

// watchError reads the status object that ends a watch.
func watchError(object []byte) error {
	s, err := decode[struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}](object)
	if err == nil && s.Code == http.StatusGone {
		return errGone
	}
	return fmt.Errorf("%w: the watch ended: %s", errAway, shorten(s.Message))
}

// isName reports whether s can be a part of a path that names an object: letters,
// digits, "-" and "." as Kubernetes has them, and not "..".
func isName(s string) bool {
	if s == "" || len(s) > 253 || s[0] == '.' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != ':' {
			return false
		}
	}
	return true
}

// cause says in words why there is no answer, without the address, which the
// caller's reader knows.
func cause(err error) string {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it did not answer in time"
	}
	return shorten(err.Error())
}

// shorten bounds a message and keeps it on one line.
func shorten(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	if len(message) > maxCause {
		message = strings.ToValidUTF8(message[:maxCause], "") + "…"
	}
	return message
}
