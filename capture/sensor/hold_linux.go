//go:build amd64 || arm64

package sensor

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/proc"
	"kingsnake/capture/rights"
)

const (
	defaultWait = 500 * time.Millisecond
	sweepEvery  = 20 * time.Millisecond
	answerEvery = 250 * time.Millisecond
	answerLasts = 2 * time.Second // longer than a busy machine keeps the sensor from running
)

// holder lets go of what the kernel half has stopped, or ends it. It is safe for
// concurrent use.
type holder struct {
	config   Hold
	clock    *proc.Clock
	count    func(reason string)
	switches *ebpf.Map
	policies *ebpf.Map
	targets  *ebpf.Map

	mu      sync.Mutex // so that one hold is ended once; guards what follows
	holds   *ebpf.Map
	parents *ebpf.Map
	on      bool // it is to be
	guarded bool

	pinned string        // path of the pinned map; "" when it is not
	stop   chan struct{} // closed when the sensor is
	work   sync.WaitGroup
}

// newHolder returns a holder whose holding is switched off.
func newHolder(config Hold, k *kernel, clock *proc.Clock, count func(string)) (*holder, error) {
	if config.Wait <= 0 {
		config.Wait = defaultWait
	}
	if granted, err := rights.Granted(); err != nil || granted&(1<<unix.CAP_KILL) == 0 {
		return nil, fmt.Errorf("%w: nothing can be held without CAP_KILL: it could not be let go", ErrNotSupported)
	}
	o := &k.objects
	return &holder{
		config: config, clock: clock, count: count, stop: make(chan struct{}),
		switches: o.HoldSwitches, policies: o.HoldPolicies, targets: o.HoldTargets, holds: o.Holds, parents: o.HoldParents,
	}, nil
}

// turn switches the holding on or off. It is only on while there is a guard, if
// there is to be one, and for answerLasts: [holder.run] does it again in time.
func (h *holder) turn(on bool) error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.on = on
	return h.switchLocked()
}

// unguarded reports whether nothing is held because the guard is gone.
func (h *holder) unguarded() bool {
	if h == nil || h.config.Guard == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.on && !h.guarded
}

func (h *holder) switchLocked() error {
	s := probeHoldSwitch{Strangers: bit(!h.config.known), Host: bit(h.config.Host), Jobs: bit(h.config.Jobs)}
	s.On = bit(h.on && (h.guarded || h.config.Guard == nil))
	s.Until = proc.SinceBoot() + uint64(answerLasts)
	if err := h.switches.Put(uint32(0), s); err != nil {
		return fmt.Errorf("switch the holding: %w", err)
	}
	return nil
}

// answer has the kernel half hold on. It fails only where the map is gone, and the
// programs with it.
func (h *holder) answer() {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.switchLocked()
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// end ends a hold with a signal: SIGCONT or SIGKILL. It reports false when the
// hold has ended before, by whomever, or the process has.
func (h *holder) end(key probeHoldKey, signal unix.Signal) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.endLocked(key, signal)
}

func (h *holder) endLocked(key probeHoldKey, signal unix.Signal) bool {
	var hold probeHold
	if h.holds.Lookup(key, &hold) != nil {
		return false
	}
	err := hold.signal(key, signal)
	if err != nil && !gone(err) {
		h.count(lostSignal)
		return false // It is tried again.
	}
	// Only after the signal: nothing may be stopped that is not in the map.
	_ = h.holds.Delete(key)
	if hold.Continued != 0 {
		h.count(lostOther)
	}
	return err == nil && hold.Continued == 0
}

// goOn has a process go on, and leaves its hold in the map.
func (h *holder) goOn(key probeHoldKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var hold probeHold
	if h.holds.Lookup(key, &hold) == nil {
		_ = hold.signal(key, unix.SIGCONT) // it is tried again
	}
}

// signal sends a signal to a process that is held. What somebody else stopped
// meanwhile is theirs to let go.
func (hold *probeHold) signal(key probeHoldKey, signal unix.Signal) error {
	stopped := unix.Signal(hold.Stopped)
	if signal == unix.SIGCONT && stopped == unix.SIGSTOP {
		return nil
	}
	process := processKey{key.Tgid, hold.Start}
	err := signalSame(process, signal)
	if signal == unix.SIGCONT && stopped != 0 && err == nil {
		err = signalSame(process, stopped) // SIGCONT took it back, and it may be handled
	}
	return err
}

// gone reports whether a signal found no process to go to.
func gone(err error) bool {
	return proc.Gone(err) || errors.Is(err, proc.ErrOther)
}

// signalSame sends a signal to a process, and to no other that has its number
// now.
func signalSame(key processKey, signal unix.Signal) error {
	fd, err := unix.PidfdOpen(int(key.pid), 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	start, err := proc.StartTicks(fmt.Sprintf("/proc/%d", key.pid))
	if err != nil {
		return err
	}
	if start != key.start/proc.Tick {
		return proc.ErrOther
	}
	return unix.PidfdSendSignal(fd, signal, nil, 0)
}

// holdSettles is how long after a hold began its process may not have stopped
// yet: it is in the map before it sends itself the signal, and may be kept from
// that by whoever has the processor.
const holdSettles = time.Second

// sweep lets everything go that is held for longer than wait, and returns how
// many that were and how many remain. With no wait, what has hardly begun to be
// held goes on too, but remains: a signal that comes before the stop ends nothing.
func (h *holder) sweep(wait time.Duration) (ended, left int) {
	now := proc.SinceBoot()
	var key probeHoldKey
	var hold probeHold
	var late []probeHoldKey
	for each := h.holds.Iterate(); each.Next(&key, &hold); left++ {
		if key.Since+uint64(wait) <= now {
			late = append(late, key)
		}
	}
	for _, key := range late {
		if wait == 0 && key.Since+uint64(holdSettles) > now {
			h.goOn(key)
		} else if h.end(key, unix.SIGCONT) {
			ended++
		}
	}
	h.sweepParents(now)
	return ended, left - ended
}

// parentWait is for how long after the beginning of a hold a parent that stops
// itself is taken to do so because of it.
const parentWait = 250 * time.Millisecond

// sweepParents has parents go on that stopped themselves because a child of
// theirs was held, and is no more.
func (h *holder) sweepParents(now uint64) {
	if h.parents == nil {
		return
	}
	var pid uint32
	var parent probeHoldParent
	var hold probeHold
	var over []uint32
	for each := h.parents.Iterate(); each.Next(&pid, &parent); {
		switch {
		case h.holds.Lookup(parent.Child, &hold) == nil:
		case parent.Stopped != 0:
			if err := signalSame(processKey{pid, parent.Start}, unix.SIGCONT); err != nil && !gone(err) {
				h.count(lostSignal)
				continue // It is tried again.
			}
			over = append(over, pid)
		case parent.Child.Since+uint64(parentWait) < now:
			over = append(over, pid)
		}
	}
	for _, pid := range over {
		_ = h.parents.Delete(pid) // one that is in there too long does no harm
	}
}

// run lets go what has waited too long, until the holder is closed.
func (h *holder) run() {
	tick, answer := time.NewTicker(sweepEvery), time.NewTicker(answerEvery)
	defer tick.Stop()
	defer answer.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-answer.C:
			h.answer()
		case <-tick.C:
			ended, _ := h.sweep(h.config.Wait)
			for range ended {
				h.count(lostWait)
			}
		}
	}
}

// startHolding prepares the holding; Run switches it on.
func (s *Sensor) startHolding(config Hold) error {
	h, err := newHolder(config, s.kernel, s.tracker.clock, s.count)
	if err != nil {
		return err
	}
	if err := errors.Join(s.kernel.attachHold(), h.pin()); err != nil {
		return err
	}
	s.holder, s.tracker.holder = h, h
	h.work.Go(h.run)
	if config.Guard == nil {
		return nil
	}
	alive, err := h.startGuard()
	if err != nil {
		return err
	}
	h.work.Go(func() { h.keepGuard(alive) })
	return nil
}

// stopHolding lets everything go, and the guard end.
func (s *Sensor) stopHolding() error {
	h := s.holder
	if h == nil {
		return nil
	}
	err := h.turn(false)
	h.sweep(0)
	close(h.stop)
	h.work.Wait()
	return errors.Join(err, h.unpin())
}

// key names the hold that a script came with.
func (h *holder) key(s capture.Script) probeHoldKey {
	return probeHoldKey{Since: h.clock.Nanos(s.Held), Tgid: uint32(s.Process.PID)}
}

// Release lets the process of a script go on, if the script says that it is
// held. It reports false when the process was let go before, or is gone.
func (s *Sensor) Release(script capture.Script) bool {
	return s.endHold(script, unix.SIGCONT)
}

// Kill ends the process of a script that is held. It reports false when
// something of the script may have run: when the process is held no longer, and
// then nothing is done, or when another process has let it go on meanwhile.
func (s *Sensor) Kill(script capture.Script) bool {
	return s.endHold(script, unix.SIGKILL)
}

func (s *Sensor) endHold(script capture.Script, signal unix.Signal) bool {
	return s.holder != nil && !script.Held.IsZero() && s.holder.end(s.holder.key(script), signal)
}

// Leave lets the process of a script go on, and has nothing held any more that
// is executed in the same cgroup. It is for a script that is held.
func (s *Sensor) Leave(script capture.Script) {
	if s.holder == nil || script.Held.IsZero() {
		return
	}
	h, key := s.holder, s.holder.key(script)
	var hold probeHold
	if h.holds.Lookup(key, &hold) == nil {
		// A lesson that is not given costs the next process a moment.
		_ = h.policies.Put(hold.Cgroup, probeHoldPolicyHOLD_LEAVE)
	}
	h.end(key, unix.SIGCONT)
}

// holding is the hold of the process whose record is being handled; the zero
// value when that is not held.
type holding struct {
	program probeProgram
	key     probeHoldKey
}

// programHold is how a program is held, or is to be.
type programHold struct {
	aimed  bool         // it is to be held when its own script has been read
	script probeFileKey // the file that was read from; zero: none
	passed uint64       // since when it is held, by the record its script was delivered with
	same   uint64       // since when it was held for the same script another time
}

// beginHold notes that the process of a record is held.
func (t *tracker) beginHold(e *event) {
	if t.holder != nil {
		t.holding = holding{program: e.Program, key: probeHoldKey{Since: e.Time, Tgid: e.Tgid}}
	}
}

// passHold returns since when the process is held whose own script is
// delivered. From then on it is for the receiver of the script to end it.
func (t *tracker) passHold(p *program) time.Time {
	if t.holder == nil {
		return time.Time{}
	}
	if p.exec.command.Kind == capture.File && p.hold.aimed && p.hold.script != (probeFileKey{}) {
		_ = t.holder.targets.Put(p.id, targetAgain(p)) // otherwise a replaced one is not seen
	} else {
		t.holder.forget(p)
	}
	if t.holding.program != p.id {
		if p.hold.aimed {
			t.count(lostUnheld)
		}
		return time.Time{}
	}
	p.hold.passed = t.holding.key.Since
	return t.clock.Wall(p.hold.passed)
}

// endHold lets a process go with the last record of a hold, if its script was
// not delivered meanwhile: then what it was held for was not its script, or it
// was only held because it was executed.
func (t *tracker) endHold(e *event) {
	defer func() { t.holding = holding{} }() // aiming looks at it
	key := t.holding.key
	if t.holder == nil || e.Kind != probeRecordKindRECORD_EXEC && e.Kind != probeRecordKindRECORD_HELD {
		return
	}
	p, ok := t.programs.get(e.Program)
	if !ok {
		p, ok = t.gone.get(e.Program)
	}
	if ok && p.hold.passed == key.Since {
		return
	}
	if ok && e.Kind == probeRecordKindRECORD_EXEC {
		t.holder.aim(p)
	} else if ok && p.hold.same != key.Since && t.heldAgain(p, p.readings[readingKey{ino: e.File.Ino, dev: e.File.Dev, tgid: e.Tgid}]) {
		t.count(lostUnheld) // a part of it was replaced
	}
	t.holder.end(key, unix.SIGCONT)
}

// heldAgain reports whether the process of the record being handled is held for
// its own script although that was delivered: it was replaced meanwhile.
func (t *tracker) heldAgain(p *program, r *reading) bool {
	return p.done && p.hold.aimed && p.exec.command.Kind == capture.File && r != nil && p.exec.matches(r) &&
		t.holding.program == p.id && t.holding.key.Since != p.hold.passed
}

// forget has the kernel half look for a program's script no longer.
func (h *holder) forget(p *program) {
	if h != nil && p.hold.aimed {
		_ = h.targets.Delete(p.id) // it may have made room for another
	}
}

// aim tells the kernel half which file is the script of a program.
func (h *holder) aim(p *program) {
	if p.exec == nil || p.done {
		return
	}
	want, ok := target(p.exec)
	if ok {
		// Without it the script runs unheld, which is counted when it is read.
		_ = h.targets.Put(p.id, want)
		p.hold.aimed = true
	}
}
