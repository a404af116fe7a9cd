package redact

import (
	"bytes"
	"slices"
	"strings"
)

// Bounds on what is looked at around a name and its value.
const (
	maxName  = 64  // bytes of a name
	maxGap   = 8   // blanks between a name, its separator and its value
	maxValue = 512 // bytes of a value; longer ones are data, and stay
)

// names are the endings that make a name telling, longest first where one ends
// another. Names are compared in lower case without - and _.
var names = []struct{ ending, kind string }{
	{"secretaccesskey", "aws-secret-key"},
	{"authorization", "authorization"},
	{"password", "password"}, {"passwd", "password"}, {"passphrase", "password"},
	{"passwort", "password"}, {"pwd", "password"}, {"userpass", "password"},
	{"secret", "secret"}, {"secretkey", "secret"}, {"secretkeybase", "secret"},
	{"mnemonic", "secret"},
	{"token", "token"},
	{"apikey", "api-key"}, {"accesskey", "api-key"}, {"authkey", "api-key"},
	{"accountkey", "api-key"}, {"privatekey", "private-key"}, {"signingkey", "secret"},
	{"encryptionkey", "secret"}, {"masterkey", "secret"}, {"sharedkey", "secret"},
}

// kindOfName returns what a value of that name is, or "" when the name tells
// nothing.
func kindOfName(name []byte) string {
	var buf [maxName]byte
	flat := buf[:0]
	for _, c := range name {
		switch {
		case is(c, upper):
			flat = append(flat, c|0x20)
		case is(c, alnum):
			flat = append(flat, c)
		}
		if len(flat) == maxName {
			break
		}
	}
	for _, n := range names {
		if bytes.HasSuffix(flat, []byte(n.ending)) {
			return n.kind
		}
	}
	// Short words count only when they stand alone: not in compass, bypass.
	low := bytes.ToLower(name)
	for _, w := range []string{"pass", "pw"} {
		if rest, ok := bytes.CutSuffix(low, []byte(w)); ok && (len(rest) == 0 || is(rest[len(rest)-1], under|dash)) {
			return "password"
		}
	}
	return ""
}

// separator handles the bytes that stand between a name and its value; ':' also
// parts the halves of a URL's user and of a Telegram bot token.
func (s *scanner) separator(i int, c byte) span {
	if c == ':' {
		if bytes.HasPrefix(s.in[i:], []byte("://")) {
			return s.userinfo(i + len("://"))
		}
		if m := s.telegram(i); m.end > 0 {
			return m
		}
	}
	n, ok := s.nameBefore(i)
	if !ok || c == ',' && !n.alone {
		return span{}
	}
	v, ok := s.valueAfter(i+1, n)
	if !ok || c == ',' && !v.quoted {
		return span{}
	}
	n.spaced = n.spaced || v.spaced
	if c == ',' {
		n.strict = true
	}
	return s.accept(n, v)
}

// name is a telling name in front of a separator.
type name struct {
	kind   string
	quoted bool // "password": …, d["password"] = …
	spaced bool // blanks around the separator
	alone  bool // the quotes hold the name and nothing else
	loud   bool // ALL_UPPER, --flag, or part of a URL's query
	strict bool // weak evidence that the next thing is its value
}

// nameBefore reads the name in front of the separator at i.
func (s *scanner) nameBefore(i int) (name, bool) {
	var n name
	j := i
	for k := 0; k < 2 && j > s.last && bytes.IndexByte([]byte("=!:+?"), s.in[j-1]) >= 0; k++ {
		j--
	}
	j, n.spaced = s.backOverBlanks(j)
	if j > s.last && s.in[j-1] == ']' {
		j--
	}
	if j > s.last && (s.in[j-1] == '"' || s.in[j-1] == '\'') {
		n.quoted = true
		if j--; j > s.last && s.in[j-1] == '\\' {
			j--
		}
	}
	start := s.wordBack(j)
	if start < j && !n.quoted && isTypeName(s.in[start:j]) {
		// password: str = "…": the name is before the colon.
		k, _ := s.backOverBlanks(start)
		if k > s.last && s.in[k-1] == ':' {
			j, _ = s.backOverBlanks(k - 1)
			start = s.wordBack(j)
		}
	}
	if start == j {
		return n, false
	}
	text := s.in[start:j]
	if n.kind = kindOfName(text); n.kind == "" {
		return n, false
	}
	prev := s.before(start)
	n.alone = n.quoted && (prev == '"' || prev == '\'')
	n.loud = prev == '?' || prev == '&' || text[0] == '-' || !contains(text, lower) && !n.spaced
	return n, true
}

func (s *scanner) backOverBlanks(j int) (int, bool) {
	from := j
	for j > s.last && from-j < maxGap && (s.in[j-1] == ' ' || s.in[j-1] == '\t') {
		j--
	}
	return j, j < from
}

func (s *scanner) wordBack(j int) int {
	start := j
	for start > s.last && j-start < maxName && is(s.in[start-1], url64) {
		start--
	}
	return start
}

func isTypeName(w []byte) bool {
	return slices.Contains([]string{"str", "bytes", "string", "SecretStr", "Text"}, string(w))
}

// value is what follows a separator.
type value struct {
	start, end int
	quoted     bool
	spaced     bool
	next       byte // what follows an unquoted value
}

// valueAfter reads the value that begins at i, blanks aside: a string literal's
// content or an unquoted run.
func (s *scanner) valueAfter(i int, n name) (value, bool) {
	var v value
	for k := 0; k < maxGap && i < len(s.in) && (s.in[i] == ' ' || s.in[i] == '\t'); k++ {
		i++
		v.spaced = true
	}
	at := i
	for k := 0; k < 2 && at < len(s.in) && bytes.IndexByte([]byte("rRbBuUfF"), s.in[at]) >= 0; k++ {
		at++
	}
	escaped := at+1 < len(s.in) && s.in[at] == '\\'
	if escaped {
		at++
	}
	if at < len(s.in) && (s.in[at] == '"' || s.in[at] == '\'') {
		quote := s.in[at : at+1]
		if escaped {
			quote = s.in[at-1 : at+1]
		} else if bytes.HasPrefix(s.in[at:], bytes.Repeat(quote, 3)) {
			quote = s.in[at : at+3]
		}
		v.quoted = true
		v.start = at - len(quote) + 1
		if !escaped {
			v.start = at
		}
		v.start += len(quote)
		rest := s.in[v.start:min(len(s.in), v.start+maxValue+len(quote))]
		end := bytes.Index(rest, quote)
		for end > 0 && !escaped && rest[end-1] == '\\' && len(quote) == 1 {
			next := bytes.Index(rest[end+1:], quote)
			if next < 0 {
				return v, false
			}
			end += 1 + next
		}
		if end <= 0 {
			return v, false
		}
		v.end = v.start + end
	} else {
		v.start = i
		v.end = unquotedEnd(s.in, i)
		v.next = s.after(v.end)
	}
	if n.kind == "authorization" {
		v.start += schemeLen(s.in[v.start:v.end])
		if !v.quoted && v.start == v.end && v.end < len(s.in) && s.in[v.end] == ' ' {
			return v, false
		}
	}
	return v, v.start < v.end && v.end-v.start <= maxValue
}

// unquotedEnd returns where an unquoted value that begins at i ends, looking at
// a little more than maxValue bytes.
func unquotedEnd(b []byte, i int) int {
	limit := min(len(b), i+maxValue+1)
	for i < limit && !endsValue[b[i]] {
		i++
	}
	return i
}

var endsValue = func() (t [256]bool) {
	for c := range t {
		t[c] = c <= ' ' || c == 0x7f
	}
	for _, c := range []byte("\"'`&;,()[]{}<>|\\") {
		t[c] = true
	}
	return t
}()

// schemeLen returns the length of an Authorization scheme and its blank.
func schemeLen(v []byte) int {
	for _, scheme := range []string{"bearer ", "basic ", "token ", "apikey ", "bot "} {
		if hasFold(v, scheme) {
			return len(scheme)
		}
	}
	return 0
}

// accept decides whether v is a secret.
func (s *scanner) accept(n name, v value) span {
	text := s.in[v.start:v.end]
	if isObvious(text) || isTemplate(text) || bytes.IndexByte(text, '\n') >= 0 {
		return span{}
	}
	if colon := bytes.IndexByte(text[:min(len(text), 12)], ':'); colon > 0 {
		if m := s.telegram(v.start + colon); m.end == v.end {
			return m // the bot's id stays
		}
	}
	ok := false
	switch {
	case v.quoted:
		ok = plausible(text, n)
	case n.loud:
		ok = len(text) >= 6 && text[0] != '-' && !isPath(text) &&
			(contains(text, digit) && contains(text, letter) || hasPunctuation(text) && v.next != '(')
	case v.next == '(' || v.next == '[' || v.next == '.':
	default:
		ok = len(text) >= 12 && !isPath(text) && changes(text) >= 3 && bytes.IndexByte(bytes.TrimRight(text, "="), '=') < 0
	}
	if !ok {
		return span{}
	}
	return span{v.start, v.end, n.kind}
}

// plausible judges a quoted value.
func plausible(v []byte, n name) bool {
	if n.kind == "aws-secret-key" && len(v) == 40 {
		return true
	}
	if len(v) < 6 || isPath(v) {
		return false
	}
	if !n.quoted && bytes.IndexByte([]byte(" )+,]};"), v[0]) >= 0 {
		return false // the quote closed a string: "password=" + x + "…"
	}
	hasDigit, hasLetter := contains(v, digit), contains(v, letter)
	mixed := contains(v, lower) && contains(v[1:], upper)
	if words := bytes.Count(v, []byte(" ")); words > 0 {
		phrase := n.kind == "password" || n.kind == "secret" && words >= 11
		return phrase && !n.strict && (hasDigit && hasLetter || words >= 11)
	}
	switch {
	case n.strict:
		return len(v) >= 8 && hasDigit && hasLetter && changes(v) >= 2
	case n.kind == "password":
		return hasDigit || hasLetter && hasPunctuation(v) || mixed && !isIdentifier(v)
	default:
		return len(v) >= 8 && hasDigit && hasLetter || len(v) >= 16 && mixed && changes(v) >= 4
	}
}

// hasPunctuation reports whether v has a byte that no word has.
func hasPunctuation(v []byte) bool {
	return slices.ContainsFunc(v, func(c byte) bool { return c > ' ' && !is(c, url64|dot) && c != ':' && c != '/' })
}

// isIdentifier reports whether v reads like words: letters, and marks between
// them.
func isIdentifier(v []byte) bool {
	return !slices.ContainsFunc(v, func(c byte) bool { return !is(c, letter|under|dash|dot) }) && changes(v) < 4
}

// changes counts how often v changes between lower case, upper case and digits:
// seldom in words, often in random text. One capital before lower case is no
// change.
func changes(v []byte) int {
	n := 0
	for i := 1; i < len(v); i++ {
		a, b := classOf[v[i-1]]&alnum, classOf[v[i]]&alnum
		if a != 0 && b != 0 && a != b && (a != upper || b != lower) {
			n++
		}
	}
	return n
}

func isPath(v []byte) bool {
	return bytes.HasPrefix(v, []byte("./")) || bytes.HasPrefix(v, []byte("~/")) || bytes.Contains(v, []byte("://")) ||
		v[0] == '/' && bytes.IndexByte(v[1:], '/') >= 0 || v[0] == '/' && bytes.IndexByte(v, '.') > 0 ||
		len(v) > 2 && v[1] == ':' && v[2] == '\\'
}

// isTemplate reports whether v is to be filled in, or is a reference.
func isTemplate(v []byte) bool {
	open := bytes.IndexByte(v, '{')
	return open >= 0 && bytes.IndexByte(v[open:], '}') > 0 ||
		bytes.Contains(v, []byte("%s")) || bytes.Contains(v, []byte("%(")) || bytes.Contains(v, []byte("$(")) ||
		v[0] == '$' && len(v) > 1 && is(v[1], letter|under) ||
		v[0] == '<' && v[len(v)-1] == '>' || v[0] == '%' && v[len(v)-1] == '%'
}

// isObvious reports whether v is plainly no secret: a word that stands for one,
// a literal, or one byte over and over.
func isObvious(v []byte) bool {
	low := strings.ToLower(string(v[:min(len(v), 64)]))
	switch low {
	case "", "none", "null", "nil", "true", "false", "yes", "no", "on", "off", "undefined", "-", "test", "root", "admin",
		"string", "password", "passwd", "pass", "secret", "token", "apikey", "api_key", "api-key", "env", "prompt":
		return true
	}
	for _, w := range []string{"changeme", "change_me", "change-me", "placeholder", "your-", "your_", "yourpass", "xxxx", "****", "....", "<your", "dummy", "redacted"} {
		if strings.Contains(low, w) {
			return true
		}
	}
	return strings.Count(low, low[:1]) == len(low)
}

// userinfo finds the password of scheme://user:password@host, whose authority
// begins at i.
func (s *scanner) userinfo(i int) span {
	colon := -1
	for j := i; j < len(s.in) && j-i < maxValue; j++ {
		switch c := s.in[j]; {
		case c == ':' && colon < 0:
			colon = j
		case c == '@':
			if colon < 0 {
				if v := s.in[i:j]; len(v) >= 20 && changes(v) >= 4 {
					return span{i, j, "url-token"}
				}
				return span{}
			}
			v := s.in[colon+1 : j]
			if len(v) < 2 || isTemplate(v) || isObvious(v) || bytes.ContainsAny(v, "[]") {
				return span{}
			}
			return span{colon + 1, j, "url-password"}
		case c <= ' ' || c == 0x7f || bytes.IndexByte([]byte("/?#\"'`<>\\"), c) >= 0:
			return span{}
		}
	}
	return span{}
}

// telegram finds the secret half of a bot token, ID:SECRET, around its colon.
func (s *scanner) telegram(i int) span {
	id := i
	for id > s.last && i-id < 12 && is(s.in[id-1], digit) {
		id--
	}
	if i-id < 8 || i-id > 11 {
		return span{}
	}
	end := s.run(i+1, url64)
	if n := end - i - 1; n < 33 || n > 37 || is(s.after(end), word) {
		return span{}
	}
	return span{i + 1, end, "telegram-token"}
}

// flag finds the value of --password VALUE in a command line within a text.
func (s *scanner) flag(i int) span {
	if i+3 > len(s.in) || s.in[i+1] != '-' || is(s.before(i), url64) {
		return span{}
	}
	limit := min(len(s.in), i+maxName)
	end := i + 2
	for end < limit && is(s.in[end], url64) {
		end++
	}
	if end >= len(s.in) || s.in[end] != ' ' {
		return span{}
	}
	kind := kindOfName(s.in[i:end])
	if kind == "" {
		return span{}
	}
	n := name{kind: kind, loud: true}
	v, ok := s.valueAfter(end, n)
	if !ok {
		return span{}
	}
	return s.accept(n, v)
}
