//go:build amd64 || arm64

package sensor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/proc"
)

// FollowTime is how long a process and those that come of it are followed.
const FollowTime = time.Minute

// maxRoots is how many processes Follow follows at once.
const maxRoots = 16

// followTracepoints are what is watched: where connections begin, and where
// files have been opened. A machine need not have all but the first two.
var followTracepoints = []string{"sys_enter_connect", "sys_exit_openat", "sys_exit_openat2", "sys_exit_open", "sys_exit_creat"}

// follower follows processes. It is safe for concurrent use.
type follower struct {
	kernel *kernel
	clock  *proc.Clock
	links  []*os.File // of the tracepoints

	mu    sync.Mutex
	roots map[probeProgram]time.Time // until when
}

// Follow follows a process for FollowTime: what it and the processes that come
// of it do is told to Config.Acted. Its children of before are followed too, as
// far as they are still its children or have executed nothing since. At most 16
// processes are followed at once, with 1,024 that came of them; the error is
// capture.ErrTooMany, capture.ErrEnded or capture.ErrFollowed, or what the kernel said.
//
// With or without an error Follow returns what a Python process and those that
// came of it did in the last ten seconds: at most 128 acts, or a few more. What
// did not reach the sensor by then is told to Config.Acted.
func (s *Sensor) Follow(p capture.Process) (capture.Past, error) {
	id := probeProgram{Exec: s.follower.clock.Nanos(p.Start), Tgid: uint32(p.PID)}
	err := s.follower.follow(id)
	return s.tracker.past.recall(id), err
}

func (f *follower) follow(id probeProgram) error {
	if !runs(id) {
		return capture.ErrEnded
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.followed(id.Tgid):
		return capture.ErrFollowed
	case len(f.roots) >= maxRoots:
		return capture.ErrTooMany
	}
	f.roots[id] = time.Now().Add(FollowTime)
	err := f.kernel.objects.Following.Set(uint32(len(f.roots)))
	// The process first: children that it starts from now on are followed by
	// the kernel half.
	if err == nil {
		err = f.mark(id.Tgid, id)
	}
	if err != nil {
		return errors.Join(err, f.end(id))
	}
	for _, child := range f.descendants(id.Tgid) {
		if err := f.mark(child, id); err != nil {
			break // there is no room; the others are counted when they fork
		}
	}
	return nil
}

func procDir(pid int) string { return "/proc/" + strconv.Itoa(pid) }

func (f *follower) followed(pid uint32) bool {
	var old probeFollow
	return f.kernel.objects.Followed.Lookup(pid, &old) == nil
}

// mark has the kernel half follow a process, unless it does already.
func (f *follower) mark(pid uint32, root probeProgram) error {
	err := f.kernel.objects.Followed.Update(pid, probeFollow{Root: root}, ebpf.UpdateNoExist)
	if err != nil && !errors.Is(err, ebpf.ErrKeyExist) {
		return fmt.Errorf("follow process %d: %w", pid, err)
	}
	return nil
}

// descendants returns the processes that came of one: its children and theirs,
// and the forks of its program whose parents have ended.
func (f *follower) descendants(root uint32) []uint32 {
	found := map[uint32]bool{root: true}
	var out []uint32
	add := func(pid uint32) {
		if !found[pid] && len(out) < int(f.kernel.objects.Followed.MaxEntries()) {
			found[pid] = true
			out = append(out, pid)
		}
	}
	var task probeTask
	if f.kernel.objects.Tasks.Lookup(root, &task) == nil {
		var pid uint32
		var other probeTask
		for it := f.kernel.objects.Tasks.Iterate(); it.Next(&pid, &other); {
			if other.Program == task.Program {
				add(pid)
			}
		}
	}
	children := map[uint32][]uint32{}
	for pid, parent := range parents() {
		children[parent] = append(children[parent], pid)
	}
	for todo := append([]uint32{root}, out...); len(todo) > 0; todo = todo[1:] {
		for _, child := range children[todo[0]] {
			if !found[child] {
				add(child)
				todo = append(todo, child)
			}
		}
	}
	return out
}

// parents returns the parent of every process there is.
func parents() map[uint32]uint32 {
	out := map[uint32]uint32{}
	dir, err := os.Open("/proc")
	if err != nil {
		return out
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		// The second field may hold anything, parentheses included.
		if fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])); len(fields) > 1 {
			parent, _ := strconv.ParseUint(fields[1], 10, 32)
			out[uint32(pid)] = uint32(parent)
		}
	}
	return out
}

// newFollower attaches what sees connections and files opened.
func newFollower(k *kernel, c *proc.Clock) (*follower, error) {
	f := &follower{kernel: k, clock: c, roots: make(map[probeProgram]time.Time)}
	for i, name := range followTracepoints {
		program := k.objects.OnOpenDone
		if i == 0 {
			program = k.objects.OnConnect
		}
		l, err := attachSyscall(name, program)
		if i > 1 && errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach tracepoint syscalls/%s: %w", name, err), f.close())
		}
		f.links = append(f.links, l)
	}
	return f, nil
}

// end stops following what came of a root.
func (f *follower) end(root probeProgram) error {
	delete(f.roots, root)
	err := f.kernel.objects.Following.Set(uint32(len(f.roots)))
	var pid uint32
	var mark probeFollow
	var ended []uint32
	for it := f.kernel.objects.Followed.Iterate(); it.Next(&pid, &mark); {
		if mark.Root == root {
			ended = append(ended, pid)
		}
	}
	for _, pid := range ended {
		_ = f.kernel.objects.Followed.Delete(pid) // it may have ended by itself
	}
	return err
}

// sweep ends what was followed long enough.
func (f *follower) sweep(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for root, until := range f.roots {
		if now.After(until) {
			_ = f.end(root) // what stays attached finds nothing to follow
		}
	}
}

// close stops following.
func (f *follower) close() error {
	var errs []error
	for _, l := range f.links {
		errs = append(errs, l.Close())
	}
	f.links = nil
	return errors.Join(errs...)
}

// act tells what a followed process did, and keeps what one did that may be
// followed later.
func (t *tracker) act(e *event, root probeProgram, a capture.Activity) {
	switch {
	case e.Flags&probeRecordFlagFLAG_EARLY != 0:
		t.past.add(root, a)
	case t.acted != nil:
		t.acted(t.past.ofRoot(a, root))
	}
}

// handleAction deals with a record of a followed process.
func (t *tracker) handleAction(e *event) {
	if a, ok := activity(t.clock, e); ok {
		t.act(e, e.Program, a)
	}
}

// activity returns what a process did, without the one that it is told for.
func activity(c *proc.Clock, e *event) (a capture.Activity, ok bool) {
	a = capture.Activity{Time: c.Wall(e.Time), By: int(e.Tgid)}
	switch e.Kind {
	case probeRecordKindRECORD_FORK:
		a.Act, a.Target = capture.Forked, strconv.FormatUint(e.Offset, 10)
	case probeRecordKindRECORD_CONNECT:
		a.Act, a.Target = capture.Connected, socketAddress(e.data)
	case probeRecordKindRECORD_WRITE:
		a.Act, a.Target = capture.Wrote, joinNames(e.data)
	}
	return a, a.Target != ""
}

// socketAddress reads a struct sockaddr as a process gave it; "" when nothing is
// connected with it.
func socketAddress(b []byte) string {
	if len(b) < 2 {
		return ""
	}
	rest := b[2:]
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		if len(rest) >= 6 {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(rest[2:6])), binary.BigEndian.Uint16(rest)).String()
		}
	case unix.AF_INET6:
		if len(rest) >= 22 {
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte(rest[6:22])).Unmap(), binary.BigEndian.Uint16(rest)).String()
		}
	case unix.AF_UNIX:
		name, abstract := strings.CutPrefix(string(rest), "\x00")
		if abstract {
			return "unix:@" + name
		}
		name, _, _ = strings.Cut(name, "\x00")
		return "unix:" + name
	}
	return ""
}
