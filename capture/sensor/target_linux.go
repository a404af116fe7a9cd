//go:build amd64 || arm64

package sensor

import (
	"path"
	"strings"
	"unsafe"

	"kingsnake/capture"
)

// target says which file the kernel half is to hold a program for. It is what
// matches looks for, said more generously: what is held and does not match is
// let go.
func target(x *executed) (probeHoldTarget, bool) {
	var want probeHoldTarget
	var names []string
	switch x.command.Kind {
	case capture.Stdin:
		want.Fd = 1
		if x.found.ok {
			want.Ino = x.found.ino
		}
	case capture.Module:
		names = []string{x.command.Arg[strings.LastIndexByte(x.command.Arg, '.')+1:] + ".", "__main__."}
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
		want.Names[i] = holdName(name)
	}
	return want, true
}

// targetAgain is the target of a script that was delivered: the interpreter reads
// it again to run it, and it may have been replaced meanwhile.
func targetAgain(p *program) probeHoldTarget {
	f := p.hold.script
	want := probeHoldTarget{Judged: 1, Ino: f.Ino, Seen: f.Ino, Ctime: f.Ctime, Changed: f.Ctime}
	for i, name := range []string{p.exec.script, p.exec.found.path} {
		if name != "" {
			want.Names[i] = holdName(path.Base(name) + "\x00") // and no longer one
		}
	}
	return want
}

// holdName is the beginning of a file's name, as the kernel half compares it. A
// name that is longer than the kernel's last byte is cut.
func holdName(name string) (n probeHoldName) {
	size := int(unsafe.Sizeof(n.Text))
	text := unsafe.Slice((*byte)(unsafe.Pointer(&n.Text)), size)
	mask := unsafe.Slice((*byte)(unsafe.Pointer(&n.Mask)), size)
	for i := range copy(text[:size-1], name) {
		mask[i] = 0xff
	}
	return n
}
