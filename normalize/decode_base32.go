package normalize

// base32Digits gives the value of every digit of base32, in either case, and
// 255 for what is none.
var base32Digits = digitValues("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "abcdefghijklmnopqrstuvwxyz")

// digitValues gives the place of every byte in each of some alphabets, and 255
// for what is in none.
func digitValues(alphabets ...string) (t [256]byte) {
	for i := range t {
		t[i] = 255
	}
	for _, digits := range alphabets {
		for i := range digits {
			t[digits[i]] = byte(i)
		}
	}
	return t
}

// decodeBase32 decodes base32. Padding ends it, and may be missing; so may
// line ends stand in it.
func decodeBase32(in []byte, _ []int64, limit int) ([]byte, bool) {
	out := make([]byte, 0, min(len(in)/8*5+5, limit))
	bits, n := uint64(0), 0
	for _, c := range in {
		if k := byteClass[c]; k == classSpace || k == classLine {
			continue
		}
		d := base32Digits[c]
		if d == 255 {
			return out, c == '=' && len(out) > 0
		}
		bits = bits<<5 | uint64(d)
		if n += 5; n >= 8 {
			if len(out) >= limit {
				break
			}
			n -= 8
			out = append(out, byte(bits>>n))
		}
	}
	return out, len(out) > 0
}
