// Package detect is the pipeline itself: for each script, ask where it ran,
// normalize it, judge it, and if it is worth telling, hand a finding to the
// sink.
//
//	Source ──Script──▶ queue ──▶ Resolver, Normalize, Judge ──Finding──▶ Sink
//
// The goroutines are all in this file: Run's workers. The queue between the
// source and the workers is bounded in scripts and in bytes; what does not fit
// is dropped and counted, because a source that waits loses more. Scripts whose
// process is held until they are judged have a queue and workers of their own;
// whatever becomes of one, its process is let go or ended. A script
// that crashes the normalizer or the model is counted and the next one goes on.
//
// The package does not capture, does not store and does not know HTTP.
package detect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
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
	Action   finding.Action // what was done at once; zero: nothing

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

	// Normalize takes a script apart, and may fail; nil: it is done in this
	// process. A script it fails on is judged by its plain text.
	Normalize func([]byte) (normalize.Text, error)
	Observe   func(Result) // called for every judged script, from several goroutines; may be nil

	// Share is how many processors judging may keep busy for long, and CPU says
	// how much processor time it has used. Scripts wait in the queue meanwhile,
	// and are counted when it is full. Zero or nil: no limit.
	Share float64
	CPU   func() time.Duration

	HideArgs, HideEnv bool // report no arguments, no environment

	Follower Follower // follows the processes of grave findings; nil: nobody does
	Habits   *Habits  // of Pythons that start shells; nil: none is unexpected

	Holder Holder    // ends holds; nil: the source holds nothing
	Hold   HoldRules // whose programs are held; those of others are let go

	SkipHost bool // leave out scripts that ran outside any container
	Workers  int  // judging goroutines; 0 means 2
	Sensor   string
	Log      *slog.Logger

	counts     counts
	seen       verdicts
	lineages   lineages
	timelines  timelines
	executions chan *capture.Execution // made by Run, like
	activities chan *capture.Activity
}

// Limits of the queue between the source and the workers.
const (
	queueScripts = 4096
	queueBytes   = 24 << 20
)

// sinkTries is how often a finding is offered to a failing sink before it is
// given up and counted; the waits between add up to about ten seconds.
const sinkTries = 8

// Run runs until ctx ends or the source fails; then it judges what is still
// queued and returns the source's error.
func (p *Pipeline) Run(ctx context.Context) error {
	queue, held := newQueue(queueScripts, queueBytes), newQueue(heldScripts, heldBytes)
	// Work that was accepted is finished although ctx has ended.
	work := context.WithoutCancel(ctx)
	pace := newPace(p.Share, p.CPU)
	var workers sync.WaitGroup
	for range max(p.Workers, 2) {
		workers.Go(func() { p.work(work, queue, pace) })
	}
	if p.Holder != nil {
		for range HeldWorkers {
			workers.Go(func() { p.work(work, held, nil) })
		}
	}
	p.executions = make(chan *capture.Execution, queueExecutions)
	p.activities = make(chan *capture.Activity, queueActivities)
	var following sync.WaitGroup
	following.Go(func() { p.followAll(work, p.activities) })
	workers.Go(func() {
		for x := range p.executions {
			p.handleExecution(work, *x)
		}
	})
	err := p.Source.Run(ctx, func(s capture.Script) {
		p.lineages.note(s)
		p.accept(s, held, queue)
	})
	close(queue.scripts)
	close(p.executions)
	close(held.scripts)
	workers.Wait()
	close(p.activities)
	following.Wait()
	return err
}

// work handles what is in a queue until it is closed, at a pace if there is one.
func (p *Pipeline) work(ctx context.Context, q *queue, pace *pace) {
	for s := range q.scripts {
		for pace.wait() {
		}
		p.handle(ctx, *s)
		q.done(*s)
	}
}

// handle takes one script through all stages. It is the one recovery point:
// a crash on hostile input costs that script's verdict and is counted.
func (p *Pipeline) handle(ctx context.Context, s capture.Script) {
	defer func() {
		p.release(&s)
		if r := recover(); r != nil {
			p.counts.lose("crash")
			p.Log.Error("judging a script crashed", "sha256", s.Digest.String(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	w := p.Resolver.Resolve(ctx, s.Process)
	if !s.Held.IsZero() {
		p.excuse(&s, w)
	}
	if p.SkipHost && w.CertainlyHost() {
		return
	}
	p.Habits.started(s, w)
	if s.Kind == capture.Compiled && len(s.Text) == 0 {
		p.timelines.add(p.lineages.lack(s))
	}
	text, verdict := p.judge(s)
	result := Result{Script: s, Workload: w, Text: text, Verdict: verdict, Action: p.act(&s, verdict)}
	if by, ok := p.lineages.of(s); ok {
		result.CompiledBy = &by
	}
	p.counts.judged()
	if p.Observe != nil {
		p.Observe(result)
	}
	if p.Sink == nil {
		return
	}
	if verdict.Label == classify.Benign {
		whole, worse := p.whole(result)
		if !worse {
			return
		}
		result = whole
	}
	var bin binary.File
	if p.Binary != nil {
		bin = p.Binary(s.Process)
	}
	f := Report(result, bin, p.Sensor)
	p.report(ctx, p.follow(f, s.Process))
}

// judge returns the verdict on s. A script seen before costs a look-up; its
// layers are peeled again only when it has to be reported.
func (p *Pipeline) judge(s capture.Script) (normalize.Text, classify.Verdict) {
	if p.Cut != nil && (s.Truncated || s.Lost != "") {
		// The same bytes may be another script whole: nothing is remembered.
		text := p.normalize(s)
		return text, p.Cut.Judge(text)
	}
	if v, ok := p.seen.get(s.Digest); ok && v.Model == p.Judge.Hash() {
		if v.Label == classify.Benign {
			return normalize.Text{}, v
		}
		return p.normalize(s), v
	}
	text := p.normalize(s)
	v := p.Judge.Judge(text)
	p.seen.put(s.Digest, v)
	return text, v
}

// normalize takes a script apart.
func (p *Pipeline) normalize(s capture.Script) normalize.Text {
	if p.Normalize == nil {
		return normalize.Normalize(s.Text)
	}
	text, err := p.Normalize(s.Text)
	if err == nil {
		return text
	}
	why := "not normalized"
	var of interface{ Counted() string }
	if errors.As(err, &of) {
		why += ": " + of.Counted()
	}
	p.counts.lose(why)
	p.Log.Error("judge a script by its plain text alone", "sha256", s.Digest.String(), "error", err)
	return normalize.Plain(s.Text, "the script was not taken apart: "+err.Error())
}

// hidden stands in a finding where its sensor was told to report nothing.
const hidden = "[not reported]"

// hide takes out of a finding what this sensor does not report.
func (p *Pipeline) hide(f finding.Finding) finding.Finding {
	hide := func(list []string, from int) []string {
		if len(list) <= from {
			return list
		}
		return append(slices.Clone(list[:from]), hidden)
	}
	if p.HideArgs {
		f.Process.Args = hide(f.Process.Args, 1)
		f.Process.Parents = slices.Clone(f.Process.Parents)
		for i := range f.Process.Parents {
			f.Process.Parents[i].Args = hide(f.Process.Parents[i].Args, 1)
		}
		f.Timeline = slices.Clone(f.Timeline)
		for i := range f.Timeline {
			f.Timeline[i].Args = hide(f.Timeline[i].Args, 1)
		}
	}
	if p.HideEnv {
		f.Process.Env = hide(f.Process.Env, 0)
	}
	return f
}

// report hands a new finding to the sink.
func (p *Pipeline) report(ctx context.Context, f finding.Finding) {
	if p.put(ctx, f) {
		p.counts.found()
	}
}

// put offers a finding to the sink until it takes it or has refused too often,
// which is counted.
func (p *Pipeline) put(ctx context.Context, f finding.Finding) bool {
	f = p.hide(f)
	wait := 50 * time.Millisecond
	for try := 1; ; try++ {
		err := p.Sink.Put(ctx, f)
		if err == nil {
			return true
		}
		if try == sinkTries {
			p.counts.lose("sink refused")
			p.Log.Error("give up a finding", "name", f.Name, "error", err)
			return false
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
