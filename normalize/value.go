package normalize

import (
	"strings"
	"unicode/utf8"

	"kingsnake/normalize/bytecode"
)

// valueKind says what is known about the value of an expression.
type valueKind uint8

const (
	unknown   valueKind = iota
	settled             // unknown, but all that went into it has been reported
	text                // a str: data is UTF-8
	bytesText           // a bytes or bytearray: data
	integer             // num
	list                // of anything: extra.items
	integers            // a list of integers: extra.ints
	chars               // a list of str of one character each: their code points in extra.ints
	dict                // a dictionary: keys and values in turn in extra.items
	bigInt              // a whole number of more than 64 bits: its bytes in data, the highest first
	none                // None
	function            // a known module, class or function: num is its symbol, extra.items what it is bound to
	object              // what a known class was called to make: num is its symbol, extra.items the arguments
	lambda              // a function of the script: extra.code
)

// value is what an expression evaluates to. The zero value is unknown. Values
// are copied freely; what they point to is not changed after it was made,
// except for used and for a buffer that its only owner appends to.
type value struct {
	kind       valueKind
	named      bool  // read from a name, so it was reported where it was bound
	literal    bool  // data is what token tok says, and pieces are not made yet
	boolean    bool  // an integer that is True or False
	tok        int32 // the token of a literal
	start, end int32 // the expression that made it, in the layer's text
	num        int64
	data       []byte
	extra      *extra
}

// extra is the part of a value that most values do not have.
type extra struct {
	items  []value
	ints   []int32
	code   *code
	pieces []piece
	steps  string          // how data was made, as in Layer.Transform
	lines  *bytecode.Lines // of the compiled source that data was written from
	buffer *buffer         // that data stands in, if more may be appended there
	used   bool            // became part of another value, or was executed
	owned  bool            // data is nobody else's and may be changed
}

// buffer is what a sum grows in. Values that were taken on the way share it:
// each sees its own length, and only the one that reaches to the top may be
// appended to in place. So a long sum is linear, also over many statements.
type buffer struct {
	top int // bytes in use
}

// isText reports whether v is a known str or bytes.
func (v value) isText() bool { return v.kind == text || v.kind == bytesText }

// steps is how the value was made; empty for a literal.
func (v value) steps() string {
	if v.extra == nil {
		return ""
	}
	return v.extra.steps
}

// from is v as a text that was written from compiled code.
func (v value) from(lines *bytecode.Lines) value {
	if v.extra != nil {
		v.extra.lines = lines
	}
	return v
}

// lines are those of the compiled source that v was written from, if it was.
func (v value) lines() *bytecode.Lines {
	if v.extra == nil {
		return nil
	}
	return v.extra.lines
}

// maxStepNames bounds the steps that are named for one value.
const maxStepNames = 8

// addStep appends the name of one more step. A step that repeats is named once.
func addStep(steps, step string) string {
	switch {
	case steps == "" || steps == step:
		return step
	case step == "" || strings.HasSuffix(steps, step) && steps[len(steps)-len(step)-1] == '+',
		strings.Count(steps, "+") >= maxStepNames-1:
		return steps
	}
	return steps + "+" + step
}

// raw gives the bytes that v stands for where bytes are wanted. A str in which
// every character is below 256 is taken as those bytes, as Python 2 does.
func (v value) raw() []byte {
	if v.kind == bytesText || isASCII(v.data) {
		return v.data
	}
	out := make([]byte, 0, len(v.data))
	for i := 0; i < len(v.data); {
		r, n := utf8.DecodeRune(v.data[i:])
		if r > 255 || r == utf8.RuneError && n == 1 {
			return v.data
		}
		out = append(out, byte(r))
		i += n
	}
	return out
}

// isASCII reports whether all bytes are below 128.
func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// chars gives the characters of v: the bytes of a bytes, the code points of a
// str.
func (v value) chars() []rune {
	if v.kind == text && !isASCII(v.data) {
		return []rune(string(v.data))
	}
	out := make([]rune, len(v.data))
	for i, c := range v.data {
		out[i] = rune(c)
	}
	return out
}

// length is what len() gives, or -1 when it is not known.
func (v value) length() int {
	switch v.kind {
	case text:
		return utf8.RuneCount(v.data)
	case bytesText:
		return len(v.data)
	case list:
		return len(v.extra.items)
	case dict:
		return len(v.extra.items) / 2
	case integers, chars:
		return len(v.extra.ints)
	}
	return -1
}

// isList reports whether v is a known list or tuple.
func (v value) isList() bool { return v.kind == list || v.kind == integers || v.kind == chars }

// known reports whether anything is known of v.
func (v value) known() bool { return v.kind != unknown && v.kind != settled }

// truth is what bool() gives, if that is known.
func (v value) truth() (truth, ok bool) {
	switch v.kind {
	case integer:
		return v.num != 0, true
	case none:
		return false, true
	case function, object, lambda, bigInt:
		return true, true
	}
	n := v.length()
	return n > 0, n >= 0
}

// truthValue is True or False.
func truthValue(b bool) value {
	v := value{kind: integer, boolean: true}
	if b {
		v.num = 1
	}
	return v
}

// at gives element i of a list, a bytes or a str of ASCII, which must exist.
func (v value) at(i int) value {
	switch v.kind {
	case text:
		return value{kind: text, data: v.data[i : i+1 : i+1]}
	case bytesText:
		return value{kind: integer, num: int64(v.data[i])}
	case list:
		item := v.extra.items[i]
		item.named = true // it is reported with its list
		return item
	case dict:
		key := v.extra.items[2*i]
		key.named = true
		return key
	case integers:
		return value{kind: integer, num: int64(v.extra.ints[i])}
	case chars:
		c := v.extra.ints[i]
		if c >= 0 && c < 0x80 {
			return value{kind: text, data: asciiChars[c : c+1 : c+1]}
		}
		return value{kind: text, data: appendChar(nil, int(c), false)}
	}
	return value{}
}
