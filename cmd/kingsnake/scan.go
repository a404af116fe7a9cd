package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"kingsnake/capture"
	"kingsnake/classify"
	"kingsnake/normalize"
)

// scanConfig is what "kingsnake scan" was asked to do.
type scanConfig struct {
	format string
	failOn classify.Label
	all    bool
	jsonl  string // file of the bulk form; "" for none
	model  modelConfig
	known  knownConfig
	paths  []string
}

// judged is a file and what the model thinks of it.
type judged struct {
	Path string `json:"path"`
	classify.Verdict
	Truncated bool   `json:"truncated,omitempty"` // only its beginning was read
	Error     string `json:"error,omitempty"`     // why it could not be read; then there is no verdict
}

// tally counts what a scan saw.
type tally struct {
	Scanned    int `json:"scanned"`
	Malicious  int `json:"malicious"`
	Suspicious int `json:"suspicious"`
	Unreadable int `json:"unreadable"`
}

func (t *tally) add(j judged) {
	switch {
	case j.Error != "":
		t.Unreadable++
		return
	case j.Label == classify.Malicious:
		t.Malicious++
	case j.Label == classify.Suspicious:
		t.Suspicious++
	}
	t.Scanned++
}

// exit is the error that a scan ends with: nil, found something, or could not
// read something and found nothing.
func (t *tally) exit(failOn classify.Label) error {
	switch {
	case t.Malicious > 0, failOn == classify.Suspicious && t.Suspicious > 0:
		return exitError{code: 1}
	case t.Unreadable > 0:
		return exitError{code: 2}
	}
	return nil
}

func runScan(ctx context.Context, env Env, args []string) error {
	cfg, err := parseScan(env, args)
	if err != nil {
		return err
	}
	m, err := cfg.model.load()
	if err != nil {
		return err
	}
	js, err := cfg.known.judges(m)
	if err != nil {
		return err
	}
	if cfg.jsonl != "" {
		return scanLines(ctx, env, js, cfg.jsonl)
	}
	out, err := newScanWriter(env.Stdout, cfg, m)
	if err != nil {
		return err
	}
	var t tally
	err = inOrder(ctx, func(yield func(source) error) error {
		return walk(cfg.paths, env.Stdin, yield)
	}, func(s source) judged { return judgeSource(js, s) }, func(j judged) error {
		t.add(j)
		if j.Error != "" {
			fmt.Fprintf(env.Stderr, "kingsnake scan: %s: %s\n", visible(j.Path), visible(j.Error))
		}
		return out.write(j)
	})
	if err != nil {
		return err
	}
	if err := out.close(t); err != nil {
		return err
	}
	return t.exit(cfg.failOn)
}

func parseScan(env Env, args []string) (scanConfig, error) {
	var cfg scanConfig
	fs := newFlags(env, "scan", "PATH… | -", "Judges Python files as the sensor would: files, folders (all that is Python by name or first line), or \"-\" for\n"+
		"standard input. Nothing is executed. Exit code: 0 nothing found, 1 something found, 2 an error, or a file that could not be read.\n\n"+
		"The bulk form, --jsonl, reads {\"id\", \"text\", \"kind\"} a line and writes one verdict a line in the same order.")
	fs.StringVar(&cfg.format, "format", "table", "how to print: table, json, jsonl or sarif")
	failOn := fs.String("fail-on", "suspicious", "the least verdict that counts as found: malicious or suspicious")
	fs.BoolVar(&cfg.all, "all", false, "list benign files in the table as well")
	cfg.model.fileFlags(fs)
	fs.StringVar(&cfg.jsonl, "jsonl", "", "bulk form: a `file` of JSON lines, or - for standard input")
	cfg.known.flags(fs)
	if err := parseFlags(fs, args); err != nil {
		return cfg, err
	}
	cfg.paths, cfg.failOn = fs.Args(), classify.Label(*failOn)
	switch {
	case cfg.failOn != classify.Malicious && cfg.failOn != classify.Suspicious:
		return cfg, usageError("--fail-on %q: want malicious or suspicious", *failOn)
	case cfg.jsonl != "" && len(cfg.paths) > 0:
		return cfg, usageError("want either --jsonl or paths, not both")
	case cfg.jsonl == "" && len(cfg.paths) == 0:
		return cfg, usageError("want a file, a folder, or - for standard input")
	}
	return cfg, nil
}

// judgeSource reads and judges one file.
func judgeSource(js judges, s source) judged {
	j := judged{Path: s.path}
	text, err := s.read()
	if err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		j.Error = err.Error()
		return j
	}
	if len(text) > capture.MaxText {
		text, j.Truncated = text[:capture.MaxText], true
	}
	v, err := judge(js, text, j.Truncated)
	if err != nil {
		j.Error = err.Error()
	}
	j.Verdict = v
	return j
}

// judge judges a text, which may be cut off. Hostile text that breaks the
// classifier is an error of this text alone.
func judge(js judges, text []byte, cut bool) (v classify.Verdict, err error) {
	defer func() {
		if r := recover(); r != nil {
			v, err = classify.Verdict{}, fmt.Errorf("the classifier failed on this text: %v", r)
		}
	}()
	if cut {
		return js.cut.Judge(normalize.Normalize(text)), nil
	}
	return js.whole.Judge(normalize.Normalize(text)), nil
}

// readAtMost reads one byte more than a script may have, to see that there is
// more.
func readAtMost(r io.Reader) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, capture.MaxText+1))
}
