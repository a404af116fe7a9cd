package kernels

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// Result is what came of one test.
type Result struct {
	Layout string // of the pass
	Folder string
	Test   string
	Action string // "pass", "fail" or "skip"; "" when the test did not come to its end
	Output string
}

// Results reads what a machine's suites printed. The error says which suite, or
// that the machine, did not end well; it comes with what there is.
func Results(ctx context.Context, output []byte) ([]Result, error) {
	passes, err := split(string(output))
	errs := []error{err}
	var results []Result
	for _, p := range passes {
		found, rest, err := p.results(ctx)
		if err != nil {
			return nil, err
		}
		failed := false
		for _, r := range found {
			failed = failed || r.Action == "fail" || r.Action == ""
		}
		switch {
		case len(found) == 0:
			errs = append(errs, fmt.Errorf("%s with cgroups %s ran no test\n%s", p.folder, p.layout, rest))
		case p.status != "0" && !failed:
			errs = append(errs, fmt.Errorf("%s with cgroups %s ended with %q\n%s", p.folder, p.layout, p.status, rest))
		}
		results = append(results, found...)
	}
	return results, errors.Join(errs...)
}

// printed is what one suite printed in one pass.
type printed struct {
	layout, folder string
	status         string // how it exited, in digits; "" when it did not
	text           string
}

// split takes apart what init.sh put together.
func split(output string) ([]printed, error) {
	var passes []printed
	running := false
	for line := range strings.Lines(output) {
		mark, _ := strings.CutPrefix(line, "kingsnake: ")
		words := strings.Fields(mark)
		switch {
		case mark == line || len(words) == 0:
			if running {
				passes[len(passes)-1].text += line
			}
		case words[0] == "begin" && len(words) == 3:
			passes = append(passes, printed{layout: words[1], folder: words[2]})
			running = true
		case words[0] == "end" && len(words) == 2 && running:
			passes[len(passes)-1].status = words[1]
			running = false
		case words[0] == "done" && !running:
			return passes, nil
		}
	}
	return passes, errors.New("the machine ended before its last suite did")
}

// results returns the tests of a pass in the order they began, and what was
// printed by none of them.
func (p printed) results(ctx context.Context) (results []Result, rest string, err error) {
	cmd := exec.CommandContext(ctx, "go", "tool", "test2json")
	cmd.Stdin = strings.NewReader(p.text)
	out, err := cmd.Output()
	if err != nil {
		return nil, "", fmt.Errorf("go tool test2json: %w", err)
	}
	found := map[string]*Result{}
	var began []*Result
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct{ Action, Test, Output string }
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, "", fmt.Errorf("read test2json: %w", err)
		}
		switch r := found[e.Test]; {
		case e.Test == "":
			rest += e.Output
		case r == nil:
			r = &Result{Layout: p.layout, Folder: p.folder, Test: e.Test, Output: e.Output}
			found[e.Test] = r
			began = append(began, r)
		case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
			r.Action = e.Action
		default:
			r.Output += e.Output
		}
	}
	for _, r := range began {
		results = append(results, *r)
	}
	return results, rest, nil
}
