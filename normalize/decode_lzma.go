package normalize

import (
	"bytes"
	"encoding/binary"
)

// decodeLzma decompresses as lzma.decompress does: xz data, and that of the
// older format ".lzma". What is decompressed is its own dictionary, so that no
// memory is needed besides it, whatever the data asks for. Checksums are not
// insisted on, and of data that is cut off the part that is there is given.
func decodeLzma(in []byte, _ []int64, limit int) ([]byte, bool) {
	d := lzmaDecoder{limit: limit}
	if bytes.HasPrefix(in, []byte("\xfd7zXZ\x00")) {
		d.xz(in)
	} else if !d.alone(in) {
		return nil, false
	}
	return d.out, len(d.out) > 0
}

// xz reads the blocks of the first stream of xz data.
func (d *lzmaDecoder) xz(in []byte) {
	const headerSize = 12
	if len(in) < headerSize {
		return
	}
	checkSize := [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[in[7]&15]
	in = in[headerSize:]
	for len(in) > 1 && in[0] != 0 && len(d.out) < d.limit {
		size := (int(in[0]) + 1) * 4
		if len(in) < size || !onlyLzma2(in[1:size]) {
			return
		}
		rest, ok := d.chunks(in[size:])
		if !ok {
			return
		}
		used := len(in) - len(rest)
		used += (4-used%4)%4 + checkSize
		if used > len(in) {
			return
		}
		in = in[used:]
	}
}

// onlyLzma2 reports whether the header of a block, behind its size, names LZMA2
// as its only filter.
func onlyLzma2(header []byte) bool {
	flags := header[0]
	header = header[1:]
	for _, present := range [...]bool{flags&0x40 != 0, flags&0x80 != 0} {
		if present {
			_, n := binary.Uvarint(header)
			if n <= 0 {
				return false
			}
			header = header[n:]
		}
	}
	return flags&3 == 0 && len(header) > 2 && header[0] == 0x21 && header[1] == 1
}

// alone reads data of the format ".lzma".
func (d *lzmaDecoder) alone(in []byte) bool {
	const headerSize = 13
	if len(in) < headerSize+5 || !d.properties(in[0]) {
		return false
	}
	size := binary.LittleEndian.Uint64(in[5:13])
	if size != 1<<64-1 && size > 1<<40 {
		return false
	}
	d.limit = int(min(uint64(d.limit), size))
	d.in = in[headerSize:]
	if d.in[0] != 0 {
		return false
	}
	d.startRange()
	d.run(d.limit)
	return true
}

// chunks reads the chunks of LZMA2 and gives what stands behind them.
func (d *lzmaDecoder) chunks(in []byte) (rest []byte, ok bool) {
	for len(in) > 0 && len(d.out) < d.limit {
		control := in[0]
		switch {
		case control == 0:
			return in[1:], true
		case control < 3:
			if len(in) < 3 {
				return nil, false
			}
			n := int(in[1])<<8 + int(in[2]) + 1
			part := in[3:min(3+n, len(in))]
			d.out = append(d.out, part[:min(len(part), d.limit-len(d.out))]...)
			if len(in) < 3+n {
				return nil, false
			}
			in = in[3+n:]
			continue
		case control < 0x80 || len(in) < 6:
			return nil, false
		}
		size := int(control&0x1f)<<16 + int(in[1])<<8 + int(in[2]) + 1
		packed := int(in[3])<<8 + int(in[4]) + 1
		in = in[5:]
		reset := control >> 5 & 3
		if reset >= 2 {
			if !d.properties(in[0]) {
				return nil, false
			}
			in = in[1:]
		} else if reset == 1 {
			d.resetState()
		}
		if d.literals == nil || len(in) < 5 {
			return nil, false
		}
		d.in = in[:min(packed, len(in))]
		d.startRange()
		d.run(min(len(d.out)+size, d.limit))
		if d.broken || len(in) < packed {
			return nil, false
		}
		in = in[packed:]
	}
	return in, false
}

// lzmaDecoder decodes LZMA. Names are those of its specification, spelled out.
type lzmaDecoder struct {
	out    []byte
	limit  int
	in     []byte
	broken bool // the data ended too early or makes no sense

	code, width uint32 // of the range decoder

	literalBits, positionMask uint
	literalMask               uint
	literals                  []uint16
	state                     uint
	repeats                   [4]uint32
	match                     [12][16]uint16
	repeat, repeat0           [12]uint16
	repeat1, repeat2          [12]uint16
	repeat0Long               [12][16]uint16
	slots                     [4][64]uint16
	special                   [128]uint16
	align                     [16]uint16
	matchLength, repeatLength lzmaLength
}

// lzmaLength is the model of lengths.
type lzmaLength struct {
	choice, choice2 uint16
	low, middle     [16][8]uint16
	high            [256]uint16
}

// properties sets the parameters of the model, and resets it.
func (d *lzmaDecoder) properties(b byte) bool {
	if b >= 9*5*5 {
		return false
	}
	d.literalBits = uint(b % 9)
	literalPosition := uint(b / 9 % 5)
	if d.literalBits+literalPosition > 4 {
		return false
	}
	d.literalMask = 1<<literalPosition - 1
	d.positionMask = 1<<(b/45) - 1
	d.literals = make([]uint16, 0x300<<(d.literalBits+literalPosition))
	d.resetState()
	return true
}

// resetState sets every probability to a half.
func (d *lzmaDecoder) resetState() {
	d.state, d.repeats = 0, [4]uint32{}
	halve := func(p []uint16) {
		for i := range p {
			p[i] = 1 << 10
		}
	}
	halve(d.literals)
	for i := range d.match {
		halve(d.match[i][:])
		halve(d.repeat0Long[i][:])
	}
	for _, p := range [...][]uint16{d.repeat[:], d.repeat0[:], d.repeat1[:], d.repeat2[:], d.special[:], d.align[:]} {
		halve(p)
	}
	for i := range d.slots {
		halve(d.slots[i][:])
	}
	for _, l := range [...]*lzmaLength{&d.matchLength, &d.repeatLength} {
		l.choice, l.choice2 = 1<<10, 1<<10
		for i := range l.low {
			halve(l.low[i][:])
			halve(l.middle[i][:])
		}
		halve(l.high[:])
	}
}

// startRange reads the five bytes that the range decoder starts with.
func (d *lzmaDecoder) startRange() {
	d.width, d.code, d.broken = 1<<32-1, 0, false
	for range 5 {
		d.code = d.code<<8 | uint32(d.next())
	}
}

// next takes one byte of the input.
func (d *lzmaDecoder) next() byte {
	if len(d.in) == 0 {
		d.broken = true
		return 0
	}
	c := d.in[0]
	d.in = d.in[1:]
	return c
}

// bit decodes one bit with a probability that adapts.
func (d *lzmaDecoder) bit(p *uint16) uint {
	bound := d.width >> 11 * uint32(*p)
	bit := uint(0)
	if d.code < bound {
		d.width = bound
		*p += (1<<11 - *p) >> 5
	} else {
		d.width -= bound
		d.code -= bound
		*p -= *p >> 5
		bit = 1
	}
	if d.width < 1<<24 {
		d.width <<= 8
		d.code = d.code<<8 | uint32(d.next())
	}
	return bit
}

// direct decodes n bits that are equally probable.
func (d *lzmaDecoder) direct(n uint) (v uint32) {
	for ; n > 0; n-- {
		d.width >>= 1
		d.code -= d.width
		under := 0 - d.code>>31
		d.code += d.width & under
		if d.width < 1<<24 {
			d.width <<= 8
			d.code = d.code<<8 | uint32(d.next())
		}
		v = v<<1 + under + 1
	}
	return v
}

// tree decodes n bits, the highest first.
func (d *lzmaDecoder) tree(p []uint16, n uint) uint {
	m := uint(1)
	for range n {
		m = m<<1 + d.bit(&p[m])
	}
	return m - 1<<n
}

// reverseTree decodes n bits, the lowest first.
func (d *lzmaDecoder) reverseTree(p []uint16, n uint) (v uint32) {
	m := uint(1)
	for i := range n {
		bit := d.bit(&p[m])
		m = m<<1 + bit
		v |= uint32(bit) << i
	}
	return v
}

// length decodes the length of a match, less two.
func (d *lzmaDecoder) length(l *lzmaLength, position uint) int {
	switch {
	case d.bit(&l.choice) == 0:
		return int(d.tree(l.low[position][:], 3))
	case d.bit(&l.choice2) == 0:
		return 8 + int(d.tree(l.middle[position][:], 3))
	}
	return 16 + int(d.tree(l.high[:], 8))
}

// distance decodes how far back a match lies, less one.
func (d *lzmaDecoder) distance(length int) uint32 {
	slot := d.tree(d.slots[min(length, 3)][:], 6)
	if slot < 4 {
		return uint32(slot)
	}
	n := slot>>1 - 1
	v := uint32(2|slot&1) << n
	if slot < 14 {
		return v + d.reverseTree(d.special[v-uint32(slot):], n)
	}
	return v + d.direct(n-4)<<4 + d.reverseTree(d.align[:], 4)
}

// literal decodes one byte.
func (d *lzmaDecoder) literal() {
	before := byte(0)
	if len(d.out) > 0 {
		before = d.out[len(d.out)-1]
	}
	at := (uint(len(d.out))&d.literalMask)<<d.literalBits + uint(before)>>(8-d.literalBits)
	p := d.literals[0x300*at:][:0x300]
	symbol := uint(1)
	if d.state >= 7 && int(d.repeats[0]) < len(d.out) {
		likely := uint(d.out[len(d.out)-int(d.repeats[0])-1])
		for symbol < 0x100 {
			expected := likely >> 7 & 1
			likely <<= 1
			bit := d.bit(&p[(1+expected)<<8+symbol])
			symbol = symbol<<1 | bit
			if bit != expected {
				break
			}
		}
	}
	for symbol < 0x100 {
		symbol = symbol<<1 | d.bit(&p[symbol])
	}
	if !d.broken {
		d.out = append(d.out, byte(symbol))
	}
	switch {
	case d.state < 4:
		d.state = 0
	case d.state < 10:
		d.state -= 3
	default:
		d.state -= 6
	}
}

// run decodes until out has to bytes, or its end marker is read.
func (d *lzmaDecoder) run(to int) {
	for len(d.out) < to && !d.broken {
		position := uint(len(d.out)) & d.positionMask
		if d.bit(&d.match[d.state][position]) == 0 {
			d.literal()
			continue
		}
		n := 0
		after := func(short, long uint) {
			if d.state < 7 {
				d.state = short
			} else {
				d.state = long
			}
		}
		if d.bit(&d.repeat[d.state]) == 0 {
			n = d.length(&d.matchLength, position)
			after(7, 10)
			far := d.distance(n)
			if far == 1<<32-1 {
				return // the end marker
			}
			d.repeats = [4]uint32{far, d.repeats[0], d.repeats[1], d.repeats[2]}
		} else {
			r := &d.repeats
			switch {
			case d.bit(&d.repeat0[d.state]) == 0:
				if d.bit(&d.repeat0Long[d.state][position]) == 0 {
					after(9, 11)
					d.copy(1, to)
					continue
				}
			case d.bit(&d.repeat1[d.state]) == 0:
				r[0], r[1] = r[1], r[0]
			case d.bit(&d.repeat2[d.state]) == 0:
				r[0], r[1], r[2] = r[2], r[0], r[1]
			default:
				r[0], r[1], r[2], r[3] = r[3], r[0], r[1], r[2]
			}
			n = d.length(&d.repeatLength, position)
			after(8, 11)
		}
		d.copy(n+2, to)
	}
}

// copy repeats n bytes from as far back as the last match.
func (d *lzmaDecoder) copy(n, to int) {
	from := len(d.out) - int(d.repeats[0]) - 1
	if from < 0 || d.broken {
		d.broken = true
		return
	}
	for n = min(n, to-len(d.out)); n > 0; n-- {
		d.out = append(d.out, d.out[from])
		from++
	}
}
