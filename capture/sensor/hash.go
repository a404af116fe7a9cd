package sensor

import "encoding/binary"

// textHash is how the kernel half knows texts again: see bpf/hash.h.
type textHash struct{ seed, factor, mask uint64 }

// hashBlock is the length of the blocks that are hashed; the last one of a text
// is filled up with zeros.
const hashBlock = 64

func (k textHash) sum(text []byte) uint64 {
	h := k.seed ^ uint64(len(text))
	for ; len(text) >= hashBlock; text = text[hashBlock:] {
		h = k.add(h, text[:hashBlock])
	}
	if len(text) > 0 {
		var last [hashBlock]byte
		copy(last[:], text)
		h = k.add(h, last[:])
	}
	return h
}

func (k textHash) add(h uint64, block []byte) uint64 {
	for ; len(block) > 0; block = block[8:] {
		word := binary.LittleEndian.Uint64(block)
		low, high := uint32(word+k.mask), uint32(word>>32+k.mask>>32)
		h = (h ^ uint64(low)*uint64(high)) * k.factor
		h ^= h >> 29
	}
	return h
}
