package normalize

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// step reads one operation of a pickle of any protocol. It is false at the end,
// and at what is no operation.
func (m *pickleMachine) step() bool {
	if m.at >= len(m.in) {
		return false
	}
	op := m.in[m.at]
	m.at++
	switch op {
	case '.':
		m.stopped = true
		return false
	case '(':
		return m.push(pickleMark)
	case '0':
		m.pop()
		return true
	case '1':
		m.popMark()
		return true
	case '2':
		s := m.pop()
		first := m.push(s)
		return m.push(s) && first
	case 'N':
		return m.push("None")
	case 0x88:
		return m.push("True")
	case 0x89:
		return m.push("False")
	case 0x80: // PROTO
		_, ok := m.take(1)
		return ok
	case 0x95: // FRAME
		_, ok := m.take(8)
		return ok
	case ')':
		return m.push("()")
	case ']':
		return m.push("[]")
	case '}':
		return m.push("{}")
	case 0x8f:
		return m.push("set()")
	}
	if text, handled := m.literal(op); handled {
		return text
	}
	if kept, handled := m.memory(op); handled {
		return kept
	}
	return m.build(op)
}

// literal reads an operation that pushes a number or a text.
func (m *pickleMachine) literal(op byte) (ok, handled bool) {
	sizes := map[byte]uint64{
		'U': 1, 'T': 4, 'C': 1, 'B': 4, 0x8e: 8, 0x96: 8, // bytes
		'X': 4, 0x8c: 1, 0x8d: 8, // text
		'K': 1, 'M': 2, 'J': 4, 'G': 8, // numbers
	}
	switch op {
	case 'U', 'T', 'X', 0x8c, 0x8d, 'C', 'B', 0x8e, 0x96:
		b, ok := m.counted(sizes[op])
		return ok && m.push(quoted(b, op == 'C' || op == 'B' || op == 0x8e || op == 0x96)), true
	case 'K', 'M', 'J', 'G':
		b, ok := m.take(sizes[op])
		if !ok {
			return false, true
		}
		var n [8]byte
		copy(n[:], b)
		number := int64(binary.LittleEndian.Uint64(n[:]))
		if op == 'J' {
			number = int64(int32(number))
		}
		if op == 'G' {
			return m.push("0.0"), true
		}
		return m.push(strconv.FormatInt(number, 10)), true
	case 0x8a, 0x8b: // LONG1, LONG4
		_, ok := m.counted(uint64(1 + 3*(op-0x8a)))
		return ok && m.push("0"), true
	case 'S', 'V', 'I', 'L', 'F': // in a line of their own
		s, ok := m.lineArgument()
		switch {
		case !ok:
		case op == 'V':
			s = quoted(unescape([]byte(s)), false)
		case op == 'S':
			s = quoted(unescape(bytes.Trim([]byte(s), `'"`)), false)
		default:
			if s = strings.TrimSuffix(s, "L"); !number(s) {
				s = "0"
			}
		}
		return ok && m.push(s), true
	}
	return false, false
}

// number reports whether s is written with digits, points and signs alone.
func number(s string) bool {
	return s != "" && len(s) < 64 && strings.Trim(s, "0123456789.+-e") == ""
}

// memory reads an operation that keeps a value or gives a kept one.
func (m *pickleMachine) memory(op byte) (ok, handled bool) {
	var key string
	switch op {
	case 'q', 'h', 'r', 'j':
		size := uint64(1)
		if op == 'r' || op == 'j' {
			size = 4
		}
		b, ok := m.take(size)
		if !ok {
			return false, true
		}
		n := 0
		for i := len(b) - 1; i >= 0; i-- {
			n = n<<8 | int(b[i])
		}
		key = strconv.Itoa(n)
	case 'p', 'g':
		s, ok := m.lineArgument()
		if !ok || len(s) > 20 {
			return false, true
		}
		key = s
	case 0x94: // MEMOIZE
		key = strconv.Itoa(len(m.memo))
	default:
		return false, false
	}
	switch op {
	case 'h', 'j', 'g':
		s, found := m.memo[key]
		if !found {
			s = "None"
		}
		return m.push(s), true
	}
	if len(m.stack) > 0 && len(m.memo) < maxPickleStack {
		m.memo[key] = m.stack[len(m.stack)-1]
	}
	return true, true
}

// build reads an operation that makes a value of others, or calls.
func (m *pickleMachine) build(op byte) bool {
	switch op {
	case 'c': // GLOBAL
		module, ok := m.lineArgument()
		name, okName := m.lineArgument()
		return ok && okName && m.global(module, name)
	case 0x93: // STACK_GLOBAL
		name, module := m.pop(), m.pop()
		return m.global(strings.Trim(module, `"`), strings.Trim(name, `"`))
	case 'i': // INST
		module, ok := m.lineArgument()
		name, okName := m.lineArgument()
		args := m.popMark()
		return ok && okName && m.global(module, name) && m.call(m.pop(), arguments(tuple(args)))
	case 'o': // OBJ
		if all := m.popMark(); len(all) > 0 {
			return m.call(all[0], arguments(tuple(all[1:])))
		}
		return false
	case 'R', 0x81: // REDUCE, NEWOBJ
		args, function := m.pop(), m.pop()
		return m.call(function, arguments(args))
	case 0x92: // NEWOBJ_EX
		_, args, class := m.pop(), m.pop(), m.pop()
		return m.call(class, arguments(args))
	case 'b', 'a', 's': // BUILD, APPEND, SETITEM
		m.pop()
		if op == 's' {
			m.pop()
		}
		return true
	case 'e', 'u', 0x90: // APPENDS, SETITEMS, ADDITEMS
		m.popMark()
		return true
	case 't':
		return m.push(tuple(m.popMark()))
	case 'l', 'd', 0x91:
		return m.push("[" + strings.Join(m.popMark(), ", ") + "]")
	case 0x85:
		return m.push(tuple([]string{m.pop()}))
	case 0x86:
		b, a := m.pop(), m.pop()
		return m.push(tuple([]string{a, b}))
	case 0x87:
		c, b, a := m.pop(), m.pop(), m.pop()
		return m.push(tuple([]string{a, b, c}))
	case 'P':
		_, ok := m.lineArgument()
		return ok && m.push("None")
	case 'Q':
		m.pop()
		return m.push("None")
	}
	return false
}
