package classify

import (
	"bytes"
	"math/bits"
	"strconv"
	"strings"

	"kingsnake/normalize"
)

// ownName adds the words of a name that the script chose or used: "sendData"
// and "send_data" both give "send" and "data". raw is the hash of the name.
func (w *walker) ownName(name []byte, raw uint64, i int) {
	if len(name) > 64 {
		name = name[:64]
		raw = hashBytes(name)
	}
	w.x.current.shape.name(name)
	p := w.place(i)
	one := true // word, all of it
	for _, c := range name {
		one = one && byteKinds[c]&lowerKind != 0
	}
	if one {
		if len(name) >= 2 {
			w.x.feature(groupNames, raw, p)
		}
		return
	}
	h, n := uint64(hashStart), 0
	lower := false
	for _, c := range name {
		kind := byteKinds[c]
		if kind&lowerKind == 0 && (kind&upperKind == 0 || lower) { // the end of a word
			if n >= 2 {
				w.x.feature(groupNames, finish(h), p)
			}
			h, n = hashStart, 0
			if kind&upperKind == 0 { // digits and underscores are part of none
				lower = false
				continue
			}
		}
		lower = kind&lowerKind != 0
		h = (h ^ uint64(fold(c))) * hashPrime
		n++
	}
	if n >= 2 {
		w.x.feature(groupNames, finish(h), p)
	}
}

// The kinds of bytes in names and texts.
const (
	lowerKind uint8 = 1 << iota // a small letter, or above 127
	upperKind
	digitKind
	alikeKind // looks like another one
)

// byteKinds are the kinds of every byte.
var byteKinds = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c >= 'a' && c <= 'z' || c >= 0x80:
			t[c] = lowerKind
		case c >= 'A' && c <= 'Z':
			t[c] = upperKind
		case c >= '0' && c <= '9':
			t[c] = digitKind
		}
	}
	for _, c := range "lI1O0o" {
		t[c] |= alikeKind
	}
	return t
}()

// body is a string token without its prefix and quotes.
func body(word []byte) []byte {
	i := bytes.IndexAny(word, `"'`)
	if i < 0 {
		return word
	}
	quote := word[i : i+1]
	n := 1
	if len(word) >= i+3 && word[i+1] == quote[0] && word[i+2] == quote[0] {
		n = 3
	}
	word = word[min(i+n, len(word)):]
	for range n {
		word = bytes.TrimSuffix(word, quote)
	}
	return word
}

// str reads a string literal.
func (w *walker) str(i int) {
	t := w.toks[i]
	text := body(w.bytes(i))
	alone := w.statement && w.kind(i+1) == normalize.Newline
	w.statement = false
	if alone && len(w.frames) == 0 { // documentation: what it says is not done
		return
	}
	w.x.current.shape.text(text)
	if len(w.frames) > 0 && len(text) <= 128 {
		w.frames[len(w.frames)-1].text = text
	}
	class := textClass(text)
	w.token(class, i)
	sym := symbol(join(uint64(stringSym), class))
	v := w.pieces(text, w.place(i), sym)
	w.flows(v, w.place(i))
	w.assign(v)
	w.last = value{sym: stringSym, behavior: v.behavior}
	if t.Flags&normalize.Format != 0 && w.depth < 2 {
		w.embedded(i)
	}
}

// embedded reads the expressions in an f-string, as code of their own that
// knows the names around it.
func (w *walker) embedded(i int) {
	spans := normalize.Embedded(w.src, w.toks[i])
	if len(spans) == 0 {
		return
	}
	outer, at := *w, w.place(i)
	for _, s := range spans[:min(len(spans), 32)] {
		w.src = outer.src[s.Start:s.End]
		w.toks = normalize.Lex(w.src)
		w.fixed, w.depth, w.statement, w.targets = at, outer.depth+1, false, [4]uint64{}
		w.walk()
	}
	inner := *w
	*w = outer
	w.call1, w.call2, w.prev1, w.prev2 = inner.call1, inner.call2, inner.prev1, inner.prev2
}

// pieces adds what a string is made of: words, pairs of words, hosts. It
// returns the string's value, with the first behavior it shows.
func (w *walker) pieces(text []byte, place int32, sym symbol) value {
	v := value{sym: sym, behavior: noBehavior}
	text = text[:min(len(text), maxStringScan)]
	w.words.texts.each(text, func(b int) {
		if v.behavior == noBehavior {
			v.behavior = int16(b)
		}
		w.x.behave(b, w.layerIndex, place)
	})
	if hasAddress(text) {
		b := w.words.address
		if v.behavior == noBehavior {
			v.behavior = int16(b)
		}
		w.x.behave(b, w.layerIndex, place)
	}
	if len(text) > 512 && bytes.IndexByte(text, ' ') < 0 {
		return v // data
	}
	w.textWords(text, place)
	return v
}

// textWords adds the words of a string and the pairs of neighbors.
func (w *walker) textWords(text []byte, place int32) {
	h, n, before, count, letters := uint64(hashStart), 0, uint64(0), 0, false
	between := byte(0)
	for i := 0; i <= len(text) && count < maxStringWords; i++ {
		c := byte(' ')
		if i < len(text) {
			c = folded[text[i]]
		}
		if byteKinds[c]&(lowerKind|digitKind) != 0 || c == '_' {
			h = (h ^ uint64(c)) * hashPrime
			n++
			letters = letters || c > '9'
			continue
		}
		if n >= 2 && n <= 32 && letters { // numbers are addresses, dates, versions
			word := finish(h)
			w.x.feature(groupTexts, word, place)
			if before != 0 {
				w.x.feature(groupTexts, join(join(before, uint64(between)), word), place)
			}
			before = word
			count++
		}
		if n > 0 {
			between = c
		}
		h, n, letters = hashStart, 0, false
	}
}

// textParts says what textClass counts for each byte: letters, digits,
// hexadecimal digits and spaces, then dots, slashes, backslashes and all else,
// each in 16 bits.
var textParts = func() (t [256][2]uint64) {
	for c := range t {
		plain, signs := uint64(0), uint64(0)
		switch {
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			plain = 1 | 1<<32
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			plain = 1
		case c >= '0' && c <= '9':
			plain = 1<<16 | 1<<32
		case c == ' ' || c == '\n' || c == '\t':
			plain = 1 << 48
		case c == '.':
			signs = 1
		case c == '/':
			signs = 1 << 16
		case c == '\\':
			signs = 1 << 32
		default:
			signs = 1 << 48
		}
		t[c] = [2]uint64{plain, signs}
	}
	return t
}()

// textClass is the token that stands for a string: its size and what it is
// made of.
func textClass(text []byte) uint64 {
	if len(text) <= 2 {
		return join(hashShort, hashBytes(text))
	}
	head := text[:min(len(text), 512)]
	var plain, signs uint64
	for _, c := range head {
		plain += textParts[c][0]
		signs += textParts[c][1]
	}
	part := func(sum uint64, k int) int { return int(sum >> (16 * k) & 0xffff) }
	letters, digits, hex, spaces := part(plain, 0), part(plain, 1), part(plain, 2), part(plain, 3)
	dots, slashes, escapes := part(signs, 0), part(signs, 1), part(signs, 2)
	other := part(signs, 3)
	n := len(head)
	kind := uint64(0)
	switch {
	case bytes.HasPrefix(head, []byte("http://")):
		kind = 1
	case bytes.HasPrefix(head, []byte("https://")):
		kind = 2
	case head[0] == '/' && spaces == 0:
		kind = 3
	case hex == n && n >= 16:
		kind = 4
	case spaces == 0 && n >= 40 && letters+digits+slashes+other*4/5 >= n*9/10:
		kind = 5
	case escapes*5 >= n:
		kind = 6
	case spaces*3 >= n:
		kind = 7
	case spaces > 0:
		kind = 8
	case digits+dots == n:
		kind = 9
	case letters+digits < n/2:
		kind = 10
	case dots > 0:
		kind = 11
	case slashes > 0:
		kind = 12
	}
	return join(hashText, kind<<8|uint64(bits.Len(uint(len(text)))/2))
}

// hasAddress reports whether text holds an IPv4 address that stands for a
// machine elsewhere: not loopback, not a wildcard, and no version number.
func hasAddress(text []byte) bool {
	if bytes.IndexByte(text, '.') < 0 && !bytes.Contains(text, []byte("://")) {
		return false
	}
	for i := 0; i < len(text); i++ {
		if c := text[i]; c < '0' || c > '9' || i > 0 && (text[i-1] == '.' || text[i-1] >= '0' && text[i-1] <= '9') {
			continue
		}
		if i > 2 && string(text[i-3:i]) == "://" && numberHost(text[i:]) {
			return true
		}
		if first, n, ok := address(text[i:]); ok {
			before, after := byte(0), byte(0)
			if i > 0 {
				before = text[i-1]
			}
			if i+n < len(text) {
				after = text[i+n]
			}
			alone := (before == 0 || before == '/' || before == '@' || before == ' ' || before == '=' || before == '"' || before == '\'') && after != '.' && after != '-'
			if alone && first != 127 && first != 0 && first != 255 && first != 169 {
				return true
			}
		}
	}
	return false
}

// numberHost reports whether a URL goes on with an address that is written as
// one number, or with hexadecimal or octal parts: 3405803783, 0xcb.0.0x71.7.
func numberHost(s []byte) bool {
	end := bytes.IndexAny(s, "/:?#")
	if end < 0 {
		end = len(s)
	}
	if end > 48 {
		return false
	}
	parts := strings.Split(string(s[:end]), ".")
	odd := len(parts) == 1 && end > 7 // small numbers are ids
	for _, part := range parts {
		if _, err := strconv.ParseUint(part, 0, 32); err != nil || len(parts) > 4 || strings.ContainsRune(part, '_') {
			return false
		}
		odd = odd || len(parts) > 1 && len(part) > 1 && part[0] == '0'
	}
	return odd
}

// address reads four numbers up to 255 with points between, and returns the
// first one and the length.
func address(s []byte) (first, length int, ok bool) {
	i := 0
	for part := range 4 {
		n, digits := 0, 0
		for i < len(s) && s[i] >= '0' && s[i] <= '9' && digits < 4 {
			n = n*10 + int(s[i]-'0')
			digits++
			i++
		}
		if digits == 0 || n > 255 {
			return 0, 0, false
		}
		if part == 0 {
			first = n
		}
		if part < 3 {
			if i >= len(s) || s[i] != '.' {
				return 0, 0, false
			}
			i++
		}
	}
	return first, i, true
}
