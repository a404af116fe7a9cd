package detect

import (
	"context"
	"fmt"
	"net/netip"
	"runtime/debug"

	"kingsnake/capture"
	"kingsnake/capture/binary"
	"kingsnake/classify"
	"kingsnake/finding"
	"kingsnake/finding/redact"
	"kingsnake/workload"
)

// queueExecutions is how many executions wait to be looked at; more are dropped
// and counted.
const queueExecutions = 1024

// Executed takes an execution that may be worth a finding. It does not block,
// may be called from any goroutine while Run runs, and counts what there is no
// room for.
func (p *Pipeline) Executed(x capture.Execution) {
	select {
	case p.executions <- &x:
	default:
		p.counts.lose("execution queue full")
	}
}

// handleExecution turns one execution into the findings it is worth. Like
// handle it recovers from a crash, at the cost of that execution.
func (p *Pipeline) handleExecution(ctx context.Context, x capture.Execution) {
	defer func() {
		if r := recover(); r != nil {
			p.counts.lose("crash")
			p.Log.Error("looking at an execution crashed", "pid", x.Process.PID, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	w := p.Resolver.Resolve(ctx, x.Process)
	if p.SkipHost && w.CertainlyHost() {
		return
	}
	companions := Companions(x, w, p.Habits)
	if len(companions) == 0 || p.Sink == nil {
		return
	}
	var bin binary.File
	if p.Binary != nil {
		bin = p.Binary(x.Process)
	}
	for _, c := range companions {
		f := p.hide(ReportExecution(x, w, c, bin, p.Sensor))
		p.report(ctx, p.follow(f, x.Process))
	}
}

// Companion is one finding that an execution is worth, and why.
type Companion struct {
	Category  finding.Category
	Severity  finding.Severity
	Technique string // ATT&CK id
	Why       string
}

// Companions decides what an execution is worth. habits are asked, and told,
// about shells that Python started; nil: those are not judged. Severities are
// those of Security Command Center.
func Companions(x capture.Execution, w workload.Workload, habits *Habits) []Companion {
	var out []Companion
	if x.Peer.IsValid() && x.Role != capture.Other {
		out = append(out, Companion{finding.ReverseShell, finding.Critical, "T1059.004",
			fmt.Sprintf("The standard input of this %s is a connection with %s.", x.Role, x.Peer)})
	}
	if x.Memory {
		out = append(out, Companion{finding.FilelessExecution, finding.High, "T1620",
			"The program was executed from memory alone, out of a memfd: there is no file that could be found later."})
	}
	if x.Upper && !w.Host() {
		why := "The binary lies in the container's writable layer: it did not come with the image, or was changed since."
		if created := w.Container.Created; x.Inode.Changed.After(created) && !created.IsZero() {
			why += fmt.Sprintf(" It was written or changed %s after the container was created.", round(x.Inode.Changed.Sub(created)))
		}
		out = append(out, Companion{finding.AddedBinary, finding.Low, "T1105", why})
	}
	if s := x.Starter; s != nil && x.Role == capture.Shell && habits != nil {
		if why, ok := habits.unexpected(x, w); ok {
			out = append(out, Companion{finding.UnexpectedChildShell, finding.Critical, "T1059.004", why})
		}
	}
	return out
}

// ReportExecution turns an execution into the finding that c says. Like Report
// it replaces secrets.
func ReportExecution(x capture.Execution, w workload.Workload, c Companion, bin binary.File, sensor string) finding.Finding {
	label := classify.Malicious
	if c.Severity.Rank() < finding.High.Rank() {
		label = classify.Suspicious
	}
	p, place, starter := x.Process, workloadOf(w), ""
	if len(p.Parents) > 0 {
		starter = p.Parents[0].Exe
	}
	digest := finding.ProgramDigest(c.Category, p.Exe, starter)
	f := finding.Finding{
		Category: c.Category, Severity: c.Severity, State: finding.Active,
		EventTime: x.Time, FirstTime: x.Time, Count: 1,
		Script: finding.Script{
			Kind: finding.Program, Path: redact.String(p.Exe), SHA256: digest, Size: bin.Size,
			ContentsSHA256: capture.Sum(nil).String(), Lost: x.Lost,
			Origin: originOf(capture.Script{Kind: finding.Program, Path: p.Exe, Inode: x.Inode}, w),
		},
		Verdict: finding.Verdict{Label: string(label), Reasons: []finding.Reason{{
			Text: redact.String(c.Why), Technique: c.Technique, Weight: 1,
		}}},
		Process: processOf(p), Workload: place, Sensor: sensor,
		Name:       finding.NameOf(c.Category, finding.Program, digest, place.Key(p.Exe)),
		Occurrence: finding.OccurrenceOf(place.Node, p.PID, p.Start, finding.Program, digest),
	}
	describe(&f.Process, bin)
	if s := x.Starter; s != nil {
		f.Script.Parent = s.Script.String()
	}
	if x.Peer.IsValid() {
		f.Connections = []finding.Connection{{Local: x.Local.String(), Peer: x.Peer.String()}}
		addPeer(&f.Indicators, x.Peer)
	}
	return f
}

// addPeer adds the far end of a connection to what can be looked for elsewhere,
// unless it lies on the machine itself.
func addPeer(in *finding.Indicators, peer netip.AddrPort) {
	if a := peer.Addr(); a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() {
		return
	}
	in.Add(finding.Indicator{Kind: finding.IP, Value: peer.Addr().String()})
	in.Add(finding.Indicator{Kind: finding.Port, Value: peer.String()})
}
