//go:build amd64 || arm64

package sensor

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// ring reads one ring of the kernel half. It tells the kernel half when it
// wants to be woken: see wake.h.
//
// It waits as Go waits for its sockets. A thread that sleeps in a system call
// instead keeps the runtime's monitor awake, which looks after it up to 20,000
// times a second: that cost more than all the rest.
type ring struct {
	*ringbuf.Reader
	file   *os.File // the ring itself, for waiting
	conn   syscall.RawConn
	state  *uint32       // what it does now, which the kernel half reads
	linger time.Duration // how long it lets records gather, when there were some just now

	flushed atomic.Bool

	timed bool // whether the file has a deadline
	busy  bool // whether there were some just now
	more  bool // whether there are more than were taken
}

// rings are all there are, in the order of the kernel half's enum reader.
type rings struct {
	all    [probeReaderREADERS]ring
	states []byte // mapped, shared with the kernel half
}

// compiledLinger is how long the reader of compiled texts lingers: a text waits
// for what was written before it anyway (ringLag).
const compiledLinger = 10 * time.Millisecond

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// stateStride is how far apart the values of an array map lie.
const stateStride = 8

func openRings(o *probeObjects) (*rings, error) {
	states, err := unix.Mmap(o.Readers.FD(), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the readers' states: %w", err)
	}
	rs := &rings{states: states}
	for which, m := range [probeReaderREADERS]*ebpf.Map{
		probeReaderREADER_EXEC: o.ExecRing, probeReaderREADER_DATA: o.DataRing, probeReaderREADER_COMPILED: o.CompileRing,
	} {
		r := &rs.all[which]
		r.state = (*uint32)(unsafe.Pointer(&states[which*stateStride]))
		if err := r.open(m); err != nil {
			return nil, errors.Join(fmt.Errorf("open %s: %w", m, err), rs.Close())
		}
	}
	rs.all[probeReaderREADER_COMPILED].linger = compiledLinger
	return rs, nil
}

func (r *ring) open(m *ebpf.Map) (err error) {
	if r.Reader, err = ringbuf.NewReader(m); err != nil {
		return err
	}
	r.SetDeadline(longAgo) // the reader itself never waits
	fd, err := unix.FcntlInt(uintptr(m.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // else nobody waits for it
		return errors.Join(err, unix.Close(fd))
	}
	r.file = os.NewFile(uintptr(fd), m.String())
	r.conn, err = r.file.SyscallConn()
	return err
}

// flush has the readers return what the rings hold now, and end.
func (rs *rings) flush() error {
	var errs []error
	for i := range rs.all {
		r := &rs.all[i]
		r.flushed.Store(true)
		errs = append(errs, r.file.SetReadDeadline(longAgo))
	}
	return errors.Join(errs...)
}

// nudge has the readers look at records that woke nobody.
func (rs *rings) nudge() {
	for i := range rs.all {
		if r := &rs.all[i]; r.AvailableBytes() > 0 {
			_ = r.file.SetReadDeadline(longAgo) // it fails when it is closed
		}
	}
}

// Close frees the rings. Nothing may be read meanwhile.
func (rs *rings) Close() error {
	var errs []error
	for i := range rs.all {
		if r := &rs.all[i]; r.Reader != nil {
			errs = append(errs, r.Reader.Close())
		}
		if f := rs.all[i].file; f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(append(errs, unix.Munmap(rs.states))...)
}

// wait waits until there is something to read or the reader is nudged, and not
// at all when the ring was flushed.
func (r *ring) wait() error {
	until, state := time.Time{}, uint32(probeReaderStateREADER_SLEEPS)
	lingers := r.linger > 0 && r.busy
	if lingers {
		until, state = time.Now().Add(r.linger), uint32(probeReaderStateREADER_LINGERS)
	}
	if lingers || r.timed {
		if err := r.file.SetReadDeadline(until); err != nil {
			return err
		}
		r.timed = lingers
	}
	if r.flushed.Load() {
		return nil
	}
	atomic.StoreUint32(r.state, state)
	defer atomic.StoreUint32(r.state, uint32(probeReaderStateREADER_AWAKE))
	waited := false
	err := r.conn.Read(func(uintptr) bool {
		// From the store on it is woken, so it may sleep if there is nothing now.
		done := waited || r.AvailableBytes() > 0
		waited = true
		return done
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r.timed = true
		return nil
	}
	return err
}

// take waits for records and copies those there are into b, as far as there is
// room, and reports whether there is more. The error is [os.ErrClosed] when the
// ring was flushed, with the last records, or what keeps it from being read.
func (r *ring) take(b *batch) (more bool, err error) {
	last := r.flushed.Load()
	if !r.more {
		if err := r.wait(); err != nil {
			return false, err
		}
	}
	for r.more = true; r.more && !b.full(); {
		switch err := r.ReadInto(b.record()); {
		case err == nil:
			b.keep()
		case errors.Is(err, os.ErrDeadlineExceeded):
			r.more = false
		default:
			return false, err
		}
	}
	r.busy = len(b.ends) > 0
	if last && !r.more {
		return false, os.ErrClosed
	}
	return r.more, nil
}

// Sizes of batches. A burst is read out of a ring faster than the tracker, which
// other readers wait for as well, can follow: 8 MiB of it wait beside the ring.
const (
	batchSize  = 256 << 10
	maxBatches = 32
	maxRecord  = 40 << 10 // more than the longest record
)

// batch is records of a ring that were read at once, one behind the other.
type batch struct {
	bytes []byte
	ends  []int
	next  ringbuf.Record
}

var batches = sync.Pool{New: func() any { return &batch{bytes: make([]byte, 0, batchSize)} }}

// record returns where the next record is to be read to. There is room for it.
func (b *batch) record() *ringbuf.Record {
	b.next.RawSample = b.bytes[len(b.bytes):]
	return &b.next
}

// keep keeps the record that was read.
func (b *batch) keep() {
	b.bytes = b.bytes[:len(b.bytes)+len(b.next.RawSample)]
	b.ends = append(b.ends, len(b.bytes))
}

func (b *batch) full() bool { return cap(b.bytes)-len(b.bytes) < maxRecord }

// each calls f with each record, and makes the batch empty.
func (b *batch) each(f func(raw []byte)) {
	start := 0
	for _, end := range b.ends {
		f(b.bytes[start:end])
		start = end
	}
	b.bytes, b.ends = b.bytes[:0], b.ends[:0]
}
