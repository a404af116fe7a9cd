//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kingsnake/capture"
	"kingsnake/capture/sensor/generate"
)

// TestRandomImportsAreCaptured runs programs made up of random imports, and wants
// of each what it says that it ran: with its exact bytes, as an import of that
// program, and without the mark of possible data. What was lost and counted is no
// failure; how much may be lost is for other tests to say.
//
// KINGSNAKE_PROGRAMS says how many programs, KINGSNAKE_SEED which is the first:
//
//	sudo -E KINGSNAKE_PROGRAMS=1000 go test ./capture/sensor -run TestRandomImports -timeout 1h
func TestRandomImportsAreCaptured(t *testing.T) {
	programs, seed := 24, 1
	if testing.Short() {
		programs = 6
	}
	for name, value := range map[string]*int{"KINGSNAKE_PROGRAMS": &programs, "KINGSNAKE_SEED": &seed} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				t.Fatalf("%s=%q is no number", name, text)
			}
			*value = n
		}
	}
	r := record(t)
	pythons := generate.Pythons()
	for _, python := range pythons {
		r.warm(t, python.Path)
	}
	const atOnce = 24
	for ; programs > 0; programs, seed = programs-atOnce, seed+atOnce {
		r.mu.Lock()
		r.scripts = nil
		r.mu.Unlock()
		t.Run(fmt.Sprintf("from seed %d", seed), func(t *testing.T) {
			runRandomPrograms(t, r, pythons, seed, min(programs, atOnce))
		})
	}
}

// runRandomPrograms runs n programs, some at once.
func runRandomPrograms(t *testing.T, r *recorder, pythons []generate.Python, seed, n int) {
	var runs []*randomRun
	dir := t.TempDir()
	for i := range n {
		p := newRandomProgram(t, pythons[(seed+i)%len(pythons)], uint64(seed+i), filepath.Join(dir, strconv.Itoa(seed+i)))
		runs = append(runs, &randomRun{randomProgram: p, tag: "KINGSNAKE_TEST=" + p.id})
		for again := range 2 {
			if p.pure && p.cmd.Stdin == nil { // what is read then is known, or compiled
				runs = append(runs, &randomRun{randomProgram: p, tag: fmt.Sprintf("KINGSNAKE_TEST=%s again %d", p.id, again)})
			}
		}
	}
	before := r.sensor.Stats().Lost
	generate.Spread(3, len(runs), func(i int) {
		if err := runs[i].do(); err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		return
	}
	for _, run := range runs {
		run.wait(t, r, before)
	}
}

// A randomRun is one run of a random program.
type randomRun struct {
	*randomProgram
	tag string
	ran []string // what it said that it ran
}

// do runs it.
func (x *randomRun) do() error {
	cmd := *x.cmd
	cmd.Env = append(slices.Clone(cmd.Env), x.tag)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("program %s with %s: %w\n%s", x.id, x.python.Name, err, errs.Bytes()[max(0, errs.Len()-2000):])
	}
	x.ran = strings.Fields(out.String())
	slices.Sort(x.ran)
	x.ran = slices.Compact(x.ran)
	return nil
}

// wait waits for what must come of a run. As soon as something was lost since
// before, it does not wait for long.
func (x *randomRun) wait(t *testing.T, r *recorder, before map[string]uint64) {
	var wrong []string
	var got []capture.Script
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		got = r.of(x.tag)
		if wrong = x.judge(got, r.sensor.Degraded() == ""); len(wrong) == 0 {
			return
		}
		lost := !maps.Equal(before, r.sensor.Stats().Lost) || slices.ContainsFunc(got, func(s capture.Script) bool { return s.Lost != "" })
		if waited := time.Since(start); lost && waited > 10*time.Second {
			t.Logf("program %s, of which something was lost: %v: %s%s", x.id, r.sensor.Stats().Lost, strings.Join(wrong, "; "), describe(got))
			return
		} else if waited > patience {
			t.Errorf("program %s with %s %.200q in %q:\n%s%s", x.id, x.python.Name, x.cmd.Args[1:], x.cmd.Env, strings.Join(wrong, "\n"), describe(got))
			return
		}
	}
}

// of returns the scripts of the processes that have a variable in their environment.
func (r *recorder) of(tag string) (mine []capture.Script) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.scripts {
		if slices.Contains(s.Process.Env, tag) {
			mine = append(mine, s)
		}
	}
	return mine
}

// judge says what is wrong with the scripts of a run; compiles says that what is
// compiled at run time comes too.
func (x *randomRun) judge(got []capture.Script, compiles bool) (wrong []string) {
	var main capture.Digest
	seen := make(map[string]int)
	for _, s := range got {
		if s.Kind != capture.Import && s.Kind != capture.Compiled {
			main = s.Digest
			seen["the script"]++
		}
	}
	if seen["the script"] != 1 {
		wrong = append(wrong, fmt.Sprintf("its script came %d times", seen["the script"]))
	}
	for _, s := range got {
		if s.Kind != capture.Import {
			continue
		}
		key := fmt.Sprint(s.Digest, s.MaybeData)
		if seen[key]++; seen[key] == 2 {
			wrong = append(wrong, s.Path+" came twice")
		}
		if s.Parent != main {
			wrong = append(wrong, s.Path+" has another parent")
		}
	}
	for _, name := range x.ran {
		if text := x.texts[name]; text != nil {
			wrong = append(wrong, x.judgeText(text, got, compiles)...)
		} else if name != "end."+x.id {
			wrong = append(wrong, "it said "+name)
		}
	}
	if !slices.Contains(x.ran, "end."+x.id) {
		wrong = append(wrong, "it did not come to its end")
	}
	return wrong
}

// judgeText says what is wrong with what came of a text that ran. Where threads
// import at the same time, the mark may be wrong.
func (x *randomRun) judgeText(text *randomText, got []capture.Script, compiles bool) (wrong []string) {
	certain, marked := 0, 0
	call := fmt.Appendf(nil, "%q", text.name)
	for _, s := range got {
		compiled := strings.HasSuffix(s.Path, ".pyc") // which has the name without quotes
		switch {
		case s.Kind == capture.Import && compiled && bytes.Contains(s.Text, []byte(text.name)) && s.Size == int64(len(s.Text)),
			s.Kind == capture.Import && bytes.Equal(s.Text, text.text):
			if s.MaybeData {
				marked++
			} else {
				certain++
			}
		case s.Kind == capture.Import && !compiled && bytes.Contains(s.Text, call):
			wrong = append(wrong, fmt.Sprintf("%s has %d bytes that differ from the %d of %s", s.Path, len(s.Text), len(text.text), text.name))
		case s.Kind == capture.Compiled && text.run && bytes.Contains(s.Text, call):
			certain++
		}
	}
	doubt := x.threads || text.run && !compiles
	if certain == 0 && !(doubt && marked > 0) {
		wrong = append(wrong, fmt.Sprintf("%s of %d bytes ran and is missing; %d marked as possible data", text.name, len(text.text), marked))
	}
	if marked > 0 && !doubt && !text.data && !text.run {
		wrong = append(wrong, text.name+" is marked as possible data")
	}
	return wrong
}
