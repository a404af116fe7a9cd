//go:build amd64 || arm64

package sensor

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"kingsnake/capture/proc"
)

// Check says what the sensor needs of this machine and whether it is there. It
// tries each thing for a moment and leaves nothing behind.
func Check() []Capability {
	var out []Capability
	add := func(name, fix string, check func() (string, error)) {
		detail, err := check()
		c := Capability{Name: name, OK: err == nil, Detail: detail, Fix: fix}
		if err != nil {
			c.Detail = err.Error()
		} else {
			c.Fix = ""
		}
		out = append(out, c)
	}
	add("kernel", "use Linux 5.10 or later", checkKernel)
	add("kernel types (BTF)", "use a kernel built with CONFIG_DEBUG_INFO_BTF=y", checkBTF)
	add("first pid namespace", "start it outside of containers, or with hostPID: true", checkPIDNamespace)
	for _, c := range neededCapabilities {
		add("capability "+c.name, "run as root, or grant CAP_"+c.name+": "+c.use, func() (string, error) { return checkCapability(c.bit) })
	}
	add("lockdown", "boot without lockdown=confidentiality: it forbids programs to read kernel memory", checkLockdown)
	add("ring buffer", "run as root on Linux 5.8 or later", checkRing)
	add("tracefs", "mount -t tracefs tracefs /sys/kernel/tracing", checkTracefs)
	add("raw tracepoints", "run as root, or grant CAP_BPF and CAP_PERFMON", checkRawTracepoint)
	add("system call tracepoints", "use a kernel built with CONFIG_FTRACE_SYSCALLS=y, and grant CAP_PERFMON", checkSyscallTracepoint)
	add(uprobes, "grant CAP_BPF and CAP_PERFMON on Linux 6.6 or later, CAP_SYS_ADMIN before; without them "+withoutProbes, checkUprobe)
	return out
}

// uprobes is the only thing that Check looks at and Open does not need.
const uprobes = "user probes"

var neededCapabilities = []struct {
	name string
	bit  uint
	use  string
}{
	{"BPF", unix.CAP_BPF, "to load programs"},
	{"PERFMON", unix.CAP_PERFMON, "to attach them"},
	{"SYS_PTRACE", unix.CAP_SYS_PTRACE, "to look at binaries of other users' processes"},
}

func checkKernel() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("ask for the kernel's version: %w", err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return "", fmt.Errorf("parse kernel version %q: %w", release, err)
	}
	if major < 5 || major == 5 && minor < 10 {
		return "", fmt.Errorf("version %s is too old", release)
	}
	return "Linux " + release, nil
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

func checkCapability(bit uint) (string, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", fmt.Errorf("read capabilities: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		value, ok := strings.CutPrefix(line, "CapEff:")
		if !ok {
			continue
		}
		set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return "", fmt.Errorf("parse capabilities: %w", err)
		}
		// Before 5.8, and for root with everything, SYS_ADMIN stands for the others.
		if set&(1<<bit) != 0 || bit != unix.CAP_SYS_PTRACE && set&(1<<unix.CAP_SYS_ADMIN) != 0 {
			return "granted", nil
		}
		return "", errors.New("not granted")
	}
	return "", errors.New("the kernel does not tell capabilities")
}

func checkLockdown() (string, error) {
	state, err := os.ReadFile("/sys/kernel/security/lockdown")
	if err != nil {
		return "not reported by this kernel", nil
	}
	_, mode, _ := strings.Cut(string(state), "[")
	mode, _, _ = strings.Cut(mode, "]")
	if mode == "confidentiality" {
		return "", errors.New("the kernel is locked down (confidentiality)")
	}
	return mode, nil
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
