//go:build amd64 || arm64

package sensor_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kingsnake/capture"
	"kingsnake/capture/sensor"
)

// An oddWay is a way to start Python that few use. A driver, itself Python,
// does it: it is given the interpreter, a folder and the environment to hand on.
type oddWay struct {
	name   string
	driver string
	kind   capture.Kind
	path   string // of the script, below the folder; "" is not looked at
	before string // what its text has before that of all
}

const oddHead = `import ctypes, os, socket, subprocess, sys, threading, time, fcntl
py, here, tag = sys.argv[1:4]
env = {"KINGSNAKE_TEST": tag, "PATH": "/usr/bin:/bin"}
libc = ctypes.CDLL(None, use_errno=True)
text = ("# %s\nx = 1\n" % tag).encode()
script = os.path.join(here, "script")
def save(path=script, data=None, mode=0o755):
    with open(path, "wb") as f:
        f.write(text if data is None else data)
    os.chmod(path, mode)
    return path
def memfd(data=None, name="m"):
    fd = os.memfd_create(name, 0)
    os.write(fd, text if data is None else data)
    os.lseek(fd, 0, 0)
    return fd
def execveat(fd, *args):
    argv = (ctypes.c_char_p * (len(args) + 1))(*[a.encode() for a in args], None)
    envp = (ctypes.c_char_p * 3)(("KINGSNAKE_TEST=" + tag).encode(), b"PATH=/usr/bin:/bin", None)
    libc.syscall({"x86_64": 322, "aarch64": 281}[os.uname().machine], fd, b"", argv, envp, 0x1000)
    raise OSError(ctypes.get_errno())
def child(do):
    pid = os.fork()
    if pid == 0:
        try:
            do()
        except BaseException as e:
            print("child:", repr(e), file=sys.stderr)
        os._exit(9)
    _, status = os.waitpid(pid, 0)
    if status: sys.exit("child: status %d" % status)
`

var oddWays = []oddWay{
	{"execveat of the interpreter", `fd = os.open(py, os.O_PATH); save(); child(lambda: execveat(fd, "python3", script))`, capture.File, "script", ""},
	{"execveat of a script in memory", `fd = memfd(b"#!/usr/bin/python3\n" + text); child(lambda: execveat(fd, "x"))`, capture.File, "", "#!/usr/bin/python3\n"},
	{"execveat of a script, O_PATH, deleted", `fd = os.open(save(data=b"#!/usr/bin/python3\n" + text), os.O_PATH); os.set_inheritable(fd, True); os.unlink(script); child(lambda: execveat(fd, "x"))`, capture.File, "", "#!/usr/bin/python3\n"},
	{"high descriptor, deleted", `fd = os.open(save(), os.O_RDONLY); os.dup2(fd, 77); os.unlink(script); child(lambda: os.execve(py, ["python3", "/proc/self/fd/77"], env))`, capture.File, "", ""},
	{"O_PATH descriptor", `fd = os.open(save(), os.O_PATH); os.set_inheritable(fd, True); os.unlink(script); child(lambda: os.execve(py, ["python3", "/dev/fd/%d" % fd], env))`, capture.File, "", ""},
	{"O_TMPFILE", `fd = os.open(here, os.O_TMPFILE | os.O_RDWR); os.write(fd, text); os.set_inheritable(fd, True); child(lambda: os.execve(py, ["python3", "/dev/fd/%d" % fd], env))`, capture.File, "", ""},
	{"O_TMPFILE as stdin", `fd = os.open(here, os.O_TMPFILE | os.O_RDWR); os.write(fd, text); os.lseek(fd, 0, 0); os.dup2(fd, 0); child(lambda: os.execve(py, ["python3", "-"], env))`, capture.Stdin, "", ""},
	{"folder by a descriptor", `save(os.path.join(here, "__main__.py")); fd = os.open(here, os.O_PATH); os.set_inheritable(fd, True); child(lambda: os.execve(py, ["python3", "/proc/self/fd/%d" % fd], env))`, capture.Package, "__main__.py", ""},
	{"folder by a high descriptor", `save(os.path.join(here, "__main__.py")); fd = os.open(here, os.O_PATH); os.dup2(fd, 88); child(lambda: os.execve(py, ["python3", "/proc/self/fd/88"], env))`, capture.Package, "__main__.py", ""},
	{"file in a folder by a descriptor", `save(); fd = os.open(here, os.O_PATH); os.set_inheritable(fd, True); child(lambda: os.execve(py, ["python3", "/proc/self/fd/%d/script" % fd], env))`, capture.File, "", ""},
	{"file by /proc/self/cwd", `save(); os.chdir(here); child(lambda: os.execve(py, ["python3", "/proc/self/cwd/script"], env))`, capture.File, "", ""},
	{"chain of shebangs", `save(data=b"#!/usr/bin/python3\n" + text); top = save(os.path.join(here, "top"), b"#!" + script.encode() + b"\nnothing\n"); child(lambda: os.execve(top, ["top"], env))`, capture.File, "script", "#!/usr/bin/python3\n"},
	{"long shebang", `save(data=b"#!/usr/bin/python3 -" + b"B" * 220 + b"\n" + text); child(lambda: os.execve(script, ["x"], env))`, capture.File, "script", "#!/usr/bin/python3 -" + strings.Repeat("B", 220) + "\n"},
	{"from another thread", `save()
if os.fork() == 0:
    threading.Thread(target=lambda: os.execve(py, ["python3", script], env)).start()
    time.sleep(60)
os.wait()`, capture.File, "script", ""},
	{"posix_spawn", `save(); os.waitpid(os.posix_spawn(py, ["python3", script], env), 0)`, capture.File, "script", ""},
	{"vfork", `save(); subprocess.run([py, script], env=env, close_fds=False)`, capture.File, "script", ""},
	{"empty argv[0]", `save(); subprocess.run(["", script], executable=py, env=env)`, capture.File, "script", ""},
	{"no arguments at all", `r, w = os.pipe(); os.write(w, text); os.close(w); os.dup2(r, 0)
def go():
    envp = (ctypes.c_char_p * 2)(("KINGSNAKE_TEST=" + tag).encode(), None)
    libc.syscall({"x86_64": 59, "aarch64": 221}[os.uname().machine], py.encode(), None, envp)
child(go)`, capture.Stdin, "", ""},
	{"2 MB of environment", `save(); env.update({"V%d" % i: "x" * 100000 for i in range(18)}); child(lambda: os.execve(py, ["python3", script], env))`, capture.File, "script", ""},
	{"2 MB of arguments", `save(); child(lambda: os.execve(py, ["python3", script] + ["x" * 100000] * 18, env))`, capture.File, "script", ""},
	{"-c after 1.8 MB of options", `child(lambda: os.execve(py, ["python3"] + ["-W" + "ignore::" + "x" * 100000] * 18 + ["-c", text.decode()], env))`, capture.Command, "", ""},
	{"name of odd bytes", `s = os.path.join(os.fsencode(here), b"a\n\x1b[31m\xff\r.py"); save(s); child(lambda: os.execve(py, ["python3", s], env))`, capture.File, "a\n\x1b[31m\xff\r.py", ""},
	{"stdin from a socketpair", `a, b = socket.socketpair(); b.sendall(text); b.close(); os.dup2(a.fileno(), 0); child(lambda: os.execve(py, ["python3", "-"], env))`, capture.Stdin, "", ""},
	{"pipe filled by splice", `save(); r, w = os.pipe(); fd = os.open(script, os.O_RDONLY); os.splice(fd, w, len(text)); os.close(w); os.dup2(r, 0); child(lambda: os.execve(py, ["python3"], env))`, capture.Stdin, "", ""},
	{"pipe filled by sendfile", `save(); r, w = os.pipe(); fd = os.open(script, os.O_RDONLY); os.sendfile(w, fd, 0, len(text)); os.close(w); os.dup2(r, 0); child(lambda: os.execve(py, ["python3"], env))`, capture.Stdin, "", ""},
	{"user namespace", `save(); subprocess.run(["unshare", "-Ur", py, script], env=env, check=True)`, capture.File, "script", ""},
	{"user, mount and pid namespace", `save(); subprocess.run(["unshare", "-Urmpf", py, script], env=env, check=True)`, capture.File, "script", ""},
	{"mount that hides it afterwards", `save(data=b"import os; os.system('mount -t tmpfs x .')\n" + text); subprocess.run(["unshare", "-m", py, script], env=env, cwd=here, check=True)`, capture.File, "script", "import os; os.system('mount -t tmpfs x .')\n"},
	{"bind mount over the interpreter", `save(); subprocess.run(["unshare", "-m", "sh", "-c", 'mount --bind "$(readlink -f /usr/bin/python3)" /usr/bin/true && exec /usr/bin/true "$0"', script], env=env, check=True)`, capture.File, "script", ""},
	{"link made late", `real = save(os.path.join(here, "real.txt")); p = subprocess.Popen([py, "-v", script], env=env, stderr=subprocess.PIPE)
p.stderr.read(10); os.symlink(real, script); p.stderr.read(); p.wait()`, capture.File, "script", ""},
}

// TestOddWaysToStartAreCaptured starts Python in ways that few use: its script
// comes, with its path, and nothing is lost.
func TestOddWaysToStartAreCaptured(t *testing.T) {
	r := record(t)
	ways := oddWays
	if testing.Short() {
		ways = ways[:3] // which rest on the kernel most
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(python, "-c", oddHead+w.driver, python, dir, t.Name())
			cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin", "TAG="}
			r.start(t, cmd)
			got := r.wait(t, 1, "KINGSNAKE_TEST="+t.Name())
			s, want := got[0], w.before+"# "+t.Name()+"\nx = 1\n"
			if len(got) != 1 || s.Kind != w.kind || s.Lost != "" || string(s.Text) != want {
				t.Errorf("want %s of %d bytes, got %q:%s", w.kind, len(want), s.Text, describe(got))
			}
			if w.path != "" && s.Path != filepath.Join(dir, w.path) {
				t.Errorf("want %q, got %q", w.path, s.Path)
			}
		})
	}
}

// TestArgumentsThatAreCutAreSaid has the kernel take more arguments than are
// copied, with the script behind them.
func TestArgumentsThatAreCutAreSaid(t *testing.T) {
	r := recordWith(t, sensor.Config{ExecRing: 8 << 20}, nil)
	const driver = `import resource
resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, resource.RLIM_INFINITY))
child(lambda: os.execve(py, ["python3"] + ["-X" + "x" * 100000] * 30 + ["-c", "pass"], env))`
	cmd := exec.Command(python, "-c", oddHead+driver, python, t.TempDir(), t.Name())
	cmd.Env = []string{"TAG="}
	r.start(t, cmd)
	got := r.wait(t, 1, "KINGSNAKE_TEST="+t.Name())
	if s := got[0]; s.Lost != "arguments cut" || !s.Process.ArgsTruncated {
		t.Errorf("want it said, got:%s", describe(got))
	}
}

// TestAProcessThatExecutesItselfAgainAndAgain runs many programs in one process,
// each with another script.
func TestAProcessThatExecutesItselfAgainAndAgain(t *testing.T) {
	r := record(t)
	runs := 200
	if testing.Short() {
		runs = 10
	}
	text := "import os, sys\nn = int(sys.argv[1])\nif n: os.execv(sys.executable, [sys.executable, '-S', '-c', '# %d\\n' % n + sys.orig_argv[3].partition('\\n')[2], str(n - 1)])\n"
	seen := make(map[string]bool)
	for _, s := range r.run(t, runs+1, exec.Command(python, "-S", "-c", "#\n"+text, strconv.Itoa(runs))) {
		if s.Lost != "" || !strings.HasSuffix(string(s.Text), text) {
			t.Errorf("want one of its scripts, got %q:%s", s.Text, describe([]capture.Script{s}))
		}
		seen[string(s.Text)] = true
	}
	if len(seen) != runs+1 {
		t.Errorf("want %d scripts, got %d", runs+1, len(seen))
	}
}
