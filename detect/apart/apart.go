// Package apart normalizes scripts in processes of their own.
//
// Taking hostile text apart is where a program breaks, if it breaks. What can
// be recovered from, package normalize recovers from itself; what cannot (a
// stack that overflows, memory that is used up, a loop without end, a fault
// that hands the process over) costs a process that holds nothing and may do
// nothing. It is started again for the next script.
//
// A process reads frames from its standard input and writes frames to its
// standard output: four bytes with the length, the least first, then that many
// bytes. A script goes in, and its [normalize.Text] in binary form comes out.
// What comes out is not trusted.
//
// The package starts processes and counts how they fail. It does not decide
// what they may do: the command that [Serve] runs in gives up its rights first.
package apart

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"kingsnake/capture"
	"kingsnake/normalize"
)

// maxAnswer is the most bytes of one answer: all layers, with five bytes for
// every token of them, and some.
const maxAnswer = 64 << 20

// large is how many bytes make a script large: it takes memory that the next one
// does not need.
const large = 1 << 20

// Serve normalizes what comes from in until it ends. It returns nil then, and
// an error when a frame is malformed or cannot be written.
func Serve(in io.Reader, out io.Writer) error {
	r := bufio.NewReaderSize(in, 64<<10)
	var answer []byte
	for {
		script, err := readFrame(r, capture.MaxText)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a script: %w", err)
		}
		answer, err = normalize.Normalize(script).AppendBinary(append(answer[:0], 0, 0, 0, 0))
		if err != nil {
			return fmt.Errorf("write a text: %w", err)
		}
		binary.LittleEndian.PutUint32(answer, uint32(len(answer)-4))
		if _, err := out.Write(answer); err != nil {
			return fmt.Errorf("write a text: %w", err)
		}
		if len(script) > large || cap(answer) > large {
			script, answer = nil, nil
			debug.FreeOSMemory() // a large script is rare, and a process that rests is to be small
		}
	}
}

// readFrame reads one frame of at most limit bytes; io.EOF when there is none.
// Memory grows with what arrives, not with what is announced.
func readFrame(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := int64(binary.LittleEndian.Uint32(head[:]))
	if size > int64(limit) {
		return nil, fmt.Errorf("a frame of %d bytes: more than %d", size, limit)
	}
	if size <= 1<<20 {
		body := make([]byte, size)
		_, err := io.ReadFull(r, body)
		return body, unexpected(err)
	}
	body, err := io.ReadAll(io.LimitReader(r, size))
	if err == nil && int64(len(body)) < size {
		err = io.ErrUnexpectedEOF
	}
	return body, err
}

// unexpected makes the end of the input inside a frame an error.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
