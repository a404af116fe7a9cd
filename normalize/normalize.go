// Package normalize says what a script says: it reads Python text with an
// error-tolerant lexer and peels hidden text out of it into layers, without
// ever executing anything.
package normalize

import "hash/maphash"

// Text is a script and everything peeled out of it. Layers[0] is the script
// itself; a layer always stands behind the one it was peeled out of. A Text is
// not changed once it has been made, and is safe for concurrent reading.
type Text struct {
	Layers []Layer
	Notes  []string // what was cut or given up, in words, for people

	lines lineIndex // of Layers[0]
}

// Layer is one text. Its bytes came out of Parent by Transform.
type Layer struct {
	// Transform names how the text was hidden, outermost step last: "base64",
	// "base64+zlib", "chr", "join". It is "original" for the script itself,
	// and "exec" for a text that stood there in plain sight to be executed.
	Transform string
	Text      []byte // not to be modified; may alias the script
	Parent    int    // index in Text.Layers; -1 for the script itself
	Depth     int    // 0 for the script itself
	// Executed says that Parent passes the text to exec, eval, compile or
	// another interpreter.
	Executed bool
	// Site is the expression in Parent's text that gives this text.
	Site      Span
	Tokens    []Token
	Constants []Constant

	pieces []piece // how Text maps to Parent's text
}

// Constant is a text that a layer puts together and that is too short or too
// plain to be a layer: 'o'+'s', ”.join(['sys','tem']), chr(99)+chr(97).
type Constant struct {
	Span  Span // the expression, in the layer's text
	Value []byte
}

// Span is a half-open range of bytes, [Start, End).
type Span struct {
	Start, End int
}

// Normalize lexes src and peels its layers. It never fails: what it cannot
// read it leaves alone and notes. The result aliases src, which must not be
// modified any more.
func Normalize(src []byte) Text {
	u := unpacker{seed: maphash.MakeSeed(), seen: map[uint64][]int{}}
	u.add(Layer{Transform: "original", Text: src, Parent: -1})
	for i := 0; i < len(u.layers); i++ {
		u.lex(i)
		u.peel(i)
	}
	return Text{Layers: u.layers, Notes: u.notes, lines: indexLines(src)}
}
