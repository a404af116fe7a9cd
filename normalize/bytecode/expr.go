package bytecode

import (
	"bytes"
	"unicode/utf8"
)

// exprKind says what an expression is besides text.
type exprKind uint8

const (
	plain     exprKind = iota
	constant           // a literal
	silent             // stands for nothing in the source: never written as a statement
	null               // the empty place beside a callable
	list               // a display; inner is what stands between its brackets
	tuple              //
	dict               //
	set                //
	iteration          // what a for loop binds: clause
	entered            // what a with statement binds: clause
	element            // a part of what is unpacked: group
	function           // a function with its code, to be bound to a name
	class              // a class with its code
	module             // an imported module: imp
	member             // something imported from a module: imp, text
	inPlace            // x + y that is to be stored in x again: op, left, right
	builder            // __build_class__
	matched            // the test of an except clause: inner is the class
	iterator           // what iter() gave: inner is what it was given
	exit               // the __exit__ of a with statement
	enter              // the __enter__ of a with statement
	chain              // a comparison whose right side is compared again
)

// Precedences, as in Python's grammar.
const (
	precTuple int8 = iota
	precTest
	precOr
	precAnd
	precNot
	precCompare
	precBitOr
	precBitXor
	precBitAnd
	precShift
	precAdd
	precMultiply
	precUnary
	precPower
	precAwait
	precAtom
)

// expr is an expression as text: of its own, or made of parts. Parts may be
// shared, so the text can be far longer than what is kept. It is not changed
// after it was made.
type expr struct {
	kind  exprKind
	prec  int8
	depth int32
	size  int // bytes of text
	text  string
	parts []*expr

	inner       *expr
	left, right *expr
	op          string
	group       *group
	clause      *clause
	imp         *importing
	code        *Code
	bases       *expr // of a class
	decorators  []*expr
}

// group is an assignment to several targets, which arrive one by one.
type group struct {
	value *expr
	done  []*expr
	n     int
	star  int // place of the target with a star, or -1
}

// clause is a for or with statement that waits for its target.
type clause struct {
	head  *expr // "for" or "with", and what follows it
	write func(target *expr)
}

// importing is an import statement that is being put together.
type importing struct {
	module string
	from   bool
	names  []string
	source int32 // the line of the source
}

// The bounds of one expression.
const (
	maxExprSize  = 1 << 20
	maxExprDepth = 1 << 15
)

var (
	nothing  = &expr{kind: silent, prec: precAtom, text: "_", size: 1}
	nullExpr = &expr{kind: null, prec: precAtom}
	tooLong  = leaf("...")
)

// leaf is an expression of one piece.
func leaf(text string) *expr { return &expr{prec: precAtom, text: text, size: len(text)} }

// join is an expression made of parts, which are expressions and strings.
func join(prec int8, parts ...any) *expr {
	e := &expr{prec: prec, parts: make([]*expr, 0, len(parts))}
	for _, p := range parts {
		part, ok := p.(*expr)
		if !ok {
			part = leaf(p.(string))
		}
		if part.size == 0 {
			continue // writing an expression takes no longer than it is
		}
		e.parts = append(e.parts, part)
		e.size += part.size
		e.depth = max(e.depth, part.depth+1)
	}
	if e.size > maxExprSize || e.depth > maxExprDepth {
		return tooLong
	}
	if len(e.parts) == 0 {
		e.parts = nil
	}
	return e
}

// as gives e where an expression of a precedence is wanted.
func (e *expr) as(prec int8) *expr {
	if e.prec >= prec {
		return e
	}
	return join(precAtom, "(", e, ")")
}

// appendTo appends the text of e, up to limit bytes in all.
func (e *expr) appendTo(out []byte, limit int) []byte {
	if len(out) >= limit {
		return out
	}
	if e.parts == nil {
		return append(out, e.text[:min(len(e.text), limit-len(out))]...)
	}
	for _, p := range e.parts {
		out = p.appendTo(out, limit)
	}
	return out
}

// short is the text of e when it is short.
func (e *expr) short() string {
	if e.parts == nil {
		return e.text
	}
	if e.size > 256 {
		return ""
	}
	return string(e.appendTo(nil, 256))
}

// listed appends an item to what stands between the brackets of a display.
func listed(inner, item *expr) *expr {
	if inner == nil || inner.size == 0 {
		return item
	}
	return join(precTuple, inner, ", ", item)
}

// commas puts commas between items.
func commas(items []*expr) *expr {
	parts := make([]any, 0, 2*len(items))
	for i, item := range items {
		if i > 0 {
			parts = append(parts, ", ")
		}
		parts = append(parts, item.as(precTest))
	}
	return join(precTuple, parts...)
}

// display is a list, tuple, set or dict of what inner says.
func display(kind exprKind, inner *expr, n int) *expr {
	if inner == nil {
		inner = leaf("")
	}
	var e *expr
	switch {
	case kind == list:
		e = join(precAtom, "[", inner, "]")
	case kind == dict:
		e = join(precAtom, "{", inner, "}")
	case kind == tuple && n == 1:
		e = join(precAtom, "(", inner, ",)")
	case kind == tuple:
		e = join(precAtom, "(", inner, ")")
	case inner.size == 0:
		e = join(precAtom, "set()")
	default:
		e = join(precAtom, "{", inner, "}")
	}
	if e == tooLong {
		return e
	}
	e.kind, e.inner = kind, inner
	return e
}

// object gives a constant as Python spells it. Code objects are named.
func (r *renderer) object(o *Object) *expr {
	e := r.literal(o, 0)
	if e.kind == plain && e != tooLong {
		e.kind = constant
	}
	return e
}

func (r *renderer) literal(o *Object, depth int) *expr {
	if e := r.literals[o]; e != nil {
		return e
	}
	e := r.newLiteral(o, depth)
	r.literals[o] = e
	return e
}

func (r *renderer) newLiteral(o *Object, depth int) *expr {
	if depth > maxDepth {
		return tooLong
	}
	switch o.Kind {
	case None:
		return leaf("None")
	case True:
		return leaf("True")
	case False:
		return leaf("False")
	case Ellipsis:
		return leaf("...")
	case StopIteration:
		return leaf("StopIteration")
	case Int, Float, Complex:
		e := leaf(string(o.Text))
		if e.size > 0 && e.text[0] == '-' {
			e.prec = precUnary
		}
		return e
	case Bytes:
		if r.version.Major == 2 {
			return leaf(quote(o.Text, ""))
		}
		return leaf(quote(o.Text, "b"))
	case Str:
		if r.version.Major == 2 {
			return leaf(quote(o.Text, "u"))
		}
		return leaf(quote(o.Text, ""))
	case CodeObject:
		return leaf(string(clean(nameOf(o.Code))))
	case Slice:
		return join(precAtom, "slice(", commas(r.literalsOf(o.Items, depth)), ")")
	case Tuple:
		return display(tuple, commas(r.literalsOf(o.Items, depth)), len(o.Items))
	case List:
		return display(list, commas(r.literalsOf(o.Items, depth)), len(o.Items))
	case Set, FrozenSet:
		return display(set, commas(r.literalsOf(o.Items, depth)), len(o.Items))
	case Dict:
		return display(dict, pairs(r.literalsOf(o.Items, depth)), len(o.Items))
	}
	return leaf("_")
}

func (r *renderer) literalsOf(items []*Object, depth int) []*expr {
	out := make([]*expr, len(items))
	for i, item := range items {
		out[i] = r.literal(item, depth+1)
	}
	return out
}

// pairs writes keys and values, which come in turn.
func pairs(items []*expr) *expr {
	parts := make([]any, 0, 2*len(items))
	for i := 0; i+1 < len(items); i += 2 {
		if i > 0 {
			parts = append(parts, ", ")
		}
		parts = append(parts, items[i].as(precTest), ": ", items[i+1].as(precTest))
	}
	return join(precTuple, parts...)
}

func nameOf(c *Code) []byte {
	if c == nil || c.Name == nil {
		return nil
	}
	return c.Name.Text
}

// quote writes a string literal. Text of several lines gets triple quotes, as
// people write it.
func quote(b []byte, prefix string) string {
	delimiter := "'"
	switch {
	case bytes.Count(b, []byte{'\n'}) >= 2 && !bytes.Contains(b, []byte(`"""`)) && !bytes.HasSuffix(b, []byte(`"`)) &&
		bytes.IndexByte(b, '\r') < 0:
		delimiter = `"""`
	case bytes.IndexByte(b, '\'') >= 0 && bytes.IndexByte(b, '"') < 0:
		delimiter = `"`
	}
	out := make([]byte, 0, len(b)+len(b)/8+8)
	out = append(append(out, prefix...), delimiter...)
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case c == '\\':
			out = append(out, '\\', '\\')
		case c == delimiter[0] && len(delimiter) == 1:
			out = append(out, '\\', c)
		case c == '\n' && len(delimiter) == 3:
			out = append(out, c)
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\t':
			out = append(out, '\\', 't')
		case c < ' ' || c == 0x7f || c >= 0x80 && prefix == "b":
			out = append(out, '\\', 'x', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		case c >= 0x80:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				out = append(out, '\\', 'x', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
			} else {
				out = append(out, b[i:i+n]...)
			}
			i += n
			continue
		default:
			out = append(out, c)
		}
		i++
	}
	return string(append(out, delimiter...))
}
