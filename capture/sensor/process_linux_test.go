//go:build amd64 || arm64

package sensor_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
)

func TestTheProcessIsDescribedAsItWasJustAfterExec(t *testing.T) {
	r := record(t)
	dir := t.TempDir()
	report := filepath.Join(dir, "report")
	// The script tells what the kernel should have told.
	path := filepath.Join(dir, "script.py")
	text := `import os, sys
stat = open("/proc/self/stat").read().rsplit(")", 1)[1].split()
with open(sys.argv[1], "w") as f:
    f.write("\n".join(map(str, [os.getpid(), os.getppid(), os.getuid(), os.getgid(), os.getcwd(), os.readlink("/proc/self/exe"),
        os.readlink("/proc/self/ns/pid"), os.readlink("/proc/self/ns/mnt"), stat[19], open("/proc/self/comm").read().strip()])))
`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := sh(`cd "$1" && python3 script.py report; :`, dir)
	before := time.Now()
	s := r.run(t, 1, cmd)[0]
	out, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(string(out), "\n")
	p := s.Process
	exe, err := filepath.EvalSymlinks(python)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{
		strconv.Itoa(p.PID), strconv.Itoa(p.PPID), strconv.Itoa(int(p.UID)), strconv.Itoa(int(p.GID)), p.Cwd, p.Exe,
		fmt.Sprintf("pid:[%d]", p.PIDNamespace), fmt.Sprintf("mnt:[%d]", p.MountNamespace), want[8], p.Comm,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("process (-want +got):\n%s", diff)
	}
	if p.Exe != exe {
		t.Errorf("want exe %q, got %q", exe, p.Exe)
	}
	if p.Start.Before(before.Add(-time.Second)) || p.Start.After(time.Now().Add(time.Second)) || s.Time.Before(p.Start) {
		t.Errorf("start %v, exec %v are not within the test's run, which began at %v", p.Start, s.Time, before)
	}
	if diff := cmp.Diff([]string{"python3", "script.py", "report"}, p.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if !slices.Contains(p.Env, "PATH=/usr/bin:/bin") || p.EnvTruncated || p.ArgsTruncated {
		t.Errorf("environment: got %q, truncated %v", p.Env, p.EnvTruncated)
	}
	if s.Path != path || s.Inode.Number == 0 || s.Inode.Filesystem == "" || s.Inode.Changed.IsZero() {
		t.Errorf("want path %q with its inode, got %q, %+v", path, s.Path, s.Inode)
	}
	if len(p.Parents) < 2 {
		t.Fatalf("want at least 2 ancestors, got %+v", p.Parents)
	}
	if got := p.Parents[0]; got.PID != p.PPID || got.Comm != "sh" || got.Exe != "/usr/bin/dash" && got.Exe != "/bin/dash" || got.Start.IsZero() || got.Start.After(p.Start) {
		t.Errorf("parent: got %+v", got)
	}
	if got := p.Parents[1]; got.PID != os.Getpid() || len(got.Args) == 0 || got.Args[0] != os.Args[0] {
		t.Errorf("grandparent: want this test, got %+v", got)
	}
	r.noLoss(t)
}

func TestTheCgroupOfTheProcessIsTold(t *testing.T) {
	r := record(t)
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	var want string
	for line := range strings.Lines(string(own)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if fields[0] == "0" && fields[2] != "/" {
			want = fields[2]
			break
		}
		if slices.Contains(strings.Split(fields[1], ","), "memory") {
			want = fields[2]
		}
	}
	s := r.run(t, 1, exec.Command(python, "-c", "pass"))[0]
	if s.Process.Cgroup != want {
		t.Errorf("want cgroup %q, got %q", want, s.Process.Cgroup)
	}
}

func TestModulesFromWritablePathsAreCapturedWithTheirParent(t *testing.T) {
	r := record(t)
	for _, way := range []string{"from the program itself", "from a forked child"} {
		t.Run(way, func(t *testing.T) {
			dir := t.TempDir()
			module := program(t, 700)
			early := append(program(t, 300), "# early\n"...)
			main := []byte("import helper, json, helper\n")
			if way == "from a forked child" {
				main = []byte("import os\npid = os.fork()\nif pid == 0:\n    import helper, json\n    os._exit(0)\nos.waitpid(pid, 0)\n")
			}
			for name, text := range map[string][]byte{"helper.py": module, "main.py": main, "usercustomize.py": early} {
				if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(python, filepath.Join(dir, "main.py"))
			cmd.Env = []string{"PYTHONPATH=" + dir, "HOME=" + dir}
			got := r.run(t, 3, cmd)
			slices.SortFunc(got, func(a, b capture.Script) int { return strings.Compare(a.Path, b.Path) })
			if len(got) != 3 {
				t.Fatalf("want 3 scripts, got:%s", describe(got))
			}
			for i, want := range []struct {
				kind   capture.Kind
				name   string
				text   []byte
				parent capture.Digest
			}{
				{capture.Import, "helper.py", module, capture.Sum(main)},
				{capture.File, "main.py", main, capture.Digest{}},
				{capture.Import, "usercustomize.py", early, capture.Sum(main)},
			} {
				s := got[i]
				if s.Kind != want.kind || s.Path != filepath.Join(dir, want.name) || !bytes.Equal(s.Text, want.text) || s.Parent != want.parent || s.Lost != "" {
					t.Errorf("want %s %s of %v, got %s %q of %v, lost %q", want.kind, want.name, want.parent, s.Kind, s.Path, s.Parent, s.Lost)
				}
			}
		})
	}
	r.noLoss(t)
}

func TestAFileThatIsRunAgainIsDeliveredAgain(t *testing.T) {
	r := record(t)
	text := program(t, 20_000)
	path := write(t, "script.py", text)
	// What is old enough is only mentioned by the kernel from the second run on.
	waitUntilSettled(t, path)
	const runs = 5
	for i := range runs {
		for _, s := range r.run(t, i+1, exec.Command(python, path)) {
			if s.Kind != capture.File || s.Digest != capture.Sum(text) || s.Lost != "" {
				t.Fatalf("want the file each time, got:%s", describe([]capture.Script{s}))
			}
		}
	}
	changed := append(program(t, 10_000), "# changed\n"...)
	if err := os.WriteFile(path, changed, 0o644); err != nil {
		t.Fatal(err)
	}
	got := r.run(t, runs+1, exec.Command(python, path))
	if s := got[runs]; s.Digest != capture.Sum(changed) || s.Lost != "" {
		t.Errorf("want the changed text, got:%s", describe(got[runs:]))
	}
	r.noLoss(t)
}

// waitUntilSettled waits until a file's last change is so old that its content
// counts as known.
func waitUntilSettled(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-time.After(time.Until(info.ModTime().Add(2100 * time.Millisecond))):
	case <-t.Context().Done():
	}
}

func TestArchivesAndBytecodeAreCapturedWhole(t *testing.T) {
	r := record(t)
	t.Run("a zip archive with a main module", func(t *testing.T) {
		var archive bytes.Buffer
		archive.WriteString("#!/usr/bin/python3\n")
		z := zip.NewWriter(&archive)
		z.SetOffset(int64(archive.Len()))
		for name, text := range map[string][]byte{"__main__.py": []byte("import inner\n"), "inner.py": program(t, 60_000)} {
			w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(text); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		path := write(t, "app.pyz", archive.Bytes())
		s := r.run(t, 1, exec.Command(path))[0]
		if s.Kind != capture.Zipapp || s.Path != path || s.Digest != capture.Sum(archive.Bytes()) || s.Lost != "" {
			t.Errorf("want the archive of %d bytes, got:%s", archive.Len(), describe([]capture.Script{s}))
		}
	})
	t.Run("a compiled file", func(t *testing.T) {
		source := write(t, "source.py", program(t, 300))
		path := filepath.Join(filepath.Dir(source), "compiled.pyc")
		if out, err := exec.Command(python, "-c", "import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[2])", source, path).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		code, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := r.run(t, 1, exec.Command(python, path))[0]
		if s.Kind != capture.Bytecode || s.Path != path || s.Digest != capture.Sum(code) || s.Lost != "" {
			t.Errorf("want the compiled file, got:%s", describe([]capture.Script{s}))
		}
	})
	t.Run("a module of the standard library", func(t *testing.T) {
		for range 2 { // The second time its file may be one that is left out.
			s := r.run(t, 1, exec.Command(python, "-m", "calendar", "2024", "1"))[0]
			if s.Kind != capture.Module || !strings.Contains(s.Path, "/calendar") || len(s.Text) < 1000 || s.Lost != "" {
				t.Errorf("want the module, got:%s", describe([]capture.Script{s}))
			}
		}
	})
	r.noLoss(t)
}

func TestATextThatIsTooLongIsCutAndSaysSo(t *testing.T) {
	r := record(t)
	text := program(t, capture.MaxText+100_000)
	path := write(t, "script.py", text)
	for name, cmd := range map[string]*exec.Cmd{
		"a file":         exec.Command(python, path),
		"standard input": sh(`cat "$1" | python3`, path),
	} {
		t.Run(name, func(t *testing.T) {
			s := r.run(t, 1, cmd)[0]
			if !s.Truncated || s.Size != int64(len(text)) || s.Digest != capture.Sum(text[:capture.MaxText]) || s.Lost != "" {
				t.Errorf("want the first %d bytes of %d, got %d, truncated %v:%s", capture.MaxText, len(text), len(s.Text), s.Truncated, describe([]capture.Script{s}))
			}
		})
	}
	r.noLoss(t)
}

func TestAnInterpreterBehindTheDynamicLoaderIsFound(t *testing.T) {
	r := record(t)
	loaders, err := filepath.Glob("/lib*/ld-linux-*.so.*")
	if err != nil || len(loaders) == 0 {
		t.Skip("needs a dynamic loader: apt-get install libc6")
	}
	text := "pass # " + t.Name()
	s := r.run(t, 1, exec.Command(loaders[0], "--library-path", "/lib", python, "-c", text))[0]
	if s.Kind != capture.Command || string(s.Text) != text {
		t.Errorf("want %q, got:%s", text, describe([]capture.Script{s}))
	}
}

func TestOtherProgramsAreNotTakenForPython(t *testing.T) {
	r := record(t)
	path := write(t, "script.py", program(t, 100))
	tag := "KINGSNAKE_TEST=" + t.Name()
	copied := copyOf(t, "/bin/cat", "python3")
	for range 3 {
		cmd := exec.Command(copied, path)
		cmd.Env = []string{tag}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	cmd := exec.Command(python, "-c", "pass")
	cmd.Env = []string{tag}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := r.wait(t, 1, tag); len(got) != 1 || got[0].Kind != capture.Command {
		t.Errorf("want only the Python, got:%s", describe(got))
	}
}

func TestOneProcessMayRunSeveralPrograms(t *testing.T) {
	r := record(t)
	const text = `import os, sys
n = int(sys.argv[1])
if n:
    os.execv(sys.executable, [sys.executable, "-c", sys.orig_argv[2], str(n - 1)])
`
	got := r.run(t, 3, exec.Command(python, "-c", text, "2"))
	for i, s := range got {
		want := []string{python, "-c", text, strconv.Itoa(2 - i)}
		if diff := cmp.Diff(want, s.Process.Args); diff != "" || s.Kind != capture.Command || s.Lost != "" {
			t.Errorf("program %d, lost %q (-want +got):\n%s", i, s.Lost, diff)
		}
		if s.Process.PID != got[0].Process.PID || !s.Process.Start.Equal(got[0].Process.Start) {
			t.Errorf("program %d: want the same process, got %d started at %v", i, s.Process.PID, s.Process.Start)
		}
	}
	r.noLoss(t)
}

func TestAChildThatOutlivesItsProgramIsFollowed(t *testing.T) {
	r := record(t)
	dir := t.TempDir()
	module := program(t, 200)
	if err := os.WriteFile(filepath.Join(dir, "late.py"), module, 0o644); err != nil {
		t.Fatal(err)
	}
	// The child reads the module only when its parent is gone.
	main := `import os, sys, time
if os.fork() == 0 and os.fork() == 0:
    while os.path.exists("/proc/%s/exe" % sys.argv[1]):
        time.sleep(0.01)
    import late
` + "#" + t.Name() + "\n"
	path := write(t, "main.py", []byte(main))
	cmd := sh(`python3 "$1" $$ > /dev/null; :`, path)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "PYTHONPATH=" + dir}
	cmd.Stderr = nil
	got := r.run(t, 2, cmd)
	if s := got[1]; s.Kind != capture.Import || !bytes.Equal(s.Text, module) || s.Parent != capture.Sum([]byte(main)) {
		t.Errorf("want the module, got:%s", describe(got))
	}
	r.noLoss(t)
}

func TestAProgramThatRunsNothingGivesNothing(t *testing.T) {
	r := record(t)
	tag := "KINGSNAKE_TEST=" + t.Name()
	for _, cmd := range []*exec.Cmd{
		exec.Command(python, "--version"),
		exec.Command(python, filepath.Join(t.TempDir(), "missing.py")),
		exec.Command(python, "-z"),
		exec.Command(python, "-c", "pass"), // the last, to know when to look
	} {
		cmd.Env = []string{tag}
		_ = cmd.Run() // Some are meant to fail.
	}
	if got := r.wait(t, 1, tag); len(got) != 1 || got[0].Kind != capture.Command {
		t.Errorf("want only -c, got:%s", describe(got))
	}
	r.noLoss(t)
}

func copyOf(t *testing.T, path, name string) string {
	t.Helper()
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, name, binary)
}

func TestManyAtOnceAreAllCapturedExactly(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: go test without -short")
	}
	r := record(t)
	const each, workers = 150, 8
	dir := t.TempDir()
	tag := "KINGSNAKE_TEST=" + t.Name()
	want := make(map[string]int)
	jobs := make(chan *exec.Cmd)
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for cmd := range jobs {
				cmd.Env = []string{"PATH=/usr/bin:/bin", tag}
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			}
		})
	}
	for i := range each {
		text := fmt.Sprintf("pass # %s %d\n", t.Name(), i)
		path := filepath.Join(dir, fmt.Sprintf("script%d.py", i))
		if err := os.WriteFile(path, []byte("import os; os.unlink(__file__) # "+text), 0o644); err != nil {
			t.Fatal(err)
		}
		stdin := exec.Command(python)
		stdin.Stdin = strings.NewReader("# stdin\n" + text)
		want["c "+text]++
		want["file import os; os.unlink(__file__) # "+text]++
		want["stdin # stdin\n"+text]++
		jobs <- exec.Command(python, "-c", text)
		jobs <- exec.Command(python, path)
		jobs <- stdin
	}
	close(jobs)
	wait.Wait()
	got := make(map[string]int)
	for _, s := range r.wait(t, 3*each, tag) {
		got[string(s.Kind)+" "+string(s.Text)]++
		if s.Lost != "" || s.Truncated {
			t.Errorf("lost:%s", describe([]capture.Script{s}))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scripts (-want +got):\n%s", diff)
	}
	r.noLoss(t)
}

// TestANumberThatIsUsedAgain has two processes of the same number, one right
// after the other, in cgroups as two containers have them: nothing of the first
// is said of the second.
func TestANumberThatIsUsedAgain(t *testing.T) {
	r := record(t)
	tag := "KINGSNAKE_TEST=" + t.Name()
	var groups [2]string
	for i := range groups {
		groups[i] = newCgroup(t)
	}
	run := func(i, try int) int {
		cmd := sh(`echo $$ > "$1/cgroup.procs"; exec python3 -c "$2"`, groups[i], fmt.Sprintf("pass # %d of try %d", i, try))
		cmd.Env = []string{tag, "PATH=/usr/bin:/bin"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return cmd.Process.Pid
	}
	// Whatever else starts on the machine may take the number first.
	const tries = 50
	for try := range tries {
		first := run(0, try)
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(first-1)), 0o644); err != nil {
			t.Skipf("needs to choose the number of the next process: run as root, on a kernel with CONFIG_CHECKPOINT_RESTORE (%v)", err)
		}
		if run(1, try) != first {
			continue
		}
		got := r.wait(t, 2*(try+1), tag)[2*try:]
		for i, s := range got {
			if want := fmt.Sprintf("pass # %d of try %d", i, try); string(s.Text) != want || s.Process.PID != first || s.Process.Cgroup != "/"+filepath.Base(groups[i]) {
				t.Errorf("want %q of process %d in %s, got process %d in %s:%s", want, first, groups[i], s.Process.PID, s.Process.Cgroup, describe(got[i:i+1]))
			}
		}
		if !got[0].Process.Start.Before(got[1].Process.Start) {
			t.Errorf("started at %v and %v", got[0].Process.Start, got[1].Process.Start)
		}
		r.noLoss(t)
		return
	}
	t.Fatalf("no number was used twice in %d tries", tries)
}

// newCgroup makes a cgroup at the top of the hierarchy that the sensor tells,
// and returns its folder. It is removed when the test ends.
func newCgroup(t *testing.T) string {
	t.Helper()
	top := "/sys/fs/cgroup"
	if _, err := os.Stat(top + "/memory/cgroup.procs"); err == nil {
		top += "/memory" // version 1
	}
	dir, err := os.MkdirTemp(top, "kingsnake-test-")
	if err != nil {
		t.Skipf("needs to make a cgroup: run as root (%v)", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestWhatTheEnvironmentHasRunAtATerminalIsSeen(t *testing.T) {
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("needs a terminal: apt-get install bsdutils")
	}
	r := record(t)
	text := "pass # " + t.Name()
	cmd := exec.Command("script", "-qec", "PYTHONINSPECT=1 "+python+" -c pass", "/dev/null")
	cmd.Stdin = strings.NewReader(text + "\nexit()\n")
	scripts := r.run(t, 2, cmd)
	if s := scripts[1]; s.Kind != capture.Stdin || !strings.Contains(string(s.Text), text) {
		t.Errorf("want %q, got:%s", text, describe(scripts))
	}
}
