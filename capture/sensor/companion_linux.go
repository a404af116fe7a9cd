//go:build amd64 || arm64

package sensor

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
	"kingsnake/capture/python"
)

// worthTelling reports whether an execution may have something to tell, before
// more is asked about its process.
func (t *tracker) worthTelling(e *event, kind python.Binary) bool {
	const always = probeSignSIGN_MEMORY | probeSignSIGN_UPPER
	signs := e.exec.Signs
	return t.executed != nil && (signs&always != 0 ||
		kind != python.NoPython && (signs&probeSignSIGN_SOCKET != 0 || t.starter(e.exec.Starter) != nil))
}

// tell delivers an execution that has something to tell.
func (t *tracker) tell(e *event, kind python.Binary, process capture.Process) {
	signs := e.exec.Signs
	x := capture.Execution{
		Time: t.clock.Wall(e.Time), Process: process, Role: roleOf(kind, process.Exe, process.Args),
		Memory: signs&probeSignSIGN_MEMORY != 0, Upper: signs&probeSignSIGN_UPPER != 0,
		Inode: fileInode(e.File, e.Magic, e.Mode, process.Exe),
	}
	if e.Lost != 0 {
		x.Lost = lossNames[probeLossLOSS_EXEC_RING]
	}
	if signs&probeSignSIGN_SOCKET != 0 && x.Role != capture.Other {
		x.Peer, x.Local = addresses(&e.exec.Ends)
	}
	if x.Role == capture.Shell {
		x.Starter = t.starter(e.exec.Starter)
	}
	if p, ok := t.programs.get(e.exec.Starter); ok && x.Starter != nil && !p.ran() && len(p.waiting) < maxWaiting {
		if len(p.waiting) == 0 {
			p.waits = time.Now()
		}
		p.waiting = append(p.waiting, x) // until its script is known: the rings are read by turns
		return
	}
	if x.Memory || x.Upper || x.Peer.IsValid() || x.Starter != nil {
		t.executed(x)
	}
}

// maxWaiting is how many executions wait for the script of their starter.
const maxWaiting = 16

// tellWaiting tells what waited for a program's script.
func (t *tracker) tellWaiting(p *program) {
	for _, x := range p.waiting {
		x.Starter.Script, x.Starter.Path = p.digest, p.exec.script
		t.executed(x)
	}
	p.waiting = nil
}

// starter describes the Python that a process was a part of before it executed
// another program; nil when it is none that is known.
func (t *tracker) starter(id probeProgram) *capture.Starter {
	p, ok := t.programs.get(id)
	if !ok {
		p, ok = t.gone.get(id)
	}
	if !ok || p.exec == nil || !p.certain {
		return nil
	}
	s := &capture.Starter{Process: p.exec.process, Script: p.digest, Path: p.exec.script}
	s.Process.Parents = nil
	return s
}

// addresses returns the two ends of a socket. An IPv4 connection over an IPv6
// socket comes out as one of IPv4.
func addresses(e *probeEnds) (peer, local netip.AddrPort) {
	end := func(b [16]uint8, port uint16) netip.AddrPort {
		if e.Family == unix.AF_INET {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), port)
		}
		return netip.AddrPortFrom(netip.AddrFrom16(b).Unmap(), port)
	}
	return end(e.Peer, e.PeerPort), end(e.Local, e.LocalPort)
}

// shellKind looks whether a binary that is no Python is a shell or another
// language's interpreter. One whose name says nothing is searched when that is
// remembered or when the execution has something to tell: searching costs a
// millisecond.
func (l *looker) shellKind(pids []int, exe string, e *event, remembered bool) python.Binary {
	if kind := nameKind(exe); kind != python.NoPython {
		return kind
	}
	if !remembered && e.exec.Signs == 0 && e.exec.Starter == (probeProgram{}) {
		return python.NoPython
	}
	if kind := l.inspect(pids, exe, e.File, readShell); kind != python.NotLookedAt {
		return kind
	}
	return python.NoPython
}
