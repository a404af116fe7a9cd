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
	Depth     int

	Tokens []Token
	Map    Map // from this layer's bytes to the parent's
}

// Span is a half-open range of bytes, [Start, End).
type Span struct {
	Start, End int
}

// Map maps spans of a layer to spans of its parent.
type Map struct {
	// the helper that builds this package decides the fields
}
