package normalize

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kingsnake/normalize/bytecode"
)

// wireVersion is the first byte of a Text in binary form. Both ends are always
// the same program, so a change needs no other care.
const wireVersion = 1

// AppendBinary appends t in a binary form, without the script itself:
// [Decode] is given that again. It lets a script be normalized in a process of
// its own. It never fails.
func (t Text) AppendBinary(b []byte) ([]byte, error) {
	w := wire{append(b, wireVersion)}
	w.number(len(t.Notes))
	for _, n := range t.Notes {
		w.bytes([]byte(n))
	}
	w.number(len(t.Layers))
	for i := range t.Layers {
		w.layer(i, &t.Layers[i])
	}
	return w.out, nil
}

type wire struct{ out []byte }

func (w *wire) number(n int)    { w.out = binary.AppendUvarint(w.out, uint64(n)) }
func (w *wire) span(s Span)     { w.number(s.Start); w.number(s.End - s.Start) }
func (w *wire) bytes(b []byte)  { w.number(len(b)); w.out = append(w.out, b...) }
func (w *wire) small(b ...byte) { w.out = append(w.out, b...) }

func (w *wire) layer(i int, l *Layer) {
	w.bytes([]byte(l.Transform))
	w.bytes([]byte(l.Name))
	w.number(l.Parent + 1)
	w.number(l.Depth)
	executed := byte(0)
	if l.Executed {
		executed = 1
	}
	w.small(executed)
	if i > 0 {
		w.span(l.Site)
		w.bytes(l.Text)
	}
	w.number(len(l.Tokens))
	end := 0
	for _, t := range l.Tokens {
		w.number(int(t.Start) - end)
		w.number(int(t.End - t.Start))
		w.small(byte(t.Kind), byte(t.Flags), t.code)
		end = int(t.End)
	}
	w.number(len(l.Constants))
	for _, c := range l.Constants {
		w.span(c.Span)
		w.bytes(c.Value)
	}
	w.number(len(l.pieces))
	for _, p := range l.pieces {
		w.number(int(p.value))
		w.number(int(p.start))
		w.number(int(p.end))
	}
	w.bytes(l.lines.AppendBinary(nil))
}

// Decode reads what AppendBinary wrote of the Text of script. The data may come
// from a process that a hostile script took over: a Text that Decode returns
// without an error is within the bounds that its users rely on, whatever the
// data. The result aliases both.
func Decode(data, script []byte) (Text, error) {
	r := unwire{in: data}
	if r.byte() != wireVersion {
		return Text{}, errors.New("decode a normalized text: not one, or of another version")
	}
	t := Text{lines: indexLines(script)}
	tokens, made := 0, 0
	for range r.count(1) {
		t.Notes = append(t.Notes, string(r.bytes()))
	}
	layers := r.count(8)
	if layers == 0 || layers > maxLayers {
		r.bad = true
	}
	for i := range layers {
		l := r.layer(i, script, t.Layers)
		if r.bad {
			return Text{}, fmt.Errorf("decode a normalized text: layer %d of %d is malformed", i, layers)
		}
		t.Layers = append(t.Layers, l)
		tokens += len(l.Tokens)
		if i > 0 {
			made += len(l.Text)
		}
		r.bad = tokens > maxAllTokens+maxLayers || made > maxMade+maxLayers*len(script)
	}
	if r.bad || len(r.in) > 0 {
		return Text{}, errors.New("decode a normalized text: malformed")
	}
	return t, nil
}

// unwire reads; after the first thing that cannot be, bad is set and all else
// is zero.
type unwire struct {
	in  []byte
	bad bool
}

func (r *unwire) number() int {
	n, size := binary.Uvarint(r.in)
	if size <= 0 || n > 1<<31-1 {
		r.bad, r.in = true, nil
		return 0
	}
	r.in = r.in[size:]
	return int(n)
}

// count reads how many things follow that take at least size bytes each.
func (r *unwire) count(size int) int {
	n := r.number()
	if n > len(r.in)/size {
		r.bad, r.in = true, nil
		return 0
	}
	return n
}

func (r *unwire) byte() byte {
	if len(r.in) == 0 {
		r.bad = true
		return 0
	}
	c := r.in[0]
	r.in = r.in[1:]
	return c
}

func (r *unwire) bytes() []byte {
	n := r.count(1)
	b := r.in[:n:n]
	r.in = r.in[n:]
	return b
}

// span reads a span of a text of size bytes. It is not empty.
func (r *unwire) span(size int) Span {
	start := r.number()
	end := start + r.number()
	if start == end || end > size {
		r.bad = true
		return Span{}
	}
	return Span{start, end}
}

// layer reads the layer after those in before.
func (r *unwire) layer(i int, script []byte, before []Layer) Layer {
	l := Layer{Transform: string(r.bytes()), Name: string(r.bytes()), Parent: r.number() - 1, Depth: r.number()}
	l.Executed = r.byte() == 1
	parent := script
	switch {
	case i == 0 && l.Parent == -1 && l.Depth == 0:
		l.Text = script
	case i > 0 && l.Parent >= 0 && l.Parent < i && l.Depth == before[l.Parent].Depth+1 && l.Depth <= maxDepth:
		parent = before[l.Parent].Text
	default:
		r.bad = true
		return l
	}
	if i > 0 {
		l.Site = r.span(len(parent))
		l.Text = r.bytes()
	}
	l.Tokens = r.tokens(len(l.Text))
	for range r.count(3) {
		l.Constants = append(l.Constants, Constant{Span: r.span(len(l.Text)), Value: r.bytes()})
	}
	l.pieces = r.pieces(len(l.Text), len(parent))
	lines, err := bytecode.DecodeLines(r.bytes())
	if err != nil {
		r.bad = true
	}
	l.lines = lines
	return l
}

// tokens reads the tokens of a text of size bytes, which are in order and not
// empty.
func (r *unwire) tokens(size int) []Token {
	n := r.count(5)
	if n > maxTokens {
		r.bad = true
	}
	if r.bad || n == 0 {
		return nil
	}
	tokens := make([]Token, n)
	end := 0
	for i := range tokens {
		start := end + r.number()
		end = start + r.number()
		if r.bad || start == end || end > size {
			r.bad = true
			return nil
		}
		tokens[i] = Token{Start: int32(start), End: int32(end), Kind: TokenKind(r.byte()), Flags: TokenFlags(r.byte()), code: r.byte()}
	}
	return tokens
}

// pieces reads how a text of size bytes maps to its parent's.
func (r *unwire) pieces(size, parent int) []piece {
	n := r.count(3)
	if r.bad || n == 0 {
		return nil
	}
	pieces := make([]piece, n)
	for i := range pieces {
		p := piece{value: int32(r.number()), start: int32(r.number()), end: int32(r.number())}
		if p.start >= p.end || int(p.end) > parent || int(p.value) >= size || i > 0 && p.value <= pieces[i-1].value {
			r.bad = true
		}
		if r.bad {
			return nil
		}
		pieces[i] = p
	}
	return pieces
}
