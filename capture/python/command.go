package python

import (
	"strings"

	"kingsnake/capture"
)

// Command is what an interpreter's arguments ask it to run.
type Command struct {
	// Kind is File, Command, Stdin or Module; "" when nothing runs, as for
	// --version or arguments that the interpreter rejects.
	Kind capture.Kind
	Arg  string // the text after -c, the name after -m, or the script's path

	// Prompts is whether standard input runs after it: with -i, even where that is
	// no terminal. Never set with Stdin.
	Prompts bool

	alone bool // the environment is not looked at (-E, -I)
}

// Inspected returns the command as an environment changes it: with PYTHONINSPECT,
// standard input runs after it if that is a terminal.
func (c Command) Inspected(env []string) Command {
	c.Prompts = c.Prompts || c.followed() && !c.alone && variable(env, "PYTHONINSPECT") != ""
	return c
}

// variable returns the first value of a variable that is not empty.
func variable(env []string, name string) string {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name+"="); ok && value != "" {
			return value
		}
	}
	return ""
}

// Startup returns the file that runs before the first prompt of an interpreter,
// as its environment names it; "" if none does.
func (c Command) Startup(env []string) string {
	if !c.Prompts && c.Kind != capture.Stdin {
		return ""
	}
	return variable(env, "PYTHONSTARTUP")
}

// ParseCommand reads argv, argv[0] included, as CPython 2.7 to 3.14 does
// (Python/getopt.c, Python/initconfig.c and Modules/main.c): single letters may
// be joined, -c and -m end the options, a lone dash is standard input.
func ParseCommand(argv []string) Command {
	c, o := parseOptions(argv)
	c.Prompts = o.prompts && c.followed()
	c.alone = o.alone
	return c
}

// followed reports whether something may run after the command.
func (c Command) followed() bool { return c.Kind != "" && c.Kind != capture.Stdin }

// options are the single letters that matter here.
type options struct {
	prompts bool // -i
	alone   bool // -E or -I: the environment is not looked at
}

// parseOptions also returns the options.
func parseOptions(argv []string) (c Command, o options) {
	i := 1
	for ; i < len(argv); i++ {
		arg := argv[i]
		if arg == "-" {
			return Command{Kind: capture.Stdin}, o
		}
		if !strings.HasPrefix(arg, "-") {
			break
		}
		if arg == "--" {
			i++
			break
		}
		if long, ok := strings.CutPrefix(arg, "--"); ok {
			if long != "check-hash-based-pycs" {
				return Command{}, o // help, version, or an error
			}
			i++
			continue
		}
		c, skip, done := o.parseLetters(arg[1:], argv[i+1:])
		if done {
			return c, o
		}
		i += skip
	}
	if i >= len(argv) {
		return Command{Kind: capture.Stdin}, o
	}
	if argv[i] == "-" {
		return Command{Kind: capture.Stdin}, o
	}
	return Command{Kind: capture.File, Arg: argv[i]}, o
}

// parseLetters reads joined single-letter options. It returns how many of the
// arguments that follow were taken, and whether the options end here.
func (o *options) parseLetters(letters string, rest []string) (c Command, skip int, done bool) {
	for i := range len(letters) {
		switch letters[i] {
		case 'c', 'm', 'W', 'X', 'Q':
			value := letters[i+1:]
			if value == "" {
				if len(rest) == 0 {
					return Command{}, 0, true
				}
				value, skip = rest[0], 1
			}
			switch letters[i] {
			case 'c':
				return Command{Kind: capture.Command, Arg: value}, skip, true
			case 'm':
				return Command{Kind: capture.Module, Arg: value}, skip, true
			}
			return Command{}, skip, false
		case 'h', '?', 'V':
			// Printed after all options are read, but before anything runs.
			return Command{}, 0, true
		}
		o.prompts = o.prompts || letters[i] == 'i'
		o.alone = o.alone || letters[i] == 'E' || letters[i] == 'I'
		if !strings.ContainsRune("3bBdEiIJOPqRsStuUvx", rune(letters[i])) {
			return Command{}, 0, true
		}
	}
	return Command{}, 0, false
}

// UnwrapLoader removes what stands before the program in the arguments of a
// dynamic loader that was executed by name (ld-linux.so --library-path … python3 …).
// It returns nil when there is no program.
func UnwrapLoader(argv []string) []string {
	for i := 1; i < len(argv); i++ {
		switch arg := argv[i]; {
		case !strings.HasPrefix(arg, "--"):
			return argv[i:]
		case arg == "--":
			return argv[min(i+1, len(argv)):]
		case arg == "--library-path", arg == "--preload", arg == "--audit", arg == "--argv0",
			arg == "--inhibit-rpath", arg == "--glibc-hwcaps-prepend", arg == "--glibc-hwcaps-mask":
			i++
		}
	}
	return nil
}
