package normalize

// decodeRot13 turns every ASCII letter by half the alphabet.
func decodeRot13(in []byte, _ []int64, limit int) ([]byte, bool) {
	out := make([]byte, min(len(in), limit))
	for i := range out {
		c := in[i]
		switch lower := c | 0x20; {
		case lower >= 'a' && lower <= 'm':
			c += 13
		case lower >= 'n' && lower <= 'z':
			c -= 13
		}
		out[i] = c
	}
	return out, len(out) > 0
}
