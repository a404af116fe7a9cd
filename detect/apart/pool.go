package apart

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"kingsnake/normalize"
)

// Config says how the processes are run.
type Config struct {
	Path    string   // of a program that calls Serve
	Args    []string // its arguments, its name first
	Env     []string // its whole environment
	Workers int      // how many run at once, at most; 0 means 1
	Kept    int      // how many are kept when they have nothing to do; 0 means 1

	// Timeout bounds the processor time of one script; on a machine that is
	// overloaded it may take patience times as long. Zero means ten seconds, a
	// hundred times what the worst known script takes.
	Timeout time.Duration
}

// Why a script was not normalized: the text of an Error's Reason, and how it is
// counted.
const (
	Crashed  = "crash"    // the process ended
	TimedOut = "timeout"  // it took too long and was killed
	Refused  = "answer"   // it answered what no normalizer answers
	NoStart  = "no start" // it could not be started
)

// Error says why a script was not normalized.
type Error struct {
	Reason string // one of the constants
	Detail string // what the process said last, for the log; hostile
}

// Counted is what e is counted by: its Reason.
func (e *Error) Counted() string { return e.Reason }

func (e *Error) Error() string {
	return fmt.Sprintf("the normalizer failed (%s): %s", e.Reason, e.Detail)
}

// rest is how long a process has nothing to do before it is ended, if more are
// there than are kept.
const rest = 2 * time.Second

// soon is how long a script waits for a process before another is started beside
// those that are kept: that takes longer than most scripts do.
const soon = 5 * time.Millisecond

// Pool is a set of processes. It is safe for concurrent use.
type Pool struct {
	cfg  Config
	free chan struct{} // holds a token for each process that may be used
	back chan *process // one that has nothing to do is handed to who waits for it
	big  sync.Mutex    // held while a large script is normalized: only one at a time takes that much memory

	mu      sync.Mutex
	resting []*process // the one used last comes last
	running map[*process]bool
	ended   time.Duration // processor time of those that have ended
}

// New returns a pool whose first process runs already. The error says why it
// cannot.
func New(cfg Config) (*Pool, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	cfg.Kept = max(cfg.Kept, 1)
	n := max(cfg.Workers, 1)
	p := &Pool{cfg: cfg, free: make(chan struct{}, n), back: make(chan *process), running: map[*process]bool{}}
	for range n {
		p.free <- struct{}{}
	}
	if _, err := p.Normalize([]byte("print()\n")); err != nil {
		return nil, fmt.Errorf("start a process to normalize scripts in: %w", errors.Join(err, p.Close()))
	}
	return p, nil
}

// Normalize is [normalize.Normalize] in another process. It waits for one that
// is free; of large scripts, longer than a MiB, one after the other is taken. The error is an *Error; the next script has a new process.
func (p *Pool) Normalize(script []byte) (normalize.Text, error) {
	if len(script) > large {
		p.big.Lock()
		defer p.big.Unlock()
	}
	<-p.free
	defer func() { p.free <- struct{}{} }()
	text, w, err := p.use(p.takeSoon(), script)
	if w != nil {
		p.put(w)
	}
	return text, err
}

// take returns a process that rests, or nil when none does.
func (p *Pool) take() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.resting)
	if n == 0 {
		return nil
	}
	w := p.resting[n-1]
	p.resting = p.resting[:n-1]
	return w
}

// takeSoon is take, but waits a moment for a process when those that are kept
// are all at work.
func (p *Pool) takeSoon() *process {
	w := p.take()
	p.mu.Lock()
	start := len(p.running) < p.cfg.Kept
	p.mu.Unlock()
	if w != nil || start {
		return w
	}
	wait := time.NewTimer(soon)
	defer wait.Stop()
	select {
	case w := <-p.back:
		return w
	case <-wait.C:
		return p.take()
	}
}

// put has a process rest, or work on for who waits for one.
func (p *Pool) put(w *process) {
	w.used = time.Now()
	select {
	case p.back <- w:
		return
	default:
	}
	p.mu.Lock()
	p.resting = append(p.resting, w)
	more := len(p.resting) > p.cfg.Kept
	p.mu.Unlock()
	if more {
		time.AfterFunc(rest, p.shrink)
	}
}

// shrink ends what has rested for long, but for those that are kept.
func (p *Pool) shrink() {
	p.mu.Lock()
	var old []*process
	for len(p.resting) > p.cfg.Kept && time.Since(p.resting[0].used) >= rest {
		old, p.resting = append(old, p.resting[0]), p.resting[1:]
	}
	p.mu.Unlock()
	for _, w := range old {
		p.end(w)
	}
}

// use has w, or a new process when it is nil, normalize a script. It returns
// the process to use next time.
func (p *Pool) use(w *process, script []byte) (normalize.Text, *process, error) {
	if w == nil {
		var err error
		if w, err = p.start(); err != nil {
			return normalize.Text{}, nil, &Error{NoStart, err.Error()}
		}
	}
	done, late := make(chan struct{}), make(chan bool, 1)
	go func() { late <- w.watch(done, p.cfg.Timeout) }()
	answer, err := w.ask(script)
	close(done)
	if <-late && err != nil {
		p.end(w)
		return normalize.Text{}, nil, &Error{TimedOut, fmt.Sprintf("no answer within %v", p.cfg.Timeout)}
	}
	if err != nil {
		return normalize.Text{}, nil, &Error{Crashed, strings.TrimSpace(err.Error() + "\n" + p.end(w))}
	}
	text, err := normalize.Decode(answer, script)
	if err != nil {
		p.end(w)
		return normalize.Text{}, nil, &Error{Refused, err.Error()}
	}
	return text, w, nil
}

// CPU is the processor time that the processes have used.
func (p *Pool) CPU() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := p.ended
	for w := range p.running {
		sum += w.cpu()
	}
	return sum
}

// Close ends all processes. No Normalize may run, or begin afterwards.
func (p *Pool) Close() error {
	for w := p.take(); w != nil; w = p.take() {
		p.end(w)
	}
	return nil
}

// process is one that normalizes.
type process struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     io.Reader
	cancel  context.CancelFunc
	said    beginning
	used    time.Time
}

func (p *Pool) start() (*process, error) {
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, p.cfg.Path)
	c.Args = p.cfg.Args
	w := &process{cancel: cancel}
	c.Env, c.Dir, c.Stderr = p.cfg.Env, "/", &w.said
	c.WaitDelay = time.Second
	var err error
	if w.in, err = c.StdinPipe(); err == nil {
		w.out, err = c.StdoutPipe()
	}
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	w.command = c
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[w] = true
	return w, nil
}

// patience is how many times the bound on processor time a script may take on
// the clock.
const patience = 6

// watch kills the process when it has used too much time before done is closed,
// and reports whether it did.
func (w *process) watch(done <-chan struct{}, timeout time.Duration) bool {
	used := w.cpu()
	tick := time.NewTicker(timeout)
	defer tick.Stop()
	for range patience {
		select {
		case <-done:
			return false
		case <-tick.C:
		}
		if w.cpu()-used >= timeout*9/10 { // the clocks are not one
			break
		}
	}
	w.cancel()
	return true
}

// ask sends one script and reads the answer.
func (w *process) ask(script []byte) ([]byte, error) {
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(script)))
	if len(script) <= 4096 {
		// One write for the two: most scripts are small.
		head, script = append(head, script...), nil
	}
	if _, err := w.in.Write(head); err != nil {
		return nil, err
	}
	if len(script) > 0 {
		if _, err := w.in.Write(script); err != nil {
			return nil, err
		}
	}
	return readFrame(w.out, maxAnswer)
}

// end kills a process, and returns how it ended and what it said.
func (p *Pool) end(w *process) string {
	_ = w.in.Close()
	w.cancel()
	err := w.command.Wait()
	p.mu.Lock()
	delete(p.running, w)
	p.ended += w.command.ProcessState.UserTime() + w.command.ProcessState.SystemTime()
	p.mu.Unlock()
	if err == nil {
		return w.said.String()
	}
	return err.Error() + "\n" + w.said.String()
}

// beginning keeps the first bytes of what is written to it: of a crash that is what
// matters.
type beginning struct {
	mu   sync.Mutex
	kept []byte
}

const maxSaid = 2048

func (t *beginning) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b[:min(len(b), maxSaid-len(t.kept))]...)
	return len(b), nil
}

func (t *beginning) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
