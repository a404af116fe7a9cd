package normalize

import "slices"

// cutLoop is the outermost loop of a comprehension that was cut.
type cutLoop struct {
	clause int // the token behind its iterable
	of     sequence
	read   int // elements that were read
}

// minSubstituted is how many characters must have been read for a table to be
// made of them.
const minSubstituted = 64

// substitute finishes a comprehension that was cut and that replaces each
// character by another one, always the same. A character that was not met stays
// as it is.
func (p *peeler) substitute(g *gather) {
	c := g.cut
	if c.read < minSubstituted || len(g.ints) < c.read-1 || len(g.ints) > c.read || c.of.n > maxGathered ||
		g.kind != chars && g.kind != integers {
		return
	}
	table := make(map[int32]int32, 256)
	repeated := 0
	for k, to := range g.ints {
		from, ok := c.of.code(k)
		if before, met := table[from]; !ok || met && before != to {
			return
		} else if met {
			repeated++
		}
		table[from] = to
	}
	if repeated < len(g.ints)/4 || !p.u.spend(8*c.of.n+overhead) {
		return
	}
	whole := append(make([]int32, 0, c.of.n), g.ints...)
	for k := len(g.ints); k < c.of.n; k++ {
		from, ok := c.of.code(k)
		if !ok {
			break
		}
		to, met := table[from]
		if !met {
			to = from
		}
		whole = append(whole, to)
	}
	g.ints = whole
}

// code is the number of element i, if it is a byte or a single character.
func (s *sequence) code(i int) (int32, bool) {
	switch s.of.kind {
	case text, bytesText:
		return int32(s.of.data[i]), true
	case integers, chars:
		return s.of.extra.ints[i], true
	}
	return code1(s.at(i))
}

// code1 is the number of a byte or of a single character.
func code1(v value) (int32, bool) {
	switch {
	case v.kind == integer && v.num == int64(int32(v.num)):
		return int32(v.num), true
	case v.kind == text && len(v.data) > 0 && len(v.data) <= 4:
		if r := v.chars(); len(r) == 1 {
			return r[0], true
		}
	}
	return 0, false
}

// The bounds of memos.
const (
	minRemembered = 512 // elements of a loop that has one
	minSame       = 256 // that must have become what one like them became
	maxCode       = 1 << 11
)

// memo remembers what the elements of the outermost loop of a comprehension
// became. Once enough of them became what one like them had become, the element
// expression is not evaluated again for those that were met: it makes a text of
// a text, character by character. A nil memo remembers nothing.
type memo struct {
	of     sequence
	to     [maxCode]int32 // by the number of a byte or a character
	met    [maxCode]bool
	same   int
	varies bool
}

// memoOf makes a memo for a loop whose iterable ends before token next.
func (p *peeler) memoOf(g *gather, next int, of sequence) *memo {
	if of.n < minRemembered || next != g.cut.clause || next < len(p.toks) && (p.toks[next].code == wordFor || p.toks[next].code == wordIf) {
		return nil
	}
	return &memo{of: of}
}

// recall adds what the elements from the first k on become, up to one of which
// that is not known, and gives that one. It reports whether there was room.
func (p *peeler) recall(g *gather, m *memo, k int) (next int, ok bool) {
	if m == nil || m.varies || m.same < minSame || g.kind != chars && g.kind != integers {
		return k, true
	}
	end := min(m.of.n, k+maxGathered-len(g.ints))
	if n := end - k; len(g.ints)+n > cap(g.ints) {
		if !p.u.spend(4 * n) {
			return k, false
		}
		g.ints = slices.Grow(g.ints, n)
	}
	out := g.ints
	switch v := m.of.of; v.kind {
	case text, bytesText:
		for ; k < end && m.met[v.data[k]]; k++ {
			out = append(out, m.to[v.data[k]])
		}
	case integers, chars:
		for ; k < end; k++ {
			c := uint32(v.extra.ints[k])
			if c >= maxCode || !m.met[c] {
				break
			}
			out = append(out, m.to[c])
		}
	}
	g.ints = out
	return k, true
}

// note remembers what element k became, if that is the one element that was
// added to the first had.
func (m *memo) note(g *gather, k, had int) {
	if m == nil || m.varies {
		return
	}
	c, ok := m.of.code(k)
	if ok = ok && len(g.ints) == had+1; !ok || uint32(c) >= maxCode {
		m.varies = !ok
		return
	}
	to := g.ints[had]
	switch {
	case !m.met[c]:
		m.met[c], m.to[c] = true, to
	case m.to[c] == to:
		m.same++
	default:
		m.varies = true
	}
}
