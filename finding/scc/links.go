package scc

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"kingsnake/finding"
)

// Links are the related links and ready commands of a finding: what SCC's
// runbook asks an analyst to open and to run, with this finding's values in
// place. Nothing here has been opened or run, and hostile values are quoted for
// where they stand.
type Links struct {
	VirusTotal []Link // by hash only; empty when no whole file's hash is known
	ATTACK     []Link // pages of MITRE ATT&CK
	Cloud      []Link // pages of the Google Cloud console; empty when the project is not known
	Filters    []Filter
	Commands   []Command // in the order of the runbook's steps
}

// Link is an address to open. URL is always an https address built here.
type Link struct {
	Name string
	URL  string
}

// Filter is a query for Cloud Logging, one condition a line; all must hold.
type Filter struct {
	Name  string
	Lines []string
	// URL opens the query in the Logs Explorer; "" when a value is missing.
	URL string
	// Missing names the values that are not known; their places read "unknown".
	Missing []string
}

// String returns the query as one text.
func (q Filter) String() string { return strings.Join(q.Lines, "\n") }

// Command is a line for a POSIX shell, ready to copy.
type Command struct {
	Step    int // of the runbook, 1 to 7
	Name    string
	Line    string // "" when it cannot be given
	Missing string // why Line is "", in words
}

// LinksOf returns the links and commands of a finding.
func LinksOf(f finding.Finding, cfg Config) Links {
	cfg = cfg.at(f)
	return Links{
		VirusTotal: virusTotal(f), ATTACK: attackLinks(f), Cloud: cloudPages(cfg),
		Filters: Filters(f, cfg), Commands: commands(f, cfg),
	}
}

// virusTotal links the hashes of the whole script and of the interpreter. The
// hash of a prefix would match nothing, and is not offered.
func virusTotal(f finding.Finding) []Link {
	const page = "https://www.virustotal.com/gui/file/"
	var out []Link
	if s := f.Script; s.Kind != finding.Program && isHash(s.SHA256) && s.Lost == "" && s.Size <= maxHashed {
		out = append(out, Link{Name: "VirusTotal: the script", URL: page + s.SHA256})
	}
	if isHash(f.Process.ExeSHA256) {
		out = append(out, Link{Name: "VirusTotal: the program binary", URL: page + f.Process.ExeSHA256})
	}
	return out
}

func cloudPages(cfg Config) []Link {
	if cfg.Project == "" {
		return nil
	}
	q := "?project=" + url.QueryEscape(cfg.Project)
	const console = "https://console.cloud.google.com/"
	return []Link{
		{Name: "Kubernetes clusters", URL: console + "kubernetes/list" + q},
		{Name: "Kubernetes workloads", URL: console + "kubernetes/workload" + q},
		{Name: "Logs Explorer", URL: console + "logs/query" + q},
	}
}

// query collects the lines of one filter.
type query struct {
	Filter
	cfg Config
}

// eq adds the condition field = value. Values are quoted by the rules of the
// Logging query language, whose strings know the escapes of Go's.
func (q *query) eq(field, value, what string) {
	q.Lines = append(q.Lines, field+"="+strconv.Quote(q.need(value, what)))
}

// need returns value, or notes that it is missing.
func (q *query) need(value, what string) string {
	if value == "" {
		q.Missing = append(q.Missing, what)
		return Unknown
	}
	return value
}

func (q *query) done() Filter {
	if len(q.Missing) == 0 && q.cfg.Project != "" {
		text := strings.ReplaceAll(url.QueryEscape(q.String()), "+", "%20")
		q.URL = "https://console.cloud.google.com/logs/query;query=" + text + "?project=" + url.QueryEscape(q.cfg.Project)
	}
	return q.Filter
}

// Filters returns the three Cloud Logging queries of the runbook: the pod's
// logs, the cluster's audit log, and the node's console.
func Filters(f finding.Finding, cfg Config) []Filter {
	cfg = cfg.at(f)
	w, cluster := f.Workload, clusterOf(f, cfg)
	pod := query{Filter: Filter{Name: "Pod logs"}, cfg: cfg}
	pod.eq("resource.type", "k8s_container", "")
	pod.eq("resource.labels.project_id", cfg.Project, "project")
	pod.eq("resource.labels.location", cfg.Location, "location")
	pod.eq("resource.labels.cluster_name", cluster, "cluster name")
	pod.eq("resource.labels.namespace_name", w.PodNamespace, "pod namespace")
	pod.eq("resource.labels.pod_name", w.PodName, "pod name")

	audit := query{Filter: Filter{Name: "Cluster audit logs"}, cfg: cfg}
	project := cfg.Project
	if project == "" {
		project = Unknown // counted once, below
	}
	audit.eq("logName", "projects/"+project+"/logs/cloudaudit.googleapis.com%2Factivity", "")
	audit.eq("resource.type", "k8s_cluster", "")
	audit.eq("resource.labels.project_id", cfg.Project, "project")
	audit.eq("resource.labels.location", cfg.Location, "location")
	audit.eq("resource.labels.cluster_name", cluster, "cluster name")
	audit.Lines = append(audit.Lines, strconv.Quote(audit.need(w.PodName, "pod name")))

	node := query{Filter: Filter{Name: "Node console logs"}, cfg: cfg}
	node.eq("resource.type", "gce_instance", "")
	node.eq("resource.labels.instance_id", cfg.InstanceIDs[w.Node], "instance id")
	return []Filter{pod.done(), audit.done(), node.done()}
}

// KubectlExec is the command that opens a shell in the finding's container. It
// needs a shell at /bin/sh there.
func KubectlExec(f finding.Finding) Command {
	w := f.Workload
	return shell(5, "Open a shell in the container", "kubectl exec --namespace=%s -ti %s -c %s -- /bin/sh",
		arg{w.PodNamespace, "pod namespace"}, arg{w.PodName, "pod name"}, arg{w.ContainerName, "container name"})
}

// arg is a value for a command line, and what it is.
type arg struct{ value, what string }

// shell fills the %s of format with quoted values. A missing value, or one that
// would read as an option, gives a Command without a line.
func shell(step int, name, format string, args ...arg) Command {
	c := Command{Step: step, Name: name}
	quoted := make([]any, len(args))
	for i, a := range args {
		switch {
		case a.value == "":
			c.Missing = "the " + a.what + " is not known"
			return c
		case strings.HasPrefix(a.value, "-"):
			c.Missing = "the " + a.what + " would be read as an option"
			return c
		}
		quoted[i] = quote(a.value)
	}
	c.Line = fmt.Sprintf(format, quoted...)
	return c
}

// quote makes s one word of a shell's command line. Text with characters that
// cannot be seen, or that a terminal would act upon when pasted, is written with
// escapes in $'…', which POSIX has since 2024 and bash and zsh always had.
func quote(s string) string {
	plain, printable := s != "", true
	for _, r := range s {
		plain = plain && (r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune("._/:@%+,-", r))
		printable = printable && r != unicode.ReplacementChar && unicode.IsPrint(r)
	}
	switch {
	case plain:
		return s
	case printable:
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// commands are the commands of the runbook that apply to a finding.
func commands(f finding.Finding, cfg Config) []Command {
	w := f.Workload
	if w.PodName == "" && w.PodUID == "" {
		return machineCommands(f)
	}
	node, ns, pod := arg{w.Node, "node name"}, arg{w.PodNamespace, "pod namespace"}, arg{w.PodName, "pod name"}
	container := arg{w.ContainerName, "container name"}
	since := arg{f.EventTime.Add(-15 * time.Minute).UTC().Format(time.RFC3339), "time"}
	out := []Command{
		shell(2, "Connect to the cluster", "gcloud container clusters get-credentials %s --location=%s --project=%s",
			arg{clusterOf(f, cfg), "cluster name"}, arg{cfg.Location, "location"}, arg{cfg.Project, "project"}),
		shell(2, "Look at the node", "kubectl get node %s -o yaml", node),
		shell(2, "Read the node's instance id", `kubectl get node %s -o jsonpath='{.metadata.annotations.container\.googleapis\.com/instance_id}'`, node),
		shell(3, "Look at the pod", "kubectl get pod --namespace=%s %s -o yaml", ns, pod),
	}
	if w.OwnerName != "" {
		out = append(out, shell(3, "Look at its owner", "kubectl get --namespace=%s %s %s -o yaml", ns,
			arg{strings.ToLower(w.OwnerKind), "owner kind"}, arg{w.OwnerName, "owner name"}))
	}
	return append(out,
		shell(4, "Read the container's log", "kubectl logs --namespace=%s %s -c %s --timestamps --since-time=%s", ns, pod, container, since),
		shell(4, "Read the log of its run before", "kubectl logs --namespace=%s %s -c %s --timestamps --previous", ns, pod, container),
		shell(4, "List what happened to the pod", "kubectl get events --namespace=%s --field-selector=involvedObject.name=%s", ns, pod),
		KubectlExec(f),
		shell(7, "Keep new pods off the node", "kubectl cordon %s", node),
		shell(7, "Delete the pod, its evidence with it", "kubectl delete pod --namespace=%s %s", ns, pod),
	)
}

// machineCommands are for a script that ran outside Kubernetes.
func machineCommands(f finding.Finding) []Command {
	w, pid := f.Workload, f.Process.PID
	var out []Command
	if id := (arg{w.ContainerID, "container id"}); !w.Host() {
		switch runtime := path.Base(w.Runtime); runtime {
		case "docker", "podman":
			out = append(out,
				shell(3, "Look at the container", runtime+" inspect %s", id),
				shell(4, "Read the container's log", runtime+" logs --timestamps %s", id),
				shell(5, "Open a shell in the container", runtime+" exec -ti %s /bin/sh", id))
		default:
			out = append(out,
				shell(3, "Look at the container", "crictl inspect %s", id),
				shell(4, "Read the container's log", "crictl logs --timestamps %s", id),
				shell(5, "Open a shell in the container", "crictl exec -ti %s /bin/sh", id))
		}
	}
	process := Command{Step: 5, Name: "Look at the process, while its number is not given to another"}
	if pid > 0 {
		process.Line = fmt.Sprintf("ls -l /proc/%d/exe /proc/%d/cwd /proc/%d/fd", pid, pid, pid)
	} else {
		process.Missing = "the process number is not known"
	}
	return append(out, process)
}
