package detect

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"kingsnake/finding"
	"kingsnake/normalize"
)

// indicatorBytes is how much of each layer is searched.
const indicatorBytes = 256 << 10

var (
	urlPattern = regexp.MustCompile(`(?i)\b(?:https?|ftp|wss?|tcp)://[^\s'"<>\\` + "`" + `]{3,512}`)
	ipPattern  = regexp.MustCompile(`\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b`)
	// A bare domain is only taken from inside quotes and with a common ending:
	// dotted names are everywhere in Python.
	domainPattern = regexp.MustCompile(`(?i)['"]((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:com|net|org|io|dev|app|info|biz|me|co|xyz|top|site|online|ru|cn|su|onion|gg|sh|tk|ml|cc))['":/]`)
)

// indicatorsOf lists the addresses, domains and URLs in all layers, each once,
// in the order they appear, at most finding.MaxIndicators of a kind.
func indicatorsOf(text normalize.Text) finding.Indicators {
	var in finding.Indicators
	add := func(list *[]string, v string) {
		if len(*list) < finding.MaxIndicators && !slices.Contains(*list, v) {
			*list = append(*list, v)
		}
	}
	for _, layer := range text.Layers {
		t := layer.Text[:min(len(layer.Text), indicatorBytes)]
		for _, m := range urlPattern.FindAll(t, finding.MaxIndicators) {
			raw := strings.TrimRight(string(m), ".,;:)]}")
			u, err := url.Parse(raw)
			if err != nil || u.Hostname() == "" {
				continue
			}
			add(&in.URLs, raw)
			if _, err := netip.ParseAddr(u.Hostname()); err != nil && strings.Contains(u.Hostname(), ".") {
				add(&in.Domains, strings.ToLower(u.Hostname()))
			}
		}
		for _, m := range ipPattern.FindAll(t, finding.MaxIndicators) {
			if a, err := netip.ParseAddr(string(m)); err == nil && !a.IsUnspecified() && !a.IsLoopback() {
				add(&in.IPs, a.String())
			}
		}
		for _, m := range domainPattern.FindAllSubmatch(t, finding.MaxIndicators) {
			add(&in.Domains, strings.ToLower(string(m[1])))
		}
	}
	return in
}
