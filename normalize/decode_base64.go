package normalize

// base64Digits gives the value of every digit of base64, in the standard and
// in the URL-safe alphabet, and 255 for what is none.
var base64Digits = func() (t [256]byte) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return digitValues(letters+"+/", letters+"-_")
}()

// decodeBase64 decodes base64 as Python does when it does not validate: bytes
// outside the alphabet are passed over. Padding ends it, and may be missing.
func decodeBase64(in []byte, _ []int64, limit int) ([]byte, bool) {
	out := make([]byte, 0, min(len(in)/4*3+3, limit+3))
	var bits uint32
	n, padding := 0, 0
	for len(in) >= 4 && len(out) < limit { // as long as nothing else stands between digits
		a, b, c, d := base64Digits[in[0]], base64Digits[in[1]], base64Digits[in[2]], base64Digits[in[3]]
		if a|b|c|d > 63 {
			break
		}
		out = append(out, a<<2|b>>4, b<<4|c>>2, c<<6|d)
		in = in[4:]
	}
	for _, c := range in {
		if c == '=' {
			padding++
			if n+padding >= 4 {
				break
			}
			continue
		}
		d := base64Digits[c]
		if d == 255 {
			continue
		}
		if len(out) >= limit {
			break
		}
		padding = 0
		bits = bits<<6 | uint32(d)
		if n++; n == 4 {
			out = append(out, byte(bits>>16), byte(bits>>8), byte(bits))
			n = 0
		}
	}
	switch n {
	case 2:
		out = append(out, byte(bits>>4))
	case 3:
		out = append(out, byte(bits>>10), byte(bits>>2))
	}
	return out[:min(len(out), limit)], len(out) > 0
}
