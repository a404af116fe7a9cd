package normalize

import "bytes"

// decodeUU decodes uuencoded lines, with or without the lines that frame them.
func decodeUU(in []byte, _ []int64, limit int) ([]byte, bool) {
	var out []byte
	for len(in) > 0 && len(out) < limit {
		line := in
		if end := bytes.IndexByte(in, '\n'); end >= 0 {
			line, in = in[:end], in[end+1:]
		} else {
			in = nil
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 || bytes.HasPrefix(line, []byte("begin ")) {
			continue
		}
		n := int(line[0]-' ') & 63
		if n == 0 || string(line) == "end" {
			break
		}
		to := len(out) + n
		for line = line[1:]; len(out) < to && len(line) > 0; {
			bits := uint32(0)
			for k := range 4 {
				bits <<= 6
				if k < len(line) {
					bits |= uint32(line[k]-' ') & 63
				}
			}
			out = append(out, byte(bits>>16), byte(bits>>8), byte(bits))
			line = line[min(4, len(line)):]
		}
		out = out[:min(len(out), to)]
	}
	return out[:min(len(out), limit)], len(out) > 0
}
