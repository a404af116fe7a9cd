package bytecode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Kind says what an Object is.
type Kind uint8

// The kinds of objects that marshal writes.
const (
	Unknown Kind = iota // could not be read
	None
	True
	False
	Ellipsis
	StopIteration
	Int     // Text is its spelling
	Float   // Text is its spelling
	Complex // Text is its spelling
	Bytes   // Text is its content
	Str     // Text is its content in UTF-8, surrogates included
	Tuple
	List
	Set
	FrozenSet
	Dict  // Items are keys and values in turn
	Slice // Items are start, stop and step
	CodeObject
)

// Object is a value that marshal wrote. It is not changed after it was read.
// Objects may be shared, but never hold themselves.
type Object struct {
	Kind  Kind
	Text  []byte // may alias the input
	Items []*Object
	Code  *Code // of a CodeObject
}

// Code is a code object: a module, a class body, a function. Fields behind the
// place where the data broke off are zero.
type Code struct {
	ArgCount, PosOnly, KwOnly int
	Flags                     int
	Code                      []byte
	Consts, Names             []*Object
	// VarNames are the names of parameters and local variables. From 3.11 on,
	// the variables shared with other functions are among them.
	VarNames           []*Object
	CellVars, FreeVars []*Object // before 3.11
	FileName, Name     *Object
	FirstLine          int
	LineTable          []byte // as the version encodes it
	ExceptionTable     []byte // from 3.11 on
}

// The bounds of one reading.
const (
	maxObjects = 1 << 18
	maxDepth   = 256  // of objects in objects
	maxDigits  = 2000 // of one int, in units of 15 bits
)

var unknown = &Object{Kind: Unknown}

// layout is how the fields of a code object are written.
type layout uint8

const (
	layout27  layout = iota
	layout30         // 3.0 to 3.7: keyword-only parameters
	layout38         // 3.8 to 3.10: positional-only parameters
	layout311        // all variables in one list, with a table of exceptions
)

// reader reads marshal data. The first error ends it; whatever is read then is
// unknown.
type reader struct {
	data     []byte
	at       int
	layout   layout
	refs     []*Object
	interned []*Object // of Python 2
	objects  int
	depth    int
	err      error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("byte %d: "+format, append([]any{r.at}, args...)...)
	}
	r.at = len(r.data)
}

// take gives the next n bytes, or what is left of them.
func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.data)-r.at {
		rest := r.data[r.at:]
		r.fail("want %d bytes, have %d", n, len(rest))
		return rest
	}
	b := r.data[r.at : r.at+n : r.at+n]
	r.at += n
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// int reads a number of 32 bits.
func (r *reader) int() int {
	if b := r.take(4); len(b) == 4 {
		return int(int32(binary.LittleEndian.Uint32(b)))
	}
	return 0
}

// object reads one object. It is nil for the mark that ends a dict.
func (r *reader) object() *Object {
	if r.err != nil {
		return unknown
	}
	r.objects++
	switch {
	case r.objects > maxObjects:
		r.fail("more than %d objects", maxObjects)
		return unknown
	case r.depth >= maxDepth:
		r.fail("objects more than %d deep", maxDepth)
		return unknown
	}
	kind := r.byte()
	ref := -1
	if kind&0x80 != 0 {
		// The place is taken before what stands inside the object is read. Until
		// it is there, a reference to it is unknown: so nothing holds itself.
		ref = len(r.refs)
		r.refs = append(r.refs, unknown)
		kind &^= 0x80
	}
	r.depth++
	o := r.body(kind)
	r.depth--
	if ref >= 0 && o != nil {
		r.refs[ref] = o
	}
	return o
}

// fixed are the objects without content.
var fixed = map[byte]*Object{
	'N': {Kind: None}, 'T': {Kind: True}, 'F': {Kind: False}, '.': {Kind: Ellipsis}, 'S': {Kind: StopIteration},
}

// body reads what stands behind the letter of a type.
func (r *reader) body(kind byte) *Object {
	switch kind {
	case '0':
		if r.err == nil {
			return nil
		}
	case 'N', 'T', 'F', '.', 'S':
		return fixed[kind]
	case 'i', 'I', 'l', 'f', 'g', 'x', 'y':
		return r.number(kind)
	case 's':
		return &Object{Kind: Bytes, Text: r.take(r.int())}
	case 't':
		o := &Object{Kind: Str, Text: r.take(r.int())}
		if r.layout == layout27 {
			o.Kind = Bytes
			r.interned = append(r.interned, o)
		}
		return o
	case 'u', 'a', 'A':
		return &Object{Kind: Str, Text: r.take(r.int())}
	case 'z', 'Z':
		return &Object{Kind: Str, Text: r.take(int(r.byte()))}
	case 'R':
		return r.lookup(r.interned)
	case 'r':
		return r.lookup(r.refs)
	case ')':
		return r.sequence(Tuple, int(r.byte()))
	case '(':
		return r.sequence(Tuple, r.int())
	case '[':
		return r.sequence(List, r.int())
	case '<':
		return r.sequence(Set, r.int())
	case '>':
		return r.sequence(FrozenSet, r.int())
	case ':':
		return r.sequence(Slice, 3)
	case '{':
		return r.dict()
	case 'c':
		return &Object{Kind: CodeObject, Code: r.code()}
	default:
		r.at--
		r.fail("no type is written as %q", kind)
	}
	return unknown
}

// lookup reads a reference to an earlier object.
func (r *reader) lookup(table []*Object) *Object {
	n := r.int()
	if n < 0 || n >= len(table) {
		r.fail("reference to object %d of %d", n, len(table))
		return unknown
	}
	return table[n]
}

// sequence reads n objects.
func (r *reader) sequence(kind Kind, n int) *Object {
	o := &Object{Kind: kind}
	if n < 0 || n > len(r.data)-r.at {
		r.fail("%d elements in %d bytes", n, len(r.data)-r.at)
		return o
	}
	o.Items = make([]*Object, 0, min(n, maxObjects-min(r.objects, maxObjects)))
	for range n {
		item := r.object()
		if r.err != nil {
			break
		}
		if item == nil {
			r.fail("the end of a dict inside something else")
			break
		}
		o.Items = append(o.Items, item)
	}
	return o
}

// dict reads pairs up to the mark that ends them.
func (r *reader) dict() *Object {
	o := &Object{Kind: Dict}
	for {
		key := r.object()
		if key == nil || r.err != nil {
			return o
		}
		value := r.object()
		if value == nil {
			r.fail("a dict ends behind a key")
			return o
		}
		o.Items = append(o.Items, key, value)
	}
}

// number reads a number and spells it as Python does.
func (r *reader) number(kind byte) *Object {
	switch kind {
	case 'i':
		return &Object{Kind: Int, Text: strconv.AppendInt(nil, int64(r.int()), 10)}
	case 'I':
		b := r.take(8)
		if len(b) < 8 {
			return unknown
		}
		return &Object{Kind: Int, Text: strconv.AppendInt(nil, int64(binary.LittleEndian.Uint64(b)), 10)}
	case 'l':
		return r.long()
	case 'f':
		return &Object{Kind: Float, Text: spelled(r.take(int(r.byte())))}
	case 'g':
		return &Object{Kind: Float, Text: r.double()}
	case 'x':
		r.take(int(r.byte()))
		return &Object{Kind: Complex, Text: append(spelled(r.take(int(r.byte()))), 'j')}
	}
	r.double()
	return &Object{Kind: Complex, Text: append(r.double(), 'j')}
}

// spelled is the spelling of a number as the data gives it, if it is one.
func spelled(b []byte) []byte {
	if f, err := strconv.ParseFloat(string(b), 64); err == nil {
		return strconv.AppendFloat(nil, f, 'g', -1, 64)
	}
	return []byte("0.0")
}

func (r *reader) double() []byte {
	b := r.take(8)
	if len(b) < 8 {
		return nil
	}
	f := math.Float64frombits(binary.LittleEndian.Uint64(b))
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.AppendFloat(nil, f, 'f', 1, 64)
	}
	return strconv.AppendFloat(nil, f, 'g', -1, 64)
}

// long reads an int of any size. It is spelled in hexadecimal digits when it
// has more than 64 bits.
func (r *reader) long() *Object {
	n := r.int()
	sign := ""
	if n < 0 {
		n, sign = -n, "-"
	}
	digits := r.take(2 * n)
	if r.err != nil || n > maxDigits {
		return &Object{Kind: Int, Text: []byte(sign + "0x0")}
	}
	if n <= 4 {
		v := uint64(0)
		for i := n - 1; i >= 0; i-- {
			v = v<<15 | uint64(binary.LittleEndian.Uint16(digits[2*i:])&0x7fff)
		}
		return &Object{Kind: Int, Text: strconv.AppendUint([]byte(sign), v, 10)}
	}
	// Bits in rising order, then hexadecimal digits from the top.
	nibbles := make([]byte, (15*n+3)/4)
	for i := range 15 * n {
		bit := binary.LittleEndian.Uint16(digits[2*(i/15):]) >> (i % 15) & 1
		nibbles[i/4] |= byte(bit) << (i % 4)
	}
	top := len(nibbles) - 1
	for top > 0 && nibbles[top] == 0 {
		top--
	}
	text := []byte(sign + "0x")
	for i := top; i >= 0; i-- {
		text = append(text, "0123456789abcdef"[nibbles[i]])
	}
	return &Object{Kind: Int, Text: text}
}

// code reads a code object in the layout of the version.
func (r *reader) code() *Code {
	c := &Code{ArgCount: r.int()}
	if r.layout >= layout38 {
		c.PosOnly = r.int()
	}
	if r.layout >= layout30 {
		c.KwOnly = r.int()
	}
	if r.layout != layout311 {
		r.int() // local variables
	}
	r.int() // size of the stack
	c.Flags = r.int()
	c.Code = r.want(Bytes, "code").Text
	c.Consts = r.want(Tuple, "constants").Items
	c.Names = r.want(Tuple, "names").Items
	c.VarNames = r.want(Tuple, "variables").Items
	if r.layout == layout311 {
		r.want(Bytes, "kinds of variables")
	} else {
		c.FreeVars = r.want(Tuple, "free variables").Items
		c.CellVars = r.want(Tuple, "cell variables").Items
	}
	c.FileName = r.want(Str, "file name")
	c.Name = r.want(Str, "name")
	if r.layout == layout311 {
		r.want(Str, "qualified name")
	}
	c.FirstLine = r.int()
	c.LineTable = r.want(Bytes, "lines").Text
	if r.layout == layout311 {
		c.ExceptionTable = r.want(Bytes, "exceptions").Text
	}
	return c
}

// want reads an object that must be of a kind. In Python 2 a str may be bytes.
func (r *reader) want(kind Kind, what string) *Object {
	if r.err != nil {
		return unknown
	}
	at := r.at
	o := r.object()
	switch {
	case o == nil:
	case o.Kind == kind, kind == Str && o.Kind == Bytes && r.layout == layout27:
		return o
	case r.err != nil:
		return unknown
	}
	r.at = at
	r.fail("the %s of a code object are of the wrong type", what)
	return unknown
}

var errNoCode = errors.New("the data holds no code object")
