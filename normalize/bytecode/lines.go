package bytecode

import (
	"encoding/binary"
	"errors"
	"math"
	"sort"
	"strings"
)

// The bounds of what is kept and read of lines, in one rendering.
const (
	maxChanges = 1 << 15
	maxTables  = 1 << 22 // bytes of tables
	maxLine    = 1 << 24
)

// Lines says which lines of the source that was compiled the lines of a
// rendering came from, as the code itself has it: who made the code may have
// written anything there. A nil Lines knows none.
type Lines struct {
	changes []change
}

// change is a place of the text from which on it came from another line.
type change struct {
	offset, line int32
}

// At is the line of the source, counted from 1, that the line of the text with
// the byte at offset came from, or 0 where that is not known.
func (l *Lines) At(offset int) int {
	if l == nil {
		return 0
	}
	k := sort.Search(len(l.changes), func(k int) bool { return int(l.changes[k].offset) > offset })
	if k == 0 {
		return 0
	}
	return int(l.changes[k-1].line)
}

// Size is about how many bytes of memory l takes.
func (l *Lines) Size() int {
	if l == nil {
		return 0
	}
	return 8 * cap(l.changes)
}

// AppendBinary appends l in a binary form that [DecodeLines] reads.
func (l *Lines) AppendBinary(b []byte) []byte {
	if l == nil {
		return b
	}
	for _, c := range l.changes {
		b = binary.LittleEndian.AppendUint32(b, uint32(c.offset))
		b = binary.LittleEndian.AppendUint32(b, uint32(c.line))
	}
	return b
}

// DecodeLines reads what AppendBinary wrote, from a source that is not trusted.
func DecodeLines(b []byte) (*Lines, error) {
	const size = 8
	if len(b)%size != 0 || len(b) > size*maxChanges {
		return nil, errors.New("decode lines: malformed")
	}
	l := &Lines{changes: make([]change, 0, len(b)/size)}
	last := int32(-1)
	for ; len(b) > 0; b = b[size:] {
		c := change{int32(binary.LittleEndian.Uint32(b)), int32(binary.LittleEndian.Uint32(b[4:]))}
		if c.offset <= last || c.line < 0 || c.line > maxLine {
			return nil, errors.New("decode lines: malformed")
		}
		last = c.offset
		l.changes = append(l.changes, c)
	}
	return l.known(), nil
}

// add notes that what is written at offset came from a line. Text from there
// on may have been written before, and taken back.
func (l *Lines) add(offset int, line int32) {
	l.cut(offset)
	n := len(l.changes)
	switch {
	case n == 0 && line == 0, n > 0 && l.changes[n-1].line == line, n >= maxChanges:
		return
	case n == maxChanges-1:
		line = 0
	}
	l.changes = append(l.changes, change{int32(offset), line})
}

// cut forgets what is known of the text from offset on.
func (l *Lines) cut(offset int) {
	n := len(l.changes)
	for n > 0 && int(l.changes[n-1].offset) >= offset {
		n--
	}
	l.changes = l.changes[:n]
}

// known is l, or nil if it knows nothing.
func (l *Lines) known() *Lines {
	if len(l.changes) == 0 {
		return nil
	}
	return l
}

// number gives the instructions of a code object their lines. What its table
// does not say stays 0.
func (r *renderer) number(ins []instruction, c *Code) {
	table := c.LineTable[:min(len(c.LineTable), maxTables-r.tables)]
	r.tables += len(table)
	n := numberer{ins: ins, line: c.FirstLine}
	switch v := r.version; {
	case v.layout() == layout311:
		n.locations(table)
	case v.Major == 3 && v.Minor == 10:
		n.ranges(table)
	default:
		n.increments(table, v.Major == 2)
		if len(table) == len(c.LineTable) {
			n.upTo(math.MaxInt, n.line)
		}
	}
}

// numberer goes through instructions and a table of lines side by side.
type numberer struct {
	ins  []instruction // that have no line yet
	at   int           // the byte of code that the table has come to
	line int
}

// upTo gives the instructions before a byte of code a line, and reports whether
// more are left.
func (n *numberer) upTo(end, line int) bool {
	if line < 1 || line > maxLine {
		line = 0
	}
	for len(n.ins) > 0 && n.ins[0].at < end {
		n.ins[0].line = int32(line)
		n.ins = n.ins[1:]
	}
	return len(n.ins) > 0
}

// increments reads a table of versions up to 3.9: pairs of what to add to the
// byte, and to the line from that byte on. See Objects/lnotab_notes.txt of
// CPython.
func (n *numberer) increments(table []byte, unsigned bool) {
	for k := 0; k+1 < len(table); k += 2 {
		n.at += int(table[k])
		if !n.upTo(n.at, n.line) {
			return
		}
		if unsigned {
			n.line += int(table[k+1])
		} else {
			n.line += int(int8(table[k+1]))
		}
	}
}

// ranges reads a table of 3.10: pairs of how many bytes follow, and what to add
// to the line for them, where the least number means that they have none.
func (n *numberer) ranges(table []byte) {
	for k := 0; k+1 < len(table); k += 2 {
		n.at += int(table[k])
		line := 0
		if d := int8(table[k+1]); d != math.MinInt8 {
			n.line += int(d)
			line = n.line
		}
		if !n.upTo(n.at, line) {
			return
		}
	}
}

// locations reads a table from 3.11 on: entries for up to eight units of code,
// which begin with a byte that has its highest bit set. See
// InternalDocs/code_objects.md of CPython.
func (n *numberer) locations(table []byte) {
	for k := 0; k < len(table); {
		head := table[k]
		k++
		n.at += 2 * (int(head&7) + 1)
		has := true
		switch form := int(head >> 3 & 15); form {
		case 15:
			has = false
		case 13, 14:
			n.line += signed(table[k:])
		case 10, 11, 12:
			n.line += form - 10
		}
		line := 0
		if has {
			line = n.line
		}
		if !n.upTo(n.at, line) {
			return
		}
		for k < len(table) && table[k] < 0x80 {
			k++ // columns
		}
	}
}

// signed reads a number of six bits a byte, the lowest first, whose lowest bit
// is its sign.
func signed(b []byte) int {
	n := 0
	for shift := 0; shift < 30 && len(b) > 0; shift += 6 {
		n |= int(b[0]&0x3f) << shift
		if b[0]&0x40 == 0 {
			break
		}
		b = b[1:]
	}
	if n&1 != 0 {
		return -(n >> 1)
	}
	return n >> 1
}

// locate notes the line of an instruction. Up to 3.7 the instruction that ends
// a statement has the line that was begun last: there the line counts that the
// statement began with.
func (w *walker) locate(in *instruction) {
	if in.line == 0 {
		return
	}
	if w.r.version.layout() > layout30 {
		w.source = in.line
		return
	}
	depth := 0
	if n := len(w.blocks); n > 0 {
		depth = w.blocks[n-1].depth
	}
	if w.first == 0 || len(w.stack) <= depth || w.lines != w.r.lineCount || w.handlers[in.at] {
		w.first = 0
		if !strings.HasPrefix(in.op, "LOAD_") && !w.handlers[in.at] { // it ends something else
			w.source = in.line
			return
		}
		w.first, w.lines = in.line, w.r.lineCount
	}
	w.source = min(w.first, in.line)
}
