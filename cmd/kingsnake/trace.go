package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"

	"kingsnake/capture"
	"kingsnake/detect"
	"kingsnake/finding"
)

func runTrace(ctx context.Context, env Env, args []string) error {
	fs := newFlags(env, "trace", "", "Shows every Python script that runs on this machine, as it happens, with its verdict.\n"+
		"Prints \"ready\" on standard error once everything is attached, and its counts when it ends (Ctrl-C).")
	var cfg nodeConfig
	asJSON := fs.Bool("json", false, "print one JSON object a line instead of a table")
	cfg.flags(fs)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	out := &traceWriter{w: env.Stdout, format: tableLine}
	if *asJSON {
		out.format = jsonLine
	} else {
		fmt.Fprintf(env.Stdout, "%-12s %-10s %5s %-8s %-20s %7s %9s  %s\n", "TIME", "VERDICT", "SCORE", "KIND", "CONTAINER", "PID", "BYTES", "WHAT")
	}
	cfg.observe = out.observe
	limitMemory(env)
	m, err := openModels(env, modelConfig{}, "")
	if err != nil {
		return err
	}
	n, err := startNode(env, cfg, m, nil)
	if err != nil {
		return err
	}
	defer n.Close()
	fmt.Fprintln(env.Stderr, "ready")
	err = n.Run(ctx)
	st := n.Status()
	fmt.Fprintf(env.Stderr, "seen %d, lost %s\n", st.Scripts, lostWords(st.Lost.Missed()))
	if out.err != nil {
		return out.err
	}
	return err
}

// lostWords lists losses, the largest first, or says that there are none.
func lostWords(lost finding.Losses) string {
	var parts []string
	for _, why := range lost.Sorted() {
		parts = append(parts, fmt.Sprintf("%s %d", why, lost[why]))
	}
	if len(parts) == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", lost.Total(), strings.Join(parts, ", "))
}

// traceWriter writes results as they come, one line each.
type traceWriter struct {
	mu     sync.Mutex
	w      io.Writer
	format func(detect.Result) []byte
	err    error // the first write that failed
}

func (t *traceWriter) observe(r detect.Result) {
	line := t.format(r)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.w.Write(line); err != nil && t.err == nil {
		t.err = fmt.Errorf("write the trace: %v", err)
	}
}

// traceLine is the JSON form of one script. Strings that are not UTF-8 are
// written with U+FFFD in the place of each broken byte.
type traceLine struct {
	Time      time.Time      `json:"time"`
	Kind      capture.Kind   `json:"kind"`
	Path      string         `json:"path"`
	Size      int64          `json:"size"`
	SHA256    string         `json:"sha256"` // of the bytes the interpreter read
	Truncated bool           `json:"truncated"`
	Lost      string         `json:"lost"`
	Parent    string         `json:"parent"` // digest of the script that imported or compiled it
	PID       int            `json:"pid"`
	PPID      int            `json:"ppid"`
	UID       uint32         `json:"uid"`
	Exe       string         `json:"exe"`
	Argv      []string       `json:"argv"`
	Container traceContainer `json:"container"`
	Pod       tracePod       `json:"pod"`
	Score     float64        `json:"score"`
	Verdict   string         `json:"verdict"`
}

type traceContainer struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Image string `json:"image"`
}

type tracePod struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

func jsonLine(r detect.Result) []byte {
	s, p, w := r.Script, r.Script.Process, r.Workload
	digest := s.Digest
	if len(s.Text) == 0 {
		digest = capture.Sum(nil)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(traceLine{
		Time: s.Time, Kind: s.Kind, Path: s.Path, Size: s.Size, SHA256: digest.String(),
		Truncated: s.Truncated, Lost: s.Lost, Parent: s.Parent.String(),
		PID: p.PID, PPID: p.PPID, UID: p.UID, Exe: p.Exe, Argv: p.Args,
		Container: traceContainer{w.Container.ID, w.Container.Name, w.Container.Image},
		Pod:       tracePod{w.Pod.Namespace, w.Pod.Name, w.Pod.UID},
		Score:     r.Verdict.Score, Verdict: string(r.Verdict.Label),
	})
	if err != nil { // only a score that is not a number could cause this
		return fmt.Appendf(nil, "{\"error\":%q}\n", err.Error())
	}
	return buf.Bytes()
}

func tableLine(r detect.Result) []byte {
	s, w := r.Script, r.Workload
	where := "host"
	if !w.Host() {
		where = w.Container.Name
		if where == "" {
			where = w.Container.ID[:min(12, len(w.Container.ID))]
		}
		if w.Pod.Name != "" {
			where = w.Pod.Name + "/" + where
		}
	}
	what := s.Path
	switch {
	case s.Kind == capture.Compiled:
		what = string(s.Text[:min(len(s.Text), 400)])
	case what == "":
		what = strings.Join(s.Process.Args, " ")
	}
	marks := ""
	if s.Truncated {
		marks += " [truncated]"
	}
	if s.Lost != "" {
		marks += " [lost: " + s.Lost + "]"
	}
	return fmt.Appendf(nil, "%-12s %-10s %5.2f %-8s %-20s %7d %9d  %s%s\n", s.Time.Local().Format("15:04:05.000"),
		r.Verdict.Label, r.Verdict.Score, s.Kind, clip(where, 20), s.Process.PID, s.Size, clip(what, 100), marks)
}

// clip makes hostile text safe for a terminal and at most n characters long.
func clip(s string, n int) string {
	var b strings.Builder
	count := 0
	for _, r := range s {
		if count == n-1 && len(s) > b.Len() {
			b.WriteRune('…')
			break
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			r = '·'
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}
