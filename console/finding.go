package console

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"kingsnake/finding"
	"kingsnake/finding/scc"
	"kingsnake/store"
)

// findingHead is what the three tabs of a finding share.
type findingHead struct {
	frame
	URL       string // of the Summary tab
	Tab       string // "summary", "json" or "investigate"
	Heading   string // the category
	Severity  severity
	Active    bool
	State     string   // in a word
	OfScript  bool     // and not of a sensor
	Sentence  evidence // the verdict in one sentence
	Last      moment
	First     moment // zero when it was seen once
	Sightings string
}

// summaryPage is the Summary tab of a finding.
type summaryPage struct {
	findingHead
	Program   bool // it is about a program: there is no script to show
	Detected  []factGroup
	Resource  []factGroup
	Links     []link
	Cloud     []link // pages of the Google Cloud console
	Origin    originView
	Process   []processView
	Env       []evidence
	EnvNote   string
	Events    []eventView
	EventMore string // what is not among Events
	Seen      []fact // what can be looked for elsewhere, by kind
	Reasons   []reasonView
	Code      codeView
	Layers    []layerView
	Layer     *codeView // the layer shown beside the script; nil for none
	LayerOf   string    // says which layer that is
	Compiled  []link    // findings of texts that this script compiled at run time
	Limits    []string  // what is cut, lost or replaced, in words
	Download  string
	Allow     allowView
}

// fact is one named value, or why there is none.
type fact struct {
	Label   string
	Value   evidence
	List    []evidence // instead of Value: several values
	Missing string     // why there is no value
	Note    evidence
	URL     string // where findings with the same value are
}

// factGroup is facts that are shown together. One with a Summary is folded.
type factGroup struct {
	Summary string
	Facts   []fact
}

// fold groups facts into those in sight and those behind a summary.
func fold(inSight, folded []fact) []factGroup {
	groups := []factGroup{{Facts: inSight}}
	if len(folded) > 0 {
		groups = append(groups, factGroup{Summary: "More", Facts: folded})
	}
	return groups
}

// link leads somewhere else.
type link struct {
	Text    string
	URL     string // "" when there is nothing to lead to; Note says why
	Note    string
	Outside bool
}

// originView answers whether the change was intended.
type originView struct {
	When    string
	Why     evidence
	Changed moment
	Root    string // whether the root file system is read-only
	Advice  string
}

// processView is one process of the ancestry.
type processView struct {
	Exe   evidence
	PID   string
	About string
	Args  []evidence
	Self  bool
}

// reasonView is one reason with links to where it points.
type reasonView struct {
	Number    int
	Text      evidence
	Technique technique
	Weight    string
	Share     int // of the heaviest reason's weight, in percent
	Places    []link
	Nowhere   string // said when there is no place to show
}

// layerView is an entry in the list of layers.
type layerView struct {
	Label   string
	Detail  string
	URL     string
	Current bool
}

// finding serves the Summary tab.
func (c *console) finding(w http.ResponseWriter, r *http.Request) {
	f, err := c.Store.Get(r.Context(), r.PathValue("name"))
	if err != nil {
		c.failed(w, r, "read the finding", err)
		return
	}
	if aboutSensor(f) {
		c.healthFinding(w, r, f)
		return
	}
	rules, err := c.Store.Allows(r.Context())
	if err != nil {
		c.failed(w, r, "read the allow rules", err)
		return
	}
	layer, _ := strconv.Atoi(r.URL.Query().Get("layer"))
	all := r.URL.Query().Get("lines") == "all"
	page := c.summary(r, f, rules, layer, all)
	if page.Compiled, err = c.compiled(r, f); err != nil {
		c.failed(w, r, "list what the script compiled", err)
		return
	}
	c.render(w, r, http.StatusOK, "finding", page)
}

// maxCompiled is how many of the newest findings of compiled texts are looked
// through for those of one script.
const maxCompiled = 200

// compiled lists the findings of texts that f's script compiled while it ran.
func (c *console) compiled(r *http.Request, f finding.Finding) ([]link, error) {
	if f.Script.Kind == "compiled" {
		return nil, nil // that is known of the script that was started alone
	}
	found, err := c.Store.List(r.Context(), store.Query{Kind: "compiled", Node: f.Workload.Node, Limit: maxCompiled})
	if err != nil {
		return nil, err
	}
	var out []link
	for _, text := range found.Findings {
		if s := text.Script; s.Parent == f.Script.SHA256 {
			out = append(out, link{Text: plain(text.Verdict.Label) + " text of " + size(s.Size), URL: "/findings/" + url.PathEscape(text.Name)})
		}
	}
	return out, nil
}

func (c *console) summary(r *http.Request, f finding.Finding, rules []store.AllowRule, layer int, all bool) summaryPage {
	if layer < 1 || layer > len(f.Script.Layers) {
		layer = 0
	}
	head, related := c.head(r, f, "summary"), scc.LinksOf(f, c.SCC)
	return summaryPage{
		findingHead: head,
		Program:     f.Script.Kind == finding.Program,
		Detected:    fold(detected(f)),
		Resource:    fold(c.resource(f)),
		Links:       relatedLinks(f, related),
		Cloud:       outside(related.Cloud),
		Origin:      origin(f, c.Now()),
		Process:     ancestry(f.Process),
		Env:         shows(f.Process.Env),
		EnvNote:     cutNote(f.Process.EnvTruncated, "The environment was longer than what is kept."),
		Events:      events(f, c.Now()),
		EventMore:   eventsNote(f),
		Seen:        indicators(f.Indicators),
		Reasons:     reasons(f, head.URL, layer),
		Code:        scriptView(f, head.URL, layer, all),
		Layers:      layers(f, head.URL, layer),
		Layer:       layerCode(f, head.URL, layer, all),
		LayerOf:     layerLabel(f, layer),
		Limits:      limits(f.Script),
		Download:    head.URL + "/script",
		Allow:       allowOf(f, rules, c.Now()),
	}
}

// head builds what the tabs share.
func (c *console) head(r *http.Request, f finding.Finding, tab string) findingHead {
	now := c.Now()
	h := findingHead{
		frame: c.frame(r, headingOf(f)+" in "+plain(cmp.Or(f.Workload.PodName, f.Workload.ContainerName, f.Workload.Node)), "findings"),
		URL:   "/findings/" + url.PathEscape(f.Name), Tab: tab,
		Heading:  headingOf(f),
		Severity: severityOf(string(f.Severity)), Active: f.State == finding.Active, State: stateWord(f), OfScript: !aboutSensor(f),
		Sentence: sentence(f), Sightings: plural(max(f.Count, 1), "time"), Last: at(f.EventTime, now),
	}
	if f.Count > 1 {
		h.First = at(f.FirstTime, now)
	}
	return h
}

// percent writes a probability so that one short of certainty never reads as
// certainty.
func percent(p float64) string {
	switch {
	case p > 0.999 && p < 1:
		return "over 99.9%"
	case p < 0.001:
		return "under 0.1%"
	}
	return strconv.FormatFloat(p*100, 'f', 1, 64) + "%"
}

// sentence says what ran, where, and what the model makes of it.
func sentence(f finding.Finding) evidence {
	if aboutSensor(f) {
		return show(f.Health.Summary)
	}
	e := evidence{{Text: title(kindPhrase(f.Script.Kind))}}
	add := func(between, value string) {
		e = append(e, piece{Text: between})
		e = append(e, show(clip(value, 200))...)
	}
	if f.Script.Path != "" {
		add(", ", f.Script.Path)
		e = append(e, piece{Text: ","})
	}
	if by := f.Script.CompiledBy; by.SHA256 != "" {
		add(" by ", cmp.Or(by.Path, kindPhrase(by.Kind)))
		e = append(e, piece{Text: ","})
	}
	ran := " ran"
	if f.Action.What == finding.Killed {
		ran = " was killed before it ran"
	}
	switch w := f.Workload; {
	case w.PodName != "":
		add(ran+" in pod ", w.PodNamespace+"/"+w.PodName)
		add(", container ", cmp.Or(w.ContainerName, short(w.ContainerID)))
	case !w.Host():
		add(ran+" in container ", cmp.Or(w.ContainerName, short(w.ContainerID)))
		add(" on ", w.Node)
	default:
		add(ran+" on the host ", w.Node)
	}
	if f.Script.Kind == finding.Program {
		if len(f.Verdict.Reasons) > 0 {
			add(". ", strings.TrimSuffix(f.Verdict.Reasons[0].Text, "."))
		}
		return append(e, piece{Text: "."})
	}
	add(". The model calls it ", f.Verdict.Label)
	e = append(e, piece{Text: ", with a probability of " + percent(f.Verdict.Score)})
	if len(f.Verdict.Reasons) > 0 {
		add(". The weightiest reason: ", strings.TrimSuffix(f.Verdict.Reasons[0].Text, "."))
	}
	return append(e, piece{Text: "."})
}

// actionOf says what the sensor did at once.
func actionOf(a finding.Action) fact {
	held := "after the process was held for " + a.Held.Round(100*time.Microsecond).String()
	f := fact{Label: "Action"}
	switch a.What {
	case finding.Killed:
		f.Value, f.Note = show("Killed before anything of the script ran"), show(held)
	case finding.Released:
		f.Value, f.Note = show("Released: it was not called malicious"), show(held)
	case finding.TooLate:
		f.Value, f.Note = show("None in time: the process went on, or ended, before the verdict"), show("it had been held for its verdict")
	default:
		f.Value = show(a.What) // of a newer sensor
	}
	return f
}

// short is the beginning of a container id, as runtimes print it, or of a hash.
func short(id string) string { return clip(id, 12) }

// noScript says why a script of that kind has no path.
func noScript(kind string) string {
	switch kind {
	case "c":
		return "Absent: the code was an argument after -c, so there is no file."
	case "stdin":
		return "Absent: the code came in on standard input, so there is no file."
	case "compiled":
		return "Absent: the code was compiled at run time, so there is no file."
	}
	return "The path was not captured."
}

// detected lists what was detected: what an analyst asks first, and the rest.
func detected(f finding.Finding) (inSight, rest []fact) {
	if f.Script.Kind == finding.Program {
		return detectedProgram(f)
	}
	p, s := f.Process, f.Script
	binary := fact{Label: "Program binary", Value: show(p.Exe)}
	if p.Exe == "" {
		binary.Missing = "The interpreter's path was not captured."
	}
	script := fact{Label: "Script", Value: show(s.Path)}
	if s.Path == "" {
		script.Missing = noScript(s.Kind)
	}
	args := fact{Label: "Arguments", List: argViews(p.Args, s), Note: show(cutNote(p.ArgsTruncated, "More arguments were given than are kept."))}
	if len(p.Args) == 0 {
		args.Missing = "No arguments were captured."
	}
	whole := fact{Label: "Script SHA-256", Value: show(s.SHA256), URL: findingsURL("sha256", s.SHA256),
		Note: show("of the whole script as it ran, " + size(s.Size))}
	if s.Lost != "" {
		whole.Note = show("of the bytes that were captured; some are missing: " + s.Lost)
	}
	rest = []fact{digestOf(p)}
	if s.ContentsSHA256 != s.SHA256 {
		rest = append(rest, fact{Label: "Contents SHA-256", Value: show(s.ContentsSHA256),
			Note: show("of the text kept here, after cutting and replacing secrets")})
	}
	if by := s.CompiledBy; by.SHA256 != "" {
		inSight = append(inSight, fact{Label: "Compiled by", Value: show(cmp.Or(by.Path, kindPhrase(by.Kind))), URL: findingsURL("sha256", by.SHA256),
			Note: show("the script that was started, SHA-256 " + by.SHA256 + ", " + size(by.Size))})
	} else if s.Parent != "" && s.Kind == "compiled" {
		rest = append(rest, fact{Label: "Compiled by", Value: show(s.Parent), URL: findingsURL("sha256", s.Parent)})
	} else if s.Parent != "" {
		rest = append(rest, fact{Label: "Imported by", Value: show(s.Parent), URL: findingsURL("sha256", s.Parent)})
	}
	if p.Cwd != "" {
		rest = append(rest, fact{Label: "Working directory", Value: show(p.Cwd)})
	}
	inSight = append([]fact{binary, script, args, whole}, inSight...)
	if f.Action.What != "" {
		inSight = append(inSight, actionOf(f.Action))
	}
	return inSight, append(rest, userOf(p))
}

// argViews shows each argument. The script itself, as an argument of -c, is not
// repeated.
func argViews(args []string, s finding.Script) []evidence {
	var out []evidence
	for i, a := range args {
		if i == 64 {
			return append(out, evidence{{Text: "… " + plural(int64(len(args)-i), "more argument"), Note: true}})
		}
		switch {
		case s.Kind == "c" && len(a) > 80 && a == string(s.Contents):
			out = append(out, evidence{{Text: "the script, shown below", Note: true}})
		case a == "":
			out = append(out, evidence{{Text: "empty", Note: true}})
		default:
			e := marks(clip(a, 400), false)
			if n := len(a) - len(clip(a, 400)); n > 0 {
				e = append(e, piece{Text: "… " + size(int64(n)) + " more", Note: true})
			}
			out = append(out, e)
		}
	}
	return out
}

// findingsURL is the list of findings where a filter has that value.
func findingsURL(filter, value string) string {
	if value == "" {
		return ""
	}
	return "/findings?" + url.Values{filter: {value}}.Encode()
}

// resource lists the affected resource and the workload on it: what an analyst
// asks first, and the rest.
func (c *console) resource(f finding.Finding) (inSight, rest []fact) {
	w := f.Workload
	one := func(label, value, field, filter string) []fact {
		reason := ""
		if why := w.Unresolved[field]; why != "" {
			reason = "Not known: " + plain(why) + "."
		}
		if value == "" && reason == "" {
			return nil
		}
		known := fact{Label: label, Value: show(value), Missing: missing(value, reason)}
		if filter != "" {
			known.URL = findingsURL(filter, value)
		}
		return []fact{known}
	}
	inSight = slices.Concat([]fact{c.fullName(f)}, one("Cluster", w.Cluster, "cluster", ""), one("Node", w.Node, "node", "node"))
	if w.Host() {
		return append(inSight, fact{Label: "Container", Missing: "None: the script ran on the host, outside any container."}), nil
	}
	if w.PodName == "" && w.Unresolved["pod.name"] == "" {
		inSight = append(inSight, fact{Label: "Pod", Missing: "None: the container does not belong to a Kubernetes pod."})
	}
	inSight = slices.Concat(inSight,
		one("Namespace", w.PodNamespace, "pod.namespace", "namespace"),
		one("Pod", w.PodName, "pod.name", "text"),
		ownerFacts(w, one),
		one("Service account", w.ServiceAccount, "pod.service_account", ""),
		contactFacts(w),
		one("Container", w.ContainerName, "container.name", "text"),
		one("Image", w.Image, "container.image", "image"))
	rest = slices.Concat(
		one("Container id", w.ContainerID, "container.id", ""),
		one("Image digest", w.ImageID, "container.image_id", ""),
		one("Runtime", w.Runtime, "container.runtime", ""),
		one("Created", at(w.ContainerCreated, c.Now()).Text, "container.created", ""),
		one("Part in the pod", partWords[w.ContainerKind], "", ""),
		one("Pod UID", w.PodUID, "pod.uid", ""),
		one("Static pod", staticWords(w), "", ""),
		one("Cluster UID", w.ClusterUID, "cluster.uid", ""),
		one("Cloud", cloudWords(w.Cloud), "", ""))
	if len(w.PodLabels) > 0 {
		labels := fact{Label: "Pod labels"}
		for _, k := range slices.Sorted(maps.Keys(w.PodLabels)) {
			if len(labels.List) < 32 {
				labels.List = append(labels.List, show(k+"="+w.PodLabels[k]))
			}
		}
		rest = append(rest, labels)
	}
	return inSight, rest
}

// missing returns reason when there is no value.
func missing(value, reason string) string {
	if value != "" {
		return ""
	}
	return reason
}

// origin answers whether the script was meant to be there.
func origin(f finding.Finding, now time.Time) originView {
	o := f.Script.Origin
	v := originView{Why: show(o.Why), Changed: at(o.Changed, now)}
	switch o.When {
	case "image":
		v.When = "It came with the image"
		v.Advice = "Whoever builds the image put it there, or an earlier stage of the supply chain did. If it is meant to be there, allow it; if not, the image has to be rebuilt."
	case "runtime":
		v.When = "It was written at run time"
		v.Advice = "A container that is never changed while it runs would not have this file. If the change is intended, rebuild the image so that it is not needed; if not, treat the container as compromised."
	case "volume":
		v.When = "It lies on a mounted volume"
		v.Advice = "Find out who may write to that volume: other containers that mount it can run the same script."
	case "memory":
		v.When = "It never was on a disk"
		v.Advice = "Code that runs from memory alone leaves nothing to find later. Few programs have a reason to do so."
	case "argument":
		v.When = "It was given on the command line"
		v.Advice = "Look at the parent process: it, not a file, holds the origin of this code."
	case "stream":
		v.When = "It came through a pipe"
		v.Advice = "Look at the parent process: something wrote this code into the interpreter, perhaps a download."
	default:
		v.When = "It is not known whether the script was meant to be there"
	}
	switch f.Workload.ReadOnlyRoot {
	case "yes":
		v.Root = "The container's root file system is read-only, so the file lies on something mounted."
	case "no":
		v.Root = "The container's root file system can be written to. Making it read-only would prevent scripts from being added."
	}
	return v
}

// ancestry lists the process and its parents, the oldest first.
func ancestry(p finding.Process) []processView {
	view := func(p finding.Process, self bool) processView {
		v := processView{Exe: show(cmp.Or(p.Exe, p.Comm)), PID: strconv.Itoa(p.PID), Args: argViews(p.Args, finding.Script{}), Self: self}
		if p.Exe != "" && !strings.HasPrefix(path.Base(p.Exe), p.Comm) {
			v.About = "named " + plain(p.Comm)
		}
		return v
	}
	out := []processView{view(p, true)}
	for _, parent := range p.Parents[:min(len(p.Parents), finding.MaxParents)] {
		out = append(out, view(parent, false))
	}
	slices.Reverse(out)
	return out
}

// indicatorLabels are the headings of the kinds of indicators.
var indicatorLabels = map[finding.Kind]string{
	finding.URL: "URLs", finding.IP: "Addresses", finding.Port: "Ports", finding.Domain: "Domains", finding.Email: "E-mail addresses",
	finding.Wallet: "Wallets", finding.Service: "Accounts", finding.Command: "Commands", finding.Path: "Files", finding.Registry: "Registry keys",
}

// indicators lists what was seen in the code by kind, in a form that no program
// makes a link of. What stands within a URL or a port is not repeated.
func indicators(in finding.Indicators) []fact {
	var facts []fact
	for _, kind := range finding.Kinds {
		var values []string
		for _, value := range in.Of(kind)[:min(len(in.Of(kind)), finding.MaxIndicators)] {
			within := func(longer string) bool { return strings.Contains(longer, value) }
			if (kind == finding.IP || kind == finding.Domain) && (slices.ContainsFunc(in.URLs, within) || slices.ContainsFunc(in.Ports, within)) {
				continue
			}
			values = append(values, finding.Indicator{Kind: kind, Value: value}.Defanged())
		}
		if len(values) > 0 {
			facts = append(facts, fact{Label: indicatorLabels[kind], List: shows(values)})
		}
	}
	return facts
}

func shows(values []string) []evidence {
	out := make([]evidence, 0, min(len(values), 256))
	for i, v := range values {
		if i == 256 {
			return append(out, evidence{{Text: fmt.Sprintf("… %d more", len(values)-i), Note: true}})
		}
		out = append(out, show(v))
	}
	return out
}

func cutNote(cut bool, note string) string {
	if cut {
		return note
	}
	return ""
}
