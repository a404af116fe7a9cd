package normalize

import "bytes"

// The alphabets of base85: of base64.b85decode, of base64.a85decode and of
// ZeroMQ.
var (
	base85Digits = digitValues("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~")
	ascii85      = digitValues("!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstu")
	z85Digits    = digitValues("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#")
)

// decodeBase85 decodes the base85 of b85decode.
func decodeBase85(in []byte, _ []int64, limit int) ([]byte, bool) {
	return from85(in, &base85Digits, 0, limit)
}

// decodeZ85 decodes the base85 of z85decode.
func decodeZ85(in []byte, _ []int64, limit int) ([]byte, bool) {
	return from85(in, &z85Digits, 0, limit)
}

// decodeASCII85 decodes the base85 of a85decode, with or without the signs
// that may frame it.
func decodeASCII85(in []byte, _ []int64, limit int) ([]byte, bool) {
	in = bytes.TrimPrefix(bytes.TrimSpace(in), []byte("<~"))
	return from85(bytes.TrimSuffix(in, []byte("~>")), &ascii85, 'z', limit)
}

// from85 decodes groups of five digits. The byte zero, if it is not 0, stands
// for a group of zeros.
func from85(in []byte, digits *[256]byte, zero byte, limit int) ([]byte, bool) {
	out := make([]byte, 0, min(len(in)/5*4+8, limit+4))
	group, n := uint32(0), 0
	for _, c := range in {
		if len(out) >= limit {
			break
		}
		if zero != 0 && c == zero && n == 0 {
			out = append(out, 0, 0, 0, 0)
			continue
		}
		d := digits[c]
		if d == 255 {
			if k := byteClass[c]; k == classSpace || k == classLine {
				continue
			}
			break
		}
		group = group*85 + uint32(d)
		if n++; n == 5 {
			out = append(out, byte(group>>24), byte(group>>16), byte(group>>8), byte(group))
			group, n = 0, 0
		}
	}
	if n > 1 {
		for k := n; k < 5; k++ {
			group = group*85 + 84
		}
		rest := [4]byte{byte(group >> 24), byte(group >> 16), byte(group >> 8), byte(group)}
		out = append(out, rest[:n-1]...)
	}
	return out[:min(len(out), limit)], len(out) > 0
}
