package sensor

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// kernel is the kernel half, loaded and attached. Its links must be kept: one
// that is garbage collected detaches without a word.
type kernel struct {
	objects probeObjects
	links   []interface{ Close() error }
	opens   bool // whether the programs that see what is opened are attached
	probes  probeFeatures
}

// openKernel loads the programs and attaches them, the data programs first,
// so that no interpreter is followed before its reads are.
func openKernel(config Config) (*kernel, error) {
	// Before 5.11 maps count as locked memory. Without the right to lift the
	// limit loading may still succeed, and says why if it does not.
	_ = rlimit.RemoveMemlock()
	spec, err := loadProbe()
	if err != nil {
		return nil, fmt.Errorf("read programs: %w", err)
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count processors: %w", err)
	}
	spec.Maps[probeMapScratches].MaxEntries = uint32(cpus)
	for name, size := range map[string]int{
		probeMapExecRing:    cmp.Or(config.ExecRing, ringShare(cpus)),
		probeMapDataRing:    cmp.Or(config.DataRing, 4*ringShare(cpus)),
		probeMapCompileRing: 2 * ringShare(cpus), // a text of 8 MiB comes as fast as memory is copied
	} {
		spec.Maps[name].MaxEntries = ringSize(size)
	}
	if err := spec.Variables["bytes_per_second"].Set(uint64(cmp.Or(max(config.BytesPerSecond, 0), defaultBytes))); err != nil {
		return nil, fmt.Errorf("set the ceiling: %w", err)
	}
	k := new(kernel)
	if k.probes, err = prepareCompiled(spec); err != nil {
		return nil, fmt.Errorf("prepare programs: %w", err)
	}
	if err := spec.LoadAndAssign(&k.objects, nil); err != nil {
		// All else works without the programs for compiled texts.
		leaveOutCompiled(spec)
		k.probes.none = true
		if spec.LoadAndAssign(&k.objects, nil) != nil {
			return nil, fmt.Errorf("load programs: %w", err)
		}
	}
	if err := k.attach(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// ringShare is how much of the rings is for executions, in bytes, on a machine
// with so many processors: what can fill them grows with their number, what
// empties them is one thread.
func ringShare(cpus int) int { return min(max(cpus, 2), 4) << 20 }

// ringSize is the smallest size of a ring that holds size bytes: a power of two,
// in whole pages, and at most 1 GiB.
func ringSize(size int) uint32 {
	n := uint32(os.Getpagesize())
	for n < 1<<30 && int(n) < size {
		n *= 2
	}
	return n
}

func (k *kernel) attach() error {
	for _, t := range []struct {
		event   string
		program *ebpf.Program
	}{
		{"sys_enter_read", k.objects.OnRead},
		{"sys_enter_pread64", k.objects.OnPread},
		{"sys_exit_read", k.objects.OnReadDone},
		{"sys_exit_pread64", k.objects.OnPreadDone},
	} {
		l, err := attachSyscall(t.event, t.program)
		if err != nil {
			return fmt.Errorf("attach tracepoint syscalls/%s: %w", t.event, err)
		}
		k.links = append(k.links, l)
	}
	k.attachOpens()
	for _, t := range []struct {
		event   string
		program *ebpf.Program
	}{
		{"sched_process_exit", k.objects.OnExit},
		{"sched_process_fork", k.objects.OnFork},
		{"sched_process_exec", k.objects.OnExec},
	} {
		l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: t.event, Program: t.program})
		if err != nil {
			return fmt.Errorf("attach raw tracepoint %s: %w", t.event, err)
		}
		k.links = append(k.links, l)
	}
	return nil
}

// attachOpens attaches what sees files being opened, if it can.
func (k *kernel) attachOpens() {
	// Only amd64 has the first. It is the second that decides.
	for _, t := range []struct {
		event   string
		program *ebpf.Program
	}{
		{"sys_enter_open", k.objects.OnOpen},
		{"sys_enter_openat", k.objects.OnOpenat},
	} {
		l, err := attachSyscall(t.event, t.program)
		k.opens = err == nil
		if k.opens {
			k.links = append(k.links, l)
		}
	}
}

// attachHold attaches what only a sensor that holds needs.
func (k *kernel) attachHold() error {
	l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "signal_generate", Program: k.objects.OnSignal})
	if err != nil {
		return fmt.Errorf("attach raw tracepoint signal_generate: %w", err)
	}
	k.links = append(k.links, l)
	return nil
}

// Close detaches everything and frees the maps.
func (k *kernel) Close() error { return errors.Join(k.detach(), k.objects.Close()) }

// detach stops the programs. Their maps stay.
func (k *kernel) detach() error {
	var errs []error
	for i := len(k.links) - 1; i >= 0; i-- {
		errs = append(errs, k.links[i].Close())
	}
	k.links = nil
	return errors.Join(errs...)
}

// attachSyscall attaches a program to a system call tracepoint. The library
// could do it too, but only where tracefs is mounted.
func attachSyscall(event string, program *ebpf.Program) (*os.File, error) {
	id, err := eventID("events/syscalls/" + event + "/id")
	if err != nil {
		return nil, err
	}
	return attachEvent(event, id, program)
}

// attachEvent attaches a program to the tracepoint that has that number.
func attachEvent(event string, id uint64, program *ebpf.Program) (*os.File, error) {
	attr := unix.PerfEventAttr{
		Type:        unix.PERF_TYPE_TRACEPOINT,
		Config:      id,
		Size:        unix.PERF_ATTR_SIZE_VER1,
		Sample_type: unix.PERF_SAMPLE_RAW,
		Sample:      1,
		Wakeup:      1,
	}
	fd, err := unix.PerfEventOpen(&attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open perf event: %w", err)
	}
	f := os.NewFile(uintptr(fd), event)
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_BPF, program.FD()); err != nil {
		return nil, errors.Join(fmt.Errorf("set program: %w", err), f.Close())
	}
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("enable perf event: %w", err), f.Close())
	}
	runtime.KeepAlive(program)
	return f, nil
}

// eventID reads a number from tracefs, where it is mounted or, if it is not,
// from an instance that no other process sees.
func eventID(path string) (uint64, error) {
	dir, err := openTracefs()
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	fd, err := unix.Openat(int(dir.Fd()), path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open tracefs %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var buf [32]byte
	n, err := f.Read(buf[:])
	if err != nil {
		return 0, fmt.Errorf("read tracefs %s: %w", path, err)
	}
	return strconv.ParseUint(strings.TrimSpace(string(buf[:n])), 10, 64)
}

// openTracefs opens the root of tracefs.
func openTracefs() (*os.File, error) {
	for _, path := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		var fs unix.Statfs_t
		if unix.Statfs(path, &fs) != nil || (fs.Type != unix.TRACEFS_MAGIC && fs.Type != unix.DEBUGFS_MAGIC) {
			continue
		}
		return os.Open(path)
	}
	fs, err := unix.Fsopen("tracefs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("tracefs is not mounted, and cannot be opened: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("tracefs is not mounted, and cannot be created: %w", err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("tracefs is not mounted, and cannot be mounted: %w", err)
	}
	return os.NewFile(uintptr(fd), "tracefs"), nil
}

// sent reads how many records fitted the rings: of execs, of data.
func (k *kernel) sent() (exec, data uint64) {
	for i, total := range []*uint64{&exec, &data} {
		var each []uint64
		if k.objects.Sent.Lookup(uint32(i), &each) == nil {
			for _, n := range each {
				*total += n
			}
		}
	}
	return exec, data
}

// losses reads what the kernel half counted.
func (k *kernel) losses() map[string]uint64 {
	out := make(map[string]uint64)
	for reason, name := range lossNames {
		var each []uint64
		if k.objects.Losses.Lookup(probeLoss(reason), &each) != nil {
			continue
		}
		for _, n := range each {
			if n > 0 {
				out[name] += n
			}
		}
	}
	return out
}
