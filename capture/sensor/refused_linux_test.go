//go:build amd64 || arm64

package sensor_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"kingsnake/capture/sensor"
)

// roleChecked makes this test binary say what Check finds, after it has refused
// itself the system calls that its second argument names.
const roleChecked = "be checked"

func beChecked(without string) error {
	if without == "bpf" {
		if err := refuse(unix.SYS_BPF); err != nil {
			return err
		}
	}
	for _, c := range sensor.Check() {
		fmt.Printf("%v|%s|%s|%s\n", c.OK, c.Name, c.Detail, c.Fix)
	}
	_, err := sensor.Open(sensor.Config{})
	fmt.Println("open:", err)
	return nil
}

// refuse has a system call answered with EPERM, as the filters of container
// runtimes do.
func refuse(number uint32) error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&p))); errno != 0 {
		return errno
	}
	return nil
}

// TestTheRealCauseIsToldOnThisMachine takes things away from a process and wants
// it to say what it lacks.
func TestTheRealCauseIsToldOnThisMachine(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip(`not root, so there is nothing to take away: run "sudo -E go test ./capture/sensor"`)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("setpriv is missing: apt-get install util-linux")
	}
	for name, tt := range map[string]struct {
		args  []string
		attr  *syscall.SysProcAttr
		lines []string // in what is said
	}{
		"seccomp": {
			args: []string{self, roleChecked, "bpf"},
			lines: []string{
				"false|system call bpf|refused: a seccomp filter refuses it (Seccomp: 2 in /proc/self/status)|allow bpf and perf_event_open",
				"false|ring buffer|refused: a seccomp filter", "open: capturing is not supported here: system call bpf: refused: a seccomp filter",
			},
		},
		"without CAP_BPF": {
			args:  []string{setpriv, "--bounding-set=-bpf,-sys_admin", self, roleChecked, ""},
			lines: []string{"false|capability BPF|not granted", "true|system call perf_event_open|allowed", "false|ring buffer|refused: CAP_BPF is not granted|", "open: capturing is not supported here: capability BPF"},
		},
		"without CAP_PERFMON": {
			args:  []string{setpriv, "--bounding-set=-perfmon,-sys_admin", self, roleChecked, ""},
			lines: []string{"true|capability BPF|granted", "false|capability PERFMON|not granted", "true|ring buffer|works", "false|raw tracepoints|refused: CAP_PERFMON is not granted|"},
		},
		"without CAP_SYS_PTRACE and CAP_KILL": {
			args: []string{setpriv, "--bounding-set=-sys_ptrace,-kill", self, roleChecked, ""},
			lines: []string{
				"false|capability SYS_PTRACE|not granted|run as root, or grant CAP_SYS_PTRACE, to look at", "false|capability KILL|not granted|run as root, or grant CAP_KILL, to hold",
				"true|raw tracepoints|work|",
			},
		},
		"a user namespace": {
			args: []string{self, roleChecked, ""},
			attr: &syscall.SysProcAttr{
				Cloneflags: syscall.CLONE_NEWUSER, UidMappings: []syscall.SysProcIDMap{{Size: 1}}, GidMappings: []syscall.SysProcIDMap{{Size: 1}},
			},
			lines: []string{"false|first user namespace|", "false|ring buffer|refused: capabilities of another user namespace than the first do not count|run it in the machine's own"},
		},
		"a pid namespace": {
			args:  []string{"/usr/bin/unshare", "--pid", "--fork", "--mount-proc", self, roleChecked, ""},
			lines: []string{"false|first pid namespace|this process is in the pid namespace pid:[", "true|ring buffer|works|"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(tt.args[0], tt.args[1:]...)
			cmd.SysProcAttr = tt.attr
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Skipf("%v: %s", err, out) // no such namespace here
			}
			for _, want := range tt.lines {
				if !strings.Contains("\n"+string(out), "\n"+want) {
					t.Errorf("%q is not said, but\n%s", want, out)
				}
			}
		})
	}
}
