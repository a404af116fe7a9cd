package normalize

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// The bounds of a pickle that is read.
const (
	maxPickleOps   = 1 << 14
	maxPickleStack = 1 << 10
	maxPickleText  = 4 << 10 // bytes of the source of one value
)

// decodePickle writes what loading a pickle does as Python source: a line for
// each function that it calls, with its arguments. Nothing is called.
func decodePickle(in []byte, _ []int64, limit int) ([]byte, bool) {
	m := pickleMachine{in: in, memo: map[string]string{}, imported: map[string]bool{}, limit: limit}
	for range maxPickleOps {
		if !m.step() {
			break
		}
	}
	if m.calls == 0 && len(m.out) < limit && len(m.stack) > 0 && m.stopped {
		if top := m.stack[len(m.stack)-1]; top != pickleMark && len(top) >= minLayer {
			m.line(top)
		}
	}
	return m.out, len(m.out) > 0
}

// pickleMark is what MARK leaves on the stack.
const pickleMark = "\x00mark"

// pickleMachine reads the operations of a pickle. Its stack holds the source of
// values.
type pickleMachine struct {
	in       []byte
	at       int
	stack    []string
	memo     map[string]string
	out      []byte
	calls    int
	limit    int
	kept     int // bytes of sources that were written
	imported map[string]bool
	stopped  bool
}

// take reads n bytes.
func (m *pickleMachine) take(n uint64) ([]byte, bool) {
	if n > uint64(len(m.in)-m.at) {
		return nil, false
	}
	b := m.in[m.at : m.at+int(n)]
	m.at += int(n)
	return b, true
}

// lineArgument reads up to the end of a line.
func (m *pickleMachine) lineArgument() (string, bool) {
	n := bytes.IndexByte(m.in[m.at:], '\n')
	if n < 0 {
		return "", false
	}
	s := string(m.in[m.at : m.at+n])
	m.at += n + 1
	return s, true
}

// counted reads a length of so many bytes and as many bytes as it says.
func (m *pickleMachine) counted(size uint64) ([]byte, bool) {
	head, ok := m.take(size)
	if !ok {
		return nil, false
	}
	var n [8]byte
	copy(n[:], head)
	return m.take(binary.LittleEndian.Uint64(n[:]))
}

// push puts the source of a value on the stack.
func (m *pickleMachine) push(s string) bool {
	if len(s) > maxPickleText {
		s = s[:maxPickleText] + "…"
	}
	if m.kept += len(s); m.kept > 1<<20+4*len(m.in) || len(m.stack) >= maxPickleStack {
		return false
	}
	m.stack = append(m.stack, s)
	return true
}

// pop takes the source of a value off the stack.
func (m *pickleMachine) pop() string {
	if len(m.stack) == 0 {
		return "None"
	}
	s := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return s
}

// popMark takes all above the last mark off the stack, and the mark.
func (m *pickleMachine) popMark() []string {
	k := len(m.stack) - 1
	for k >= 0 && m.stack[k] != pickleMark {
		k--
	}
	all := append([]string(nil), m.stack[k+1:]...)
	m.stack = m.stack[:max(k, 0)]
	return all
}

// line writes one line of source.
func (m *pickleMachine) line(s string) {
	if len(m.out)+len(s)+1 <= m.limit {
		m.out = append(append(m.out, s...), '\n')
	}
}

// global pushes a function of a module.
func (m *pickleMachine) global(module, name string) bool {
	switch module {
	case "__builtin__", "builtins":
		return m.push(name)
	case "posix", "nt":
		module = "os"
	}
	if !plainName(module) || !plainName(name) {
		return m.push("None")
	}
	if !m.imported[module] && len(m.imported) < maxPickleStack {
		m.imported[module] = true
		m.line("import " + module)
	}
	return m.push(module + "." + name)
}

// plainName reports whether s is names with dots between.
func plainName(s string) bool {
	for _, c := range []byte(s) {
		if byteClass[c] != className && byteClass[c] != classDigit && c != '.' {
			return false
		}
	}
	return s != "" && len(s) < 200
}

// call pushes the call of a function, and writes it down.
func (m *pickleMachine) call(function, arguments string) bool {
	s := function + arguments
	if len(s) <= maxPickleText {
		m.calls++
		m.line(s)
	}
	return m.push(s)
}

// tuple is the source of a tuple, which is also that of arguments.
func tuple(items []string) string {
	if len(items) == 1 {
		return "(" + items[0] + ",)"
	}
	return "(" + strings.Join(items, ", ") + ")"
}

// arguments are the parentheses of a call with a tuple.
func arguments(tuple string) string {
	if inner, ok := strings.CutSuffix(tuple, ",)"); ok && strings.HasPrefix(tuple, "(") {
		return inner + ")"
	}
	if strings.HasPrefix(tuple, "(") && strings.HasSuffix(tuple, ")") {
		return tuple
	}
	return "(*" + tuple + ")"
}

// quoted is the source of a text.
func quoted(b []byte, bytesLiteral bool) string {
	s := string(b[:min(len(b), maxPickleText)])
	if bytesLiteral {
		var out strings.Builder
		out.WriteString("b\"")
		for i := range len(s) {
			switch c := s[i]; {
			case c == '"' || c == '\\':
				out.WriteByte('\\')
				out.WriteByte(c)
			case c == '\n':
				out.WriteString("\\n")
			case c < ' ' || c >= 0x7f:
				fmt.Fprintf(&out, "\\x%02x", c)
			default:
				out.WriteByte(c)
			}
		}
		out.WriteByte('"')
		return out.String()
	}
	return strconv.Quote(s)
}
