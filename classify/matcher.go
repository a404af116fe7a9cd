package classify

// pattern is a text to look for and the behavior it shows.
type pattern struct {
	text     string
	behavior int
}

// matcher finds many patterns in one pass (Aho and Corasick, 1975). It reads
// letters without case and any run of slashes and backslashes as one slash.
type matcher struct {
	class [256]uint8 // of a byte: index into a row of next
	width int
	next  []uint16 // state × class → state
	found []int16  // behavior that ends in a state, or noBehavior
	more  []uint16 // nearest shorter state with a behavior, 0 for none
	ends  []bool   // a behavior ends in a state or in a shorter one
}

// fold is the byte that a matcher reads for c.
func fold(c byte) byte {
	switch {
	case c == '\\':
		return '/'
	case c >= 'A' && c <= 'Z':
		return c + 'a' - 'A'
	}
	return c
}

// folded is fold of every byte.
var folded = func() (t [256]byte) {
	for c := range t {
		t[c] = fold(byte(c))
	}
	return t
}()

func newMatcher(patterns []pattern) *matcher {
	m := &matcher{width: 1} // class 0 is every byte that no pattern has
	for _, p := range patterns {
		for i := range len(p.text) {
			if c := fold(p.text[i]); m.class[c] == 0 {
				m.class[c] = uint8(m.width)
				m.width++
			}
		}
	}
	for c := range 256 {
		m.class[c] = m.class[fold(byte(c))]
	}
	m.addState()
	for _, p := range patterns {
		s := uint16(0)
		for i := range len(p.text) {
			at := int(s)*m.width + int(m.class[p.text[i]])
			if m.next[at] == 0 {
				m.next[at] = m.addState()
			}
			s = m.next[at]
		}
		m.found[s] = int16(p.behavior)
	}
	m.link()
	m.ends = make([]bool, len(m.found))
	for s := range m.ends {
		m.ends[s] = s != 0 && (m.found[s] != noBehavior || m.more[s] != 0)
	}
	return m
}

func (m *matcher) addState() uint16 {
	m.next = append(m.next, make([]uint16, m.width)...)
	m.found = append(m.found, noBehavior)
	m.more = append(m.more, 0)
	return uint16(len(m.found) - 1)
}

// link completes the automaton: where a pattern can not go on, the longest
// suffix that starts another one does.
func (m *matcher) link() {
	fail := make([]uint16, len(m.found))
	var queue []uint16
	for c := range m.width {
		if s := m.next[c]; s != 0 {
			queue = append(queue, s)
		}
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		f := fail[s]
		if m.more[s] = f; m.found[f] == noBehavior {
			m.more[s] = m.more[f]
		}
		for c := range m.width {
			at := int(s)*m.width + c
			back := m.next[int(f)*m.width+c]
			if t := m.next[at]; t != 0 {
				fail[t] = back
				queue = append(queue, t)
			} else {
				m.next[at] = back
			}
		}
	}
}

// each calls yield with the behavior of every pattern in text.
func (m *matcher) each(text []byte, yield func(behavior int)) {
	s, before := uint16(0), uint8(0)
	slash := m.class['/']
	for _, c := range text {
		class := m.class[c]
		if class == slash && before == slash && slash != 0 {
			continue
		}
		before = class
		s = m.next[int(s)*m.width+int(class)]
		if !m.ends[s] {
			continue
		}
		for t := s; t != 0; t = m.more[t] {
			if b := m.found[t]; b != noBehavior {
				yield(int(b))
			}
		}
	}
}
