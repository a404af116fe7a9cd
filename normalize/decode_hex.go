package normalize

// decodeHex decodes pairs of hexadecimal digits, between which white space may
// stand.
func decodeHex(in []byte, _ []int64, limit int) ([]byte, bool) {
	out := make([]byte, 0, min(len(in)/2, limit))
	for i := 0; i < len(in) && len(out) < limit; {
		if k := byteClass[in[i]]; k == classSpace || k == classLine {
			i++
			continue
		}
		if i+1 >= len(in) || !isHex(in[i]) || !isHex(in[i+1]) {
			return out, false
		}
		out = append(out, byte(hexDigit(in[i])<<4|hexDigit(in[i+1])))
		i += 2
	}
	return out, len(out) > 0
}
