// Package auth lets people into the console: one-time sign-in links, minted by
// whoever can write in the data folder, and the sessions they are exchanged
// for.
//
// A link's token and a session's cookie are 256 random bits. Only their SHA-256
// is kept, each in a small file of its own, so two processes (a running server
// and a local command that mints a link) need no lock between them: using a
// link is a rename, which exactly one caller wins.
//
// There are no users and no passwords here: everyone who signs in may do
// everything the console offers. Tokens of the findings API are not these; see
// kingsnake/console/api.
package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// How long a link waits to be used, and how long a session lasts. Neither is
// prolonged by use.
const (
	LinkLife    = 12 * time.Hour
	SessionLife = 7 * 24 * time.Hour
)

// Why a token does not let anyone in.
var (
	ErrUnknown = errors.New("no such sign-in link")
	ErrUsed    = errors.New("sign-in link was already used")
	ErrExpired = errors.New("sign-in link has expired")
)

// Auth keeps links and sessions in a folder. It is safe for concurrent use, by
// several processes too.
type Auth struct {
	links, sessions string
	now             func() time.Time
}

// Session is one signed-in browser.
type Session struct {
	// Cookie is the secret the browser keeps. It is set only by SignIn.
	Cookie string
	// ID names the session in records of who did what. It is not secret.
	ID      string
	Started time.Time
	Ends    time.Time
}

// record is what one file holds.
type record struct {
	SHA256  string    `json:"sha256"` // of the secret
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// Open returns the Auth that keeps its files in dir/signin, which it makes,
// readable by the owner alone. A nil now means time.Now.
func Open(dir string, now func() time.Time) (*Auth, error) {
	if now == nil {
		now = time.Now
	}
	a := &Auth{
		links:    filepath.Join(dir, "signin", "links"),
		sessions: filepath.Join(dir, "signin", "sessions"),
		now:      now,
	}
	for _, d := range []string{a.links, a.sessions} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open sign-in folder: %w", err)
		}
	}
	return a, nil
}

// Mint makes a one-time token, good for LinkLife, and forgets what expired
// before. Link makes a link of it.
func (a *Auth) Mint() (token string, err error) {
	a.sweep(a.links, LinkLife)
	a.sweep(a.sessions, 0)
	token = secret()
	if err := a.write(a.links, token, LinkLife); err != nil {
		return "", fmt.Errorf("mint sign-in link: %w", err)
	}
	return token, nil
}

// Link returns the address that signs in with token at the console at base,
// for example http://127.0.0.1:8417.
func Link(base, token string) string {
	return strings.TrimSuffix(base, "/") + "/signin?token=" + url.QueryEscape(token)
}

// Check says whether token would let someone in now, without using it up. Its
// errors are ErrUnknown, ErrUsed and ErrExpired.
func (a *Auth) Check(token string) error {
	r, err := a.read(a.links, token, "")
	if err != nil {
		// In this order: a link that is being used right now is found as one or
		// the other.
		if _, err := a.read(a.links, token, ".used"); err == nil {
			return ErrUsed
		}
		return ErrUnknown
	}
	if !a.now().Before(r.Expires) {
		return ErrExpired
	}
	return nil
}

// SignIn uses up token and starts a session. Besides those of Check its errors
// are those of the file system.
func (a *Auth) SignIn(token string) (Session, error) {
	if err := a.Check(token); err != nil {
		return Session{}, err
	}
	path := a.path(a.links, token)
	if err := os.Rename(path, path+".used"); errors.Is(err, fs.ErrNotExist) {
		return Session{}, ErrUsed // another request was faster
	} else if err != nil {
		return Session{}, fmt.Errorf("use sign-in link: %w", err)
	}
	cookie := secret()
	if err := a.write(a.sessions, cookie, SessionLife); err != nil {
		return Session{}, fmt.Errorf("start session: %w", err)
	}
	s, ok := a.Session(cookie)
	if !ok {
		return Session{}, errors.New("start session: it was not stored")
	}
	s.Cookie = cookie
	return s, nil
}

// Session returns the session a browser's cookie stands for, and whether there
// is one that has not ended.
func (a *Auth) Session(cookie string) (Session, bool) {
	r, err := a.read(a.sessions, cookie, "")
	if err != nil || !a.now().Before(r.Expires) {
		return Session{}, false
	}
	return Session{ID: r.SHA256[:8], Started: r.Created, Ends: r.Expires}, true
}

// SignOut ends the session of that cookie. Ending none is no error.
func (a *Auth) SignOut(cookie string) error {
	if _, err := a.read(a.sessions, cookie, ""); err != nil {
		return nil
	}
	if err := os.Remove(a.path(a.sessions, cookie)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// secret returns 256 random bits as text.
func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: it ends the program rather than return too little
	return base64.RawURLEncoding.EncodeToString(b)
}

func sum(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(h[:])
}

// path is the file of a secret: named by half of its hash, so that finding the
// file says nothing about the half that is compared in constant time.
func (a *Auth) path(dir, secret string) string { return filepath.Join(dir, sum(secret)[:32]) }

func (a *Auth) read(dir, secret, suffix string) (record, error) {
	data, err := os.ReadFile(a.path(dir, secret) + suffix)
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, err
	}
	if subtle.ConstantTimeCompare([]byte(r.SHA256), []byte(sum(secret))) != 1 {
		return record{}, ErrUnknown
	}
	return r, nil
}

// write stores a secret's hash whole or not at all.
func (a *Auth) write(dir, secret string, life time.Duration) error {
	now := a.now().UTC()
	data, err := json.Marshal(record{SHA256: sum(secret), Created: now, Expires: now.Add(life)})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), a.path(dir, secret))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// sweep removes what expired longer than grace ago. What cannot be read or
// removed is left for the next time.
func (a *Auth) sweep(dir string, grace time.Duration) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		var r record
		data, err := os.ReadFile(path)
		if err != nil || json.Unmarshal(data, &r) != nil {
			continue
		}
		if a.now().After(r.Expires.Add(grace)) {
			_ = os.Remove(path)
		}
	}
}
