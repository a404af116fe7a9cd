package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"kingsnake/capture"
	"kingsnake/classify"
)

// maxLine is the longest line of the bulk form.
const maxLine = 64 << 20

// bulkLine is one line as it was read.
type bulkLine struct {
	number int
	data   []byte
	long   bool
}

// bulkVerdict is what the bulk form says of a line.
type bulkVerdict struct {
	ID json.RawMessage `json:"id"`
	classify.Verdict
	Truncated bool `json:"truncated,omitempty"`
}

// bulkError is what the bulk form says of a line that it cannot read.
type bulkError struct {
	Line  int    `json:"line"`
	Error string `json:"error"`
}

// scanLines is the bulk form: one object a line in, one a line out, in the same
// order. A line that is broken says so and the rest goes on.
func scanLines(ctx context.Context, env Env, js judges, path string) error {
	in := env.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	out := bufio.NewWriterSize(env.Stdout, 1<<16)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	// Whoever asks line by line gets each answer at once.
	buffered := bufio.NewReaderSize(in, 1<<16)
	err := inOrder(ctx, func(yield func(bulkLine) error) error {
		return eachLine(buffered, yield)
	}, func(l bulkLine) any { return judgeLine(js, l) }, func(answer any) error {
		if err := encoder.Encode(answer); err != nil {
			return err
		}
		return out.Flush()
	})
	return err
}

// eachLine calls yield for each line. Of a line that is too long only the
// number is kept.
func eachLine(r *bufio.Reader, yield func(bulkLine) error) error {
	for number := 1; ; number++ {
		l := bulkLine{number: number}
		var err error
		for {
			var part []byte
			part, err = r.ReadSlice('\n')
			if len(l.data)+len(part) > maxLine {
				l.data, l.long = nil, true
			} else if !l.long {
				l.data = append(l.data, part...)
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				break
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read line %d: %w", number, err)
		}
		if len(l.data) > 0 || l.long {
			if err := yield(l); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

// judgeLine judges one line of the bulk form.
func judgeLine(js judges, l bulkLine) any {
	if l.long {
		return bulkError{l.number, fmt.Sprintf("line is longer than %d bytes", maxLine)}
	}
	var in struct {
		ID   json.RawMessage `json:"id"`
		Text *string         `json:"text"`
		Kind string          `json:"kind"`
	}
	err := json.Unmarshal(bytes.TrimSpace(l.data), &in)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return bulkError{l.number, "not a JSON object: got JSON of type " + wrong.Value}
		}
		return bulkError{l.number, fmt.Sprintf("%q is a %s, want a string", wrong.Field, wrong.Value)}
	}
	if err != nil {
		return bulkError{l.number, "not a JSON object: " + visible(err.Error())}
	}
	if in.Text == nil {
		return bulkError{l.number, `no "text"`}
	}
	if in.ID == nil {
		in.ID = json.RawMessage("null")
	}
	text := []byte(*in.Text)
	v := bulkVerdict{ID: in.ID}
	if len(text) > capture.MaxText {
		text, v.Truncated = text[:capture.MaxText], true
	}
	if v.Verdict, err = judge(js, text, v.Truncated); err != nil {
		return bulkError{l.number, visible(err.Error())}
	}
	return v
}
