package python

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kingsnake/capture"
)

func TestArgumentsAreReadAsTheInterpreterReadsThem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		argv string // separated by |
		want Command
	}{
		"nothing is standard input":                       {"python3", Command{Kind: capture.Stdin}},
		"a dash is standard input":                        {"python3|-|a", Command{Kind: capture.Stdin}},
		"a path is a script":                              {"python3|a.py|-c|x", Command{Kind: capture.File, Arg: "a.py"}},
		"options before a path are left out":              {"python3|-u|-B|a.py", Command{Kind: capture.File, Arg: "a.py"}},
		"joined letters are options":                      {"python3|-uBIsS|a.py", Command{Kind: capture.File, Arg: "a.py"}},
		"-i has standard input run after a text":          {"python3|-ic|x", Command{Kind: capture.Command, Arg: "x", Prompts: true}},
		"-i has standard input run after a script":        {"python3|-B|-i|a.py", Command{Kind: capture.File, Arg: "a.py", Prompts: true}},
		"-i behind a script is the script's own":          {"python3|a.py|-i", Command{Kind: capture.File, Arg: "a.py"}},
		"-i alone is standard input":                      {"python3|-i", Command{Kind: capture.Stdin}},
		"-c takes the next argument":                      {"python3|-c|x = 1|a.py", Command{Kind: capture.Command, Arg: "x = 1"}},
		"-c takes the rest of its own argument":           {"python3|-cx = 1", Command{Kind: capture.Command, Arg: "x = 1"}},
		"-c may end joined letters":                       {"python3|-uBc|x", Command{Kind: capture.Command, Arg: "x"}},
		"-c may take an empty text":                       {"python3|-c|", Command{Kind: capture.Command, Arg: ""}},
		"-c without a text is an error":                   {"python3|-c", Command{}},
		"-m takes a name":                                 {"python3|-m|http.server|80", Command{Kind: capture.Module, Arg: "http.server"}},
		"-W takes a value":                                {"python3|-W|ignore|a.py", Command{Kind: capture.File, Arg: "a.py"}},
		"-W takes the rest of its own argument":           {"python3|-Wignore|a.py", Command{Kind: capture.File, Arg: "a.py"}},
		"-X takes a value that looks like an option":      {"python3|-X|-c|a.py", Command{Kind: capture.File, Arg: "a.py"}},
		"--check-hash-based-pycs takes a value":           {"python3|--check-hash-based-pycs|always|a.py", Command{Kind: capture.File, Arg: "a.py"}},
		"two dashes end the options":                      {"python3|--|-c", Command{Kind: capture.File, Arg: "-c"}},
		"two dashes and nothing are standard input":       {"python3|-u|--", Command{Kind: capture.Stdin}},
		"two dashes and a dash are standard input":        {"python3|--|-", Command{Kind: capture.Stdin}},
		"--version runs nothing":                          {"python3|--version", Command{}},
		"-V runs nothing":                                 {"python3|-V|a.py", Command{}},
		"-h among joined letters runs nothing":            {"python3|-uh|a.py", Command{}},
		"an unknown letter is an error":                   {"python3|-uz|a.py", Command{}},
		"-Q of Python 2 takes a value":                    {"python2|-Qnew|a.py", Command{Kind: capture.File, Arg: "a.py"}},
		"-x leaves out the first line but runs the whole": {"python3|-x|a.py", Command{Kind: capture.File, Arg: "a.py"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ParseCommand(strings.Split(tt.argv, "|"))
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(Command{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseCommand(f *testing.F) {
	f.Add("python3|-uBc|x = 1")
	f.Add("python3|--check-hash-based-pycs|always|--|-")
	f.Add("")
	f.Fuzz(func(t *testing.T, argv string) {
		args := strings.Split(argv, "|")
		got := ParseCommand(args)
		if got.Arg != "" && !strings.Contains(argv, got.Arg) {
			t.Errorf("%q is not among the arguments", got.Arg)
		}
		UnwrapLoader(args)
	})
}

func TestALoaderIsTakenOffTheArguments(t *testing.T) {
	t.Parallel()
	for argv, want := range map[string]string{
		"ld.so|python3|-c|x":                                "python3|-c|x",
		"ld.so|--library-path|/lib|--argv0|x|python3|a":     "python3|a",
		"ld.so|--inhibit-cache|--|python3":                  "python3",
		"ld.so|--list|python3":                              "python3",
		"ld.so|--preload":                                   "",
		"ld.so":                                             "",
		"ld.so|--glibc-hwcaps-mask|a|--audit|b.so|py|--foo": "py|--foo",
	} {
		if got := strings.Join(UnwrapLoader(strings.Split(argv, "|")), "|"); got != want {
			t.Errorf("%s: want %q, got %q", argv, want, got)
		}
	}
}

func TestAnEnvironmentMayAskForAPrompt(t *testing.T) {
	t.Parallel()
	set := []string{"PYTHONINSPECT=", "PYTHONINSPECT=1"}
	for _, tt := range []struct {
		argv string
		env  []string
		want bool
	}{
		{"python3|a.py", set, true},
		{"python3|-c|x", set, true},
		{"python3|a.py", set[:1], false},
		{"python3|a.py|-E", set, true}, // the script's own
		{"python3|-E|a.py", set, false},
		{"python3|-BI|-m|x", set, false},
		{"python3|-Ei|a.py", nil, true},
		{"python3|-", set, false}, // it is what runs
		{"python3|-V", set, false},
	} {
		if got := ParseCommand(strings.Split(tt.argv, "|")).Inspected(tt.env).Prompts; got != tt.want {
			t.Errorf("%s with %v: want %t, got %t", tt.argv, tt.env, tt.want, got)
		}
	}
}

func TestStartupIsWhatRunsBeforeThePrompt(t *testing.T) {
	env := []string{"HOME=/root", "PYTHONSTARTUP=", "PYTHONSTARTUP=first", "PYTHONSTARTUP=second"}
	for name, tt := range map[string]struct {
		command Command
		env     []string
		want    string
	}{
		"standard input":      {Command{Kind: capture.Stdin}, env, "first"},
		"a file, and -i":      {Command{Kind: capture.File, Prompts: true}, env, "first"},
		"a file alone":        {Command{Kind: capture.File}, env, ""},
		"nothing is asked of": {Command{Kind: capture.Stdin}, env[:2], ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.command.Startup(tt.env); got != tt.want {
				t.Errorf("want %q, got %q", tt.want, got)
			}
		})
	}
}
