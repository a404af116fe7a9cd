package sensor

import (
	"bytes"
	"testing"
)

// TestAHashTellsTextsApart changes one and two bits of a text. Those of the highest
// bits of two words used to cancel each other, whatever the key.
func TestAHashTellsTextsApart(t *testing.T) {
	t.Parallel()
	k := textHash{0x0123456789abcdef, 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f}
	text := bytes.Repeat([]byte("text of a module"), 10)
	seen := map[uint64]bool{k.sum(text): true}
	add := func(changed []byte) {
		if h := k.sum(changed); seen[h] {
			t.Errorf("another text has the hash %x", h)
		} else {
			seen[h] = true
		}
	}
	for i := range text {
		changed := bytes.Clone(text)
		changed[i] ^= 0x80
		add(changed)
		if i+8 < len(text) {
			changed[i+8] ^= 0x80
			add(changed)
			changed[i+8-3] ^= 4
			add(changed)
		}
		add(text[:i])
	}
	add(append(bytes.Clone(text), 0)) // the last block is filled up with zeros
}
