package console

import (
	"fmt"
	"strings"

	"kingsnake/finding"
	"kingsnake/finding/scc"
)

// stepRespond lists what can be done, mildest first.
func (c *console) stepRespond(f finding.Finding, base string) step {
	s := step{ID: "respond", Title: "Respond",
		Intro: "Each of these may disturb what the workload is for. Weigh what you found before you choose. Nothing here is done by the console: the commands are for you to run."}
	s.Responses = append(s.Responses, response{
		Title: "It is intended: rebuild the image, or allow the script",
		Text:  "If Python makes a change that is meant to be made, build it into the image, so that the container never has to change while it runs. Until then, this exact script can be allowed here or everywhere, and that can be undone.",
		Link:  link{Text: "Benign: do not report this again", URL: base + "#decision"},
	}, response{
		Title: "It is not: tell the owner",
		Text:  "Whoever owns " + owner(f) + " knows what it is for, and has to know that it may be compromised." + contactWords(f),
	})
	if f.Workload.Host() {
		s.Responses = append(s.Responses, hostResponses(f)...)
	} else if inKubernetes(f) {
		s.Responses = append(s.Responses, podResponses(f)...)
	} else {
		s.Responses = append(s.Responses, containerResponses(f)...)
	}
	s.Responses = append(s.Responses, response{
		Title: "Afterwards: replace what it could read",
		Text:  "Take every password, key and token that the workload could read as known to the attacker: its environment, its mounted secrets, its service account, and the machine's cloud identity.",
	})
	return s
}

// contactWords are the contacts of a workload as a sentence.
func contactWords(f finding.Finding) string {
	var list []string
	for _, c := range f.Workload.Contacts[:min(len(f.Workload.Contacts), finding.MaxContacts)] {
		list = append(list, plain(clip(c.Value, 100)))
	}
	if len(list) == 0 {
		return ""
	}
	return " Its annotations name: " + strings.Join(list, ", ") + "."
}

// owner says whom to ask about a workload.
func owner(f finding.Finding) string {
	w := f.Workload
	switch {
	case w.OwnerName != "":
		return plain(clip(w.OwnerKind+" "+w.OwnerName+" in namespace "+w.PodNamespace, 200))
	case inKubernetes(f):
		return plain(clip("namespace "+w.PodNamespace, 200))
	case !w.Host():
		return plain(clip("the image "+w.Image, 200))
	default:
		return plain(clip("the machine "+w.Node, 200))
	}
}

// line makes a command of a format and names. Names of machines, pods and
// containers need no quoting; a value that is not such a name gives no command.
func line(label, format string, names ...string) command {
	values := make([]any, len(names))
	for i, n := range names {
		if !isName(n) {
			return command{Label: label, Missing: "Not possible here: a name it needs is not known or not a plain name."}
		}
		values[i] = n
	}
	return commandOf(scc.Command{Name: label, Line: fmt.Sprintf(format, values...)})
}

// isName reports whether s can be the name of a machine, pod or container.
func isName(s string) bool {
	if s == "" || len(s) > 253 || s[0] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// procCommand looks at a process without a shell in its container.
func procCommand(pid int) scc.Command {
	return scc.Command{Name: "Look at the process from the node, while its number is not given to another",
		Line: fmt.Sprintf("ls -l /proc/%d/exe /proc/%d/cwd /proc/%d/fd; cat /proc/%d/net/tcp", pid, pid, pid, pid)}
}

// podResponses contain and then replace a pod.
func podResponses(f finding.Finding) []response {
	w := f.Workload
	return []response{{
		Title:   "Cut the pod off the network",
		Text:    "A network policy that selects the pod by a label and allows nothing keeps the evidence and stops the damage. Remove the label to undo it.",
		Warning: "The workload stops serving. It works only where the cluster's network enforces policies, and connections that are open already may stay open.",
		Commands: []command{
			line("Label the pod", "kubectl label pod --namespace=%s %s kingsnake-quarantine=yes", w.PodNamespace, w.PodName),
			line("Deny all traffic of pods with that label", `kubectl apply --namespace=%s -f - <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: kingsnake-quarantine
spec:
  podSelector:
    matchLabels:
      kingsnake-quarantine: "yes"
  policyTypes: [Ingress, Egress]
END`, w.PodNamespace),
		},
	}, {
		Title:    "Keep new pods off the node",
		Text:     "If the script may have left its container, let nothing new start on this node while you look. “kubectl uncordon” undoes it.",
		Warning:  "What runs there goes on running, the attacker's processes included. The cluster has one node less for new pods.",
		Commands: []command{line("Cordon the node", "kubectl cordon %s", w.Node)},
	}, {
		Title:    "Stop the container and replace it",
		Text:     "Delete the pod: its controller starts a new one from the image. If the image itself holds the script, the new one is just as compromised: rebuild the image first.",
		Warning:  "The pod's files, memory and logs are gone for good, and a pod without a controller does not come back. Save the evidence first.",
		Commands: []command{line("Delete the pod", "kubectl delete pod --namespace=%s %s", w.PodNamespace, w.PodName)},
	}}
}

// containerResponses stop a container that belongs to no pod.
func containerResponses(f finding.Finding) []response {
	tool := "crictl"
	if r := f.Workload.Runtime; r == "docker" || r == "podman" {
		tool = r
	}
	return []response{{
		Title:    "Stop the container and replace it",
		Text:     "Start a new one from an image you trust afterwards.",
		Warning:  "What the container does for others stops, and its memory is gone for good. Save the evidence first.",
		Commands: []command{line("Stop the container", tool+" stop %s", f.Workload.ContainerID)},
	}}
}

// hostResponses stop a process on a host.
func hostResponses(f finding.Finding) []response {
	pause := command{Label: "Pause the process", Missing: "Not possible here: the process number is not known."}
	end := command{Label: "End the process", Missing: pause.Missing}
	if pid := f.Process.PID; pid > 0 {
		pause = commandOf(scc.Command{Name: pause.Label, Line: fmt.Sprintf("kill -STOP %d", pid)})
		end = commandOf(scc.Command{Name: end.Label, Line: fmt.Sprintf("kill -KILL %d", pid)})
	}
	return []response{{
		Title:    "Pause the process",
		Text:     "A paused process keeps its memory and open files for you to look at. “kill -CONT” undoes it.",
		Warning:  "Make sure that the number still belongs to the same process: compare its start time and its program with the Summary tab.",
		Commands: []command{pause},
	}, {
		Title:    "End the process",
		Text:     "Then remove what starts it: look for timers, cron entries, services and shell start-up files.",
		Warning:  "Its memory is gone for good, and others may have been started by it already.",
		Commands: []command{end},
	}}
}
