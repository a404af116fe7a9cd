package normalize

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
	table := map[int32]int32{}
	repeated := 0
	for k, to := range g.ints {
		from, ok := code1(c.of.at(k))
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
		from, ok := code1(c.of.at(k))
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
