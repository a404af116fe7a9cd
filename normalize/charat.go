package normalize

// lastChars are the characters of the text that was indexed last: a loop that
// deciphers reads one text character by character.
type lastChars struct {
	data  []byte
	runes []rune // nil if it is ASCII
}

// minLastChars is the length of a text from which on its characters are kept.
const minLastChars = 64

// oneSliced says how such a character was made, as oneChar does.
var oneSliced = &extra{steps: "slice", used: true}

// charAt is v[k] for a str.
func (p *peeler) charAt(v value, k int64) value {
	last := &p.lastChars
	if len(v.data) == 0 {
		return value{}
	}
	if len(v.data) < minLastChars {
		last = &lastChars{} // a key, between the characters of a long text
	}
	if len(last.data) != len(v.data) || &last.data[0] != &v.data[0] {
		if !p.touch(v) {
			return value{}
		}
		*last = lastChars{data: v.data}
		if !isASCII(v.data) {
			if !p.u.spend(4 * len(v.data)) {
				*last = lastChars{}
				return value{}
			}
			last.runes = []rune(string(v.data))
		}
	}
	n := len(v.data)
	if last.runes != nil {
		n = len(last.runes)
	}
	if k < 0 {
		k += int64(n)
	}
	switch {
	case k < 0 || k >= int64(n):
		return value{}
	case p.quiet > 0: // where each came from is not asked
		out := value{kind: text, start: v.start, end: v.end, extra: oneSliced}
		if last.runes == nil {
			out.data = v.data[k : k+1 : k+1]
		} else {
			out.data = appendChar(nil, int(last.runes[k]), false)
		}
		return out
	case last.runes == nil:
		return p.substring(v, int(k), int(k)+1, "slice")
	}
	return p.derive(v, text, appendChar(nil, int(last.runes[k]), false), "slice")
}
