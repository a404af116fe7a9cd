package normalize

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"kingsnake/normalize/bytecode"
)

// Literals that nothing seems to decode are tried as well, since the code that
// decodes them may be beyond what is evaluated here. What comes out counts only
// if it is text, and its Transform starts with "guess".
const (
	guessStep = "guess"
	minGuess  = 40 // characters of an encoded run
	maxGuess  = 32 // guesses in one layer that came to something
)

// literals looks into the literals of the layer that were not decoded.
func (p *peeler) literals() {
	guesses := 0
	for i, t := range p.toks {
		if t.Kind != String || guesses > maxGuess {
			continue
		}
		if t.End-t.Start < 6 || t.End-t.Start < minGuess && t.Flags&Escaped == 0 {
			continue
		}
		open, _, _ := quotes(p.src, t)
		if p.spent[int32(open)] {
			continue
		}
		if t.Flags&Escaped != 0 && t.Flags&Raw == 0 && hidesText(t.Bytes(p.src)) {
			if data, ok := StringValue(p.src, t); ok && p.u.spend(len(data)) {
				p.report(value{kind: text, data: data, start: t.Start, end: t.End,
					extra: &extra{steps: "escape", pieces: stringPieces(p.src, t, 0, nil)}}, false)
			}
			continue
		}
		if t.End-t.Start >= minGuess && p.guess(value{kind: text, data: p.src[open:t.End], literal: true,
			tok: int32(i), start: t.Start, end: t.End}) {
			guesses++
		}
	}
}

// hidesText reports whether a literal spells printable characters by their
// numbers or names.
func hidesText(literal []byte) bool {
	hidden := 0
	for {
		i := bytes.IndexByte(literal, '\\')
		if i < 0 || i+3 >= len(literal) {
			return false
		}
		c, next := literal[i+1], literal[i+2]
		switch {
		case c == 'x' && next >= '2' && next <= '7',
			c == '1' && next >= '0' && next <= '7' || (c >= '4' && c <= '7') && next >= '0' && next <= '7',
			c == 'u' && next == '0' && literal[i+3] == '0',
			c == 'N' && next == '{':
			hidden++
		}
		if hidden >= 2 {
			return true
		}
		literal = literal[i+2:]
	}
}

// guess tries the runs of base64 and hexadecimal digits in a text.
func (p *peeler) guess(v value) bool {
	data := v.data
	found := false
	for from := 0; from+minGuess <= len(data); {
		to, hex := encodedRun(data, from)
		if to-from >= minGuess && p.guessRun(v, from, to, hex) {
			found = true
		}
		from = to + 1
	}
	return found
}

// encodedRun finds where the run of base64 digits that starts at from ends,
// and whether they are all hexadecimal. Line ends inside it belong to it.
func encodedRun(data []byte, from int) (to int, hex bool) {
	hex = true
	for to = from; to < len(data); to++ {
		c := data[to]
		switch {
		case isHex(c):
		case base64Digits[c] != 255:
			hex = false
		case c == '=' && to-from < 2:
			hex = false // padding in front: the text stands backwards
		case c == '=':
			for to < len(data) && data[to] == '=' {
				to++
			}
			return to, false
		case c == '\n' && to > from && to+1 < len(data) && base64Digits[data[to+1]] != 255:
		default:
			return to, hex
		}
	}
	return to, hex
}

// guessRun decodes one run and adds the layer if it is text.
func (p *peeler) guessRun(v value, from, to int, hex bool) bool {
	part := p.substringOf(v, from, to)
	run, steps, step := part.data, addStep(v.steps(), guessStep), "base64"
	switch {
	case hex:
		step = "hex"
	case run[0] == '=':
		part = p.reverse(part)
		run, steps = part.data, addStep(steps, "reverse")
	}
	d := codecDecoders[step]
	// The beginning tells almost everything that is nothing.
	head, ok := d.decode(run[:min(len(run), 64)&^3], nil, 64)
	if !ok || isBinary(head) && !isPacked(head) && !isUTF16(head) {
		return false
	}
	data, _, ok := p.run1(d, run, nil, nil)
	if !ok {
		return false
	}
	part = p.derive(part, bytesText, data, "")
	if part.extra == nil {
		return false
	}
	part.extra.steps = addStep(steps, step)
	if isBinary(data) {
		if part, ok = p.unpackBinary(part); !ok || isBinary(part.data) {
			return false
		}
	}
	if len(part.data) < minLayer {
		return false
	}
	p.addLayer(part, part.steps(), false)
	return true
}

// substringOf is a stretch of v as it stands there.
func (p *peeler) substringOf(v value, from, to int) value {
	out := value{kind: v.kind, data: v.data[from:to], start: v.start, end: v.end}
	if v.literal {
		open, _, _ := quotes(p.src, p.toks[v.tok])
		out.extra = &extra{pieces: []piece{{0, int32(open + from), int32(open + to)}}}
		return out
	}
	out.extra = &extra{pieces: cutPieces(p.pieces(v), from, to, len(v.data))}
	return out
}

// isPacked reports whether data starts like that of zlib, gzip, bz2 or xz.
func isPacked(data []byte) bool {
	if len(data) < 8 {
		return false
	}
	return string(data[:3]) == "BZh" && string(data[4:8]) == "1AY&" || string(data[:6]) == "\xfd7zXZ\x00" ||
		data[0] == 0x1f && data[1] == 0x8b || data[0] == 0x78 && (int(data[0])<<8|int(data[1]))%31 == 0
}

// isUTF16 reports whether data looks like ASCII in little-endian UTF-16.
func isUTF16(data []byte) bool {
	if len(data) < 8 {
		return false
	}
	n := min(len(data)&^1, 64)
	zeros := 0
	for i := 1; i < n; i += 2 {
		if data[i] == 0 && data[i-1] != 0 {
			zeros++
		}
	}
	return zeros >= n/2-2
}

// unpackBinary tries to read decoded bytes that are no text.
func (p *peeler) unpackBinary(v value) (value, bool) {
	switch {
	case isPacked(v.data):
		d := codecDecoders["zlib"]
		switch v.data[0] {
		case 0x1f:
			d = callDecoders["gzip.decompress"]
		case 'B':
			d = codecDecoders["bz2"]
		case 0xfd:
			d = callDecoders["lzma.decompress"]
		}
		if data, _, ok := p.run1(d, v.data, nil, nil); ok {
			return p.derive(v, bytesText, data, p.guessed(v, d.name)), true
		}
	case bytecode.IsCode(v.data):
		if data, lines, ok := p.run1(callDecoders["marshal.loads"], v.data, nil, nil); ok {
			return p.derive(v, text, data, p.guessed(v, "marshal")).from(lines), true
		}
	case isUTF16(v.data):
		if data, ok := decodeUTF16(v.data[:len(v.data)&^1]); ok && p.u.spend(len(data)) {
			return p.derive(v, text, data, p.guessed(v, "utf16")), true
		}
	}
	return value{}, false
}

// guessed names a step that was guessed, with "guess" before the first.
func (p *peeler) guessed(v value, step string) string {
	if strings.Contains(v.steps(), guessStep) {
		return step
	}
	return guessStep + "+" + step
}

// isBinary reports whether data is no text, judged by its beginning: more than
// one byte in twenty is a control character or no UTF-8.
func isBinary(data []byte) bool {
	head := data[:min(len(data), 4096)]
	bad := 0
	for i := 0; i < len(head); {
		c := head[i]
		if c >= 0x80 {
			r, n := utf8.DecodeRune(head[i:])
			if r == utf8.RuneError && n == 1 && i+utf8.UTFMax < len(head) {
				bad++
			}
			i += n
			continue
		}
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b || c == 0x7f {
			bad++
		}
		i++
	}
	return bad*20 > len(head)
}

// plainSteps reports whether the steps only put a text together, as much code
// does with its messages.
func plainSteps(steps string) bool {
	for step := range strings.SplitSeq(steps, "+") {
		switch step {
		case "", "join", "replace", "slice", "format", "escape", "case":
		default:
			return false
		}
	}
	return true
}

// looksLikeCode reports whether a text has a word of code and the signs that
// go with it.
func looksLikeCode(data []byte) bool {
	data = data[:min(len(data), 1<<16)]
	if bytes.IndexByte(data, '(') < 0 && bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(data, ';') < 0 {
		return false
	}
	for _, word := range [...]string{"import ", "exec(", "eval(", "def ", "lambda ", "__import__", "#!/", "socket.",
		"subprocess.", "os.system"} {
		if bytes.Contains(data, []byte(word)) {
			return true
		}
	}
	return false
}
