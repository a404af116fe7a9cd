//go:build amd64 || arm64

package sensor

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
)

// Feeder is a tracker without a kernel, so that records can be made up.
type Feeder struct {
	t *tracker
	e event
}

// NewFeeder returns a feeder that delivers to deliver and counts losses with count.
func NewFeeder(memory int, deliver func(capture.Script), count func(string)) *Feeder {
	return &Feeder{t: newTracker(Config{Memory: memory}, nil, deliver, count)}
}

// Feed deals with one raw record and reports whether it was well formed.
func (f *Feeder) Feed(raw []byte) bool {
	if f.e.decode(raw) != nil {
		return false
	}
	f.t.handle(&f.e)
	return true
}

// Held returns the bytes held, and those that the readings really have.
func (f *Feeder) Held() (counted, real int) {
	add := func(_ probeProgram, p *program) bool {
		for _, r := range append(readingsOf(p), p.early...) {
			if r.text != nil {
				real += len(r.text.bytes)
			}
		}
		return true
	}
	f.t.programs.each(add)
	f.t.gone.each(add)
	return f.t.memory, real
}

func readingsOf(p *program) (out []*reading) {
	for _, r := range p.readings {
		out = append(out, r)
	}
	return out
}

// Flush ends everything.
func (f *Feeder) Flush() { f.t.flush() }

// Record makes a raw record of process 1 for file ino, whose size is size.
func Record(kind uint32, ino, size, offset uint64, data []byte) []byte {
	r := probeRecord{
		Kind: probeRecordKind(kind), Len: uint32(len(data)), Program: probeProgram{Exec: 1, Tgid: 1 << 30}, Tgid: 1 << 30,
		File: probeFileKey{Ino: ino, Size: size}, Mode: 0o100644, Offset: offset, Fd: 3,
	}
	return append(unsafe.Slice((*byte)(unsafe.Pointer(&r)), unsafe.Sizeof(r)), data...)
}

// Lossy returns a raw record that says that records before it were lost.
func Lossy(raw []byte) []byte {
	return altered(raw, func(r *probeRecord) { r.Lost = 1 << probeLossLOSS_EXEC_RING })
}

// InChild returns a raw record as one of a forked child of process 1.
func InChild(raw []byte) []byte {
	return altered(raw, func(r *probeRecord) { r.Tgid++ })
}

// OfStdin returns a raw record as one of a pipe that is standard input.
func OfStdin(raw []byte) []byte {
	return altered(raw, func(r *probeRecord) {
		r.Fd, r.Mode, r.File.Size = 0, unix.S_IFIFO, 0
		r.Flags |= probeRecordFlagFLAG_STREAM
	})
}

// altered returns a copy of a raw record with another head.
func altered(raw []byte, change func(*probeRecord)) []byte {
	r := *(*probeRecord)(unsafe.Pointer(unsafe.SliceData(raw)))
	change(&r)
	return append(unsafe.Slice((*byte)(unsafe.Pointer(&r)), unsafe.Sizeof(r)), raw[unsafe.Sizeof(r):]...)
}

// ExecRecord makes the record that ends the exec of process 1.
func ExecRecord(args, env int) []byte {
	r := probeExecRecord{ArgsLen: uint64(args), EnvLen: uint64(env), Binary: probeBinaryClassBINARY_PYTHON}
	r.Head.Kind = probeRecordKindRECORD_EXEC
	r.Head.Program = probeProgram{Exec: 1, Tgid: 1 << 30}
	r.Head.Tgid = 1 << 30
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&r)), unsafe.Sizeof(r))...)
}

// The kinds of record, by name.
const (
	KindExe  = uint32(probeRecordKindRECORD_EXE)
	KindArgs = uint32(probeRecordKindRECORD_ARGS)
	KindPath = uint32(probeRecordKindRECORD_PATH)
	KindData = uint32(probeRecordKindRECORD_DATA)
	KindEOF  = uint32(probeRecordKindRECORD_EOF)
	KindExit = uint32(probeRecordKindRECORD_EXIT)
)

// Records returns how many records of the exec ring and the data ring fitted
// them, and how many were read.
func (s *Sensor) Records() (sent, received [2]uint64) {
	sent[0], sent[1] = s.kernel.sent()
	return sent, [2]uint64{s.received[0].Load(), s.received[1].Load()}
}

// Detach stops the kernel half: nothing more is sent.
func (s *Sensor) Detach() error { return s.kernel.detach() }

// HoldNamed has processes held in no cgroup that was not named with HoldIn.
func HoldNamed(h *Hold) { h.known = true }

// HoldIn has processes held in the cgroup of version 2 that lies at dir.
func (s *Sensor) HoldIn(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err
	}
	return s.holder.policies.Put(st.Ino, probeHoldPolicyHOLD_KEEP)
}

// Holds returns how many processes are held now.
func (s *Sensor) Holds() int {
	_, left := s.holder.sweep(time.Hour)
	return left
}

// Hang has the sensor do nothing about holds, as one that hangs would.
func (s *Sensor) Hang(hang bool) {
	if hang {
		s.holder.mu.Lock()
	} else {
		s.holder.mu.Unlock()
	}
}

// Holding reports whether processes are held at all.
func (s *Sensor) Holding() bool {
	var now probeHoldSwitch
	return s.holder.switches.Lookup(uint32(0), &now) == nil && now.On != 0
}

// Left returns how many entries the kernel's maps have of processes that are no
// more, by the name of the map.
func (s *Sensor) Left() map[string]int {
	left := map[string]int{}
	count := func(name string, pid uint32) {
		if unix.Kill(int(pid), 0) == unix.ESRCH {
			left[name]++
		}
	}
	o := &s.kernel.objects
	var tgid uint32
	var task probeTask
	for each := o.Tasks.Iterate(); each.Next(&tgid, &task); {
		count("tasks", tgid)
	}
	var tail []byte
	for each := o.Tails.Iterate(); each.Next(&tgid, &tail); {
		count("tails", tgid)
	}
	var thread uint64
	var read []byte
	for each := o.Reads.Iterate(); each.Next(&thread, &read); {
		count("reads", uint32(thread>>32))
	}
	return left
}

// Hooked returns how many binaries below a folder have probes.
func (s *Sensor) Hooked(dir string) (n int) {
	h := s.tracker.hooks
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hooked.each(func(_ hookKey, x *hooked) bool {
		if path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", x.file.Fd())); err == nil && strings.HasPrefix(path, dir+"/") {
			n++
		}
		return true
	})
	return n
}
