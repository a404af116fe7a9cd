package detect

import (
	"encoding/binary"
	"math/bits"
)

// keccak256 is Keccak-256 with the padding it had before it became SHA-3, as
// Ethereum and Monero use it.
func keccak256(data []byte) [32]byte {
	const rate = 136
	var state [25]uint64
	absorb := func(block []byte) {
		for i := 0; i < rate/8; i++ {
			state[i] ^= binary.LittleEndian.Uint64(block[8*i:])
		}
		permute(&state)
	}
	for ; len(data) >= rate; data = data[rate:] {
		absorb(data[:rate])
	}
	var last [rate]byte
	copy(last[:], data)
	last[len(data)] ^= 1
	last[rate-1] ^= 0x80
	absorb(last[:])
	var sum [32]byte
	for i := range 4 {
		binary.LittleEndian.PutUint64(sum[8*i:], state[i])
	}
	return sum
}

// permute is Keccak-f[1600]. Its round constants come from the shift register
// that defines them.
func permute(a *[25]uint64) {
	register := byte(1)
	for range 24 {
		var c [5]uint64 // theta
		for x := range 5 {
			c[x] = a[x] ^ a[x+5] ^ a[x+10] ^ a[x+15] ^ a[x+20]
		}
		for x := range 5 {
			d := c[(x+4)%5] ^ bits.RotateLeft64(c[(x+1)%5], 1)
			for y := 0; y < 25; y += 5 {
				a[x+y] ^= d
			}
		}
		x, y, v := 1, 0, a[1] // rho and pi
		for t := range 24 {
			x, y = y, (2*x+3*y)%5
			v, a[x+5*y] = a[x+5*y], bits.RotateLeft64(v, (t+1)*(t+2)/2%64)
		}
		for y := 0; y < 25; y += 5 { // chi
			row := [5]uint64(a[y : y+5])
			for x := range 5 {
				a[x+y] = row[x] ^ ^row[(x+1)%5]&row[(x+2)%5]
			}
		}
		for j := range 7 { // iota
			if register&1 == 1 {
				a[0] ^= 1 << (1<<j - 1)
			}
			register = register<<1 ^ register>>7*0x71
		}
	}
}
