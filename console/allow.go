package console

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// maxWhy is how many bytes of a person's explanation are kept.
const maxWhy = 2000

// allowView is the decision about a finding: the rules that cover it, or the
// form that makes one.
type allowView struct {
	Rules  []ruleView // that stand and cover it
	Ended  []ruleView // that covered it and were undone
	Here   string     // what "here" means for this finding
	Action string     // where the form posts to; "" when the script has no hash to go by
}

// ruleView is an allow rule, ready to show.
type ruleView struct {
	SHA256    evidence
	URL       string // of the findings of that script
	Scope     string
	Why       evidence
	By        string
	Created   moment
	Hits      string
	EndURL    string
	EndedBy   string
	EndedTime moment
}

// ruleOf prepares a rule.
func ruleOf(r store.AllowRule, now time.Time) ruleView {
	v := ruleView{
		SHA256: show(r.SHA256), URL: findingsURL("sha256", r.SHA256),
		Scope: "everywhere", Why: show(r.Why), By: plain(r.By), Created: at(r.Created, now),
		Hits:   plural(r.Hits, "sighting") + " silenced",
		EndURL: "/allows/" + url.PathEscape(r.ID) + "/end",
	}
	if r.Workload != "" {
		v.Scope = scopeWords(r.Workload)
	}
	if !r.Ended.IsZero() {
		v.EndURL, v.EndedBy, v.EndedTime = "", plain(r.EndedBy), at(r.Ended, now)
	}
	return v
}

// scopeWords says a workload key (see finding.Workload.Key) in words.
func scopeWords(key string) string {
	kind, rest, _ := strings.Cut(key, " ")
	var parts []string
	for rest != "" && len(parts) < 4 {
		q, err := strconv.QuotedPrefix(rest)
		if err != nil {
			break
		}
		part, _ := strconv.Unquote(q) // cannot fail: it is a quoted prefix
		parts = append(parts, part)
		rest = strings.TrimPrefix(rest[len(q):], " ")
	}
	switch {
	case kind == "owner" && len(parts) == 4:
		return plain("only in " + parts[2] + " " + parts[3] + ", namespace " + parts[1])
	case kind == "pod" && len(parts) == 4:
		return plain("only in pod " + parts[1] + "/" + parts[2] + ", container " + parts[3])
	case kind == "host" && len(parts) == 2:
		return plain("only for " + parts[1] + " on host " + parts[0])
	case len(parts) == 1:
		return plain("only in " + kind + " " + parts[0])
	}
	return plain("only in " + key)
}

// here says what "here" means for a finding.
func here(f finding.Finding) string {
	w := f.Workload
	switch {
	case w.OwnerName != "":
		return plain(w.OwnerKind + " " + w.OwnerName + " in namespace " + w.PodNamespace)
	case w.PodName != "":
		return plain("container " + w.ContainerName + " of pod " + w.PodNamespace + "/" + w.PodName)
	case w.Image != "":
		return plain("containers of image " + w.Image)
	case w.ContainerID != "":
		return plain("container " + short(w.ContainerID))
	default:
		return plain("runs of " + cmp.Or(f.Process.Exe, "this program") + " on host " + w.Node)
	}
}

// allowOf prepares the decision about f.
func allowOf(f finding.Finding, rules []store.AllowRule, now time.Time) allowView {
	v := allowView{Here: here(f)}
	if f.Script.SHA256 != "" {
		v.Action = "/findings/" + url.PathEscape(f.Name) + "/allow"
	}
	for _, r := range rules {
		stood := r
		stood.Ended = time.Time{}
		switch {
		case r.Covers(f):
			v.Rules = append(v.Rules, ruleOf(r, now))
		case stood.Covers(f) && len(v.Ended) < 5:
			v.Ended = append(v.Ended, ruleOf(r, now))
		}
	}
	return v
}

// allow serves POST /findings/{name}/allow: it makes a rule that covers the
// finding's script.
func (c *console) allow(w http.ResponseWriter, r *http.Request) {
	f, err := c.Store.Get(r.Context(), r.PathValue("name"))
	if err != nil {
		c.failed(w, r, "read the finding", err)
		return
	}
	why := strings.TrimSpace(r.PostFormValue("why"))
	rule := store.AllowRule{
		SHA256: f.Script.SHA256, Why: clip(why, maxWhy), By: actor(r), Created: c.Now(),
	}
	switch scope := r.PostFormValue("scope"); {
	case why == "" || rule.SHA256 == "":
		c.problem(w, r, http.StatusBadRequest, "Say why this is benign",
			"Nothing was changed. Whoever meets this rule later needs to know the reason. Go back and fill it in.")
		return
	case scope == "here":
		rule.Workload = f.Workload.Key(f.Process.Exe)
	case scope != "everywhere":
		c.problem(w, r, http.StatusBadRequest, "Choose where the script is benign", "Nothing was changed. Go back and choose “here” or “everywhere”.")
		return
	}
	if rule, err = c.Store.Allow(r.Context(), rule); err != nil {
		c.failed(w, r, "store the allow rule", err)
		return
	}
	c.Log.Info("allow script", "rule", rule.ID, "sha256", rule.SHA256, "workload", rule.Workload, "by", rule.By)
	http.Redirect(w, r, "/findings/"+url.PathEscape(f.Name)+"#decision", http.StatusSeeOther)
}

// disallow serves POST /allows/{id}/end: it ends a rule.
func (c *console) disallow(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if err := c.Store.Disallow(r.Context(), id, actor(r), c.Now()); err != nil {
		c.failed(w, r, "end the allow rule", err)
		return
	}
	c.Log.Info("end allow rule", "rule", id, "by", actor(r))
	next := localPath(r.PostFormValue("next"))
	if next == "/" {
		next = "/settings"
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// actor names who does something, for the record.
func actor(r *http.Request) string { return "console session " + session(r).ID }
