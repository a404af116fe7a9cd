package console

import (
	"errors"
	"net/http"
	"strings"

	"kingsnake/console/auth"
)

// signinPage is the way in. A link is not used up by being opened, so programs
// that look at links beforehand do no harm: a person presses the button.
type signinPage struct {
	frame
	Token   string // from the link; "" asks for one
	Next    string // where to go on to
	Trouble string // why the last try did not work
	Done    bool   // just signed out
	Again   string // load this address once more, at once
}

// signinPage serves GET /signin.
func (c *console) signinPage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	page := signinPage{
		frame: c.frame(r, "Sign in", ""),
		Token: strings.TrimSpace(q.Get("token")),
		Next:  localPath(q.Get("next")),
		Done:  q.Has("out"),
	}
	if page.Token != "" {
		if err := c.Auth.Check(page.Token); err != nil {
			page.Token, page.Trouble = "", trouble(err)
		}
	}
	c.render(w, r, http.StatusOK, "signin", page)
}

// signin serves POST /signin: it exchanges a token for a session.
func (c *console) signin(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.PostFormValue("next"))
	s, err := c.Auth.SignIn(pasted(r.PostFormValue("token")))
	if err != nil {
		c.render(w, r, http.StatusForbidden, "signin", signinPage{
			frame: c.frame(r, "Sign in", ""), Next: next, Trouble: trouble(err),
		})
		return
	}
	c.Log.Info("signed in", "session", s.ID, "from", r.RemoteAddr)
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: s.Cookie, Path: "/", Expires: s.Ends,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// signout serves POST /signout.
func (c *console) signout(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		if err := c.Auth.SignOut(cookie.Value); err != nil {
			c.failed(w, r, "end the session", err)
			return
		}
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Path: "/", MaxAge: -1,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, "/signin?out", http.StatusSeeOther)
}

// pasted returns the token in what a person pasted: the token or a whole link.
func pasted(s string) string {
	s = strings.TrimSpace(s)
	if _, token, ok := strings.Cut(s, "token="); ok {
		s, _, _ = strings.Cut(token, "&")
	}
	return s
}

// trouble says why a token did not work and what to do.
func trouble(err error) string {
	const fresh = " Run “kingsnake signin” on the machine the server runs on for a fresh one."
	switch {
	case errors.Is(err, auth.ErrUsed):
		return "This link was already used: each works once." + fresh
	case errors.Is(err, auth.ErrExpired):
		return "This link has expired." + fresh
	case errors.Is(err, auth.ErrUnknown):
		return "This is not a sign-in link of this server." + fresh
	default:
		return "Signing in did not work: the server could not store the session. Its log says why."
	}
}
