package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// compileProgram compiles one text after the other and never runs any: it reads
// a length and a text, and writes a length and the .pyc file, or a length of
// zero for what this Python can not compile.
const compileProgram = `
import importlib.util, marshal, resource, struct, sys, warnings
warnings.simplefilter('ignore')
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
requests, answers = sys.stdin.buffer, sys.stdout.buffer
while True:
    head = requests.read(4)
    if len(head) < 4:
        break
    source = requests.read(struct.unpack('>I', head)[0])
    try:
        code = compile(source, 'script.py', 'exec', dont_inherit=True)
        answer = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
    except BaseException:
        answer = b''
    answers.write(struct.pack('>I', len(answer)) + answer)
    answers.flush()
`

// The bounds of one compilation.
const (
	compileTime = 20 * time.Second
	maxPyc      = 64 << 20
)

// errNotCompiled says that a text is no program for the Python at hand.
var errNotCompiled = errors.New("compile: not a program for this Python")

// compiler compiles with a Python that stays running. It is safe for
// concurrent use.
type compiler struct {
	ctx context.Context

	mu   sync.Mutex
	stop func() // nil when no Python is running
	in   io.WriteCloser
	out  io.ReadCloser
}

// newCompiler returns a compiler, or nil when there is no Python.
func newCompiler(ctx context.Context) *compiler {
	if _, err := exec.LookPath("python3"); err != nil {
		return nil
	}
	return &compiler{ctx: ctx}
}

// Compile returns the .pyc file of a text. A Python that crashes or hangs is
// replaced.
func (c *compiler) Compile(src []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop == nil {
		if err := c.start(); err != nil {
			return nil, err
		}
	}
	stop := c.stop
	late := time.AfterFunc(compileTime, stop)
	defer late.Stop()
	pyc, err := c.ask(src)
	if err != nil {
		stop()
		c.stop = nil
		return nil, err
	}
	if len(pyc) == 0 {
		return nil, errNotCompiled
	}
	return pyc, nil
}

func (c *compiler) start() error {
	ctx, cancel := context.WithCancel(c.ctx)
	cmd := exec.CommandContext(ctx, "python3", "-I", "-S", "-c", compileProgram)
	in, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return fmt.Errorf("start python3: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return fmt.Errorf("start python3: %w", err)
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return fmt.Errorf("start python3: %w", err)
	}
	c.in, c.out = in, out
	var once sync.Once
	c.stop = func() {
		once.Do(func() {
			cancel()
			cmd.Wait() //nolint:errcheck // it was killed
		})
	}
	return nil
}

func (c *compiler) ask(src []byte) ([]byte, error) {
	if _, err := c.in.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(src))), src...)); err != nil {
		return nil, fmt.Errorf("compile: %v", err)
	}
	var head [4]byte
	if _, err := io.ReadFull(c.out, head[:]); err != nil {
		return nil, fmt.Errorf("compile: %v", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxPyc {
		return nil, errors.New("compile: the result is too large")
	}
	pyc := make([]byte, n)
	if _, err := io.ReadFull(c.out, pyc); err != nil {
		return nil, fmt.Errorf("compile: %v", err)
	}
	return pyc, nil
}

// Close ends the Python.
func (c *compiler) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil {
		c.stop()
		c.stop = nil
	}
	return nil
}
