package sensor

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
)

func TestArgumentsAreReadAsTheInterpreterReadsThem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		argv string // separated by |
		want command
	}{
		"nothing is standard input":                       {"python3", command{capture.Stdin, ""}},
		"a dash is standard input":                        {"python3|-|a", command{capture.Stdin, ""}},
		"a path is a script":                              {"python3|a.py|-c|x", command{capture.File, "a.py"}},
		"options before a path are left out":              {"python3|-u|-B|a.py", command{capture.File, "a.py"}},
		"joined letters are options":                      {"python3|-uBIsS|a.py", command{capture.File, "a.py"}},
		"-c takes the next argument":                      {"python3|-c|x = 1|a.py", command{capture.Command, "x = 1"}},
		"-c takes the rest of its own argument":           {"python3|-cx = 1", command{capture.Command, "x = 1"}},
		"-c may end joined letters":                       {"python3|-uBc|x", command{capture.Command, "x"}},
		"-c may take an empty text":                       {"python3|-c|", command{capture.Command, ""}},
		"-c without a text is an error":                   {"python3|-c", command{}},
		"-m takes a name":                                 {"python3|-m|http.server|80", command{capture.Module, "http.server"}},
		"-W takes a value":                                {"python3|-W|ignore|a.py", command{capture.File, "a.py"}},
		"-W takes the rest of its own argument":           {"python3|-Wignore|a.py", command{capture.File, "a.py"}},
		"-X takes a value that looks like an option":      {"python3|-X|-c|a.py", command{capture.File, "a.py"}},
		"--check-hash-based-pycs takes a value":           {"python3|--check-hash-based-pycs|always|a.py", command{capture.File, "a.py"}},
		"two dashes end the options":                      {"python3|--|-c", command{capture.File, "-c"}},
		"two dashes and nothing are standard input":       {"python3|-u|--", command{capture.Stdin, ""}},
		"two dashes and a dash are standard input":        {"python3|--|-", command{capture.Stdin, ""}},
		"--version runs nothing":                          {"python3|--version", command{}},
		"-V runs nothing":                                 {"python3|-V|a.py", command{}},
		"-h among joined letters runs nothing":            {"python3|-uh|a.py", command{}},
		"an unknown letter is an error":                   {"python3|-uz|a.py", command{}},
		"-Q of Python 2 takes a value":                    {"python2|-Qnew|a.py", command{capture.File, "a.py"}},
		"-x leaves out the first line but runs the whole": {"python3|-x|a.py", command{capture.File, "a.py"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := parseCommand(strings.Split(tt.argv, "|"))
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(command{})); diff != "" {
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
		got := parseCommand(args)
		if got.arg != "" && !strings.Contains(argv, got.arg) {
			t.Errorf("%q is not among the arguments", got.arg)
		}
		unwrapLoader(args)
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
		if got := strings.Join(unwrapLoader(strings.Split(argv, "|")), "|"); got != want {
			t.Errorf("%s: want %q, got %q", argv, want, got)
		}
	}
}
