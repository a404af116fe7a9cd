//go:build amd64 || arm64

package sensor

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"

	"kingsnake/capture"
	"kingsnake/capture/python"
)

// probeFeatures is what the kernel can do with user probes.
type probeFeatures struct {
	// multi: one link holds many of them, for which CAP_PERFMON is enough
	// (since Linux 6.6). Else each is a perf event, and needs CAP_SYS_ADMIN.
	multi   bool
	cookies bool // each can have a number of its own (since 5.15)
	none    bool // the kernel refuses the programs
	hash    textHash
}

// prepareCompiled sets up the programs for compiled texts before they are
// loaded.
func prepareCompiled(spec *ebpf.CollectionSpec) (probeFeatures, error) {
	can := probeFeatures{
		multi:   features.HaveBPFLinkUprobeMulti() == nil,
		cookies: features.HaveProgramHelper(ebpf.Kprobe, asm.FnGetAttachCookie) == nil,
	}
	var key [24]byte
	if _, err := rand.Read(key[:]); err != nil {
		return can, err
	}
	can.hash = textHash{binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:]) | 1, binary.LittleEndian.Uint64(key[16:])}
	for name, value := range map[string]uint64{"hash_seed": can.hash.seed, "hash_factor": can.hash.factor, "hash_mask": can.hash.mask} {
		if err := spec.Variables[name].Set(value); err != nil {
			return can, fmt.Errorf("set %s: %w", name, err)
		}
	}
	for _, p := range spec.Programs {
		if can.multi && p.Type == ebpf.Kprobe {
			p.AttachType = ebpf.AttachTraceUprobeMulti
		}
	}
	if !can.cookies {
		leaveOut(spec.Programs[probeProgOnMarshalMemory])
	}
	return can, nil
}

// leaveOut has a program do nothing: its place in the kernel half stays.
func leaveOut(p *ebpf.ProgramSpec) {
	p.Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
}

// leaveOutCompiled leaves out all programs for compiled texts.
func leaveOutCompiled(spec *ebpf.CollectionSpec) {
	for _, p := range spec.Programs {
		if p.Type == ebpf.Kprobe {
			p.AttachType = ebpf.AttachNone
			leaveOut(p)
		}
	}
}

const (
	maxCompiling   = 256  // texts of which not all records have come
	maxCompiled    = 4096 // texts of one program
	maxLibrary     = 16384
	maxUndelivered = 8192 // compiled texts that wait for what came before them

	// ringLag is how long a compiled text waits for the records of the other
	// rings that were written before it.
	ringLag = 40 * time.Millisecond
	// scriptWait is how long it waits for its program's own script.
	scriptWait = 3 * time.Second
	// compiledWait is how long a text waits for its next record.
	compiledWait = time.Second
)

// compiledKey names one call of a function that is handed a text.
type compiledKey struct {
	time uint64
	tid  uint32
}

// compiling is a text as far as its records have come.
type compiling struct {
	program *program
	text    []byte
	flags   probeCompiledFlag
	touched time.Time
}

// compiled is a text that waits to be delivered.
type compiled struct {
	program *program
	script  capture.Script
	made    bool // code was made of it, not a tree alone
	again   bool // a tree had been made of it before
	held    int  // bytes
	arrived time.Time
}

// compiledTexts is what a tracker holds of compiled texts.
type compiledTexts struct {
	compiling *lru[compiledKey, *compiling]
	waiting   []compiled                     // in the order of their arrival
	library   *lru[capture.Digest, struct{}] // source and code of the modules of interpreters
	parsed    parsedTexts
	loading   *lru[loadKey, *loading]
}

func (t *tracker) newCompiledTexts() compiledTexts {
	return compiledTexts{
		compiling: newLRU(maxCompiling, func(_ compiledKey, c *compiling) {
			t.memory -= len(c.text)
			t.count(lostCompiledMany)
		}),
		loading: newLRU(maxCompiling, t.evictLoad),
		library: newLRU[capture.Digest, struct{}](maxLibrary, nil),
	}
}

// seeBinary has the binary of an exec attached to.
func (t *tracker) seeBinary(e *event, kind python.Binary) {
	if kind != python.Interpreter && kind != python.Embedder {
		return
	}
	t.hooks.see(sighting{hookKeyOf(e.File), int(e.Program.Tgid), ""})
}

// seeLibrary has a library with an interpreter in it, that is being loaded,
// attached to.
func (t *tracker) seeLibrary(r *reading) {
	if isPythonLibrary(r.path) {
		t.hooks.see(sighting{hookKeyOf(r.file), int(r.key.tgid), r.path})
	}
}

func hookKeyOf(file probeFileKey) hookKey { return hookKey{file.Ino, file.Ctime, file.Size} }

// compiledEvent is one record of the ring of compiled texts. Its data belongs
// to the buffer it was decoded from.
type compiledEvent struct {
	probeCompiled
	data    []byte
	running *executed // the process, if it was there before the sensor and is new
}

// decode reads one record into e.
func (e *compiledEvent) decode(raw []byte) error {
	const head = int(unsafe.Sizeof(e.probeCompiled))
	if len(raw) < head {
		return errMalformed
	}
	copyOut(&e.probeCompiled, raw)
	if e.Len > chunk || len(raw)-head < int(e.Len) {
		return errMalformed
	}
	e.data = raw[head : head+int(e.Len)]
	return nil
}

// handleCompiled deals with one record of a compiled text.
func (t *tracker) handleCompiled(e *compiledEvent) {
	p := t.programOf(e)
	if p == nil {
		return
	}
	switch why := uncaptured[e.Flags&^(probeCompiledFlagCOMPILED_LAST|probeCompiledFlagCOMPILED_RUNNING)]; {
	case e.Flags&probeCompiledFlagCOMPILED_TREE != 0:
		t.makesTrees(p, e.Time)
		return
	case why != "":
		if why != capture.CompiledTooMuch { // which the kernel half counts
			t.count(why)
		}
		t.sayUncaptured(p, e.Time, why)
		return
	}
	key := compiledKey{e.Time, e.Tid}
	c, ok := t.compiling.get(key)
	if !ok {
		if e.Offset != 0 {
			return // its beginning was given up, and counted
		}
		c = &compiling{program: p}
		t.compiling.put(key, c)
	}
	c.touched = time.Now()
	c.flags |= e.Flags
	if e.Offset != uint64(len(c.text)) || !t.room(len(e.data)) {
		t.count(lostMemory)
		t.compiling.remove(key)
		t.memory -= len(c.text)
		return
	}
	c.text = append(c.text, e.data...)
	t.memory += len(e.data)
	if e.Flags&probeCompiledFlagCOMPILED_LAST != 0 {
		t.compiling.remove(key)
		t.keepCompiled(c, key, "")
	}
}

// uncaptured says why the text is missing of a record that has none.
var uncaptured = map[probeCompiledFlag]string{
	probeCompiledFlagCOMPILED_OBJECT:   lostObject,
	probeCompiledFlagCOMPILED_FILE:     lostLoad,
	probeCompiledFlagCOMPILED_LEFT_OUT: capture.CompiledTooMuch,
}

// sayUncaptured has a script without a text say, once of a program and a reason,
// that it compiles what is not captured.
func (t *tracker) sayUncaptured(p *program, at uint64, why string) {
	if slices.Contains(p.uncaptured, why) {
		return
	}
	p.uncaptured = append(p.uncaptured, why)
	t.waiting = append(t.waiting, compiled{program: p, arrived: time.Now(), script: capture.Script{
		Kind: capture.Compiled, Time: t.clock.Wall(at), Digest: capture.Sum(nil), Lost: why,
	}})
}

// isNewcomer reports whether a record is about a process that was running before
// the sensor, and that nothing is known of.
func (t *tracker) isNewcomer(e *compiledEvent) bool {
	_, ok := t.gone.get(e.Program)
	return !ok && e.Flags&probeCompiledFlagCOMPILED_RUNNING != 0
}

// programOf returns the program of a record, nil if it is of no interest. One
// that was running before the sensor is made up from what /proc knows.
func (t *tracker) programOf(e *compiledEvent) *program {
	if t.isNewcomer(e) {
		if e.running == nil {
			return nil
		}
		p := &program{id: e.Program, exec: e.running, certain: true, done: true}
		t.gone.put(e.Program, p) // where no end is expected
		return p
	}
	p := t.program(&event{probeRecord: probeRecord{Program: e.Program, Tgid: e.Tgid}})
	if p != nil && !p.certain {
		p.certain = true // nothing else has these functions
		t.decide(p)
	}
	return p
}

// keepCompiled puts a text in line to be delivered, if its program did not
// compile it before.
func (t *tracker) keepCompiled(c *compiling, key compiledKey, lost string) {
	text := c.text[:min(len(c.text), capture.MaxText)]
	p, digest := c.program, capture.Sum(text)
	made := c.flags&probeCompiledFlagCOMPILED_PARSED == 0
	before, known := p.compiled[digest]
	switch {
	case known && (before || !made) || len(text) == 0:
		t.memory -= len(c.text)
		return
	case len(p.compiled) >= maxCompiled || len(t.waiting) >= maxUndelivered:
		t.memory -= len(c.text)
		t.count(lostCompiledMany)
		t.sayUncaptured(p, key.time, lostCompiledMany)
		return
	case p.compiled == nil:
		p.compiled = make(map[capture.Digest]bool)
	}
	p.compiled[digest] = made
	t.waiting = append(t.waiting, compiled{p, capture.Script{
		Kind: capture.Compiled, Time: t.clock.Wall(key.time), Text: text, Digest: digest, Size: int64(len(c.text)),
		Truncated: c.flags&probeCompiledFlagCOMPILED_CUT != 0 || len(c.text) > capture.MaxText, Lost: lost,
	}, made, known, len(c.text), time.Now()})
}

// releaseCompiled delivers the compiled texts that have waited long enough for
// what happened before them.
func (t *tracker) releaseCompiled(now time.Time) {
	rest := t.waiting[:0]
	for _, c := range t.waiting {
		waited := now.Sub(c.arrived)
		switch {
		case waited < ringLag, waited < scriptWait && !c.program.ready():
			rest = append(rest, c)
		default:
			t.deliverCompiled(c)
		}
	}
	clear(t.waiting[len(rest):])
	t.waiting = rest
}

// ready reports whether it is known which script a program runs.
func (p *program) ready() bool { return p.ran() || p.gone && p.exec != nil }

// deliverCompiled delivers a compiled text, unless it is a file that was seen
// being read. One that may have been read as data is no data any more once code
// is made of it, or of trees.
func (t *tracker) deliverCompiled(c compiled) {
	p, s := c.program, c.script
	t.memory -= c.held
	if p.exec == nil || !p.certain || len(s.Text) > 0 && t.comesOtherwise(c) {
		return
	}
	if s.Lost != "" && len(s.Text) > 0 {
		t.count(lostIncomplete)
	}
	s.Parent, s.Process = p.digest, p.exec.process
	t.deliver(s)
}

// comesOtherwise reports whether a compiled text is not to be delivered as such.
func (t *tracker) comesOtherwise(c compiled) bool {
	p, s := c.program, c.script
	certain, read := p.imports[s.Digest]
	if t.isOwn(p, s) || certain || !read && c.again || read && !c.made && !t.treeRuns(c) {
		return true
	}
	_, known := t.library.get(s.Digest)
	if known {
		t.teacher.learnCode(s.Text) // the kernel half did not know, or has forgotten it
	}
	return known
}

// isOwn reports whether a text is the program's own script: that of -c passes
// with a newline added.
func (t *tracker) isOwn(p *program, s capture.Script) bool {
	if s.Digest == p.digest {
		return true
	}
	n := len(s.Text)
	return p.exec.command.Kind == capture.Command && n > 0 && s.Text[n-1] == '\n' && capture.Sum(s.Text[:n-1]) == p.digest
}

// sweepCompiled ends the texts whose next record does not come.
func (t *tracker) sweepCompiled(now time.Time) {
	t.compiling.each(func(key compiledKey, c *compiling) bool {
		if now.Sub(c.touched) > compiledWait {
			t.compiling.remove(key)
			t.keepCompiled(c, key, lostCompiledEarly)
		}
		return true
	})
	t.sweepLoading(now)
}

// flushCompiled delivers what waits, because the sensor stops.
func (t *tracker) flushCompiled() {
	t.endLoading(func(*loading) bool { return true })
	for _, c := range t.waiting {
		t.deliverCompiled(c)
	}
	t.waiting = nil
}
