package normalize

import (
	"bytes"
	"crypto/rc4"
	"maps"
	"slices"
)

// A loop that deciphers byte by byte costs more steps than there are for a long
// text. Where its beginning came out, the rest follows, if that beginning is
// what a simple cipher makes of a text at hand: RC4 with a key at hand, or a
// key stream that repeats.

const (
	minCipher = 24  // bytes that must agree
	maxTried  = 64  // texts that are tried
	maxKey    = 256 // bytes of a key
)

// finishCiphers finishes the texts that a loop that was cut has begun.
func (p *peeler) finishCiphers() {
	if p.frame == nil {
		return
	}
	var begun []string
	for i := range p.frame.before {
		name := p.frame.before[i].name
		if v := p.env[name]; v.isText() && len(v.data) >= minCipher {
			begun = append(begun, name)
		}
	}
	if len(begun) == 0 {
		return
	}
	slices.Sort(begun)
	var texts []value
	for _, name := range slices.Sorted(maps.Keys(p.env)) {
		if v := p.env[name]; len(texts) < maxTried && v.isText() && len(v.data) > 0 {
			texts = append(texts, v)
		}
	}
	for _, name := range begun[:min(len(begun), 8)] {
		if v := p.finishCipher(p.env[name], texts); v.known() {
			p.setLocal(name, v)
		}
	}
}

// finishCipher gives the whole text of which out is the beginning, if it is one
// of texts deciphered.
func (p *peeler) finishCipher(out value, texts []value) value {
	begun := out.raw()
	for _, in := range texts {
		if in.length() <= out.length() || !p.touch(in, out) {
			continue
		}
		data := in.raw()
		if len(data) < len(begun) {
			continue
		}
		whole := repeating(data, begun)
		for _, key := range texts {
			if whole != nil {
				break
			}
			whole = ciphered(data, begun, key.raw())
		}
		if whole == nil || !p.u.spend(3*len(whole)+overhead) {
			continue
		}
		if out.kind == text {
			whole = latin(whole)
		}
		return p.derive(in, out.kind, whole, "cipher")
	}
	return value{}
}

// latin is the UTF-8 of the characters of these numbers.
func latin(data []byte) []byte {
	if isASCII(data) {
		return data
	}
	out := make([]byte, 0, 2*len(data))
	for _, c := range data {
		out = appendChar(out, int(c), false)
	}
	return out
}

// repeating deciphers in, of which begun is the beginning, with a key stream
// that is combined by exclusive or, or added, and that repeats.
func repeating(in, begun []byte) []byte {
	for _, combine := range [...]func(a, b byte) byte{
		func(a, b byte) byte { return a ^ b },
		func(a, b byte) byte { return a - b },
	} {
		stream := make([]byte, len(begun))
		for i, c := range begun {
			stream[i] = combine(c, in[i])
		}
		n := period(stream)
		if n == 0 || n == 1 && stream[0] == 0 {
			continue
		}
		added := combine(0, 1) != 1
		out := make([]byte, len(in))
		for i, c := range in {
			if added {
				out[i] = c + stream[i%n]
			} else {
				out[i] = c ^ stream[i%n]
			}
		}
		return out
	}
	return nil
}

// period is the number of bytes after which s repeats, at least twice, or 0.
func period(s []byte) int {
	for n := 1; n <= min(len(s)/2, maxKey); n++ {
		if bytes.Equal(s[n:], s[:len(s)-n]) {
			return n
		}
	}
	return 0
}

// ciphered deciphers in with RC4, if that makes what begun begins with.
func ciphered(in, begun, key []byte) []byte {
	if len(key) == 0 || len(key) > maxKey {
		return nil
	}
	c, err := rc4.NewCipher(key)
	if err != nil {
		return nil
	}
	var head [minCipher]byte // most keys are wrong: seen before there is room for all of it
	n := copy(head[:], in[:min(len(begun), minCipher)])
	c.XORKeyStream(head[:n], head[:n])
	if !bytes.HasPrefix(begun, head[:n]) {
		return nil
	}
	out := make([]byte, len(in))
	copy(out, head[:n])
	c.XORKeyStream(out[n:], in[n:])
	if !bytes.HasPrefix(out, begun) {
		return nil
	}
	return out
}
