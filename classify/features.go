package classify

import "kingsnake/normalize"

// Features is what the model reads of one script, without the places. It is
// what training learns from. It is immutable and safe for concurrent use.
type Features struct {
	whole     []uint32
	wholeMark []uint32
	features  []uint32
	blockEnd  []int32
	marks     []uint32
	markEnd   []int32
	does      []behaviorSet
	newLayer  []bool
	all       behaviorSet
}

// Extract reads the features of a script.
func Extract(text normalize.Text) *Features {
	x := extract(text)
	defer x.release()
	v := x.view()
	return &Features{
		whole: clone(v.whole), wholeMark: clone(v.wholeMark), features: clone(v.features),
		blockEnd: clone(v.blockEnd), marks: clone(v.marks), markEnd: clone(v.markEnd),
		does: clone(v.does), newLayer: clone(v.newLayer), all: v.all,
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
	return Features{x.whole, x.wholeMark, x.features, x.blockEnd, x.marks, x.markEnd, x.does, x.newLayer, x.all}
}

// Size is how many features a script has: a measure of the work of judging it.
func (f *Features) Size() int { return len(f.whole) + len(f.features) }

// blocks returns the bounds of blocks from up to to in the features and marks.
func (f *Features) blocks(from, to int) (f0, f1, m0, m1 int32) {
	if from > 0 {
		f0, m0 = f.blockEnd[from-1], f.markEnd[from-1]
	}
	return f0, f.blockEnd[to-1], m0, f.markEnd[to-1]
}

// windowEnd is the block behind the window that starts at block i. A window
// does not reach into another layer.
func (f *Features) windowEnd(i int) int {
	end := i + 1
	for end < len(f.blockEnd) && end < i+windowBlocks && !f.newLayer[end] {
		end++
	}
	return end
}

// windows calls yield for every window: blocks [from, to). A window that lies
// whole in the one before is left out.
func (f *Features) windows(yield func(from, to int) bool) {
	end := 0
	for i := range f.blockEnd {
		to := f.windowEnd(i)
		if to == end && i > 0 && !f.newLayer[i] {
			continue
		}
		end = to
		if !yield(i, to) {
			return
		}
	}
}

// Whole lists the features of the whole script, each once. The caller must not
// change them.
func (f *Features) Whole() []uint32 { return f.whole }

// WholeMarks appends the marks of the whole script to to: its shape, what it
// hides, and every behavior and pair of behaviors.
func (f *Features) WholeMarks(to []uint32) []uint32 {
	return appendPairs(append(to, f.wholeMark...), f.all)
}

// Window lists the features of a window, blocks [from, to).
func (f *Features) Window(from, to int) []uint32 {
	f0, f1, _, _ := f.blocks(from, to)
	return f.features[f0:f1]
}

// Windows calls yield for every window, as blocks [from, to).
func (f *Features) Windows(yield func(from, to int) bool) { f.windows(yield) }

// WindowMarks appends the marks of a window to to.
func (f *Features) WindowMarks(from, end int, to []uint32) []uint32 {
	_, _, m0, m1 := f.blocks(from, end)
	var all behaviorSet
	for _, does := range f.does[from:end] {
		all.union(does)
	}
	return appendPairs(append(to, f.marks[m0:m1]...), all)
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
