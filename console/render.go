package console

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"kingsnake/store"
)

// fragmentHeader names the part of the page that a script asks for; the answer
// to a request without it is the whole page.
const fragmentHeader = "X-Fragment"

// frame is what every page has around its own content.
type frame struct {
	Title    string // of the document
	Nav      string // the entry of the navigation that is current
	SignedIn bool
	Version  string
	Style    string // addresses of the assets
	Script   string
	Icon     string
}

func (c *console) frame(r *http.Request, title, nav string) frame {
	return frame{
		Title: title, Nav: nav, SignedIn: session(r).ID != "", Version: c.Version,
		Style: c.assets.URL("app.css"), Script: c.assets.URL("app.js"), Icon: c.assets.URL("icon.svg"),
	}
}

// render writes a screen, or the fragment of it that was asked for.
func (c *console) render(w http.ResponseWriter, r *http.Request, status int, screen string, page any) {
	block := "layout"
	if f := r.Header.Get(fragmentHeader); f != "" && c.templates[screen].Lookup("fragment-"+f) != nil {
		block = "fragment-" + f
	}
	var b bytes.Buffer
	if err := c.templates[screen].ExecuteTemplate(&b, block, page); err != nil {
		c.Log.Error("render page", "screen", screen, "err", err)
		http.Error(w, "The page could not be made. The server's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", fragmentHeader)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// problemPage says what went wrong.
type problemPage struct {
	frame
	Heading string
	Advice  string
}

func (c *console) problem(w http.ResponseWriter, r *http.Request, status int, heading, advice string) {
	c.render(w, r, status, "problem", problemPage{frame: c.frame(r, heading, ""), Heading: heading, Advice: advice})
}

// nowhere answers for addresses that lead to nothing.
func (c *console) nowhere(w http.ResponseWriter, r *http.Request) {
	c.problem(w, r, http.StatusNotFound, "There is no such page", "The address may be incomplete, or what it named is gone.")
}

// failed answers for a store that did not: with "no such page" when it has
// nothing of that name, else with what a person can do.
func (c *console) failed(w http.ResponseWriter, r *http.Request, doing string, err error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		c.problem(w, r, http.StatusNotFound, "There is no such finding",
			"It may have been removed to stay within the limits on what is kept. The settings page counts those.")
	case errors.Is(err, context.Canceled): // the browser went away
	default:
		c.Log.Error(doing, "err", err)
		c.problem(w, r, http.StatusInternalServerError, "The store did not answer",
			"Could not "+doing+". The server's log says why. Trying again is safe.")
	}
}
