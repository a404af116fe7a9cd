package classify

import (
	"math/bits"
	"slices"
	"sync"

	"kingsnake/normalize"
)

// Bounds on what is read of one script. What lies beyond them is not judged,
// so that no input can take more than a bounded time.
const (
	maxTokens      = 400_000 // over all layers
	maxFeatures    = 1 << 21 // over all blocks, each once a block
	maxWhole       = 1 << 19 // different features
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

// Bounds on the marks of a script as a whole.
const (
	maxImports = 16 // modules of which pairs are marked
	maxRepeats = 32 // times that a behavior is counted
)

func pairMark(i, j uint8) uint32 { return uint32(i)<<7 | uint32(j) }
func hashMark(h uint64) uint32   { return pairMarks + uint32(h>>20)%hashMarks }

// extraction is everything the model reads of one script, with the place of
// each feature. Tokens are counted through all layers.
type extraction struct {
	features  []uint32 // of all blocks, in order; each once a block
	places    []int32  // token of each
	blockEnd  []int32  // end of each block in features
	marks     []uint32 // hashed marks of all blocks
	markPlace []int32
	markEnd   []int32
	does      []behaviorSet // of each block
	newLayer  []bool        // the block is the first of its layer
	seen      []sighting    // every behavior seen
	whole     []uint32      // each feature once
	wholeAt   []int32
	wholeMark []uint32 // hashed marks of the whole script: shape and hidden behavior
	all       behaviorSet

	table      []slot // which features were seen, open addressing
	spare      []slot // what the table grows into next
	used       int
	generation int32 // slots of earlier blocks than this are empty
	block      int32
	inBlock    int // tokens in the current block
	current    behaviorSet
	firstBlock bool
	tokens     int
	shape      shape
	times      [behaviorMax]int32 // that each behavior was seen
	imported   []uint64           // modules
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

var hashHidden = hashBytes("hidden")

var extractions = sync.Pool{New: func() any { return &extraction{table: make([]slot, minTable), block: 1} }}

// The sizes of the table of a script's features at its beginning, and of those
// that are kept for other scripts: a small script is quicker in a small table.
const (
	minTable = 1 << 13
	maxTable = 1 << 17
	maxKept  = 1 << 19 // features of an extraction that is kept
)

// extract reads the features of text. The result belongs to a pool; the caller
// gives it back with release.
func extract(text normalize.Text) *extraction {
	x := extractions.Get().(*extraction)
	x.reset()
	w := walkers.Get().(*walker)
	for i := range text.Layers {
		if x.tokens >= maxTokens {
			break
		}
		x.firstBlock = true
		w.layer(x, &text.Layers[i], i)
		x.endBlock()
	}
	walkers.Put(w)
	x.finish(text)
	return x
}

func (x *extraction) release() {
	if cap(x.features) <= maxKept {
		extractions.Put(x)
	}
}

func (x *extraction) reset() {
	if x.block > 1<<30 || cap(x.table) > maxTable {
		x.table, x.block = make([]slot, minTable), 1
		x.spare = nil
	}
	if cap(x.spare) > maxTable {
		x.spare = nil
	}
	*x = extraction{
		features: x.features[:0], places: x.places[:0], blockEnd: x.blockEnd[:0], marks: x.marks[:0],
		markPlace: x.markPlace[:0], markEnd: x.markEnd[:0], does: x.does[:0], newLayer: x.newLayer[:0],
		seen: x.seen[:0], whole: x.whole[:0], wholeAt: x.wholeAt[:0], wholeMark: x.wholeMark[:0],
		imported: x.imported[:0], table: x.table[:minTable], spare: x.spare, block: x.block + 1, generation: x.block + 1,
	}
}

// feature notes a feature of a group at a token.
func (x *extraction) feature(group uint32, h uint64, place int32) {
	f := uint32(h>>32)&^groupMask | group
	mask := uint32(len(x.table) - 1)
	for i := (f * 0x9e3779b1) >> 7 & mask; ; i = (i + 1) & mask {
		s := &x.table[i]
		if s.block < x.generation {
			if len(x.whole) >= maxWhole {
				break // it counts in its block all the same
			}
			*s = slot{f, x.block}
			x.whole = append(x.whole, f)
			x.wholeAt = append(x.wholeAt, place)
			if x.used++; x.used*2 > len(x.table) {
				x.grow()
			}
			break
		}
		if s.feature == f {
			if s.block == x.block {
				return
			}
			s.block = x.block
			break
		}
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

// grow makes the table larger: four times at first, twice when it is large.
func (x *extraction) grow() {
	old := x.table
	n := 4 * len(old)
	if n > 4*maxTable {
		n = 2 * len(old)
	}
	if cap(x.spare) < n {
		x.spare = make([]slot, n)
	}
	x.table, x.spare = x.spare[:n], old
	mask := uint32(len(x.table) - 1)
	for _, s := range old {
		if s.block < x.generation {
			continue
		}
		i := (s.feature * 0x9e3779b1) >> 7 & mask
		for x.table[i].block >= x.generation {
			i = (i + 1) & mask
		}
		x.table[i] = s
	}
	clear(old)
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
	x.current.add(b)
	x.times[b]++
	if len(x.seen) < 1<<16 {
		x.seen = append(x.seen, sighting{uint8(b), uint16(layer), place})
	}
	if layer > 0 && len(x.wholeMark) < maxMarks {
		x.wholeMark = append(x.wholeMark, hashMark(join(hashHidden, uint64(b))))
	}
}

// step counts one token of code, and ends the block when it is full.
func (x *extraction) step() {
	x.tokens++
	if x.inBlock++; x.inBlock >= blockTokens {
		x.endBlock()
	}
}

func (x *extraction) endBlock() {
	if x.inBlock == 0 && x.blockLen() == 0 && x.current == (behaviorSet{}) {
		return
	}
	x.blockEnd = append(x.blockEnd, int32(len(x.features)))
	x.markEnd = append(x.markEnd, int32(len(x.marks)))
	x.does = append(x.does, x.current)
	x.newLayer = append(x.newLayer, x.firstBlock)
	x.all.union(x.current)
	x.firstBlock = false
	x.current = behaviorSet{}
	x.inBlock = 0
	x.block++
}

func (x *extraction) blockLen() int {
	if n := len(x.blockEnd); n > 0 {
		return len(x.features) - int(x.blockEnd[n-1])
	}
	return len(x.features)
}

// finish adds the marks of the script as a whole: its shape, how often it does
// what it does, and which modules it uses together.
func (x *extraction) finish(text normalize.Text) {
	x.wholeMark = x.shape.marks(x.wholeMark, text, x.tokens)
	for b, n := range x.times {
		for k := int32(2); k <= min(n, maxRepeats); k *= 2 {
			x.wholeMark = append(x.wholeMark, hashMark(join(uint64(b)<<8|uint64(k), 139)))
		}
	}
	slices.Sort(x.imported)
	modules := slices.Compact(x.imported)
	modules = modules[:min(len(modules), maxImports)]
	for i, a := range modules {
		for _, b := range modules[i+1:] {
			x.wholeMark = append(x.wholeMark, hashMark(join(join(a, b), 141)))
		}
	}
	slices.Sort(x.wholeMark)
	x.wholeMark = slices.Compact(x.wholeMark)
}
