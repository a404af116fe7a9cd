package scc

import (
	"fmt"
	"strings"

	"kingsnake/finding"
)

// description says in two sentences what the finding is.
func description(f finding.Finding) string {
	switch f.Category {
	case finding.AddedBinary:
		return "A binary that was not part of the container's image was executed. " +
			"When an added binary is executed, an attacker may have control of the workload."
	case finding.FilelessExecution:
		return "A program was executed out of an in-memory file. " +
			"An attacker does that to leave no file behind that could be found."
	case finding.ReverseShell:
		return "A shell or interpreter was started with its standard input on a network connection. " +
			"With a reverse shell, an attacker gives commands to a workload from another machine."
	case finding.UnexpectedChildShell:
		return "A Python program started a shell, which the Python programs there do not do otherwise. " +
			"An attacker who has control of a program may start a shell from it."
	}
	judged := "malicious"
	if f.Verdict.Label == "suspicious" {
		judged = "suspicious"
	}
	return "A machine-learning model judged Python code that ran here to be " + judged + ". " +
		"With Python, an attacker can bring in tools and run commands without leaving a binary behind."
}

// nextSteps is the runbook in short, with this finding's names in it.
func nextSteps(f finding.Finding, cfg Config) string {
	w := f.Workload
	where := fmt.Sprintf("on host %q", text(w.Node))
	if !w.Host() {
		where = fmt.Sprintf("in container %q", text(w.ContainerName))
	}
	var b strings.Builder
	step := 0
	say := func(format string, args ...any) {
		step++
		fmt.Fprintf(&b, "%d. "+format+"\n", append([]any{step}, args...)...)
	}
	say("Review the finding: the program binary, the script and its arguments, and what else was found %s at about the same time.", where)
	if w.PodName == "" {
		say("Check the machine %q and who owns it.", text(w.Node))
		say("There is no pod to check: the script did not run in one, or its name is not known.")
		say("Read the machine's logs around the time of the finding.")
	} else {
		say("Check the cluster and its node %q, and who owns them.", text(w.Node))
		say("Check the pod %q in namespace %q and who owns it.", text(w.PodName), text(w.PodNamespace))
		say("Read the pod's logs, the cluster's audit log and the node's log around the time of the finding.")
	}
	if line := KubectlExec(f).Line; line != "" {
		say("If the container still runs, look inside: %s", line)
	} else {
		say("If the process still runs, look at its files and connections.")
	}
	say("Compare with ATT&CK (%s) and look the hashes up on VirusTotal.", techniqueList(f))
	say("Respond: if the script was intended, build it into the image or allow it; if not, tell the owner, then stop the workload and replace it.")
	if uri := cfg.console(f.Name); uri != "" {
		fmt.Fprintf(&b, "All of this with live values: %s\n", uri)
	}
	return strings.TrimRight(b.String(), "\n")
}

func techniqueList(f finding.Finding) string {
	var names []string
	for _, l := range attackLinks(f) {
		id, _, _ := strings.Cut(l.Name, " ")
		names = append(names, id)
	}
	return strings.Join(names, ", ")
}
