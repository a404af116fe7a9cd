package console

import (
	"strings"

	"kingsnake/finding"
)

// ownerFacts are the owner that people know, and the objects between it and the
// pod, or above it.
func ownerFacts(w finding.Workload, one func(label, value, field, filter string) []fact) []fact {
	facts := one("Owner", strings.TrimSpace(w.OwnerKind+" "+w.OwnerName), "owner.name", "")
	if w.OwnerInferred && len(facts) == 1 {
		facts[0].Note = evidence{{Text: "By the pod's own labels: the Kubernetes API did not say."}}
	}
	if len(w.Owners) > 1 {
		chain := fact{Label: "Chain of owners"}
		for _, o := range w.Owners[:min(len(w.Owners), finding.MaxOwners)] {
			chain.List = append(chain.List, show(o.Kind+" "+o.Name))
		}
		facts = append(facts, chain)
	}
	return facts
}

// contactFacts are whom to ask, and which annotation says so.
func contactFacts(w finding.Workload) []fact {
	if len(w.Contacts) == 0 {
		return nil
	}
	contacts := fact{Label: "Contacts"}
	for _, c := range w.Contacts[:min(len(w.Contacts), finding.MaxContacts)] {
		contacts.List = append(contacts.List, append(show(c.Value), piece{Text: " (annotation " + plain(c.Key) + " of its " + plain(c.Of) + ")", Note: true}))
	}
	return []fact{contacts}
}

// partWords says what part a container plays in its pod.
var partWords = map[string]string{
	"init":      "init container: it runs before the others",
	"sidecar":   "sidecar: it runs beside the others from before they start",
	"ephemeral": "ephemeral container: somebody added it to the running pod to debug",
}

func staticWords(w finding.Workload) string {
	if !w.StaticPod {
		return ""
	}
	return "yes: the node's kubelet made it from a file, not through the API"
}

// cloudWords says what a cloud calls the node.
func cloudWords(c finding.Cloud) string {
	var words []string
	for _, part := range []struct{ label, value string }{
		{"", c.Provider}, {"project ", c.Project}, {"zone ", c.Zone}, {"instance ", c.InstanceID}, {"cluster in ", c.Location},
	} {
		if part.value != "" {
			words = append(words, part.label+part.value)
		}
	}
	return strings.Join(words, ", ")
}
