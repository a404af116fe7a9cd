package store

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestAPositionComesBackFromItsCursor(t *testing.T) {
	t.Parallel()
	for _, p := range []Position{
		{time.Unix(0, 0).UTC(), "a"}, {time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC), strings.Repeat("f", MaxName)},
		{time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC), "\x00\xff"}, {time.Date(2261, 12, 31, 23, 59, 59, 999999999, time.UTC), "é"},
	} {
		got, err := ParseCursor(p.Cursor())
		if err != nil || got != p {
			t.Errorf("%v came back as %v, %v", p, got, err)
		}
	}
}

func TestFoldEvensOutCase(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "AbC%_": "abc%_", "ÄÖÜ": "äöü", "ΔΣς": "δσσ", "\u212a": "k", "ſ": "s", "\xffA\xfe": "\xffa\xfe", "A\x00B": "a\ufffdb", "\ufffd": "\ufffd",
	} {
		if got := Fold(in); got != want {
			t.Errorf("fold %q: %q, want %q", in, got, want)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(Position{time.Unix(1, 2), "name"}.Cursor())
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseCursor(s)
		if err == nil && p.Cursor() != s {
			t.Errorf("%q and %q are one position", s, p.Cursor())
		}
	})
}

func FuzzFold(f *testing.F) {
	f.Add("Aé\x00\xff", "É\x00")
	f.Fuzz(func(t *testing.T, a, b string) {
		if Fold(Fold(a)) != Fold(a) {
			t.Errorf("%q folds further", a)
		}
		if utf8.ValidString(a) && utf8.ValidString(b) && !strings.Contains(Fold(a+b), Fold(b)) {
			t.Errorf("%q is not found in %q", b, a+b)
		}
	})
}
