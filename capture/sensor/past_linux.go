//go:build amd64 || arm64

package sensor

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"kingsnake/capture"
	"kingsnake/capture/proc"
)

const (
	pastTime  = 10 * time.Second // how long is kept what Pythons did
	pastRoots = 1024             // of how many
	pastBytes = 2 << 20          // of all of it
)

// past is what Python processes did of late, and those that came of them: what
// of it the kernel half keeps in a ring until it is looked for, and what came out
// of that and of the execs. A process is named by its start. It is safe for
// concurrent use.
type past struct {
	clock *proc.Clock
	tell  func(capture.Activity) // may be nil; does not block

	ring  *ringbuf.Reader
	marks *ebpf.Map // by process

	reading sync.Mutex // held while the ring is read

	mu    sync.Mutex // guards what follows
	roots *lru[probeProgram, *doings]
	bytes int
}

// doings are what one Python process and those that came of it did, but for
// what other Pythons among those did.
type doings struct {
	acts    []capture.Activity
	bytes   int
	omitted int
	by      probeProgram // the Python that started it; zero: none did
	told    bool         // somebody has recalled it: what comes late is told
}

func newPast(c *proc.Clock, tell func(capture.Activity)) *past {
	p := &past{clock: c, tell: tell}
	p.roots = newLRU(pastRoots, func(_ probeProgram, d *doings) { p.bytes -= d.bytes })
	return p
}

// open begins to read what the kernel half keeps.
func (p *past) open(k *kernel) (err error) {
	if p.ring, err = ringbuf.NewReader(k.objects.EarlyRing); err != nil {
		return fmt.Errorf("open ring of what is done before a verdict: %w", err)
	}
	p.ring.SetDeadline(longAgo) // it never waits
	p.marks = k.objects.Early
	return nil
}

// of returns the doings of a root.
func (p *past) of(root probeProgram) *doings {
	d, ok := p.roots.get(root)
	if !ok {
		d = new(doings)
		p.roots.put(root, d)
	}
	return d
}

// begin says that a process has executed a Python, and which Python it came of:
// none, if by is zero. The kernel half may not have known it as a Python.
func (p *past) begin(id, by, program probeProgram, known bool) {
	if by == (probeProgram{}) || by == id {
		return
	}
	p.mu.Lock()
	p.of(id).by = by
	p.mu.Unlock()
	if known || p.marks == nil {
		return
	}
	// It may have ended, and its number be another's soon.
	if p.marks.Update(id.Tgid, probeFollow{Root: id, Keeper: id.Tgid, Program: program}, ebpf.UpdateAny) == nil && !runs(id) {
		_ = p.marks.Delete(id.Tgid)
	}
}

// runs reports whether a process has not ended.
func runs(id probeProgram) bool {
	start, err := proc.StartTicks(procDir(int(id.Tgid)))
	return err == nil && start == id.Exec/proc.Tick
}

// add keeps what was done for a root. It is told too, if the root or one that it
// came of was recalled.
func (p *past) add(root probeProgram, a capture.Activity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.of(root)
	d.acts = append(d.acts, a)
	d.bytes += sizeOf(a)
	p.bytes += sizeOf(a)
	for p.bytes > pastBytes && p.shed() {
	}
	if p.tell == nil {
		return
	}
	for _, id := range p.line(root) {
		if d, ok := p.roots.peek(id); ok && d.told {
			p.tell(p.ofRoot(a, id))
			return
		}
	}
}

// sizeOf is about how many bytes an activity takes.
func sizeOf(a capture.Activity) int {
	n := 128 + len(a.Target)
	for _, arg := range a.Args {
		n += 16 + len(arg)
	}
	return n
}

// shed forgets what the root did that rested longest, and counts it there.
func (p *past) shed() bool {
	var oldest *doings
	p.roots.each(func(_ probeProgram, d *doings) bool {
		if len(d.acts) > 0 {
			oldest = d
		}
		return true
	})
	if oldest != nil {
		oldest.omitted += len(oldest.acts)
		p.drop(oldest, len(oldest.acts))
	}
	return oldest != nil
}

// drop forgets the first n acts.
func (p *past) drop(d *doings, n int) {
	for _, a := range d.acts[:n] {
		d.bytes -= sizeOf(a)
		p.bytes -= sizeOf(a)
	}
	d.acts = slices.Delete(d.acts, 0, n)
}

// line returns a process and the Pythons that it came of.
func (p *past) line(id probeProgram) []probeProgram {
	line := []probeProgram{id}
	for len(line) < maxParents {
		d, ok := p.roots.peek(id)
		if !ok || d.by == (probeProgram{}) {
			break
		}
		id = d.by
		line = append(line, id)
	}
	return line
}

// recall returns what a process and those that came of it did, and has told what
// is still to come.
func (p *past) recall(root probeProgram) capture.Past {
	p.drain()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of(root).told = true
	var out capture.Past
	p.roots.each(func(id probeProgram, d *doings) bool {
		if slices.Contains(p.line(id), root) {
			out.Acts = append(out.Acts, d.acts...)
			out.Omitted += d.omitted
		}
		return true
	})
	var mark probeFollow
	var pid uint32
	for it := p.marks.Iterate(); it.Next(&pid, &mark); {
		if mark.Omitted > 0 && slices.Contains(p.line(mark.Root), root) {
			out.Omitted += int(mark.Omitted)
		}
	}
	for i, a := range out.Acts {
		out.Acts[i] = p.ofRoot(a, root)
	}
	slices.SortStableFunc(out.Acts, func(a, b capture.Activity) int { return a.Time.Compare(b.Time) })
	return out
}

// ofRoot says for whom an activity is told.
func (p *past) ofRoot(a capture.Activity, root probeProgram) capture.Activity {
	a.PID, a.Start = int(root.Tgid), p.clock.Wall(root.Exec)
	return a
}

// drain takes everything out of the ring.
func (p *past) drain() {
	p.reading.Lock()
	defer p.reading.Unlock()
	var record ringbuf.Record
	var e event
	for p.ring != nil && p.ring.AvailableBytes() > 0 && p.ring.ReadInto(&record) == nil {
		if e.decode(record.RawSample) != nil {
			continue // there are none: the kernel half writes only whole records
		}
		if e.Kind == probeRecordKindRECORD_OMITTED {
			p.mu.Lock()
			p.of(e.Program).omitted += int(e.Offset)
			p.mu.Unlock()
		} else if a, ok := activity(p.clock, &e); ok {
			p.add(e.Program, a)
		}
	}
}

// sweep takes everything out of the ring and forgets what is long ago.
func (p *past) sweep() {
	p.drain()
	p.mu.Lock()
	defer p.mu.Unlock()
	limit := p.clock.Wall(proc.SinceBoot() - uint64(pastTime))
	p.roots.each(func(_ probeProgram, d *doings) bool {
		if i := slices.IndexFunc(d.acts, func(a capture.Activity) bool { return a.Time.After(limit) }); i >= 0 {
			p.drop(d, i)
		} else if len(d.acts) > 0 {
			p.drop(d, len(d.acts))
			d.omitted = 0
		}
		return true
	})
}

func (p *past) close() error {
	if p.ring == nil {
		return nil
	}
	return p.ring.Close()
}
