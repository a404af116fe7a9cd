package classify

import (
	"math/bits"
	"sync"

	"kingsnake/normalize"
)

// Bounds on what is read of one script. What lies beyond them is not judged,
// so that no input can take more than a bounded time.
const (
	maxTokens      = 400_000 // over all layers
	maxFeatures    = 1 << 21 // over all blocks, each once a block
	maxMarks       = 1 << 19 // of each kind
	maxStringWords = 96      // pieces taken from one string
	maxStringScan  = 16 << 10
	blockTokens    = 64 // in a block
	windowBlocks   = 4  // blocks in a window
)

// The groups of features, in the highest three bits of a feature.
const (
	groupTokens uint32 = iota << 29 // sequences of tokens, names abstracted
	groupNames                      // words in the script's own names
	groupTexts                      // words in its strings
	groupCalls                      // what it calls, in what order, with what
	groupNumbers
	groupMask uint32 = 7 << 29
)

// behaviorSet is a set of behaviors, by index.
type behaviorSet [2]uint64

func (s *behaviorSet) add(i int)           { s[i>>6] |= 1 << (i & 63) }
func (s *behaviorSet) union(t behaviorSet) { s[0] |= t[0]; s[1] |= t[1] }

// members appends the members in rising order.
func (s behaviorSet) members(to []uint8) []uint8 {
	for w, word := range s {
		for ; word != 0; word &= word - 1 {
			to = append(to, uint8(w<<6|bits.TrailingZeros64(word)))
		}
	}
	return to
}

// The table of marks: first a matrix of pairs of behaviors (the diagonal is
// each behavior alone), then those that are hashed.
const (
	behaviorMax = 128
	pairMarks   = behaviorMax * behaviorMax
	hashMarks   = 1 << 17
	markCount   = pairMarks + hashMarks
)

// Bounds on the marks of a core and of a script.
const (
	maxImports  = 16  // modules of which pairs are marked
	maxRepeats  = 32  // times that a behavior is counted
	maxImported = 256 // modules noted of a script
)

func pairMark(i, j uint8) uint32 { return uint32(i)<<7 | uint32(j) }
func hashMark(h uint64) uint32   { return pairMarks + uint32(h>>20)%hashMarks }

// extraction is everything the model reads of one script, with the place of
// each feature. Tokens are counted through all layers.
type extraction struct {
	features  []uint32 // of all blocks, in order; each once a block
	places    []int32  // token of each
	marks     []uint32 // hashed marks of all blocks
	markPlace []int32
	shown     []uint8  // behaviors as often as they are seen, of all blocks
	imported  []uint64 // modules, of all blocks
	blocks    []block
	seen      []sighting // every behavior seen
	peeled    []uint32   // hashed marks of how layers were peeled

	table   []slot // which features the current block has, open addressing
	number  int32  // of the current block, through all scripts
	inBlock int    // tokens in the current block
	current block
	tokens  int
}

// block is some 64 tokens in a row of one layer.
type block struct {
	// Where its part of each list ends, and its tokens.
	features, marks, shown, imported, place int32

	layer int32
	first bool // of its layer
	does  behaviorSet
	shape shape
}

// sighting is a behavior seen at a token.
type sighting struct {
	behavior uint8
	layer    uint16
	place    int32
}

// slot remembers in which block a feature was last seen.
type slot struct {
	feature uint32
	block   int32
}

// slots is the size of the table: a block rarely has more than a few hundred
// features. Of one that has, a feature may be listed more than once.
const slots = 1 << 12

var extractions = sync.Pool{New: func() any { return &extraction{table: make([]slot, slots), number: 1} }}

// maxKept is the most features of an extraction that is kept for other scripts.
const maxKept = 1 << 19

// extract reads the features of text. The result belongs to a pool; the caller
// gives it back with release.
func extract(text normalize.Text) *extraction {
	x := extractions.Get().(*extraction)
	x.reset()
	w := walkers.Get().(*walker)
	base := int32(0) // place of the layer's first token
	for i := range text.Layers {
		if x.tokens >= maxTokens {
			break
		}
		l := &text.Layers[i]
		from := len(x.blocks)
		x.current = block{layer: int32(i), first: true}
		w.layer(x, l, i, base)
		x.endBlock(base + int32(len(l.Tokens)))
		measure(x.blocks[from:], l, base)
		base += int32(len(l.Tokens))
	}
	walkers.Put(w)
	x.peeled = peelMarks(x.peeled, text)
	return x
}

func (x *extraction) release() {
	if cap(x.features) <= maxKept {
		extractions.Put(x)
	}
}

func (x *extraction) reset() {
	if x.number > 1<<30 {
		clear(x.table)
		x.number = 1
	}
	*x = extraction{
		features: x.features[:0], places: x.places[:0], marks: x.marks[:0], markPlace: x.markPlace[:0],
		shown: x.shown[:0], imported: x.imported[:0], blocks: x.blocks[:0], seen: x.seen[:0], peeled: x.peeled[:0],
		table: x.table, number: x.number + 1,
	}
}

// feature notes a feature of a group at a token, once a block.
func (x *extraction) feature(group uint32, h uint64, place int32) {
	f := uint32(h>>32)&^groupMask | group
	i := (f * 0x9e3779b1) >> 7 % slots
	for range 8 {
		s := &x.table[i]
		if s.block != x.number {
			*s = slot{f, x.number}
			break
		}
		if s.feature == f {
			return
		}
		i = (i + 1) % slots
	}
	if len(x.features) == cap(x.features) {
		if len(x.features) >= maxFeatures {
			return
		}
		x.features, x.places = roomFor(x.features), roomFor(x.places)
	}
	x.features = append(x.features, f)
	x.places = append(x.places, place)
}

// roomFor doubles the room of a list of features. Its last growth is to all
// that it may ever have, so that little is copied and thrown away.
func roomFor[T any](list []T) []T {
	n := max(2*cap(list), 1<<12)
	if n > maxFeatures/4 {
		n = maxFeatures
	}
	return append(make([]T, 0, n), list...)
}

// mark notes a hashed mark at a token.
func (x *extraction) mark(h uint64, place int32) {
	if len(x.marks) >= maxMarks {
		return
	}
	x.marks = append(x.marks, hashMark(h))
	x.markPlace = append(x.markPlace, place)
}

// behave notes a behavior at a token.
func (x *extraction) behave(b int, layer int, place int32) {
	x.current.does.add(b)
	if len(x.seen) < 1<<16 {
		x.seen = append(x.seen, sighting{uint8(b), uint16(layer), place})
		x.shown = append(x.shown, uint8(b))
	}
}

// step counts the token of code at place, and ends the block when it is full.
func (x *extraction) step(place int32) {
	x.tokens++
	if x.inBlock++; x.inBlock >= blockTokens {
		x.endBlock(place + 1)
	}
}

// endBlock ends the current block before the token at place, if there is
// anything in it.
func (x *extraction) endBlock(place int32) {
	n := len(x.features)
	if k := len(x.blocks); k > 0 {
		n -= int(x.blocks[k-1].features)
	}
	if x.inBlock == 0 && n == 0 && x.current.does == (behaviorSet{}) {
		return
	}
	b := x.current
	b.features, b.marks = int32(len(x.features)), int32(len(x.marks))
	b.shown, b.imported, b.place = int32(len(x.shown)), int32(len(x.imported)), place
	b.shape.tokens = int32(x.inBlock)
	x.blocks = append(x.blocks, b)
	x.current = block{layer: b.layer}
	x.inBlock = 0
	x.number++
}
