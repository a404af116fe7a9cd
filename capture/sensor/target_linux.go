//go:build amd64 || arm64

package sensor

import (
	"path"
	"strings"

	"kingsnake/capture"
)

// target says which file the kernel half is to hold a program for. It is what
// matches looks for, said more generously: what is held and does not match is
// let go.
func target(x *executed) (probeHoldTarget, bool) {
	var want probeHoldTarget
	var names []string
	switch x.command.kind {
	case capture.Stdin:
		want.Fd = 1
		if x.found.ok {
			want.Ino = x.found.ino
		}
	case capture.Module:
		names = []string{x.command.arg[strings.LastIndexByte(x.command.arg, '.')+1:] + ".", "__main__."}
	case capture.File:
		switch {
		case x.found.dir:
			names = []string{"__main__."}
		case x.found.ok:
			want.Ino = x.found.ino
			if !x.found.descriptor {
				names = []string{path.Base(x.found.path)}
			}
		default:
			names = []string{path.Base(x.script), "__main__."}
		}
	default:
		return want, false
	}
	for i, name := range names {
		for j := range min(len(name), len(want.Names[i])-1) {
			want.Names[i][j] = int8(name[j])
		}
	}
	return want, true
}
