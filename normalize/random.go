package normalize

import (
	"crypto/sha512"
	"encoding/binary"
	"math/bits"
)

// Numbers of Python's module random, as far as they follow from a seed that the
// script gives: some texts are keyed by them.

// twister is the Mersenne Twister (MT19937) that Python draws from. Its block is
// not changed once it was made, so that a copy goes on from where it was taken.
// The zero value has no seed.
type twister struct {
	block *[624]uint32
	at    int
}

// newTwister is seeded as CPython does for a whole number, whose 32-bit words
// are key, the lowest first.
func newTwister(key []uint32) twister {
	var s [624]uint32
	n := len(s)
	s[0] = 19650218
	for i := 1; i < n; i++ {
		s[i] = 1812433253*(s[i-1]^s[i-1]>>30) + uint32(i)
	}
	i, j := 1, 0
	next := func() {
		if i++; i >= n {
			s[0] = s[n-1]
			i = 1
		}
	}
	for range max(n, len(key)) {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1664525) + key[j] + uint32(j)
		j = (j + 1) % len(key)
		next()
	}
	for range n - 1 {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1566083941) - uint32(i)
		next()
	}
	s[0] = 1 << 31
	return twister{&s, n}
}

// next draws 32 bits.
func (t *twister) next() uint32 {
	const m = 397
	n := len(t.block)
	if t.at >= n {
		s := *t.block
		for i := range n {
			y := s[i]&(1<<31) | s[(i+1)%n]&(1<<31-1)
			s[i] = s[(i+m)%n] ^ y>>1 ^ y&1*0x9908b0df
		}
		t.block, t.at = &s, 0
	}
	y := t.block[t.at]
	t.at++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// bits draws up to 63 bits.
func (t *twister) bits(k int) int64 {
	if k <= 32 {
		return int64(t.next() >> (32 - k))
	}
	low := int64(t.next())
	return low | int64(t.next()>>(64-k))<<32
}

// below draws a number below n, which must be above zero.
func (t *twister) below(n int64) int64 {
	k := bits.Len64(uint64(n))
	for {
		if r := t.bits(k); r < n {
			return r
		}
	}
}

// keepRandom keeps the generator for layer k, which is executed here.
func (u *unpacker) keepRandom(k int) {
	if u.random.block == nil {
		return
	}
	if u.drawn == nil {
		u.drawn = map[int]twister{}
	}
	u.drawn[k] = u.random
}

// randomFor gives layer i the generator as it was where it is executed.
func (u *unpacker) randomFor(i int) { u.random = u.drawn[i] }

// seed is random.seed(v).
func (p *peeler) seed(v value) value {
	var data []byte
	switch {
	case v.kind == integer:
		data = binary.BigEndian.AppendUint64(nil, uint64(max(v.num, -v.num)))
	case v.kind == bigInt:
		data = v.data
	case v.isText():
		sum := sha512.Sum512(v.data)
		data = append(append(data, v.data...), sum[:]...)
	}
	if len(data) == 0 || len(data) > maxSeed || !p.u.spend(overhead) {
		p.u.random = twister{}
		return value{}
	}
	p.u.steps += 64
	for len(data)%4 != 0 {
		data = append([]byte{0}, data...)
	}
	key := make([]uint32, 0, len(data)/4)
	for i := len(data); i > 0; i -= 4 {
		key = append(key, binary.BigEndian.Uint32(data[i-4:]))
	}
	for len(key) > 1 && key[len(key)-1] == 0 {
		key = key[:len(key)-1]
	}
	p.u.random = newTwister(key)
	return value{kind: settled}
}

// maxSeed bounds the bytes of a seed.
const maxSeed = 1 << 10

// callRandom calls a function of the module random.
func (p *peeler) callRandom(name string, args []value) value {
	first := args[0]
	if name == "random.seed" {
		return p.seed(first)
	}
	t := &p.u.random
	if t.block == nil || !p.step() || p.frame == nil && p.source == p.home && p.column(p.begin) > 0 {
		return value{} // not seeded, or read in a function that is not called here
	}
	switch name {
	case "random.randint", "random.randrange":
		return t.between(name, args)
	case "random.getrandbits":
		if first.kind == integer && first.num > 0 && first.num < 64 {
			return value{kind: integer, num: t.bits(int(first.num))}
		}
	case "random.choice":
		if n := first.length(); n > 0 && first.kind != dict {
			return p.index(first, value{kind: integer, num: t.below(int64(n))})
		}
	case "random.shuffle":
		return p.shuffle(t, first)
	case "random.randbytes":
		if first.kind == integer && first.num > 0 && first.num <= 1<<12 && p.u.spend(int(first.num)+4) {
			var data []byte
			for n := int(first.num); n > 0; n -= 4 {
				data = binary.LittleEndian.AppendUint32(data, t.next()>>(32-8*min(n, 4)))
			}
			return value{kind: bytesText, data: data[:first.num], named: true, extra: &extra{used: true, steps: "random"}}
		}
	}
	return value{}
}

// between is random.randint(a, b) or random.randrange(a, b).
func (t *twister) between(name string, args []value) value {
	for _, arg := range args {
		if arg.kind != integer || arg.num > 1<<40 || arg.num < -1<<40 {
			return value{}
		}
	}
	from, to := int64(0), args[0].num
	if len(args) == 2 {
		from, to = args[0].num, args[1].num
	}
	if name == "random.randint" {
		to++
	}
	if len(args) > 2 || to <= from {
		return value{}
	}
	return value{kind: integer, num: from + t.below(to-from)}
}

// shuffle is random.shuffle(v), which changes the list itself.
func (p *peeler) shuffle(t *twister, v value) value {
	if !v.isList() || !p.touch(v) {
		return value{}
	}
	p.itemsSet++
	p.u.steps += v.length() / 8
	for i := v.length() - 1; i > 0; i-- {
		k := t.below(int64(i + 1))
		if v.kind == list {
			v.extra.items[i], v.extra.items[k] = v.extra.items[k], v.extra.items[i]
		} else {
			v.extra.ints[i], v.extra.ints[k] = v.extra.ints[k], v.extra.ints[i]
		}
	}
	return value{kind: settled}
}
