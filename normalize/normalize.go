// Package normalize says what a script says: it reads Python text with an
// error-tolerant lexer and peels hidden text out of it into layers, without
// ever executing anything.
//
//	text := normalize.Normalize(script)
//	for i, layer := range text.Layers {
//		for _, token := range layer.Tokens { … }
//		where := text.Origin(i, normalize.Span{Start: 0, End: len(layer.Text)})
//		line := text.Line(where.Start)
//	}
//
// # The lexer
//
// [Lex] splits text of any Python from 2.7 to 3.14 into tokens, whatever state
// it is in: cut off, in an unknown encoding, or no Python at all. It is linear
// and allocates once. [StringValue] gives what a literal means, [NameValue]
// what an identifier means, and [Embedded] the expressions of an f-string.
//
// # Layers
//
// A [Layer] is a text that another one hides: behind base64 and its kin,
// compression, a cipher whose key stands beside it, lists of character codes,
// reversal, or sums of short strings. A small evaluator follows what is known
// from the text alone: through names, import aliases, attributes, dictionaries,
// comprehensions, lambdas, functions and methods, loops, and expressions in
// texts that are evaluated. What comes out becomes
//
//   - a layer, if it is passed to exec, eval, compile, "python -c" or is
//     written out as code; or is text of at least 16 bytes that was decoded;
//     or is code that was put together,
//   - otherwise a [Constant] of the layer it stands in: that is where
//     'o' + 's' is found, and ordinary messages that span several literals,
//   - nothing, if it is binary.
//
// Long runs of base64 and hexadecimal digits that nothing seems to decode are
// tried as well; such layers have a Transform that starts with "guess".
//
// A script that is no text, but compiled code or an archive with a program in
// it, has layers for what that holds; so has data of these kinds inside a text.
// Compiled code is written as source again, see package bytecode;
// [Layer.SourceLine] gives the lines that were compiled. A program that
// PyInstaller made is such an archive: its scripts become layers, PyInstaller's
// own among them, since anyone may take their names. Its modules do not.
//
// A script in an encoding that changes its letters, by a mark or a cookie as in
// PEP 263 (UTF-16, UTF-7, rot13, escapes), has a layer for what Python reads.
//
// Layers are read in turn, so that layers in layers are found, up to 64 deep. A
// layer that is executed knows the names of the one it was found in.
//
// # What the evaluator believes
//
// It reads statements in the order they stand in, whatever branch they are in:
// the last value bound to a name counts, in whatever function that was, and of
// an attribute in whatever object. One that else or except binds to what is not
// known keeps what is. What is decoded through a name that is bound further
// down is read a second time.
//
// A function that is called with what is known, and a loop over what is known,
// is run as well, if it looks as if it made text: statement by statement, with
// both sides of a condition that is not known, and no longer than it makes
// something. A generator is run to its end and gives a list; what is drawn from
// random follows from a seed in the script. A loop that deciphers and is cut is
// finished, where its beginning is what a simple cipher or a table makes of a
// text at hand. What a name means outside of a function does not change by what
// the function binds it to. This is no proof of what a program does. A belief that is wrong
// costs a layer that holds text from the script all the same.
//
// # The way back
//
// [Text.Origin] maps any span of any layer to the script, byte by byte where
// the text stands there in literals, and to the whole expression otherwise.
// [Text.Line] and [Text.LineSpan] turn offsets of the script into lines and
// back.
//
// # Bounds
//
// The script is hostile. Depth, the number of layers, tokens, bytes made, bytes
// read and expressions evaluated again are bounded, which bounds time and
// memory for any input; so is what one decoder may make of its input. Whatever
// is cut is named in Text.Notes. A crash in the evaluator gives up one layer,
// with a note. The result depends on nothing but the script.
//
// # What it does not do
//
// It runs no code, opens no files (not even the script's own, through
// __file__), and does not judge what it finds: that is what package classify is
// for. It knows no exceptions and no inheritance; nor what the
// machine must give: a password, an environment, an answer from the network.
// Identifiers are folded where that makes ASCII of them. To add
// a decoder, see docs/how-to-add-a-decoder.md.
package normalize

import (
	"hash/maphash"

	"kingsnake/normalize/bytecode"
)

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
	Name      string // of a member of an archive
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

	pieces []piece         // how Text maps to Parent's text
	lines  *bytecode.Lines // of what Text was compiled from; nil if it was not, or is not known
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
	u.text = u.container()
	u.encoding()
	for i := 0; i < len(u.layers); i++ {
		u.lex(i)
		u.peel(i)
	}
	return Text{Layers: u.layers, Notes: u.allNotes(), lines: indexLines(src)}
}

// Plain lexes src and peels nothing: what is left to say of a script that
// Normalize could not be asked about, for the reason that why gives in words.
func Plain(src []byte, why string) Text {
	return Text{
		Layers: []Layer{{Transform: "original", Text: src, Parent: -1, Tokens: Lex(src)}},
		Notes:  []string{why}, lines: indexLines(src),
	}
}
