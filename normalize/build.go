package normalize

import "bytes"

// concat joins two texts.
func (p *peeler) concat(left, right value) value {
	p.use(left)
	p.use(right)
	out := value{kind: left.kind, start: left.start, end: right.end}
	out.extra = &extra{steps: addStep(left.steps(), right.steps())}
	if out.extra.steps == "" {
		out.extra.steps = "join"
	}
	n := len(left.data) + len(right.data)
	if b := left.growing(); b != nil {
		if !p.u.spend(2 * len(right.data)) {
			return value{}
		}
		out.extra.buffer = b
		out.extra.pieces = p.appendPieces(left.extra.pieces, right, len(left.data))
		out.data = append(left.data, right.data...)
	} else {
		if !p.u.spend(n + n/2 + overhead) {
			return value{}
		}
		out.extra.buffer = &buffer{}
		out.extra.pieces = p.appendPieces(p.appendPieces(nil, left, 0), right, len(left.data))
		out.data = append(append(make([]byte, 0, n+n/2+16), left.data...), right.data...)
	}
	out.extra.buffer.top = n
	return out
}

// growing gives the buffer that v may be appended to in place, if there is one.
func (v value) growing() *buffer {
	if v.extra == nil || v.extra.buffer == nil || v.extra.buffer.top != len(v.data) {
		return nil
	}
	return v.extra.buffer
}

// appendPieces appends the pieces of v, whose data starts at byte at of the
// value under construction. Pieces that become too many are made one.
func (p *peeler) appendPieces(pieces []piece, v value, at int) []piece {
	if p.quiet > 0 || len(v.data) == 0 {
		return pieces
	}
	before := len(pieces)
	if v.literal {
		pieces = stringPieces(p.home.src, p.home.toks[v.tok], int32(at), pieces)
	} else {
		for _, more := range p.pieces(v) {
			more.value += int32(at)
			pieces = append(pieces, more)
		}
	}
	enough := p.u.spend(pieceSize * (len(pieces) - before))
	if len(pieces) <= maxPieces && enough {
		return pieces
	}
	all := pieces[0]
	for _, more := range pieces[1:] {
		all.start, all.end = min(all.start, more.start), max(all.end, more.end)
	}
	return []piece{all}
}

// join is separator.join(list).
func (p *peeler) join(separator value, parts sequence) value {
	if parts.of.kind == chars && len(separator.data) == 0 && separator.kind == text {
		return p.joinChars(parts.of)
	}
	n := 0
	for i := range parts.n {
		part := parts.at(i)
		if !part.isText() || n > maxMade {
			return value{}
		}
		n += len(part.data) + len(separator.data)
	}
	if parts.n == 0 || !p.u.spend(n+overhead) {
		return value{}
	}
	out := value{kind: separator.kind, start: separator.start, end: p.lastEnd(), data: make([]byte, 0, n)}
	var pieces []piece
	steps := ""
	for i := range parts.n {
		part := parts.at(i)
		p.use(part)
		if i > 0 && len(separator.data) > 0 {
			pieces = p.appendPieces(pieces, separator, len(out.data))
			out.data = append(out.data, separator.data...)
		}
		pieces = p.appendPieces(pieces, part, len(out.data))
		out.data = append(out.data, part.data...)
		steps = addStep(steps, part.steps())
	}
	if steps == "" {
		steps = "join"
	}
	out.extra = &extra{pieces: pieces, steps: steps}
	return out
}

// joinChars is "".join(v) for a list of characters.
func (p *peeler) joinChars(v value) value {
	if !p.u.spend(len(v.extra.ints)) {
		return value{}
	}
	data := make([]byte, 0, len(v.extra.ints))
	for _, c := range v.extra.ints {
		data = appendChar(data, int(c), false)
	}
	return p.derive(v, text, data, "chr")
}

// substring is bytes [from, to) of the data of v, made by the named step.
func (p *peeler) substring(v value, from, to int, step string) value {
	p.use(v)
	pieces := p.pieces(v)
	if !p.u.spend(pieceSize*len(pieces) + overhead) {
		return value{}
	}
	out := value{kind: v.kind, start: v.start, end: v.end, data: v.data[from:to:to]}
	out.extra = &extra{steps: addStep(v.steps(), step), pieces: cutPieces(pieces, from, to, len(v.data))}
	return out
}

// cutPieces gives the pieces of bytes [from, to) of a value of size bytes.
func cutPieces(pieces []piece, from, to, size int) []piece {
	var out []piece
	for i, q := range pieces {
		end := size
		if i+1 < len(pieces) {
			end = int(pieces[i+1].value)
		}
		a, b := max(from, int(q.value)), min(to, end)
		if a >= b {
			continue
		}
		cut := piece{int32(a - from), q.start, q.end}
		if end-int(q.value) == int(q.end-q.start) {
			cut.start += int32(a) - q.value
			cut.end = cut.start + int32(b-a)
		}
		out = append(out, cut)
	}
	return out
}

// replace is v.replace(old, with).
func (p *peeler) replace(v, old, with value) value {
	if len(old.data) == 0 {
		return value{}
	}
	n := bytes.Count(v.data, old.data)
	if n == 0 {
		return v
	}
	if !p.u.spend(len(v.data) + n*(len(with.data)-len(old.data))) {
		return value{}
	}
	return p.derive(v, v.kind, bytes.ReplaceAll(v.data, old.data, with.data), "replace")
}

// fromInts makes a text of character codes; of bytes where kind says so.
func (p *peeler) fromInts(v value, kind valueKind) value {
	var ints []int32
	switch {
	case v.kind == integers:
		ints = v.extra.ints
	case v.kind == list && len(v.extra.items) == 0:
	default:
		return value{}
	}
	if !p.u.spend(len(ints)) {
		return value{}
	}
	data := make([]byte, 0, len(ints))
	for _, c := range ints {
		if c < 0 || kind == bytesText && c > 255 {
			return value{}
		}
		data = appendChar(data, int(c), kind == bytesText)
	}
	return p.derive(v, kind, data, "chr")
}

// sequence is the elements of a text or a list.
type sequence struct {
	of value
	n  int
}

// at gives element i.
func (s sequence) at(i int) value {
	v := s.of.at(i)
	if s.of.isText() {
		v.start, v.end = s.of.start, s.of.end
		v.named = true // it is reported with what it is part of
	}
	return v
}

// elements gives the elements of a text or a list, if it is known.
func (p *peeler) elements(v value) (s sequence, ok bool) {
	s = sequence{of: v, n: v.length()}
	if s.n < 0 {
		return sequence{}, false
	}
	if v.kind == text && !isASCII(v.data) {
		if !p.u.spend(4 * s.n) {
			return sequence{}, false
		}
		s.of.kind, s.of.literal = chars, false
		s.of.extra = &extra{ints: v.chars(), steps: v.steps(), pieces: p.whole(v)}
	}
	return s, true
}

// pushAll puts elements on the stack.
func (p *peeler) pushAll(s sequence) {
	for i := range s.n {
		p.push(s.at(i))
	}
}

// reverse is v[::-1].
func (p *peeler) reverse(v value) value {
	switch v.kind {
	case text, bytesText:
		if !p.u.spend(len(v.data)) {
			return value{}
		}
		var data []byte
		if v.kind == text && !isASCII(v.data) {
			for chars := v.chars(); len(chars) > 0; chars = chars[:len(chars)-1] {
				data = append(data, string(chars[len(chars)-1])...)
			}
		} else {
			data = make([]byte, len(v.data))
			for i, c := range v.data {
				data[len(data)-1-i] = c
			}
		}
		return p.derive(v, v.kind, data, "reverse")
	case list, integers, chars:
		elements, ok := p.elements(v)
		if !ok {
			return value{}
		}
		base := len(p.stack)
		for i := elements.n - 1; i >= 0; i-- {
			p.push(elements.at(i))
		}
		return p.popList(base, v.start)
	}
	return value{}
}
