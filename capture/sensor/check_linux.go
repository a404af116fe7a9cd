//go:build amd64 || arm64

package sensor

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"kingsnake/capture/proc"
	"kingsnake/capture/rights"
)

// Check says what the sensor needs of this machine and whether it is there. It
// tries each thing for a moment and leaves nothing behind.
func Check() []Capability {
	c := checker{facts: readFacts(os.DirFS("/"))}
	c.add("kernel", "use Linux 5.10 or later, or --capture fallback", c.facts.checkKernel)
	c.add("kernel types (BTF)", "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as all large distributions' are", checkBTF)
	c.add("first pid namespace", "start it outside of containers, or with hostPID: true", checkPIDNamespace)
	c.add("first user namespace", fixUser, c.facts.checkUser)
	for _, right := range rights.Capabilities(rights.WithBPF) {
		c.addRight(right)
	}
	c.add("lockdown", fixLockdown, c.facts.checkLockdown)
	c.add("security module", "", func() (string, error) { return c.facts.module(), nil })
	// Nonsense is refused as such where the system call is allowed at all.
	c.filtered = c.add("system call bpf", fixSeccomp, func() (string, error) { return refusal(unix.SYS_BPF, noSuchCommand, 0, 0) })
	perf := c.add("system call perf_event_open", fixSeccomp, func() (string, error) { return refusal(unix.SYS_PERF_EVENT_OPEN, 0, 0, noSuchCommand) })
	c.add("ring buffer", "run as root on Linux 5.8 or later", checkRing)
	c.add("tracefs", "mount -t tracefs tracefs /sys/kernel/tracing, or grant CAP_SYS_ADMIN", func() (string, error) {
		found, err := checkTracefs()
		if err != nil {
			return "", errors.New(err.Error()) // its refusal has nothing to do with BPF
		}
		return found, nil
	})
	c.add("raw tracepoints", "run as root, or grant CAP_BPF and CAP_PERFMON", checkRawTracepoint)
	c.filtered = c.filtered || perf
	c.add("system call tracepoints", "use a kernel built with CONFIG_FTRACE_SYSCALLS=y, and grant CAP_PERFMON", checkSyscallTracepoint)
	c.optional = true
	c.add("user probes", "grant CAP_BPF and CAP_PERFMON on Linux 6.6 or later, CAP_SYS_ADMIN before; without them "+withoutProbes, checkUprobe)
	c.add("all processes in /proc", "mount -o remount,hidepid=0 /proc, or run as root or in the group of its option gid", c.facts.checkHidden)
	c.add("holding (--hold)", "mend what fails above, and grant CAP_KILL", c.checkHolding)
	c.add("BPF file system", "mount -t bpf bpf /sys/fs/bpf; without it --hold works, but if sensor and guard are killed at once, nobody knows what they held", checkPins)
	return c.out
}

// checker gathers what was found.
type checker struct {
	facts    facts
	filtered bool // the bpf system call itself is refused
	optional bool // what follows is not needed to capture
	out      []Capability
}

// add tries one thing, and reports whether it is refused. A cause that the facts
// tell goes before the general advice.
func (c *checker) add(name, fix string, check func() (string, error)) (refused bool) {
	detail, err := check()
	got := Capability{Name: name, OK: err == nil, Optional: c.optional, Detail: detail, Fix: fix}
	if err == nil {
		got.Fix = ""
	} else {
		got.Detail = err.Error()
		filtered := c.filtered || errors.Is(err, errRefused)
		if why, what := c.facts.cause(err, filtered); why != "" {
			got.Detail, got.Fix = "refused: "+why, what
		}
	}
	c.out = append(c.out, got)
	return errors.Is(err, errRefused)
}

// checkHolding says whether programs can be held, after all else was looked at.
func (c *checker) checkHolding() (string, error) {
	for _, other := range c.out {
		if !other.OK && !other.Optional {
			return "", fmt.Errorf("it takes BPF, and %s is missing", other.Name)
		}
	}
	if !c.facts.has(unix.CAP_KILL) {
		return "", errors.New("what cannot be let go is not held: CAP_KILL is not granted")
	}
	return "works, with a guard process beside", nil
}

// addRight looks at one of the capabilities of Linux.
func (c *checker) addRight(right rights.Capability) {
	got := Capability{Name: "capability " + right.Name, OK: c.facts.has(right.Bit), Optional: !right.Must, Detail: "granted"}
	if !got.OK {
		if !right.Must && !right.Kept && c.out[0].OK && !c.facts.before(5, 11) {
			return // of older kernels
		}
		got.Detail = "not granted"
		switch right.Bit {
		case unix.CAP_BPF:
			got.Detail += c.facts.unprivileged()
		case unix.CAP_PERFMON:
			got.Detail += c.facts.perf()
		}
		got.Fix = fmt.Sprintf("run as root, or grant CAP_%s, to %s; without it %s", right.Name, right.For, right.Without)
	}
	c.out = append(c.out, got)
}

// noSuchCommand is a command of bpf and flags of perf_event_open that no kernel has.
const noSuchCommand = 0xffff_fff0

// errRefused says that a system call is refused whatever it asks for.
var errRefused = errors.New("refused before it is looked at")

// refusal makes a system call that means nothing, which the kernel calls invalid.
func refusal(number, a, b, c uintptr) (string, error) {
	var errno unix.Errno
	if number == unix.SYS_PERF_EVENT_OPEN {
		_, _, errno = unix.Syscall6(number, a, b, 0, 0, c, 0)
	} else {
		_, _, errno = unix.Syscall(number, a, b, c)
	}
	switch errno {
	case unix.EPERM, unix.EACCES, unix.ENOSYS:
		return "", fmt.Errorf("%w: %w", errRefused, errno)
	}
	return "allowed", nil
}

func (f facts) checkKernel() (string, error) {
	switch {
	case f.major == 0:
		return "", fmt.Errorf("its version %q cannot be read", f.release)
	case f.before(5, 10):
		return "", fmt.Errorf("version %s is too old", f.release)
	}
	return "Linux " + f.release, nil
}

func (f facts) checkUser() (string, error) {
	if !f.firstUser {
		return "", errors.New("this process is in a user namespace of its own: its capabilities do not count for BPF")
	}
	return "yes", nil
}

func (f facts) checkHidden() (string, error) {
	if f.hidepid != "" && f.caps&(1<<unix.CAP_SYS_PTRACE) == 0 {
		return "", fmt.Errorf("hidepid=%s hides those of other users", f.hidepid)
	}
	return "yes", nil
}

// checkPins looks for what Hold.Pins needs.
func checkPins() (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(defaultPins, &st); err != nil {
		return "", fmt.Errorf("look at %s: %w", defaultPins, err)
	}
	if st.Type != unix.BPF_FS_MAGIC {
		return "", fmt.Errorf("%s is no BPF file system", defaultPins)
	}
	return defaultPins, nil
}

func checkBTF() (string, error) {
	const path = "/sys/kernel/btf/vmlinux"
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	return path, f.Close()
}

func checkPIDNamespace() (string, error) { return "yes", proc.FirstPIDNamespace() }

func (f facts) checkLockdown() (string, error) {
	switch f.lockdown {
	case "":
		return "not reported by this kernel", nil
	case "confidentiality":
		return "", errors.New("the kernel is locked down (confidentiality)")
	}
	return f.lockdown, nil
}

func checkRing() (string, error) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: uint32(os.Getpagesize())})
	if err != nil {
		return "", fmt.Errorf("create ring buffer: %w", err)
	}
	return "works", m.Close()
}

func checkTracefs() (string, error) {
	f, err := openTracefs()
	if err != nil {
		return "", err
	}
	defer f.Close()
	if f.Name() == "tracefs" {
		return "not mounted; a private instance works", nil
	}
	return f.Name(), nil
}

// nothing is a program that does nothing.
func nothing(kind ebpf.ProgramType, attach ebpf.AttachType) (*ebpf.Program, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: kind, AttachType: attach, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return nil, fmt.Errorf("load program: %w", err)
	}
	return p, nil
}

func checkRawTracepoint() (string, error) {
	p, err := nothing(ebpf.RawTracepoint, ebpf.AttachNone)
	if err != nil {
		return "", err
	}
	defer func() { _ = p.Close() }() // nothing was done with it
	l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sched_process_exec", Program: p})
	if err != nil {
		return "", fmt.Errorf("attach to sched_process_exec: %w", err)
	}
	return "work", l.Close()
}

func checkSyscallTracepoint() (string, error) {
	p, err := nothing(ebpf.TracePoint, ebpf.AttachNone)
	if err != nil {
		return "", err
	}
	defer func() { _ = p.Close() }() // nothing was done with it
	l, err := attachSyscall("sys_exit_pread64", p)
	if err != nil {
		return "", fmt.Errorf("attach to sys_exit_pread64: %w", err)
	}
	return "work", l.Close()
}

// withoutProbes says what is lost without user probes.
const withoutProbes = "text compiled at run time (exec, eval, compile, marshal) is not captured; everything else is"

func checkUprobe() (string, error) {
	kind, word := ebpf.AttachNone, "work, one by one"
	multi := features.HaveBPFLinkUprobeMulti() == nil
	if multi {
		kind, word = ebpf.AttachTraceUprobeMulti, "work, many at once"
	}
	p, err := nothing(ebpf.Kprobe, kind)
	if err != nil {
		return "", err
	}
	defer func() { _ = p.Close() }() // nothing was done with it
	const self = "/proc/self/exe"
	f, err := elf.Open(self)
	if err != nil {
		return "", fmt.Errorf("read own binary: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	// The first instruction of a process: it is not run again.
	entry, ok := entryAt(f, f.Entry)
	if !ok {
		return "", errors.New("own binary has no entry")
	}
	binary, err := link.OpenExecutable(self)
	if err != nil {
		return "", fmt.Errorf("open own binary: %w", err)
	}
	h := hooks{probeFeatures: probeFeatures{multi: multi}}
	links, err := h.attachDoor(binary, p, []entryPoint{entry})
	if err != nil {
		return "", fmt.Errorf("attach to own binary: %w", err)
	}
	return word, closeLinks(links)
}
