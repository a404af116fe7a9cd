package sensor

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"kingsnake/capture"
	"kingsnake/capture/python"
)

// shellNames are the names of shells. A shell with another name is known by
// what is in its binary, see markers.
var shellNames = []string{"sh", "bash", "rbash", "dash", "ash", "zsh", "ksh", "ksh93", "mksh", "lksh", "pdksh", "yash", "posh", "csh", "tcsh", "fish", "rc", "es", "nu", "pwsh"}

// interpreterNames are the names of programs, Python apart, that run what they
// read, without the version behind.
var interpreterNames = []string{"perl", "ruby", "irb", "php", "php-cli", "php-cgi", "lua", "luajit", "node", "nodejs", "bun", "deno", "tclsh", "wish", "expect", "guile", "awk", "gawk", "mawk", "original-awk", "raku"}

// multicallNames are binaries that are a shell when they are called like one.
var multicallNames = []string{"busybox", "toybox"}

// nameKind is what a binary is by its path alone: noPython when that says
// nothing.
func nameKind(exe string) python.Binary {
	name := path.Base(exe)
	plain := strings.TrimRight(name, "0123456789.-")
	switch {
	case slices.Contains(multicallNames, name):
		return python.Multicall
	case slices.Contains(shellNames, name):
		return python.Shell
	case slices.Contains(interpreterNames, name), slices.Contains(interpreterNames, plain):
		return python.Scripter
	}
	return python.NoPython
}

// What a shell is known by: every shell of the POSIX family keeps the variables
// OPTIND for getopts and PS4 for set -x, and nothing else is known to have both
// names in it; a BusyBox says what it is. The texts are in two parts, so that
// this program is no shell by its own rule.
var markers = [3][]byte{mark("OPT", "IND"), mark("PS", "4"), mark("Busy", "Box v")}

func mark(parts ...string) []byte { return []byte(strings.Join(parts, "")) }

// maxMarked is how much of a binary is searched for markers: the shells there
// are have 2 MB at most.
const maxMarked = 4 << 20

// readShell decides by its content whether a binary is a shell, whatever its
// name.
func readShell(r io.ReaderAt) (python.Binary, error) {
	const overlap = 16 // more than the longest marker
	var buf [64<<10 + overlap]byte
	var has [len(markers)]bool
	for at := int64(0); at < maxMarked; at += int64(len(buf) - overlap) {
		n, err := r.ReadAt(buf[:], at)
		if err != nil && err != io.EOF {
			return python.NotLookedAt, fmt.Errorf("read binary: %w", err)
		}
		for i, m := range markers {
			has[i] = has[i] || bytes.Contains(buf[:n], m)
		}
		if n < len(buf) {
			break
		}
	}
	switch {
	case !has[0] || !has[1]:
		return python.NoPython, nil
	case has[2]:
		return python.Multicall, nil
	}
	return python.Shell, nil
}

// roleOf is what a program does when it is called with args.
func roleOf(kind python.Binary, exe string, args []string) capture.Role {
	switch kind {
	case python.NotLookedAt:
		kind = nameKind(exe)
	case python.Loader:
		if args = python.UnwrapLoader(args); len(args) > 0 {
			kind = nameKind(args[0])
		}
	}
	switch kind {
	case python.Interpreter, python.Embedder, python.Scripter:
		return capture.Interpreter
	case python.Shell:
		return capture.Shell
	case python.Multicall:
		for _, a := range args[:min(len(args), 2)] {
			if slices.Contains(shellNames, strings.TrimPrefix(path.Base(a), "-")) {
				return capture.Shell
			}
		}
	}
	return capture.Other
}
