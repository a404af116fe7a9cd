//go:build amd64 || arm64

package sensor

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// facts are what this machine says of itself that decides whether BPF may be
// used. They tell the cause behind a bare "operation not permitted".
type facts struct {
	release      string
	major, minor int

	caps      uint64 // of this process, a bit each
	seccomp   string // "0": no filter, "1": strict, "2": a filter
	lockdown  string // "none", "integrity", "confidentiality"; "" when not told
	firstUser bool   // this is the first user namespace
	memlock   uint64 // bytes that this process may lock

	noBPF    string // kernel.unprivileged_bpf_disabled: "0", "1", "2", or "" when not told
	paranoid string // kernel.perf_event_paranoid, or ""

	enforcing bool   // SELinux is, and not only permissive
	label     string // of this process: SELinux's context, or AppArmor's profile
	hidepid   string // the option of /proc, "" for none
}

// readFacts reads them from the root of a file system, of which proc and sys are
// needed. What cannot be read stays empty.
func readFacts(root fs.FS) facts {
	text := func(name string) string {
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return ""
		}
		return strings.TrimRight(strings.TrimSpace(string(b)), "\x00")
	}
	f := facts{
		release: text("proc/sys/kernel/osrelease"), noBPF: text("proc/sys/kernel/unprivileged_bpf_disabled"), paranoid: text("proc/sys/kernel/perf_event_paranoid"),
		enforcing: text("sys/fs/selinux/enforce") == "1", label: text("proc/self/attr/current"), memlock: math.MaxUint64,
	}
	_, _ = fmt.Sscanf(f.release, "%d.%d", &f.major, &f.minor) // zero: checkKernel says so
	for line := range strings.Lines(text("proc/self/status")) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch name {
		case "CapEff":
			f.caps, _ = strconv.ParseUint(value, 16, 64)
		case "Seccomp":
			f.seccomp = value
		}
	}
	if _, mode, ok := strings.Cut(text("sys/kernel/security/lockdown"), "["); ok {
		f.lockdown, _, _ = strings.Cut(mode, "]")
	}
	// The first user namespace has every number, and as itself.
	f.firstUser = strings.Join(strings.Fields(text("proc/self/uid_map")), " ") == "0 0 4294967295"
	for line := range strings.Lines(text("proc/self/limits")) {
		if value, ok := strings.CutPrefix(line, "Max locked memory"); ok && len(strings.Fields(value)) > 0 {
			if n, err := strconv.ParseUint(strings.Fields(value)[0], 10, 64); err == nil {
				f.memlock = n
			}
		}
	}
	f.hidepid = hidepid(text("proc/self/mountinfo"))
	return f
}

// hidepid returns what the last mount of proc at /proc hides.
func hidepid(mounts string) (mode string) {
	for line := range strings.Lines(mounts) {
		left, right, _ := strings.Cut(line, " - ")
		at, kind := strings.Fields(left), strings.Fields(right)
		if len(at) < 5 || at[4] != "/proc" || len(kind) < 3 || kind[0] != "proc" {
			continue
		}
		mode = ""
		for option := range strings.SplitSeq(kind[2], ",") {
			if value, ok := strings.CutPrefix(option, "hidepid="); ok && value != "0" && value != "off" {
				mode = value
			}
		}
	}
	return mode
}

// has reports whether a capability is granted. Root's SYS_ADMIN stands for BPF
// and PERFMON.
func (f facts) has(bit uint) bool {
	return f.caps&(1<<bit) != 0 || (bit == unix.CAP_BPF || bit == unix.CAP_PERFMON) && f.caps&(1<<unix.CAP_SYS_ADMIN) != 0
}

// before reports whether the kernel is older than a version.
func (f facts) before(major, minor int) bool {
	return f.major < major || f.major == major && f.minor < minor
}

// memlockNeeded is how much the sensor's maps and rings lock before 5.11.
const memlockNeeded = 64 << 20

// cause says why the kernel refused something that has to do with BPF, and
// what to do; both are "" when err is no refusal, or nothing explains it. filtered
// says that the system call is refused whatever it asks for.
func (f facts) cause(err error, filtered bool) (why, fix string) {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !(filtered && errors.Is(err, unix.ENOSYS)) {
		return "", ""
	}
	switch {
	case f.lockdown == "confidentiality":
		return "the kernel is locked down (confidentiality)", fixLockdown
	case !f.firstUser:
		return "capabilities of another user namespace than the first do not count", fixUser
	case !f.has(unix.CAP_BPF):
		return "CAP_BPF is not granted", "run as root, or grant CAP_BPF"
	case filtered:
		return f.filter(), fixSeccomp
	case !f.has(unix.CAP_PERFMON):
		return "CAP_PERFMON is not granted", "run as root, or grant CAP_PERFMON"
	case f.before(5, 11) && f.memlock < memlockNeeded && f.caps&(1<<unix.CAP_SYS_RESOURCE) == 0:
		return fmt.Sprintf("only %d KiB of memory may be locked, which before Linux 5.11 bounds maps", f.memlock>>10), "raise it (ulimit -l unlimited, LimitMEMLOCK=infinity), or grant CAP_SYS_RESOURCE"
	case f.enforcing:
		return fmt.Sprintf("SELinux is enforcing, and this process is %q", f.label), fixSELinux
	case f.confined():
		return fmt.Sprintf("AppArmor confines this process to the profile %q", f.label), fixAppArmor
	}
	return "", ""
}

// confined reports whether AppArmor holds this process to a profile.
func (f facts) confined() bool { return strings.HasSuffix(f.label, "(enforce)") }

// filter says what refuses a system call whatever it asks for.
func (f facts) filter() string {
	if f.seccomp == "2" {
		return "a seccomp filter refuses it (Seccomp: 2 in /proc/self/status)"
	}
	return "something refuses it although no seccomp filter is told of: a sandbox such as gVisor's, or a security module"
}

// unprivileged says what the kernel allows without CAP_BPF.
func (f facts) unprivileged() string {
	if f.noBPF == "" {
		return ""
	}
	return fmt.Sprintf(" (kernel.unprivileged_bpf_disabled is %s; 0 would not suffice either)", f.noBPF)
}

// perf says what the kernel allows without CAP_PERFMON.
func (f facts) perf() string {
	if f.paranoid == "" {
		return ""
	}
	return fmt.Sprintf(" (kernel.perf_event_paranoid is %s; no value of it suffices)", f.paranoid)
}

// What to do.
const (
	fixLockdown = "boot without lockdown=confidentiality: it forbids programs to read kernel memory"
	fixUser     = "run it in the machine's own user namespace: no rootless container, no userns-remap, hostUsers: true"
	fixSeccomp  = "allow bpf and perf_event_open: with Docker --security-opt seccomp=FILE or =unconfined, in Kubernetes securityContext.seccompProfile of type Localhost or Unconfined, with systemd SystemCallFilter=bpf perf_event_open"
	fixSELinux  = "see what it denies (ausearch -m avc -ts recent), allow its domain { bpf { map_create map_read map_write prog_load prog_run } perf_event capability2 }, or run the container as spc_t (--security-opt label=type:spc_t, seLinuxOptions.type: spc_t)"
	fixAppArmor = "see what it denies (dmesg | grep apparmor), allow capability bpf and perfmon in the profile, or run the container unconfined (--security-opt apparmor=unconfined, appArmorProfile.type: Unconfined)"
)

// module says which security module holds this process, for people.
func (f facts) module() string {
	switch {
	case f.enforcing:
		return fmt.Sprintf("SELinux enforces; this process is %q", f.label)
	case f.confined():
		return fmt.Sprintf("AppArmor's profile %q", f.label)
	}
	return "none that confines this process"
}
