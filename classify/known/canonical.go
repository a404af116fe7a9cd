package known

import (
	"bytes"
	"crypto/sha256"
	"regexp"
	"unicode/utf8"

	"kingsnake/normalize"
)

// minSize is the least that can be known, in bytes of canonical code for
// comparisons of code, and in bytes otherwise.
const minSize = 128

// maxLevel is how deep Python lets statements be indented.
const maxLevel = 100

// sum is a fingerprint.
type sum [16]byte

// fingerprint hashes content of a kind: "file", "code" or "block".
func fingerprint(kind string, content []byte) (s sum) {
	h := sha256.New()
	h.Write([]byte("kingsnake known " + kind + "\n"))
	h.Write(content)
	copy(s[:], h.Sum(nil))
	return s
}

// code is a script as far as Python cares for it: every token in order, and
// where statements begin and how far they are indented.
type code struct {
	bytes  []byte
	blocks []block
}

// block is a statement at the top level with all that belongs to it, such as a
// function with its decorators: bytes [from, to) of the code, and [start, end)
// of the text.
type block struct {
	from, to   int
	start, end int
	defines    bool // a function or a class
}

// canBeKnown reports whether a block may be compared on its own.
func (b block) canBeKnown() bool { return b.defines && b.to-b.from >= minSize }

// The marks in code cannot stand in a text that is accepted.
const (
	endOfToken = 0x00
	statement  = 0x01 // followed by the level, one byte
	quotedText = 0x02
)

// canonical writes down the code of a text, or returns false where a
// comparison of code would not be safe. The tokens must be those of the text.
func canonical(text []byte, tokens []normalize.Token) (code, bool) {
	if !plain(text) {
		return code{}, false
	}
	w := writer{text: text, out: make([]byte, 0, len(text)+2*len(tokens))}
	for i, t := range tokens {
		if !w.token(tokens, i, t) {
			return code{}, false
		}
	}
	w.endStatement()
	w.endBlock()
	return code{w.out, w.blocks}, true
}

// writer is the state of one canonical.
type writer struct {
	text   []byte
	out    []byte
	blocks []block
	levels []int // columns of the open levels behind the first
	indent byte  // what this text indents with; 0 until seen
	last   int   // where the last token that is no comment or line end ended

	open      block // being read
	reading   bool  // there is one
	decorated bool  // only its decorators have been read
}

func (w *writer) token(tokens []normalize.Token, i int, t normalize.Token) bool {
	switch t.Kind {
	case normalize.Comment, normalize.Newline:
		return true
	case normalize.Other, normalize.Skipped:
		return false
	}
	word := t.Bytes(w.text)
	if t.Flags&normalize.First != 0 {
		end := 0
		if i > 0 {
			end = int(tokens[i-1].End)
		}
		level, ok := w.level(end, int(t.Start))
		if !ok {
			return false
		}
		w.begin(level, word, int(t.Start))
	} else if len(w.out) == 0 {
		return false
	}
	if t.Kind == normalize.Name && readsItself(w.text, tokens[i:]) {
		return false
	}
	w.last = int(t.End)
	if t.Kind == normalize.String {
		return w.str(t, word)
	}
	w.out = append(append(w.out, word...), endOfToken)
	return true
}

// level says how deep the statement at start is indented. The token before it
// ended at end.
func (w *writer) level(end, start int) (int, bool) {
	if bytes.IndexByte(w.text[end:start], '\\') >= 0 {
		return 0, false // its line goes on from another
	}
	from := start
	for from > end && (w.text[from-1] == ' ' || w.text[from-1] == '\t') {
		from--
	}
	column := start - from
	switch {
	case from > 0 && w.text[from-1] != '\n' && w.text[from-1] != '\r' && !(from == 3 && w.text[0] == 0xef):
		return 0, false
	case column == 0:
	case w.indent == 0:
		w.indent = w.text[from]
		fallthrough
	default:
		for _, c := range w.text[from:start] {
			if c != w.indent {
				return 0, false
			}
		}
	}
	n, outer := len(w.levels), 0
	for n > 0 && column < w.levels[n-1] {
		n--
	}
	if n > 0 {
		outer = w.levels[n-1]
	}
	if column > outer {
		if n < len(w.levels) {
			return 0, false // a step back to where no statement is open
		}
		w.levels = append(w.levels, column)
	} else {
		w.levels = w.levels[:n]
	}
	return len(w.levels), len(w.levels) < maxLevel
}

// begin writes the mark of a statement, and at the top level ends the block
// before it.
func (w *writer) begin(level int, word []byte, start int) {
	w.endStatement()
	if level == 0 {
		switch string(word) {
		case "else", "elif", "except", "finally":
		default:
			if !w.decorated {
				w.endBlock()
				w.open = block{from: len(w.out), start: start}
				w.reading = true
			}
			w.decorated = word[0] == '@'
			w.open.defines = string(word) == "def" || string(word) == "class" || string(word) == "async"
		}
	}
	w.out = append(w.out, statement, byte(level))
}

func (w *writer) endStatement() {
	if w.reading {
		w.open.to, w.open.end = len(w.out), w.last
	}
}

func (w *writer) endBlock() {
	if w.reading {
		w.blocks = append(w.blocks, w.open)
	}
	w.reading, w.decorated = false, false
}

// str writes a string. Only where the quotes can make no difference are they
// left out.
func (w *writer) str(t normalize.Token, word []byte) bool {
	if t.Flags&normalize.Open != 0 {
		return false
	}
	q := bytes.IndexAny(word, `'"`)
	if t.Flags&(normalize.Triple|normalize.Escaped|normalize.Format) == 0 {
		if body := word[q+1 : len(word)-1]; !bytes.ContainsAny(body, `'"`) {
			w.out = append(append(w.out, word[:q]...), quotedText)
			w.out = append(append(w.out, body...), endOfToken)
			return true
		}
	}
	// Python reads any line end as "\n".
	for len(word) > 0 {
		n := bytes.IndexByte(word, '\r')
		if n < 0 {
			break
		}
		w.out = append(append(w.out, word[:n]...), '\n')
		word = word[n+1:]
		if len(word) > 0 && word[0] == '\n' {
			word = word[1:]
		}
	}
	w.out = append(append(w.out, word...), endOfToken)
	return true
}

// plain reports whether Python is sure to split a text into the lines and
// comments that the lexer sees.
func plain(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	for i, c := range text {
		switch {
		case c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' || c == 0x7f:
			return false
		case c == 0xc2 && text[i+1] == 0x85, // next line
			c == 0xe2 && text[i+1] == 0x80 && (text[i+2] == 0xa8 || text[i+2] == 0xa9), // line and paragraph separators
			c == 0xef && text[i+1] == 0xbb && text[i+2] == 0xbf && i > 0:
			return false
		}
	}
	rest := text
	for range 2 {
		line := rest
		if n := bytes.IndexAny(rest, "\r\n"); n >= 0 {
			line, rest = rest[:n], rest[n+1:]
			if text[len(text)-len(rest)-1] == '\r' {
				rest = bytes.TrimPrefix(rest, []byte("\n"))
			}
		}
		if m := cookie.FindSubmatch(line); m != nil {
			if name := string(bytes.ToLower(m[1])); name != "utf-8" && name != "utf8" {
				return false
			}
		}
	}
	return true
}

// cookie is a declared encoding, wherever it stands in its line.
var cookie = regexp.MustCompile(`coding[:=][ \t]*([-_.a-zA-Z0-9]*)`)

// readsItself reports whether the name at the head of tokens is one by which
// code reaches its own source, comments included.
func readsItself(text []byte, tokens []normalize.Token) bool {
	switch string(tokens[0].Bytes(text)) {
	case "__file__", "__loader__", "__spec__", "__cached__", "co_filename", "f_lineno",
		"getsource", "getsourcelines", "getsourcefile", "getcomments", "getfile", "get_data", "get_source",
		"linecache", "tokenize", "findsource":
		return true
	case "argv":
		return len(tokens) > 2 && string(tokens[1].Bytes(text)) == "[" && string(tokens[2].Bytes(text)) == "0"
	}
	return false
}
