package redact

import (
	"bytes"
	"encoding/base64"
	"slices"
)

// class is a set of kinds of bytes.
type class uint8

const (
	lower class = 1 << iota
	upper
	digit
	under // _
	dash  // -
	b64   // + and /
	pad   // =
	dot

	letter = lower | upper
	alnum  = letter | digit
	word   = alnum | under
	url64  = word | dash
)

var classOf = func() (t [256]class) {
	for c := range t {
		switch {
		case 'a' <= c && c <= 'z':
			t[c] = lower
		case 'A' <= c && c <= 'Z':
			t[c] = upper
		case '0' <= c && c <= '9':
			t[c] = digit
		}
	}
	t['_'], t['-'], t['+'], t['/'], t['='], t['.'] = under, dash, b64, b64, pad, dot
	return t
}()

func is(c byte, k class) bool { return classOf[c]&k != 0 }

// run returns where the bytes of class k that begin at i end.
func run(b []byte, i int, k class) int {
	for i < len(b) && is(b[i], k) {
		i++
	}
	return i
}

// run is the same, but remembers the last run of each class: however often a
// hostile text asks for the end of one long run, it is walked once.
func (s *scanner) run(i int, k class) int {
	r := &s.runs[k]
	if i < r.start || i >= r.end {
		r.start, r.end = i, run(s.in, i, k)
	}
	return r.end
}

// maxToken is the length above which a run is no token. Longer ones are data,
// perhaps a payload, and stay as evidence.
const maxToken = 2 << 10

// prefix is a token known by how it begins. The secret is the prefix and the
// run of chars after it.
type prefix struct {
	text  string
	chars class
	min   int  // bytes after the prefix
	exact bool // exactly min of them
	loose bool // may follow a letter or digit: the prefix alone is telling
	mixed bool // there must be a digit and an upper-case letter
	kind  string
}

// prefixes are public knowledge: the vendors document them for secret scanners.
var prefixes = func() (t [256][]prefix) {
	for _, p := range []prefix{
		{text: "AKIA", chars: upper | digit, min: 16, exact: true, kind: "aws-access-key"},
		{text: "ASIA", chars: upper | digit, min: 16, exact: true, kind: "aws-access-key"},
		{text: "ABIA", chars: upper | digit, min: 16, exact: true, kind: "aws-access-key"},
		{text: "ACCA", chars: upper | digit, min: 16, exact: true, kind: "aws-access-key"},
		{text: "AIza", chars: url64, min: 35, kind: "google-api-key"},
		{text: "GOCSPX-", chars: url64, min: 20, kind: "google-oauth-secret"},
		{text: "ya29.", chars: url64 | dot, min: 20, kind: "google-oauth-token"},
		{text: "1//0", chars: url64, min: 30, kind: "google-oauth-token"},
		{text: "ghp_", chars: alnum, min: 30, loose: true, kind: "github-token"},
		{text: "gho_", chars: alnum, min: 30, loose: true, kind: "github-token"},
		{text: "ghu_", chars: alnum, min: 30, loose: true, kind: "github-token"},
		{text: "ghs_", chars: alnum, min: 30, loose: true, kind: "github-token"},
		{text: "ghr_", chars: alnum, min: 30, loose: true, kind: "github-token"},
		{text: "github_pat_", chars: word, min: 22, loose: true, kind: "github-token"},
		{text: "glpat-", chars: url64 | dot, min: 20, loose: true, kind: "gitlab-token"},
		{text: "gldt-", chars: url64, min: 20, kind: "gitlab-token"},
		{text: "glrt-", chars: url64 | dot, min: 20, kind: "gitlab-token"},
		{text: "glptt-", chars: url64, min: 20, kind: "gitlab-token"},
		{text: "glcbt-", chars: url64, min: 20, kind: "gitlab-token"},
		{text: "xoxb-", chars: alnum | dash, min: 10, loose: true, kind: "slack-token"},
		{text: "xoxp-", chars: alnum | dash, min: 10, loose: true, kind: "slack-token"},
		{text: "xoxa-", chars: alnum | dash, min: 10, loose: true, kind: "slack-token"},
		{text: "xoxe-", chars: alnum | dash, min: 10, loose: true, kind: "slack-token"},
		{text: "xoxr-", chars: alnum | dash, min: 10, loose: true, kind: "slack-token"},
		{text: "xoxs-", chars: alnum | dash, min: 10, loose: true, kind: "slack-token"},
		{text: "xoxc-", chars: alnum | dash, min: 10, loose: true, kind: "slack-token"},
		{text: "xapp-", chars: alnum | dash, min: 20, mixed: true, kind: "slack-token"},
		{text: "sk_live_", chars: alnum, min: 16, loose: true, kind: "stripe-key"},
		{text: "sk_test_", chars: alnum, min: 16, loose: true, kind: "stripe-key"},
		{text: "rk_live_", chars: alnum, min: 16, loose: true, kind: "stripe-key"},
		{text: "rk_test_", chars: alnum, min: 16, loose: true, kind: "stripe-key"},
		{text: "whsec_", chars: alnum | b64 | pad, min: 24, kind: "stripe-key"},
		{text: "sk-", chars: url64, min: 20, mixed: true, kind: "openai-key"},
		{text: "hf_", chars: alnum, min: 30, kind: "huggingface-token"},
		{text: "npm_", chars: alnum, min: 36, kind: "npm-token"},
		{text: "pypi-AgE", chars: url64, min: 20, loose: true, kind: "pypi-token"},
		{text: "dop_v1_", chars: lower | digit, min: 40, kind: "digitalocean-token"},
		{text: "dckr_pat_", chars: url64, min: 20, kind: "docker-token"},
		{text: "hvs.", chars: url64, min: 24, kind: "vault-token"},
		{text: "SG.", chars: url64 | dot, min: 40, mixed: true, kind: "sendgrid-key"},
	} {
		t[p.text[0]] = append(t[p.text[0]], p)
	}
	return t
}()

// trigger are the bytes at which a secret, or the way to one, can begin.
var trigger = func() (t [256]bool) {
	for _, c := range []byte("[-:=,./\"'eBb") {
		t[c] = true
	}
	for c, list := range prefixes {
		t[c] = t[c] || len(list) > 0
	}
	return t
}()

// match looks for the secret that the byte c at i leads to. An empty span means
// none.
func (s *scanner) match(i int, c byte) span {
	switch c {
	case '=', ':', ',':
		return s.separator(i, c)
	case '-':
		if m := s.privateKey(i); m.end > 0 {
			return m
		}
		return s.flag(i)
	case '.':
		return s.discordToken(i)
	case '/':
		return s.webhook(i)
	case '"', '\'':
		return s.awsSecret(i)
	case 'e':
		return s.jwt(i)
	case 'B', 'b':
		return s.scheme(i)
	}
	for _, p := range prefixes[c] {
		if m := s.prefixed(i, p); m.end > 0 {
			if p.exact {
				s.awsUntil = m.end + awsNeighborhood
			}
			return m
		}
	}
	return span{}
}

func (s *scanner) prefixed(i int, p prefix) span {
	if !bytes.HasPrefix(s.in[i:], []byte(p.text)) || !p.loose && !s.bounded(i) {
		return span{}
	}
	body := i + len(p.text)
	end := s.run(body, p.chars)
	for end > body && s.in[end-1] == '.' {
		end--
	}
	if end-body < p.min || end-body > maxToken || p.exact && (end-body != p.min || is(s.after(end), word)) {
		return span{}
	}
	if p.mixed && !(contains(s.in[body:end], digit) && contains(s.in[body:end], upper)) {
		return span{}
	}
	return span{i, end, p.kind}
}

func contains(b []byte, k class) bool {
	return slices.ContainsFunc(b, func(c byte) bool { return is(c, k) })
}

// bounded reports whether a token may begin at i: not within a word, where the
// letter of an escape (\n) and the digits of a percent escape are no word.
func (s *scanner) bounded(i int) bool {
	if !is(s.before(i), word) {
		return true
	}
	if i-2 >= s.last && s.in[i-2] == '\\' {
		return true
	}
	return i-3 >= s.last && s.in[i-3] == '%'
}

// jwt finds a JSON web token: base64url of {"…, twice, and a signature.
func (s *scanner) jwt(i int) span {
	if !bytes.HasPrefix(s.in[i:], []byte("eyJ")) {
		return span{}
	}
	head := s.run(i, url64)
	if head-i < 12 || head-i > maxToken || !bytes.HasPrefix(s.in[head:], []byte(".eyJ")) {
		return span{}
	}
	body := s.run(head+1, url64)
	end := body
	for range 3 { // a signature, or the rest of an encrypted token
		next := end
		if next < len(s.in) && s.in[next] == '.' {
			next = run(s.in, next+1, url64)
		}
		if next <= end+1 {
			break
		}
		end = next
	}
	kind := "jwt"
	if claims := s.in[head+1 : min(body, head+1+4096)]; len(claims) > 3 {
		text, _ := base64.RawURLEncoding.DecodeString(string(claims[:len(claims)/4*4]))
		if bytes.Contains(text, []byte("kubernetes")) {
			kind = "kubernetes-token"
		}
	}
	return span{i, end, kind}
}

// privateKey finds a PEM block of a private key, header and footer included. The
// body has to look like one, in a file or in a string literal: long runs of
// base64 and little besides. Other text between a header and a footer, which an
// attacker may have put there to have it hidden, stays.
func (s *scanner) privateKey(i int) span {
	const begin, footer, rule = "-----BEGIN ", "-----END ", "-----"
	const maxBlock, longRun = 16 << 10, 32
	b := s.in[i:min(len(s.in), i+maxBlock)]
	if !bytes.HasPrefix(b, []byte(begin)) {
		return span{}
	}
	name := b[len(begin):min(len(b), len(begin)+48)]
	n := bytes.Index(name, []byte(rule))
	if n < 0 || !bytes.Contains(name[:n], []byte("PRIVATE KEY")) {
		return span{}
	}
	at := len(begin) + n + len(rule)
	long, short, end := 0, 0, 0
	for at < len(b) && !bytes.HasPrefix(b[at:], []byte(rule)) {
		next := run(b, at, alnum|b64|pad)
		switch {
		case next-at >= longRun:
			long += next - at
			end = next
		case next > at:
			short += next - at
		case bytes.IndexByte([]byte(" \t\r\n\\\"',:-()"), b[at]) < 0:
			b = b[:at]
		default:
			next++
		}
		at = next
	}
	if long == 0 || short > long {
		return span{}
	}
	if rest := b[at:]; bytes.HasPrefix(rest, []byte(footer)) {
		rest = rest[len(footer):min(len(rest), 64)]
		if n := bytes.Index(rest, []byte(rule)); n >= 0 {
			end = at + len(footer) + n + len(rule)
		}
	}
	return span{i, i + end, "private-key"}
}

// discordToken finds a bot token around the first of its two dots.
func (s *scanner) discordToken(i int) span {
	start := i
	for start > s.last && start > i-32 && is(s.in[start-1], url64) {
		start--
	}
	if n := i - start; n < 23 || n > 28 || bytes.IndexByte([]byte("MNO"), s.in[start]) < 0 {
		return span{}
	}
	second := run(s.in, i+1, url64)
	if second-i-1 != 6 || second >= len(s.in) || s.in[second] != '.' {
		return span{}
	}
	end := run(s.in, second+1, url64)
	if n := end - second - 1; n < 27 || n > 45 {
		return span{}
	}
	return span{start, end, "discord-token"}
}

// webhook finds the secret part of a webhook's path.
func (s *scanner) webhook(i int) span {
	b := s.in
	switch {
	case bytes.HasPrefix(b[i:], []byte("/webhooks/")): // Discord: /webhooks/ID/TOKEN
		id := i + len("/webhooks/")
		slash := run(b, id, digit)
		if slash-id < 15 || slash >= len(b) || b[slash] != '/' {
			return span{}
		}
		if end := run(b, slash+1, url64); end-slash > 40 {
			return span{slash + 1, end, "discord-webhook"}
		}
	case bytes.HasPrefix(b[i:], []byte("/services/T")): // Slack: /services/T…/B…/SECRET
		team := run(b, i+len("/services/"), upper|digit)
		if team >= len(b) || b[team] != '/' {
			return span{}
		}
		bot := run(b, team+1, upper|digit)
		if bot >= len(b) || b[bot] != '/' || bot-team < 6 {
			return span{}
		}
		if end := run(b, bot+1, alnum); end-bot > 16 {
			return span{bot + 1, end, "slack-webhook"}
		}
	}
	return span{}
}

// awsNeighborhood is how far after an access key its secret is looked for.
const awsNeighborhood = 256

// awsSecret finds a quoted string of 40 characters near an access key.
func (s *scanner) awsSecret(i int) span {
	if i >= s.awsUntil {
		return span{}
	}
	end := run(s.in, i+1, alnum|b64)
	if end-i-1 != 40 || end >= len(s.in) || s.in[end] != s.in[i] {
		return span{}
	}
	if v := s.in[i+1 : end]; !contains(v, upper) || !contains(v, lower) {
		return span{}
	}
	return span{i + 1, end, "aws-secret-key"}
}

// scheme finds what follows "Bearer " or "Basic ".
func (s *scanner) scheme(i int) span {
	if !s.bounded(i) {
		return span{}
	}
	switch {
	case hasFold(s.in[i:], "bearer "):
		start := i + len("bearer ")
		end := run(s.in, start, url64|b64|pad|dot)
		for end > start && s.in[end-1] == '.' {
			end--
		}
		if v := s.in[start:end]; len(v) >= 16 && contains(v, digit) && contains(v, letter) {
			return span{start, end, "bearer"}
		}
	case hasFold(s.in[i:], "basic "):
		start := i + len("basic ")
		end := run(s.in, start, alnum|b64|pad)
		if isBasic(s.in[start:end]) {
			return span{start, end, "basic-auth"}
		}
	}
	return span{}
}

// isBasic reports whether v is base64 of user:password.
func isBasic(v []byte) bool {
	if len(v) < 8 || len(v) > 1024 {
		return false
	}
	text, err := base64.RawStdEncoding.DecodeString(string(bytes.TrimRight(v, "=")))
	if err != nil || bytes.IndexByte(text, ':') < 0 {
		return false
	}
	return !slices.ContainsFunc(text, func(c byte) bool { return c < ' ' || c == 0x7f })
}

// hasFold reports whether b begins with prefix, which is lower case, in any case.
func hasFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && bytes.EqualFold(b[:len(prefix)], []byte(prefix))
}
