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

	// Prompts is whether standard input runs after it (-i), even where that is no
	// terminal. Never set with Stdin.
	Prompts bool
}

// Startup returns the file that runs before the first prompt of an interpreter,
// as its environment names it; "" if none does.
func (c Command) Startup(env []string) string {
	if !c.Prompts && c.Kind != capture.Stdin {
		return ""
	}
	for _, v := range env {
		if name, ok := strings.CutPrefix(v, "PYTHONSTARTUP="); ok && name != "" {
			return name
		}
	}
	return ""
}

// ParseCommand reads argv, argv[0] included, as CPython 2.7 to 3.14 does
// (Python/getopt.c, Python/initconfig.c and Modules/main.c): single letters may
// be joined, -c and -m end the options, a lone dash is standard input.
func ParseCommand(argv []string) Command {
	c, prompts := parseOptions(argv)
	c.Prompts = prompts && c.Kind != "" && c.Kind != capture.Stdin
	return c
}

// parseOptions also returns whether -i is among the options.
func parseOptions(argv []string) (c Command, prompts bool) {
	i := 1
	for ; i < len(argv); i++ {
		arg := argv[i]
		if arg == "-" {
			return Command{Kind: capture.Stdin}, prompts
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
				return Command{}, prompts // help, version, or an error
			}
			i++
			continue
		}
		c, skip, done, asks := parseLetters(arg[1:], argv[i+1:])
		prompts = prompts || asks
		if done {
			return c, prompts
		}
		i += skip
	}
	if i >= len(argv) {
		return Command{Kind: capture.Stdin}, prompts
	}
	if argv[i] == "-" {
		return Command{Kind: capture.Stdin}, prompts
	}
	return Command{Kind: capture.File, Arg: argv[i]}, prompts
}

// parseLetters reads joined single-letter options. It returns how many of the
// arguments that follow were taken, whether the options end here, and whether -i
// is among them.
func parseLetters(letters string, rest []string) (c Command, skip int, done, prompts bool) {
	for i := range len(letters) {
		switch letters[i] {
		case 'c', 'm', 'W', 'X', 'Q':
			value := letters[i+1:]
			if value == "" {
				if len(rest) == 0 {
					return Command{}, 0, true, prompts
				}
				value, skip = rest[0], 1
			}
			switch letters[i] {
			case 'c':
				return Command{Kind: capture.Command, Arg: value}, skip, true, prompts
			case 'm':
				return Command{Kind: capture.Module, Arg: value}, skip, true, prompts
			}
			return Command{}, skip, false, prompts
		case 'h', '?', 'V':
			// Printed after all options are read, but before anything runs.
			return Command{}, 0, true, prompts
		}
		prompts = prompts || letters[i] == 'i'
		if !strings.ContainsRune("3bBdEiIJOPqRsStuUvx", rune(letters[i])) {
			return Command{}, 0, true, prompts
		}
	}
	return Command{}, 0, false, prompts
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
