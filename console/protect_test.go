package console

import (
	"net/url"
	"testing"
)

// FuzzLocalPath states that what signing in leads on to is always a page of
// this console, whatever a link asked for.
func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"/", "/findings?a=b#c", "//example.com", `/\example.com`, "https://example.com", "/\t/example.com", "/%2f%2fexample.com", "/..//example.com"} {
		f.Add(s)
	}
	base, err := url.Parse("http://127.0.0.1:8417/signin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		to, err := base.Parse(localPath(s))
		if err != nil || to.Host != base.Host || to.Scheme != base.Scheme || to.User != nil {
			t.Fatalf("localPath(%q) leads to %v, %v", s, to, err)
		}
	})
}
