//go:build amd64 || arm64

package sensor

import (
	"io"

	"kingsnake/capture"
	"kingsnake/normalize/bundle"
)

// scripts returns the scripts in the binary of an exec, as a bundle of nothing
// but them; nil if it is no bundle, or cannot be looked at.
func (l *looker) scripts(pids []int, exe string, file probeFileKey) []byte {
	scripts, _ := lookAtBinary(l, pids, exe, file, func(r io.ReaderAt) ([]byte, error) {
		return bundle.Scripts(r, int64(file.Size), capture.MaxText), nil
	})
	return scripts
}

// deliverBundle delivers the scripts in a program's binary. One that unpacks
// itself executes itself again, in its own process or in a child: then they were
// delivered already.
func (t *tracker) deliverBundle(p *program) {
	text := p.exec.bundle
	digest := capture.Sum(text)
	p.exec.bundle = nil
	// What the loader hands to the interpreter is known.
	p.compiled = make(map[capture.Digest]bool)
	bundle.Each(text, capture.MaxText, func(_ bundle.Entry, script []byte) {
		if len(p.compiled) < maxCompiled/2 {
			p.compiled[capture.Sum(script)] = true
		}
	})
	before, ok := t.programs.get(p.exec.before)
	if !ok {
		before, ok = t.gone.get(p.exec.before)
	}
	if ok && before.digest == digest {
		p.done, p.digest = true, digest
		t.teacher.setMode(p.id, probeProgramModeMODE_MODULES)
		t.deliverEarly(p)
		return
	}
	t.deliverMain(p, capture.Script{
		Kind: capture.Bundle, Text: text, Size: int64(len(text)), Path: p.exec.process.Exe, Inode: p.exec.exe, Lost: p.exec.lost,
	})
}
