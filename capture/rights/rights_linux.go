//go:build amd64 || arm64

package rights

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Capabilities are those a sensor uses, the needful first. No other is ever of
// use to it. doctor, docs/rights.md and what is given up all rest on this list.
func Capabilities(use Use) []Capability {
	const (
		ptrace = "look at binaries, files and ancestors of other users' processes"
		nice   = "take what the kernel tells before other work"
		slow   = "more is lost when the machine is overloaded"
		read   = "read binaries and scripts that only their owner may read, without root's user"
	)
	if use == WithoutBPF {
		return []Capability{
			{"SYS_PTRACE", unix.CAP_SYS_PTRACE, ptrace, nothing, true, true},
			{"SYS_ADMIN", unix.CAP_SYS_ADMIN, "be told of opened files (fanotify), also on file systems that are mounted later", "imports and most modules are not seen", true, false},
			{"NET_ADMIN", unix.CAP_NET_ADMIN, "be told of processes (the proc connector)", "what forked processes import is not seen, and more short processes are missed", false, false},
			{"DAC_READ_SEARCH", unix.CAP_DAC_READ_SEARCH, read, "such scripts are counted as unreadable", true, false},
			{"SYS_NICE", unix.CAP_SYS_NICE, nice, slow, true, false},
		}
	}
	return []Capability{
		{"BPF", unix.CAP_BPF, "load programs, and teach them what is known", nothing, true, true},
		{"PERFMON", unix.CAP_PERFMON, "attach programs, also to interpreters that are seen later", nothing, true, true},
		{"SYS_PTRACE", unix.CAP_SYS_PTRACE, ptrace, nothing, true, true},
		{"DAC_READ_SEARCH", unix.CAP_DAC_READ_SEARCH, read, "such binaries count as Python, and cost time", true, false},
		{"KILL", unix.CAP_KILL, "hold, release and kill processes of other users", "no verdict before a script runs", true, false},
		{"SYS_NICE", unix.CAP_SYS_NICE, nice, slow, true, false},
		{"SYS_RESOURCE", unix.CAP_SYS_RESOURCE, "lock the memory of maps, before Linux 5.11", "loading may fail there", false, false},
		{"SYS_ADMIN", unix.CAP_SYS_ADMIN, "attach to interpreters before Linux 6.6, and look into tracefs where it is not mounted", "text compiled at run time is not seen on such kernels", needsAdmin(), false},
	}
}

// Granted returns the capabilities that this process has now, a bit each by
// number.
func Granted() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), nil
}

// needsAdmin reports whether attaching to interpreters takes CAP_SYS_ADMIN:
// uprobe.multi, which does not, came with 6.6.
func needsAdmin() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return true
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		return true
	}
	return major < 6 || major == 6 && minor < 6
}

// Reduce gives up every capability that Capabilities does not keep for a use, in every
// thread and for what is executed later. The error says what could not be given
// up; in programs that use cgo that is everything.
func Reduce(use Use) error {
	var keep uint64
	for _, c := range Capabilities(use) {
		if c.Kept {
			keep |= 1 << c.Bit
		}
	}
	return limit(keep)
}

// limit leaves no capability but those in keep.
func limit(keep uint64) error {
	// The bounding set first: dropping from it takes a capability itself.
	for bit := uintptr(0); bit < 64; bit++ {
		if keep&(1<<bit) != 0 {
			continue
		}
		if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, bit, 0); errno == syscall.EINVAL {
			break // no more capabilities in this kernel
		} else if errno != 0 && errno != syscall.EPERM {
			return fmt.Errorf("drop capability %d: %w", bit, errno)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	for i := range data {
		low := uint32(keep >> (32 * i))
		data[i].Effective &= low
		data[i].Permitted &= low
		data[i].Inheritable = 0
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	runtime.KeepAlive(&data)
	if errno != 0 {
		return fmt.Errorf("give up capabilities: %w", errno)
	}
	return nil
}

// The most an isolated process may have. What a script may make is bounded far
// below; this is for the mistake that the bounds have.
const (
	maxData  = 512 << 20 // bytes of memory
	maxStack = 64 << 20  // bytes of one goroutine's stack
)

// Isolate leaves the process what it takes to compute, to read and write the
// files it has open, and to end. What else it asks of the kernel is refused, and
// its memory is limited.
func Isolate() error {
	debug.SetMaxStack(maxStack)
	for _, l := range []struct {
		what     string
		resource int
		most     uint64
	}{{"core dumps", unix.RLIMIT_CORE, 0}, {"file sizes", unix.RLIMIT_FSIZE, 0}, {"memory", unix.RLIMIT_DATA, maxData}} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.most, Max: l.most}); err != nil {
			return fmt.Errorf("limit %s: %w", l.what, err)
		}
	}
	if err := limit(0); err != nil {
		return err
	}
	return filter(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM), computing, unix.SECCOMP_RET_ALLOW)
}

// Refuse forbids the system calls that the sensor never makes once it is
// attached and that an intruder would: to trace or write into other processes,
// to mount, to change namespaces, to load kernel code, to watch keys.
func Refuse() error {
	return filter(unix.SECCOMP_RET_ALLOW, dangerous, unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM))
}
