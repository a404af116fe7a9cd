package console

import (
	"net/http"

	"kingsnake/store"
)

// settingsPage shows what governs this server. Nothing on it is a secret.
type settingsPage struct {
	frame
	Rules     []ruleView // that stand
	RulesMore string     // how many more, in words
	Ended     []ruleView
	EndedMore string
	Retention []fact
	Evicted   []string
	Server    []fact
}

// How many rules are listed, of those that stand and of those that ended.
const (
	maxRules = 500
	maxEnded = 50
)

// settings serves the settings page.
func (c *console) settings(w http.ResponseWriter, r *http.Request) {
	rules, err := c.Store.Allows(r.Context())
	if err != nil {
		c.failed(w, r, "read the allow rules", err)
		return
	}
	stats, err := c.Store.Stats(r.Context())
	if err != nil {
		c.failed(w, r, "read the store's totals", err)
		return
	}
	now := c.Now()
	page := settingsPage{
		frame: c.frame(r, "Settings", "settings"), Retention: retention(c.Limits, stats), Evicted: evictions(stats),
	}
	more, moreEnded := 0, 0
	for _, rule := range rules {
		switch standing := rule.Ended.IsZero(); {
		case standing && len(page.Rules) < maxRules:
			page.Rules = append(page.Rules, ruleOf(rule, now))
		case standing:
			more++
		case len(page.Ended) < maxEnded:
			page.Ended = append(page.Ended, ruleOf(rule, now))
		default:
			moreEnded++
		}
	}
	page.RulesMore, page.EndedMore = moreOf(more), moreOf(moreEnded)
	page.Server = []fact{
		known("Version", c.Version, "not recorded"),
		known("Data", c.DataDir, "in memory only: nothing survives a restart"),
		known("Notifications", c.Notify, "none: no destination is configured"),
	}
	c.render(w, r, http.StatusOK, "settings", page)
}

// known is a fact of ours, or why there is none.
func known(label, value, missing string) fact {
	if value == "" {
		return fact{Label: label, Missing: title(missing)}
	}
	return fact{Label: label, Value: show(value)}
}

// retention says what is kept and how much there is.
func retention(l store.Limits, s store.Stats) []fact {
	limit := func(label, value string, set bool) fact {
		if !set {
			return fact{Label: label, Missing: "No limit"}
		}
		return fact{Label: label, Value: show(value)}
	}
	return []fact{
		{Label: "Stored now", Value: show(plural(s.Findings, "finding") + ", " + size(s.Bytes) + " of scripts")},
		limit("Kept for", span(l.Age), l.Age > 0),
		limit("Findings at most", thousands(l.Findings), l.Findings > 0),
		limit("Scripts at most", size(l.Bytes), l.Bytes > 0),
	}
}

// moreOf says that n further rules are not listed.
func moreOf(n int) string {
	if n == 0 {
		return ""
	}
	return plural(int64(n), "older rule") + " not listed."
}
