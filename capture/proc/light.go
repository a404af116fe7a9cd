package proc

import (
	"strings"

	"kingsnake/capture"
)

// MaxShort is how many bytes of the arguments of an ancestor are kept.
const MaxShort = 4 << 10

// Shorten cuts a list of arguments to MaxShort bytes, which is what is
// kept of an ancestor's.
func Shorten(args []string) []string {
	room := MaxShort
	for i, a := range args {
		if room -= len(a) + 1; room < 0 {
			return append(own(args[:i]), strings.ToValidUTF8(a[:max(0, len(a)+room)], "")+"…")
		}
	}
	return args
}

// own returns the strings in memory of their own: those of one process lie in one
// piece, and each of them keeps the whole of it, which may be megabytes.
func own(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.Clone(s)
	}
	return out
}

const maxKept = 16 << 10 // bytes of arguments and environment kept for modules

// Lighter returns a process with what is kept of its arguments and environment
// for the modules it imports later.
func Lighter(p capture.Process) capture.Process {
	room := maxKept
	cut := func(list []string) ([]string, bool) {
		for i, s := range list {
			if room -= len(s); room < 0 {
				return own(list[:i]), true
			}
		}
		return list, false
	}
	var cutArgs, cutEnv bool
	p.Args, cutArgs = cut(p.Args)
	p.Env, cutEnv = cut(p.Env)
	p.ArgsTruncated = p.ArgsTruncated || cutArgs
	p.EnvTruncated = p.EnvTruncated || cutEnv
	return p
}
