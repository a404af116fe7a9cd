// Package detect is the pipeline itself: for each script, ask where it ran,
// normalize it, judge it, and if it is worth telling, hand a finding to the
// sink.
//
//	Source ──Script──▶ queue ──▶ Resolver, Normalize, Judge ──Finding──▶ Sink
//
// The goroutines are all in this file: Run's workers. The queue between the
// source and the workers is bounded in scripts and in bytes; what does not fit
// is dropped and counted, because a source that waits loses more. A script
// that crashes the normalizer or the model is counted and the next one goes on.
//
// The package does not capture, does not store and does not know HTTP.
package detect

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"kingsnake/capture"
	"kingsnake/capture/binary"
	"kingsnake/classify"
	"kingsnake/finding"
	"kingsnake/normalize"
	"kingsnake/workload"
)

// Source delivers scripts to a callback, from one goroutine, until ctx ends.
// The callback does not block.
type Source interface {
	Run(ctx context.Context, deliver func(capture.Script)) error
}

// Resolver says where a process ran. It answers within a bounded time and
// never fails: what it does not know it leaves empty, with the reason.
type Resolver interface {
	Resolve(ctx context.Context, p capture.Process) workload.Workload
}

// Judge judges a normalized script. It is safe for concurrent use.
type Judge interface {
	Judge(text normalize.Text) classify.Verdict
	Hash() string // of the model that judges now: verdicts of another are not used again
}

// Sink takes findings. It returns nil once the finding is safe.
type Sink interface {
	Put(ctx context.Context, f finding.Finding) error
}

// Result is one judged script, whatever the verdict.
type Result struct {
	Script   capture.Script
	Workload workload.Workload
	Text     normalize.Text
	Verdict  classify.Verdict

	CompiledBy *capture.Script // of a text compiled at run time: the script that did, if it was seen
	Whole      capture.Digest  // of a script that was judged with what it compiled: of all of that; else zero
}

// Pipeline joins the stages. Set the fields before Run and leave them alone
// afterwards.
type Pipeline struct {
	Source   Source
	Resolver Resolver
	Judge    Judge
	Cut      Judge                             // judges scripts of which bytes are missing; nil: Judge does
	Sink     Sink                              // nil: findings are not reported
	Binary   func(capture.Process) binary.File // describes the interpreter; nil: it is not read
	Observe  func(Result)                      // called for every judged script, from several goroutines; may be nil

	SkipHost bool // leave out scripts that ran outside any container
	Workers  int  // judging goroutines; 0 means 2
	Sensor   string
	Log      *slog.Logger

	counts   counts
	seen     verdicts
	lineages lineages
}

// Limits of the queue between the source and the workers.
const (
	queueScripts = 4096
	queueBytes   = 64 << 20
)

// sinkTries is how often a finding is offered to a failing sink before it is
// given up and counted; the waits between add up to about ten seconds.
const sinkTries = 8

// Run runs until ctx ends or the source fails; then it judges what is still
// queued and returns the source's error.
func (p *Pipeline) Run(ctx context.Context) error {
	queue := newQueue(queueScripts, queueBytes)
	// Work that was accepted is finished although ctx has ended.
	work := context.WithoutCancel(ctx)
	var workers sync.WaitGroup
	for range max(p.Workers, 2) {
		workers.Go(func() {
			for s := range queue.scripts {
				p.handle(work, s)
				queue.done(s)
			}
		})
	}
	err := p.Source.Run(ctx, func(s capture.Script) {
		p.lineages.note(s)
		if !queue.offer(s) {
			p.counts.lose("queue full")
		}
	})
	close(queue.scripts)
	workers.Wait()
	return err
}

// handle takes one script through all stages. It is the one recovery point:
// a crash on hostile input costs that script's verdict and is counted.
func (p *Pipeline) handle(ctx context.Context, s capture.Script) {
	defer func() {
		if r := recover(); r != nil {
			p.counts.lose("crash")
			p.Log.Error("judging a script crashed", "sha256", s.Digest.String(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	w := p.Resolver.Resolve(ctx, s.Process)
	if p.SkipHost && w.Host() {
		return
	}
	text, verdict := p.judge(s)
	r := Result{Script: s, Workload: w, Text: text, Verdict: verdict}
	if by, ok := p.lineages.of(s); ok {
		r.CompiledBy = &by
	}
	p.counts.judged()
	if p.Observe != nil {
		p.Observe(r)
	}
	if p.Sink == nil {
		return
	}
	if verdict.Label == classify.Benign {
		whole, worse := p.whole(r)
		if !worse {
			return
		}
		r = whole
	}
	var bin binary.File
	if p.Binary != nil {
		bin = p.Binary(s.Process)
	}
	p.report(ctx, Report(r, bin, p.Sensor))
}

// judge returns the verdict on s. A script seen before costs a look-up; its
// layers are peeled again only when it has to be reported.
func (p *Pipeline) judge(s capture.Script) (normalize.Text, classify.Verdict) {
	if p.Cut != nil && (s.Truncated || s.Lost != "") {
		// The same bytes may be another script whole: nothing is remembered.
		text := normalize.Normalize(s.Text)
		return text, p.Cut.Judge(text)
	}
	if v, ok := p.seen.get(s.Digest); ok && v.Model == p.Judge.Hash() {
		if v.Label == classify.Benign {
			return normalize.Text{}, v
		}
		return normalize.Normalize(s.Text), v
	}
	text := normalize.Normalize(s.Text)
	v := p.Judge.Judge(text)
	p.seen.put(s.Digest, v)
	return text, v
}

func (p *Pipeline) report(ctx context.Context, f finding.Finding) {
	wait := 50 * time.Millisecond
	for try := 1; ; try++ {
		err := p.Sink.Put(ctx, f)
		if err == nil {
			p.counts.found()
			return
		}
		if try == sinkTries {
			p.counts.lose("sink refused")
			p.Log.Error("give up a finding", "name", f.Name, "error", err)
			return
		}
		time.Sleep(wait)
		wait *= 2
	}
}

// Counts returns how many scripts were judged, how many findings the sink
// took, and what was lost by reason, since Run began.
func (p *Pipeline) Counts() (judged, findings uint64, lost map[string]uint64) {
	return p.counts.snapshot()
}
