package normalize

import (
	"bytes"
	"encoding/base64"
	"unicode/utf16"
)

// encoding adds the layer that a script is which is not written in ASCII or
// what agrees with it, but in the encoding that its mark or its first lines
// name: Python reads what that makes of it.
func (u *unpacker) encoding() {
	src := u.layers[0].Text
	data, name, ok := decodeMarked(src)
	if !ok {
		if name = cookie(src); name == "" {
			return
		}
		limit := min(maxOutput, u.left())
		switch name = codecName(name); name {
		case "utf_7", "utf7", "u7":
			data, name = decodeUTF7(src, limit), "utf7"
		case "rot13", "rot_13":
			data, _ = decodeRot13(src, nil, limit)
			name = "rot13"
		case "unicode_escape", "raw_unicode_escape", "string_escape":
			if !bytes.Contains(src, []byte(`\`)) {
				return
			}
			data, name = unescape(src[:min(len(src), limit)]), "escape"
		default:
			return
		}
	}
	if len(data) == 0 || !u.spend(len(data)) {
		return
	}
	u.add(Layer{Transform: name, Text: data, Parent: 0, Depth: 1, Executed: true, Site: Span{0, len(src)},
		pieces: []piece{{0, 0, int32(len(src))}}})
}

// decodeMarked decodes a script that starts with the mark of UTF-16.
func decodeMarked(src []byte) (data []byte, name string, ok bool) {
	little := bytes.HasPrefix(src, []byte{0xff, 0xfe})
	if !little && !bytes.HasPrefix(src, []byte{0xfe, 0xff}) || len(src) < 4 {
		return nil, "", false
	}
	src = src[:min(len(src), maxOutput)&^1]
	if !little {
		swapped := make([]byte, len(src))
		for i := 0; i < len(src); i += 2 {
			swapped[i], swapped[i+1] = src[i+1], src[i]
		}
		src = swapped
	}
	data, ok = decodeUTF16(src)
	return data, "utf16", ok
}

// cookie gives the encoding that one of the first two lines names in a
// comment, as PEP 263 has it.
func cookie(src []byte) string {
	src = src[:min(len(src), 1024)]
	for range 2 {
		end := lineEnd(src, 0)
		line := bytes.TrimLeft(bytes.TrimPrefix(src[:end], []byte("\xef\xbb\xbf")), " \t\f")
		if len(line) > 0 && line[0] != '#' {
			return ""
		}
		if _, rest, ok := bytes.Cut(line, []byte("coding")); ok && len(rest) > 1 && (rest[0] == ':' || rest[0] == '=') {
			rest = bytes.TrimLeft(rest[1:], " \t")
			n := 0
			for n < len(rest) && (byteClass[rest[n]] == className || byteClass[rest[n]] == classDigit || rest[n] == '-' || rest[n] == '.') {
				n++
			}
			return string(rest[:n])
		}
		src = src[min(end+1, len(src)):]
	}
	return ""
}

// decodeUTF7 decodes UTF-7: ASCII, in which UTF-16 stands as base64 between a
// plus sign and a minus sign.
func decodeUTF7(in []byte, limit int) []byte {
	var out []byte
	for i := 0; i < len(in) && len(out) < limit; {
		if in[i] != '+' {
			out = append(out, in[i])
			i++
			continue
		}
		start := i + 1
		for i = start; i < len(in) && in[i] != '-' && base64Digits[in[i]] != 255; {
			i++
		}
		digits := in[start:i]
		if i < len(in) && in[i] == '-' {
			i++
			if len(digits) == 0 {
				out = append(out, '+')
			}
		}
		raw := make([]byte, base64.RawStdEncoding.DecodedLen(len(digits)))
		n, _ := base64.RawStdEncoding.Decode(raw, digits)
		units := make([]uint16, n/2)
		for k := range units {
			units[k] = uint16(raw[2*k])<<8 | uint16(raw[2*k+1])
		}
		out = append(out, string(utf16.Decode(units))...)
	}
	return out[:min(len(out), limit)]
}
