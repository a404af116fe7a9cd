// Command kingsnake sees every Python program that runs on a machine, reads what
// it says, decides whether it is malicious, shows why, and keeps the evidence.
//
// Each sub-command is one file of this package. Run "kingsnake help" for the
// list, and "kingsnake COMMAND -h" for one command's flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Env is the world a sub-command runs in, so that tests can call one without a
// process of its own.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	Process        bool // the process is this sub-command's alone: it may give up rights for good
}

// exitError ends the program with a code of its own. An empty msg prints
// nothing: the command has said what there was to say.
type exitError struct {
	code int
	msg  string
}

func (e exitError) Error() string { return e.msg }

// usageError is a mistake in the command line: exit code 2.
func usageError(format string, args ...any) error {
	return exitError{2, fmt.Sprintf(format, args...)}
}

type command struct {
	name, summary string
	run           func(ctx context.Context, env Env, args []string) error
}

// commands lists every sub-command in the order a newcomer meets them.
func commands() []command {
	return []command{
		{"up", "run everything on this machine: sensor, server and console", runUp},
		{"selftest", "run a harmless script that must come out as a finding", runSelftest},
		{"signin", "print another one-time link to the console", runSignin},
		{"scan", "judge files, folders or standard input", runScan},
		{"trace", "show every Python script that runs, live, with its verdict", runTrace},
		{"doctor", "say what works on this machine, and what does not and why", runDoctor},
		{"sensor", "watch this node and push findings to a server", runSensor},
		{"server", "run the findings API, the console and the outputs", runServer},
		{"train", "teach a model your own scripts, or build one from a corpus", runTrain},
		{"model", "sign models; say and decide which one is in use", runModel},
		{"eval", "measure a model on a labeled corpus", runEval},
		{"known", "make and show indexes of known files", runKnown},
		{"version", "print the version and the model's hash", runVersion},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	env := Env{os.Stdin, os.Stdout, os.Stderr, os.Getenv, time.Now, true}
	code := run(ctx, env, os.Args[1:])
	stop()
	os.Exit(code)
}

// run runs the sub-command that args name and returns the exit code.
func run(ctx context.Context, env Env, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		printHelp(env.Stdout)
		return 0
	}
	if args[0] == apartCommand {
		return exitCode(env, apartCommand, runApart(ctx, env))
	}
	if args[0] == guardCommand {
		return exitCode(env, guardCommand, runGuard(env))
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return exitCode(env, c.name, c.run(ctx, env, args[1:]))
		}
	}
	fmt.Fprintf(env.Stderr, "kingsnake: no command %q; run \"kingsnake help\" for the list\n", args[0])
	return 2
}

func exitCode(env Env, name string, err error) int {
	var exit exitError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &exit):
		if exit.msg != "" {
			fmt.Fprintf(env.Stderr, "kingsnake %s: %s\n", name, exit.msg)
		}
		return exit.code
	default:
		fmt.Fprintf(env.Stderr, "kingsnake %s: %v\n", name, err)
		return 2
	}
}

func printHelp(w io.Writer) {
	fmt.Fprint(w, "kingsnake sees every Python program that runs, judges it, and says why.\n\nUsage: kingsnake COMMAND [flags] [arguments]\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nRun \"kingsnake COMMAND -h\" for a command's flags.\n")
}

// newFlags returns a flag set that prints usage, a sentence or two, and the
// flags to standard error when asked or when a flag is wrong.
func newFlags(env Env, name, arguments, about string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(env.Stderr)
	fs.Usage = func() {
		fmt.Fprintf(env.Stderr, "Usage: kingsnake %s [flags] %s\n\n%s\n", name, arguments, about)
		fmt.Fprint(env.Stderr, "\nFlags:\n")
		fs.PrintDefaults()
	}
	return fs
}

// parseFlags parses args. The flag package has already printed a mistake and
// the usage, so the error it returns is silent.
func parseFlags(fs *flag.FlagSet, args []string) error {
	err := fs.Parse(args)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	return exitError{code: 2}
}
