// Package normalize says what a script says: it reads Python text with an
// error-tolerant lexer and peels hidden text out of it into layers, without
// ever executing anything.
package normalize

// Text is a script and everything peeled out of it. Layers[0] is the script
// itself.
type Text struct {
	Layers []Layer
	Notes  []string // what was cut or given up, in words, for people
}

// Layer is one text. Its bytes came out of Parent by Transform.
type Layer struct {
	Transform string // "original", "base64", "hex", "zlib", "join", "chr", …
	Text      []byte
	Parent    int // index in Text.Layers; -1 for the script itself
	Depth     int // 0 for the script itself
	Tokens    []Token
}

// Span is a half-open range of bytes, [Start, End).
type Span struct {
	Start, End int
}

// Token is one lexical unit of a layer: bytes [Start, End) of its text.
type Token struct {
	Kind       TokenKind
	Start, End int
	Line       int // of Start, counted from 1
}

// TokenKind says what a token is.
type TokenKind uint8

// Normalize lexes src and peels its layers. It never fails: what it cannot
// read it leaves alone and notes.
func Normalize(src []byte) Text { return Text{} }

// Origin maps a span of layer i back to the span of the script (layer 0) that
// it came from.
func (t *Text) Origin(i int, s Span) Span { return s }
