package classify

import (
	"slices"

	"kingsnake/normalize"
)

// Features is what the model reads of one script, without the places. It is
// what training learns from. It is immutable and safe for concurrent use.
type Features struct {
	features []uint32
	marks    []uint32
	shown    []uint8
	imported []uint64
	peeled   []uint32
	blocks   []block
}

// Extract reads the features of a script.
func Extract(text normalize.Text) *Features {
	x := extract(text)
	defer x.release()
	v := x.view()
	return &Features{
		features: clone(v.features), marks: clone(v.marks), shown: clone(v.shown),
		imported: clone(v.imported), peeled: clone(v.peeled), blocks: clone(v.blocks),
	}
}

// clone copies s to just the room it needs.
func clone[T any](s []T) []T {
	c := make([]T, len(s))
	copy(c, s)
	return c
}

// view is the extraction's features, valid until it is released.
func (x *extraction) view() Features {
	return Features{x.features, x.marks, x.shown, x.imported, x.peeled, x.blocks}
}

// Set lists the features, each once, in rising order.
func (f *Features) Set() []uint32 {
	set := clone(f.features)
	slices.Sort(set)
	return slices.Compact(set)
}

// Size is how many features a script has: a measure of the work of judging it.
func (f *Features) Size() int { return len(f.features) }

// Block lists the features of block i, each once. The caller must not change
// them.
func (f *Features) Block(i int) []uint32 { return f.features[f.start(i).features:f.blocks[i].features] }

// start is where the lists of block i begin: the end of the block before.
func (f *Features) start(i int) block {
	if i == 0 {
		return block{}
	}
	return f.blocks[i-1]
}

// windowEnd is the block behind the window that starts at block i. A window
// does not reach into another layer.
func (f *Features) windowEnd(i int) int {
	end := i + 1
	for end < len(f.blocks) && end < i+windowBlocks && !f.blocks[end].first {
		end++
	}
	return end
}

// Windows calls yield for every window: blocks [from, to). A window that lies
// whole in the one before is left out.
func (f *Features) Windows(yield func(from, to int) bool) {
	end := 0
	for i := range f.blocks {
		to := f.windowEnd(i)
		if to == end && i > 0 && !f.blocks[i].first {
			continue
		}
		end = to
		if !yield(i, to) {
			return
		}
	}
}

// Window lists the features of a window, blocks [from, to).
func (f *Features) Window(from, to int) []uint32 {
	return f.features[f.start(from).features:f.blocks[to-1].features]
}

// WindowMarks appends the marks of a window to to.
func (f *Features) WindowMarks(from, end int, to []uint32) []uint32 {
	var all behaviorSet
	for i := from; i < end; i++ {
		all.union(f.blocks[i].does)
	}
	return appendPairs(append(to, f.marks[f.start(from).marks:f.blocks[end-1].marks]...), all)
}

// CoreSize is how many features a core lists, with which they are scaled.
func (f *Features) CoreSize(core []int32) int {
	n := 0
	for _, i := range core {
		n += len(f.Block(int(i)))
	}
	return n
}

// CoreMarks appends the marks of a core, which are those of a script that has
// its blocks alone, to to.
func (f *Features) CoreMarks(core []int32, to []uint32) []uint32 {
	var t tally
	for _, i := range core {
		t.add(f, int(i))
	}
	return t.marks(f, to)
}

// ScriptMarks appends the marks of a script to to: its behaviors and pairs of
// them, how often each is seen, which are seen in a layer that was hidden, which
// modules it uses together, its shape, and how its layers were peeled.
func (f *Features) ScriptMarks(to []uint32) []uint32 {
	var t tally
	for i := range f.blocks {
		t.add(f, i)
	}
	return t.marks(f, to)
}

// hashHidden names the marks of behaviors that are seen in a hidden layer.
var hashHidden = hashBytes("hidden")

// tally counts what several blocks have together.
type tally struct {
	does, hidden behaviorSet
	shape        shape
	times        [behaviorMax]int32
	modules      [maxImported]uint64
	imported     int
}

func (t *tally) add(f *Features, i int) {
	b, start := &f.blocks[i], f.start(i)
	t.does.union(b.does)
	if b.layer > 0 {
		t.hidden.union(b.does)
	}
	t.shape.add(&b.shape)
	for _, n := range f.shown[start.shown:b.shown] {
		t.times[n]++
	}
	t.imported += copy(t.modules[t.imported:], f.imported[start.imported:b.imported])
}

func (t *tally) marks(f *Features, to []uint32) []uint32 {
	to = t.shape.marks(append(to, f.peeled...))
	var members [behaviorMax]uint8
	for _, b := range t.hidden.members(members[:0]) {
		to = append(to, hashMark(join(hashHidden, uint64(b))))
	}
	for _, b := range t.does.members(members[:0]) {
		for n := int32(2); n <= min(t.times[b], maxRepeats); n *= 2 {
			to = append(to, hashMark(join(uint64(b)<<8|uint64(n), 139)))
		}
	}
	modules := t.modules[:t.imported]
	slices.Sort(modules)
	modules = slices.Compact(modules)
	modules = modules[:min(len(modules), maxImports)]
	for i, a := range modules {
		for _, b := range modules[i+1:] {
			to = append(to, hashMark(join(join(a, b), 141)))
		}
	}
	return appendPairs(to, t.does)
}

// appendPairs appends the marks of each behavior and of each pair of them.
func appendPairs(to []uint32, set behaviorSet) []uint32 {
	var buffer [behaviorMax]uint8
	members := set.members(buffer[:0])
	for i, a := range members {
		for _, b := range members[i:] {
			to = append(to, pairMark(a, b))
		}
	}
	return to
}
