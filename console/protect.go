package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"kingsnake/console/auth"
)

// policy is the content policy of every page: our own files and nothing else.
// No script may build markup from text either.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// cookieName is the session's cookie. It has no __Host- prefix, which plain
// HTTP on the loopback address could not use.
const cookieName = "kingsnake_session"

// maxForm bounds the body of a request.
const maxForm = 64 << 10

// protect sets the headers that keep pages apart from everything else, refuses
// posts from other origins, and bounds what is read.
func (c *console) protect(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// sessionKey is the key of the request's session in its context.
type sessionKey struct{}

// session returns the session of a request that signedIn let through, and the
// zero Session for others.
func session(r *http.Request) auth.Session {
	s, _ := r.Context().Value(sessionKey{}).(auth.Session)
	return s
}

// signedIn lets through requests that carry a session's cookie, and sends
// others to sign in.
func (c *console) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookie, err := r.Cookie(cookieName); err == nil {
			if s, ok := c.Auth.Session(cookie.Value); ok {
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, s)))
				return
			}
		}
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			c.problem(w, r, http.StatusForbidden, "You are signed out", "Nothing was changed. Sign in and try again.")
		case r.Header.Get(fragmentHeader) != "":
			http.Error(w, "signed out", http.StatusUnauthorized)
		case r.Header.Get("Sec-Fetch-Site") == "cross-site":
			// The browser holds a same-site cookie back when a link elsewhere
			// leads here. Loading the page once more from here sends it.
			c.render(w, r, http.StatusOK, "signin", signinPage{
				frame: c.frame(r, "Opening the console", ""), Again: r.URL.RequestURI(),
			})
		default:
			http.Redirect(w, r, signinURL(r.URL.RequestURI()), http.StatusSeeOther)
		}
	})
}

// signinURL is the sign-in page that leads on to next.
func signinURL(next string) string {
	if next == "/" {
		return "/signin"
	}
	return "/signin?" + url.Values{"next": {next}}.Encode()
}

// localPath returns path if it leads to a page of this console, else "/".
func localPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil ||
		!strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, `\`) ||
		strings.HasPrefix(path, "/signin") {
		return "/"
	}
	return path
}
