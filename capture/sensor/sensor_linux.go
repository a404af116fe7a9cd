//go:build amd64 || arm64

package sensor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"

	"kingsnake/capture"
	"kingsnake/capture/proc"
)

// Sensor captures scripts. Its methods may be called concurrently; Run only
// once.
type Sensor struct {
	kernel   *kernel
	follower *follower
	rings    *rings
	holder   *holder // nil when nothing is held

	mu      sync.Mutex // guards tracker, which both rings feed
	tracker *tracker
	out     chan capture.Script
	waits   chan struct{} // holds a token when a compiled text began to wait

	received [2]atomic.Uint64 // records of the exec ring and of the data ring

	stopAt atomic.Int64 // when to stop draining, Unix nanoseconds; 0 while running

	stats sync.Mutex // guards what follows
	seen  uint64
	lost  map[string]uint64
	final map[string]uint64 // the kernel's own counts when it was closed
}

// Open loads the kernel half and attaches it: from here on nothing is missed,
// as long as Run is called before the rings are full. The error wraps
// [ErrNotSupported] when this machine or these rights do not allow it.
func Open(config Config) (*Sensor, error) {
	k, err := openKernel(config)
	if err != nil {
		return nil, explain(err)
	}
	s := &Sensor{kernel: k, lost: make(map[string]uint64), out: make(chan capture.Script, 16), waits: make(chan struct{}, 1)}
	if s.rings, err = openRings(&k.objects); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	s.tracker = newTracker(config, k, s.deliver, s.count)
	s.tracker.seesOpens = k.opens
	if s.follower, err = newFollower(k, s.tracker.clock); err != nil {
		return nil, errors.Join(err, s.rings.Close(), k.Close())
	}
	if err := s.tracker.past.open(k); err != nil {
		return nil, errors.Join(err, s.follower.close(), s.rings.Close(), k.Close())
	}
	if !k.probes.none {
		s.tracker.hooks = newHooks(k, s.count)
		s.tracker.hooks.scanOwnRoot()
	}
	if config.Hold == nil {
		return s, nil
	}
	if err := s.startHolding(*config.Hold); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close detaches the kernel half and frees everything. It must not be called
// while Run runs.
func (s *Sensor) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Lock()
	if s.final == nil {
		s.final = s.kernel.losses()
	}
	s.stats.Unlock()
	return errors.Join(s.stopHolding(), s.follower.close(), s.tracker.past.close(), s.rings.Close(), s.tracker.hooks.Close(), s.kernel.Close())
}

// Stats returns what was delivered and what was lost so far.
func (s *Sensor) Stats() capture.Stats {
	s.stats.Lock()
	defer s.stats.Unlock()
	lost := maps.Clone(s.lost)
	kernel := s.final
	if kernel == nil {
		kernel = s.kernel.losses()
	}
	for reason, n := range kernel {
		lost[reason] += n
	}
	return capture.Stats{Seen: s.seen, Lost: lost}
}

// Degraded says in plain words what is not done here now that could be, and
// why; "" when nothing is left out.
func (s *Sensor) Degraded() string {
	var not []string
	if why := s.tracker.hooks.missing(); why != "" {
		not = append(not, withoutProbes+": "+why)
	}
	if s.holder.unguarded() {
		not = append(not, "nothing is held: the guard that would let held programs go has ended, and another is not there yet")
	}
	return strings.Join(not, "; ")
}

func (s *Sensor) count(reason string) {
	s.stats.Lock()
	s.lost[reason]++
	s.stats.Unlock()
}

func (s *Sensor) deliver(script capture.Script) { s.out <- script }

// lastDrain bounds how long Run goes on after its context has ended.
const lastDrain = time.Second

// Run delivers scripts to handle, one at a time and always from the calling
// goroutine, until ctx ends. Then it delivers what the rings still hold and what
// is whole, and returns nil. While handle takes its time the rings fill up; what
// no longer fits is counted.
func (s *Sensor) Run(ctx context.Context, handle func(capture.Script)) error {
	if err := s.holder.turn(true); err != nil {
		return err
	}
	var work sync.WaitGroup
	errs := make(chan error, 4)
	stop := make(chan struct{})
	work.Go(func() { errs <- s.read(&s.rings.all[probeReaderREADER_EXEC], s.handler(&s.received[0])) })
	work.Go(func() { errs <- s.read(&s.rings.all[probeReaderREADER_DATA], s.handler(&s.received[1])) })
	work.Go(func() { errs <- s.read(&s.rings.all[probeReaderREADER_COMPILED], s.handleCompiled) })
	work.Go(func() { s.sweep(stop) })
	work.Go(func() { s.tracker.hooks.run(stop) })
	work.Go(func() { s.tracker.hooks.scanProcesses(stop) })
	go func() {
		work.Wait()
		s.mu.Lock()
		s.tracker.flush()
		s.mu.Unlock()
		close(s.out)
	}()
	go func() {
		<-ctx.Done()
		close(stop)
		_ = s.holder.turn(false) // Close does it again, and says why it failed
		// The readers return when they have read what is there now.
		s.stopAt.Store(time.Now().Add(lastDrain).UnixNano())
		if err := s.rings.flush(); err != nil {
			errs <- fmt.Errorf("flush rings: %w", err)
		}
	}()

	for script := range s.out {
		s.stats.Lock()
		s.seen++
		s.stats.Unlock()
		handle(script)
	}
	return errors.Join(<-errs, <-errs, <-errs)
}

// read feeds one ring's records to the tracker, through handle, until the ring is
// flushed. Usually the goroutine that reads deals with the records too: to hand
// them over costs more than to deal with them. In a burst another one does, and
// both go before other threads: what stays in the ring too long is lost. They do
// not always, because a thread that is one goroutine's alone costs the scheduler
// three switches for one.
func (s *Sensor) read(r *ring, handle func(raw []byte) error) error {
	deal := func(b *batch) {
		b.each(func(raw []byte) {
			if handle(raw) != nil {
				s.count(lostMalformed)
			}
		})
		batches.Put(b)
	}
	burst := make(chan *batch, maxBatches)
	var waiting atomic.Int32 // batches of a burst that are not dealt with
	var handling sync.WaitGroup
	handling.Go(func() {
		_ = proc.GoFirst()
		for b := range burst {
			deal(b)
			waiting.Add(-1)
		}
	})
	defer handling.Wait()
	defer close(burst)
	var back func() // nil while there is no burst
	for {
		b := batches.Get().(*batch)
		more, err := r.take(b)
		switch inBurst := more || waiting.Load() > 0; {
		case inBurst && back == nil:
			back = proc.GoFirst()
		case !inBurst && back != nil:
			back()
			back = nil
		}
		if back != nil {
			waiting.Add(1)
			burst <- b
		} else {
			deal(b)
		}
		switch {
		case errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("read ring: %w", err)
		}
		if stop := s.stopAt.Load(); stop != 0 && time.Now().UnixNano() > stop {
			return nil
		}
	}
}

// handler returns what counts and deals with the records of one ring of execs or
// reads.
func (s *Sensor) handler(received *atomic.Uint64) func(raw []byte) error {
	var e event
	return func(raw []byte) error {
		received.Add(1)
		if err := e.decode(raw); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if e.Kind == probeRecordKindRECORD_EXEC {
			if look := s.tracker.ask(&e); look != nil {
				s.mu.Unlock()
				look()
				s.mu.Lock()
			}
		}
		s.tracker.handle(&e)
		return nil
	}
}

// handleCompiled deals with a record of the ring of compiled texts.
func (s *Sensor) handleCompiled(raw []byte) error {
	var e compiledEvent
	if err := e.decode(raw); err != nil {
		return err
	}
	s.mu.Lock()
	newcomer := s.tracker.isNewcomer(&e)
	s.mu.Unlock()
	if newcomer {
		e.running = s.tracker.observe(int(e.Tgid)) // which may take its time
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tracker.handleCompiled(&e)
	if len(s.tracker.waiting) > 0 {
		offer(s.waits)
	}
	return nil
}

// compiledWait reports whether compiled texts wait to be delivered.
func (s *Sensor) compiledWait() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tracker.waiting) > 0
}

// offer puts a token in a channel that holds one, if there is none.
func offer(token chan<- struct{}) {
	select {
	case token <- struct{}{}:
	default: // it is known
	}
}

// How often is looked for what waits for records that will not come.
const (
	tickEvery = 250 * time.Millisecond
	tickQuiet = time.Second // while no records come
)

// sweep ends, now and then, what waits for records that will not come.
func (s *Sensor) sweep(stop <-chan struct{}) {
	tick := time.NewTimer(tickEvery)
	defer tick.Stop()
	var before uint64         // records received
	var soon <-chan time.Time // nil while no compiled text waits
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			if now := s.received[0].Load() + s.received[1].Load(); now != before {
				before = now
				tick.Reset(tickEvery)
			} else {
				tick.Reset(tickQuiet)
			}
			s.tracker.clock.Check()
			s.mu.Lock()
			s.tracker.sweep(time.Now())
			s.mu.Unlock()
			s.follower.sweep(time.Now())
			s.tracker.past.sweep()
			s.rings.nudge()
		case <-s.waits:
		case <-soon:
			s.mu.Lock()
			s.tracker.releaseCompiled(time.Now())
			s.mu.Unlock()
			soon = nil
		}
		if soon == nil && s.compiledWait() {
			soon = time.After(ringLag / 2)
		}
	}
}

// explain turns what the kernel answered into what to do about it.
func explain(err error) error {
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		return fmt.Errorf("the kernel refuses the programs: %w", err)
	}
	for _, c := range Check() {
		if !c.OK && !c.Optional {
			return fmt.Errorf("%w: %s: %s; %s (%w)", ErrNotSupported, c.Name, c.Detail, c.Fix, err)
		}
	}
	return err
}
