package detect

import (
	"slices"

	"kingsnake/finding"
	"kingsnake/finding/redact"
)

// indicatorsOf sorts the indicators in the texts that a finding keeps by kind.
// The texts are redacted, so a secret in a URL is not listed either.
func indicatorsOf(texts []redact.Result) finding.Indicators {
	var in finding.Indicators
	for _, i := range Indicators(texts) {
		in.Add(i)
	}
	return in
}

// Indicators lists what can be looked for elsewhere in the texts of a script:
// each once, in the order they appear, at most finding.MaxIndicators of a kind.
// Only what stands in the texts' string literals counts for the kinds that code
// is full of as well, such as domains and paths.
func Indicators(texts []redact.Result) []finding.Indicator {
	c := collector{}
	for _, t := range texts {
		c.text(t.Text)
	}
	return c.found
}

// collector gathers indicators.
type collector struct {
	found []finding.Indicator
	count map[finding.Kind]int
}

func (c *collector) add(kind finding.Kind, value string) {
	i := finding.Indicator{Kind: kind, Value: value}
	if value == "" || len(value) > maxIndicator || c.count[kind] >= finding.MaxIndicators || slices.Contains(c.found, i) {
		return
	}
	if c.count == nil {
		c.count = map[finding.Kind]int{}
	}
	c.count[kind]++
	c.found = append(c.found, i)
}
