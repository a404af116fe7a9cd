//go:build amd64 || arm64

package sensor

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"kingsnake/capture/rights"
)

// machine makes the files that facts are read from: those of a good machine,
// with others in the place of some.
func machine(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	all := map[string]string{
		"proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
		"proc/self/status":          "Name:\tk\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n",
		"proc/self/uid_map":         "         0          0 4294967295\n",
		"proc/self/attr/current":    "unconfined\n",
		"proc/self/limits":          "Limit  Soft Limit  Hard Limit  Units\nMax locked memory         8388608              8388608              bytes\n",
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

// status is a process's with these capabilities and mode of seccomp.
func status(seccomp int, without ...uint) string {
	caps := uint64(1)<<41 - 1
	for _, bit := range without {
		caps &^= 1 << bit
	}
	return fmt.Sprintf("CapEff:\t%016x\nNoNewPrivs:\t0\nSeccomp:\t%d\nSeccomp_filters:\t1\n", caps, seccomp)
}

func TestTheCauseOfARefusalIsTold(t *testing.T) {
	t.Parallel()
	type fixture = map[string]string
	for name, tt := range map[string]struct {
		files    fixture
		err      error
		filtered bool
		why, fix string // words in them; "" for none
	}{
		"all is well": {nil, unix.EPERM, false, "", ""},
		"no refusal":  {fixture{"proc/self/status": status(0, unix.CAP_BPF, unix.CAP_SYS_ADMIN)}, unix.EINVAL, false, "", ""},
		"lockdown": {
			fixture{"sys/kernel/security/lockdown": "none integrity [confidentiality]\n"}, unix.EPERM, false, "locked down (confidentiality)", "lockdown=confidentiality",
		},
		"lockdown that lets it": {fixture{"sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}, unix.EPERM, false, "", ""},
		"no CAP_BPF":            {fixture{"proc/self/status": status(0, unix.CAP_BPF, unix.CAP_SYS_ADMIN)}, unix.EPERM, false, "CAP_BPF is not granted", "grant CAP_BPF"},
		"SYS_ADMIN in its place": {
			fixture{"proc/self/status": status(0, unix.CAP_BPF, unix.CAP_PERFMON)}, unix.EPERM, false, "", "",
		},
		"no CAP_PERFMON": {fixture{"proc/self/status": status(0, unix.CAP_PERFMON, unix.CAP_SYS_ADMIN)}, unix.EACCES, false, "CAP_PERFMON is not granted", "grant CAP_PERFMON"},
		"seccomp":        {fixture{"proc/self/status": status(2)}, unix.EPERM, true, "seccomp filter refuses it (Seccomp: 2", "seccompProfile"},
		"seccomp that says there is no such call": {
			fixture{"proc/self/status": status(2)}, unix.ENOSYS, true, "seccomp filter", "SystemCallFilter=bpf",
		},
		"a sandbox": {nil, unix.ENOSYS, true, "gVisor", ""},
		"a filter, and no CAP_BPF": {
			fixture{"proc/self/status": status(2, unix.CAP_BPF, unix.CAP_SYS_ADMIN)}, unix.EPERM, true, "CAP_BPF is not granted", "grant CAP_BPF",
		},
		"a user namespace": {fixture{"proc/self/uid_map": "         0       1000          1\n"}, unix.EPERM, false, "user namespace", "hostUsers: true"},
		"locked memory": {
			fixture{
				"proc/sys/kernel/osrelease": "5.10.0-28-amd64", "proc/self/status": status(0, unix.CAP_SYS_RESOURCE),
				"proc/self/limits": "Max locked memory         65536                65536                bytes\n",
			}, unix.EPERM, false, "only 64 KiB of memory may be locked", "LimitMEMLOCK=infinity",
		},
		"locked memory, on a later kernel": {
			fixture{"proc/self/status": status(0, unix.CAP_SYS_RESOURCE), "proc/self/limits": "Max locked memory         65536                65536                bytes\n"}, unix.EPERM, false, "", "",
		},
		"SELinux": {
			fixture{"sys/fs/selinux/enforce": "1", "proc/self/attr/current": "system_u:system_r:container_t:s0:c1,c2\x00"}, unix.EACCES, false,
			`SELinux is enforcing, and this process is "system_u:system_r:container_t:s0:c1,c2"`, "spc_t",
		},
		"SELinux, permissive": {fixture{"sys/fs/selinux/enforce": "0", "proc/self/attr/current": "system_u:system_r:container_t:s0"}, unix.EACCES, false, "", ""},
		"AppArmor":            {fixture{"proc/self/attr/current": "docker-default (enforce)\n"}, unix.EACCES, false, `profile "docker-default (enforce)"`, "apparmor=unconfined"},
		"AppArmor, complaining": {
			fixture{"proc/self/attr/current": "docker-default (complain)\n"}, unix.EACCES, false, "", "",
		},
	} {
		why, fix := readFacts(machine(tt.files)).cause(fmt.Errorf("load: %w", tt.err), tt.filtered)
		if !strings.Contains(why, tt.why) || !strings.Contains(fix, tt.fix) || (why == "") != (tt.why == "") || (why == "") != (fix == "") {
			t.Errorf("%s: want %q and %q, got %q and %q", name, tt.why, tt.fix, why, fix)
		}
	}
}

func TestFactsAreCheckedForThemselves(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files map[string]string
		check func(facts) (string, error)
		want  string // words in the error; "" for none
	}{
		"a kernel":          {nil, facts.checkKernel, ""},
		"5.10":              {map[string]string{"proc/sys/kernel/osrelease": "5.10.0\n"}, facts.checkKernel, ""},
		"an old kernel":     {map[string]string{"proc/sys/kernel/osrelease": "5.4.0-150-generic\n"}, facts.checkKernel, "5.4.0-150-generic is too old"},
		"no kernel version": {map[string]string{"proc/sys/kernel/osrelease": "Darwin\n"}, facts.checkKernel, "cannot be read"},
		"hidepid":           {map[string]string{"proc/self/mountinfo": "22 1 0:5 / /proc rw - proc proc rw,hidepid=invisible,gid=4\n", "proc/self/status": status(0, unix.CAP_SYS_PTRACE)}, facts.checkHidden, "hidepid=invisible hides"},
		"hidepid for root":  {map[string]string{"proc/self/mountinfo": "22 1 0:5 / /proc rw - proc proc rw,hidepid=2\n"}, facts.checkHidden, ""},
		"hidepid, undone": {
			map[string]string{"proc/self/mountinfo": "22 1 0:5 / /proc rw - proc proc rw,hidepid=2\n23 22 0:6 / /proc rw - proc proc rw\n", "proc/self/status": status(0, unix.CAP_SYS_PTRACE)}, facts.checkHidden, "",
		},
		"user namespace": {map[string]string{"proc/self/uid_map": "0 100000 65536\n"}, facts.checkUser, "user namespace"},
		"lockdown":       {map[string]string{"sys/kernel/security/lockdown": "none integrity [confidentiality]\n"}, facts.checkLockdown, "locked down"},
	} {
		_, err := tt.check(readFacts(machine(tt.files)))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: want an error with %q, got %v", name, tt.want, err)
		}
	}
}

func TestAMissingCapabilityIsSaidWithWhatTheKernelAllows(t *testing.T) {
	t.Parallel()
	f := readFacts(machine(map[string]string{
		"proc/self/status":                          status(0, unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_SYS_ADMIN, unix.CAP_KILL),
		"proc/sys/kernel/unprivileged_bpf_disabled": "2\n", "proc/sys/kernel/perf_event_paranoid": "3\n",
	}))
	c := checker{facts: f, out: []Capability{{OK: true}}}
	for _, right := range rights.Capabilities(rights.WithBPF) {
		c.addRight(right)
	}
	said := fmt.Sprintf("%+v", c.out)
	for _, want := range []string{
		"kernel.unprivileged_bpf_disabled is 2", "kernel.perf_event_paranoid is 3", "grant CAP_BPF, to load programs", "without it no verdict before a script runs",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said in %s", want, said)
		}
	}
	for _, got := range c.out[1:] {
		missing := strings.Contains("capability BPF capability PERFMON capability KILL", got.Name)
		if got.OK == missing || got.Optional != (got.Name != "capability BPF" && got.Name != "capability PERFMON" && got.Name != "capability SYS_PTRACE") {
			t.Errorf("%+v", got)
		}
	}
}
