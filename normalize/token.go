package normalize

// Token is one lexical unit of a text: its bytes [Start, End). Tokens are kept
// small (twelve bytes) because a script has about one for every four bytes;
// the line of a token is found with [Text.Line].
type Token struct {
	Start, End int32
	Kind       TokenKind
	Flags      TokenFlags
	code       uint8 // which operator or keyword it is; 0 for all else
}

// IsOp reports whether the token is the operator c, of one byte.
func (t Token) IsOp(c byte) bool { return t.code == c }

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

// The codes of keywords and of the operators of more than one byte. An operator
// of one byte, which is ASCII, is its own code. The keywords from wordDef to
// wordElif can only stand at the start of a statement.
const (
	otherOp uint8 = 0x80 + iota
	opEqual
	opUnequal
	opLessEqual
	opMoreEqual
	opShiftLeft
	opShiftRight
	opWholeDivide
	opPower
	wordDef
	wordClass
	wordImport
	wordReturn
	wordTry
	wordExcept
	wordFinally
	wordWhile
	wordWith
	wordRaise
	wordPass
	wordBreak
	wordContinue
	wordDel
	wordGlobal
	wordAssert
	wordElif
	wordIf
	wordIn
	wordIs
	wordOr
	wordAs
	wordFor
	wordAnd
	wordNot
	wordFrom
	wordElse
	wordNone
	wordTrue
	wordFalse
	wordYield
	wordLambda
)

// keywords are the keywords in the sense of [Keyword], in the order of their
// codes from wordDef on.
var keywords = [...]string{
	"def", "class", "import", "return", "try", "except", "finally", "while", "with", "raise", "pass", "break",
	"continue", "del", "global", "assert", "elif", "if", "in", "is", "or", "as", "for", "and", "not", "from",
	"else", "None", "True", "False", "yield", "lambda",
}

// keywordSlots finds the code of a keyword by its slot.
var keywordSlots = func() (t [128]uint8) {
	for i, word := range keywords {
		t[keywordSlot([]byte(word))] = wordDef + uint8(i)
	}
	return t
}()

// keywordSlot is a number below 128 that no two keywords have in common. The
// word must have at least two bytes.
func keywordSlot(word []byte) uint8 {
	n := len(word)
	return (word[0] + word[1] + 9*word[n-1] + 5*uint8(n)) & 127
}

// keyword gives the code of a keyword; 0 for other words.
func keyword(word []byte) uint8 {
	if len(word) < 2 {
		return 0
	}
	code := keywordSlots[keywordSlot(word)]
	if code == 0 || string(word) != keywords[code-wordDef] {
		return 0
	}
	return code
}

// startsStatement reports whether a keyword can only stand at the start of a
// statement, so that a bracket still open before it was never closed.
func startsStatement(code uint8) bool { return code >= wordDef && code <= wordElif }

// operatorCode gives the code of an operator of more than one byte.
func operatorCode(op []byte) uint8 {
	switch string(op) {
	case "==":
		return opEqual
	case "!=", "<>":
		return opUnequal
	case "<=":
		return opLessEqual
	case ">=":
		return opMoreEqual
	case "<<":
		return opShiftLeft
	case ">>":
		return opShiftRight
	case "//":
		return opWholeDivide
	case "**":
		return opPower
	}
	return otherOp
}
