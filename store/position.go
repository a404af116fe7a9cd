package store

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Position is a place in the order of List: that of the finding with this
// name and EventTime. It is for implementers of Store; callers pass cursors on
// as they are.
type Position struct {
	Time time.Time
	Name string
}

// cursorForm is the first byte of a cursor, so that its form may change.
const cursorForm = 1

// Cursor returns the position as an opaque word that is safe in a URL.
func (p Position) Cursor() string {
	b := binary.BigEndian.AppendUint64([]byte{cursorForm}, uint64(p.Time.UnixNano()))
	return base64.RawURLEncoding.EncodeToString(append(b, p.Name...))
}

// ParseCursor reads what Cursor wrote, or returns ErrCursor.
func ParseCursor(s string) (Position, error) {
	if len(s) > base64.RawURLEncoding.EncodedLen(1+8+MaxName) {
		return Position{}, ErrCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < 1+8+1 || b[0] != cursorForm || strings.ContainsAny(s, "\r\n") { // the decoder skips line ends
		return Position{}, ErrCursor
	}
	nanos := int64(binary.BigEndian.Uint64(b[1:9]))
	return Position{Time: time.Unix(0, nanos).UTC(), Name: string(b[9:])}, nil
}

// Before reports whether p comes before q in the order of List.
func (p Position) Before(q Position) bool {
	if !p.Time.Equal(q.Time) {
		return p.Time.After(q.Time)
	}
	return p.Name < q.Name
}

// Nanos returns t in nanoseconds since 1970, held within what an int64 can
// say: the years 1678 to 2261.
func Nanos(t time.Time) int64 {
	switch y := t.UTC().Year(); {
	case y < 1678:
		return math.MinInt64
	case y > 2261:
		return math.MaxInt64
	default:
		return t.UnixNano()
	}
}

// Fold returns s as Query.Text compares it: lower case as far as Unicode's
// simple mappings go, bytes that are no UTF-8 as they are, and NUL as U+FFFD.
func Fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == 0:
			b.WriteRune(utf8.RuneError)
		case r == utf8.RuneError:
			b.WriteString(s[:n])
		default:
			b.WriteRune(unicode.ToLower(unicode.ToUpper(r)))
		}
		s = s[n:]
	}
	return b.String()
}
