package console

import (
	"strings"

	"kingsnake/finding"
	"kingsnake/finding/scc"
)

// fullName is the affected resource's full name.
func (c *console) fullName(f finding.Finding) fact {
	return fact{Label: "Resource full name", Value: show(scc.Resource(f, c.SCC).GetName())}
}

// outside prepares links that lead out of the console.
func outside(links []scc.Link) []link {
	var out []link
	for _, l := range links {
		text := plain(l.Name)
		if id, _, _ := strings.Cut(l.Name, " "); isTechnique(id) && techniqueNames[id] != "" {
			text = id + " " + techniqueNames[id] // as ATT&CK itself writes it
		}
		out = append(out, link{Text: text, URL: l.URL, Outside: true})
	}
	return out
}

// relatedLinks are the VirusTotal indicator, ATT&CK, and other findings of the
// same script.
func relatedLinks(f finding.Finding, l scc.Links) []link {
	out := append(virusTotal(f, l), outside(l.ATTACK)...)
	if f.Script.Kind == finding.Program {
		return append(out, link{Text: "Findings of this same program", URL: findingsURL("sha256", f.Script.SHA256)})
	}
	return append(out, link{Text: "Findings of this same script", URL: findingsURL("sha256", f.Script.SHA256)})
}

// virusTotal links the hashes, and says why one is not there to look up.
func virusTotal(f finding.Finding, l scc.Links) []link {
	out := outside(l.VirusTotal)
	if len(out) > 0 {
		out[0].Note = "Opening it sends the hash, and nothing else, to virustotal.com."
	}
	script, binary := false, false
	for _, v := range l.VirusTotal {
		script = script || v.URL[len(v.URL)-min(64, len(v.URL)):] == f.Script.SHA256
		binary = binary || v.URL[len(v.URL)-min(64, len(v.URL)):] == f.Process.ExeSHA256
	}
	if !script && f.Script.Kind != finding.Program {
		out = append(out, link{Text: "VirusTotal: the script", Note: "The hash of the whole script is not known, and that of a part matches nothing."})
	}
	if !binary {
		out = append(out, link{Text: "VirusTotal: the program binary", Note: "The hash of the program binary is not known."})
	}
	return out
}
