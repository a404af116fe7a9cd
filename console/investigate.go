package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"kingsnake/finding"
	"kingsnake/finding/scc"
	"kingsnake/store"
)

// investigatePage is the Investigate tab of a finding: the steps from finding
// to response, with this finding's values in place.
type investigatePage struct {
	findingHead
	Steps []step
}

// step is one step of the investigation. Empty parts are not shown; what cannot
// be known is said in Gaps.
type step struct {
	Number      int
	ID          string
	Title       string
	Intro       string
	Gaps        []string
	Facts       []fact
	Commands    []command
	Related     []rowView
	RelatedNote string
	Links       []link
	Responses   []response
}

// command is text to copy: a line for a shell, or a query.
type command struct {
	Label   string
	Text    string
	Shown   evidence // Text, safe to look at
	Missing string   // why there is no text
	Note    string
}

// response is something that can be done about a finding.
type response struct {
	Title    string
	Text     string
	Warning  string
	Commands []command
	Link     link
}

// around is how long before and after a finding others are related to it.
const around = 15 * time.Minute

// investigate serves the Investigate tab.
func (c *console) investigate(w http.ResponseWriter, r *http.Request) {
	f, err := c.Store.Get(r.Context(), r.PathValue("name"))
	if err != nil {
		c.failed(w, r, "read the finding", err)
		return
	}
	if aboutSensor(f) { // there is no script to investigate
		http.Redirect(w, r, "/findings/"+url.PathEscape(f.Name), http.StatusSeeOther)
		return
	}
	related, more, err := c.related(r.Context(), f)
	if err != nil {
		c.failed(w, r, "list related findings", err)
		return
	}
	head := c.head(r, f, "investigate")
	c.render(w, r, http.StatusOK, "investigate", investigatePage{findingHead: head, Steps: c.steps(f, head.URL, related, more)})
}

// related lists the findings of the same container, or the same host, at a
// similar time; more is set when there may be some beyond those looked at.
func (c *console) related(ctx context.Context, f finding.Finding) (rows []rowView, more bool, err error) {
	const look, show = 500, 12
	list, err := c.Store.List(ctx, store.Query{
		Node: f.Workload.Node, Namespace: f.Workload.PodNamespace, Limit: look,
		Since: f.EventTime.Add(-around), Until: f.EventTime.Add(around),
	})
	if err != nil {
		return nil, false, err
	}
	for _, other := range list.Findings {
		if other.Name == f.Name || other.Workload.ContainerID != f.Workload.ContainerID {
			continue
		}
		if len(rows) == show {
			return rows, true, nil
		}
		rows = append(rows, rowOf(other, c.Now()))
	}
	return rows, list.Next != "", nil
}

// steps are the seven steps for this finding.
func (c *console) steps(f finding.Finding, base string, related []rowView, more bool) []step {
	links := scc.LinksOf(f, c.SCC)
	steps := []step{
		c.stepFinding(f, base, related, more),
		c.stepNode(f, links),
		c.stepPod(f, links),
		c.stepLogs(f, links),
		c.stepContainer(f, links),
		stepResearch(f, links),
		c.stepRespond(f, base),
	}
	for i := range steps {
		steps[i].Number = i + 1
	}
	return steps
}

// commandsOf prepares the commands of one step.
func commandsOf(l scc.Links, number int) []command {
	var out []command
	for _, c := range l.Commands {
		if c.Step == number {
			out = append(out, commandOf(c))
		}
	}
	return out
}

func commandOf(c scc.Command) command {
	if c.Line == "" {
		return command{Label: c.Name, Missing: "Not possible here: " + plain(c.Missing) + "."}
	}
	return command{Label: c.Name, Text: c.Line, Shown: block(c.Line)}
}

// block shows text of several lines.
func block(s string) evidence {
	var e evidence
	for line := range strings.Lines(s) {
		cut, ended := strings.CutSuffix(line, "\n")
		e = append(e, marks(cut, true)...)
		if ended {
			e = append(e, piece{Text: "\n"})
		}
	}
	return e
}

func (c *console) stepFinding(f finding.Finding, base string, related []rowView, more bool) step {
	s := step{ID: "details", Title: "Check the finding's details",
		Intro: "Make sure what ran, as whom and on what, and note the values that the next steps use.",
	}
	s.Facts, _ = detected(f)
	s.Facts = append(s.Facts, c.fullName(f))
	if f.Script.Kind != finding.Program {
		s.Facts = append(s.Facts,
			fact{Label: "script.contents", Value: show(size(int64(len(f.Script.Contents)))), Note: show(contentsNote(f.Script))},
			fact{Label: "script.sha256", Value: show(f.Script.ContentsSHA256), Note: show("of script.contents")})
	}
	s.Facts = append(s.Facts,
		known("project_display_name", c.SCC.Project, "Not known: no Google Cloud project is configured."),
		named("Pod_Namespace", f.Workload.PodNamespace, f, "pod.namespace"),
		named("Pod_Name", f.Workload.PodName, f, "pod.name"),
		named("Container_Name", f.Workload.ContainerName, f, "container.name"),
		named("Container_Image_Uri", f.Workload.Image, f, "container.image"),
		named("VM_Instance_Name", f.Workload.Node, f, "node"),
	)
	s.Links = []link{{Text: "Summary", URL: base}, {Text: "JSON", URL: base + "/json"}}
	where := "this container"
	if f.Workload.Host() {
		where = "this host"
	}
	s.Related = related
	switch {
	case len(related) == 0:
		s.RelatedNote = "No other finding of " + where + " within 15 minutes of this one."
	case more:
		s.RelatedNote = "Other findings of " + where + " within 15 minutes of this one; there are more than are listed."
	default:
		s.RelatedNote = "Other findings of " + where + " within 15 minutes of this one."
	}
	return s
}

func contentsNote(s finding.Script) string {
	if s.Truncated {
		return "the beginning of the script, which has " + size(s.Size)
	}
	return "the whole script"
}

// named is a value of the workload under SCC's name for it, or why it is empty.
func named(label, value string, f finding.Finding, field string) fact {
	missing := "Does not apply: the script ran on the host, outside any container."
	switch why := f.Workload.Unresolved[field]; {
	case why != "":
		missing = "Not known: " + plain(why) + "."
	case strings.HasPrefix(field, "pod.") && !f.Workload.Host():
		missing = "Does not apply: the container does not belong to a Kubernetes pod."
	case !f.Workload.Host() || field == "node":
		missing = "Not known."
	}
	return known(label, value, missing)
}

// inKubernetes reports whether the workload is a pod.
func inKubernetes(f finding.Finding) bool { return f.Workload.PodName != "" || f.Workload.PodUID != "" }

const notKubernetes = "This workload does not run on Kubernetes, so there is no cluster to look at. "

func (c *console) stepNode(f finding.Finding, l scc.Links) step {
	s := step{ID: "node", Title: "Look at the cluster and the node", Commands: commandsOf(l, 2)}
	s.Facts = []fact{named("Node", f.Workload.Node, f, "node")}
	if !inKubernetes(f) {
		s.Gaps = []string{notKubernetes + "Look at the machine itself: who owns it, what it is for, and who signed in to it lately."}
		return s
	}
	s.Intro = "Note who owns the cluster, what the node is for, and the node's instance id."
	cluster := known("Cluster", f.Workload.Cluster, "Not known: no cluster name is configured.")
	if f.Workload.Cluster == "" && c.SCC.Cluster != "" {
		cluster = known("Cluster", c.SCC.Cluster, "")
	}
	s.Facts = append([]fact{cluster}, s.Facts...)
	s.Facts = append(s.Facts, known("Instance id", c.SCC.InstanceID(f), "Not known here: the command below reads it on Google Kubernetes Engine."))
	s.Links = outside(first(l.Cloud, 1))
	return s
}

func (c *console) stepPod(f finding.Finding, l scc.Links) step {
	s := step{ID: "pod", Title: "Look at the pod", Commands: commandsOf(l, 3)}
	if f.Workload.Host() {
		s.Gaps = []string{"The script ran on the host, outside any container, so there is no pod. Look at the parent processes on the Summary tab: they say which service or person started it."}
		return s
	}
	if !inKubernetes(f) {
		s.Gaps = []string{notKubernetes + "Look at the container instead."}
		s.Facts = []fact{named("Container", f.Workload.ContainerName, f, "container.name"), named("Image", f.Workload.Image, f, "container.image")}
		return s
	}
	s.Intro = "Note the pod's owner and its labels, its service account and what that may do, and what it mounts."
	s.Facts = []fact{
		named("Namespace", f.Workload.PodNamespace, f, "pod.namespace"), named("Pod", f.Workload.PodName, f, "pod.name"),
		named("Owner", strings.TrimSpace(f.Workload.OwnerKind+" "+f.Workload.OwnerName), f, "owner.name"),
		named("Service account", f.Workload.ServiceAccount, f, "pod.service_account"),
	}
	if len(l.Cloud) > 1 {
		s.Links = outside(l.Cloud[1:2])
	}
	return s
}

func (c *console) stepLogs(f finding.Finding, l scc.Links) step {
	s := step{ID: "logs", Title: "Read the logs",
		Intro:    "Look at the time around " + f.EventTime.UTC().Format("2006-01-02 15:04:05 UTC") + ": what the container wrote, who used the Kubernetes API on this pod (exec, attach, create), and what the node's console says.",
		Commands: commandsOf(l, 4)}
	if !inKubernetes(f) {
		s.Intro = "Look at the time around " + f.EventTime.UTC().Format("2006-01-02 15:04:05 UTC") + "."
		from, to := f.EventTime.Add(-around).UTC(), f.EventTime.Add(around).UTC()
		s.Commands = append(s.Commands, commandOf(scc.Command{Name: "Read the machine's log",
			Line: "journalctl --utc --since='" + from.Format(time.DateTime) + "' --until='" + to.Format(time.DateTime) + "'"}))
	}
	for _, q := range l.Filters {
		cmd := command{Label: "Cloud Logging: " + q.Name, Text: q.String(), Shown: block(q.String())}
		if len(q.Missing) > 0 {
			cmd.Note = "Not known here, put them in: " + strings.Join(q.Missing, ", ") + "."
			if !inKubernetes(f) {
				cmd.Note = "For Google Kubernetes Engine only. " + cmd.Note
			}
		}
		s.Commands = append(s.Commands, cmd)
		if q.URL != "" {
			s.Links = append(s.Links, link{Text: "Open in the Logs Explorer: " + q.Name, URL: q.URL, Outside: true})
		}
	}
	return s
}

func (c *console) stepContainer(f finding.Finding, l scc.Links) step {
	s := step{ID: "container", Title: "Look into the running container",
		Intro:    "Only if it still runs. What you type there changes the container's state and may be seen by an attacker: save evidence first.",
		Commands: commandsOf(l, 5)}
	if f.Workload.Host() {
		s.Title, s.Intro = "Look at the running process", "Only if it still runs. Save evidence before you touch it."
		return s
	}
	for i := range s.Commands {
		if strings.HasSuffix(s.Commands[i].Text, "/bin/sh") {
			s.Commands[i].Note = "The container must have a shell at /bin/sh. Many small images have none: then look from the node, as below."
		}
	}
	if pid := f.Process.PID; pid > 0 && inKubernetes(f) {
		s.Commands = append(s.Commands, commandOf(procCommand(pid)))
		s.Commands[len(s.Commands)-1].Note = "Run it on node " + plain(f.Workload.Node) + ". Needs no shell in the container."
	}
	return s
}

func stepResearch(f finding.Finding, l scc.Links) step {
	return step{ID: "research", Title: "Research the attack",
		Intro: "What the technique is for, how it is countered, and whether others have seen these files. VirusTotal gets a hash and nothing else. Then put what you know together into a plan.",
		Links: append(outside(l.ATTACK), virusTotal(f, l)...)}
}

// first returns at most n of list.
func first[T any](list []T, n int) []T { return list[:min(n, len(list))] }
