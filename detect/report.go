package detect

import (
	"slices"
	"strings"
	"unicode/utf8"

	"kingsnake/capture"
	"kingsnake/capture/binary"
	"kingsnake/classify"
	"kingsnake/finding"
	"kingsnake/finding/redact"
	"kingsnake/normalize"
	"kingsnake/workload"
)

// Report turns a judged script into a finding. Secrets of known shape are
// replaced here, before anything leaves the process; sensor is the name of the
// sensor that saw it.
func Report(r Result, bin binary.File, sensor string) finding.Finding {
	s, p := r.Script, r.Script.Process
	w := workloadOf(r.Workload)
	script, texts := scriptOf(r)
	sev := finding.Medium
	if r.Verdict.Label == classify.Malicious && !s.MaybeData {
		// What was read as data and is run after all is compiled, and reported as that.
		sev = finding.Critical
	}
	f := finding.Finding{
		Category: finding.MaliciousPython, Severity: sev, State: finding.Active,
		EventTime: s.Time, FirstTime: s.Time, Count: 1,
		Script: script, Verdict: verdictOf(r.Verdict, texts, r.Text.Layers), Process: processOf(p), Workload: w,
		Indicators: indicatorsOf(texts), Action: r.Action, Sensor: sensor,
	}
	describe(&f.Process, bin)
	f.Name = finding.NameOf(f.Category, script.Kind, script.SHA256, w.Key(p.Exe))
	// The script may have been reported by itself before it was with the rest.
	f.Occurrence = finding.OccurrenceOf(w.Node, p.PID, p.Start, script.Kind, script.SHA256+r.Whole.String())
	return f
}

// scriptOf returns the script's evidence, and for every layer of the verdict
// the redacted text that spans are to point into.
func scriptOf(r Result) (finding.Script, []redact.Result) {
	s := r.Script
	whole := redact.Text(s.Text)
	contents := prefix(whole.Text, finding.MaxContents)
	out := finding.Script{
		Kind: string(s.Kind), Path: redact.String(s.Path),
		Contents: contents, ContentsSHA256: capture.Sum(contents).String(),
		SHA256: s.Digest.String(), Size: s.Size,
		Truncated: s.Truncated || len(contents) < len(whole.Text),
		Redacted:  len(whole.Found), Lost: s.Lost, MaybeData: s.MaybeData, Indirect: s.Indirect, Parent: s.Parent.String(),
		Origin: originOf(s, r.Workload),
	}
	texts := []redact.Result{{Text: contents, Found: whole.Found}}
	for _, l := range r.Text.Layers[min(1, len(r.Text.Layers)):] {
		if len(out.Layers) == finding.MaxLayers {
			out.LayersOmitted++
			continue
		}
		red := redact.Text(l.Text)
		red.Text = prefix(red.Text, finding.MaxLayerText)
		texts = append(texts, red)
		out.Layers = append(out.Layers, finding.Layer{Transform: redact.String(l.Transform), Parent: l.Parent, Text: red.Text, Size: len(l.Text)})
	}
	if r.CompiledBy != nil {
		addCompiler(&out, *r.CompiledBy)
	}
	return out, texts
}

// prefix cuts b to at most n bytes, on a character boundary when b is UTF-8
// there.
func prefix(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	for back := 0; back < utf8.UTFMax && n-back > 0; back++ {
		if utf8.RuneStart(b[n-back]) {
			return b[:n-back]
		}
	}
	return b[:n]
}

// verdictOf copies a verdict. Spans move with the redaction; those that point
// beyond what is kept lose their bytes but keep their lines.
func verdictOf(v classify.Verdict, texts []redact.Result, layers []normalize.Layer) finding.Verdict {
	out := finding.Verdict{Label: string(v.Label), Score: v.Score, Model: v.Model}
	for _, reason := range v.Reasons[:min(len(v.Reasons), finding.MaxReasons)] {
		text := reason.Text
		if reason.Where != "" {
			text = strings.TrimSuffix(text, ".") + ", " + reason.Where + "."
		}
		f := finding.Reason{
			Text:      redact.String(text),
			Technique: reason.Technique, Weight: reason.Weight,
		}
		for _, sp := range reason.Spans {
			out := finding.Span{Layer: sp.Layer, Line: sp.Line, EndLine: sp.EndLine}
			if atRunTime(layers, sp.Layer) {
				out.Line, out.EndLine = 0, 0 // no line of the script has this text
			}
			if sp.Layer < len(texts) {
				t := texts[sp.Layer]
				out.Start, out.End = t.Shift(sp.Start, sp.End)
				out.Start, out.End = min(out.Start, len(t.Text)), min(out.End, len(t.Text))
			}
			f.Spans = append(f.Spans, out)
		}
		out.Reasons = append(out.Reasons, f)
	}
	return out
}

// atRunTime reports whether a layer is, or came out of, a text that the script
// compiled at run time.
func atRunTime(layers []normalize.Layer, i int) bool {
	for ; i > 0 && i < len(layers); i = layers[i].Parent {
		if layers[i].Transform == normalize.CompiledText {
			return true
		}
	}
	return false
}

func processOf(p capture.Process) finding.Process {
	out := finding.Process{
		PID: p.PID, PPID: p.PPID, Start: p.Start, UID: p.UID,
		Comm: redact.String(p.Comm), Exe: redact.String(p.Exe), Cwd: redact.String(p.Cwd),
		ArgsTruncated: p.ArgsTruncated, EnvTruncated: p.EnvTruncated,
	}
	var cut bool
	out.Args, cut = bound(redact.Args(p.Args), finding.MaxArgs)
	out.ArgsTruncated = out.ArgsTruncated || cut
	out.Env, cut = bound(redact.Env(p.Env), finding.MaxEnv)
	out.EnvTruncated = out.EnvTruncated || cut
	for _, parent := range p.Parents[:min(len(p.Parents), finding.MaxParents)] {
		args, _ := bound(redact.Args(parent.Args), finding.MaxArgs/finding.MaxParents)
		out.Parents = append(out.Parents, finding.Process{
			PID: parent.PID, Start: parent.Start, Args: args,
			Comm: redact.String(parent.Comm), Exe: redact.String(parent.Exe),
		})
	}
	return out
}

// describe adds what the process's binary is.
func describe(p *finding.Process, bin binary.File) {
	p.ExeSHA256, p.ExeSize, p.ExeUnread = bin.SHA256, bin.Size, redact.String(bin.Unread)
}

// bound keeps the leading strings that fit into n bytes together; the last one
// may be cut. It reports whether anything was left out.
func bound(list []string, n int) ([]string, bool) {
	for i, s := range list {
		if len(s) > n {
			kept := slices.Clone(list[:i])
			if n > 0 {
				kept = append(kept, string(prefix([]byte(s), n)))
			}
			return kept, true
		}
		n -= len(s)
	}
	return list, false
}

func workloadOf(w workload.Workload) finding.Workload {
	out := finding.Workload{
		ContainerID: w.Container.ID, ContainerName: w.Container.Name, ContainerCreated: w.Container.Created,
		Image: w.Container.Image, ImageID: w.Container.ImageID, Runtime: w.Container.Runtime,
		ReadOnlyRoot: w.Container.ReadOnlyRoot, ContainerKind: w.Container.Kind,
		PodNamespace: w.Pod.Namespace, PodName: w.Pod.Name, PodUID: w.Pod.UID, PodLabels: w.Pod.Labels,
		ServiceAccount: w.Pod.ServiceAccount, StaticPod: w.Pod.Static,
		OwnerGroup: w.Owner.Group, OwnerKind: w.Owner.Kind, OwnerName: w.Owner.Name, OwnerInferred: w.Owner.Inferred,
		Node: w.Node, Cluster: w.Cluster, ClusterUID: w.ClusterUID, Cloud: finding.Cloud(w.Cloud), Unresolved: w.Unresolved,
	}
	for _, o := range w.Owners[:min(len(w.Owners), finding.MaxOwners)] {
		out.Owners = append(out.Owners, finding.Owner{Group: o.Group, Kind: o.Kind, Name: o.Name})
	}
	for _, c := range w.Pod.Contacts[:min(len(w.Pod.Contacts), finding.MaxContacts)] {
		c.Value = redact.String(c.Value)
		out.Contacts = append(out.Contacts, finding.Contact(c))
	}
	return out
}
