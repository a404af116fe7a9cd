package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"kingsnake/classify/serve"
)

// dataFlag is the flag of verbs that speak of a process.
func dataFlag(env Env, name, about string, args []string, more func(data *string) error) error {
	fs := newFlags(env, "model "+name, "", about)
	data := fs.String("data", defaultData(env), "data `folder` of the instance or sensor")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError("want no arguments")
	}
	return more(data)
}

func modelStatus(_ context.Context, env Env, args []string) error {
	return dataFlag(env, "status", "Says which model is in use where \"up\" or \"sensor\" runs with --model, and which were before.", args, func(data *string) error {
		s, dir, err := stateOf(*data)
		if err != nil {
			return err
		}
		return printState(env.Stdout, s, inUse(dir))
	})
}

func printState(w io.Writer, s serve.State, running bool) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(tw, "%s\t%s\n", name, visible(fmt.Sprintf(format, args...)))
	}
	if !running {
		line("not running", "nothing uses this folder now; this is how it was on %s", s.Time.Format(time.RFC3339))
	}
	line("in use", "%s since %s", s.Current.Hash, s.Current.Since.Format(time.RFC3339))
	line("from", "%s", fromWords(s.Current))
	if s.Current.Note != "" {
		line("note", "%s", s.Current.Note)
	}
	printThresholds(tw, s.Current.Suspicious, s.Current.Malicious)
	line("chosen", "%s", choiceWords(s.Choice))
	if s.Problem != "" {
		line("problem", "%s", s.Problem)
	}
	if words := shadowWords(s); words != "" {
		line("shadow", "%s", words)
	}
	for i, h := range s.History[min(1, len(s.History)):] {
		name := ""
		if i == 0 {
			name = "before"
		}
		kept := ""
		if !h.Kept && !h.Embedded {
			kept = "; no longer kept"
		}
		line(name, "%s since %s, %s%s", h.Hash[:min(12, len(h.Hash))], h.Since.Format(time.RFC3339), fromWords(h), kept)
	}
	for i, r := range s.Refused {
		name := ""
		if i == 0 {
			name = fmt.Sprintf("refused %d", s.Refusals)
		}
		line(name, "%s %s: %s", r.Time.Format(time.RFC3339), r.File, r.Why)
	}
	return tw.Flush()
}

// choiceWords says what was chosen.
func choiceWords(choice string) string {
	switch choice {
	case serve.FromFile:
		return "whatever good model the file of --model holds"
	case serve.Embedded:
		return "the embedded model, by hand; \"kingsnake model use file\" follows the file again"
	}
	return fmt.Sprintf("model %.12s, by hand; \"kingsnake model use file\" follows the file again", choice)
}

func modelDiff(_ context.Context, env Env, args []string) error {
	fs := newFlags(env, "model diff", "", "Lists the scripts that the shadow calls otherwise than the model in use, newest first.")
	data := fs.String("data", defaultData(env), "data `folder` of the instance or sensor")
	asJSON := fs.Bool("json", false, "print the comparison and its differences as JSON")
	limit := fs.Int("limit", 50, "list at most this many in the table")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError("want no arguments")
	}
	s, _, err := stateOf(*data)
	if err != nil {
		return err
	}
	if *asJSON {
		out := json.NewEncoder(env.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(struct {
			serve.Comparison
			Differences []serve.Difference `json:"differences"`
		}{s.Compared, s.Differences})
	}
	if s.Shadow == nil && len(s.Differences) == 0 {
		fmt.Fprintln(env.Stdout, "No shadow judges here: start with --shadow-model to compare a model with the one in use.")
		return nil
	}
	c := s.Compared
	fmt.Fprintf(env.Stdout, "model  %s\nshadow %s\n%d distinct scripts judged by both since %s: %d called higher by the shadow, %d lower; %d dropped, %d crashed it\n",
		c.Model, c.Shadow, c.Judged, c.Since.Format(time.RFC3339), c.Higher, c.Lower, c.Dropped, c.Failed)
	if len(s.Differences) == 0 {
		return nil
	}
	fmt.Fprintln(env.Stdout)
	tw := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "TIME\tKIND\tMODEL SAYS\tSHADOW SAYS\tMODELS\tSCRIPT")
	for _, d := range s.Differences[:min(max(*limit, 0), len(s.Differences))] {
		fmt.Fprintf(tw, "%s\t%s\t%s %.4f\t%s %.4f\t%.8s %.8s\t%s\n", d.Time.Format("2006-01-02 15:04:05"), visible(d.Kind),
			d.Label, d.Score, d.ShadowLabel, d.ShadowScore, d.Model, d.Shadow, d.SHA256)
	}
	return tw.Flush()
}

func modelPromote(ctx context.Context, env Env, args []string) error {
	return dataFlag(env, "promote", "Puts the shadow into use, and keeps it there until another is chosen.", args, func(data *string) error {
		s, dir, err := stateOf(*data)
		if err != nil {
			return err
		}
		if s.Shadow == nil {
			return exitError{1, "no shadow judges here; start with --shadow-model"}
		}
		return choose(ctx, env, dir, s.Shadow.Hash)
	})
}

func modelRollback(ctx context.Context, env Env, args []string) error {
	return dataFlag(env, "rollback", "Puts the model into use that was there before, and keeps it there until another is chosen.\n"+
		"Rolling back twice goes back and forth; \"kingsnake model use\" reaches the others.", args, func(data *string) error {
		s, dir, err := stateOf(*data)
		if err != nil {
			return err
		}
		before, ok := s.Previous()
		switch {
		case !ok && s.Current.Embedded:
			return exitError{1, "there is no earlier model to go back to"}
		case !ok || before.Embedded:
			return choose(ctx, env, dir, serve.Embedded)
		}
		return choose(ctx, env, dir, before.Hash)
	})
}

func modelUse(ctx context.Context, env Env, args []string) error {
	fs := newFlags(env, "model use", "HASH | file | embedded", "Chooses the model in use: one that is kept, by its hash or the beginning of it; the embedded one; or file, to\n"+
		"follow the file of --model again.")
	data := fs.String("data", defaultData(env), "data `folder` of the instance or sensor")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return usageError("want a hash, file, or embedded")
	}
	s, dir, err := stateOf(*data)
	if err != nil {
		return err
	}
	choice, err := findModel(s, fs.Arg(0))
	if err != nil {
		return err
	}
	return choose(ctx, env, dir, choice)
}

// findModel returns the choice that a word stands for.
func findModel(s serve.State, word string) (string, error) {
	if word == serve.FromFile || word == serve.Embedded {
		return word, nil
	}
	known := append([]serve.Info{s.Current}, s.History...)
	if s.Shadow != nil {
		known = append(known, *s.Shadow)
	}
	found := map[string]serve.Info{}
	for _, i := range known {
		if len(word) >= 6 && strings.HasPrefix(i.Hash, word) {
			found[i.Hash] = i
		}
	}
	switch len(found) {
	case 0:
		return "", exitError{1, fmt.Sprintf("no model %.80q here; \"kingsnake model status\" lists those there are (want at least 6 digits)", word)}
	case 1:
		for hash, i := range found {
			if i.Embedded {
				return serve.Embedded, nil
			}
			return hash, nil
		}
	}
	return "", exitError{1, fmt.Sprintf("%.80q begins the hash of several models; give more of it", word)}
}

// choosePatience is how long a running process may take to follow a choice.
const choosePatience = 20 * time.Second

// choose says which model is to be in use, and waits until it is.
func choose(ctx context.Context, env Env, dir, choice string) error {
	if err := serve.Choose(dir, choice); err != nil {
		return err
	}
	if !inUse(dir) {
		fmt.Fprintf(env.Stdout, "chosen: %s\nNothing uses %s now; it counts from the next start on.\n", choiceWords(choice), filepath.Dir(dir))
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, choosePatience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := serve.ReadState(dir)
		switch {
		case err == nil && s.Choice == choice && s.Problem != "":
			return exitError{1, "not done: " + visible(s.Problem)}
		case err == nil && s.Choice == choice:
			fmt.Fprintf(env.Stdout, "in use: %s, %s\n", s.Current.Hash, visible(fromWords(s.Current)))
			return nil
		}
		select {
		case <-ctx.Done():
			return exitError{1, fmt.Sprintf("the running instance did not follow within %s; see its log", choosePatience)}
		case <-tick.C:
		}
	}
}
