package consoletest_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"kingsnake/console"
	"kingsnake/console/auth"
	"kingsnake/console/consoletest"
	"kingsnake/store/sqlite"
)

// BenchmarkPages makes pages over a SQLite store of 10,000 findings. Budget: 50
// ms a page (99th percentile of a quiet machine).
func BenchmarkPages(b *testing.B) {
	s, err := sqlite.Open(filepath.Join(b.TempDir(), "findings.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for _, f := range append(consoletest.Many(10_000), consoletest.Shell()) {
		if _, err := s.Put(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
	a, err := auth.Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	token, err := a.Mint()
	if err != nil {
		b.Fatal(err)
	}
	session, err := a.SignIn(token)
	if err != nil {
		b.Fatal(err)
	}
	handler := console.New(console.Config{Store: s, Auth: a, Now: func() time.Time { return consoletest.Now }})
	shell := "/findings/" + consoletest.Shell().Name
	for name, path := range map[string]string{
		"overview": "/", "findings": "/findings", "filtered": "/findings?severity=CRITICAL&namespace=shop", "search": "/findings?text=session",
		"finding": shell, "json": shell + "/json", "investigate": shell + "/investigate",
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
			r.AddCookie(&http.Cookie{Name: "kingsnake_session", Value: session.Cookie})
			for b.Loop() {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
