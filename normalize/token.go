package normalize

// Token is one lexical unit of a text: its bytes [Start, End). Tokens are kept
// small (twelve bytes) because a script has about one for every four bytes;
// the line of a token is found with [Text.Line].
type Token struct {
	Start, End int32
	Kind       TokenKind
	Flags      TokenFlags
}

// Span is the token's place in its text.
func (t Token) Span() Span { return Span{int(t.Start), int(t.End)} }

// Bytes is the token's spelling. The text must be the one that was lexed; the
// result aliases it.
func (t Token) Bytes(text []byte) []byte { return text[t.Start:t.End] }

// TokenKind says what a token is.
type TokenKind uint8

// The kinds of token.
const (
	// Other is a run of bytes that are no part of Python: control characters,
	// NUL, "$", "?", a lone backslash or "!".
	Other TokenKind = iota
	// Name is an identifier. The words that are keywords in only some versions
	// of Python (print, exec, match, case, type, async, await, nonlocal) are
	// names.
	Name
	// Keyword is a word that is reserved in both Python 2.7 and Python 3, or
	// one of True, False and None.
	Keyword
	// Number is a literal of any base, with or without fraction, exponent,
	// underscores and a suffix (j, J, l, L).
	Number
	// String is a whole literal from its prefix to its closing quotes. One
	// that is not closed ends at the end of its line or, with triple quotes,
	// at the end of the text, and carries the Open flag. What an f-string or
	// t-string embeds is found with [Embedded].
	String
	// Op is an operator or a delimiter, the longest that fits.
	Op
	// Comment runs from "#" to the end of its line, which it does not include.
	Comment
	// Newline ends a logical line. Line ends inside brackets, after a
	// backslash and on lines without code have no token.
	Newline
	// Skipped stands for a stretch that was not read because the text has more
	// tokens than are kept.
	Skipped
)

// String names the kind in lower case.
func (k TokenKind) String() string {
	names := [...]string{"other", "name", "keyword", "number", "string", "op", "comment", "newline", "skipped"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// TokenFlags says more about a token. Flags are independent of each other.
type TokenFlags uint8

// The flags of a token.
const (
	Raw      TokenFlags = 1 << iota // a string with the prefix r
	Bytes                           // a string with the prefix b
	Format                          // a string with the prefix f or t
	Triple                          // a string in triple quotes
	Open                            // a string that is not closed
	Escaped                         // a string with a backslash in it
	NonASCII                        // a name or string with bytes above 127
	First                           // the first token of a logical line
)

// keyword reports whether a name is a keyword in the sense of [Keyword].
func keyword(word []byte) bool {
	switch len(word) {
	case 2:
		switch string(word) {
		case "if", "in", "is", "or", "as":
			return true
		}
	case 3:
		switch string(word) {
		case "def", "for", "and", "not", "try", "del":
			return true
		}
	case 4:
		switch string(word) {
		case "from", "else", "elif", "with", "None", "True", "pass":
			return true
		}
	case 5:
		switch string(word) {
		case "class", "False", "raise", "while", "break", "yield":
			return true
		}
	case 6:
		switch string(word) {
		case "import", "return", "except", "lambda", "assert", "global":
			return true
		}
	case 7:
		return string(word) == "finally"
	case 8:
		return string(word) == "continue"
	}
	return false
}

// startsStatement reports whether a keyword can only stand at the start of a
// statement, so that a bracket still open before it was never closed.
func startsStatement(word []byte) bool {
	switch string(word) {
	case "def", "class", "import", "return", "try", "except", "finally", "while", "with",
		"raise", "pass", "break", "continue", "del", "global", "assert", "elif":
		return true
	}
	return false
}
