package auth_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kingsnake/console/auth"
)

// clock is a settable time.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func open(t *testing.T) (*auth.Auth, *clock, string) {
	t.Helper()
	dir, c := t.TempDir(), &clock{time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	a, err := auth.Open(dir, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return a, c, dir
}

func mint(t *testing.T, a *auth.Auth) string {
	t.Helper()
	token, err := a.Mint()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestALinkLetsOneBrowserInOnce(t *testing.T) {
	t.Parallel()
	a, c, dir := open(t)
	token := mint(t, a)
	if err := a.Check(token); err != nil {
		t.Fatalf("Check of a fresh token: %v", err)
	}
	s, err := a.SignIn(token)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.SignIn(token); !errors.Is(err, auth.ErrUsed) {
		t.Errorf("second SignIn: %v, want ErrUsed", err)
	}
	if err := a.Check(token); !errors.Is(err, auth.ErrUsed) {
		t.Errorf("Check of a used token: %v, want ErrUsed", err)
	}

	restarted, err := auth.Open(dir, c.now)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := restarted.Session(s.Cookie)
	if !ok || got.ID != s.ID || got.ID == "" {
		t.Errorf("Session(cookie) = %+v, %v; want ID %q", got, ok, s.ID)
	}
	if err := a.SignOut(s.Cookie); err != nil {
		t.Fatal(err)
	}
	if _, ok := a.Session(s.Cookie); ok {
		t.Error("the session lives on after SignOut")
	}
	if err := a.SignOut(s.Cookie); err != nil {
		t.Errorf("second SignOut: %v", err)
	}
}

func TestLinksAndSessionsEnd(t *testing.T) {
	t.Parallel()
	a, c, _ := open(t)
	late, used := mint(t, a), mint(t, a)
	s, err := a.SignIn(used)
	if err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(auth.LinkLife)
	if _, err := a.SignIn(late); !errors.Is(err, auth.ErrExpired) {
		t.Errorf("SignIn after LinkLife: %v, want ErrExpired", err)
	}
	if _, ok := a.Session(s.Cookie); !ok {
		t.Error("the session ended with the links")
	}
	c.t = s.Ends
	if _, ok := a.Session(s.Cookie); ok {
		t.Error("the session outlives its end")
	}
	mint(t, a) // sweeps
	if err := a.Check(late); !errors.Is(err, auth.ErrUnknown) {
		t.Errorf("Check of a swept token: %v, want ErrUnknown", err)
	}
}

func TestNothingElseLetsAnyoneIn(t *testing.T) {
	t.Parallel()
	a, _, _ := open(t)
	token := mint(t, a)
	for _, bad := range []string{"", "..", "/etc/passwd", token + "x", token[1:], strings.ToLower(token), strings.Repeat("a", 1<<20)} {
		if _, err := a.SignIn(bad); !errors.Is(err, auth.ErrUnknown) {
			t.Errorf("SignIn(%.20q): %v, want ErrUnknown", bad, err)
		}
		if _, ok := a.Session(bad); ok {
			t.Errorf("Session(%.20q) is one", bad)
		}
	}
	if _, ok := a.Session(token); ok {
		t.Error("a link's token works as a cookie")
	}
}

func TestOfManyAtOnceOneGetsIn(t *testing.T) {
	t.Parallel()
	a, _, _ := open(t)
	token := mint(t, a)
	var wg sync.WaitGroup
	got := make([]error, 16)
	for i := range got {
		wg.Go(func() { _, got[i] = a.SignIn(token) })
	}
	wg.Wait()
	in := 0
	for _, err := range got {
		switch {
		case err == nil:
			in++
		case !errors.Is(err, auth.ErrUsed):
			t.Errorf("SignIn: %v, want ErrUsed", err)
		}
	}
	if in != 1 {
		t.Errorf("%d got in, want 1", in)
	}
}

func TestNoSecretRests(t *testing.T) {
	t.Parallel()
	a, _, dir := open(t)
	token := mint(t, a)
	s, err := a.SignIn(mint(t, a))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v: others may read it", e.Name(), info.Mode())
		}
		if e.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		for _, secret := range []string{token, s.Cookie} {
			if strings.Contains(string(data)+path, secret) {
				t.Errorf("%s holds a secret", e.Name())
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLinkJoinsBaseAndToken(t *testing.T) {
	t.Parallel()
	const want = "http://127.0.0.1:8417/signin?token=a%2Bb"
	for _, base := range []string{"http://127.0.0.1:8417", "http://127.0.0.1:8417/"} {
		if got := auth.Link(base, "a+b"); got != want {
			t.Errorf("Link(%q) = %q, want %q", base, got, want)
		}
	}
}
