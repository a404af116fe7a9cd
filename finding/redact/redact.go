// Package redact replaces secrets of known shape, so that evidence can be
// stored and sent without spreading the victim's credentials.
//
// A secret becomes a placeholder, [redacted:KIND:HASH8]. KIND says what it was
// ("github-token", "password", …); HASH8 are the first eight hexadecimal digits
// of its SHA-256, so that equal secrets can be told to be equal. The full hash
// is in [Found]. The hash of a short password can be guessed by trying; treat it
// with the care the finding itself deserves.
//
// # What counts as a secret
//
// Tokens that are known by their form (cloud and forge tokens, JSON web tokens,
// private keys, bot tokens, webhook paths, passwords in URLs, Authorization
// values), and values assigned to names such as password, TOKEN or api_key.
// Only the secret part goes: hosts, user names and webhook ids stay, for they
// are evidence. Values that are plainly not secrets stay too: expressions,
// templates, paths, single words, None.
//
// # What it does not do
//
// It finds no secret that is encoded, split over several strings, or without a
// known form or a telling name. It reads bytes, not Python: any text will do.
//
// Redact before cutting a text to length; a secret cut in half has no known
// form. Everything here is a pure function, safe for concurrent use, takes time
// linear in its input, and, given its own output, changes nothing more.
package redact

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"sort"
)

// Found is one secret that was replaced.
type Found struct {
	Kind   string // what it was: "aws-access-key", "password", …
	SHA256 string // of the secret, in hexadecimal

	Start, End       int // bytes [Start, End) of the original
	OutStart, OutEnd int // the placeholder's bytes in the result
}

// Result is a redacted text.
type Result struct {
	// Text is the text after redaction. It is the input itself, not a copy,
	// when nothing was found.
	Text []byte
	// Found are the secrets in rising order, none overlapping another.
	Found []Found
}

// Text replaces the secrets in b. It does not change b.
func Text(b []byte) Result {
	s := scanner{in: b}
	for i := 0; i < len(b); {
		if i == s.pending.start && s.pending.end > i {
			i = s.replace(s.named(s.pending))
			continue
		}
		c := b[i]
		if !trigger[c] {
			i++
			continue
		}
		if c == '[' {
			if n := placeholderLen(b[i:]); n > 0 {
				i += n
				s.last = i
				continue
			}
		}
		m := s.match(i, c)
		switch {
		case m.end <= m.start || m.start < s.last || bytes.Contains(b[m.start:m.end], opening):
			i++
		case m.start > i:
			if s.pending.end <= i || m.start < s.pending.start {
				s.pending = m
			}
			i++
		default:
			i = s.replace(m)
		}
	}
	if len(s.found) == 0 {
		return Result{Text: b}
	}
	return Result{Text: append(s.out, b[s.copied:]...), Found: s.found}
}

// String replaces the secrets in a path, a sentence or another short text.
func String(s string) string { return string(Text([]byte(s)).Text) }

// Shift maps the span [start, end) of the original to the span of the result
// that shows the same. An end that lies within a secret moves to the edge of
// its placeholder, so that the span never cuts one.
func (r Result) Shift(start, end int) (int, int) {
	start = max(start, 0)
	end = max(end, start)
	return r.shift(start, false), r.shift(end, true)
}

func (r Result) shift(at int, isEnd bool) int {
	// The last secret that begins before the offset decides.
	i := sort.Search(len(r.Found), func(i int) bool { return r.Found[i].Start >= at }) - 1
	if i < 0 {
		return at
	}
	f := r.Found[i]
	switch {
	case at >= f.End:
		return at - f.End + f.OutEnd
	case isEnd:
		return f.OutEnd
	default:
		return f.OutStart
	}
}

// span is a candidate: bytes [start, end) are a secret of that kind.
type span struct {
	start, end int
	kind       string
}

// scanner is one pass over a text. Nothing before last is looked at again: what
// was replaced counts as a boundary. That, and refusing every candidate that
// holds a placeholder, is what makes a second pass find nothing more.
type scanner struct {
	in      []byte
	out     []byte
	found   []Found
	copied  int  // in[:copied] is in out
	last    int  // end of the last secret
	pending span // a secret further on that is already known

	awsUntil int // where the neighborhood of an AWS access key ends

	runs [256]struct{ start, end int } // by class: the run last walked
}

// replace puts a placeholder for m and returns where to go on.
func (s *scanner) replace(m span) int {
	s.out = append(s.out, s.in[s.copied:m.start]...)
	f := Found{Kind: m.kind, Start: m.start, End: m.end, OutStart: len(s.out)}
	s.out, f.SHA256 = appendPlaceholder(s.out, m.kind, s.in[m.start:m.end])
	f.OutEnd = len(s.out)
	s.found = append(s.found, f)
	s.copied, s.last = m.end, m.end
	if s.pending.start < m.end {
		s.pending = span{}
	}
	return m.end
}

// named gives m the kind that its form tells, where it has one that fits.
func (s *scanner) named(m span) span {
	for _, p := range prefixes[s.in[m.start]] {
		if t := s.prefixed(m.start, p); t.end == m.end {
			return t
		}
	}
	return m
}

// before returns the byte before i, or a ']' where a secret ended there or the
// text begins.
func (s *scanner) before(i int) byte {
	if i <= s.last {
		return ']'
	}
	return s.in[i-1]
}

// after returns the byte at i; a placeholder there reads as a letter, as the
// secret it stands for did.
func (s *scanner) after(i int) byte {
	switch {
	case i >= len(s.in):
		return '\n'
	case s.in[i] == '[' && placeholderLen(s.in[i:]) > 0:
		return 'a'
	default:
		return s.in[i]
	}
}

const hashDigits = 8

var opening = []byte("[redacted:")

func appendPlaceholder(out []byte, kind string, secret []byte) ([]byte, string) {
	sum := sha256.Sum256(secret)
	digest := hex.EncodeToString(sum[:])
	out = append(out, opening...)
	out = append(out, kind...)
	out = append(out, ':')
	out = append(out, digest[:hashDigits]...)
	return append(out, ']'), digest
}

// placeholderLen returns the length of the placeholder that b begins with, or 0.
func placeholderLen(b []byte) int {
	const maxKind = 32
	if !bytes.HasPrefix(b, opening) {
		return 0
	}
	i := len(opening)
	for i < len(b) && i < len(opening)+maxKind && (b[i] == '-' || is(b[i], lower|digit)) {
		i++
	}
	end := i + 1 + hashDigits
	if i == len(opening) || end >= len(b) || b[i] != ':' || b[end] != ']' {
		return 0
	}
	for _, c := range b[i+1 : end] {
		if !is(c, digit) && (c < 'a' || c > 'f') {
			return 0
		}
	}
	return end + 1
}
