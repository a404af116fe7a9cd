package detect

import (
	"slices"

	"kingsnake/finding"
	"kingsnake/finding/redact"
)

// indicatorsOf lists the addresses, domains and URLs in the texts that a finding
// keeps, each once, in the order they appear, at most finding.MaxIndicators of a
// kind. The texts are redacted, so a secret in a URL is not listed either.
func indicatorsOf(texts []redact.Result) finding.Indicators {
	var in finding.Indicators
	for _, i := range Indicators(texts) {
		switch i.Kind {
		case IP:
			in.IPs = append(in.IPs, i.Value)
		case Domain:
			in.Domains = append(in.Domains, i.Value)
		case URL:
			in.URLs = append(in.URLs, i.Value)
		}
	}
	return in
}

// Indicators lists what can be looked for elsewhere in the texts of a script:
// each once, in the order they appear, at most finding.MaxIndicators of a kind.
// Only what stands in the texts' string literals counts for the kinds that code
// is full of as well, such as domains and paths.
func Indicators(texts []redact.Result) []Indicator {
	c := collector{}
	for _, t := range texts {
		c.text(t.Text)
	}
	return c.found
}

// collector gathers indicators.
type collector struct {
	found []Indicator
	count map[Kind]int
}

func (c *collector) add(kind Kind, value string) {
	i := Indicator{kind, value}
	if value == "" || len(value) > maxIndicator || c.count[kind] >= finding.MaxIndicators || slices.Contains(c.found, i) {
		return
	}
	if c.count == nil {
		c.count = map[Kind]int{}
	}
	c.count[kind]++
	c.found = append(c.found, i)
}
