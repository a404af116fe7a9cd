package detect

import (
	"container/list"
	"slices"
	"sync"
	"time"

	"kingsnake/capture"
	"kingsnake/classify"
	"kingsnake/finding"
	"kingsnake/finding/redact"
	"kingsnake/normalize"
)

// Bounds of what is remembered of running programs.
const (
	lineagePrograms = 1024
	lineageBytes    = 8 << 20   // of their scripts, arguments and environments, and of what they compiled
	compiledTexts   = 32        // of one program, that are judged together
	compiledBytes   = 256 << 10 // of them
	maxLacks        = 8         // reasons why texts of one program are missing
)

// lineages remembers which script a program runs and what that compiled, so
// that texts compiled at run time are reported with it, and judged as layers of
// it. It is safe for concurrent use. What it has forgotten is judged by itself
// alone.
type lineages struct {
	mu     sync.Mutex
	byID   map[programID]*list.Element
	recent list.List // of *lineage, the newest first
	bytes  int
}

type programID struct {
	pid   int
	start time.Time
}

// lineage is one program's script and the texts it compiled.
type lineage struct {
	id       programID
	script   capture.Script
	compiled []capture.Script
	bytes    int            // of compiled
	digest   capture.Digest // of all of it
	reported int            // the worst that was said of the whole

	uncaptured []capture.Activity // why there are more texts than are known
}

func idOf(p capture.Process) programID { return programID{p.PID, p.Start} }

// note remembers a program's own script.
func (l *lineages) note(s capture.Script) {
	if s.Kind == capture.Compiled || s.Kind == capture.Import {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		l.byID = map[programID]*list.Element{}
	}
	id := idOf(s.Process)
	if e, ok := l.byID[id]; ok {
		l.remove(e) // it executed another binary
	}
	l.byID[id] = l.recent.PushFront(&lineage{id: id, script: s, digest: s.Digest})
	l.bytes += sizeOf(s)
	for l.recent.Len() > lineagePrograms || l.bytes > lineageBytes && l.recent.Len() > 1 {
		l.remove(l.recent.Back())
	}
}

func (l *lineages) remove(e *list.Element) {
	old := l.recent.Remove(e).(*lineage)
	delete(l.byID, old.id)
	l.bytes -= sizeOf(old.script) + old.bytes
}

// sizeOf is about how many bytes a script takes in memory.
func sizeOf(s capture.Script) int {
	n := len(s.Text)
	for _, list := range [][]string{s.Process.Args, s.Process.Env} {
		for _, text := range list {
			n += len(text) + 16
		}
	}
	return n
}

// of returns the script that compiled s.
func (l *lineages) of(s capture.Script) (capture.Script, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byID[idOf(s.Process)]
	if !ok || s.Kind != capture.Compiled {
		return capture.Script{}, false
	}
	script := e.Value.(*lineage).script
	return script, script.Digest == s.Parent
}

// add adds a text to what a program compiled. It returns the whole as it now
// is; false when the program is not known, or its texts are too many.
func (l *lineages) add(s capture.Script) (lineage, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byID[idOf(s.Process)]
	if !ok {
		return lineage{}, false
	}
	p := e.Value.(*lineage)
	if p.script.Digest != s.Parent || len(p.compiled) >= compiledTexts || p.bytes+len(s.Text) > compiledBytes {
		return lineage{}, false
	}
	p.compiled = append(p.compiled, s)
	p.bytes += len(s.Text)
	l.bytes += sizeOf(s)
	p.digest = capture.Sum(append(p.digest[:], s.Digest[:]...))
	l.recent.MoveToFront(e)
	whole := *p
	whole.compiled = p.compiled[:len(p.compiled):len(p.compiled)]
	return whole, true
}

// lack notes that a program compiled what was not captured: s is the script
// without a text that says so.
func (l *lineages) lack(s capture.Script) capture.Activity {
	a := capture.Activity{Time: s.Time, PID: s.Process.PID, Start: s.Process.Start, By: s.Process.PID, Act: capture.Uncaptured, Target: s.Lost}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byID[idOf(s.Process)]; ok {
		if p := e.Value.(*lineage); len(p.uncaptured) < maxLacks {
			p.uncaptured = append(p.uncaptured, a)
		}
	}
	return a
}

// lacks returns what a program is known to have compiled without being captured.
func (l *lineages) lacks(process capture.Process) []capture.Activity {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byID[idOf(process)]; ok {
		return slices.Clone(e.Value.(*lineage).uncaptured)
	}
	return nil
}

// worse notes that a program as a whole is found to be this bad, and reports
// whether that is worse than what was said of it before.
func (l *lineages) worse(id programID, rank int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byID[id]
	if !ok || e.Value.(*lineage).reported >= rank {
		return false
	}
	e.Value.(*lineage).reported = rank
	return true
}

// whole judges the script that compiled r's together with all that it compiled
// so far. It returns what is to be reported of it; false when the whole is no
// worse than the script is by itself, or that was said before. A text that this
// node has judged before, in whatever program, is left out: interpreters and
// libraries compile the same few texts in each.
func (p *Pipeline) whole(r Result) (Result, bool) {
	if len(r.Text.Layers) == 0 {
		return r, false
	}
	whole, ok := p.lineages.add(r.Script)
	if !ok {
		return r, false
	}
	if v, ok := p.seen.get(whole.digest); ok && v.Model == p.Judge.Hash() && v.Label == classify.Benign {
		return r, false
	}
	parts := make([]normalize.Text, len(whole.compiled))
	for i, text := range whole.compiled {
		parts[i] = p.normalize(text)
	}
	text := normalize.Join(p.normalize(whole.script), parts)
	v := p.Judge.Judge(text)
	p.seen.put(whole.digest, v)
	if v.Label == classify.Benign {
		return r, false
	}
	if _, alone := p.judge(whole.script); rank(alone.Label) >= rank(v.Label) || !p.lineages.worse(whole.id, rank(v.Label)) {
		return r, false
	}
	whole.script.Process, whole.script.Time = r.Script.Process, r.Script.Time
	return Result{Script: whole.script, Workload: r.Workload, Text: text, Verdict: v, Whole: whole.digest}, true
}

func rank(l classify.Label) int {
	switch l {
	case classify.Malicious:
		return 2
	case classify.Suspicious:
		return 1
	}
	return 0
}

// addCompiler adds the script that compiled out's to it, with its text.
func addCompiler(out *finding.Script, s capture.Script) {
	out.CompiledBy = finding.Compiler{Kind: string(s.Kind), Path: redact.String(s.Path), SHA256: s.Digest.String(), Size: s.Size}
	if len(out.Layers) == finding.MaxLayers {
		return
	}
	text := prefix(redact.Text(s.Text).Text, finding.MaxLayerText)
	out.Layers = append(out.Layers, finding.Layer{Transform: finding.CompilerLayer, Text: text, Size: len(s.Text)})
}
