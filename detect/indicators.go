package detect

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"kingsnake/finding"
	"kingsnake/finding/redact"
)

var (
	urlPattern = regexp.MustCompile(`(?i)\b(?:https?|ftp|wss?|tcp)://[^\s'"<>\\` + "`" + `]{3,512}`)
	ipPattern  = regexp.MustCompile(`\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b`)
	// What redaction leaves behind is not allowed in a URL.
	placeholder = regexp.MustCompile(`\[redacted:[^\]]*\]`)
	// A bare domain is only taken from inside quotes and with a common ending:
	// dotted names are everywhere in Python.
	domainPattern = regexp.MustCompile(`(?i)['"]((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:com|net|org|io|dev|app|info|biz|me|co|xyz|top|site|online|ru|cn|su|onion|gg|sh|tk|ml|cc))['":/]`)
)

// indicatorsOf lists the addresses, domains and URLs in the texts that a finding
// keeps, each once, in the order they appear, at most finding.MaxIndicators of a
// kind. The texts are redacted, so a secret in a URL is not listed either.
func indicatorsOf(texts []redact.Result) finding.Indicators {
	var in finding.Indicators
	add := func(list *[]string, v string) {
		if len(*list) < finding.MaxIndicators && !slices.Contains(*list, v) {
			*list = append(*list, v)
		}
	}
	for _, t := range texts {
		for _, m := range urlPattern.FindAll(t.Text, finding.MaxIndicators) {
			raw := strings.TrimRight(string(m), ".,;:)}")
			u, err := url.Parse(placeholder.ReplaceAllString(raw, "x"))
			if err != nil || u.Hostname() == "" {
				continue
			}
			add(&in.URLs, raw)
			if _, err := netip.ParseAddr(u.Hostname()); err != nil && strings.Contains(u.Hostname(), ".") {
				add(&in.Domains, strings.ToLower(u.Hostname()))
			}
		}
		for _, m := range ipPattern.FindAll(t.Text, finding.MaxIndicators) {
			if a, err := netip.ParseAddr(string(m)); err == nil && !a.IsUnspecified() && !a.IsLoopback() {
				add(&in.IPs, a.String())
			}
		}
		for _, m := range domainPattern.FindAllSubmatch(t.Text, finding.MaxIndicators) {
			add(&in.Domains, strings.ToLower(string(m[1])))
		}
	}
	return in
}
